//! MNIST from IDX files: bytes in host memory, batches on the device.

use std::fs;
use std::path::Path;

use burn::tensor::grid::affine_grid_2d;
use burn::tensor::ops::{GridSampleOptions, InterpolateMode};
use burn::tensor::{Device, Int, Tensor, TensorData, s};
use dropconnect_testing::Random;

use crate::Outcome;

/// Pixels along a side of an image, and of the paper's crops.
pub const SIDE: usize = 28;
pub const CROP: usize = 24;

/// Images and their digits.
pub struct Digits {
    images: Vec<u8>,
    pub labels: Vec<u8>,
}

impl Digits {
    /// Reads `train` or `t10k` from a directory of unpacked files.
    pub fn read(dir: &Path, set: &str) -> Outcome<Self> {
        let labels = idx(&dir.join(format!("{set}-labels-idx1-ubyte")), &[])?;
        let images = idx(&dir.join(format!("{set}-images-idx3-ubyte")), &[SIDE, SIDE])?;
        if labels.is_empty() || labels.len() * SIDE * SIDE != images.len() || labels.iter().any(|&l| l > 9) {
            return Err(format!("{}: {set} has no digit from 0 to 9 for each image", dir.display()).into());
        }
        Ok(Self { images, labels })
    }

    pub fn len(&self) -> usize {
        self.labels.len()
    }

    fn image(&self, number: usize) -> &[u8] {
        &self.images[number * SIDE * SIDE..][..SIDE * SIDE]
    }

    /// Those digits that pass.
    pub fn only(&self, keep: impl Fn(u8) -> bool) -> Self {
        let kept = (0..self.len()).filter(|&number| keep(self.labels[number]));
        let (images, labels): (Vec<_>, _) =
            kept.map(|number| (self.image(number), self.labels[number])).unzip();
        Self { images: images.concat(), labels }
    }

    pub fn first(mut self, most: usize) -> Self {
        self.labels.truncate(most);
        self
    }

    /// The images with these numbers as the network sees them, and their digits.
    pub fn batch(&self, numbers: &[u32], view: View, device: &Device) -> (Tensor<2>, Tensor<1, Int>) {
        let pixels = numbers.iter().flat_map(|&number| self.image(number as usize));
        let pixels: Vec<f32> = pixels.map(|&pixel| f32::from(pixel) / 255.0).collect();
        let images = TensorData::new(pixels, [numbers.len(), 1, SIDE, SIDE]);
        let labels: Vec<i32> = numbers.iter().map(|&number| self.labels[number as usize].into()).collect();
        let images = view.apply(Tensor::from_data(images, device), numbers);
        (images.flatten(1, 3), Tensor::from_data(TensorData::new(labels, [numbers.len()]), device))
    }
}

/// The bytes of an IDX file of unsigned bytes, whose dimensions after the first are these.
fn idx(path: &Path, dims: &[usize]) -> Outcome<Vec<u8>> {
    let mut bytes = fs::read(path)
        .map_err(|error| format!("{}: {error}; scripts/fetch-mnist.sh fetches the files", path.display()))?;
    let header: Vec<usize> = bytes
        .chunks_exact(4)
        .take(2 + dims.len())
        .map(|word| u32::from_be_bytes(word.try_into().expect("four bytes")) as usize)
        .collect();
    let length = 4 * header.len() + header.iter().skip(1).product::<usize>();
    // Type 8 is the unsigned byte; the last byte counts the dimensions.
    let right = header.len() == 2 + dims.len() && header[0] == 0x801 + dims.len() && header[2..] == *dims;
    if !right || bytes.len() != length {
        return Err(format!(
            "{}: not an unpacked IDX file of {dims:?} bytes an item; it has {} bytes and begins with {header:?}",
            path.display(),
            bytes.len()
        )
        .into());
    }
    Ok(bytes.split_off(4 * header.len()))
}

/// What the network sees of an image.
#[derive(Clone, Copy)]
pub enum View {
    /// So many pixels along a side in the middle of the image, which is moved right and down by so many.
    Middle { side: usize, shift: usize },
    /// 24 x 24 from a random place, rotated by up to 15 degrees and scaled by up to 15 %.
    Random { seed: u64, epoch: usize },
}

impl View {
    /// Inputs of the network.
    pub fn pixels(self) -> usize {
        let side = if let Self::Middle { side, .. } = self { side } else { CROP };
        side * side
    }

    fn apply(self, images: Tensor<4>, numbers: &[u32]) -> Tensor<4> {
        match self {
            Self::Middle { side, shift } => {
                let middle = (SIDE - side) / 2..(SIDE + side) / 2;
                images.pad((shift, 0, shift, 0), 0.0).slice(s![.., .., middle.clone(), middle])
            }
            Self::Random { seed, epoch } => {
                let transforms = numbers.iter().flat_map(|&number| {
                    random_transform(
                        seed ^ (epoch as u64) << 32 ^ u64::from(number).wrapping_mul(0x9e37_79b9),
                    )
                });
                let transforms = TensorData::new(transforms.collect::<Vec<f32>>(), [numbers.len(), 2, 3]);
                let transforms = Tensor::from_data(transforms, &images.device());
                let grid = affine_grid_2d(transforms, [numbers.len(), 1, CROP, CROP]);
                let bilinear = GridSampleOptions::new(InterpolateMode::Bilinear).with_align_corners(true);
                images.grid_sample_2d(grid, bilinear)
            }
        }
    }
}

/// From coordinates of a crop to those of an image, both -1 to 1 from the first pixel to the last.
fn random_transform(seed: u64) -> [f32; 6] {
    let mut random = Random(seed);
    let mut within = |bound: f32| random.value() * bound;
    let (angle, size) = (within(15f32.to_radians()), 1.0 + within(0.15));
    let [right, down] = [(); 2].map(|()| within((SIDE - CROP) as f32 / (SIDE - 1) as f32));
    let (sin, cos) = angle.sin_cos();
    let scale = (CROP - 1) as f32 / (SIDE - 1) as f32 / size;
    [cos * scale, -sin * scale, right, sin * scale, cos * scale, down]
}
