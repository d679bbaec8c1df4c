//! A layer's parameters in host memory.

use std::borrow::Cow;

use super::parameters::{Backward, Part, Stored};
use crate::call::{BiasGradient, BothGradients};
use crate::device::{Cpu, CpuWeights, Passes, WeightPasses};
use crate::host::{self, round_all, rounded};
use crate::work::Work;
use crate::{ElementType, Error, Shape, Write, cpu};

/// Always f32 here: W and b with values of the layer's element type, and gradients, which accumulate, with any.
#[derive(Debug)]
pub(super) struct OnCpu {
    weight: Vec<f32>,
    bias: Option<Vec<f32>>,
    grad_weight: Vec<f32>,
    grad_bias: Option<Vec<f32>>,
}

impl OnCpu {
    pub(super) fn new(
        element: ElementType,
        mut weight: Vec<f32>,
        mut bias: Option<Vec<f32>>,
    ) -> Result<Self, Error> {
        round_all(element, &mut weight);
        round_all(element, bias.as_deref_mut().unwrap_or_default());
        Ok(Self {
            grad_weight: host::zeros(weight.len())?,
            grad_bias: bias.as_ref().map(|bias| host::zeros(bias.len())).transpose()?,
            weight,
            bias,
        })
    }
}

impl Stored for OnCpu {
    fn passes(&self) -> &dyn Passes {
        &Cpu
    }

    fn weights(&self, shape: Shape, element: ElementType, masked_bias: bool) -> Box<dyn WeightPasses + '_> {
        let bias = super::bias_of(self.bias.as_deref().map(Cow::Borrowed), masked_bias);
        Box::new(CpuWeights { shape, element, weight: Cow::Borrowed(&self.weight), bias })
    }

    fn backward<'a>(&'a mut self, call: &'a Backward<'_, &[f32]>) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &Backward { shape, element, mask, bias_mask, x, grad_output, write } = call;
            let (x, grad_output) = (&rounded(element, x)?[..], &rounded(element, grad_output)?[..]);
            let mut grad_input = host::zeros(shape.input_len())?;
            // What may fail comes first: the gradients that are there change all or not at all. The bias's is
            // small, and worked out beside it; the weight's is the last that anything below writes.
            let mut grad_bias = self.grad_bias.as_deref().map(host::copy).transpose()?;
            if let Some(grad_bias) = &mut grad_bias {
                let grad_bias = &mut grad_bias[..];
                cpu::bias_gradient(BiasGradient { shape, bias_mask, grad_output, grad_bias, write })?;
            }
            cpu::both_gradients(BothGradients {
                shape,
                mask: Some(mask),
                grad_output,
                x,
                weight: &self.weight,
                grad_input: (&mut grad_input, Write::Overwrite),
                grad_weight: (&mut self.grad_weight, write),
            })?;
            self.grad_bias = grad_bias;
            round_all(element, &mut grad_input);
            Ok(grad_input)
        })
    }

    fn read(&self, part: Part, element: ElementType, _: usize) -> Work<'_, Option<Vec<f32>>> {
        Box::pin(async move {
            let values = match part {
                Part::Weight => Some(&self.weight),
                Part::Bias => self.bias.as_ref(),
                Part::GradWeight => Some(&self.grad_weight),
                Part::GradBias => self.grad_bias.as_ref(),
            };
            let mut values = values.map(|values| host::copy(values)).transpose()?;
            round_all(element, values.as_deref_mut().unwrap_or_default());
            Ok(values)
        })
    }

    fn write(&mut self, part: Part, element: ElementType, values: &[f32]) -> Result<(), Error> {
        let own = match part {
            Part::Weight => Some(&mut self.weight),
            Part::Bias => self.bias.as_mut(),
            Part::GradWeight => Some(&mut self.grad_weight),
            Part::GradBias => self.grad_bias.as_mut(),
        };
        if let Some(own) = own {
            own.copy_from_slice(values);
            round_all(element, own);
        }
        Ok(())
    }

    fn has_bias(&self) -> bool {
        self.bias.is_some()
    }
}
