//! One problem on one device: its tensors, and the passes of every way to do it.

use std::time::{Duration, Instant};

use dropconnect::call::{BothGradients, Forward, InputGradient, WeightGradient};
use dropconnect::gpu::{Gpu, Recording, Tensor};
use dropconnect::{Bias, ElementType, Mask, Write, cpu, wgpu};
use rayon::prelude::*;

use super::baseline::{StoredMask, Tensors};
use super::measure::{Effort, Samples, Stopwatch, Timer, measure};
use super::problem::{Job, Operands, Pass, Way};
use crate::error::{CliError, room};

/// A device with the tensors of one problem.
pub enum Engine<'a> {
    Gpu(Box<OnGpu<'a>>),
    Cpu(OnCpu<'a>),
}

pub struct OnGpu<'a> {
    gpu: &'a Gpu,
    stopwatch: Stopwatch<'a>,
    operands: &'a Operands,
    /// X, W, G.
    inputs: [wgpu::Buffer; 3],
    /// Y, dX, dW.
    results: [wgpu::Buffer; 3],
    /// The same in f32, for the stored mask.
    wide: Option<[wgpu::Buffer; 3]>,
    /// Why not, where a stored mask does not fit.
    stored: Option<Result<StoredMask, String>>,
    parameter_bytes: u64,
}

pub struct OnCpu<'a> {
    operands: &'a Operands,
    results: [Vec<f32>; 3],
    stored: Option<Result<Vec<u8>, String>>,
}

impl<'a> Engine<'a> {
    pub fn new(gpu: Option<&'a Gpu>, timer: Timer, operands: &'a Operands) -> Result<Self, CliError> {
        let Some(gpu) = gpu else {
            let poisoned = |pass| {
                let mut result = room("a result of the benchmark", operands.result_len(pass))?;
                result.resize(operands.result_len(pass), f32::NAN);
                Ok::<_, CliError>(result)
            };
            let [forward, input, weight] = Pass::ALL.map(poisoned);
            return Ok(Self::Cpu(OnCpu { operands, results: [forward?, input?, weight?], stored: None }));
        };
        let upload = |values: &[f32]| gpu.upload(&operands.element.encode(values));
        let inputs = [upload(&operands.x)?, upload(&operands.weight)?, upload(&operands.grad_output)?];
        let result = |pass| gpu.buffer((operands.result_len(pass) * operands.element.size()) as u64);
        let [forward, input, weight] = Pass::ALL.map(result);
        Ok(Self::Gpu(Box::new(OnGpu {
            gpu,
            stopwatch: Stopwatch::new(gpu, timer),
            operands,
            inputs,
            results: [forward?, input?, weight?],
            wide: None,
            stored: None,
            parameter_bytes: 0,
        })))
    }

    /// Prepares a stored mask; `Some` says why there is none.
    pub fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        match self {
            Self::Gpu(engine) => engine.store_mask(mask),
            Self::Cpu(engine) => engine.store_mask(mask),
        }
    }

    /// Bytes of the stored mask.
    pub fn stored_bytes(&self) -> Option<u64> {
        match self {
            Self::Gpu(engine) => engine.stored.as_ref()?.as_ref().ok().map(StoredMask::bytes),
            Self::Cpu(engine) => engine.stored.as_ref()?.as_ref().ok().map(|mask| mask.len() as u64),
        }
    }

    /// Bytes of device memory that our passes have taken besides the tensors.
    pub fn parameter_bytes(&self) -> Option<u64> {
        match self {
            Self::Gpu(engine) => Some(engine.parameter_bytes),
            Self::Cpu(_) => None,
        }
    }

    /// Runs a job once, into results that hold NaN before, and returns them.
    pub fn results(&mut self, job: &Job, way: Way) -> Result<Vec<Vec<f32>>, CliError> {
        match self {
            Self::Gpu(engine) => engine.results(job, way),
            Self::Cpu(engine) => {
                for &pass in job.passes {
                    engine.results[pass as usize].fill(f32::NAN);
                }
                engine.run(job, way)?;
                let copy = |&pass: &Pass| {
                    let result = &engine.results[pass as usize];
                    let mut copy = room("a copy of a result of the benchmark", result.len())?;
                    copy.extend_from_slice(result);
                    Ok(copy)
                };
                job.passes.iter().map(copy).collect()
            }
        }
    }

    /// Times a job.
    pub fn time(&mut self, job: &Job, way: Way, effort: &Effort) -> Result<Samples, CliError> {
        match self {
            Self::Gpu(engine) => {
                let recordings = engine.recordings(job, way)?;
                let multiply_adds = job.multiply_adds(&engine.operands.shape);
                measure(effort, multiply_adds, || {
                    engine.stopwatch.time(|into| engine.record(job, &recordings, into))
                })
            }
            Self::Cpu(engine) => {
                let multiply_adds = job.multiply_adds(&engine.operands.shape);
                measure(effort, multiply_adds, || {
                    let start = Instant::now();
                    engine.run(job, way)?;
                    Ok::<Duration, CliError>(start.elapsed())
                })
            }
        }
    }
}

