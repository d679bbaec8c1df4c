//! The parallel float32 backend: same masks, bit for bit, and no adapter needed.
//!
//! A mask of `None` means evaluation: the plain linear layer, by the same kernels without the bits.
//!
//! Every call may also end in [`Error::HostMemory`]: lists of the tiles of a result take a small part of its size.
//!
//! # How
//! A unit of work owns a tile of the result and computes all of it, so results depend neither on the number
//! of threads nor on their timing. It copies its parts of the operands into panels of some 64 KiB, aligned
//! to bricks and padded with zeros, regenerates the decisions for 4 examples x 4 outputs x a few hundred
//! inputs at a time, and applies them in the multiply-adds. No more of a mask than 16 KiB per thread exists
//! at any time.
//!
//! Where eight or more examples share a mask, and in evaluation, the product is a dense one: a unit of work takes
//! examples with one mask, and drops weights in its 64 KiB panel of W, once for up to 256 examples (in dW, from
//! the tile of the result). Neither the mask nor a masked W is ever stored. Smaller groups cost what single
//! examples cost.
//!
//! Both gradients in one call draw each brick once, and give the bits of the two single calls.
//!
//! # Cost
//! With AVX-512, eight bricks (1024 connections) take 6 instructions a round and about 12 to gather and
//! store: 72 at p = 1/2 and ten rounds, nine calls 540 and the ladder some 100 more at 16 bits. Applying them
//! takes 64 multiply-adds of 16 lanes, each with a mask register loaded from memory, and 32 loads of
//! operands: 160. So the floor is the 64 + 64 + 32 loads and multiply-adds at p = 1/2 and the generator at
//! p with 9 to 16 bits. With AVX2 a multiply-add of 8 lanes needs three more instructions to spread and
//! apply its bits, and the generator twice as many as with AVX-512.

// The kernels count n, o, i and registers over several arrays at once.
#![allow(clippy::needless_range_loop)]

mod activation;
mod bias_gradient;
mod bricks;
mod forward;
mod gradient;
mod gradients;
mod grid;
mod mask;
mod moments;
mod monte_carlo;
mod normal;
mod predictive;
mod run_forward;
mod run_gradient;
mod runs;
mod simd;

pub use activation::{closed_form, sampled};
pub use moments::moments;
pub use monte_carlo::{RunningMoments, monte_carlo};
pub use predictive::{RunningPredictive, predictive};

pub(crate) use normal::MILLS;

use crate::{Bias, DropProbability, Error, Mask, Shape, Write};
use runs::Plan;
use simd::Level;

/// Writes `Y[n, o] = scale * sum over i of M[n, o, i] * W[o, i] * X[n, i] + b[o]` to `y`.
///
/// `x` is `[batch, inputs]`, `weight` `[outputs, inputs]`, the bias `[outputs]` and `y`
/// `[batch, outputs]`. A masked bias adds `scale * Mb[n, o] * b[o]` instead. A dropped weight or bias
/// counts as exactly 0, whatever it is; a non-finite `x` may turn the sums it takes part in into NaN, kept
/// or dropped.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. `y` is untouched then.
pub fn forward(
    shape: &Shape,
    mask: Option<&Mask>,
    x: &[f32],
    weight: &[f32],
    bias: Bias<&[f32]>,
    y: &mut [f32],
) -> Result<(), Error> {
    Backend::detect().forward(shape, mask, x, weight, bias, y)
}

/// Writes `dX[n, i] = scale * sum over o of M[n, o, i] * W[o, i] * G[n, o]` to `grad_input`, or adds it.
///
/// `grad_output` (G) is `[batch, outputs]`, `weight` `[outputs, inputs]` and `grad_input`
/// `[batch, inputs]`. A dropped weight counts as exactly 0, whatever it is; a non-finite `grad_output` may
/// turn the sums it takes part in into NaN, kept or dropped.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. `grad_input` is untouched then.
pub fn input_gradient(
    shape: &Shape,
    mask: Option<&Mask>,
    grad_output: &[f32],
    weight: &[f32],
    grad_input: &mut [f32],
    write: Write,
) -> Result<(), Error> {
    Backend::detect().input_gradient(shape, mask, grad_output, weight, grad_input, write)
}

/// Writes `dW[o, i] = scale * sum over n of M[n, o, i] * G[n, o] * X[n, i]` to `grad_weight`, or adds it.
///
/// `grad_output` (G) is `[batch, outputs]`, `x` `[batch, inputs]` and `grad_weight`
/// `[outputs, inputs]`. Non-finite operands may turn the sums they take part in into NaN, kept or dropped.
/// With an empty batch the gradient is zero.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. `grad_weight` is untouched then.
pub fn weight_gradient(
    shape: &Shape,
    mask: Option<&Mask>,
    grad_output: &[f32],
    x: &[f32],
    grad_weight: &mut [f32],
    write: Write,
) -> Result<(), Error> {
    Backend::detect().weight_gradient(shape, mask, grad_output, x, grad_weight, write)
}

