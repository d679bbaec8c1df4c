//! What an activation makes of a normal variable. Shader: `shaders/activation.wgsl`.

use super::plan::dispatch::Plan;
use super::plan::rows::{Rows, pieces};
use super::plan::tensor::Tensor;
use super::run::kernels::Kernels;
use super::run::recording::{Draws, Recording};
use super::shader::params::round_keys;
use super::shader::pass::{Integral, Pass};
use crate::call::{Face, Faces};
use crate::{Activation, Bias, ElementType, Error, Method, Shape};

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
        let integral = match (method, activation) {
            (Method::Closed, Activation::Identity) => Integral::ClosedIdentity,
            (Method::Closed, Activation::Relu) => Integral::ClosedRelu,
            (Method::Closed, Activation::Sigmoid | Activation::Tanh) => {
                return Err(Error::NoClosedForm { activation });
            }
            (Method::Sampled { samples, origin, .. }, _) => {
                Error::check_count("samples", samples, 1..=MOST_SAMPLES)?;
                origin.check(&shape)?;
                Integral::Sampled(activation)
            }
        };
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
        let pass = Pass::Activation(integral);
        let mut plan = Plan::new(self, pass, [ElementType::F32; 2], None, read_write);
        // A thread has four elements and draws four samples of each in a turn of its loop.
        let in_dispatch = self.tuning.iterations - self.tuning.iterations % 4;
        let launches = match method {
            Method::Closed => 1,
            Method::Sampled { samples, .. } => {
                plan.draws = Draws::Gaussian;
                samples.div_ceil(in_dispatch)
            }
        };
        let most_rows = plan.rows_in_binding("mean", outputs, ElementType::F32)?;
        for rows in pieces(batch, most_rows) {
            // The results hold what the samples of the launches before gave.
            for launch in 0..launches {
                plan.each_quad([rows.end - rows.start, outputs], outputs, |params, down, across| {
                    let down = rows.start + down.start..rows.start + down.end;
                    if let Method::Sampled { samples, key, origin } = method {
                        params.round_keys = round_keys(key.gaussian_words());
                        params.first_pass = launch * in_dispatch;
                        params.passes = (samples - params.first_pass).min(in_dispatch);
                        // Global coordinates of the first element, not of a brick.
                        params.example_block = origin.example + down.start;
                        params.output_block = origin.output + across.start;
                    }
                    let at = |tensor| Rows::new(tensor, outputs, down.clone()).at_column(across.start);
                    let operands = [call.u_mean, call.u_variance].map(at);
                    (operands.into(), [call.mean, call.variance].map(at).into())
                })?;
            }
        }
        plan.finish()
    }
}