impl OnGpu<'_> {
    fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        // The last one's memory first.
        self.stored = None;
        let Operands { shape, element, .. } = self.operands;
        if self.wide.is_none() && *element != ElementType::F32 {
            let result = |pass| self.gpu.buffer((self.operands.result_len(pass) * 4) as u64);
            let [forward, input, weight] = Pass::ALL.map(result);
            self.wide = Some([forward?, input?, weight?]);
        }
        let [x, weight, grad_output] = &self.inputs;
        let [y, grad_input, grad_weight] = self.wide.as_ref().unwrap_or(&self.results);
        let tensors = Tensors { x, weight, grad_output, y, grad_input, grad_weight };
        let stored = StoredMask::new(self.gpu, shape, *element, mask, &tensors)?;
        let reason = stored.as_ref().err().cloned();
        self.stored = Some(stored);
        Ok(reason)
    }

    /// The library's calls; none for the stored mask.
    fn recordings(&mut self, job: &Job, way: Way) -> Result<Vec<Recording>, CliError> {
        let mask = match way {
            Way::Ours(mask) => Some(mask),
            Way::Dense => None,
            Way::Stored(_) => return Ok(Vec::new()),
        };
        let recordings = if job.both_gradients() {
            vec![self.both_gradients(mask)?]
        } else {
            job.passes.iter().map(|&pass| self.single(pass, mask)).collect::<Result<_, _>>()?
        };
        let bytes = recordings.iter().map(Recording::parameter_bytes).sum();
        self.parameter_bytes = self.parameter_bytes.max(bytes);
        Ok(recordings)
    }

    /// A tensor of the problem.
    fn tensor<'b>(&self, buffer: &'b wgpu::Buffer, length: usize) -> Tensor<'b> {
        let element = self.operands.element;
        Tensor { buffer, offset: 0, size: (length * element.size()) as u64, element }
    }

    /// X, W and G.
    fn operand_tensors(&self) -> [Tensor<'_>; 3] {
        let [x, weight, grad_output] = &self.inputs;
        let Operands { x: xs, weight: weights, grad_output: grads, .. } = self.operands;
        [self.tensor(x, xs.len()), self.tensor(weight, weights.len()), self.tensor(grad_output, grads.len())]
    }

    fn result_tensor(&self, pass: Pass) -> Tensor<'_> {
        self.tensor(&self.results[pass as usize], self.operands.result_len(pass))
    }

    fn single(&self, pass: Pass, mask: Option<&Mask>) -> Result<Recording, CliError> {
        let (shape, [x, weight, grad_output]) = (self.operands.shape, self.operand_tensors());
        let (kernels, write, result) = (self.gpu.kernels(), Write::Overwrite, self.result_tensor(pass));
        Ok(match pass {
            Pass::Forward => {
                kernels.forward(&Forward { shape, mask, x, weight, bias: Bias::None, y: result })
            }
            Pass::InputGradient => {
                let grad_input = result;
                let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
                kernels.input_gradient(&call)
            }
            Pass::WeightGradient => {
                let grad_weight = result;
                kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
        }?)
    }

    fn both_gradients(&self, mask: Option<&Mask>) -> Result<Recording, CliError> {
        let (shape, [x, weight, grad_output]) = (self.operands.shape, self.operand_tensors());
        let result = |pass| (self.result_tensor(pass), Write::Overwrite);
        let (grad_input, grad_weight) = (result(Pass::InputGradient), result(Pass::WeightGradient));
        let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
        Ok(self.gpu.kernels().both_gradients(&call)?)
    }

    /// Records the library's calls, or where there are none, the stored mask's.
    fn record(&self, job: &Job, recordings: &[Recording], into: &mut wgpu::ComputePass) {
        recordings.iter().for_each(|recording| recording.record(into));
        if let ([], Some(Ok(stored))) = (recordings, &self.stored) {
            job.passes.iter().for_each(|&pass| stored.record(pass, into));
        }
    }

    fn results(&mut self, job: &Job, way: Way) -> Result<Vec<Vec<f32>>, CliError> {
        let recordings = self.recordings(job, way)?;
        let (buffers, element) = match (&self.wide, way) {
            (Some(wide), Way::Stored(_)) => (wide, ElementType::F32),
            _ => (&self.results, self.operands.element),
        };
        for &pass in job.passes {
            let buffer = &buffers[pass as usize];
            self.gpu.queue().write_buffer(buffer, 0, &vec![0xff; buffer.size() as usize]);
        }
        self.stopwatch.time(|into| self.record(job, &recordings, into))?;
        let read = |&pass: &Pass| {
            let bytes = (self.operands.result_len(pass) * element.size()) as u64;
            Ok(element.decode(&self.gpu.read(&buffers[pass as usize], 0..bytes)?))
        };
        job.passes.iter().map(read).collect()
    }
}

