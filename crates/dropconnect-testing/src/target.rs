//! Where passes run.

use dropconnect::call::Kind;
use dropconnect::cpu::Backend;
use dropconnect::{ElementType, Mask, Shape};

use crate::adapter::{self, Gpu, Kernels};
use crate::case::Name;
use crate::failure::Failure;
use crate::{Case, Data, POISON, Placement, Pool, Results, SINGLE};

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

#[cfg(feature = "gpu")]
impl<'a> Target<'a> {
    /// The kernels that a device's users get.
    pub fn adapter(gpu: &'a Gpu) -> Self {
        Self::Adapter { gpu, kernels: gpu.kernels() }
    }
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

    /// Makes calls of some kinds on the same operands, in one submission, into results that are poisoned or hold what
    /// is to be added to; and checks that nothing else has changed.
    ///
    /// # Errors
    /// Those of the calls and of the device; [`Failure::Damage`].
    pub async fn run_async(&self, kinds: &[Kind], case: &Case, data: &Data) -> Result<Outcome, Failure> {
        // The CPU backend computes in f32.
        let element = if let Self::Cpu(_) = self { ElementType::F32 } else { case.element };
        let calls: Vec<Vec<_>> = kinds.iter().map(|&kind| case.calls(kind).collect()).collect();
        let (mut names, mut operands, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for call in calls.iter().flatten() {
            let [operand_type, _] = call.kind().stored(element, element);
            for operand in call.operands().operands {
                let name = Name::of(call, operand.name);
                if !names.contains(&name) {
                    names.push(name);
                    operands.push(operand_type.encode(data.tensor(call, operand.name)));
                }
            }
        }
        for (&kind, calls) in kinds.iter().zip(&calls) {
            let [_, result_type] = kind.stored(element, element);
            for result in calls[0].operands().results {
                results.push(match case.before(&result, data) {
                    Some(before) => result_type.encode(before),
                    None => vec![POISON; result.elements(&case.shape) * result_type.size()],
                });
            }
        }
        let mut pool = Pool::new(case.placement, &operands, &results);
        let mut dispatches = Vec::new();
        match *self {
            Self::Adapter { gpu, kernels } => {
                (pool, dispatches) = adapter::run((gpu, kernels), &calls, &names, element, pool).await?;
            }
            Self::Cpu(backend) => {
                let (operands, results) = pool.tensors();
                let operands: Vec<&[f32]> = operands.into_iter().map(bytemuck::cast_slice).collect();
                let mut results: Vec<&mut [f32]> =
                    results.into_iter().map(bytemuck::cast_slice_mut).collect();
                let mut first = 0;
                for calls in &calls {
                    for call in calls {
                        let operand = |name| operands[Name::of(call, name).position(&names)];
                        let mut own = results[first..].iter_mut();
                        backend.run(call.map(
                            |of| operand(of.name),
                            |_| &mut **own.next().expect("a result of its own"),
                        ))?;
                    }
                    first += calls[0].operands().results.len();
                }
            }
        }
        let mut decoded = Vec::new();
        let mut bytes = pool.results()?.into_iter();
        for (&kind, calls) in kinds.iter().zip(&calls) {
            let ([_, stored], [_, rounded]) =
                (kind.stored(element, element), kind.stored(case.element, case.element));
            for bytes in bytes.by_ref().take(calls[0].operands().results.len()) {
                decoded.push(stored.decode(bytes).into_iter().map(|value| rounded.round(value)).collect());
            }
        }
        Ok(Outcome { results: decoded, dispatches })
    }

    /// As [`run_async`](Self::run_async), on a thread that may wait.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    #[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
    pub fn run(&self, kinds: &[Kind], case: &Case, data: &Data) -> Result<Outcome, Failure> {
        pollster::block_on(self.run_async(kinds, case, data))
    }

    /// Runs all passes, each gradient in a call of its own.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    pub async fn run_all_async(
        &self,
        case: &Case,
        data: &Data,
    ) -> Result<(Results<f32>, Vec<usize>), Failure> {
        let Outcome { mut results, dispatches } = self.run_async(&SINGLE, case, data).await?;
        let [y, dx, dw, db] = std::array::from_fn(|at| std::mem::take(&mut results[at]));
        Ok((Results { y, dx, dw, db }, dispatches))
    }

    /// As [`run_all_async`](Self::run_all_async), on a thread that may wait.
    ///
    /// # Errors
    /// As [`run_async`](Self::run_async).
    #[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
    pub fn run_all(&self, case: &Case, data: &Data) -> Result<(Results<f32>, Vec<usize>), Failure> {
        pollster::block_on(self.run_all_async(case, data))
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
