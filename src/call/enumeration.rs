//! Any call, as one value.

use std::convert::Infallible;

use super::{
    Activate, BiasGradient, BothGradients, Forward, Holder, InputGradient, Kind, MonteCarlo, Operand,
    Operands, OutputMoments, PredictivePass, WeightGradient,
};
use crate::{Activation, Bias, Error, Mask, Method, Shape, Write};

/// Any call of a layer. The structs turn into it, so that whatever takes a call takes each of them.
#[derive(Clone, Copy, Debug)]
pub enum Call<'a, T, R> {
    /// Y.
    Forward(Forward<'a, T, R>),
    /// dX.
    InputGradient(InputGradient<'a, T, R>),
    /// dW.
    WeightGradient(WeightGradient<'a, T, R>),
    /// dX and dW.
    BothGradients(BothGradients<'a, T, R>),
    /// db.
    BiasGradient(BiasGradient<'a, T, R>),
    /// Mean and variance of Y in closed form.
    Moments(OutputMoments<'a, T, R>),
    /// Mean and variance of Y over masks that are drawn.
    MonteCarlo(MonteCarlo<'a, T, R>),
    /// Mean and variance of f(u).
    Activate(Activate<T, R>),
    /// A pass of a classifier.
    Predictive(PredictivePass<T, R>),
}

macro_rules! from {
    ($($variant:ident: $call:ty,)*) => {$(
        impl<'a, T, R> From<$call> for Call<'a, T, R> {
            fn from(call: $call) -> Self {
                Self::$variant(call)
            }
        }
    )*};
}

from! {
    Forward: Forward<'a, T, R>,
    InputGradient: InputGradient<'a, T, R>,
    WeightGradient: WeightGradient<'a, T, R>,
    BothGradients: BothGradients<'a, T, R>,
    BiasGradient: BiasGradient<'a, T, R>,
    Moments: OutputMoments<'a, T, R>,
    MonteCarlo: MonteCarlo<'a, T, R>,
    Activate: Activate<T, R>,
    Predictive: PredictivePass<T, R>,
}

impl<'a> Call<'a, (), ()> {
    /// A call of this kind without tensors, for [`map`](Self::map) to give it some by their names: with one pass, the
    /// closed form of the ReLU, and gradients that are all written in the same way. `None` for a kind that takes a mask
    /// where there is none.
    pub fn of(
        kind: Kind,
        shape: Shape,
        mask: Option<&'a Mask>,
        bias: Bias<()>,
        write: Write,
    ) -> Option<Self> {
        let (x, weight, grad_output, mean, variance) = ((), (), (), (), ());
        Some(match kind {
            Kind::Forward => Forward { shape, mask, x, weight, bias, y: () }.into(),
            Kind::InputGradient => {
                InputGradient { shape, mask, grad_output, weight, grad_input: (), write }.into()
            }
            Kind::WeightGradient => {
                WeightGradient { shape, mask, grad_output, x, grad_weight: (), write }.into()
            }
            Kind::BothGradients => {
                let (grad_input, grad_weight) = (((), write), ((), write));
                BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight }.into()
            }
            Kind::BiasGradient => {
                let bias_mask = mask.filter(|_| matches!(bias, Bias::Masked(())));
                BiasGradient { shape, bias_mask, grad_output, grad_bias: (), write }.into()
            }
            Kind::Moments => {
                let probability = &mask?.probability;
                OutputMoments { shape, probability, x, weight, bias, mean, variance }.into()
            }
            Kind::MonteCarlo => {
                MonteCarlo { shape, mask: mask?, passes: 1, x, weight, bias, mean, variance }.into()
            }
            Kind::Activation => {
                let (activation, method, u_mean, u_variance) = (Activation::Relu, Method::Closed, (), ());
                Activate { shape, activation, method, u_mean, u_variance, mean, variance }.into()
            }
            Kind::Predictive => {
                let (pass, passes, logits, entropy, information) = (0, 1, (), (), ());
                PredictivePass { shape, pass, passes, logits, mean, entropy, information }.into()
            }
        })
    }
}

/// Evaluates an expression on the struct of whichever call it is.
macro_rules! each {
    ($call:expr, $struct:ident => $value:expr) => {
        match $call {
            Call::Forward($struct) => $value,
            Call::InputGradient($struct) => $value,
            Call::WeightGradient($struct) => $value,
            Call::BothGradients($struct) => $value,
            Call::BiasGradient($struct) => $value,
            Call::Moments($struct) => $value,
            Call::MonteCarlo($struct) => $value,
            Call::Activate($struct) => $value,
            Call::Predictive($struct) => $value,
        }
    };
}

impl<'a, T, R> Call<'a, T, R> {
    /// Which call it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Forward(_) => Kind::Forward,
            Self::InputGradient(_) => Kind::InputGradient,
            Self::WeightGradient(_) => Kind::WeightGradient,
            Self::BothGradients(_) => Kind::BothGradients,
            Self::BiasGradient(_) => Kind::BiasGradient,
            Self::Moments(_) => Kind::Moments,
            Self::MonteCarlo(_) => Kind::MonteCarlo,
            Self::Activate(_) => Kind::Activation,
            Self::Predictive(_) => Kind::Predictive,
        }
    }

    /// Batch, outputs and inputs.
    pub fn shape(&self) -> Shape {
        each!(self, call => call.shape)
    }

    /// The mask that the call draws.
    pub fn mask(&self) -> Option<&'a Mask> {
        match self {
            Self::Forward(call) => call.mask,
            Self::InputGradient(call) => call.mask,
            Self::WeightGradient(call) => call.mask,
            Self::BothGradients(call) => call.mask,
            Self::BiasGradient(call) => call.bias_mask,
            Self::MonteCarlo(call) => Some(call.mask),
            Self::Moments(_) | Self::Activate(_) | Self::Predictive(_) => None,
        }
    }

    /// Whether the one result of a gradient is overwritten or added to; the others are overwritten.
    pub(crate) fn write(&self) -> Write {
        match self {
            Self::InputGradient(call) => call.write,
            Self::WeightGradient(call) => call.write,
            Self::BiasGradient(call) => call.write,
            _ => Write::Overwrite,
        }
    }

    /// The kind of the bias that is added.
    pub(crate) fn bias(&self) -> Bias<()> {
        match self {
            Self::Forward(call) => call.bias.as_ref().map(|_| ()),
            Self::Moments(call) => call.bias.as_ref().map(|_| ()),
            Self::MonteCarlo(call) => call.bias.as_ref().map(|_| ()),
            _ => Bias::None,
        }
    }

    /// The same call on other tensors, in the order in which [`operands`](Self::operands) has them. The first error
    /// ends it.
    ///
    /// # Errors
    /// Those of the two functions.
    pub fn try_map<U, S, E>(
        self,
        mut operand: impl FnMut(Operand<T>) -> Result<U, E>,
        mut result: impl FnMut(Operand<R>) -> Result<S, E>,
    ) -> Result<Call<'a, U, S>, E> {
        Ok(match self {
            Self::Forward(Forward { shape, mask, x, weight, bias, y }) => Call::Forward(Forward {
                shape,
                mask,
                x: operand(Operand::input("x", x))?,
                weight: operand(Operand::weight("weight", weight))?,
                bias: bias.try_map(|bias| operand(Operand::bias("bias", bias)))?,
                y: result(Operand::output("y", y))?,
            }),
            Self::InputGradient(InputGradient { shape, mask, grad_output, weight, grad_input, write }) => {
                Call::InputGradient(InputGradient {
                    shape,
                    mask,
                    grad_output: operand(Operand::output("grad_output", grad_output))?,
                    weight: operand(Operand::weight("weight", weight))?,
                    grad_input: result(Operand::input("grad_input", grad_input))?,
                    write,
                })
            }
            Self::WeightGradient(WeightGradient { shape, mask, grad_output, x, grad_weight, write }) => {
                Call::WeightGradient(WeightGradient {
                    shape,
                    mask,
                    grad_output: operand(Operand::output("grad_output", grad_output))?,
                    x: operand(Operand::input("x", x))?,
                    grad_weight: result(Operand::weight("grad_weight", grad_weight))?,
                    write,
                })
            }
            Self::BothGradients(call) => {
                let BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight } = call;
                Call::BothGradients(BothGradients {
                    shape,
                    mask,
                    grad_output: operand(Operand::output("grad_output", grad_output))?,
                    x: operand(Operand::input("x", x))?,
                    weight: operand(Operand::weight("weight", weight))?,
                    grad_input: (result(Operand::input("grad_input", grad_input.0))?, grad_input.1),
                    grad_weight: (result(Operand::weight("grad_weight", grad_weight.0))?, grad_weight.1),
                })
            }
            Self::BiasGradient(BiasGradient { shape, bias_mask, grad_output, grad_bias, write }) => {
                Call::BiasGradient(BiasGradient {
                    shape,
                    bias_mask,
                    grad_output: operand(Operand::output("grad_output", grad_output))?,
                    grad_bias: result(Operand::bias("grad_bias", grad_bias))?,
                    write,
                })
            }
            Self::Moments(OutputMoments { shape, probability, x, weight, bias, mean, variance }) => {
                Call::Moments(OutputMoments {
                    shape,
                    probability,
                    x: operand(Operand::input("x", x))?,
                    weight: operand(Operand::weight("weight", weight))?,
                    bias: bias.try_map(|bias| operand(Operand::bias("bias", bias)))?,
                    mean: result(Operand::output("mean", mean))?,
                    variance: result(Operand::output("variance", variance))?,
                })
            }
            Self::MonteCarlo(MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance }) => {
                Call::MonteCarlo(MonteCarlo {
                    shape,
                    mask,
                    passes,
                    x: operand(Operand::input("x", x))?,
                    weight: operand(Operand::weight("weight", weight))?,
                    bias: bias.try_map(|bias| operand(Operand::bias("bias", bias)))?,
                    mean: result(Operand::output("mean", mean))?,
                    variance: result(Operand::output("variance", variance))?,
                })
            }
            Self::Activate(Activate { shape, activation, method, u_mean, u_variance, mean, variance }) => {
                Call::Activate(Activate {
                    shape,
                    activation,
                    method,
                    u_mean: operand(Operand::output("u_mean", u_mean))?,
                    u_variance: operand(Operand::output("u_variance", u_variance))?,
                    mean: result(Operand::output("mean", mean))?,
                    variance: result(Operand::output("variance", variance))?,
                })
            }
            Self::Predictive(PredictivePass { shape, pass, passes, logits, mean, entropy, information }) => {
                Call::Predictive(PredictivePass {
                    shape,
                    pass,
                    passes,
                    logits: operand(Operand::output("logits", logits))?,
                    mean: result(Operand::output("mean", mean))?,
                    entropy: result(Operand::example("entropy", entropy))?,
                    information: result(Operand::example("information", information))?,
                })
            }
        })
    }

    /// The same call on other tensors, where nothing can fail.
    pub fn map<U, S>(
        self,
        mut operand: impl FnMut(Operand<T>) -> U,
        mut result: impl FnMut(Operand<R>) -> S,
    ) -> Call<'a, U, S> {
        let mapped = self.try_map(|of| Ok::<_, Infallible>(operand(of)), |of| Ok(result(of)));
        mapped.unwrap_or_else(|never| match never {})
    }
}

impl<T: Holder, R: Holder> Call<'_, T, R> {
    /// The same call, once where the mask lies and each tensor alone have been checked.
    pub(crate) fn checked(self) -> Result<Self, Error> {
        let shape = self.shape();
        self.mask().map_or(Ok(()), |mask| mask.check(&shape))?;
        self.try_map(
            |operand| operand.check(&shape).map(|()| operand.tensor),
            |result| result.check(&shape).map(|()| result.tensor),
        )
    }
}

impl<'a, T: Copy, R: Copy> Call<'a, T, R> {
    /// Its tensors, each with its name and axes.
    pub fn operands(&self) -> Operands<'a, T, R> {
        let (mut operands, mut results) = (Vec::with_capacity(3), Vec::with_capacity(3));
        self.map(|operand| operands.push(operand), |result| results.push(result));
        Operands { shape: self.shape(), mask: self.mask(), operands, bias: self.bias(), results }
    }
}
