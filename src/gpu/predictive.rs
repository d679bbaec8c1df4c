//! What a classifier's logits say, over many passes. Shader: `shaders/predictive.wgsl`.

use super::plan::dispatch::Plan;
use super::plan::purpose::Purpose;
use super::plan::rows::{Rows, pieces};
use super::plan::tensor::Tensor;
use super::run::kernels::Kernels;
use super::run::recording::Recording;
use super::shader::pass::Pass;
use super::shader::variant::BLOCK_TERMS;
use crate::call::{Call, PredictivePass};
use crate::{ElementType, Error};

/// Up to so many classes a thread has an example of its own. Past it threads share one.
const CLASSES_OF_A_THREAD: u32 = 64;
/// Up to so many classes these are 64, past it 256, as far as the device has them.
const CLASSES_OF_64_THREADS: u32 = 4096;
/// As many as these on software adapters: so few are one vector there, and their barriers cost little.
const THREADS_OF_A_VECTOR: u32 = 8;

impl Kernels {
    pub(super) fn plan_predictive(
        &self,
        call: &PredictivePass<Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        const MOST_PASSES: u32 = 1 << 24;
        let PredictivePass { shape, pass, passes, .. } = *call;
        let element = call.logits.element;
        let [batch, outputs, _] = shape.dims();
        Error::check_count("passes", passes, 1..=MOST_PASSES)?;
        Error::check_count("pass", pass, 0..=passes - 1)?;
        let threads = self.threads_of_example(outputs);
        let limit = 4 * u64::from(self.most_quads()) * u64::from(threads);
        if u64::from(outputs) > limit {
            return Err(Error::TooLarge { argument: "outputs", value: outputs.into(), limit });
        }
        let tensors = Call::from(*call).operands();
        let read_write = purpose.check(&tensors, element, [ElementType::F32; 2])?;
        let mut plan =
            Plan::new(self, Pass::Predictive { threads }, [element, ElementType::F32], None, read_write);
        plan.purpose = purpose;

        let [_, most_threads] = plan.extent_in_dispatch([1, 1]);
        let most_examples = (most_threads / threads)
            .max(1)
            .min(plan.rows_in_binding("logits", outputs, element)?)
            .min(plan.rows_in_binding("mean", outputs, ElementType::F32)?);
        for rows in pieces(batch, most_examples) {
            let mut params = plan.params([0; 3], [rows.len() as u32, outputs, 0]);
            params.output_stride = outputs;
            params.samples = passes;
            params.first_sample = pass;
            let own = |tensor, stride| Rows::new(tensor, stride, rows.clone());
            let results = [own(call.mean, outputs), own(call.entropy, 1), own(call.information, 1)];
            let logits = Rows::new(call.logits, outputs, rows.clone());
            plan.dispatch(params, &[logits], &results, [threads * rows.len() as u32, 1, 1])?;
        }
        plan.finish()
    }

    /// How many threads share an example, a power of two, in whose halves they add up.
    fn threads_of_example(&self, outputs: u32) -> u32 {
        let software = self.tuning.threads == 0;
        let serve = |threads: &u32| outputs.div_ceil(4 * threads) <= self.most_quads();
        let wanted = match outputs {
            0..=CLASSES_OF_A_THREAD => 1,
            _ if software => [THREADS_OF_A_VECTOR, 64].into_iter().find(serve).unwrap_or(256),
            _ if outputs <= CLASSES_OF_64_THREADS => 64,
            _ => 256,
        };
        1 << self.limits.threads.min(self.limits.width).clamp(1, wanted).ilog2()
    }

    /// Quads of classes that a thread takes at most, three times: in blocks, for each of which a loop takes two
    /// iterations more.
    fn most_quads(&self) -> u32 {
        let blocks = (self.tuning.iterations / 3 - 2) / (BLOCK_TERMS + 2);
        blocks * BLOCK_TERMS
    }
}
