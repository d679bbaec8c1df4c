//! The fastest kernel shapes of an adapter, found by trying.

use std::time::Duration;

use web_time::Instant;

use super::plan::tensor::Tensor;
use super::run::allocate;
use super::run::kernels::Kernels;
use super::run::options::KernelOptions;
use super::run::recording::Recording;
use super::tuning::{MaskOp, Tile, Tuning};
use crate::call::{Call, Kind};
use crate::{Bias, DropProbability, ElementType, Error, Mask, MaskKey, Shape, Write};

/// Bricks of a thread that are tried on hardware and on software adapters, rows and columns. More than two fit no
/// registers (docs/nvidia.md).
const TILES: [[u32; 2]; 3] = [[1, 1], [2, 1], [1, 2]];
const SOFTWARE_TILES: [[u32; 2]; 8] = [[1, 1], [2, 1], [1, 2], [2, 2], [4, 1], [4, 2], [4, 4], [8, 2]];
/// Workgroups that are tried there, threads along columns and rows.
const WORKGROUPS: [[u32; 2]; 3] = [[8, 4], [2, 16], [4, 16]];
const SOFTWARE_WORKGROUPS: [[u32; 2]; 1] = [[16, 1]];
/// The same where a workgroup reads together, so many bricks of the reduction axis at a time; on software adapters a
/// thread finds what another has read.
const K_TILE_WORKGROUPS: [[u32; 2]; 3] = [[8, 8], [8, 16], [16, 16]];
const K_TILES: [u32; 2] = [2, 4];
/// Numbers of threads, up to which sums are split, that are tried.
const THREADS: [u32; 6] = [0, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17];
const SOFTWARE_THREADS: [u32; 1] = [0];
/// What the runs of one submission take together, about, so that the submission's own time counts little: some tens of
/// microseconds, as long as a whole pass of a fast adapter. And how many they are at most.
const SPAN: Duration = Duration::from_millis(4);
const MOST_RUNS: u32 = 256;
/// Submissions, of which the fastest counts.
const TRIES: u32 = 5;

impl Tuning {
    /// Tries kernel shapes on a device, for a layer of this shape and probability in f32, and returns the fastest.
    /// Every choice gives the same mask bits.
    ///
    /// Once per adapter, and kept: [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr) make a
    /// line of text of it, [`KernelOptions::tuning`] takes it. Compiles about a hundred kernels, submits to the
    /// queue and waits, half a minute in all; other work on the device meanwhile spoils the result. The tensors of such
    /// a layer are allocated and freed.
    ///
    /// # Errors
    /// [`Error::BufferSize`] and [`Error::OutOfMemory`] where the tensors do not fit the device;
    /// [`Error::DeviceLost`]; as [`Kernels::new`] and [`Kernels::record`].
    pub async fn measured_async(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        shape: &Shape,
        probability: DropProbability,
    ) -> Result<Self, Error> {
        let software = device.adapter_info().device_type == wgpu::DeviceType::Cpu;
        let trial = Trial::new(device, queue, *shape, probability)?;
        let mut best = trial.candidate(Self::for_adapter(&device.adapter_info(), device.features()))?;
        let k_tiles = !software && best.kernels.has_k_tiles();
        let (bricks, workgroups, threads) = if software {
            (&SOFTWARE_TILES[..], &SOFTWARE_WORKGROUPS[..], &SOFTWARE_THREADS[..])
        } else {
            (&TILES[..], &WORKGROUPS[..], &THREADS[..])
        };
        let limits = device.limits();
        let fits = |&&[x, y]: &&[u32; 2]| {
            x * y <= limits.max_compute_invocations_per_workgroup
                && x <= limits.max_compute_workgroup_size_x
                && y <= limits.max_compute_workgroup_size_y
        };
        let tiles = |workgroups: &[[u32; 2]]| -> Vec<Tile> {
            let tiles = bricks.iter().flat_map(|&[rows, columns]| {
                workgroups.iter().filter(fits).map(move |&workgroup| Tile::new(rows, columns, workgroup))
            });
            tiles.collect()
        };
        let tiled = tiles(&K_TILE_WORKGROUPS).into_iter().filter(|_| k_tiles);
        let tiled = tiled.flat_map(|tile| K_TILES.map(|steps| tile.with_k_tile(steps)));
        let tiles: Vec<Tile> = tiles(workgroups).into_iter().chain(tiled).collect();
        for mask_op in [MaskOp::Select, MaskOp::And] {
            best = trial.faster(best, |tuning| tuning.mask_op = mask_op, &[Kind::Forward]).await?;
        }
        for (pass, tile_of) in TILED {
            for &tile in &tiles {
                best = trial.faster(best, |tuning| *tile_of(tuning) = tile, &[pass]).await?;
            }
        }
        let passes = TILED.map(|(pass, _)| pass);
        // Text compiles for longer on software adapters, which gain nothing by it.
        for unrolled in [false, true].into_iter().filter(|_| !software) {
            best = trial.faster(best, |tuning| tuning.unrolled = unrolled, &passes).await?;
        }
        for &threads in threads {
            best = trial.faster(best, |tuning| tuning.threads = threads, &passes).await?;
        }
        Ok(best.tuning)
    }

