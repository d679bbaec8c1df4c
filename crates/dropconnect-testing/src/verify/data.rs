//! Shapes and masks for the checks: fixed and uneven.

use dropconnect::{DropProbability, Error, Mask, MaskKey, Origin, Shape};

/// Batch, outputs, inputs. Sizes around those of a brick (4, 4, 8), of tiles and of workgroups, in every
/// place; whole bricks, which have kernels of their own; an empty batch.
pub const SHAPES: [[usize; 3]; 18] = [
    [1, 1, 1],
    [33, 31, 129],
    [64, 32, 64],
    [5, 37, 257],
    [0, 3, 5],
    [3, 4, 5],
    [4, 4, 8],
    [5, 7, 9],
    [7, 8, 31],
    [8, 9, 33],
    [9, 31, 100],
    [31, 33, 7],
    [33, 100, 3],
    [100, 5, 4],
    [1, 3, 100],
    [100, 1, 33],
    [257, 9, 8],
    [4, 257, 16],
];
/// Those of [`SHAPES`] that serve where little time is: odd rows and whole bricks. Each shape a tile fits into makes
/// kernels of its own, and compiling takes nearly all the time.
pub const QUICK: std::ops::Range<usize> = 1..3;

/// One plane, several, all sixteen bits, none.
pub const PROBABILITIES: [f64; 4] = [0.5, 0.3, 0.875, 0.0];

/// A shape.
pub fn shape([batch, outputs, inputs]: [usize; 3]) -> Result<Shape, Error> {
    Shape::new(batch, outputs, inputs)
}

/// A mask at the origin.
pub fn mask(p: f64, step: u64) -> Result<Mask, Error> {
    let key = MaskKey::new(0x1234_5678_9abc_def0, 3).at_step(step);
    Ok(Mask::new(key, DropProbability::new(p)?))
}

/// Masks whose key, origin and resolution change from case to case.
pub fn varied_mask(p: f64, case: u64) -> Result<Mask, Error> {
    let origins = [
        [0, 0, 0],
        [1, 2, 3],
        [7, 5, 12],
        [64, 32, 1000],
        [u32::MAX - 511, u32::MAX - 1023, u32::MAX - 2047],
    ];
    let [example, output, input] = origins[case as usize % origins.len()];
    let bits = [16, 5, 9, 16][case as usize % 4];
    let key = MaskKey::new(case.wrapping_mul(0x9e37_79b9_7f4a_7c15), (case as u32).wrapping_mul(0x85eb_ca6b))
        .at_step(case << 31 | case);
    let mask = Mask::new(key, DropProbability::with_bits(p, bits)?);
    Ok(mask.at(Origin { example, output, input }))
}
