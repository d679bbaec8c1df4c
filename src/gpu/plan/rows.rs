//! What a dispatch binds of a tensor, and the pieces that an axis is cut into.

use std::ops::Range;

use super::tensor::Tensor;

/// Some rows of a tensor, from some column on: what one dispatch binds of it.
#[derive(Clone)]
pub(crate) struct Rows<'a> {
    buffer: &'a wgpu::Buffer,
    /// Where its first row starts in the buffer, in bytes.
    offset: u64,
    /// Elements from row to row.
    pub stride: u32,
    pub rows: Range<u32>,
    pub column: u32,
    /// Bytes of an element.
    pub element_size: u64,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(tensor: Tensor<'a>, stride: u32, rows: Range<u32>) -> Self {
        let Tensor { buffer, offset, element, .. } = tensor;
        Self { buffer, offset, stride, rows, column: 0, element_size: element.size() as u64 }
    }

    /// Rows of what are no numbers.
    pub(crate) fn of_bytes(
        buffer: &'a wgpu::Buffer,
        offset: u64,
        stride: u32,
        rows: Range<u32>,
        element_size: u64,
    ) -> Self {
        Self { buffer, offset, stride, rows, column: 0, element_size }
    }

    pub(crate) fn at_column(self, column: u32) -> Self {
        Self { column, ..self }
    }

    /// The binding, which starts where the device wants it to, and the first element's index in it.
    pub(super) fn bind(&self, alignment: u64) -> (wgpu::BufferBinding<'a>, u32) {
        let element_size = self.element_size;
        let row = u64::from(self.stride) * element_size;
        let start = self.offset + u64::from(self.rows.start) * row;
        let end = (self.offset + u64::from(self.rows.end) * row).next_multiple_of(4);
        let offset = start - start % alignment;
        // Fits: a binding holds fewer than 2^32 elements.
        let base = ((start - offset) / element_size) as u32 + self.column;
        let size = wgpu::BufferSize::new(end - offset);
        (wgpu::BufferBinding { buffer: self.buffer, offset, size }, base)
    }
}

/// Ranges of at most `at_most` that cover `0..length`: one if that is enough, else cut at multiples of 64, so that
/// pieces start as tiles do, or of 8, as bricks do, where that is possible.
pub(crate) fn pieces(length: u32, at_most: u32) -> impl Iterator<Item = Range<u32>> {
    let step = match at_most {
        _ if length <= at_most => length.max(1),
        0..8 => at_most.max(1),
        8..64 => at_most - at_most % 8,
        _ => at_most - at_most % 64,
    };
    (0..length.div_ceil(step)).map(move |k| k * step..length.min((k + 1).saturating_mul(step)))
}

#[cfg(test)]
mod tests {
    use super::pieces;

    #[test]
    fn pieces_cover_everything_once() {
        for length in [0, 1, 7, 8, 9, 100, 1000] {
            for at_most in [1, 3, 7, 8, 9, 20, 5000] {
                let mut next = 0;
                for piece in pieces(length, at_most) {
                    assert_eq!(piece.start, next);
                    assert!(piece.end > piece.start && piece.end - piece.start <= at_most);
                    next = piece.end;
                }
                assert_eq!(next, length);
                // The mask kernel counts on it: it binds whole examples only where outputs are not cut.
                assert!(length > at_most || pieces(length, at_most).count() <= 1);
            }
        }
    }
}
