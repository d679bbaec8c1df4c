//! Times: from the adapter's own clock where it has one, else from submission to completion.

use std::time::{Duration, Instant};

use dropconnect::gpu::Gpu;
use dropconnect::wgpu;
use serde::Serialize;

use crate::error::CliError;

/// How a time was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timer {
    /// Timestamps written by the adapter at both ends of the compute pass.
    GpuTimestamps,
    /// The host's clock around the call, submission and waiting included.
    WallClock,
}

impl Timer {
    /// The best timer of an adapter. A software adapter's timestamps come from the host's clock anyway, and
    /// some are taken when commands are recorded.
    pub fn of(gpu: Option<&Gpu>) -> Self {
        match gpu {
            Some(gpu)
                if gpu.info().device_type != wgpu::DeviceType::Cpu
                    && gpu.device().features().contains(wgpu::Features::TIMESTAMP_QUERY) =>
            {
                Self::GpuTimestamps
            }
            _ => Self::WallClock,
        }
    }

    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::GpuTimestamps => "GPU timestamps around the compute pass",
            Self::WallClock => "wall clock, submission and waiting included",
        }
    }
}

/// Takes the time of compute passes on one adapter.
pub struct Stopwatch<'a> {
    gpu: &'a Gpu,
    /// Queries, where they are resolved to; `None` for the wall clock.
    queries: Option<(wgpu::QuerySet, wgpu::Buffer)>,
}

impl<'a> Stopwatch<'a> {
    /// A stopwatch that goes by `timer`.
    pub fn new(gpu: &'a Gpu, timer: Timer) -> Self {
        let queries = (timer == Timer::GpuTimestamps).then(|| {
            let set = gpu.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("dropconnect.bench"),
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            let resolved = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("dropconnect.bench"),
                size: 16,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            (set, resolved)
        });
        Self { gpu, queries }
    }

    /// Records into a compute pass, runs it and waits for it; with `warm_up`, records and runs it once before.
    ///
    /// `record` is told how often.
    pub fn time(
        &self,
        calls: u32,
        warm_up: bool,
        record: impl Fn(&mut wgpu::ComputePass, u32),
    ) -> Result<Duration, CliError> {
        let label = Some("dropconnect.bench");
        let device = self.gpu.device();
        let encoder = || device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let pass = |encoder: &mut wgpu::CommandEncoder, timestamp_writes, calls| {
            record(
                &mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes }),
                calls,
            );
        };
        let Some((set, resolved)) = &self.queries else {
            if warm_up {
                let mut encoder = encoder();
                pass(&mut encoder, None, 1);
                self.gpu.queue().submit([encoder.finish()]);
                self.gpu.wait()?;
            }
            let start = Instant::now();
            let mut encoder = encoder();
            pass(&mut encoder, None, calls);
            self.gpu.queue().submit([encoder.finish()]);
            self.gpu.wait()?;
            return Ok(start.elapsed());
        };
        let start = Instant::now();
        let mut encoder = encoder();
        if warm_up {
            // In the same submission: between two of them an adapter lowers its clocks.
            pass(&mut encoder, None, 1);
        }
        let timestamps = wgpu::ComputePassTimestampWrites {
            query_set: set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        };
        pass(&mut encoder, Some(timestamps), calls);
        encoder.resolve_query_set(set, 0..2, resolved, 0);
        self.gpu.queue().submit([encoder.finish()]);
        self.gpu.wait()?;
        let wall = start.elapsed();
        let bytes = self.gpu.read(resolved, 0..16)?;
        let [begin, end] = [0, 8].map(|at| {
            let mut tick = [0; 8];
            tick.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(tick)
        });
        let nanoseconds = end.wrapping_sub(begin) as f64 * f64::from(self.gpu.queue().get_timestamp_period());
        // A pair that makes no sense (the counter was reset between them) must not pass for a time.
        if nanoseconds >= 0.0 && nanoseconds <= wall.as_nanos() as f64 {
            Ok(Duration::from_nanos(nanoseconds as u64))
        } else {
            Err(CliError::Device(format!(
                "timestamps {begin} and {end} make {nanoseconds} ns, of {} ns that passed",
                wall.as_nanos()
            )))
        }
    }
}
