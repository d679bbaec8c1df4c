//! The calls on the operands of a layer, whatever holds them.

use dropconnect::call::*;
use dropconnect::cpu::Backend;
use dropconnect::{Bias, DropProbability, Mask, Shape, Write, reference};

use super::Results;

/// Operands of every call, and what gradients do to their results.
#[derive(Clone, Copy)]
pub struct Operands<T> {
    pub shape: Shape,
    pub x: T,
    pub weight: T,
    pub bias: Bias<T>,
    pub grad_output: T,
    pub write: Write,
}

/// Each call with a place for its results: `()` where they are made.
impl<T: Copy> Operands<T> {
    pub fn forward<'m, R>(&self, mask: Option<&'m Mask>, y: R) -> Forward<'m, T, R> {
        let Self { shape, x, weight, bias, .. } = *self;
        Forward { shape, mask, x, weight, bias, y }
    }

    pub fn input_gradient<'m, R>(&self, mask: Option<&'m Mask>, grad_input: R) -> InputGradient<'m, T, R> {
        let Self { shape, grad_output, weight, write, .. } = *self;
        InputGradient { shape, mask, grad_output, weight, grad_input, write }
    }

    pub fn weight_gradient<'m, R>(&self, mask: Option<&'m Mask>, grad_weight: R) -> WeightGradient<'m, T, R> {
        let Self { shape, grad_output, x, write, .. } = *self;
        WeightGradient { shape, mask, grad_output, x, grad_weight, write }
    }

    pub fn both_gradients<'m, R>(
        &self,
        mask: Option<&'m Mask>,
        grad_input: (R, Write),
        grad_weight: (R, Write),
    ) -> BothGradients<'m, T, R> {
        let Self { shape, grad_output, x, weight, .. } = *self;
        BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight }
    }

    pub fn bias_gradient<'m, R>(&self, bias_mask: Option<&'m Mask>, grad_bias: R) -> BiasGradient<'m, T, R> {
        let Self { shape, grad_output, write, .. } = *self;
        BiasGradient { shape, bias_mask, grad_output, grad_bias, write }
    }

    pub fn moments<'p, R>(
        &self,
        probability: &'p DropProbability,
        [mean, variance]: [R; 2],
    ) -> OutputMoments<'p, T, R> {
        let Self { shape, x, weight, bias, .. } = *self;
        OutputMoments { shape, probability, x, weight, bias, mean, variance }
    }

    pub fn monte_carlo<'m, R>(
        &self,
        mask: &'m Mask,
        passes: u32,
        [mean, variance]: [R; 2],
    ) -> MonteCarlo<'m, T, R> {
        let Self { shape, x, weight, bias, .. } = *self;
        MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance }
    }
}

/// Places for a mean and a variance that are made.
pub const MADE: [(); 2] = [(); 2];

impl Operands<&[f64]> {
    /// The results of all passes.
    pub fn reference(&self, mask: Option<&Mask>, bias_mask: Option<&Mask>) -> Results<f64> {
        Results {
            y: reference::forward(&self.forward(mask, ())).unwrap(),
            dx: reference::input_gradient(&self.input_gradient(mask, ())).unwrap(),
            dw: reference::weight_gradient(&self.weight_gradient(mask, ())).unwrap(),
            db: reference::bias_gradient(&self.bias_gradient(bias_mask, ())).unwrap(),
        }
    }
}

impl Operands<&[f32]> {
    /// The same of the CPU backend, into results that are poisoned first.
    pub fn on_cpu(&self, backend: &Backend, mask: Option<&Mask>, bias_mask: Option<&Mask>) -> Results<f32> {
        let poisoned = |len| vec![f32::NAN; len];
        let mut results = Results {
            y: poisoned(self.shape.output_len()),
            dx: poisoned(self.shape.input_len()),
            dw: poisoned(self.shape.weight_len()),
            db: poisoned(self.shape.outputs()),
        };
        let Results { y, dx, dw, db } = &mut results;
        backend.forward(self.forward(mask, &mut y[..])).unwrap();
        backend.input_gradient(self.input_gradient(mask, &mut dx[..])).unwrap();
        backend.weight_gradient(self.weight_gradient(mask, &mut dw[..])).unwrap();
        backend.bias_gradient(self.bias_gradient(bias_mask, &mut db[..])).unwrap();
        results
    }
}
