//! The calls of a device as futures.

use super::Device;
use crate::call::{BiasGradient, Forward, InputGradient, MonteCarlo, OutputMoments, WeightGradient};
use crate::{Activation, ElementType, Error, Mask, Method, Moments, Predictive, Shape};

/// The same calls for those who must not wait: in a browser the others refuse an adapter. Outside browsers nothing
/// would wake a task for a device, so that these wait when they are polled first.
impl Device {
    /// As [`forward`](Self::forward), awaited.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn forward_async(
        &self,
        element: ElementType,
        call: &Forward<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        self.passes().weights(call.shape, element, call.weight, call.bias)?.forward(call.mask, call.x).await
    }

    /// As [`input_gradient`](Self::input_gradient), awaited.
    ///
    /// # Errors
    /// As [`input_gradient`](Self::input_gradient).
    pub async fn input_gradient_async(
        &self,
        element: ElementType,
        call: &InputGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        self.passes().input_gradient(element, call).await
    }

    /// As [`weight_gradient`](Self::weight_gradient), awaited.
    ///
    /// # Errors
    /// As [`weight_gradient`](Self::weight_gradient).
    pub async fn weight_gradient_async(
        &self,
        element: ElementType,
        call: &WeightGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        self.passes().weight_gradient(element, call).await
    }

    /// As [`bias_gradient`](Self::bias_gradient), awaited.
    ///
    /// # Errors
    /// As [`bias_gradient`](Self::bias_gradient).
    pub async fn bias_gradient_async(
        &self,
        element: ElementType,
        call: &BiasGradient<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        self.passes().bias_gradient(element, call).await
    }

    /// As [`mask`](Self::mask), awaited.
    ///
    /// # Errors
    /// As [`mask`](Self::mask).
    pub async fn mask_async(&self, shape: &Shape, mask: &Mask) -> Result<Vec<u8>, Error> {
        mask.check(shape)?;
        let bytes = shape.output_len().checked_mul(shape.inputs()).ok_or(Error::TooLarge {
            argument: "batch * outputs * inputs",
            value: u64::MAX,
            limit: isize::MAX as u64,
        })?;
        self.passes().mask(shape, mask, false, bytes).await
    }

    /// As [`bias_mask`](Self::bias_mask), awaited.
    ///
    /// # Errors
    /// As [`bias_mask`](Self::bias_mask).
    pub async fn bias_mask_async(&self, shape: &Shape, mask: &Mask) -> Result<Vec<u8>, Error> {
        mask.check(shape)?;
        self.passes().mask(shape, mask, true, shape.output_len()).await
    }

    /// As [`moments`](Self::moments), awaited.
    ///
    /// # Errors
    /// As [`moments`](Self::moments).
    pub async fn moments_async(
        &self,
        element: ElementType,
        call: &OutputMoments<'_, &[f32], ()>,
    ) -> Result<Moments, Error> {
        call.faces().check()?;
        self.passes()
            .weights(call.shape, element, call.weight, call.bias)?
            .moments(call.probability, call.x)
            .await
    }

    /// As [`activate`](Self::activate), awaited.
    ///
    /// # Errors
    /// As [`activate`](Self::activate).
    pub async fn activate_async(
        &self,
        shape: &Shape,
        activation: Activation,
        method: Method,
        u: &Moments,
    ) -> Result<Moments, Error> {
        self.passes().activate(shape, activation, method, u.check(shape)?).await
    }

    /// As [`monte_carlo`](Self::monte_carlo), awaited.
    ///
    /// # Errors
    /// As [`monte_carlo`](Self::monte_carlo).
    pub async fn monte_carlo_async(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &[f32], ()>,
    ) -> Result<Moments, Error> {
        call.faces().check()?;
        self.passes()
            .weights(call.shape, element, call.weight, call.bias)?
            .monte_carlo(call.mask, call.passes, call.x)
            .await
    }

    /// As [`pass_outputs`](Self::pass_outputs), awaited.
    ///
    /// # Errors
    /// As [`pass_outputs`](Self::pass_outputs).
    pub async fn pass_outputs_async(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &[f32], ()>,
    ) -> Result<Vec<f32>, Error> {
        call.faces().check()?;
        self.passes()
            .weights(call.shape, element, call.weight, call.bias)?
            .pass_outputs(call.mask, call.passes, call.x)
            .await
    }

    /// As [`predictive`](Self::predictive), awaited.
    ///
    /// # Errors
    /// As [`predictive`](Self::predictive).
    pub async fn predictive_async(
        &self,
        element: ElementType,
        call: &MonteCarlo<'_, &[f32], ()>,
    ) -> Result<Predictive<f32>, Error> {
        call.faces().check()?;
        self.passes()
            .weights(call.shape, element, call.weight, call.bias)?
            .predictive(call.mask, call.passes, call.x)
            .await
    }
}
