//! The calls of a layer as futures.

use super::DropConnect;
use super::parameters::{Backward, Part};
use crate::call::Face;
use crate::{Activation, Error, Method, Moments, Predictive, Write};

/// The same calls for those who must not wait: in a browser the others refuse a layer on an adapter. Outside browsers
/// nothing would wake a task for a device, so that these wait when they are polled first.
impl DropConnect {
    /// As [`forward`](Self::forward), awaited.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub async fn forward_async(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        self.weights(x)?.forward(Some(&self.mask()), x).await
    }

    /// As [`eval`](Self::eval), awaited.
    ///
    /// # Errors
    /// As [`eval`](Self::eval).
    pub async fn eval_async(&self, x: &[f32]) -> Result<Vec<f32>, Error> {
        self.weights(x)?.forward(None, x).await
    }

    /// As [`backward`](Self::backward), awaited.
    ///
    /// # Errors
    /// As [`backward`](Self::backward).
    pub async fn backward_async(
        &mut self,
        x: &[f32],
        grad_output: &[f32],
        write: Write,
    ) -> Result<Vec<f32>, Error> {
        let shape = self.shape_of(x)?;
        Face::output("grad_output", &grad_output).check(&shape)?;
        let mask = self.mask();
        let call = Backward {
            shape,
            element: self.element,
            mask: &mask,
            bias_mask: self.masked_bias.then_some(&mask),
            x,
            grad_output,
            write,
        };
        self.parameters.stored_mut().backward(&call).await
    }

    /// As [`moments`](Self::moments), awaited.
    ///
    /// # Errors
    /// As [`moments`](Self::moments).
    pub async fn moments_async(&self, x: &[f32]) -> Result<Moments, Error> {
        self.weights(x)?.moments(&self.probability, x).await
    }

    /// As [`gaussian`](Self::gaussian), awaited.
    ///
    /// # Errors
    /// As [`gaussian`](Self::gaussian).
    pub async fn gaussian_async(
        &self,
        x: &[f32],
        activation: Activation,
        samples: Option<u32>,
    ) -> Result<Moments, Error> {
        let method = samples.map_or(Method::Closed, |samples| Method::Sampled {
            samples,
            key: self.key,
            origin: self.origin,
        });
        let (shape, u) = (self.shape_of(x)?, self.moments_async(x).await?);
        self.parameters.stored().passes().activate(&shape, activation, method, &u).await
    }

    /// As [`monte_carlo`](Self::monte_carlo), awaited.
    ///
    /// # Errors
    /// As [`monte_carlo`](Self::monte_carlo).
    pub async fn monte_carlo_async(&self, x: &[f32], passes: u32) -> Result<Moments, Error> {
        self.weights(x)?.monte_carlo(&self.mask(), passes, x).await
    }

    /// As [`pass_outputs`](Self::pass_outputs), awaited.
    ///
    /// # Errors
    /// As [`pass_outputs`](Self::pass_outputs).
    pub async fn pass_outputs_async(&self, x: &[f32], passes: u32) -> Result<Vec<f32>, Error> {
        self.weights(x)?.pass_outputs(&self.mask(), passes, x).await
    }

    /// As [`predictive`](Self::predictive), awaited.
    ///
    /// # Errors
    /// As [`predictive`](Self::predictive).
    pub async fn predictive_async(&self, x: &[f32], passes: u32) -> Result<Predictive<f32>, Error> {
        self.weights(x)?.predictive(&self.mask(), passes, x).await
    }

    /// As [`weight`](Self::weight), awaited.
    ///
    /// # Errors
    /// As [`weight`](Self::weight).
    pub async fn weight_async(&self) -> Result<Vec<f32>, Error> {
        self.read(Part::Weight, self.weight_len()).await.map(Option::unwrap_or_default)
    }

    /// As [`bias`](Self::bias), awaited.
    ///
    /// # Errors
    /// As [`bias`](Self::bias).
    pub async fn bias_async(&self) -> Result<Option<Vec<f32>>, Error> {
        self.read(Part::Bias, self.outputs).await
    }

    /// As [`grad_weight`](Self::grad_weight), awaited.
    ///
    /// # Errors
    /// As [`grad_weight`](Self::grad_weight).
    pub async fn grad_weight_async(&self) -> Result<Vec<f32>, Error> {
        self.read(Part::GradWeight, self.weight_len()).await.map(Option::unwrap_or_default)
    }

    /// As [`grad_bias`](Self::grad_bias), awaited.
    ///
    /// # Errors
    /// As [`grad_bias`](Self::grad_bias).
    pub async fn grad_bias_async(&self) -> Result<Option<Vec<f32>>, Error> {
        self.read(Part::GradBias, self.outputs).await
    }
}
