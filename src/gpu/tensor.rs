//! A tensor in the caller's memory: buffer, offset, size, element type.

use crate::call::{Faces, Holder};
use crate::{ElementType, Error, Shape};

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
    /// How its elements are stored.
    pub element: ElementType,
}

impl<'a> Tensor<'a> {
    /// The whole buffer.
    pub fn new(buffer: &'a wgpu::Buffer, element: ElementType) -> Self {
        Self { buffer, offset: 0, size: buffer.size(), element }
    }

    /// The bytes a pass may touch: whole words.
    fn words(&self) -> std::ops::Range<u64> {
        words(self.offset, self.size)
    }
}

fn words(offset: u64, size: u64) -> std::ops::Range<u64> {
    let size = size.checked_next_multiple_of(4).unwrap_or(u64::MAX);
    offset..offset.saturating_add(size)
}

/// Whether a range of so many bytes is one for `expected`: those, or whole words.
fn fits(size: u64, expected: u64) -> bool {
    size == expected || Some(size) == expected.checked_next_multiple_of(4)
}

/// This, with [`Faces::check_on_device`] and the split into dispatches, is what makes unchecked shaders sound: they
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

impl Faces<'_, Tensor<'_>, Tensor<'_>> {
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
            self.all_operands().map(of([operands; 2])).chain(self.results.iter().map(of(results)))
        {
            let (argument, actual) = (face.name, face.tensor.element);
            if !allowed.contains(&actual) {
                return Err(Error::Element { argument, actual, allowed });
            }
        }
        Ok(())
    }

    /// Checks all arguments, which have to be stored in these ways: operands in one, results in one of two. No result
    /// may share a byte with another argument.
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
        for (at, result) in self.results.iter().enumerate() {
            let others = self.all_operands().map(|face| (face, true));
            for (other, operand) in others.chain(self.results[..at].iter().map(|face| (face, false))) {
                if other.tensor.buffer != result.tensor.buffer {
                    continue;
                }
                let (a, b) = (other.tensor.words(), result.tensor.words());
                if a.start.max(b.start) < a.end.min(b.end) {
                    return Err(Error::Overlap { output: result.name, other: other.name });
                }
                shared |= operand;
            }
        }
        Ok(shared)
    }
}
