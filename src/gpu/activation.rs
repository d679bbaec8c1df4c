//! What an activation makes of a normal variable. Shader: `shaders/activation.wgsl`.

use super::params::round_keys;
use super::plan::{Plan, Rows, pieces};
use super::recording::{Draws, Recording};
use super::shader::Pass;
use super::{Kernels, Tensor};
use crate::call::{Face, Faces};
use crate::mask::brick::BRICK_OUTPUTS;
use crate::{Activation, Bias, ElementType, Error, MaskKey, Origin, Shape};

/// How [`Kernels::activate`] computes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// In closed form: for [`Activation::Identity`] and [`Activation::Relu`].
    Closed,
    /// By Gaussian samples, drawn in the kernel and never stored.
    Sampled {
        /// How many for each element, 1 to 2^24.
        samples: u32,
        /// What the samples are drawn from, apart from the element's global coordinates.
        key: MaskKey,
        /// Where this shard lies in the whole batch and layer.
        origin: Origin,
    },
}

/// Arguments of [`Kernels::activate`]. All tensors are f32.
#[derive(Clone, Copy, Debug)]
pub struct Activate<'a> {
    /// Batch and outputs; inputs play no part.
    pub shape: Shape,
    /// The function f.
    pub activation: Activation,
    /// In closed form or by samples.
    pub method: Method,
    /// The mean of u, `[batch, outputs]`.
    pub u_mean: Tensor<'a>,
    /// The variance of u, `[batch, outputs]`.
    pub u_variance: Tensor<'a>,
    /// The mean of f(u), `[batch, outputs]`: overwritten.
    pub mean: Tensor<'a>,
    /// Its variance, `[batch, outputs]`: overwritten.
    pub variance: Tensor<'a>,
}

impl Kernels {
    /// Mean and variance of f(u), element by element, for u normal with the given mean and variance. What becomes of
    /// values that are not finite, [`reference::closed_form`](crate::reference::closed_form) and
    /// [`reference::sampled`](crate::reference::sampled) say.
    ///
    /// # Errors
    /// As [`Kernels::forward`]; [`Error::NoClosedForm`]; [`Error::Count`] for the number of samples.
    pub fn activate(&self, call: &Activate) -> Result<Recording, Error> {
        const MOST_SAMPLES: u32 = 1 << 24; // the last that f32 counts exactly
        let Activate { shape, activation, method, .. } = *call;
        let [batch, outputs, _] = shape.dims();
        match method {
            Method::Closed if !matches!(activation, Activation::Identity | Activation::Relu) => {
                return Err(Error::NoClosedForm { activation });
            }
            Method::Sampled { samples, .. } if !(1..=MOST_SAMPLES).contains(&samples) => {
                let argument = "samples";
                return Err(Error::Count { argument, value: samples, least: 1, most: MOST_SAMPLES });
            }
            Method::Sampled { origin, .. } => origin.check(&shape)?,
            Method::Closed => {}
        }
        let faces = Faces {
            shape,
            mask: None,
            operands: vec![
                Face::output("u_mean", &call.u_mean),
                Face::output("u_variance", &call.u_variance),
            ],
            bias: Bias::None,
            results: vec![Face::output("mean", &call.mean), Face::output("variance", &call.variance)],
        };
        let read_write = faces.check_on_device(ElementType::F32, [ElementType::F32; 2])?;
        let mut plan = Plan::new(self, Pass::Activation, [ElementType::F32; 2], None, read_write)
            .with_activation(activation, method == Method::Closed);

        if let Method::Sampled { .. } = method {
            plan.draws = Draws::Gaussian;
        }
        let [most_examples, most_outputs] = plan.extent_in_dispatch([1, BRICK_OUTPUTS]);
        let most_examples = most_examples.min(plan.rows_in_binding("mean", outputs, ElementType::F32)?);
        // A thread has four elements and draws four samples of each in a turn of its loop.
        let in_dispatch = self.tuning.iterations - self.tuning.iterations % 4;
        let launches = match method {
            Method::Closed => 1,
            Method::Sampled { samples, .. } => samples.div_ceil(in_dispatch),
        };
        for rows in pieces(batch, most_examples) {
            for columns in pieces(outputs, most_outputs) {
                let extent = [rows.len() as u32, columns.len() as u32, 0];
                let mut params = plan.params([0; 3], extent);
                params.output_stride = outputs;
                let bound = |tensor| Rows::new(tensor, outputs, rows.clone()).at_column(columns.start);
                let grid = [columns.len().div_ceil(4) as u32, rows.len() as u32, 1];
                for launch in 0..launches {
                    if let Method::Sampled { samples, key, origin } = method {
                        params.round_keys = round_keys(key.gaussian_words());
                        // The results hold those of the samples before.
                        params.first_pass = launch * in_dispatch;
                        params.passes = (samples - params.first_pass).min(in_dispatch);
                        // Global coordinates of the first element, not of a brick.
                        params.example_block = origin.example + rows.start;
                        params.output_block = origin.output + columns.start;
                    }
                    plan.dispatch(
                        params,
                        &[call.u_mean, call.u_variance].map(bound),
                        &[call.mean, call.variance].map(bound),
                        grid,
                    )?;
                }
            }
        }
        Ok(plan.recording)
    }
}
