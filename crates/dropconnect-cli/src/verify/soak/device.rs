//! The calls of the soak on an adapter and on the CPU backend, into a pool.

use dropconnect::call::{MonteCarlo, OutputMoments};
use dropconnect::gpu::{
    Activate, Apply, BothGradientsTuning, Gpu, KernelOptions, Kernels, Method, PredictivePass, Recording,
    Tensor, Tile, WriteMask,
};
use dropconnect::{Bias, ElementType, Error, cpu};

use super::draw::Case;
use super::pool::Pool;
use super::trial::{Stored, Trial};
use crate::error::CliError;
use crate::verify::runner::BiasMode;

/// Where calls run.
pub trait Device {
    /// How numbers lie in memory for a case that stores them as `element`.
    fn storage(&self, element: ElementType) -> ElementType;

    /// Runs the case's call on the tensors of the pool.
    fn run(&self, trial: Trial, case: &Case, pool: &mut Pool) -> Result<(), CliError>;
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
        let both = BothGradientsTuning::new(Tile::new(1, 1, [1, 32]), 1, 0);
        let others = [
            // Dispatches that hold little, and so are many.
            small.with_iterations(4096).with_connections(1 << 20),
            // Sums split among threads, both gradients in one pass.
            small.with_threads(u32::MAX).with_both_gradients(Some(both)).with_apply(apply),
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

    fn run(&self, trial: Trial, case: &Case, pool: &mut Pool) -> Result<(), CliError> {
        let buffer = self.gpu.upload(pool.bytes())?;
        let tensors: Vec<_> = pool
            .places
            .iter()
            .zip(&pool.stored)
            .map(|(place, &stored)| {
                let (offset, size) = (place.start as u64, place.len() as u64);
                // Bytes of a mask have none.
                let element = if let Stored::Number(element) = stored { element } else { ElementType::F32 };
                Tensor { buffer: &buffer, offset, size, element }
            })
            .collect();
        for recording in record(trial, case, self.kernels(case), &tensors)? {
            self.gpu.submit(&recording)?;
        }
        let size = pool.bytes().len() as u64;
        pool.bytes_mut().copy_from_slice(&self.gpu.read(&buffer, 0..size)?);
        (self.fault)()
    }
}

fn record(
    trial: Trial,
    case: &Case,
    kernels: &Kernels,
    tensors: &[Tensor<'_>],
) -> Result<Vec<Recording>, Error> {
    let &Case { shape, ref mask, bias, passes, .. } = case;
    let Tensor { buffer, offset, size, .. } = tensors[0];
    let bias_of = |at: usize| if bias == BiasMode::None { Bias::None } else { bias.of(tensors[at]) };
    let results = |count: usize| &tensors[tensors.len() - count..];
    let one = match trial {
        Trial::Mask => kernels.write_mask(&WriteMask { shape, mask, result: buffer, offset, size }),
        Trial::BiasMask => kernels.write_bias_mask(&WriteMask { shape, mask, result: buffer, offset, size }),
        Trial::Layer(pass) => pass.record(kernels, &Trial::call(pass, case, &[]), tensors),
        Trial::Moments => kernels.moments(&OutputMoments {
            shape,
            probability: &mask.probability,
            x: tensors[0],
            weight: tensors[1],
            bias: bias_of(2),
            mean: results(2)[0],
            variance: results(2)[1],
        }),
        Trial::MonteCarlo => kernels.monte_carlo(&MonteCarlo {
            shape,
            mask,
            passes,
            x: tensors[0],
            weight: tensors[1],
            bias: bias_of(2),
            mean: results(2)[0],
            variance: results(2)[1],
        }),
        Trial::Activation => kernels.activate(&Activate {
            shape,
            activation: case.activation,
            method: case.samples.map_or(Method::Closed, |samples| Method::Sampled {
                samples,
                key: mask.key,
                origin: mask.origin,
            }),
            u_mean: tensors[0],
            u_variance: tensors[1],
            mean: results(2)[0],
            variance: results(2)[1],
        }),
        Trial::Classifier => {
            let [mean, entropy, information] = [0, 1, 2].map(|at| results(3)[at]);
            let pass = |pass: u32| {
                let logits = tensors[pass as usize];
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

    fn run(&self, trial: Trial, case: &Case, pool: &mut Pool) -> Result<(), CliError> {
        let backend = self.0[case.kernels as usize % self.0.len()];
        let (operands, mut results) = pool.tensors();
        if let (Trial::Mask | Trial::BiasMask, [kept]) = (trial, &mut results[..]) {
            return Ok(match trial {
                Trial::Mask => backend.mask(&case.shape, &case.mask, kept),
                _ => backend.bias_mask(&case.shape, &case.mask, kept),
            }?);
        }
        let operands: Vec<&[f32]> = operands.into_iter().map(bytemuck::cast_slice).collect();
        let results: Vec<&mut [f32]> = results.into_iter().map(bytemuck::cast_slice_mut).collect();
        Ok(compute(backend, trial, case, &operands, results)?)
    }
}

fn compute(
    backend: cpu::Backend,
    trial: Trial,
    case: &Case,
    operands: &[&[f32]],
    mut results: Vec<&mut [f32]>,
) -> Result<(), Error> {
    let &Case { shape, ref mask, passes, .. } = case;
    if let Trial::Layer(pass) = trial {
        return pass.compute(backend, &Trial::call(pass, case, &[]), operands, results);
    }
    let bias = || if case.bias == BiasMode::None { Bias::None } else { case.bias.of(operands[2]) };
    let mut result = || results.remove(0);
    match trial {
        // Bytes, and no numbers; and what has been done.
        Trial::Mask | Trial::BiasMask | Trial::Layer(_) => Ok(()),
        Trial::Moments => backend.moments(OutputMoments {
            shape,
            probability: &mask.probability,
            x: operands[0],
            weight: operands[1],
            bias: bias(),
            mean: result(),
            variance: result(),
        }),
        Trial::MonteCarlo => cpu::monte_carlo(MonteCarlo {
            shape,
            mask,
            passes,
            x: operands[0],
            weight: operands[1],
            bias: bias(),
            mean: result(),
            variance: result(),
        }),
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
