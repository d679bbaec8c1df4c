//! Shapes, probabilities and tensors for the checks: fixed, uneven, without any structure a layout error could hide in.

use dropconnect::mask::philox::philox4x32;
use dropconnect::{DropProbability, ElementType, Error, Mask, MaskKey, Origin, Rounds, Shape};

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
/// How many of [`SHAPES`] serve where little time is.
pub const QUICK_SHAPES: usize = 5;

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

/// Masks whose key, rounds, origin and resolution change from case to case.
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
    let rounds = if case % 3 == 1 { Rounds::Seven } else { Rounds::Ten };
    let mask = Mask::new(key, DropProbability::with_bits(p, bits)?);
    Ok(mask.with_rounds(rounds).at(Origin { example, output, input }))
}

/// The tensors of a layer, as they read after being stored.
pub struct Data {
    /// `[batch, inputs]`
    pub x: Vec<f32>,
    /// `[outputs, inputs]`
    pub weight: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
    /// `[batch, outputs]`
    pub grad_output: Vec<f32>,
}

impl Data {
    /// Uniform in -1..1.
    pub fn new(shape: &Shape, element: ElementType) -> Self {
        Self {
            x: uniform(shape.input_len(), 1, element),
            weight: uniform(shape.weight_len(), 2, element),
            bias: uniform(shape.outputs(), 3, element),
            grad_output: uniform(shape.output_len(), 4, element),
        }
    }

    /// Zeros for X and G, ones for W and b: to be filled so that sums show which connections were kept.
    pub fn ones(shape: &Shape) -> Self {
        Self {
            x: vec![0.0; shape.input_len()],
            weight: vec![1.0; shape.weight_len()],
            bias: vec![1.0; shape.outputs()],
            grad_output: vec![0.0; shape.output_len()],
        }
    }
}

/// Values uniform in -1..1, rounded to `element`; the same for the same stream.
pub fn uniform(length: usize, stream: u32, element: ElementType) -> Vec<f32> {
    uniform_values(length, stream, element).collect()
}

/// Those of [`uniform`], one by one.
pub fn uniform_values(length: usize, stream: u32, element: ElementType) -> impl Iterator<Item = f32> {
    let word = move |index: usize| {
        let counter = [(index / 4) as u32, ((index / 4) as u64 >> 32) as u32, stream, 0];
        philox4x32(counter, [0x6a09_e667, 0xbb67_ae85], Rounds::Ten)
    };
    let mut words = [0; 4];
    (0..length).map(move |index| {
        if index % 4 == 0 {
            words = word(index);
        }
        element.round((words[index % 4] >> 8) as f32 / (1 << 23) as f32 - 1.0)
    })
}

/// `f32` values as `f64`.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}
