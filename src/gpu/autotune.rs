//! The fastest kernel shapes of an adapter, found by trying.

use std::time::Duration;

use web_time::Instant;

use super::{Apply, BothGradientsTuning, KernelOptions, Kernels, Recording, Tensor, Tile, Tuning, allocate};
use crate::call::{BothGradients, Forward, InputGradient, WeightGradient};
use crate::{Bias, DropProbability, ElementType, Error, Mask, MaskKey, Rounds, Shape, Write};

/// Bricks of a thread that are tried, rows and columns.
const TILES: [[u32; 2]; 8] = [[1, 1], [2, 1], [1, 2], [2, 2], [4, 1], [4, 2], [4, 4], [8, 2]];
/// Workgroups that are tried on hardware and on software adapters, threads along columns and rows.
const WORKGROUPS: [[u32; 2]; 4] = [[8, 4], [8, 8], [32, 4], [16, 16]];
const SOFTWARE_WORKGROUPS: [[u32; 2]; 1] = [[16, 1]];
/// Numbers of threads, up to which sums are split, that are tried.
const THREADS: [u32; 6] = [0, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17];
const SOFTWARE_THREADS: [u32; 1] = [0];
/// Tiles for both gradients that are tried. More threads along the inputs read fewer lines of G at a
/// time, and leave fewer workgroups.
const BOTH_GRADIENTS: [Tile; 6] = [
    Tile { rows: 1, columns: 1, workgroup: [1, 128] },
    Tile { rows: 1, columns: 1, workgroup: [2, 64] },
    Tile { rows: 1, columns: 1, workgroup: [4, 32] },
    Tile { rows: 2, columns: 1, workgroup: [1, 128] },
    Tile { rows: 2, columns: 1, workgroup: [4, 32] },
    Tile { rows: 1, columns: 2, workgroup: [1, 64] },
];
const SOFTWARE_BOTH_GRADIENTS: [Tile; 2] =
    [Tile { rows: 8, columns: 2, workgroup: [8, 1] }, Tile { rows: 8, columns: 1, workgroup: [16, 1] }];
/// Times that a pass runs in one submission, so that the submission's own time counts little, and submissions, of
/// which the fastest counts.
const RUNS: u32 = 4;
const TRIES: u32 = 5;

