//! One problem on one device: its tensors, and the passes of every way to do it.

use std::time::{Duration, Instant};

use dropconnect::cpu::{self, Backend};
use dropconnect::gpu::{Gpu, Recording, Tensor};
use dropconnect::{Bias, ElementType, Mask, Write, wgpu};
use dropconnect_testing::{Operands, Pass};
use rayon::prelude::*;

use super::baseline::{StoredMask, Tensors};
use super::measure::{Effort, Samples, Stopwatch, Timer, measure};
use super::problem::{Problem, Way, multiply_adds, places};
use crate::error::{CliError, room};

/// A device with the tensors of one problem.
pub enum Engine<'a> {
    Gpu(Box<OnGpu<'a>>),
    Cpu(OnCpu<'a>),
}

pub struct OnGpu<'a> {
    gpu: &'a Gpu,
    stopwatch: Stopwatch<'a>,
    problem: &'a Problem,
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
    problem: &'a Problem,
    results: [Vec<f32>; 3],
    stored: Option<Result<Vec<u8>, String>>,
}

impl<'a> Engine<'a> {
    pub fn new(gpu: Option<&'a Gpu>, timer: Timer, problem: &'a Problem) -> Result<Self, CliError> {
        let Some(gpu) = gpu else {
            let poisoned = |pass: Pass| {
                let length = pass.result_len(&problem.shape);
                let mut result = room("a result of the benchmark", length)?;
                result.resize(length, f32::NAN);
                Ok::<_, CliError>(result)
            };
            let [forward, input, weight] = Pass::LINEAR.map(poisoned);
            return Ok(Self::Cpu(OnCpu { problem, results: [forward?, input?, weight?], stored: None }));
        };
        let upload = |values: &[f32]| gpu.upload(&problem.element.encode(values));
        let inputs = [upload(&problem.x)?, upload(&problem.weight)?, upload(&problem.grad_output)?];
        let bytes = |pass: Pass| pass.result_len(&problem.shape) * problem.element.size();
        let result = |pass| gpu.buffer(bytes(pass) as u64);
        let [forward, input, weight] = Pass::LINEAR.map(result);
        Ok(Self::Gpu(Box::new(OnGpu {
            gpu,
            stopwatch: Stopwatch::new(gpu, timer),
            problem,
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

    /// Runs a pass once, into results that hold NaN before, and returns them.
    pub fn results(&mut self, pass: Pass, way: Way) -> Result<Vec<Vec<f32>>, CliError> {
        match self {
            Self::Gpu(engine) => engine.results(pass, way),
            Self::Cpu(engine) => {
                engine.results[places(pass)].iter_mut().for_each(|result| result.fill(f32::NAN));
                engine.run(pass, way)?;
                let copy = |result: &Vec<f32>| {
                    let mut copy = room("a copy of a result of the benchmark", result.len())?;
                    copy.extend_from_slice(result);
                    Ok(copy)
                };
                engine.results[places(pass)].iter().map(copy).collect()
            }
        }
    }

    /// Times a pass.
    pub fn time(&mut self, pass: Pass, way: Way, effort: &Effort) -> Result<Samples, CliError> {
        match self {
            Self::Gpu(engine) => {
                let recording = engine.recording(pass, way)?;
                measure(effort, multiply_adds(pass, &engine.problem.shape), || {
                    engine.stopwatch.time(|into| engine.record(pass, recording.as_ref(), into))
                })
            }
            Self::Cpu(engine) => measure(effort, multiply_adds(pass, &engine.problem.shape), || {
                let start = Instant::now();
                engine.run(pass, way)?;
                Ok::<Duration, CliError>(start.elapsed())
            }),
        }
    }
}

impl OnGpu<'_> {
    fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        // The last one's memory first.
        self.stored = None;
        let Problem { shape, element, .. } = self.problem;
        if self.wide.is_none() && *element != ElementType::F32 {
            let result = |pass: Pass| self.gpu.buffer(4 * pass.result_len(shape) as u64);
            let [forward, input, weight] = Pass::LINEAR.map(result);
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

    /// The library's call; none for the stored mask.
    fn recording(&mut self, pass: Pass, way: Way) -> Result<Option<Recording>, CliError> {
        let mask = match way {
            Way::Ours(mask) => Some(mask),
            Way::Dense => None,
            Way::Stored(_) => return Ok(None),
        };
        let Problem { shape, element, x, weight, grad_output, .. } = self.problem;
        let tensor = |buffer, length: usize| {
            let size = (length * element.size()) as u64;
            Tensor { buffer, offset: 0, size, element: *element }
        };
        let operands = Operands {
            x: tensor(&self.inputs[0], x.len()),
            weight: tensor(&self.inputs[1], weight.len()),
            grad_output: tensor(&self.inputs[2], grad_output.len()),
            shape: *shape,
            bias: Bias::None,
            write: Write::Overwrite,
        };
        let results = self.results[places(pass)].iter().zip(pass.parts());
        let results: Vec<_> = results
            .map(|(buffer, part)| (tensor(buffer, part.result_len(shape)), Write::Overwrite))
            .collect();
        let recording = pass.record(self.gpu.kernels(), &operands, mask, &results)?;
        self.parameter_bytes = self.parameter_bytes.max(recording.parameter_bytes());
        Ok(Some(recording))
    }

    /// Records the library's call, or where there is none, the stored mask's.
    fn record(&self, pass: Pass, recording: Option<&Recording>, into: &mut wgpu::ComputePass) {
        if let Some(recording) = recording {
            recording.record(into);
        } else if let Some(Ok(stored)) = &self.stored {
            pass.parts().iter().for_each(|&part| stored.record(part, into));
        }
    }

    fn results(&mut self, pass: Pass, way: Way) -> Result<Vec<Vec<f32>>, CliError> {
        let recording = self.recording(pass, way)?;
        let (buffers, element) = match (&self.wide, way) {
            (Some(wide), Way::Stored(_)) => (wide, ElementType::F32),
            _ => (&self.results, self.problem.element),
        };
        let buffers = &buffers[places(pass)];
        for buffer in buffers {
            self.gpu.queue().write_buffer(buffer, 0, &vec![0xff; buffer.size() as usize]);
        }
        self.stopwatch.time(|into| self.record(pass, recording.as_ref(), into))?;
        let read = |(buffer, part): (&wgpu::Buffer, &Pass)| {
            let bytes = (part.result_len(&self.problem.shape) * element.size()) as u64;
            Ok(element.decode(&self.gpu.read(buffer, 0..bytes)?))
        };
        buffers.iter().zip(pass.parts()).map(read).collect()
    }
}

impl OnCpu<'_> {
    fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
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

    fn run(&mut self, pass: Pass, way: Way) -> Result<(), CliError> {
        let mask = match way {
            Way::Ours(mask) => Some(mask),
            Way::Dense => None,
            Way::Stored(mask) => {
                return pass.parts().iter().try_for_each(|&part| self.run_stored(part, mask));
            }
        };
        let results = self.results[places(pass)].iter_mut();
        let mut results: Vec<_> = results.map(|result| (&mut result[..], Write::Overwrite)).collect();
        Ok(pass.compute(Backend::detect(), &self.problem.operands(), mask, &mut results)?)
    }

    /// Plain parallel loops that the compiler vectorises. The forward pass writes the mask first.
    fn run_stored(&mut self, pass: Pass, mask: &Mask) -> Result<(), CliError> {
        let Problem { shape, x, weight, grad_output, .. } = self.problem;
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
