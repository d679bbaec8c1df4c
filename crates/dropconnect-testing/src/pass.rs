//! The passes, and the library's call for each: in float64, on the CPU backend, on an adapter.

use dropconnect::cpu::Backend;
use dropconnect::{Bias, Error, Mask, Shape, Write, reference};

use crate::{Call, Data, Operands};

/// What there is of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// `Shape::batch` of them.
    Example,
    /// `Shape::outputs` of them.
    Output,
    /// `Shape::inputs` of them.
    Input,
}

impl Axis {
    /// How many of them there are.
    pub fn length(self, shape: &Shape) -> usize {
        [shape.batch(), shape.outputs(), shape.inputs()][self as usize]
    }
}

/// The passes of the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pass {
    /// Y.
    Forward,
    /// dX.
    InputGradient,
    /// dW.
    WeightGradient,
    /// db.
    BiasGradient,
    /// dX and dW by one call.
    BothGradients,
}

impl Pass {
    /// Each of them.
    pub const ALL: [Self; 5] =
        [Self::Forward, Self::InputGradient, Self::WeightGradient, Self::BiasGradient, Self::BothGradients];
    /// One for each result: Y, dX, dW, db.
    pub const SINGLE: [Self; 4] =
        [Self::Forward, Self::InputGradient, Self::WeightGradient, Self::BiasGradient];
    /// Those of one result with a mask of weights.
    pub const LINEAR: [Self; 3] = [Self::Forward, Self::InputGradient, Self::WeightGradient];
    /// Those that can add to their results.
    pub const GRADIENTS: [Self; 4] =
        [Self::InputGradient, Self::WeightGradient, Self::BiasGradient, Self::BothGradients];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "input gradient",
            Self::WeightGradient => "weight gradient",
            Self::BiasGradient => "bias gradient",
            Self::BothGradients => "both gradients",
        }
    }

    /// The passes of one result each that it does the work of, in the order of its results.
    pub fn parts(self) -> &'static [Self] {
        match self {
            Self::Forward => &[Self::Forward],
            Self::InputGradient => &[Self::InputGradient],
            Self::WeightGradient => &[Self::WeightGradient],
            Self::BiasGradient => &[Self::BiasGradient],
            Self::BothGradients => &[Self::InputGradient, Self::WeightGradient],
        }
    }

    /// What a pass of one result sums along; of two results, the first.
    pub fn walked(self) -> Axis {
        match self {
            Self::WeightGradient | Self::BiasGradient => Axis::Example,
            Self::InputGradient | Self::BothGradients => Axis::Output,
            Self::Forward => Axis::Input,
        }
    }

    /// Elements of its results together.
    pub fn result_len(self, shape: &Shape) -> usize {
        let len = |part: &Self| match part {
            Self::Forward => shape.output_len(),
            Self::InputGradient => shape.input_len(),
            Self::WeightGradient => shape.weight_len(),
            Self::BiasGradient => shape.outputs(),
            // No part of any.
            Self::BothGradients => 0,
        };
        self.parts().iter().map(len).sum()
    }

    /// What the one result of this pass is added to.
    pub fn before<'a>(self, call: &Call, data: &'a Data) -> Option<&'a [f32]> {
        let at = match self {
            Self::Forward | Self::BothGradients => return None,
            Self::InputGradient => 0,
            Self::WeightGradient => 1,
            Self::BiasGradient => 2,
        };
        (call.write[at] == Write::Accumulate).then_some(&data.before[at][..])
    }

    /// Its results in float64, each added to nothing.
    ///
    /// # Errors
    /// Those of the pass.
    pub fn reference(self, operands: &Operands<&[f64]>, mask: Option<&Mask>) -> Result<Vec<Vec<f64>>, Error> {
        Ok(vec![match self {
            Self::Forward => reference::forward(&operands.forward(mask, ())),
            Self::InputGradient => reference::input_gradient(&operands.input_gradient(mask, ())),
            Self::WeightGradient => reference::weight_gradient(&operands.weight_gradient(mask, ())),
            Self::BiasGradient => {
                reference::bias_gradient(&operands.bias_gradient(operands.bias_mask(mask), ()))
            }
            Self::BothGradients => {
                let parts = self.parts().iter().map(|part| part.reference(operands, mask));
                return Ok(parts.collect::<Result<Vec<_>, _>>()?.concat());
            }
        }?])
    }

    /// The CPU backend's call, into results of which each says how it is written.
    ///
    /// # Errors
    /// Those of the pass.
    ///
    /// # Panics
    /// For a number of results that is not the pass's.
    pub fn compute(
        self,
        backend: Backend,
        operands: &Operands<&[f32]>,
        mask: Option<&Mask>,
        results: &mut [(&mut [f32], Write)],
    ) -> Result<(), Error> {
        match (self, results) {
            (Self::Forward, [(y, _)]) => backend.forward(operands.forward(mask, y)),
            (Self::InputGradient, [(dx, write)]) => {
                backend.input_gradient(operands.writing(*write).input_gradient(mask, dx))
            }
            (Self::WeightGradient, [(dw, write)]) => {
                backend.weight_gradient(operands.writing(*write).weight_gradient(mask, dw))
            }
            (Self::BiasGradient, [(db, write)]) => {
                let bias_mask = operands.bias_mask(mask);
                backend.bias_gradient(operands.writing(*write).bias_gradient(bias_mask, db))
            }
            (Self::BothGradients, [(dx, of_dx), (dw, of_dw)]) => {
                backend.both_gradients(operands.both_gradients(mask, (dx, *of_dx), (dw, *of_dw)))
            }
            (_, results) => panic!("{} into {} results", self.name(), results.len()),
        }
    }
}

impl<T: Copy> Operands<T> {
    /// The same, for gradients that are written so.
    pub(crate) fn writing(&self, write: Write) -> Self {
        Self { write, ..*self }
    }

    /// The mask of the bias, where that has one.
    pub(crate) fn bias_mask<'m>(&self, mask: Option<&'m Mask>) -> Option<&'m Mask> {
        mask.filter(|_| matches!(self.bias, Bias::Masked(_)))
    }
}