/// Writes both gradients, or adds them: what [`input_gradient`] and [`weight_gradient`] give, bit for bit, from one
/// drawing of the mask where that is faster.
///
/// `grad_output` (G) is `[batch, outputs]`, `x` `[batch, inputs]` and `weight` `[outputs, inputs]`; of the results
/// `grad_input` is `[batch, inputs]` and `grad_weight` `[outputs, inputs]`.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. Both results are untouched then; after [`Error::HostMemory`]
/// `grad_weight` is.
pub fn gradients(
    shape: &Shape,
    mask: Option<&Mask>,
    grad_output: &[f32],
    x: &[f32],
    weight: &[f32],
    grad_input: (&mut [f32], Write),
    grad_weight: (&mut [f32], Write),
) -> Result<(), Error> {
    Backend::detect().gradients(shape, mask, grad_output, x, weight, grad_input, grad_weight)
}

/// Writes `db[o] = sum over n of G[n, o]` to `grad_bias`, or adds it. With a mask the bias is masked, and
/// `db[o] = scale * sum over n of Mb[n, o] * G[n, o]`.
///
/// `grad_output` (G) is `[batch, outputs]` and `grad_bias` `[outputs]`.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. `grad_bias` is untouched then.
pub fn bias_gradient(
    shape: &Shape,
    bias_mask: Option<&Mask>,
    grad_output: &[f32],
    grad_bias: &mut [f32],
    write: Write,
) -> Result<(), Error> {
    Backend::detect().bias_gradient(shape, bias_mask, grad_output, grad_bias, write)
}

/// Writes 1 for each connection that is kept and 0 for each that is dropped: `[batch, outputs, inputs]`.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. `out` is untouched then.
pub fn mask(shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
    Backend::detect().mask(shape, mask, out)
}

/// Writes 1 for each bias that is kept and 0 for each that is dropped: `[batch, outputs]`.
///
/// # Errors
/// [`Error::Length`] for a slice that does not have the shape's length; [`Error::Origin`] where the
/// shard passes the last global coordinate. `out` is untouched then.
pub fn bias_mask(shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
    Backend::detect().bias_mask(shape, mask, out)
}

/// The passes with a chosen instruction set of this processor. The functions of this module take the fastest one; this
/// is for tests and benchmarks, which must reach them all, and for saying which one it is.
///
/// Every set draws the same masks; sums are rounded in another order.
///
/// ```
/// let names: Vec<_> = dropconnect::cpu::Backend::available().iter().map(|backend| backend.name()).collect();
/// assert_eq!(names[0], "portable");
/// assert_eq!(names.last(), Some(&dropconnect::cpu::Backend::detect().name()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Backend(Level);

impl Backend {
    /// The fastest instruction set of this processor.
    pub fn detect() -> Self {
        Self(Level::best())
    }

    /// Every instruction set of this processor, slowest first.
    pub fn available() -> Vec<Self> {
        Level::available().into_iter().map(Self).collect()
    }

