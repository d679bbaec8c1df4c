//! Where passes run.

use dropconnect::cpu::Backend;
use dropconnect::{ElementType, Error, Mask, Shape, Write};

use crate::adapter::{self, Gpu, Kernels};
use crate::{Call, Data, Operands, POISON, Pass, Placement, Pool, Results};

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The library refuses the call, or the device failed.
    #[error(transparent)]
    Library(#[from] Error),
    /// Something was written that is no result.
    #[error("byte {byte} of buffer {buffer} was written, which no result holds")]
    Damage {
        /// Buffers are counted in the order of their first tensors.
        buffer: usize,
        /// From its start.
        byte: usize,
    },
}

/// What a device makes of a call.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The results of each pass, one after the other.
    pub results: Vec<Vec<f32>>,
    /// The dispatches of each pass; none on the CPU.
    pub dispatches: Vec<usize>,
}

/// A device, and the kernels or instruction set that passes run with.
#[derive(Clone, Copy)]
pub enum Target<'a> {
    /// An adapter.
    Adapter {
        /// The device.
        gpu: &'a Gpu,
        /// Kernels of this device.
        kernels: &'a Kernels,
    },
    /// The CPU backend.
    Cpu(Backend),
}

impl Target<'_> {
    /// The CPU backend with each instruction set of this processor.
    pub fn cpus() -> impl Iterator<Item = Self> {
        Backend::available().into_iter().map(Self::Cpu)
    }

    /// For people.
    pub fn name(&self) -> String {
        match self {
            Self::Adapter { kernels, .. } => adapter::name(kernels),
            Self::Cpu(backend) => backend.name().to_owned(),
        }
    }

    /// Runs some passes on the same operands, in one submission, into results that are poisoned or hold what is to be
    /// added to; and checks that nothing else has changed.
    ///
    /// # Errors
    /// Those of the passes and of the device; [`Failure::Damage`].
    pub async fn run_async(&self, passes: &[Pass], call: &Call, data: &Data) -> Result<Outcome, Failure> {
        let Call { shape, mask, .. } = call;
        let mask = mask.as_ref();
        // The CPU backend computes in f32.
        let element = if let Self::Cpu(_) = self { ElementType::F32 } else { call.element };
        let parts = || passes.iter().flat_map(|pass| pass.parts());
        let results: Vec<_> = parts()
            .map(|part| match part.before(call, data) {
                Some(before) => element.encode(before),
                None => vec![POISON; part.result_len(shape) * element.size()],
            })
            .collect();
        let writes: Vec<_> = parts()
            .map(|part| part.before(call, data).map_or(Write::Overwrite, |_| Write::Accumulate))
            .collect();
        let operands = [&data.x, &data.weight, &data.bias, &data.grad_output].map(|v| element.encode(v));
        let mut pool = Pool::new(call.placement, &operands, &results);
        let dispatches;
        match *self {
            Self::Adapter { gpu, kernels } => {
                (pool, dispatches) =
                    adapter::run((gpu, kernels), passes, (call, element), pool, &writes).await?;
            }
            Self::Cpu(backend) => {
                let (operands, results) = pool.tensors();
                let operands: Vec<&[f32]> = operands.into_iter().map(bytemuck::cast_slice).collect();
                let operands = Operands::of(*shape, call.bias, std::array::from_fn(|at| operands[at]));
                let results = results.into_iter().map(bytemuck::cast_slice_mut).zip(writes);
                let mut results: Vec<(&mut [f32], Write)> = results.collect();
                let mut rest = &mut results[..];
                for pass in passes {
                    let (own, others) = rest.split_at_mut(pass.parts().len());
                    pass.compute(backend, &operands, mask, own)?;
                    rest = others;
                }
                dispatches = Vec::new();
            }
        }
        let decode = |bytes: &[u8]| -> Vec<f32> {
            element.decode(bytes).into_iter().map(|value| call.element.round(value)).collect()
        };
        Ok(Outcome { results: pool.results()?.into_iter().map(decode).collect(), dispatches })
    }

    /// As [`run_async`](Self::run_async), on a thread that may wait.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    #[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
    pub fn run(&self, passes: &[Pass], call: &Call, data: &Data) -> Result<Outcome, Failure> {
        pollster::block_on(self.run_async(passes, call, data))
    }

    /// Runs all passes, each gradient in a call of its own.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub async fn run_all_async(
        &self,
        call: &Call,
        data: &Data,
    ) -> Result<(Results<f32>, Vec<usize>), Failure> {
        let Outcome { mut results, dispatches } = self.run_async(&Pass::SINGLE, call, data).await?;
        let [y, dx, dw, db] = std::array::from_fn(|at| std::mem::take(&mut results[at]));
        Ok((Results { y, dx, dw, db }, dispatches))
    }

    /// As [`run_all_async`](Self::run_all_async), on a thread that may wait.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    #[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
    pub fn run_all(&self, call: &Call, data: &Data) -> Result<(Results<f32>, Vec<usize>), Failure> {
        pollster::block_on(self.run_all_async(call, data))
    }

    /// The mask of the weights as it is written, `[batch, outputs, inputs]`, or of the bias, `[batch, outputs]`: a byte
    /// for each, 0 or 1.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub async fn mask_async(
        &self,
        shape: Shape,
        mask: &Mask,
        bias: bool,
        placement: Placement,
    ) -> Result<Vec<u8>, Failure> {
        let bytes = shape.output_len() * if bias { 1 } else { shape.inputs() };
        // A second tensor, so that a pool is one.
        let mut pool = Pool::new(placement, &[vec![0; 4]], &[vec![POISON; bytes]]);
        match self {
            Self::Adapter { gpu, kernels } => {
                pool = adapter::mask((gpu, kernels), shape, mask, bias, pool).await?;
            }
            Self::Cpu(backend) => {
                let (_, mut results) = pool.tensors();
                let out = &mut results[0];
                if bias { backend.bias_mask(&shape, mask, out) } else { backend.mask(&shape, mask, out) }?;
            }
        }
        Ok(pool.results()?.remove(0).to_vec())
    }

    /// As [`mask_async`](Self::mask_async), on a thread that may wait.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    #[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
    pub fn mask(
        &self,
        shape: Shape,
        mask: &Mask,
        bias: bool,
        placement: Placement,
    ) -> Result<Vec<u8>, Failure> {
        pollster::block_on(self.mask_async(shape, mask, bias, placement))
    }
}
