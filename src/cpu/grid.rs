//! How a problem is cut into units of work, and its matrices into panels.
//!
//! Bricks are aligned in *global* coordinates, so each axis is counted from the start of the brick that
//! holds its first element: a padded coordinate is a local one plus the `lead`. Panels hold zeros
//! outside the matrix, which lets the kernels ignore the edges.

use super::simd::{Row, WIDTH};
use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{Error, Mask, Shape, host};

/// G for the examples and outputs of a brick, `[n][o]`.
pub(super) type GradBlock = [[f32; 4]; 4];

/// The coordinates of a problem along one axis, in blocks.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The global block of padded coordinate 0.
    first_block: u32,
    /// Coordinates before the shard in its first block.
    lead: usize,
    len: usize,
    /// Coordinates in a block.
    edge: usize,
}

impl Span {
    fn new(origin: u32, len: usize, edge: u32) -> Self {
        Self { first_block: origin / edge, lead: (origin % edge) as usize, len, edge: edge as usize }
    }

    /// An axis that starts with a block of its own: no mask is counted along it.
    pub(super) fn unaligned(len: usize, edge: u32) -> Self {
        Self::new(0, len, edge)
    }

    pub(super) fn blocks(&self) -> usize {
        self.padded().div_ceil(self.edge)
    }

    /// Coordinates from the start of the first block on. There are 2^32 at most, and one less is in the same block,
    /// where a `usize` has 32 bits.
    fn padded(&self) -> usize {
        self.lead.saturating_add(self.len)
    }

    /// The global index of a block counted from the start of this axis. Blocks past the last global one
    /// come up only as padding, so they may wrap.
    pub(super) fn block(&self, index: usize) -> u32 {
        self.first_block.wrapping_add(index as u32)
    }

    /// The local coordinate, where there is one.
    pub(super) fn local(&self, padded: usize) -> Option<usize> {
        padded.checked_sub(self.lead).filter(|&local| local < self.len)
    }

    /// The local coordinates in padded ones `start..start + len`.
    pub(super) fn local_range(&self, start: usize, len: usize) -> std::ops::Range<usize> {
        let clip = |padded: usize| padded.saturating_sub(self.lead).min(self.len);
        clip(start)..clip(start.saturating_add(len))
    }

    /// How many padded coordinates from `start` on lie before the shard.
    pub(super) fn lead_in(&self, start: usize) -> usize {
        self.lead.saturating_sub(start)
    }

    /// The lengths of the shard's pieces when it is cut after every `blocks` blocks.
    pub(super) fn pieces(&self, blocks: usize) -> impl Iterator<Item = usize> + Clone + use<> {
        let (axis, step) = (*self, blocks * self.edge);
        (0..axis.padded()).step_by(step).map(move |start| axis.local_range(start, step).len())
    }
}

/// The three axes.
#[derive(Clone, Copy)]
pub(super) struct Axes {
    pub examples: Span,
    pub outputs: Span,
    pub inputs: Span,
}

impl Axes {
    pub(super) fn new(shape: &Shape, mask: Option<&Mask>) -> Self {
        let origin = mask.map(|mask| mask.origin).unwrap_or_default();
        Self {
            examples: Span::new(origin.example, shape.batch(), BRICK_EXAMPLES),
            outputs: Span::new(origin.output, shape.outputs(), BRICK_OUTPUTS),
            inputs: Span::new(origin.input, shape.inputs(), BRICK_INPUTS),
        }
    }
}

/// The part of a result that one unit of work owns.
pub(super) struct Patch<'a, T> {
    /// Which piece of the rows, counted from 0.
    pub row_piece: usize,
    /// Which piece of the columns.
    pub column_piece: usize,
    /// The patch's part of each of its rows.
    pub rows: Vec<&'a mut [T]>,
}

