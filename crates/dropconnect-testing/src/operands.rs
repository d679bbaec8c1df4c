//! The library's calls on the operands of a layer, whatever holds them.

use dropconnect::call::*;
use dropconnect::{Bias, DropProbability, Mask, Shape, Write};

/// Operands of every call, and what gradients do to their results.
#[derive(Clone, Copy)]
pub struct Operands<T> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// X, `[batch, inputs]`.
    pub x: T,
    /// W, `[outputs, inputs]`.
    pub weight: T,
    /// b, `[outputs]`.
    pub bias: Bias<T>,
    /// G, `[batch, outputs]`.
    pub grad_output: T,
    /// How the one gradient of a call is written.
    pub write: Write,
}

impl<T> Operands<T> {
    /// X, W, b and G, for calls that overwrite.
    pub fn of(shape: Shape, bias: Bias<()>, [x, weight, values, grad_output]: [T; 4]) -> Self {
        Self { shape, x, weight, bias: bias.map(|()| values), grad_output, write: Write::Overwrite }
    }
}

/// Each call with a place for its results: `()` where they are made.
impl<T: Copy> Operands<T> {
    /// A call of the layer, of any kind, into these results.
    ///
    /// # Panics
    /// For a kind with other operands, for one that takes a mask where there is none, and for too few results.
    pub fn call<'m, R>(
        &self,
        kind: Kind,
        mask: Option<&'m Mask>,
        results: impl IntoIterator<Item = R>,
    ) -> Call<'m, T, R> {
        let call = Call::of(kind, self.shape, mask, self.bias.map(|_| ()), self.write);
        let mut results = results.into_iter();
        call.expect("a mask for this kind").map(
            |operand| match operand.name {
                "x" => self.x,
                "weight" => self.weight,
                "grad_output" => self.grad_output,
                _ => *self.bias.tensor().expect("a kind that a layer has"),
            },
            |_| results.next().expect("as many results as the call has"),
        )
    }

    /// Y.
    pub fn forward<'m, R>(&self, mask: Option<&'m Mask>, y: R) -> Forward<'m, T, R> {
        let Self { shape, x, weight, bias, .. } = *self;
        Forward { shape, mask, x, weight, bias, y }
    }

    /// dX.
    pub fn input_gradient<'m, R>(&self, mask: Option<&'m Mask>, grad_input: R) -> InputGradient<'m, T, R> {
        let Self { shape, grad_output, weight, write, .. } = *self;
        InputGradient { shape, mask, grad_output, weight, grad_input, write }
    }

    /// dW.
    pub fn weight_gradient<'m, R>(&self, mask: Option<&'m Mask>, grad_weight: R) -> WeightGradient<'m, T, R> {
        let Self { shape, grad_output, x, write, .. } = *self;
        WeightGradient { shape, mask, grad_output, x, grad_weight, write }
    }

    /// dX and dW, each written in its own way.
    pub fn both_gradients<'m, R>(
        &self,
        mask: Option<&'m Mask>,
        grad_input: (R, Write),
        grad_weight: (R, Write),
    ) -> BothGradients<'m, T, R> {
        let Self { shape, grad_output, x, weight, .. } = *self;
        BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight }
    }

    /// db.
    pub fn bias_gradient<'m, R>(&self, bias_mask: Option<&'m Mask>, grad_bias: R) -> BiasGradient<'m, T, R> {
        let Self { shape, grad_output, write, .. } = *self;
        BiasGradient { shape, bias_mask, grad_output, grad_bias, write }
    }

    /// Mean and variance of Y over all masks.
    pub fn moments<'p, R>(
        &self,
        probability: &'p DropProbability,
        [mean, variance]: [R; 2],
    ) -> OutputMoments<'p, T, R> {
        let Self { shape, x, weight, bias, .. } = *self;
        OutputMoments { shape, probability, x, weight, bias, mean, variance }
    }

    /// Mean and variance of Y over some masks.
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