    /// `portable`, `avx2` or `avx512`.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// See [`forward`].
    pub fn forward(
        &self,
        shape: &Shape,
        mask: Option<&Mask>,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
        y: &mut [f32],
    ) -> Result<(), Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        if let Some(bias) = bias.tensor() {
            shape.expect_len("bias", bias.len(), shape.outputs())?;
        }
        shape.expect_len("y", y.len(), shape.output_len())?;
        let mask = dropping(shape, mask)?;
        match Plan::new(shape, mask)? {
            Plan::Examples(mask) => forward::forward(self.0, shape, mask, x, weight, bias, y),
            Plan::Runs(mask, runs) => run_forward::forward(self.0, shape, (mask, runs), x, weight, bias, y),
        }
    }

    /// See [`input_gradient`].
    pub fn input_gradient(
        &self,
        shape: &Shape,
        mask: Option<&Mask>,
        grad_output: &[f32],
        weight: &[f32],
        grad_input: &mut [f32],
        write: Write,
    ) -> Result<(), Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        shape.expect_len("grad_input", grad_input.len(), shape.input_len())?;
        let mask = dropping(shape, mask)?;
        match Plan::new(shape, mask)? {
            Plan::Examples(mask) => {
                gradient::input_gradient(self.0, shape, mask, grad_output, weight, grad_input, write)
            }
            Plan::Runs(mask, runs) => {
                let runs = (mask, runs);
                run_gradient::input_gradient(self.0, shape, runs, grad_output, weight, grad_input, write)
            }
        }
    }

    /// See [`weight_gradient`].
    pub fn weight_gradient(
        &self,
        shape: &Shape,
        mask: Option<&Mask>,
        grad_output: &[f32],
        x: &[f32],
        grad_weight: &mut [f32],
        write: Write,
    ) -> Result<(), Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        shape.expect_len("x", x.len(), shape.input_len())?;
        shape.expect_len("grad_weight", grad_weight.len(), shape.weight_len())?;
        let mask = dropping(shape, mask)?;
        if shape.batch() == 0 && write == Write::Accumulate {
            // Adding zero is not nothing: it would turn -0 into 0.
            return Ok(());
        }
        match Plan::new(shape, mask)? {
            Plan::Examples(mask) => {
                gradient::weight_gradient(self.0, shape, mask, grad_output, x, grad_weight, write)
            }
            Plan::Runs(mask, runs) => {
                let runs = (mask, runs);
                run_gradient::weight_gradient(self.0, shape, runs, grad_output, x, grad_weight, write)
            }
        }
    }

    /// See [`gradients`].
    pub fn gradients(
        &self,
        shape: &Shape,
        mask: Option<&Mask>,
        grad_output: &[f32],
        x: &[f32],
        weight: &[f32],
        (grad_input, input_write): (&mut [f32], Write),
        (grad_weight, weight_write): (&mut [f32], Write),
    ) -> Result<(), Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        shape.expect_len("x", x.len(), shape.input_len())?;
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        shape.expect_len("grad_input", grad_input.len(), shape.input_len())?;
        shape.expect_len("grad_weight", grad_weight.len(), shape.weight_len())?;
        if let Some(mask) = dropping(shape, mask)?
            && let Plan::Examples(mask) = Plan::new(shape, Some(mask))?
            && gradients::serves(shape, mask)
        {
            let operands = (grad_output, x, weight);
            let (dx, dw) = ((grad_input, input_write), (grad_weight, weight_write));
            return gradients::gradients(self.0, shape, mask, operands, dx, dw);
        }
        self.input_gradient(shape, mask, grad_output, weight, grad_input, input_write)?;
        self.weight_gradient(shape, mask, grad_output, x, grad_weight, weight_write)
    }

    /// See [`bias_gradient`].
    pub fn bias_gradient(
        &self,
        shape: &Shape,
        bias_mask: Option<&Mask>,
        grad_output: &[f32],
        grad_bias: &mut [f32],
        write: Write,
    ) -> Result<(), Error> {
        shape.expect_len("grad_output", grad_output.len(), shape.output_len())?;
        shape.expect_len("grad_bias", grad_bias.len(), shape.outputs())?;
        let mask = dropping(shape, bias_mask)?;
        if shape.batch() == 0 && write == Write::Accumulate {
            return Ok(());
        }
        bias_gradient::bias_gradient(self.0, shape, mask, grad_output, grad_bias, write)
    }

    /// See [`moments`].
    pub fn moments(
        &self,
        shape: &Shape,
        probability: &DropProbability,
        x: &[f32],
        weight: &[f32],
        bias: Bias<&[f32]>,
        mean: &mut [f32],
        variance: &mut [f32],
    ) -> Result<(), Error> {
        shape.expect_len("x", x.len(), shape.input_len())?;
        shape.expect_len("weight", weight.len(), shape.weight_len())?;
        if let Some(bias) = bias.tensor() {
            shape.expect_len("bias", bias.len(), shape.outputs())?;
        }
        shape.expect_len("mean", mean.len(), shape.output_len())?;
        shape.expect_len("variance", variance.len(), shape.output_len())?;
        moments::run(*self, shape, probability, (x, weight, bias), mean, variance)
    }

    /// See [`mask`](fn@mask).
    pub fn mask(&self, shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
        // Saturating: no slice is as long as the largest shapes ask for.
        shape.expect_len("out", out.len(), shape.output_len().saturating_mul(shape.inputs()))?;
        match dropping(shape, Some(mask))? {
            Some(mask) => mask::mask(self.0, shape, mask, out),
            None => {
                out.fill(1);
                Ok(())
            }
        }
    }

    /// See [`bias_mask`].
    pub fn bias_mask(&self, shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
        shape.expect_len("out", out.len(), shape.output_len())?;
        match dropping(shape, Some(mask))? {
            Some(mask) => mask::bias_mask(self.0, shape, mask, out),
            None => {
                out.fill(1);
                Ok(())
            }
        }
    }
}

/// Checks the mask's place, and leaves it out where it drops nothing: the dense kernels are faster.
fn dropping<'a>(shape: &Shape, mask: Option<&'a Mask>) -> Result<Option<&'a Mask>, Error> {
    if let Some(mask) = mask {
        mask.check(shape)?;
    }
    Ok(mask.filter(|mask| mask.probability.drops()))
}
