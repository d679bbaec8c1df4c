//! Runs of examples that use the same weights: those that share a mask, and in evaluation all of them. Their
//! passes are dense ones, on weights that are masked as they are copied into panels.

pub(super) mod forward;
pub(super) mod gradient;

use std::ops::Range;

use crate::cpu::dropping;
use crate::cpu::simd::{Row, Simd, WIDTH};
use crate::{Error, Mask, Shape, Sharing, host};

/// Groups from this size on are runs. A call of the generator decides for four mask coordinates, and a run
/// uses one of them: groups below eight are no worse off as single examples.
const LEAST_GROUP: u32 = 8;
/// Examples that a unit of work at most takes: for so many, its part of W is masked once.
const MOST_ROWS: usize = 256;
/// Examples that a unit of work takes at least, where there are as many: enough to pay for copying W.
const LEAST_ROWS: usize = 32;

/// Consecutive examples with the same weights.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Local ones.
    pub examples: Range<usize>,
    /// The mask coordinate of their mask.
    pub coordinate: u32,
}

impl Run {
    /// The run's rows of a matrix with so many columns.
    pub(super) fn rows<'a>(&self, matrix: &'a [f32], columns: usize) -> &'a [f32] {
        &matrix[self.examples.start * columns..self.examples.end * columns]
    }
}

/// Whose the masks of a call are, and so how it is computed.
pub(super) enum Masks<'a> {
    /// Example by example: each has a mask of its own, or groups are small. See [`own`](super::own).
    Own(&'a Mask),
    /// Run by run; without a mask, in evaluation.
    Shared(Option<&'a Mask>, Vec<Run>),
}

impl<'a> Masks<'a> {
    pub(super) fn of(shape: &Shape, mask: Option<&'a Mask>) -> Result<Self, Error> {
        Ok(match dropping(mask) {
            Some(mask) => match runs(shape, mask)? {
                Some(runs) => Self::Shared(Some(mask), runs),
                None => Self::Own(mask),
            },
            None => Self::Shared(None, whole(shape)),
        })
    }
}

/// All examples as one run.
fn whole(shape: &Shape) -> Vec<Run> {
    let all = Run { examples: 0..shape.batch(), coordinate: 0 };
    if shape.batch() > 0 { vec![all] } else { Vec::new() }
}

/// The runs of a batch; `None` where examples have masks of their own, or groups are small.
fn runs(shape: &Shape, mask: &Mask) -> Result<Option<Vec<Run>>, Error> {
    let batch = shape.batch();
    Ok(match mask.sharing {
        Sharing::Example => None,
        Sharing::Batch => Some(whole(shape)),
        Sharing::Group(size) if size.get() < LEAST_GROUP => None,
        Sharing::Group(size) => {
            // Together these pass 32 bits, which is all that some hosts have.
            let (batch, size) = (batch as u64, u64::from(size.get()));
            // The first group may have begun before the shard.
            let before = u64::from(mask.origin.example) % size;
            let groups = (before + batch).div_ceil(size);
            let run = |group: u64| {
                let start = group * size;
                let (start, end) = (start.saturating_sub(before), (start + size - before).min(batch));
                Run { coordinate: mask.coordinate(start as u32), examples: start as usize..end as usize }
            };
            Some(host::collect((0..groups).map(run).filter(|run| !run.examples.is_empty()))?)
        }
    })
}

/// The runs cut to what a unit of work takes, where each piece is `others` units. Results do not depend on
/// the cut.
pub(super) fn pieces(runs: Vec<Run>, others: usize) -> Result<Vec<Run>, Error> {
    let batch: usize = runs.iter().map(|run| run.examples.len()).sum();
    let mut rows = MOST_ROWS;
    while rows > LEAST_ROWS && batch.div_ceil(rows) * others < 4 * crate::cpu::thread_count() {
        rows /= 2;
    }
    host::collect(runs.into_iter().flat_map(|Run { examples, coordinate }| {
        let end = examples.end;
        examples.step_by(rows).map(move |start| Run { examples: start..(start + rows).min(end), coordinate })
    }))
}

/// Clears the dropped numbers of four rows.
#[inline(always)]
pub(super) fn drop_from<S: Simd>(simd: S, block: &mut [Row; 4], kept: &[[u16; 4]; 4]) {
    for (row, kept) in block.iter_mut().zip(kept) {
        for column in 0..WIDTH / S::LANES {
            let value = simd.kept(kept, column, simd.load(row, column));
            simd.store(row, column, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::{DropProbability, MaskKey, Origin};

    #[test]
    fn runs_are_the_groups_and_pieces_cover_them() {
        let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(0.5).unwrap());
        for (batch, size, coordinate) in [(0, 8, 0), (1, 8, 7), (50, 8, 0), (50, 9, 13), (700, 300, 299)] {
            let shape = Shape::new(batch, 1, 1).unwrap();
            let size = NonZeroU32::new(size).unwrap();
            let mask =
                mask.shared(Sharing::Group(size)).at(Origin { example: coordinate, ..Origin::default() });
            let runs = runs(&shape, &mask).unwrap().unwrap();
            assert!(runs.windows(2).all(|pair| pair[0].coordinate + 1 == pair[1].coordinate));
            for runs in [runs.clone(), pieces(runs, 1).unwrap()] {
                let mut next = 0;
                for run in runs {
                    assert_eq!(run.examples.start, next);
                    assert!(run.examples.clone().all(|n| mask.coordinate(n as u32) == run.coordinate));
                    next = run.examples.end;
                }
                assert_eq!(next, batch);
            }
        }
    }

    #[test]
    fn a_group_past_every_coordinate_is_one_run() {
        let mask = Mask::new(MaskKey::new(0, 0), DropProbability::new(0.5).unwrap())
            .shared(Sharing::Group(NonZeroU32::MAX))
            .at(Origin { example: u32::MAX - 4, ..Origin::default() });
        let runs = runs(&Shape::new(5, 1, 1).unwrap(), &mask).unwrap().unwrap();
        // Example u32::MAX, the last, is the first of the second group.
        assert_eq!(runs, [Run { examples: 0..4, coordinate: 0 }, Run { examples: 4..5, coordinate: 1 }]);
    }
}
