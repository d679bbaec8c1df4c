//! Philox4x32, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
//! 1, 2, 3" (SC 2011). Twins: `shaders/philox.wgsl`, and
//! `shaders/round_key.wgsl` for the keys of rounds.

use crate::Error;

/// Rounds of Philox before the first bit plane of a brick; three more come before each plane after it.
///
/// Ten is the default of the generator's authors. They write that for seven rounds "a cloud remains",
/// and know of no flaw from eight on (Random123, `philox.h`); seven costs three tenths less at p = 1/2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rounds {
    /// The cheaper choice.
    Seven,
    /// The default.
    #[default]
    Ten,
}

impl Rounds {
    /// # Errors
    /// [`Error::Rounds`] for anything but 7 and 10.
    pub fn new(rounds: u32) -> Result<Self, Error> {
        match rounds {
            7 => Ok(Self::Seven),
            10 => Ok(Self::Ten),
            value => Err(Error::Rounds { value }),
        }
    }

    /// The number itself.
    pub const fn count(self) -> u32 {
        match self {
            Self::Seven => 7,
            Self::Ten => 10,
        }
    }
}

/// The multipliers of a round, for counter words 0 and 2.
pub(crate) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// What the key words grow by from round to round (the golden ratio and sqrt(3) - 1).
pub const KEY_STEP: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// The key words of a round, counted from 0.
pub(crate) fn round_key(key: [u32; 2], round: u32) -> [u32; 2] {
    std::array::from_fn(|word| key[word].wrapping_add(round.wrapping_mul(KEY_STEP[word])))
}

/// `count` rounds that go on from `state`, the first of them being round `first` of the key schedule.
pub(crate) fn go_on(state: [u32; 4], key: [u32; 2], first: u32, count: u32) -> [u32; 4] {
    (first..first + count).fold(state, |c, round| {
        let key = round_key(key, round);
        let a = u64::from(MULTIPLIERS[0]) * u64::from(c[0]);
        let b = u64::from(MULTIPLIERS[1]) * u64::from(c[2]);
        [(b >> 32) as u32 ^ c[1] ^ key[0], b as u32, (a >> 32) as u32 ^ c[3] ^ key[1], a as u32]
    })
}

/// One call: 128 random bits for a counter under a key.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2], rounds: Rounds) -> [u32; 4] {
    go_on(counter, key, 0, rounds.count())
}
