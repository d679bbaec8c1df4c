//! The key of a mask: which seed, layer, step and Monte-Carlo pass it belongs to.

use super::philox::philox4x32;

/// The last word of the counter that a key is derived from, which separates this from every other use of the generator:
/// the ASCII bytes "DCV2", most significant first. A new mask format gets a new constant.
pub const KEY_DOMAIN: u32 = 0x4443_5632;

/// The same for Gaussian samples: "DCG1".
pub const GAUSSIAN_DOMAIN: u32 = 0x4443_4731;

/// The same for the passes of Monte-Carlo calls: "DCP1".
pub const PASS_DOMAIN: u32 = 0x4443_5031;

/// What distinguishes one mask from another.
///
/// Masks depend on nothing else but coordinates: two layers with one seed *and* one number drop the same
/// connections wherever their shapes overlap, in every step. So every layer of a model needs a number of its own.
///
/// ```
/// use dropconnect::MaskKey;
///
/// let (hidden, output) = (MaskKey::new(42, 0), MaskKey::new(42, 1)); // one seed, two layers
/// assert_ne!(hidden.words(), output.words());
/// assert_ne!(hidden.at_step(7).words(), hidden.at_step(8).words());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MaskKey {
    /// The user's seed.
    pub seed: u64,
    /// Which layer of the model.
    pub layer: u32,
    /// Training step, or the step a Monte-Carlo call is made at.
    pub step: u64,
    /// Which pass of that call; `None` for the training mask of the step.
    pub pass: Option<u32>,
}

impl MaskKey {
    /// The key of a layer at step 0. Every layer of a model needs a number of its own: with the same seed and
    /// number they would draw the same masks.
    pub const fn new(seed: u64, layer: u32) -> Self {
        Self { seed, layer, step: 0, pass: None }
    }

    /// The key of the same layer at another step.
    #[must_use]
    pub const fn at_step(self, step: u64) -> Self {
        Self { step, ..self }
    }

    /// The key of pass `t` of a Monte-Carlo call at this step, also where this key is of another pass. It has
    /// nothing in common with keys of other steps, so that estimates at different steps are independent.
    #[must_use]
    pub const fn pass(self, t: u32) -> Self {
        Self { pass: Some(t), ..self }
    }

    /// The generator's key.
    pub fn words(&self) -> [u32; 2] {
        let key = self.derive(KEY_DOMAIN);
        self.pass.map_or(key, |t| pass_words(key, t))
    }

    /// The generator's key for Gaussian samples of sampled inference, which use no word that a mask uses. They
    /// are those of the step: a pass has none of its own.
    pub fn gaussian_words(&self) -> [u32; 2] {
        self.derive(GAUSSIAN_DOMAIN)
    }

    fn derive(&self, domain: u32) -> [u32; 2] {
        let counter = [self.step as u32, (self.step >> 32) as u32, self.layer, domain];
        first_two(counter, [self.seed as u32, (self.seed >> 32) as u32])
    }
}

/// The key of pass `t` where that of its step is `key`.
fn pass_words(key: [u32; 2], t: u32) -> [u32; 2] {
    first_two([t, 0, 0, PASS_DOMAIN], key)
}

fn first_two(counter: [u32; 4], key: [u32; 2]) -> [u32; 2] {
    let [first, second, ..] = philox4x32(counter, key);
    [first, second]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An independent program's keys of steps, numbers of passes and keys of passes.
    #[test]
    fn keys_of_passes_follow_from_the_key_of_their_step() {
        for (step, t, pass) in [
            ([0x2533_62e6, 0xeb78_5adf], 0, [0x9f7a_1365, 0x5db5_5121]),
            ([0x2533_62e6, 0xeb78_5adf], 1, [0xacfd_2890, 0x8b56_9afd]),
            ([0x742a_ac66, 0xa3b4_c4ac], 0, [0xbadc_dbd5, 0x384a_d90f]),
            ([0xf536_5de9, 0xc13d_3e77], 99, [0x802e_de5c, 0x8bad_b23d]),
            ([0xe4f2_3dc5, 0x6086_c58d], u32::MAX, [0x67d6_9a05, 0x0b48_18d8]),
        ] {
            assert_eq!(pass_words(step, t), pass, "pass {t} of {step:x?}");
        }
    }

    #[test]
    fn a_pass_of_a_pass_is_one_of_the_step() {
        let key = MaskKey::new(1, 2).at_step(3);
        assert_eq!(key.pass(7).pass(8), key.pass(8));
        assert_eq!(key.pass(7).gaussian_words(), key.gaussian_words());
    }
}
