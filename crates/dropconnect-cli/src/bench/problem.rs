//! What is timed: passes, the ways to do them, and the tensors they work on.

use dropconnect::{Bias, ElementType, Mask, Shape, Write};
use dropconnect_testing::{Operands, Pass, Random};

use crate::error::{CliError, reserve, room};

/// What is timed: the passes of one result, and the two that the library may compute together.
pub const PASSES: [Pass; 4] = [Pass::Forward, Pass::InputGradient, Pass::WeightGradient, Pass::BothGradients];

/// Multiply-adds of a layer, masked or not.
pub fn multiply_adds(pass: Pass, shape: &Shape) -> u64 {
    pass.parts().len() as u64 * shape.connections()
}

/// Which of Y, dX and dW the results of a pass are.
pub fn places(pass: Pass) -> std::ops::Range<usize> {
    let parts = pass.parts();
    let first = Pass::LINEAR.iter().position(|part| parts.contains(part)).expect("only these are timed");
    first..first + parts.len()
}

/// The ways to do a pass.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Way<'a> {
    /// Masks regenerated in the kernel.
    Ours(&'a Mask),
    /// No mask.
    Dense,
    /// The mask read from memory.
    Stored(&'a Mask),
}

impl Way<'_> {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "regenerated masks",
            Self::Dense => "dense",
            Self::Stored(_) => "stored mask",
        }
    }
}

/// A layer's tensors on the host, rounded to the element type.
pub struct Problem {
    pub shape: Shape,
    pub element: ElementType,
    pub x: Vec<f32>,
    pub weight: Vec<f32>,
    pub grad_output: Vec<f32>,
}

impl Problem {
    pub fn new(shape: Shape, element: ElementType, on_gpu: bool) -> Result<Self, CliError> {
        let lengths = [shape.input_len(), shape.weight_len(), shape.output_len()];
        // Bytes for an element of an operand and of the result of its length. On the host: both, and a copy that
        // is checked. On an adapter, which may have no memory but the host's: operands as values, as bytes, on their
        // way and there; results there, in a second type, poisoned, and on their way back as bytes and values.
        let bytes = if on_gpu { 4 * 10 } else { 4 * 4 };
        let what = "the benchmark's tensors on the host";
        reserve(what, &lengths.map(|length| (length as u64).checked_mul(bytes)))?;
        let values = |length, seed| {
            let (mut values, mut random) = (room(what, length)?, Random(seed));
            values.extend((0..length).map(|_| element.round(random.value())));
            Ok::<_, CliError>(values)
        };
        let [x, weight, grad_output] =
            [values(lengths[0], 1)?, values(lengths[1], 2)?, values(lengths[2], 4)?];
        Ok(Self { shape, element, x, weight, grad_output })
    }

    /// For calls of any pass.
    pub fn operands(&self) -> Operands<&[f32]> {
        let Self { shape, x, weight, grad_output, .. } = self;
        Operands { shape: *shape, x, weight, bias: Bias::None, grad_output, write: Write::Overwrite }
    }

    /// Bytes of X, W, G and the three results.
    pub fn tensor_bytes(&self) -> u64 {
        let elements: usize = Pass::LINEAR.iter().map(|pass| pass.result_len(&self.shape)).sum();
        2 * (elements * self.element.size()) as u64
    }
}
