//! What becomes of p at the resolution of the masks, said before it surprises.

use dropconnect::DropProbability;

use crate::output::note;

/// Part of p, or of the probability of keeping, that rounding may change without a word.
const UNNOTICED: f64 = 0.01;

/// Warns where the masks drop nothing, or with a probability that is not near the one that was asked for.
pub fn warn_of_rounding(probability: &DropProbability) {
    if let Some(warning) = warning(probability) {
        note(&format!("warning: {warning}"));
    }
}

fn warning(probability: &DropProbability) -> Option<String> {
    let (asked, real) = (probability.requested(), probability.realised());
    if asked > 0.0 && !probability.drops() {
        return Some(format!(
            "--p {asked:?} rounds to 0, and nothing is dropped; the smallest step of p, at 16 bits, is 2^-16, about \
             1.5e-5"
        ));
    }
    let off = |asked: f64, real: f64| (asked - real).abs() > UNNOTICED * asked;
    (off(asked, real) || off(1.0 - asked, 1.0 - real)).then(|| {
        format!(
            "--p {asked:?} rounds to {real:?}: that is what the masks drop, and what kept weights are scaled for"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_probability_that_is_another_is_warned_of() {
        let said = |p, bits| warning(&DropProbability::with_bits(p, bits).unwrap());
        for (p, bits) in [(0.0, 16), (0.5, 1), (0.2, 16), (0.1, 16), (0.001, 16), (0.9, 16), (0.999, 16)] {
            assert_eq!(said(p, bits), None, "{p} at {bits}");
        }
        for (p, bits) in [(1e-6, 16), (f64::MIN_POSITIVE, 16), (0.2, 1), (0.001, 8)] {
            assert!(said(p, bits).unwrap().contains("nothing is dropped"), "{p} at {bits}");
        }
        // The last is near as a probability of dropping, and not as one of keeping.
        for (p, bits, real) in [(0.3, 1, "0.5"), (1e-5, 16, "1.52587890625e-5"), (0.9999, 16, "0.99989")] {
            let said = said(p, bits).unwrap();
            assert!(
                said.contains(&format!("--p {p:?} ")) && said.contains(&format!("rounds to {real}")),
                "{said}"
            );
        }
    }
}
