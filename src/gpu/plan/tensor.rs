//! A tensor in the caller's memory: buffer, offset, size, element type.

use std::ops::Range;

use crate::call::{Holder, Operands};
use crate::work::IN_A_BROWSER;
use crate::{ElementType, Error, Shape};

/// A range of the caller's buffer that holds a row-major tensor. The buffer has to be one of the device of the
/// kernels, which cannot be checked here: see [`Kernels`](crate::gpu::Kernels).
///
/// The offset needs no more than 4-byte alignment; what the device wants of bindings
/// (`min_storage_buffer_offset_alignment`) is taken care of. The size is the tensor's own, or that
/// rounded up to a multiple of 4 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// The buffer, created with `BufferUsages::STORAGE`.
    pub buffer: &'a wgpu::Buffer,
    /// First byte of the tensor in it.
    pub offset: u64,
    /// Bytes of the tensor.
    pub size: u64,
    /// How its elements are stored.
    pub element: ElementType,
}

impl<'a> Tensor<'a> {
    /// The whole buffer.
    pub fn new(buffer: &'a wgpu::Buffer, element: ElementType) -> Self {
        Self { buffer, offset: 0, size: buffer.size(), element }
    }

    /// The bytes a pass may touch: whole words.
    fn words(&self) -> Range<u64> {
        words(self.offset, self.size)
    }
}

fn words(offset: u64, size: u64) -> Range<u64> {
    let size = size.checked_next_multiple_of(4).unwrap_or(u64::MAX);
    offset..offset.saturating_add(size)
}

/// Where bindings start: at multiples of so many bytes on every device. What lies before a tensor in its block is bound
/// with it, and WebGPU takes two such bindings for an overlap, of which neither may be written.
const BLOCK: u64 = 256;

fn meet(a: &Range<u64>, b: &Range<u64>) -> bool {
    a.start.max(b.start) < a.end.min(b.end)
}

/// Whether what is bound of two tensors of one buffer, given by their words, has a byte in common.
fn share_block(a: &Range<u64>, b: &Range<u64>) -> bool {
    let bound = |words: &Range<u64>| words.start - words.start % BLOCK..words.end;
    !a.is_empty() && !b.is_empty() && meet(&bound(a), &bound(b))
}

/// Whether a range of so many bytes is one for `expected`: those, or whole words.
fn fits(size: u64, expected: u64) -> bool {
    size == expected || Some(size) == expected.checked_next_multiple_of(4)
}

/// This, with [`Operands::check_on_device`] and the split into dispatches, is what makes unchecked shaders sound: they
/// index by shape only.
impl Holder for Tensor<'_> {
    fn check(&self, argument: &'static str, elements: usize, _: &Shape) -> Result<(), Error> {
        let Self { buffer, offset, size: actual, element } = *self;
        let elements = elements as u64;
        let expected = elements.saturating_mul(element.size() as u64);
        if !fits(actual, expected) {
            return Err(Error::TensorSize { argument, actual, expected, elements, element });
        }
        check_place(argument, buffer, offset, expected)
    }
}

/// The same for bytes that are no numbers.
pub(crate) fn check_bytes(
    argument: &'static str,
    buffer: &wgpu::Buffer,
    offset: u64,
    [actual, expected]: [u64; 2],
) -> Result<(), Error> {
    if !fits(actual, expected) {
        return Err(Error::ByteSize { argument, actual, expected });
    }
    check_place(argument, buffer, offset, expected)
}

fn check_place(
    argument: &'static str,
    buffer: &wgpu::Buffer,
    offset: u64,
    expected: u64,
) -> Result<(), Error> {
    if expected == 0 {
        return Ok(());
    }
    if !offset.is_multiple_of(4) {
        return Err(Error::Misaligned { argument, offset });
    }
    let end = words(offset, expected).end;
    if end > buffer.size() {
        return Err(Error::OutOfBounds { argument, offset, end, buffer_size: buffer.size() });
    }
    if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
        let needed = wgpu::BufferUsages::STORAGE;
        return Err(Error::Usage { argument, usage: buffer.usage(), needed });
    }
    Ok(())
}

impl Operands<'_, Tensor<'_>, Tensor<'_>> {
    /// How the operands are stored.
    pub(crate) fn element(&self) -> ElementType {
        self.operands[0].tensor.element
    }

    /// Checks how the tensors are stored: operands in one way, results in one of two.
    pub(crate) fn check_elements(
        &self,
        operands: ElementType,
        results: [ElementType; 2],
    ) -> Result<(), Error> {
        let of = |allowed| move |face| (face, allowed);
        for (face, allowed) in
            self.operands.iter().map(of([operands; 2])).chain(self.results.iter().map(of(results)))
        {
            let (argument, actual) = (face.name, face.tensor.element);
            if !allowed.contains(&actual) {
                return Err(Error::Element { argument, actual, allowed });
            }
        }
        Ok(())
    }

    /// Checks all arguments, which have to be stored in these ways: operands in one, results in one of two. No result
    /// may share a byte with another argument, nor, in a browser, a [`BLOCK`].
    ///
    /// Returns whether one shares a *buffer* with an operand, in which case every binding has to be `read_write`: one
    /// dispatch may not use a buffer both ways.
    pub(crate) fn check_on_device(
        &self,
        operands: ElementType,
        results: [ElementType; 2],
    ) -> Result<bool, Error> {
        self.check()?;
        self.check_elements(operands, results)?;
        let mut shared = false;
        for (index, result) in self.results.iter().enumerate() {
            let others = self.operands.iter().map(|face| (face, true));
            for (other, operand) in others.chain(self.results[..index].iter().map(|face| (face, false))) {
                if other.tensor.buffer != result.tensor.buffer {
                    continue;
                }
                if meet(&other.tensor.words(), &result.tensor.words()) {
                    return Err(Error::Overlap { output: result.name, other: other.name });
                }
                shared |= operand;
            }
        }
        if IN_A_BROWSER {
            self.check_blocks(shared)?;
        }
        Ok(shared)
    }

    /// That a browser allows the bindings: two that share a byte have to be read only, which those of operands are
    /// unless a result is in a buffer of theirs.
    fn check_blocks(&self, operands_written: bool) -> Result<(), Error> {
        let all: Vec<_> = self.results.iter().chain(&self.operands).collect();
        let written = if operands_written { all.len() } else { self.results.len() };
        for (index, one) in all.iter().enumerate().take(written) {
            for other in &all[index + 1..] {
                let same = one.tensor.buffer == other.tensor.buffer;
                if same && share_block(&one.tensor.words(), &other.tensor.words()) {
                    return Err(Error::SharedBlock { argument: one.name, other: other.name, block: BLOCK });
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::share_block;

    #[test]
    fn what_lies_before_a_tensor_in_its_block_is_bound_with_it() {
        for (a, b, share) in [
            (0..256, 256..512, false),
            (0..256, 260..512, false),
            (0..260, 512..516, false),
            // The second starts in the block in which the first ends.
            (0..260, 264..512, true),
            (0..4, 4..8, true),
            (300..304, 200..204, false),
            (0..0, 0..4, false),
        ] {
            assert_eq!(share_block(&a, &b), share, "{a:?}, {b:?}");
            assert_eq!(share_block(&b, &a), share, "{b:?}, {a:?}");
        }
    }
}
