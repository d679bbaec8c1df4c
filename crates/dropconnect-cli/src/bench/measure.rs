//! Times: from the adapter's own clock where it has one, else from submission to completion.

use std::time::{Duration, Instant};

use dropconnect::gpu::Gpu;
use dropconnect::wgpu;
use serde::Serialize;

use crate::error::CliError;
use crate::interrupt;

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

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Runs before the first sample.
    pub warmup: u32,
    /// Exactly so many samples.
    pub repeats: Option<u32>,
    /// Otherwise samples for about so long, but at least [`FEWEST`] and at most [`MOST`].
    pub budget: Duration,
}

const FEWEST: usize = 3;
const MOST: usize = 1000;

/// The samples of one measurement, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Samples {
    /// The middle one.
    pub median_ms: f64,
    /// The fastest.
    pub min_ms: f64,
    /// The slowest.
    pub max_ms: f64,
    /// Multiply-adds a second at the median, masked or (in a dense layer) not.
    pub multiply_adds_per_second: f64,
    /// All of them, in the order they were taken.
    pub samples_ms: Vec<f64>,
}

impl Samples {
    fn new(samples_ms: Vec<f64>, multiply_adds: u64) -> Self {
        let mut sorted = samples_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median_ms = match sorted.len() % 2 {
            0 => (sorted[middle - 1] + sorted[middle]) / 2.0,
            _ => sorted[middle],
        };
        Self {
            median_ms,
            min_ms: sorted[0],
            max_ms: sorted[sorted.len() - 1],
            multiply_adds_per_second: multiply_adds as f64 / (median_ms / 1e3),
            samples_ms,
        }
    }
}

/// Runs `once`, which returns how long it took, as often as the effort asks. Fails at the first signal.
pub fn measure(
    effort: &Effort,
    multiply_adds: u64,
    mut once: impl FnMut() -> Result<Duration, CliError>,
) -> Result<Samples, CliError> {
    // Where one run takes as long as all are meant to, one is warm-up enough.
    let start = Instant::now();
    for _ in 0..effort.warmup {
        interrupt::check()?;
        once()?;
        if effort.repeats.is_none() && start.elapsed() >= effort.budget {
            break;
        }
    }
    let mut samples = Vec::new();
    let start = Instant::now();
    loop {
        interrupt::check()?;
        let sample = once()?;
        samples.push(sample.as_secs_f64().max(1e-9) * 1e3);
        let enough = match effort.repeats {
            Some(repeats) => samples.len() >= repeats as usize,
            None => samples.len() >= MOST || samples.len() >= FEWEST && start.elapsed() >= effort.budget,
        };
        if enough {
            return Ok(Samples::new(samples, multiply_adds));
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

    /// Records into a compute pass, runs it and waits for it.
    pub fn time(&self, record: impl FnOnce(&mut wgpu::ComputePass)) -> Result<Duration, CliError> {
        let label = Some("dropconnect.bench");
        let start = Instant::now();
        let mut encoder = self.gpu.device().create_command_encoder(&wgpu::CommandEncoderDescriptor { label });
        let timestamp_writes = self.queries.as_ref().map(|(set, _)| wgpu::ComputePassTimestampWrites {
            query_set: set,
            beginning_of_pass_write_index: Some(0),
            end_of_pass_write_index: Some(1),
        });
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label, timestamp_writes }));
        if let Some((set, resolved)) = &self.queries {
            encoder.resolve_query_set(set, 0..2, resolved, 0);
        }
        self.gpu.queue().submit([encoder.finish()]);
        self.gpu.wait()?;
        let wall = start.elapsed();
        let Some((_, resolved)) = &self.queries else { return Ok(wall) };
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
