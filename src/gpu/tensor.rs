//! A tensor in the caller's memory: buffer, offset, size.

use crate::{ElementType, Error};

/// A range of the caller's buffer that holds a row-major tensor. The buffer has to be one of the device of the
/// kernels, which cannot be checked here: see [`Kernels`](super::Kernels).
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
}

impl<'a> From<&'a wgpu::Buffer> for Tensor<'a> {
    /// The whole buffer.
    fn from(buffer: &'a wgpu::Buffer) -> Self {
        Self { buffer, offset: 0, size: buffer.size() }
    }
}

impl<'a> From<wgpu::BufferBinding<'a>> for Tensor<'a> {
    fn from(binding: wgpu::BufferBinding<'a>) -> Self {
        let rest = binding.buffer.size().saturating_sub(binding.offset);
        Self {
            buffer: binding.buffer,
            offset: binding.offset,
            size: binding.size.map_or(rest, std::num::NonZero::get),
        }
    }
}

/// A tensor and what the pass knows about it.
#[derive(Clone, Copy)]
pub(crate) struct Argument<'a> {
    pub name: &'static str,
    pub tensor: Tensor<'a>,
}

impl Argument<'_> {
    /// Checks everything that can be said of one tensor alone. This, with [`check_disjoint`] and
    /// the split into dispatches, is what makes unchecked shaders sound: they index by shape only.
    pub(crate) fn check(&self, elements: u64, element: ElementType) -> Result<(), Error> {
        let (argument, actual) = (self.name, self.tensor.size);
        let expected = elements.saturating_mul(element.size() as u64);
        if actual != expected && Some(actual) != expected.checked_next_multiple_of(4) {
            return Err(Error::TensorSize { argument, actual, expected, elements, element });
        }
        self.check_place(expected)
    }

    /// The same for a tensor of bytes.
    pub(crate) fn check_bytes(&self, expected: u64) -> Result<(), Error> {
        let (argument, actual) = (self.name, self.tensor.size);
        if actual != expected && Some(actual) != expected.checked_next_multiple_of(4) {
            return Err(Error::ByteSize { argument, actual, expected });
        }
        self.check_place(expected)
    }

    fn check_place(&self, expected: u64) -> Result<(), Error> {
        let Self { name: argument, tensor: Tensor { buffer, offset, .. } } = *self;
        if expected == 0 {
            return Ok(());
        }
        if !offset.is_multiple_of(4) {
            return Err(Error::Misaligned { argument, offset });
        }
        let end = self.words().end;
        if end > buffer.size() {
            return Err(Error::OutOfBounds { argument, offset, end, buffer_size: buffer.size() });
        }
        if !buffer.usage().contains(wgpu::BufferUsages::STORAGE) {
            let needed = wgpu::BufferUsages::STORAGE;
            return Err(Error::Usage { argument, usage: buffer.usage(), needed });
        }
        Ok(())
    }

    /// The bytes a pass may touch: whole words.
    fn words(&self) -> std::ops::Range<u64> {
        let size = self.tensor.size.checked_next_multiple_of(4).unwrap_or(u64::MAX);
        self.tensor.offset..self.tensor.offset.saturating_add(size)
    }
}

/// Checks that no result shares a byte with another argument. Returns whether one shares a *buffer* with
/// an operand, in which case every binding has to be `read_write`: one dispatch may not use a buffer both
/// ways.
pub(crate) fn check_disjoint(operands: &[Argument], results: &[Argument]) -> Result<bool, Error> {
    let mut shared = false;
    for (at, result) in results.iter().enumerate() {
        for (k, other) in operands.iter().chain(&results[..at]).enumerate() {
            if other.tensor.buffer != result.tensor.buffer {
                continue;
            }
            let (a, b) = (other.words(), result.words());
            if a.start.max(b.start) < a.end.min(b.end) {
                return Err(Error::Overlap { output: result.name, other: other.name });
            }
            shared |= k < operands.len();
        }
    }
    Ok(shared)
}
