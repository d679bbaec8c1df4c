//! What the network sees of an image: all of it, a crop, or a crop that is turned and scaled at random.

use dropconnect_testing::Random;

/// Pixels along a side of an image of the files.
const SIDE: usize = 28;
/// Pixels along a side of the paper's crops.
const CROP: usize = 24;
/// Largest turn in radians, and largest change of size: 15 degrees and 15 %.
const TURN: f32 = 0.261_799_4;
const SIZE: f32 = 0.15;

/// How an image becomes the input of the network.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum View {
    /// 28 x 28, as it is.
    Whole,
    /// The 24 x 24 in the middle: what a network that was trained on crops is tested with.
    Middle,
    /// 24 x 24 from a random place, turned by up to 15 degrees and scaled by up to 15 %.
    Random { seed: u64, epoch: usize },
    /// 28 x 28, moved to the right and down by so many pixels; what leaves the image is lost.
    Shifted(usize),
    /// The same of the 24 x 24 in the middle.
    ShiftedMiddle(usize),
}

impl View {
    /// What tests the network that this view trains, moved by so many pixels.
    pub fn of_tests(augment: bool, shift: usize) -> Self {
        match (augment, shift) {
            (false, 0) => Self::Whole,
            (true, 0) => Self::Middle,
            (false, shift) => Self::Shifted(shift),
            (true, shift) => Self::ShiftedMiddle(shift),
        }
    }

    fn side(self) -> usize {
        match self {
            Self::Whole | Self::Shifted(_) => SIDE,
            Self::Middle | Self::Random { .. } | Self::ShiftedMiddle(_) => CROP,
        }
    }

    /// Inputs of the network.
    pub fn pixels(self) -> usize {
        self.side() * self.side()
    }

    /// Appends what is seen of an image, in 0..1.
    pub fn append(self, number: u32, image: &[u8], seen: &mut Vec<f32>) {
        let pixel = |x: isize, y: isize| {
            let inside = (0..SIDE as isize).contains(&x) && (0..SIDE as isize).contains(&y);
            if inside { f32::from(image[y as usize * SIDE + x as usize]) / 255.0 } else { 0.0 }
        };
        let side = self.side() as isize;
        let margin = (SIDE as isize - side) / 2;
        let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        match self {
            Self::Whole | Self::Middle => seen.extend(places.map(|(x, y)| pixel(x + margin, y + margin))),
            Self::Shifted(by) | Self::ShiftedMiddle(by) => {
                let from = margin - by as isize;
                seen.extend(places.map(|(x, y)| pixel(x + from, y + from)));
            }
            Self::Random { seed, epoch } => {
                let mut random =
                    Random(seed ^ (epoch as u64) << 32 ^ u64::from(number).wrapping_mul(0x9e37_79b9));
                let mut within = |bound: f32| random.value() * bound;
                let (turn, size) = (within(TURN), 1.0 + within(SIZE));
                let (right, down) = (within(margin as f32), within(margin as f32));
                let (sin, cos) = turn.sin_cos();
                let middle = (SIDE - 1) as f32 / 2.0;
                let half = (side - 1) as f32 / 2.0;
                seen.extend(places.map(|(x, y)| {
                    let (x, y) = ((x as f32 - half) / size, (y as f32 - half) / size);
                    let (x, y) = (x * cos - y * sin + middle + right, x * sin + y * cos + middle + down);
                    // Between the four pixels around.
                    let (left, top) = (x.floor(), y.floor());
                    let (across, along) = (x - left, y - top);
                    let at = |dx, dy| pixel(left as isize + dx, top as isize + dy);
                    let upper = at(0, 0) * (1.0 - across) + at(1, 0) * across;
                    let lower = at(0, 1) * (1.0 - across) + at(1, 1) * across;
                    upper * (1.0 - along) + lower * along
                }));
            }
        }
    }
}
