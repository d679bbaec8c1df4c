//! Sums along a long axis, in three levels.
//!
//! A float32 sum of n equal terms is off by up to n * 2^-24 / 3 of itself, because all roundings may go one way, and no
//! longer grows after 2^24 terms. So a kernel sums at most [`MOST_ADDITIONS`] terms in a register, and adds no more
//! than that many of these partial sums up in float32; [`Totals`] adds up the rest in float64. A shorter sum has no
//! totals, and costs nothing.

/// How often a partial sum is added to a float32 sum before that goes to the totals.
pub(super) const MOST_ADDITIONS: usize = 256;

/// The totals of a unit's sums.
#[derive(Default)]
pub(super) struct Totals {
    /// Empty while the float32 sums hold everything.
    totals: Vec<f64>,
    additions: usize,
}

impl Totals {
    /// Starts with other sums.
    pub(super) fn clear(&mut self) {
        self.totals.clear();
        self.additions = 0;
    }

    /// Announces an addition to each of the sums, which leave for the totals when they have had [`MOST_ADDITIONS`].
    pub(super) fn before_addition<'s>(&mut self, sums: impl IntoIterator<Item = &'s mut f32>) {
        if self.additions == MOST_ADDITIONS {
            self.additions = 0;
            for (k, sum) in sums.into_iter().enumerate() {
                if k == self.totals.len() {
                    self.totals.push(0.0);
                }
                self.totals[k] += f64::from(std::mem::take(sum));
            }
        }
        self.additions += 1;
    }

    /// Makes the sums those of all terms.
    pub(super) fn finish<'s>(&self, sums: impl IntoIterator<Item = &'s mut f32>) {
        for (sum, total) in sums.into_iter().zip(&self.totals) {
            *sum = (total + f64::from(*sum)) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_keep_what_one_float_loses() {
        let mut totals = Totals::default();
        for _ in 0..2 {
            totals.clear();
            let (mut sums, mut alone) = ([0.0f32; 2], 0.0f32);
            let additions = 1_000_000;
            for _ in 0..additions {
                totals.before_addition(&mut sums);
                sums[0] += 0.1;
                sums[1] += 1.0;
                alone += 0.1;
            }
            totals.finish(&mut sums);
            let want = f64::from(additions) * f64::from(0.1f32);
            let error = |sum: f32| (f64::from(sum) / want - 1.0).abs();
            assert!(error(sums[0]) < 1e-5 && error(alone) > 1e-3, "{} and {alone}, not {want}", sums[0]);
            assert_eq!(sums[1], additions as f32);
        }
    }
}
