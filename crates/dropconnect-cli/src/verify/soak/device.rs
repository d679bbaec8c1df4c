//! The calls of the soak on an adapter and on the CPU backend, into a pool.

use dropconnect::gpu::{
    Activate, Apply, Gpu, KernelOptions, Kernels, Method, PredictivePass, Recording, Tensor, Tile, WriteMask,
};
use dropconnect::{ElementType, Error, cpu};
use dropconnect_testing::{Arena, Operands, Pool};

use super::draw::Case;
use super::trial::{Stored, Tensors, Trial};
use crate::error::CliError;

/// Where calls run.
pub trait Device {
    /// How numbers lie in memory for a case that stores them as `element`.
    fn storage(&self, element: ElementType) -> ElementType;

    /// Runs the case's call on its tensors, which are in the pool, and returns that.
    fn run(&self, trial: Trial, case: &Case, tensors: &Tensors, pool: Pool) -> Result<Pool, CliError>;
}

/// An adapter, with the kernels that it would get and with others.
pub struct OnGpu<'a> {
    gpu: &'a Gpu,
    others: Vec<Kernels>,
    /// Faults that the device reports outside of calls.
    fault: &'a dyn Fn() -> Result<(), CliError>,
}

impl<'a> OnGpu<'a> {
    pub fn new(gpu: &'a Gpu, fault: &'a dyn Fn() -> Result<(), CliError>) -> Result<Self, Error> {
        let own = *gpu.kernels().tuning();
        let apply = if own.apply == Apply::And { Apply::Select } else { Apply::And };
        let small = own.with_tiles(Tile::new(1, 1, [8, 4])).with_rolled(true);
        let others = [
            // Dispatches that hold little, and so are many.
            small.with_iterations(4096).with_connections(1 << 20),
            // Sums split among threads.
            small.with_threads(u32::MAX).with_apply(apply),
        ]
        .into_iter()
        .map(|tuning| {
            Kernels::new(gpu.device(), &KernelOptions { tuning: Some(tuning), ..KernelOptions::default() })
        })
        .collect::<Result<_, _>>()?;
        Ok(Self { gpu, others, fault })
    }

    fn kernels(&self, case: &Case) -> &Kernels {
        // Half of the cases go to the kernels that users get.
        let at = case.kernels as usize % (2 * self.others.len());
        self.others.get(at).unwrap_or(self.gpu.kernels())
    }
}

impl Device for OnGpu<'_> {
    fn storage(&self, element: ElementType) -> ElementType {
        element
    }

    fn run(&self, trial: Trial, case: &Case, tensors: &Tensors, pool: Pool) -> Result<Pool, CliError> {
        let arena = Arena::new(self.gpu, pool)?;
        // Bytes of a mask have no type.
        let of_results =
            if let Stored::Number(element) = tensors.stored { element } else { ElementType::F32 };
        let count = tensors.operands.len();
        let operands: Vec<_> = (0..count).map(|index| arena.tensor(index, tensors.element)).collect();
        let results = count..count + tensors.results.len();
        let results: Vec<_> = results.map(|index| arena.tensor(index, of_results)).collect();
        for recording in record(trial, case, self.kernels(case), &operands, &results)? {
            self.gpu.submit(&recording)?;
        }
        let pool = arena.read()?;
        (self.fault)()?;
        Ok(pool)
    }
}