/// Cuts a row-major matrix into patches with these numbers of rows and columns. Nothing is written yet, so that
/// memory that ends leaves results as they are.
pub(super) fn patches<T>(
    mut matrix: &mut [T],
    rows: impl Iterator<Item = usize>,
    columns: impl Iterator<Item = usize> + Clone,
) -> Result<Vec<Patch<'_, T>>, Error> {
    let mut patches = Vec::new();
    for (row_piece, rows) in rows.enumerate() {
        let first = patches.len();
        for (column_piece, _) in columns.clone().enumerate() {
            host::push(&mut patches, Patch { row_piece, column_piece, rows: host::empty(rows)? })?;
        }
        for _ in 0..rows {
            for (patch, columns) in patches[first..].iter_mut().zip(columns.clone()) {
                patch.rows.push(matrix.split_off_mut(..columns).expect("the pieces add up to the matrix"));
            }
        }
    }
    Ok(patches)
}

/// Four rows from `first_row`, [`WIDTH`] columns from `first_column`, both padded, of the matrix with the
/// axes `rows` and `columns`.
#[inline(always)]
pub(super) fn pack(
    block: &mut [Row; 4],
    matrix: &[f32],
    (rows, first_row): (&Span, usize),
    (columns, first_column): (&Span, usize),
) {
    let range = columns.local_range(first_column, WIDTH);
    for (r, packed) in block.iter_mut().enumerate() {
        let Some(row) = rows.local(first_row + r) else {
            packed.0.fill(0.0);
            continue;
        };
        let values = &matrix[row * columns.len..][range.clone()];
        match <&[f32; WIDTH]>::try_from(values) {
            Ok(values) => packed.0 = *values,
            Err(_) => {
                let skip = columns.lead_in(first_column);
                packed.0.fill(0.0);
                packed.0[skip..][..values.len()].copy_from_slice(values);
            }
        }
    }
}

/// G for the examples and outputs of a brick, given by its blocks counted from the start of the axes.
#[inline(always)]
pub(super) fn pack_grad(axes: &Axes, grad_output: &[f32], n_block: usize, o_block: usize) -> GradBlock {
    let mut block = [[0.0; 4]; 4];
    let range = axes.outputs.local_range(o_block * 4, 4);
    for (n, packed) in block.iter_mut().enumerate() {
        let Some(row) = axes.examples.local(n_block * 4 + n) else { continue };
        let values = &grad_output[row * axes.outputs.len..][range.clone()];
        match <[f32; 4]>::try_from(values) {
            Ok(values) => *packed = values,
            Err(_) => {
                let skip = axes.outputs.lead_in(o_block * 4);
                packed[skip..][..values.len()].copy_from_slice(values);
            }
        }
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_end_at_global_blocks_and_add_up() {
        let axis = Span::new(7, 21, 4);
        assert_eq!((axis.blocks(), axis.block(0), axis.lead_in(0)), (6, 1, 3));
        assert_eq!(axis.pieces(2).collect::<Vec<_>>(), [5, 8, 8]);
        assert_eq!(Span::new(0, 5, 4).pieces(8).collect::<Vec<_>>(), [5]);
        assert_eq!(Span::new(0, 0, 4).pieces(8).count(), 0);
        assert_eq!(
            (axis.local(2), axis.local(3), axis.local(23), axis.local(24)),
            (None, Some(0), Some(20), None)
        );
    }

    #[test]
    fn patches_own_every_element_once() {
        let mut matrix: Vec<u32> = (0..35).collect();
        let mut seen = vec![];
        for patch in patches(&mut matrix, [2, 3].into_iter(), [4, 1, 2].into_iter()).unwrap() {
            for (r, row) in patch.rows.iter().enumerate() {
                let first = ([0, 2][patch.row_piece] + r) * 7 + [0, 4, 5][patch.column_piece];
                assert_eq!(row[0], first as u32);
                seen.extend(row.iter().copied());
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..35).collect::<Vec<_>>());
    }

    #[test]
    fn panels_hold_zeros_outside_the_matrix() {
        let (rows, columns) = (Span::new(3, 2, 4), Span::new(5, 3, 8));
        let mut block = [Row([f32::NAN; WIDTH]); 4];
        pack(&mut block, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (&rows, 0), (&columns, 0));
        let mut want = [[0.0; WIDTH]; 4];
        want[3][5..8].copy_from_slice(&[1.0, 2.0, 3.0]);
        assert_eq!(block.map(|row| row.0), want);
        pack(&mut block, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], (&rows, 4), (&columns, 0));
        assert_eq!(block[0].0[5..8], [4.0, 5.0, 6.0]);
        assert_eq!(block[1].0, [0.0; WIDTH]);
    }
}
