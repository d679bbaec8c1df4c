//! Which masks a layer draws: the constants of a layer, and the place of one call.

use std::fmt;

use dropconnect::{DropProbability, Mask, MaskKey, Origin, Rounds, Sharing};

/// The constants of a layer's masks. They come from its configuration and are no part of its records, as the
/// probability of Burn's `Dropout` is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MaskSettings {
    /// The user's seed.
    pub seed: u64,
    /// Which layer of the model: layers with the same seed need different numbers here.
    pub layer: u32,
    /// The probability of dropping, requested and realised.
    pub probability: DropProbability,
    /// Rounds of the generator.
    pub rounds: Rounds,
    /// Which examples share a mask.
    pub sharing: Sharing,
    /// Whether biases are dropped like weights: the paper's variant.
    pub masked_bias: bool,
}

impl MaskSettings {
    /// The mask of one call.
    pub fn mask(&self, draw: Draw) -> Mask {
        let key = MaskKey { pass: draw.pass, ..MaskKey::new(self.seed, self.layer).at_step(draw.step) };
        Mask::new(key, self.probability)
            .with_rounds(self.rounds)
            .shared(self.sharing)
            .at(Origin { example: draw.first_example, ..Origin::default() })
    }
}

impl fmt::Display for MaskSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, layer {}, p {}", self.seed, self.layer, self.probability.requested())
    }
}

/// The place of one call among all masks of a layer. Calls at the same place draw the same masks, on every
/// device and backend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Draw {
    /// The training step, or the step at which a Monte-Carlo estimate is made.
    pub step: u64,
    /// Which pass of that estimate: for a network, whose layers have to go through the passes together. `None` for
    /// training. Passes of one step share no mask with those of another.
    pub pass: Option<u32>,
    /// Global index of the first example: where this shard starts in a batch split over devices.
    pub first_example: u32,
}
