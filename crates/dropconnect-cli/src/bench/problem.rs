//! What is timed: the passes, the ways to do them, and the tensors they work on.

use dropconnect::{ElementType, Mask, Shape};

use crate::error::{CliError, reserve, room};
use crate::verify::data::uniform_values;

/// The passes, one result each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    Forward,
    InputGradient,
    WeightGradient,
}

impl Pass {
    pub const ALL: [Self; 3] = [Self::Forward, Self::InputGradient, Self::WeightGradient];
}

/// What is timed: a pass, or two that the library may compute together.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub name: &'static str,
    pub passes: &'static [Pass],
}

impl Job {
    pub const ALL: [Self; 4] = [
        Self { name: "forward", passes: &[Pass::Forward] },
        Self { name: "input gradient", passes: &[Pass::InputGradient] },
        Self { name: "weight gradient", passes: &[Pass::WeightGradient] },
        Self { name: "both gradients", passes: &[Pass::InputGradient, Pass::WeightGradient] },
    ];

    /// Whether it computes both gradients.
    pub fn both_gradients(&self) -> bool {
        self.passes == [Pass::InputGradient, Pass::WeightGradient]
    }

    /// Multiply-adds of a layer, masked or not.
    pub fn multiply_adds(&self, shape: &Shape) -> u64 {
        self.passes.len() as u64 * shape.connections()
    }
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

/// Operands on the host, rounded to the element type.
pub struct Operands {
    pub shape: Shape,
    pub element: ElementType,
    pub x: Vec<f32>,
    pub weight: Vec<f32>,
    pub grad_output: Vec<f32>,
}

impl Operands {
    pub fn new(shape: Shape, element: ElementType, on_gpu: bool) -> Result<Self, CliError> {
        let lengths = [shape.input_len(), shape.weight_len(), shape.output_len()];
        // Bytes for an element of an operand and of the result of its length. On the host: both, and a copy that
        // is checked. On an adapter, which may have no memory but the host's: operands as values, as bytes, on their
        // way and there; results there, in a second type, poisoned, and on their way back as bytes and values.
        let bytes = if on_gpu { 4 * 10 } else { 4 * 4 };
        let what = "the benchmark's tensors on the host";
        reserve(what, &lengths.map(|length| (length as u64).checked_mul(bytes)))?;
        let values = |length, stream| {
            let mut values = room(what, length)?;
            values.extend(uniform_values(length, stream, element));
            Ok::<_, CliError>(values)
        };
        let [x, weight, grad_output] =
            [values(lengths[0], 1)?, values(lengths[1], 2)?, values(lengths[2], 4)?];
        Ok(Self { shape, element, x, weight, grad_output })
    }

    pub fn result_len(&self, pass: Pass) -> usize {
        match pass {
            Pass::Forward => self.shape.output_len(),
            Pass::InputGradient => self.shape.input_len(),
            Pass::WeightGradient => self.shape.weight_len(),
        }
    }

    /// Bytes of X, W, G and the three results.
    pub fn tensor_bytes(&self) -> u64 {
        2 * Pass::ALL
            .into_iter()
            .map(|pass| (self.result_len(pass) * self.element.size()) as u64)
            .sum::<u64>()
    }
}
