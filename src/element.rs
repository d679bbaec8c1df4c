//! The element types of tensors in memory. Mirrors `shaders/elements.wgsl`, `shaders/round.wgsl`.
//!
//! A new type is this file, and in `elements.wgsl` how many are lanes of a word (`LANES`) and how they are unpacked and
//! packed; how rows are read and written follows.

use std::fmt;

use half::{bf16, f16};

use crate::fenv;

/// How X, W, b, Y, G and the gradients are stored. Sums are always accumulated in f32.
///
/// The 16-bit types are packed two to a 32-bit word, rows following each other without padding, so odd
/// row lengths are fine and no device feature is needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ElementType {
    /// IEEE 754 binary32.
    #[default]
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
}

impl ElementType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::BF16];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// `f32`, `f16` or `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
        }
    }

    /// The bytes of `values` in this type, rounded to nearest even.
    ///
    /// Where host memory ends, this does what every `Vec` does. The library's own calls return
    /// [`Error::HostMemory`](crate::Error::HostMemory) then.
    pub fn encode(self, values: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(values.len() * self.size());
        self.encode_into(values, &mut bytes);
        bytes
    }

    /// The same at the end of other bytes.
    pub(crate) fn encode_into(self, values: &[f32], bytes: &mut Vec<u8>) {
        fenv::with_default(|| match self {
            Self::F32 => bytes.extend_from_slice(bytemuck::cast_slice(values)),
            Self::F16 => bytes.extend(values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes())),
            Self::BF16 => bytes.extend(values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes())),
        });
    }

    /// The values in `bytes`. A trailing part of an element is ignored. As to memory, see [`encode`](Self::encode).
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        let mut values = vec![0.0; bytes.len() / self.size()];
        self.decode_into(bytes, &mut values);
        values
    }

    /// The same over other values, as many as both have.
    pub(crate) fn decode_into(self, bytes: &[u8], values: &mut [f32]) {
        fenv::with_default(|| match self {
            Self::F32 => fill(values, bytes, f32::from_le_bytes),
            Self::F16 => fill(values, bytes, |b| f16::from_le_bytes(b).to_f32()),
            Self::BF16 => fill(values, bytes, |b| bf16::from_le_bytes(b).to_f32()),
        });
    }

    /// `value` as it reads after being stored in this type.
    pub fn round(self, value: f32) -> f32 {
        fenv::with_default(|| match self {
            Self::F32 => value,
            Self::F16 => f16::from_f32(value).to_f32(),
            Self::BF16 => bf16::from_f32(value).to_f32(),
        })
    }
}

fn fill<const N: usize>(values: &mut [f32], bytes: &[u8], decode: impl Fn([u8; N]) -> f32) {
    for (value, &bytes) in values.iter_mut().zip(bytes.as_chunks::<N>().0) {
        *value = decode(bytes);
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