    /// The same for a thread that may wait; elsewhere [`measured_async`](Self::measured_async) waits, too, when it is
    /// polled first.
    ///
    /// # Errors
    /// As [`measured_async`](Self::measured_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn measured(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        shape: &Shape,
        probability: DropProbability,
    ) -> Result<Self, Error> {
        pollster::block_on(Self::measured_async(device, queue, shape, probability))
    }
}

type TileOf = fn(&mut Tuning) -> &mut Tile;

/// Passes that any tile serves, and where a tuning has theirs.
const TILED: [(Kind, TileOf); 3] = [
    (Kind::Forward, |tuning| &mut tuning.forward),
    (Kind::InputGradient, |tuning| &mut tuning.input_gradient),
    (Kind::WeightGradient, |tuning| &mut tuning.weight_gradient),
];

const TENSORS: [&str; 6] = ["x", "weight", "grad_output", "y", "grad_input", "grad_weight"];

/// A tuning with its kernels, which are compiled once.
struct Candidate {
    tuning: Tuning,
    kernels: Kernels,
}

/// A layer to try kernels on.
struct Trial<'a> {
    device: &'a wgpu::Device,
    queue: &'a wgpu::Queue,
    shape: Shape,
    mask: Mask,
    /// Those of [`TENSORS`].
    tensors: [wgpu::Buffer; 6],
}

impl<'a> Trial<'a> {
    fn new(
        device: &'a wgpu::Device,
        queue: &'a wgpu::Queue,
        shape: Shape,
        probability: DropProbability,
    ) -> Result<Self, Error> {
        let tensor = |elements: usize| {
            let bytes = (elements as u64).saturating_mul(size_of::<f32>() as u64);
            allocate::zeroed(device, "dropconnect.autotune", bytes, wgpu::BufferUsages::STORAGE)
        };
        let (x, weight, y) = (shape.input_len(), shape.weight_len(), shape.output_len());
        let tensors = [tensor(x)?, tensor(weight)?, tensor(y)?, tensor(y)?, tensor(x)?, tensor(weight)?];
        Ok(Self { device, queue, shape, mask: Mask::new(MaskKey::new(0, 0), probability), tensors })
    }

    fn candidate(&self, tuning: Tuning) -> Result<Candidate, Error> {
        let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
        Ok(Candidate { tuning, kernels: Kernels::new(self.device, &options)? })
    }

    /// The best so far, or the same with a change if these passes take less time with it.
    async fn faster(
        &self,
        best: Candidate,
        change: impl FnOnce(&mut Tuning),
        passes: &[Kind],
    ) -> Result<Candidate, Error> {
        let mut other = best.tuning;
        change(&mut other);
        if best.tuning == other {
            return Ok(best);
        }
        let other = self.candidate(other)?;
        // Both anew each time: an adapter that warms up or slows down meanwhile treats them alike.
        let (mut times, mut other_times) = (Duration::ZERO, Duration::ZERO);
        for &pass in passes {
            times += self.time(&best.kernels, pass).await?;
            other_times += match self.time(&other.kernels, pass).await {
                // A kernel that its compiler refuses is none to choose.
                Err(Error::DeviceFault { .. }) => return Ok(best),
                other => other?,
            };
        }
        Ok(if other_times < times { other } else { best })
    }

    /// Of one run of a pass.
    async fn time(&self, kernels: &Kernels, kind: Kind) -> Result<Duration, Error> {
        let recording = self.record(kernels, kind)?;
        // The first one compiles and warms up.
        self.submission(&recording, 1).await?;
        let mut runs = 1;
        let mut fastest = self.submission(&recording, runs).await?;
        while fastest < SPAN / 2 && runs < MOST_RUNS {
            let wanted = SPAN.as_nanos() / fastest.as_nanos().max(1);
            runs = u32::try_from(wanted).unwrap_or(MOST_RUNS).saturating_mul(runs).min(MOST_RUNS);
            fastest = self.submission(&recording, runs).await?;
        }
        for _ in 1..TRIES {
            fastest = fastest.min(self.submission(&recording, runs).await?);
        }
        Ok(fastest / runs)
    }

    /// Of so many runs in one submission, and of the submission.
    async fn submission(&self, recording: &Recording, runs: u32) -> Result<Duration, Error> {
        let start = Instant::now();
        let index = allocate::submit(self.device, self.queue, "dropconnect.autotune", |encoder| {
            let descriptor =
                wgpu::ComputePassDescriptor { label: Some("dropconnect.autotune"), timestamp_writes: None };
            let mut pass = encoder.begin_compute_pass(&descriptor);
            (0..runs).for_each(|_| recording.record(&mut pass));
            Ok(())
        })?;
        allocate::done(self.device, self.queue, index).await?;
        Ok(start.elapsed())
    }

    fn record(&self, kernels: &Kernels, kind: Kind) -> Result<Recording, Error> {
        let (shape, tensors) = (self.shape, &self.tensors);
        let tensor = |name| {
            let at = TENSORS.iter().position(|&of| of == name).expect("a tensor of these calls");
            Tensor::new(&tensors[at], ElementType::F32)
        };
        let call = Call::of(kind, shape, Some(&self.mask), Bias::None, Write::Overwrite);
        let call = call.expect("a kind with this mask");
        kernels.record(call.map(|operand| tensor(operand.name), |result| tensor(result.name)))
    }
}