impl Tuning {
    /// Tries kernel shapes on a device, for a layer of this shape and probability in f32, and returns the fastest.
    /// Every choice gives the same mask bits.
    ///
    /// Once per adapter, and kept: [`Display`](std::fmt::Display) and [`FromStr`](std::str::FromStr) make a
    /// line of text of it, [`KernelOptions::tuning`] takes it. Compiles some dozens of kernels, submits to the
    /// queue and waits, seconds in all; other work on the device meanwhile spoils the result. The tensors of such
    /// a layer are allocated and freed.
    ///
    /// # Errors
    /// [`Error::BufferSize`] and [`Error::OutOfMemory`] where the tensors do not fit the device;
    /// [`Error::DeviceLost`]; as [`Kernels::new`] and [`Kernels::forward`].
    pub async fn measured_async(
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        shape: &Shape,
        probability: DropProbability,
    ) -> Result<Self, Error> {
        let software = device.adapter_info().device_type == wgpu::DeviceType::Cpu;
        let (workgroups, threads, both_gradients) = if software {
            (&SOFTWARE_WORKGROUPS[..], &SOFTWARE_THREADS[..], &SOFTWARE_BOTH_GRADIENTS[..])
        } else {
            (&WORKGROUPS[..], &THREADS[..], &BOTH_GRADIENTS[..])
        };
        let limits = device.limits();
        let fits = |[x, y]: &&[u32; 2]| x * y <= limits.max_compute_invocations_per_workgroup;
        let tiles: Vec<Tile> = TILES
            .iter()
            .flat_map(|&[rows, columns]| {
                workgroups.iter().filter(fits).map(move |&workgroup| Tile { rows, columns, workgroup })
            })
            .collect();
        let trial = Trial::new(device, queue, *shape, probability)?;
        let mut best = Self::for_adapter(&device.adapter_info(), device.features());
        for apply in [Apply::Select, Apply::And] {
            best = trial.faster(best, Self { apply, ..best }, &[Tuned::Forward]).await?;
        }
        for (pass, tile_of) in TILED {
            for &tile in &tiles {
                let mut other = best;
                *tile_of(&mut other) = tile;
                best = trial.faster(best, other, &[pass]).await?;
            }
        }
        for &threads in threads {
            let passes = TILED.map(|(pass, _)| pass);
            best = trial.faster(best, Self { threads, ..best }, &passes).await?;
        }
        best.both_gradients = None;
        for &tile in both_gradients.iter().filter(|tile| fits(&&tile.workgroup)) {
            // From as many rounds and threads on as here: with fewer it has not been tried.
            let bricks = [shape.inputs().div_ceil(8), shape.batch().div_ceil(4)].map(|bricks| bricks as u32);
            let threads = u32::try_from(tile.count(bricks)).unwrap_or(u32::MAX);
            let rounds = probability.rounds(Rounds::Ten);
            let both_gradients = Some(BothGradientsTuning { tile, rounds, threads });
            let passes = [Tuned::BothGradients];
            best = trial.faster(best, Self { both_gradients, ..best }, &passes).await?;
        }
        Ok(best)
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

/// What is timed: a call whose tile a tuning has.
#[derive(Clone, Copy)]
enum Tuned {
    Forward,
    InputGradient,
    WeightGradient,
    BothGradients,
}

type TileOf = fn(&mut Tuning) -> &mut Tile;

/// Passes that any tile serves, and where a tuning has theirs.
const TILED: [(Tuned, TileOf); 3] = [
    (Tuned::Forward, |tuning| &mut tuning.forward),
    (Tuned::InputGradient, |tuning| &mut tuning.input_gradient),
    (Tuned::WeightGradient, |tuning| &mut tuning.weight_gradient),
];

/// A layer to try kernels on.
struct Trial<'a> {
    device: &'a wgpu::Device,
    queue: &'a wgpu::Queue,
    shape: Shape,
    mask: Mask,
    /// X, W, G, Y, dX, dW.
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

    /// The one of two tunings with which these passes take less time.
    async fn faster(&self, best: Tuning, other: Tuning, passes: &[Tuned]) -> Result<Tuning, Error> {
        if best == other {
            return Ok(best);
        }
        // Both anew each time: an adapter that warms up or slows down meanwhile treats them alike.
        let (mut times, mut other_times) = (Duration::ZERO, Duration::ZERO);
        for &pass in passes {
            times += self.time(best, pass).await?;
            other_times += self.time(other, pass).await?;
        }
        Ok(if other_times < times { other } else { best })
    }

    async fn time(&self, tuning: Tuning, pass: Tuned) -> Result<Duration, Error> {
        let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
        let recording = self.record(&Kernels::new(self.device, &options)?, pass)?;
        let mut fastest = Duration::MAX;
        // The first one compiles and warms up.
        for attempt in 0..=TRIES {
            let start = Instant::now();
            let index = allocate::submit(self.device, self.queue, "dropconnect.autotune", |encoder| {
                (0..if attempt == 0 { 1 } else { RUNS }).for_each(|_| recording.encode(encoder));
                Ok(())
            })?;
            allocate::done(self.device, self.queue, index).await?;
            if attempt > 0 {
                fastest = fastest.min(start.elapsed());
            }
        }
        Ok(fastest)
    }

    fn record(&self, kernels: &Kernels, pass: Tuned) -> Result<Recording, Error> {
        let [x, weight, grad_output, y, grad_input, grad_weight] =
            self.tensors.each_ref().map(|buffer| Tensor::new(buffer, ElementType::F32));
        let (shape, write, mask) = (self.shape, Write::Overwrite, Some(&self.mask));
        match pass {
            Tuned::Forward => kernels.forward(&Forward { shape, mask, x, weight, bias: Bias::None, y }),
            Tuned::InputGradient => {
                let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
                kernels.input_gradient(&call)
            }
            Tuned::WeightGradient => {
                kernels.weight_gradient(&WeightGradient { shape, mask, grad_output, x, grad_weight, write })
            }
            Tuned::BothGradients => {
                let (grad_input, grad_weight) = ((grad_input, write), (grad_weight, write));
                let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
                kernels.both_gradients(&call)
            }
        }
    }
}
