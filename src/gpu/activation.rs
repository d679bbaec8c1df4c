//! What an activation makes of a normal variable. Shader: `shaders/activation.wgsl`.

use super::plan::dispatch::Plan;
use super::plan::purpose::Purpose;
use super::plan::rows::{Rows, pieces};
use super::plan::tensor::Tensor;
use super::run::kernels::Kernels;
use super::run::recording::{Draws, Recording};
use super::shader::params::round_keys;
use super::shader::pass::{Integral, Pass};
use crate::call::{Activate, Call};
use crate::{Activation, ElementType, Error, Method};

impl Kernels {
    pub(super) fn plan_activation(
        &self,
        call: &Activate<Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
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
        let tensors = Call::from(*call).operands();
        let read_write = purpose.check(&tensors, ElementType::F32, [ElementType::F32; 2])?;
        let pass = Pass::Activation(integral);
        let mut plan = Plan::new(self, pass, [ElementType::F32; 2], None, read_write);
        plan.purpose = purpose;
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
                        params.first_sample = launch * in_dispatch;
                        params.samples = (samples - params.first_sample).min(in_dispatch);
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
