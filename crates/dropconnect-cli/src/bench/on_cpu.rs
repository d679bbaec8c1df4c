//! A problem on the CPU backend, and what one does there without regenerating masks.

use dropconnect::Mask;
use dropconnect::cpu;
use dropconnect_testing::{Kind, LINEAR};
use rayon::prelude::*;

use super::problem::{Implementation, Problem, parts, places, result_len};
use crate::error::{CliError, room};

pub struct OnCpu<'a> {
    problem: &'a Problem,
    results: [Vec<f32>; 3],
    /// A byte for each connection, or why not.
    pub stored: Option<Result<Vec<u8>, String>>,
}

impl<'a> OnCpu<'a> {
    pub fn new(problem: &'a Problem) -> Result<Self, CliError> {
        let poisoned = |pass: Kind| {
            let length = result_len(pass, &problem.shape);
            let mut result = room("a result of the benchmark", length)?;
            result.resize(length, f32::NAN);
            Ok::<_, CliError>(result)
        };
        let [forward, input, weight] = LINEAR.map(poisoned);
        Ok(Self { problem, results: [forward?, input?, weight?], stored: None })
    }

    pub fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        self.stored = None;
        let bytes = self.problem.shape.connections();
        let room = usize::try_from(bytes).ok().and_then(|bytes| room("a stored mask", bytes).ok());
        let Some(mut kept) = room else {
            let reason = format!("a mask of {bytes} bytes does not fit the host's memory");
            self.stored = Some(Err(reason.clone()));
            return Ok(Some(reason));
        };
        kept.resize(bytes as usize, 0);
        cpu::mask(&self.problem.shape, mask, &mut kept)?;
        self.stored = Some(Ok(kept));
        Ok(None)
    }

    /// Runs a pass once, into results that hold NaN before, and returns them.
    pub fn results(&mut self, pass: Kind, implementation: Implementation) -> Result<Vec<Vec<f32>>, CliError> {
        self.results[places(pass)].iter_mut().for_each(|result| result.fill(f32::NAN));
        self.run(pass, implementation)?;
        let copy = |result: &Vec<f32>| {
            let mut copy = room("a copy of a result of the benchmark", result.len())?;
            copy.extend_from_slice(result);
            Ok(copy)
        };
        self.results[places(pass)].iter().map(copy).collect()
    }

    pub fn run(&mut self, pass: Kind, implementation: Implementation) -> Result<(), CliError> {
        let mask = match implementation {
            Implementation::Ours(mask) | Implementation::Shared(mask) => Some(mask),
            Implementation::Dense => None,
            Implementation::Stored(mask) => {
                return parts(pass).iter().try_for_each(|&part| self.run_stored(part, mask));
            }
        };
        let results = self.results[places(pass)].iter_mut();
        let results = results.map(|result| &mut result[..]);
        Ok(cpu::run(self.problem.operands().call(pass, mask, results))?)
    }

    /// Plain parallel loops that the compiler vectorises. The forward pass writes the mask first.
    fn run_stored(&mut self, pass: Kind, mask: &Mask) -> Result<(), CliError> {
        let Problem { shape, x, weight, grad_output, .. } = self.problem;
        let (outputs, inputs) = (shape.outputs(), shape.inputs());
        let [y, grad_input, grad_weight] = &mut self.results;
        let Some(Ok(kept)) = &mut self.stored else { return Ok(()) };
        if pass == Kind::Forward {
            cpu::mask(shape, mask, kept)?;
        }
        let (kept, scale) = (&kept[..], mask.scale() as f32);
        let add = |sums: &mut [f32], factor: f32, operand: &[f32], kept: &[u8]| {
            for ((sum, &value), &kept) in sums.iter_mut().zip(operand).zip(kept) {
                *sum += factor * value * f32::from(kept);
            }
        };
        match pass {
            Kind::Forward => y.par_iter_mut().enumerate().for_each(|(at, y)| {
                let (n, o) = (at / outputs, at % outputs);
                let x = &x[n * inputs..(n + 1) * inputs];
                let weight = &weight[o * inputs..(o + 1) * inputs];
                *y = scale * masked_dot(x, weight, &kept[at * inputs..(at + 1) * inputs]);
            }),
            Kind::InputGradient => grad_input.par_chunks_mut(inputs).enumerate().for_each(|(n, sums)| {
                sums.fill(0.0);
                for o in 0..outputs {
                    let at = n * outputs + o;
                    let weight = &weight[o * inputs..(o + 1) * inputs];
                    add(sums, scale * grad_output[at], weight, &kept[at * inputs..(at + 1) * inputs]);
                }
            }),
            _ => grad_weight.par_chunks_mut(inputs).enumerate().for_each(|(o, sums)| {
                sums.fill(0.0);
                for n in 0..shape.batch() {
                    let at = n * outputs + o;
                    let x = &x[n * inputs..(n + 1) * inputs];
                    add(sums, scale * grad_output[at], x, &kept[at * inputs..(at + 1) * inputs]);
                }
            }),
        }
        Ok(())
    }
}

/// In 16 sums, as many as the widest vector has.
fn masked_dot(x: &[f32], weight: &[f32], kept: &[u8]) -> f32 {
    let mut sums = [0.0f32; 16];
    let (xs, x_rest) = x.as_chunks::<16>();
    let (weights, weight_rest) = weight.as_chunks::<16>();
    let (keeps, kept_rest) = kept.as_chunks::<16>();
    for ((x, weight), kept) in xs.iter().zip(weights).zip(keeps) {
        for lane in 0..16 {
            sums[lane] += x[lane] * weight[lane] * f32::from(kept[lane]);
        }
    }
    let rest = x_rest.iter().zip(weight_rest).zip(kept_rest).map(|((x, w), &kept)| x * w * f32::from(kept));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}
