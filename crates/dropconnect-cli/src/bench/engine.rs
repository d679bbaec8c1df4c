//! One problem on one device: its tensors, and every implementation of a pass of it.

use std::time::{Duration, Instant};

use dropconnect::gpu::{Gpu, Recording, Tensor};
use dropconnect::{Bias, ElementType, Mask, Write, wgpu};
use dropconnect_testing::{Kind, LINEAR, Operands};

use super::on_cpu::OnCpu;
use super::problem::{Implementation, Problem, parts, places, result_len};
use super::stopwatch::{Stopwatch, Timer};
use super::stored_mask::{StoredMask, Tensors};
use crate::error::CliError;

/// A device with the tensors of one problem.
pub struct Engine<'a> {
    device: On<'a>,
}

enum On<'a> {
    Gpu(Box<OnGpu<'a>>),
    Cpu(OnCpu<'a>),
}

/// An implementation of a pass, ready to be timed.
pub struct Timed<'m> {
    pass: Kind,
    implementation: Implementation<'m>,
    /// The library's call on an adapter; none for the stored mask.
    recording: Option<Recording>,
}

struct OnGpu<'a> {
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

impl<'a> Engine<'a> {
    pub fn new(gpu: Option<&'a Gpu>, timer: Timer, problem: &'a Problem) -> Result<Self, CliError> {
        let device = match gpu {
            Some(gpu) => On::Gpu(Box::new(OnGpu::new(gpu, timer, problem)?)),
            None => On::Cpu(OnCpu::new(problem)?),
        };
        Ok(Self { device })
    }

    /// Prepares a stored mask; `Some` says why there is none.
    pub fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        match &mut self.device {
            On::Gpu(engine) => engine.store_mask(mask),
            On::Cpu(engine) => engine.store_mask(mask),
        }
    }

    /// Bytes of the stored mask.
    pub fn stored_bytes(&self) -> Option<u64> {
        match &self.device {
            On::Gpu(engine) => engine.stored.as_ref()?.as_ref().ok().map(StoredMask::bytes),
            On::Cpu(engine) => engine.stored.as_ref()?.as_ref().ok().map(|mask| mask.len() as u64),
        }
    }

    /// Bytes of device memory that our passes have taken besides the tensors.
    pub fn parameter_bytes(&self) -> Option<u64> {
        match &self.device {
            On::Gpu(engine) => Some(engine.parameter_bytes),
            On::Cpu(_) => None,
        }
    }

    /// Runs a pass once, into results that hold NaN before, and returns them.
    pub fn results(&mut self, pass: Kind, implementation: Implementation) -> Result<Vec<Vec<f32>>, CliError> {
        match &mut self.device {
            On::Gpu(engine) => engine.results(pass, implementation),
            On::Cpu(engine) => engine.results(pass, implementation),
        }
    }

    /// Prepares an implementation of a pass.
    pub fn timed<'m>(
        &mut self,
        pass: Kind,
        implementation: Implementation<'m>,
    ) -> Result<Timed<'m>, CliError> {
        let recording = match &mut self.device {
            On::Gpu(engine) => engine.recording(pass, implementation)?,
            On::Cpu(_) => None,
        };
        Ok(Timed { pass, implementation, recording })
    }

    /// Runs so many calls, one after the other, and says how long they took together; with `warm_up`, after one that is
    /// not timed.
    pub fn sample(&mut self, timed: &Timed, calls: u32, warm_up: bool) -> Result<Duration, CliError> {
        match &mut self.device {
            On::Gpu(engine) => engine.sample(timed, calls, warm_up),
            On::Cpu(engine) => {
                if warm_up {
                    engine.run(timed.pass, timed.implementation)?;
                }
                let start = Instant::now();
                for _ in 0..calls {
                    engine.run(timed.pass, timed.implementation)?;
                }
                Ok(start.elapsed())
            }
        }
    }
}

