//! The key of a mask: which seed, layer and step it belongs to.

use super::philox::{Rounds, philox4x32};

/// Separates key derivation from every other use of the generator: the ASCII bytes "DCV1", most
/// significant first. A new mask format gets a new constant.
const KEY_DOMAIN: u32 = 0x4443_5631;

/// The same for Gaussian samples: "DCG1".
const GAUSSIAN_DOMAIN: u32 = 0x4443_4731;

/// What distinguishes one mask from another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct MaskKey {
    /// The user's seed.
    pub seed: u64,
    /// Which layer of the model.
    pub layer: u32,
    /// Training step, or Monte-Carlo pass.
    pub step: u64,
}

impl MaskKey {
    /// The generator's key. The derivation always uses ten rounds, whatever the mask uses.
    pub fn words(&self) -> [u32; 2] {
        self.derive(KEY_DOMAIN)
    }

    /// The generator's key for Gaussian samples of sampled inference, which use no word that a mask uses.
    pub fn gaussian_words(&self) -> [u32; 2] {
        self.derive(GAUSSIAN_DOMAIN)
    }

    fn derive(&self, domain: u32) -> [u32; 2] {
        let counter = [self.step as u32, (self.step >> 32) as u32, self.layer, domain];
        let out = philox4x32(counter, [self.seed as u32, (self.seed >> 32) as u32], Rounds::Ten);
        [out[0], out[1]]
    }
}
