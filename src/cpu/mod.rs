//! The parallel float32 backend: same masks, bit for bit, and no adapter needed.
//!
//! [`call`](crate::call) says what each call computes. A non-finite X or G may turn the sums it takes part in into
//! NaN, kept or dropped. Without a mask the kernels are the same, without the bits.
//!
//! Every call may also end in [`Error::HostMemory`]: lists of the patches of a result take a small part of its size.
//!
//! # Threads
//! A call has the threads of the rayon pool that it is made in, those of [`with_threads`], or else of rayon's global
//! pool, which the first call starts with [`default_threads`] of them if the host has not; where the system refuses
//! them, calls end in [`Error::Threads`]. After a fork the child has none of its parent's threads: calls outside a pool
//! start others. Whatever flags for rounding and subnormal numbers a thread has, calls compute under the default ones
//! and restore its own.
//!
//! # How
//! A unit of work owns a patch of the result and computes all of it, so results depend neither on the number
//! of threads nor on their timing. It copies its parts of the operands into panels of some 64 KiB, aligned
//! to bricks and padded with zeros, regenerates the decisions for 4 examples x 4 outputs x a few hundred
//! inputs at a time, and applies them in the multiply-adds. No more of a mask than 16 KiB per thread exists
//! at any time.
//!
//! Where eight or more examples share a mask, and in evaluation, the product is a dense one: a unit of work takes
//! examples with one mask, and drops weights in its 64 KiB panel of W, once for up to 256 examples (in dW, from
//! the patch of the result). Neither the mask nor a masked W is ever stored. Smaller groups cost what single
//! examples cost.
//!
//! Both gradients in one call draw each brick once.
//!
//! # Cost
//! With AVX-512, eight bricks (1024 connections) take 6 instructions a round and about 12 to gather and
//! store: 72 at p = 1/2 and ten rounds, 204 and the comparison some 100 more at 16 bits and 34 rounds. Applying them
//! takes 64 multiply-adds of 16 lanes, each with a mask register loaded from memory, and 32 loads of
//! operands: 160. So the floor is the 64 + 64 + 32 loads and multiply-adds at p = 1/2 and the generator at
//! p with 9 to 16 bits. With AVX2 a multiply-add of 8 lanes needs three more instructions to spread and
//! apply its bits, and the generator twice as many as with AVX-512.

// The kernels count n, o, i and registers over several arrays at once.
#![allow(clippy::needless_range_loop)]

mod activation;
mod bias_gradient;
mod bricks;
mod grid;
mod mask;
mod moments;
mod monte_carlo;
mod normal;
mod own;
mod pools;
mod predictive;
mod shared;
mod simd;
mod threads;
mod totals;

pub use monte_carlo::RunningMoments;
pub use pools::default_threads;
pub use predictive::RunningPredictive;
pub use threads::with_threads;

pub(crate) use normal::MILLS;
pub(crate) use threads::count as thread_count;

use crate::call::{BiasGradient, BothGradients, Call, Forward, InputGradient, WeightGradient};
use crate::{Error, Mask, Shape, Write};
use shared::Masks;
use simd::Level;

