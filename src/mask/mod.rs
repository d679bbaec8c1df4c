//! The mask as a pure function: mask format 2, without any GPU.
//!
//! Whether a connection is kept depends on the seed, the layer, the step (and the pass of a Monte-Carlo call
//! there), the drop probability and the *global* coordinates of the connection, and on nothing else: not on tile
//! sizes, devices, batch splits or the order of evaluation. `docs/mask-format.md` is the normative text.
//!
//! ```
//! use dropconnect::{DropProbability, Mask, MaskKey};
//!
//! let mask = Mask::new(MaskKey::new(42, 0).at_step(7), DropProbability::new(0.5)?);
//! // Example 3, output 10, input 200: the answer is the same on every machine.
//! let kept: bool = mask.keep(3, 10, 200);
//! # let _ = kept;
//! # Ok::<(), dropconnect::Error>(())
//! ```

pub mod brick;
mod key;
pub mod philox;
mod probability;

pub use key::{GAUSSIAN_DOMAIN, KEY_DOMAIN, MaskKey, PASS_DOMAIN};
pub use probability::DropProbability;

use std::num::NonZeroU32;

use crate::shape::{Origin, Shape};
use brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS, Brick};

/// The input block that decides masked biases: past every real input.
pub(crate) const BIAS_INPUT_BLOCK: u32 = u32::MAX;

/// Which examples share a mask.
///
/// One mask per example is what makes DropConnect: "selecting a single mask for a subset of training
/// examples, such as a mini-batch of 128 examples, does not regularize the model enough in practice"
/// (Wan et al., 2013). Shared masks are cheaper, and are what many frameworks do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// A mask for each example: the paper's DropConnect.
    #[default]
    Example,
    /// One mask for so many consecutive examples, counted from global example 0.
    Group(NonZeroU32),
    /// One mask for all examples, as weight-dropped LSTMs use.
    Batch,
}

impl Sharing {
    /// Whether every example has a mask of its own.
    pub fn is_own(self) -> bool {
        match self {
            Self::Example => true,
            Self::Group(size) => size.get() == 1,
            Self::Batch => false,
        }
    }
}

/// Everything that decides which connections of a layer are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mask {
    /// Seed, layer, step and Monte-Carlo pass.
    pub key: MaskKey,
    /// The probability of dropping a connection.
    pub probability: DropProbability,
    /// Where this shard lies in the whole layer.
    pub origin: Origin,
    /// Which examples share a mask.
    pub sharing: Sharing,
}

impl Mask {
    /// A mask for an undivided layer, in which each example has its own.
    pub fn new(key: MaskKey, probability: DropProbability) -> Self {
        Self { key, probability, origin: Origin::default(), sharing: Sharing::default() }
    }

    /// The same mask, seen from a shard whose first element has these global coordinates.
    #[must_use]
    pub fn at(self, origin: Origin) -> Self {
        Self { origin, ..self }
    }

    /// The same mask, shared among examples.
    #[must_use]
    pub fn shared(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// The mask of pass `t` of a Monte-Carlo call at this step: [`MaskKey::pass`].
    #[must_use]
    pub fn pass(self, t: u32) -> Self {
        Self { key: self.key.pass(t), ..self }
    }

    /// The mask coordinate of local example `n`, which examples that share a mask have in common: its own global
    /// index, that of its group, or 0 for the whole batch.
    pub fn coordinate(&self, n: u32) -> u32 {
        let n = n.wrapping_add(self.origin.example);
        match self.sharing {
            Sharing::Example => n,
            Sharing::Group(size) => n / size,
            Sharing::Batch => 0,
        }
    }

    /// Whether the connection of example `n`, output `o` and input `i` is kept; the indices are local to
    /// this shard, [`Mask::origin`] is added.
    ///
    /// Coordinates beyond `u32::MAX` do not exist: every pass refuses them, and here they wrap.
    pub fn keep(&self, n: u32, o: u32, i: u32) -> bool {
        let n = self.coordinate(n);
        let o = o.wrapping_add(self.origin.output);
        let i = i.wrapping_add(self.origin.input);
        self.brick(n / BRICK_EXAMPLES, o / BRICK_OUTPUTS, i / BRICK_INPUTS).keep(
            n % BRICK_EXAMPLES,
            o % BRICK_OUTPUTS,
            i % BRICK_INPUTS,
        )
    }

    /// Whether the bias of output `o` is kept for example `n`, where biases are masked; local indices.
    pub fn keep_bias(&self, n: u32, o: u32) -> bool {
        let n = self.coordinate(n);
        let o = o.wrapping_add(self.origin.output);
        self.brick(n / BRICK_EXAMPLES, o / BRICK_OUTPUTS, BIAS_INPUT_BLOCK).keep(
            n % BRICK_EXAMPLES,
            o % BRICK_OUTPUTS,
            0,
        )
    }

    /// The decisions of one brick, given by its *global* block indices (example / 4, output / 4, input / 8), the
    /// example being a coordinate as of [`coordinate`](Self::coordinate).
    pub fn brick(&self, example_block: u32, output_block: u32, input_block: u32) -> Brick {
        let block = [input_block, output_block, example_block];
        Brick::decide(block, self.key.words(), &self.probability)
    }

    /// The factor of every kept weight: the inverse of the *realised* keep probability.
    pub fn scale(&self) -> f64 {
        self.probability.scale()
    }

    /// Checks that every coordinate of a call exists.
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), crate::Error> {
        self.origin.check(shape)
    }

    /// The same, and that there are passes of it.
    pub(crate) fn check_passes(&self, shape: &Shape, passes: u32) -> Result<(), crate::Error> {
        crate::Error::check_count("passes", passes, 1..=u32::MAX)?;
        self.check(shape)
    }
}
