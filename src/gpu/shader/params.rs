//! The parameters of a dispatch. Mirrors `shaders/params.wgsl`, same fields in the same order, and what each of them
//! means.

use crate::fenv;
use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::mask::philox::{MOST_ROUNDS, STATE_PLANES, round_key};
use crate::mask::{Mask, Sharing};

/// The uniform buffer of a dispatch, in WGSL's layout: every vector starts on 16 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Params {
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
    pub zeros: [u32; 16],
    pub input_stride: u32,
    pub output_stride: u32,
    pub accumulate: u32,
    pub masked_bias: u32,
    pub mask_group: u32,
    pub samples: u32,
    pub first_sample: u32,
    pub all_ones: u32,
    pub round_keys: RoundKeys,
}

/// The key words of every round that there may be, those of two rounds in a vector.
pub(crate) type RoundKeys = [[u32; 4]; MOST_ROUNDS as usize / 2];

pub(crate) fn round_keys(key: [u32; 2]) -> RoundKeys {
    std::array::from_fn(|pair| {
        let [even, odd] = [0, 1].map(|round| round_key(key, 2 * pair as u32 + round));
        [even[0], even[1], odd[0], odd[1]]
    })
}

impl Params {
    /// The part of a dispatch that covers local rows and columns from `first` on, `extent` of them, as
    /// (examples, outputs, inputs). Without a mask the bricks start at 0 and nothing is scaled.
    pub(crate) fn new(mask: Option<&Mask>, first: [u32; 3], extent: [u32; 3]) -> Self {
        let [examples, outputs, inputs] = extent;
        let mut params =
            Self { examples, outputs, inputs, scale: 1.0, all_ones: u32::MAX, ..Self::default() };
        let Some(mask) = mask else { return params };

        params.round_keys = round_keys(mask.key.words());
        params.mask_group = match mask.sharing {
            Sharing::Example => 1,
            Sharing::Group(size) => size.get(),
            Sharing::Batch => 0,
        };
        params.bits = mask.probability.bits();
        params.threshold = mask.probability.threshold();
        if params.bits > STATE_PLANES {
            // At the top of 16 bits each plane meets the same bit, however many there are.
            params.threshold <<= 16 - params.bits;
        }
        params.zeros = std::array::from_fn(|bit| (params.threshold >> bit & 1).wrapping_sub(1));
        params.scale = fenv::with_default(|| mask.scale() as f32);
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
