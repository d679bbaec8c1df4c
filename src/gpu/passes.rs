//! Any call, recorded or only compiled.

use std::time::Duration;

use web_time::Instant;

use super::plan::purpose::Purpose;
use super::plan::tensor::Tensor;
use super::run::allocate::{check_alive, zeroed};
use super::run::kernels::Kernels;
use super::run::recording::Recording;
use crate::call::{BothGradients, Call, InputGradient, WeightGradient};
use crate::{ElementType, Error};

impl Kernels {
    /// Checks a call and makes its dispatches.
    ///
    /// Operands are stored in one way, and results in the same or as f32: logits for
    /// [`PredictivePass`](crate::call::PredictivePass), say, which f16 and bf16 would round. Means and variances, and
    /// all tensors of [`Activate`](crate::call::Activate), are f32. A tensor larger than one binding, or a sum too long
    /// for one dispatch ([`Tuning::iterations`](super::Tuning::iterations)), is taken in pieces that add up in f32: in
    /// the result, or where that has 16 bits, in scratch memory that is rounded into it once.
    ///
    /// [`BothGradients`] is one kernel for each: a kernel that draws the mask once for both was no faster
    /// (`docs/rejected.md`). [`MonteCarlo`](crate::call::MonteCarlo) takes one launch and 8 bytes a pass; passes that
    /// are more than a dispatch may hold are taken in several, which go on where the last one ended, and where not even
    /// one fits, its outputs go through scratch memory.
    ///
    /// # Errors
    /// Those of a [`call`](crate::call#errors); [`Error::RowTooLarge`]; [`Error::DeviceLost`], [`Error::OutOfMemory`]
    /// and [`Error::DeviceFault`].
    pub fn record<'c, 't>(
        &self,
        call: impl Into<Call<'c, Tensor<'t>, Tensor<'t>>>,
    ) -> Result<Recording, Error> {
        self.plan(&call.into(), Purpose::Record)
    }

    /// Compiles what calls need that are made of tensors in buffers of their own, stored as given, and says how long
    /// that took: next to nothing where all is there. Those calls then compile nothing, whatever their key and whether
    /// they overwrite or accumulate. Neither tensors nor a queue are needed, and nothing is recorded.
    ///
    /// It may run in the background, on any thread: calls whose kernels are ready do not wait for it, and one
    /// that needs a kernel while it is compiled here waits for that one and does not compile it again.
    ///
    /// Tensors that share a buffer, or that start at places which are no multiples of 16 bytes, take other kernels,
    /// which are compiled when they are asked for.
    ///
    /// # Errors
    /// As [`record`](Self::record), but for what tensors have to be.
    pub fn compile(&self, calls: &[Call<'_, ElementType, ElementType>]) -> Result<Duration, Error> {
        let start = Instant::now();
        // Stands in for every tensor: none is bound.
        let buffer = zeroed(&self.device, "dropconnect.compile", 0, wgpu::BufferUsages::STORAGE)?;
        for call in calls {
            let tensor = |element| Tensor::new(&buffer, element);
            let call = call.map(|operand| tensor(operand.tensor), |result| tensor(result.tensor));
            let _nothing = self.plan(&call, Purpose::Compile)?;
        }
        check_alive(&self.device)?;
        Ok(start.elapsed())
    }

    pub(super) fn plan(
        &self,
        call: &Call<'_, Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        match call {
            Call::BothGradients(call) => self.plan_both_gradients(call, purpose),
            Call::MonteCarlo(call) => self.plan_monte_carlo(call, purpose),
            Call::Activate(call) => self.plan_activation(call, purpose),
            Call::Predictive(call) => self.plan_predictive(call, purpose),
            _ => self.contract(call, purpose),
        }
    }

    fn plan_both_gradients(
        &self,
        call: &BothGradients<'_, Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        // All arguments together: neither gradient is recorded where the other one is refused.
        let tensors = Call::from(*call).operands();
        let element = tensors.element();
        purpose.check(&tensors, element, [element, ElementType::F32])?;
        let BothGradients { shape, mask, grad_output, x, weight, .. } = *call;
        let (grad_input, write) = call.grad_input;
        let gradient = InputGradient { shape, mask, grad_output, weight, grad_input, write };
        let mut both = self.contract(&gradient.into(), purpose)?;
        let (grad_weight, write) = call.grad_weight;
        let gradient = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
        both.append(self.contract(&gradient.into(), purpose)?);
        Ok(both)
    }
}
