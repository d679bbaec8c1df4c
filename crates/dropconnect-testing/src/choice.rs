//! How much is tested: rows of choices that hold every choice once, or every pair of choices.

use std::collections::BTreeSet;

use crate::Random;

/// Set to 1 by `scripts/test.sh full`: every case of every test, not one for each branch of the code.
const FULL: &str = "DROPCONNECT_TEST_FULL";

/// Whether every case is wanted.
#[must_use]
pub fn full() -> bool {
    std::env::var(FULL).is_ok_and(|value| value == "1")
}

/// The first rows of a table, so many; all of them where every case is wanted. A table begins with the rows that take
/// most branches of the code.
pub fn few<T>(most: usize, rows: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    rows.into_iter().take(if full() { usize::MAX } else { most })
}

/// How many choices are to meet in some row of [`covering`]: 2 where every case is wanted, 1 elsewhere.
#[must_use]
pub fn strength() -> usize {
    if full() { 2 } else { 1 }
}

/// Rows of choices, one per factor, below its number of levels. With a `strength` of 1 every level of every factor is
/// in some row; with 2 every pair of levels of any two factors, which finds two thirds of the faults of interaction.
/// All combinations would take hours.
///
/// # Panics
/// For another strength.
#[must_use]
pub fn covering(levels: &[usize], strength: usize) -> Vec<Vec<usize>> {
    assert!((1..=2).contains(&strength), "a strength of {strength}");
    let mut random = Random(7);
    let factors: Vec<[usize; 2]> = match strength {
        1 => (0..levels.len()).map(|a| [a, a]).collect(),
        _ => (0..levels.len()).flat_map(|a| (0..a).map(move |b| [a, b])).collect(),
    };
    let covered =
        |row: &[usize]| -> Vec<[usize; 4]> { factors.iter().map(|&[a, b]| [a, row[a], b, row[b]]).collect() };
    let mut missing = BTreeSet::new();
    for &[a, b] in &factors {
        let both = (0..levels[a]).flat_map(|i| (0..levels[b]).map(move |j| [a, i, b, j]));
        missing.extend(both.filter(|[a, i, b, j]| a != b || i == j));
    }
    let mut rows = Vec::new();
    while let Some(&[a, i, b, j]) = missing.first() {
        let candidate = |_| {
            let mut row: Vec<_> = levels.iter().map(|&level| random.below(level)).collect();
            (row[a], row[b]) = (i, j);
            let new = covered(&row).iter().filter(|&choice| missing.contains(choice)).count();
            (new, row)
        };
        let (_, row) = (0..60).map(candidate).max().expect("60 candidates");
        covered(&row).iter().for_each(|choice| {
            missing.remove(choice);
        });
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::covering;

    #[test]
    fn the_rows_hold_every_choice_or_every_pair() {
        let levels = [4, 3, 2, 5];
        let (single, pairs) = (covering(&levels, 1), covering(&levels, 2));
        for a in 0..4 {
            assert!((0..levels[a]).all(|i| single.iter().any(|row| row[a] == i)));
            for b in 0..a {
                for (i, j) in (0..levels[a]).flat_map(|i| (0..levels[b]).map(move |j| (i, j))) {
                    assert!(pairs.iter().any(|row| row[a] == i && row[b] == j), "{a}={i} {b}={j}");
                }
            }
        }
        assert!(single.len() < pairs.len() && pairs.len() < 4 * 3 * 2 * 5);
    }
}