impl OnCpu<'_> {
    fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        self.stored = None;
        let bytes = self.operands.shape.connections();
        let room = usize::try_from(bytes).ok().and_then(|bytes| room("a stored mask", bytes).ok());
        let Some(mut kept) = room else {
            let reason = format!("a mask of {bytes} bytes does not fit the host's memory");
            self.stored = Some(Err(reason.clone()));
            return Ok(Some(reason));
        };
        kept.resize(bytes as usize, 0);
        cpu::mask(&self.operands.shape, mask, &mut kept)?;
        self.stored = Some(Ok(kept));
        Ok(None)
    }

    fn run(&mut self, job: &Job, way: Way) -> Result<(), CliError> {
        let mask = match way {
            Way::Ours(mask) => Some(mask),
            Way::Dense => None,
            Way::Stored(mask) => return job.passes.iter().try_for_each(|&pass| self.run_stored(pass, mask)),
        };
        if job.both_gradients() {
            let Operands { shape, x, weight, grad_output, .. } = self.operands;
            let [_, grad_input, grad_weight] = &mut self.results;
            return Ok(cpu::both_gradients(BothGradients {
                shape: *shape,
                mask,
                grad_output,
                x,
                weight,
                grad_input: (grad_input, Write::Overwrite),
                grad_weight: (grad_weight, Write::Overwrite),
            })?);
        }
        job.passes.iter().try_for_each(|&pass| self.run_single(pass, mask))
    }

    fn run_single(&mut self, pass: Pass, mask: Option<&Mask>) -> Result<(), CliError> {
        let Operands { shape, x, weight, grad_output, .. } = self.operands;
        let [y, grad_input, grad_weight] = &mut self.results;
        let (shape, write, bias) = (*shape, Write::Overwrite, Bias::None);
        Ok(match pass {
            Pass::Forward => cpu::forward(Forward { shape, mask, x, weight, bias, y }),
            Pass::InputGradient => {
                cpu::input_gradient(InputGradient { shape, mask, grad_output, weight, grad_input, write })
            }
            Pass::WeightGradient => {
                cpu::weight_gradient(WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
        }?)
    }

    /// Plain parallel loops that the compiler vectorises. The forward pass writes the mask first.
    fn run_stored(&mut self, pass: Pass, mask: &Mask) -> Result<(), CliError> {
        let Operands { shape, x, weight, grad_output, .. } = self.operands;
        let (outputs, inputs) = (shape.outputs(), shape.inputs());
        let [y, grad_input, grad_weight] = &mut self.results;
        let Some(Ok(kept)) = &mut self.stored else { return Ok(()) };
        if pass == Pass::Forward {
            cpu::mask(shape, mask, kept)?;
        }
        let (kept, scale) = (&kept[..], mask.scale() as f32);
        let add = |sums: &mut [f32], factor: f32, operand: &[f32], kept: &[u8]| {
            for ((sum, &value), &kept) in sums.iter_mut().zip(operand).zip(kept) {
                *sum += factor * value * f32::from(kept);
            }
        };
        match pass {
            Pass::Forward => y.par_iter_mut().enumerate().for_each(|(at, y)| {
                let (n, o) = (at / outputs, at % outputs);
                let x = &x[n * inputs..(n + 1) * inputs];
                let weight = &weight[o * inputs..(o + 1) * inputs];
                *y = scale * masked_dot(x, weight, &kept[at * inputs..(at + 1) * inputs]);
            }),
            Pass::InputGradient => grad_input.par_chunks_mut(inputs).enumerate().for_each(|(n, sums)| {
                sums.fill(0.0);
                for o in 0..outputs {
                    let at = n * outputs + o;
                    let weight = &weight[o * inputs..(o + 1) * inputs];
                    add(sums, scale * grad_output[at], weight, &kept[at * inputs..(at + 1) * inputs]);
                }
            }),
            Pass::WeightGradient => grad_weight.par_chunks_mut(inputs).enumerate().for_each(|(o, sums)| {
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