/// Computes any call.
///
/// [`BothGradients`] gives the bits of the two single calls.
/// [`OutputMoments`](crate::call::OutputMoments) take the memory of another X, W and b, and
/// [`MonteCarlo`](crate::call::MonteCarlo) that of one Y.
///
/// # Errors
/// Those of a [`call`](crate::call#errors). After [`Error::HostMemory`] results hold anything, but gradients, which are
/// untouched.
pub fn run<'c, 't>(call: impl Into<Call<'c, &'t [f32], &'t mut [f32]>>) -> Result<(), Error> {
    Backend::detect().run(call)
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

/// Calls with a chosen instruction set of this processor. The functions of this module take the fastest one; this
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

    /// `portable`, `avx2`, `avx512`, `neon` or `simd128`.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// See [`run`].
    pub fn run<'c, 't>(&self, call: impl Into<Call<'c, &'t [f32], &'t mut [f32]>>) -> Result<(), Error> {
        match call.into().checked()? {
            Call::Forward(call) => self.forward(call),
            Call::InputGradient(call) => self.input_gradient(call),
            Call::WeightGradient(call) => self.weight_gradient(call),
            Call::BothGradients(call) => self.both_gradients(call),
            Call::BiasGradient(call) => self.bias_gradient(call),
            Call::Moments(call) => threads::run(|| moments::moments(*self, call)),
            Call::MonteCarlo(call) => monte_carlo::monte_carlo(*self, call),
            Call::Activate(call) => activation::activate(call),
            Call::Predictive(call) => predictive::predictive_pass(call),
        }
    }

    fn forward(&self, call: Forward<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
        threads::run(|| match Masks::of(&call.shape, call.mask)? {
            Masks::Own(mask) => own::forward::forward(self.0, mask, call),
            Masks::Shared(mask, runs) => shared::forward::forward(self.0, (mask, runs), call),
        })
    }

    fn input_gradient(&self, call: InputGradient<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
        threads::run(|| match Masks::of(&call.shape, call.mask)? {
            Masks::Own(mask) => own::gradient::input_gradient(self.0, mask, call),
            Masks::Shared(mask, runs) => shared::gradient::input_gradient(self.0, (mask, runs), call),
        })
    }

    fn weight_gradient(&self, call: WeightGradient<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
        if call.shape.batch() == 0 && call.write == Write::Accumulate {
            // Adding zero is not nothing: it would turn -0 into 0.
            return Ok(());
        }
        threads::run(|| match Masks::of(&call.shape, call.mask)? {
            Masks::Own(mask) => own::gradient::weight_gradient(self.0, mask, call),
            Masks::Shared(mask, runs) => shared::gradient::weight_gradient(self.0, (mask, runs), call),
        })
    }

    fn both_gradients(&self, call: BothGradients<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
        threads::run(|| {
            if let Some(mask) = dropping(call.mask)
                && let Masks::Own(mask) = Masks::of(&call.shape, Some(mask))?
                && own::both_gradients::serves(&call.shape, mask)
            {
                return own::both_gradients::both_gradients(self.0, mask, call);
            }
            let BothGradients { shape, mask, grad_output, x, weight, .. } = call;
            let (grad_input, write) = call.grad_input;
            self.input_gradient(InputGradient { shape, mask, grad_output, weight, grad_input, write })?;
            let (grad_weight, write) = call.grad_weight;
            self.weight_gradient(WeightGradient { shape, mask, grad_output, x, grad_weight, write })
        })
    }

    fn bias_gradient(&self, call: BiasGradient<'_, &[f32], &mut [f32]>) -> Result<(), Error> {
        if call.shape.batch() == 0 && call.write == Write::Accumulate {
            return Ok(());
        }
        let call = BiasGradient { bias_mask: dropping(call.bias_mask), ..call };
        threads::run(|| bias_gradient::bias_gradient(self.0, call))
    }

    /// See [`mask`](fn@mask).
    pub fn mask(&self, shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
        // Saturating: no slice is as long as the largest shapes ask for.
        shape.expect_len("out", out.len(), shape.output_len().saturating_mul(shape.inputs()))?;
        mask.check(shape)?;
        match dropping(Some(mask)) {
            Some(mask) => threads::run(|| mask::mask(self.0, shape, mask, out)),
            None => {
                out.fill(1);
                Ok(())
            }
        }
    }

    /// See [`bias_mask`].
    pub fn bias_mask(&self, shape: &Shape, mask: &Mask, out: &mut [u8]) -> Result<(), Error> {
        shape.expect_len("out", out.len(), shape.output_len())?;
        mask.check(shape)?;
        match dropping(Some(mask)) {
            Some(mask) => threads::run(|| mask::bias_mask(self.0, shape, mask, out)),
            None => {
                out.fill(1);
                Ok(())
            }
        }
    }
}

/// Leaves a mask out that drops nothing: the dense kernels are faster.
fn dropping(mask: Option<&Mask>) -> Option<&Mask> {
    mask.filter(|mask| mask.probability.drops())
}
