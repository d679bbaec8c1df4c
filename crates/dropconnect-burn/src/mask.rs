//! Which masks a layer draws: the constants of a layer, and the place of one call.

use std::fmt;
use std::num::NonZeroU32;

use burn::config::Config;
use dropconnect::{DropProbability, Mask, MaskKey, Origin, Sharing};

use crate::Error;

/// What an example is, and so what has a mask of its own, where the input has more dimensions than
/// `[batch, features]`.
///
/// `examples_per_mask` of a configuration counts in these. For an input `[batch, features]` a row is a sequence.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Per {
    /// Each row, that is each index of all leading dimensions: of `[batch, time, features]` every token has a mask
    /// of its own. The default: what most takes after the paper's layer, and nothing else can be split anywhere.
    Row,
    /// Each index of the first dimension: all rows of a sequence share its mask.
    Sequence,
    /// Nothing: the whole batch has one mask, as weight-dropped LSTMs do. Regularises less.
    Batch,
}

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
    /// The resolution that probabilities are given at.
    pub bits: u32,
    /// What an example is.
    pub per: Per,
    /// Which examples share a mask.
    pub sharing: Sharing,
    /// Whether biases are dropped like weights: the paper's variant.
    pub masked_bias: bool,
}

impl MaskSettings {
    /// The mask of one call on an input `[batch, features]`. Its examples are the rows.
    pub fn mask(&self, draw: Draw) -> Mask {
        let origin = Origin { example: draw.first_example, ..Origin::default() };
        self.keyed(draw).shared(self.sharing_of_rows()).at(origin)
    }

    /// The mask of one call on an input whose first dimension counts `rows` rows each: the product of the dimensions
    /// between the first and the last. The mask's own examples are rows; the [`Draw`] counts in examples of this
    /// layer.
    ///
    /// # Errors
    /// [`dropconnect::Error::TooLarge`] where rows have no number below 2^32.
    pub fn mask_of_rows(&self, draw: Draw, rows: usize) -> Result<Mask, Error> {
        // Sequences without rows have no masks; a group has at least one row.
        let rows = rows.max(1) as u64;
        if self.per != Per::Sequence || rows == 1 {
            return Ok(self.mask(draw));
        }
        let sharing = match self.sharing {
            Sharing::Example => Sharing::Group(group(rows)?),
            Sharing::Group(size) => Sharing::Group(group(rows.saturating_mul(size.get().into()))?),
            Sharing::Batch => Sharing::Batch,
        };
        let example = coordinate("first_example", rows.saturating_mul(draw.first_example.into()))?;
        Ok(self.keyed(draw).shared(sharing).at(Origin { example, ..Origin::default() }))
    }

    /// How many rows share a mask, in a batch of so many in all and so many for each index of the first dimension.
    /// `None` for all of them.
    pub(crate) fn rows_per_mask(&self, rows: usize) -> Option<u64> {
        let rows = if self.per == Per::Sequence { rows.max(1) as u64 } else { 1 };
        match self.sharing_of_rows() {
            Sharing::Example => Some(rows),
            Sharing::Group(size) => Some(rows.saturating_mul(size.get().into())),
            Sharing::Batch => None,
        }
    }

    /// A mask of every example, from global example 0.
    pub(crate) fn keyed(&self, draw: Draw) -> Mask {
        let key = MaskKey { pass: draw.pass, ..MaskKey::new(self.seed, self.layer).at_step(draw.step) };
        Mask::new(key, self.probability)
    }

    fn sharing_of_rows(&self) -> Sharing {
        if self.per == Per::Batch { Sharing::Batch } else { self.sharing }
    }

    pub(crate) fn set_probability(&mut self, p: f64) -> Result<(), Error> {
        self.probability = DropProbability::with_bits(p, self.bits)?;
        Ok(())
    }
}

/// So many rows as the size of a group: `examples_per_mask` times the rows of an example.
pub(crate) fn group(rows: u64) -> Result<NonZeroU32, Error> {
    let size = coordinate("examples_per_mask", rows)?;
    Ok(NonZeroU32::new(size).unwrap_or(NonZeroU32::MIN))
}

/// A number of rows that has to fit the 32-bit coordinates of masks.
pub(crate) fn coordinate(argument: &'static str, value: u64) -> Result<u32, Error> {
    let limit = u32::MAX.into();
    u32::try_from(value).map_err(|_| dropconnect::Error::TooLarge { argument, value, limit }.into())
}

/// How many consecutive examples share a mask, as configurations say it.
pub(crate) fn sharing(examples_per_mask: u32) -> Sharing {
    match NonZeroU32::new(examples_per_mask) {
        None => Sharing::Batch,
        Some(NonZeroU32::MIN) => Sharing::Example,
        Some(examples) => Sharing::Group(examples),
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
    /// Global index of the first example: where this shard starts in a batch split over devices. It counts in what
    /// the layer takes for an example, [`Per`] row or sequence.
    pub first_example: u32,
}