impl<'a> OnGpu<'a> {
    fn new(gpu: &'a Gpu, timer: Timer, problem: &'a Problem) -> Result<Self, CliError> {
        let upload = |values: &[f32]| gpu.upload(&problem.element.encode(values));
        let inputs = [upload(&problem.x)?, upload(&problem.weight)?, upload(&problem.grad_output)?];
        let bytes = |pass: Kind| result_len(pass, &problem.shape) * problem.element.size();
        let result = |pass| gpu.buffer(bytes(pass) as u64);
        let [forward, input, weight] = LINEAR.map(result);
        Ok(Self {
            gpu,
            stopwatch: Stopwatch::new(gpu, timer),
            problem,
            inputs,
            results: [forward?, input?, weight?],
            wide: None,
            stored: None,
            parameter_bytes: 0,
        })
    }

    fn store_mask(&mut self, mask: &Mask) -> Result<Option<String>, CliError> {
        // The last one's memory first.
        self.stored = None;
        let Problem { shape, element, .. } = self.problem;
        if self.wide.is_none() && *element != ElementType::F32 {
            let result = |pass: Kind| self.gpu.buffer(4 * result_len(pass, shape) as u64);
            let [forward, input, weight] = LINEAR.map(result);
            self.wide = Some([forward?, input?, weight?]);
        }
        let [x, weight, grad_output] = &self.inputs;
        let [y, grad_input, grad_weight] = self.wide.as_ref().unwrap_or(&self.results);
        let tensors = Tensors { x, weight, grad_output, y, grad_input, grad_weight };
        let stored = StoredMask::new(self.gpu, shape, *element, mask, &tensors)?;
        if let Ok(stored) = &stored {
            self.stopwatch.time(1, false, |into, _| stored.fill(into))?;
        }
        let reason = stored.as_ref().err().cloned();
        self.stored = Some(stored);
        Ok(reason)
    }

    /// The library's call; none for the stored mask.
    fn recording(
        &mut self,
        pass: Kind,
        implementation: Implementation,
    ) -> Result<Option<Recording>, CliError> {
        let mask = match implementation {
            Implementation::Ours(mask) | Implementation::Shared(mask) => Some(mask),
            Implementation::Dense => None,
            Implementation::Stored(_) => return Ok(None),
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
        let results = self.results[places(pass)].iter().zip(parts(pass));
        let results = results.map(|(buffer, &part)| tensor(buffer, result_len(part, shape)));
        let recording = self.gpu.kernels().record(operands.call(pass, mask, results))?;
        if matches!(implementation, Implementation::Ours(_)) {
            self.parameter_bytes = self.parameter_bytes.max(recording.parameter_bytes());
        }
        Ok(Some(recording))
    }

    fn sample(&self, timed: &Timed, calls: u32, warm_up: bool) -> Result<Duration, CliError> {
        self.stopwatch.time(calls, warm_up, |into, calls| {
            (0..calls).for_each(|_| self.record(timed.pass, timed.recording.as_ref(), into));
        })
    }

    /// Records the library's call, or where there is none, the stored mask's.
    fn record(&self, pass: Kind, recording: Option<&Recording>, into: &mut wgpu::ComputePass) {
        if let Some(recording) = recording {
            recording.record(into);
        } else if let Some(Ok(stored)) = &self.stored {
            parts(pass).iter().for_each(|&part| stored.record(part, into));
        }
    }

    fn results(&mut self, pass: Kind, implementation: Implementation) -> Result<Vec<Vec<f32>>, CliError> {
        let recording = self.recording(pass, implementation)?;
        let (buffers, element) = match (&self.wide, implementation) {
            (Some(wide), Implementation::Stored(_)) => (wide, ElementType::F32),
            _ => (&self.results, self.problem.element),
        };
        let buffers = &buffers[places(pass)];
        for buffer in buffers {
            self.gpu.queue().write_buffer(buffer, 0, &vec![0xff; buffer.size() as usize]);
        }
        self.stopwatch.time(1, false, |into, _| self.record(pass, recording.as_ref(), into))?;
        let read = |(buffer, &part): (&wgpu::Buffer, &Kind)| {
            let bytes = (result_len(part, &self.problem.shape) * element.size()) as u64;
            Ok(element.decode(&self.gpu.read(buffer, 0..bytes)?))
        };
        buffers.iter().zip(parts(pass)).map(read).collect()
    }
}