fn record(
    trial: Trial,
    case: &Case,
    kernels: &Kernels,
    operands: &[Tensor<'_>],
    results: &[Tensor<'_>],
) -> Result<Vec<Recording>, Error> {
    let &Case { shape, ref mask, bias, passes, .. } = case;
    let layer = || Operands::of(shape, bias, std::array::from_fn(|at| operands[at]));
    let pair = || [results[0], results[1]];
    let Tensor { buffer, offset, size, .. } = results[0];
    let one = match trial {
        Trial::Mask => kernels.write_mask(&WriteMask { shape, mask, result: buffer, offset, size }),
        Trial::BiasMask => kernels.write_bias_mask(&WriteMask { shape, mask, result: buffer, offset, size }),
        Trial::Layer(pass) => {
            let results: Vec<_> = results.iter().map(|&result| (result, case.write())).collect();
            pass.record(kernels, &layer(), Some(mask), &results)
        }
        Trial::Moments => kernels.moments(&layer().moments(&mask.probability, pair())),
        Trial::MonteCarlo => kernels.monte_carlo(&layer().monte_carlo(mask, passes, pair())),
        Trial::Activation => kernels.activate(&Activate {
            shape,
            activation: case.activation,
            method: case.samples.map_or(Method::Closed, |samples| Method::Sampled {
                samples,
                key: mask.key,
                origin: mask.origin,
            }),
            u_mean: operands[0],
            u_variance: operands[1],
            mean: results[0],
            variance: results[1],
        }),
        Trial::Classifier => {
            let [mean, entropy, information] = [0, 1, 2].map(|at| results[at]);
            let pass = |pass: u32| {
                let logits = operands[pass as usize];
                kernels.predictive(&PredictivePass {
                    shape,
                    pass,
                    passes,
                    logits,
                    mean,
                    entropy,
                    information,
                })
            };
            return (0..passes).map(pass).collect();
        }
    };
    Ok(vec![one?])
}

/// The CPU backend, with every instruction set of this processor in turn. It computes in f32.
pub struct OnCpu(Vec<cpu::Backend>);

impl OnCpu {
    pub fn new() -> Self {
        Self(cpu::Backend::available())
    }
}

impl Device for OnCpu {
    fn storage(&self, _: ElementType) -> ElementType {
        ElementType::F32
    }

    fn run(&self, trial: Trial, case: &Case, _: &Tensors, mut pool: Pool) -> Result<Pool, CliError> {
        let backend = self.0[case.kernels as usize % self.0.len()];
        let (operands, mut results) = pool.tensors();
        match (trial, &mut results[..]) {
            (Trial::Mask, [kept]) => backend.mask(&case.shape, &case.mask, kept)?,
            (Trial::BiasMask, [kept]) => backend.bias_mask(&case.shape, &case.mask, kept)?,
            _ => {
                let operands: Vec<&[f32]> = operands.into_iter().map(bytemuck::cast_slice).collect();
                let results = results.into_iter().map(bytemuck::cast_slice_mut).collect();
                compute(backend, trial, case, &operands, results)?;
            }
        }
        Ok(pool)
    }
}

fn compute(
    backend: cpu::Backend,
    trial: Trial,
    case: &Case,
    operands: &[&[f32]],
    mut results: Vec<&mut [f32]>,
) -> Result<(), Error> {
    let &Case { shape, ref mask, passes, bias, .. } = case;
    let layer = || Operands::of(shape, bias, std::array::from_fn(|at| operands[at]));
    if let Trial::Layer(pass) = trial {
        let mut results: Vec<_> = results.into_iter().map(|result| (result, case.write())).collect();
        return pass.compute(backend, &layer(), Some(mask), &mut results);
    }
    let mut result = || results.remove(0);
    match trial {
        // Bytes, and no numbers; and what has been done.
        Trial::Mask | Trial::BiasMask | Trial::Layer(_) => Ok(()),
        Trial::Moments => backend.moments(layer().moments(&mask.probability, [result(), result()])),
        Trial::MonteCarlo => cpu::monte_carlo(layer().monte_carlo(mask, passes, [result(), result()])),
        Trial::Activation => {
            let (u, out, activation) = ([operands[0], operands[1]], [result(), result()], case.activation);
            match case.samples {
                None => cpu::closed_form(&shape, activation, u, out),
                Some(samples) => cpu::sampled(&shape, activation, samples, mask.key, mask.origin, u, out),
            }
        }
        Trial::Classifier => {
            let mut running = cpu::RunningPredictive::new(shape.batch(), shape.outputs())?;
            operands.iter().try_for_each(|logits| running.add(logits))?;
            let said = running.finish()?;
            result().copy_from_slice(&said.mean);
            result().copy_from_slice(&said.entropy);
            result().copy_from_slice(&said.mutual_information);
            Ok(())
        }
    }
}
