//! What a dispatch is told. Twin: `shaders/params.wgsl`, same fields in the same order, and what each of them means.

use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::mask::philox::KEY_STEP;
use crate::mask::{Mask, Rounds, Sharing};

/// The uniform buffer of a dispatch, in WGSL's layout: every vector starts on 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Params {
    pub round_keys: [[u32; 4]; 5],
    pub examples: u32,
    pub outputs: u32,
    pub inputs: u32,
    pub threshold: u32,
    /// These are of bricks, but in the activation kernel, where they are the first example and output themselves.
    pub example_block: u32,
    pub output_block: u32,
    pub input_block: u32,
    pub bits: u32,
    pub example_shift: i32,
    pub output_shift: i32,
    pub input_shift: i32,
    /// The mask's, but p / (1 - p) in the moments kernel.
    pub scale: f32,
    pub base: [u32; 8],
    pub input_stride: u32,
    pub output_stride: u32,
    pub accumulate: u32,
    pub masked_bias: u32,
    pub group: u32,
    pub passes: u32,
    pub first_pass: u32,
    pub accumulate_weight: u32,
}

/// The key words of every round, as `Params` holds them.
pub(crate) fn round_keys(mut key: [u32; 2], rounds: Rounds) -> [[u32; 4]; 5] {
    let mut keys = [[0; 4]; 5];
    for round in 0..rounds.count() as usize {
        let at = 2 * (round % 2);
        keys[round / 2][at..at + 2].copy_from_slice(&key);
        key = std::array::from_fn(|w| key[w].wrapping_add(KEY_STEP[w]));
    }
    keys
}

impl Params {
    /// The part of a dispatch that covers local rows and columns from `first` on, `extent` of them, as
    /// (examples, outputs, inputs). Without a mask the bricks start at 0 and nothing is scaled.
    pub(crate) fn new(mask: Option<&Mask>, first: [u32; 3], extent: [u32; 3]) -> Self {
        let [examples, outputs, inputs] = extent;
        let mut params = Self { examples, outputs, inputs, scale: 1.0, threshold: 1, ..Self::default() };
        let Some(mask) = mask else { return params };

        params.round_keys = round_keys(mask.key.words(), mask.rounds);
        params.group = match mask.sharing {
            Sharing::Example => 1,
            Sharing::Group(size) => size.get(),
            Sharing::Batch => 0,
        };
        params.bits = mask.probability.bits();
        // At the top of 16 bits plane j meets bit 15 - j, however many planes there are.
        params.threshold = mask.probability.threshold() << (16 - params.bits);
        params.scale = mask.scale() as f32;
        // No sum here passes u32::MAX: `Origin::check` has seen the whole shape.
        let [n, o, i]: [u32; 3] = std::array::from_fn(|axis| mask.origin.coordinates()[axis] + first[axis]);
        (params.example_block, params.example_shift) = (n / BRICK_EXAMPLES, (n % BRICK_EXAMPLES) as i32);
        (params.output_block, params.output_shift) = (o / BRICK_OUTPUTS, (o % BRICK_OUTPUTS) as i32);
        (params.input_block, params.input_shift) = (i / BRICK_INPUTS, (i % BRICK_INPUTS) as i32);
        params
    }

    /// Bricks that this dispatch touches along (examples, outputs, inputs).
    pub(crate) fn bricks(&self) -> [u32; 3] {
        [
            (self.examples + self.example_shift as u32).div_ceil(BRICK_EXAMPLES),
            (self.outputs + self.output_shift as u32).div_ceil(BRICK_OUTPUTS),
            (self.inputs + self.input_shift as u32).div_ceil(BRICK_INPUTS),
        ]
    }
}
