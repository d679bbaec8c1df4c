//! The probability of dropping, as the integer that the masks really use.

use super::philox::run_rounds;
use crate::{Error, fenv};

/// Bits of resolution unless told otherwise.
const DEFAULT_BITS: u32 = 16;

/// The probability of *dropping* a connection, `0 <= p < 1`.
///
/// # Precision
/// A mask compares a random integer of a few bits with a threshold, so p is rounded to a multiple of
/// 2^-bits (2^-16 by default). [`realised`](Self::realised) is the probability that the masks have, and
/// [`scale`](Self::scale) is the inverse of *that* keep probability: the layer is unbiased at every p.
/// Fewer random bits are drawn where fewer suffice: p = 1/2 needs one, p = 1/4 two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DropProbability {
    requested: f64,
    /// Keep when the random integer is below this. Odd, or 1 where `bits` is 0.
    threshold: u32,
    bits: u32,
}

impl DropProbability {
    /// p at the default resolution of 2^-16.
    ///
    /// # Errors
    /// [`Error::DropProbability`] outside `0 <= p < 1` or for NaN; [`Error::NothingKept`] where `1 - p`
    /// rounds to 0.
    pub fn new(p: f64) -> Result<Self, Error> {
        Self::with_bits(p, DEFAULT_BITS)
    }

    /// p at a resolution of `2^-max_bits`. Fewer bits cost fewer rounds of the generator: each bit up
    /// to 8 three more, 9 to 16 all the same, 24 more than one.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::Bits`] unless `1 <= max_bits <= 16`.
    pub fn with_bits(p: f64, max_bits: u32) -> Result<Self, Error> {
        // Written so that NaN is refused.
        if !(0.0..1.0).contains(&p) {
            return Err(Error::DropProbability { value: p });
        }
        if !(1..=16).contains(&max_bits) {
            return Err(Error::Bits { value: max_bits });
        }
        let levels = f64::from(1u32 << max_bits);
        let mut threshold = fenv::with_default(|| ((1.0 - p) * levels + 0.5).floor() as u32);
        if threshold == 0 {
            return Err(Error::NothingKept { value: p, bits: max_bits, largest: 1.0 - 0.5 / levels });
        }
        let mut bits = max_bits;
        while bits > 0 && threshold.is_multiple_of(2) {
            threshold /= 2;
            bits -= 1;
        }
        Ok(Self { requested: p, threshold, bits })
    }

    /// p as it was asked for.
    pub fn requested(&self) -> f64 {
        self.requested
    }

    /// The probability of dropping that the masks have: exactly `1 - threshold / 2^bits`.
    ///
    /// A p of at most half the resolution, 2^-17 by default, rounds to 0, and then nothing is ever dropped. That is
    /// no error, since a p that decays to 0 is a usual thing. It shows in that this is 0, and [`drops`](Self::drops)
    /// false, where [`requested`](Self::requested) is not 0:
    ///
    /// ```
    /// # use dropconnect::DropProbability;
    /// let p = DropProbability::new(1e-6)?;
    /// let drops_nothing_unasked = !p.drops() && p.requested() > 0.0;
    /// assert!(drops_nothing_unasked);
    /// # Ok::<(), dropconnect::Error>(())
    /// ```
    pub fn realised(&self) -> f64 {
        // Both numbers are integers below 2^17, so that neither difference nor quotient rounds.
        f64::from((1u32 << self.bits) - self.threshold) / f64::from(1u32 << self.bits)
    }

    /// `p / (1 - p)` of the realised p: the variance of a kept or dropped weight of 1, under inverted scaling. 0
    /// exactly where nothing is dropped.
    pub(crate) fn spread(&self) -> f64 {
        fenv::with_default(|| f64::from((1u32 << self.bits) - self.threshold) / f64::from(self.threshold))
    }

    /// `2^bits / threshold`, the inverse of the realised keep probability.
    pub fn scale(&self) -> f64 {
        fenv::with_default(|| f64::from(1u32 << self.bits) / f64::from(self.threshold))
    }

    /// A connection is kept when its random integer is below this.
    pub fn threshold(&self) -> u32 {
        self.threshold
    }

    /// Whether anything is ever dropped: false where p is 0 or rounds to it. Such a layer is the dense one.
    pub fn drops(&self) -> bool {
        self.bits > 0
    }

    /// Random bits drawn per connection: 0 where nothing is ever dropped.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Rounds of the generator for a brick of 128 connections: ten at one [bit](Self::bits), three more for each
    /// further one up to 8, and 34 for 9 bits and more; 0 where nothing is ever dropped.
    pub fn rounds(&self) -> u32 {
        run_rounds(self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_probability_is_refused_with_its_value() {
        for p in [-0.1, 1.0, 1.5, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -f64::MIN_POSITIVE] {
            let error = DropProbability::new(p).unwrap_err();
            assert!(error.to_string().contains(&p.to_string()), "{error}");
        }
        assert!(matches!(DropProbability::with_bits(0.5, 0), Err(Error::Bits { value: 0 })));
        assert!(matches!(DropProbability::with_bits(0.5, 17), Err(Error::Bits { value: 17 })));
    }

    #[test]
    fn the_largest_probability_named_by_the_error_is_the_largest() {
        for bits in 1..=16 {
            let Err(Error::NothingKept { largest, .. }) = DropProbability::with_bits(1.0 - 1e-12, bits)
            else {
                panic!("{bits} bits hold no keep probability of 1e-12");
            };
            assert_eq!(DropProbability::with_bits(largest, bits).unwrap().threshold(), 1);
            assert!(DropProbability::with_bits(largest + 1e-9, bits).is_err());
        }
    }

    #[test]
    fn the_realised_probability_is_exact_at_every_threshold() {
        for threshold in 1..=1u32 << 16 {
            let keep = f64::from(threshold) / 65_536.0;
            let p = DropProbability::new(1.0 - keep).unwrap();
            assert_eq!(p.realised(), 1.0 - keep);
            let spread = p.realised() / keep;
            assert!((p.spread() - spread).abs() <= f64::EPSILON * spread, "{threshold}");
        }
        let small = DropProbability::new(1e-6).unwrap();
        assert_eq!((small.realised(), small.spread(), small.requested()), (0.0, 0.0, 1e-6));
    }

    #[test]
    fn rounds_are_those_of_the_format() {
        for (bits, rounds) in [(1, 10), (2, 13), (8, 31), (9, 34), (16, 34)] {
            let p = DropProbability::with_bits(1.0 / f64::from(1u32 << bits), bits).unwrap();
            assert_eq!((p.bits(), p.rounds()), (bits, rounds));
        }
    }

    #[test]
    fn negative_zero_is_zero() {
        assert_eq!(DropProbability::new(-0.0).unwrap().bits(), 0);
    }

    #[test]
    fn what_rounds_to_0_drops_nothing() {
        for (p, drops) in [(0.0, false), (2f64.powi(-17), false), (1.1 * 2f64.powi(-17), true), (0.5, true)] {
            let p = DropProbability::new(p).unwrap();
            assert_eq!(
                (p.drops(), p.realised() > 0.0, p.rounds() > 0, p.scale() > 1.0),
                (drops, drops, drops, drops)
            );
        }
    }
}
