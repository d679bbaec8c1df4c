//! Two half circles that hold each other: a classification in the plane.

use std::f32::consts::PI;

use dropconnect_testing::Random;
use serde::Serialize;

/// Points `[count, 2]` and the class of each.
#[derive(Clone, Serialize)]
pub struct Moons {
    pub x: Vec<f32>,
    pub class: Vec<u8>,
}

impl Moons {
    /// So many points of each class.
    pub fn new(seed: u64, each: usize) -> Self {
        const NOISE: f32 = 0.12;
        let mut random = Random(seed);
        // A sum of uniform numbers is normal enough here.
        let mut noise = || NOISE * (0..6).map(|_| random.value()).sum::<f32>() / 2f32.sqrt();
        let (mut x, mut class) = (Vec::new(), Vec::new());
        for k in 0..2 * each {
            let (angle, upper) = (PI * (k / 2) as f32 / (each - 1) as f32, k % 2 == 0);
            let [a, b] = if upper {
                [angle.cos() - 0.5, angle.sin() - 0.25]
            } else {
                [0.5 - angle.cos(), 0.25 - angle.sin()]
            };
            x.extend([a + noise(), b + noise()]);
            class.push(u8::from(!upper));
        }
        Self { x, class }
    }
}

/// The points of a square grid over the plane, row by row from the top, `[side * side, 2]`, within -extent..extent.
pub fn grid(side: usize, extent: f32) -> Vec<f32> {
    let at = |k: usize| (2.0 * k as f32 + 1.0) / side as f32 - 1.0;
    (0..side * side).flat_map(|k| [at(k % side) * extent, -at(k / side) * extent]).collect()
}
