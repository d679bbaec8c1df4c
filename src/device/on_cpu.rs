//! The calls of a device on the CPU backend.

use std::borrow::Cow;
use std::fmt;

use super::passes::{Passes, WeightPasses};
use crate::call::{BiasGradient, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient};
use crate::host::{self, round_all, rounded};
use crate::work::Work;
use crate::{
    Activation, Bias, DropProbability, ElementType, Error, Mask, Method, Moments, Predictive, Shape, cpu,
};

/// The CPU backend.
pub(crate) struct Cpu;

impl Passes for Cpu {
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CPU backend, {} threads", cpu::thread_count())
    }

    fn weights<'a>(
        &'a self,
        shape: Shape,
        element: ElementType,
        weight: &'a [f32],
        bias: Bias<&'a [f32]>,
    ) -> Result<Box<dyn WeightPasses + 'a>, Error> {
        let values = rounded(element, bias.tensor().copied().unwrap_or_default())?;
        let (weight, bias) = (rounded(element, weight)?, bias.map(|_| values));
        Ok(Box::new(CpuWeights { shape, element, weight, bias }))
    }

    fn input_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a InputGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &InputGradient { shape, mask, grad_output, weight, write, .. } = call;
            let (grad_output, weight) = (&rounded(element, grad_output)?, &rounded(element, weight)?);
            let mut result = host::zeros(shape.input_len())?;
            let grad_input = &mut result;
            cpu::input_gradient(InputGradient { shape, mask, grad_output, weight, grad_input, write })?;
            round_all(element, &mut result);
            Ok(result)
        })
    }

    fn weight_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a WeightGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &WeightGradient { shape, mask, grad_output, x, write, .. } = call;
            let (grad_output, x) = (&rounded(element, grad_output)?, &rounded(element, x)?);
            let mut result = host::zeros(shape.weight_len())?;
            let grad_weight = &mut result;
            cpu::weight_gradient(WeightGradient { shape, mask, grad_output, x, grad_weight, write })?;
            round_all(element, &mut result);
            Ok(result)
        })
    }

    fn bias_gradient<'a>(
        &'a self,
        element: ElementType,
        call: &'a BiasGradient<'_, &[f32], ()>,
    ) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let &BiasGradient { shape, bias_mask, grad_output, write, .. } = call;
            let grad_output = &rounded(element, grad_output)?;
            let mut result = host::zeros(shape.outputs())?;
            let grad_bias = &mut result;
            cpu::bias_gradient(BiasGradient { shape, bias_mask, grad_output, grad_bias, write })?;
            round_all(element, &mut result);
            Ok(result)
        })
    }

    fn mask<'a>(&'a self, shape: &'a Shape, mask: &'a Mask, bias: bool, bytes: usize) -> Work<'a, Vec<u8>> {
        Box::pin(async move {
            let mut kept = host::zeros(bytes)?;
            if bias { cpu::bias_mask(shape, mask, &mut kept) } else { cpu::mask(shape, mask, &mut kept) }?;
            Ok(kept)
        })
    }

    fn activate<'a>(
        &'a self,
        shape: &'a Shape,
        activation: Activation,
        method: Method,
        u: &'a Moments,
    ) -> Work<'a, Moments> {
        Box::pin(async move {
            let mut moments = Moments::zeros(shape)?;
            let Moments { mean, variance } = &mut moments;
            let (u, out) = ([&u.mean[..], &u.variance], [&mut mean[..], variance]);
            match method {
                Method::Closed => cpu::closed_form(shape, activation, u, out),
                Method::Sampled { samples, key, origin } => {
                    cpu::sampled(shape, activation, samples, key, origin, u, out)
                }
            }?;
            Ok(moments)
        })
    }
}

/// Weights in host memory, as f32 with values of the element type.
pub(crate) struct CpuWeights<'a> {
    pub shape: Shape,
    pub element: ElementType,
    pub weight: Cow<'a, [f32]>,
    pub bias: Bias<Cow<'a, [f32]>>,
}

impl CpuWeights<'_> {
    fn bias(&self) -> Bias<&[f32]> {
        self.bias.as_ref().map(|bias| &**bias)
    }
}

impl WeightPasses for CpuWeights<'_> {
    fn forward<'a>(&'a self, mask: Option<&'a Mask>, x: &'a [f32]) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            let Self { shape, element, ref weight, .. } = *self;
            mask.map_or(Ok(()), |mask| mask.check(&shape))?;
            let mut y = host::zeros(shape.output_len())?;
            let x = &rounded(element, x)?;
            cpu::forward(Forward { shape, mask, x, weight, bias: self.bias(), y: &mut y })?;
            round_all(element, &mut y);
            Ok(y)
        })
    }

    fn moments<'a>(&'a self, probability: &'a DropProbability, x: &'a [f32]) -> Work<'a, Moments> {
        Box::pin(async move {
            let Self { shape, element, ref weight, .. } = *self;
            let mut moments = Moments::zeros(&shape)?;
            let (Moments { mean, variance }, x) = (&mut moments, &rounded(element, x)?);
            cpu::moments(OutputMoments { shape, probability, x, weight, bias: self.bias(), mean, variance })?;
            Ok(moments)
        })
    }

    fn monte_carlo<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Moments> {
        Box::pin(async move {
            let Self { shape, element, ref weight, .. } = *self;
            mask.check_passes(&shape, passes)?;
            let mut moments = Moments::zeros(&shape)?;
            let (Moments { mean, variance }, x) = (&mut moments, &rounded(element, x)?);
            let bias = self.bias();
            cpu::monte_carlo(MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance })?;
            Ok(moments)
        })
    }

    fn pass_outputs<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Vec<f32>> {
        Box::pin(async move {
            mask.check_passes(&self.shape, passes)?;
            let mut samples = host::empty(self.shape.output_len().saturating_mul(passes as usize))?;
            for pass in 0..passes {
                samples.extend(self.forward(Some(&mask.pass(pass)), x).await?);
            }
            Ok(samples)
        })
    }

    fn predictive<'a>(&'a self, mask: &'a Mask, passes: u32, x: &'a [f32]) -> Work<'a, Predictive<f32>> {
        Box::pin(async move {
            let Self { shape, element, ref weight, .. } = *self;
            let (x, bias) = (&rounded(element, x)?, self.bias());
            let (mean, variance) = ((), ());
            cpu::predictive(&MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance })
        })
    }
}
