//! What the tests on an adapter share: the adapter, seeded data, tensors with guard words around them, one
//! way to run every pass, the float64 answers, and a comparison that refuses loose bounds.
#![allow(dead_code, reason = "each test binary uses its own part")]

mod adapter;
mod calls;
mod compare;
mod data;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use dropconnect::gpu::{
    AdapterChoice, Apply, BothGradientsTuning, Gpu, KernelOptions, Kernels, Multiply, PredictivePass,
    Recording, Tensor, Tile, Tuning, WriteMask,
};
use dropconnect::{Bias, Device, ElementType, Error, Mask, Shape, Write, wgpu};

#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use adapter::{adapter, not_run};
#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use calls::*;
#[allow(unused_imports, reason = "each test binary uses its own part")]
pub use compare::*;
pub use data::*;

/// The CPU, and the adapter where there is one, as devices.
pub fn devices(test: &str) -> Vec<Device> {
    let mut devices = vec![Device::Cpu];
    if adapter(test).is_some() {
        devices.push(Device::gpu(&AdapterChoice::default()).expect("the adapter opens once more"));
    }
    devices
}

// ---------------------------------------------------------------------------------------------- kernels

/// Both ways to multiply, or only the one that this device has.
pub fn multiplies(gpu: &Gpu, test: &str) -> Vec<Multiply> {
    if gpu.device().features().contains(wgpu::Features::SHADER_INT64) {
        vec![Multiply::Split, Multiply::Wide]
    } else {
        not_run(test, "Multiply::Wide, the device has no SHADER_INT64");
        vec![Multiply::Split]
    }
}

/// One brick a thread in small workgroups: the quickest to compile, and grids of many groups.
pub fn small_tiles(apply: Apply) -> Tuning {
    tiles(1, 1, [4, 2], apply)
}

/// The same tile for every pass.
pub fn tiles(rows: u32, columns: u32, workgroup: [u32; 2], apply: Apply) -> Tuning {
    // Either way of writing out the planes goes with one way of applying bits.
    let rolled = apply == Apply::And;
    let tile = Tile::new(rows, columns, workgroup);
    Tuning::software().with_tiles(tile).with_both_gradients(None).with_apply(apply).with_rolled(rolled)
}

/// The same, with both gradients in one pass wherever that is possible.
pub fn combined(tuning: Tuning, rows: u32, columns: u32, workgroup: [u32; 2]) -> Tuning {
    tuning.with_both_gradients(Some(BothGradientsTuning::new(Tile::new(rows, columns, workgroup), 1, 0)))
}

/// Kernels of the shared device, made once for each choice, so that tests share compiled pipelines.
pub fn kernels(gpu: &'static Gpu, tuning: Tuning, multiply: Multiply, checked: bool) -> &'static Kernels {
    type Made = HashMap<(Tuning, Multiply, bool), &'static Kernels>;
    static MADE: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry((tuning, multiply, checked)).or_insert_with(|| {
        let options =
            KernelOptions { tuning: Some(tuning), multiply: Some(multiply), checked, ..Default::default() };
        Box::leak(Box::new(Kernels::new(gpu.device(), &options).expect("the device has what it needs")))
    })
}

/// Small tiles, `and`, and the device's own way to multiply.
pub fn plain_kernels(gpu: &'static Gpu) -> &'static Kernels {
    kernels(gpu, small_tiles(Apply::And), gpu.kernels().multiply(), false)
}

// ---------------------------------------------------------------------------------------------- tensors

/// Where the tensors of a call lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// A buffer each: operands are bound `read`.
    Separate,
    /// All in one buffer, at multiples of 256 bytes: everything is bound `read_write`.
    PooledAligned,
    /// All in one buffer, at odd multiples of 4 bytes.
    PooledOdd,
}

/// What guard words hold. As a float it is NaN, so that nobody reads it unnoticed either.
const GUARD: u8 = 0xFE;
/// What results hold before they are written: NaN in every element type.
pub const POISON: u8 = 0xFF;
/// Bytes of guard before and after each tensor, at least.
const MARGIN: usize = 64;

struct Slot {
    buffer: usize,
    offset: usize,
    size: usize,
}

/// Tensors on the device, with guard words around each.
pub struct Arena<'g> {
    gpu: &'g Gpu,
    buffers: Vec<wgpu::Buffer>,
    images: Vec<Vec<u8>>,
    slots: Vec<Slot>,
}

impl<'g> Arena<'g> {
    pub fn new(gpu: &'g Gpu, placement: Placement, contents: &[Vec<u8>]) -> Self {
        let mut images: Vec<Vec<u8>> = Vec::new();
        let mut slots = Vec::new();
        for bytes in contents {
            if images.is_empty() || placement == Placement::Separate {
                images.push(Vec::new());
            }
            let buffer = images.len() - 1;
            let image = images.last_mut().unwrap();
            let offset = match placement {
                Placement::Separate => 0,
                Placement::PooledAligned => (image.len() + MARGIN).next_multiple_of(256),
                Placement::PooledOdd => (image.len() + MARGIN).next_multiple_of(8) + 4,
            };
            image.resize(offset, GUARD);
            image.extend_from_slice(bytes);
            // What is left of the last word is padding that belongs to nobody, and is watched, too.
            image.resize((image.len() + MARGIN).next_multiple_of(4), GUARD);
            slots.push(Slot { buffer, offset, size: bytes.len() });
        }
        let buffers = images.iter().map(|image| gpu.upload(image).unwrap()).collect();
        Self { gpu, buffers, images, slots }
    }

    pub fn tensor(&self, index: usize, element: ElementType) -> Tensor<'_> {
        let slot = &self.slots[index];
        let (offset, size) = (slot.offset as u64, slot.size as u64);
        Tensor { buffer: &self.buffers[slot.buffer], offset, size, element }
    }

    /// The bytes of some tensors, after checking that nothing outside of them has changed.
    pub fn results(&self, of: &[usize]) -> Result<Vec<Vec<u8>>, String> {
        let mut now = Vec::new();
        for (buffer, image) in self.buffers.iter().zip(&self.images) {
            now.push(self.gpu.read(buffer, 0..image.len() as u64).unwrap());
        }
        let results: Vec<_> = of
            .iter()
            .map(|&index| {
                let slot = &self.slots[index];
                let (range, buffer) = (slot.offset..slot.offset + slot.size, slot.buffer);
                let bytes = now[buffer][range.clone()].to_vec();
                now[buffer][range.clone()].copy_from_slice(&self.images[buffer][range]);
                bytes
            })
            .collect();
        for (buffer, (now, image)) in now.iter().zip(&self.images).enumerate() {
            if let Some(at) = now.iter().zip(image).position(|(now, then)| now != then) {
                return Err(format!("byte {at} of buffer {buffer}, outside of every result, was written"));
            }
        }
        Ok(results)
    }
}

// --------------------------------------------------------------------------------------------- the passes

/// What happens to the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BiasKind {
    None,
    Plain,
    Masked,
}

impl BiasKind {
    pub const ALL: [Self; 3] = [Self::None, Self::Plain, Self::Masked];

    pub fn with<T>(self, tensor: T) -> Bias<T> {
        match self {
            Self::None => Bias::None,
            Self::Plain => Bias::Plain(tensor),
            Self::Masked => Bias::Masked(tensor),
        }
    }
}

/// A call of all four passes.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub shape: Shape,
    pub element: ElementType,
    pub mask: Option<Mask>,
    pub bias: BiasKind,
    pub write: Write,
    pub placement: Placement,
}

impl Call {
    /// f32, separate buffers, masked bias, overwriting.
    pub fn new(shape: Shape, mask: Option<Mask>) -> Self {
        Self {
            shape,
            element: ElementType::F32,
            mask,
            bias: BiasKind::Masked,
            write: Write::Overwrite,
            placement: Placement::Separate,
        }
    }

    /// The mask of the bias, where that has one.
    pub fn bias_mask(&self) -> Option<&Mask> {
        self.mask.as_ref().filter(|_| self.bias == BiasKind::Masked)
    }
}

/// Y, dX, dW and db.
#[derive(Clone, Debug, PartialEq)]
pub struct Results<T> {
    pub y: Vec<T>,
    pub dx: Vec<T>,
    pub dw: Vec<T>,
    pub db: Vec<T>,
}

impl<T> Results<T> {
    pub fn named(&self) -> [(&'static str, &[T]); 4] {
        [("y", &self.y), ("dx", &self.dx), ("dw", &self.dw), ("db", &self.db)]
    }
}

impl Results<f32> {
    /// For comparison by bits, in which NaN equals itself and 0 differs from -0.
    pub fn bits(&self) -> [Vec<u32>; 4] {
        self.named().map(|(_, values)| values.iter().map(|value| value.to_bits()).collect())
    }
}

/// Runs all four passes in one submission, into poisoned results (or onto `data.before`), and checks that
/// nothing but the results has changed. Where the kernels may compute both gradients in one pass, they are asked
/// for in one call. Also returns the number of dispatches of each call.
pub fn run_counted(gpu: &Gpu, kernels: &Kernels, call: &Call, data: &Data) -> (Results<f32>, Vec<usize>) {
    let Call { shape, element, write, .. } = *call;
    let poison = |len: usize| vec![POISON; len * element.size()];
    let before = |before: &[f32]| match write {
        Write::Overwrite => poison(before.len()),
        Write::Accumulate => element.encode(before),
    };
    let arena = Arena::new(
        gpu,
        call.placement,
        &[
            element.encode(&data.x),
            element.encode(&data.weight),
            element.encode(&data.bias),
            element.encode(&data.grad),
            poison(shape.output_len()),
            before(&data.before[0]),
            before(&data.before[1]),
            before(&data.before[2]),
        ],
    );
    let [x, weight, bias, grad_output, y, grad_input, grad_weight, grad_bias] =
        std::array::from_fn(|index| arena.tensor(index, element));
    let mask = call.mask.as_ref();
    let operands = Operands { shape, x, weight, bias: call.bias.with(bias), grad_output, write };
    let mut recordings = vec![kernels.forward(&operands.forward(mask, y))];
    if kernels.tuning().both_gradients.is_some() {
        let both = operands.both_gradients(mask, (grad_input, write), (grad_weight, write));
        recordings.push(kernels.both_gradients(&both));
    } else {
        recordings.push(kernels.input_gradient(&operands.input_gradient(mask, grad_input)));
        recordings.push(kernels.weight_gradient(&operands.weight_gradient(mask, grad_weight)));
    }
    recordings.push(kernels.bias_gradient(&operands.bias_gradient(call.bias_mask(), grad_bias)));
    let recordings: Vec<_> = recordings
        .into_iter()
        .map(|recording| recording.unwrap_or_else(|error| panic!("{call:?}: {error}")))
        .collect();
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    recordings.iter().for_each(|recording| recording.encode(&mut encoder));
    gpu.queue().submit([encoder.finish()]);
    let results = arena.results(&[4, 5, 6, 7]).unwrap_or_else(|error| panic!("{call:?}: {error}"));
    let [y, dx, dw, db] = results.try_into().unwrap();
    let [y, dx, dw, db] = [y, dx, dw, db].map(|bytes: Vec<u8>| element.decode(&bytes));
    (Results { y, dx, dw, db }, recordings.iter().map(Recording::dispatches).collect())
}

/// As [`run_counted`], without the count.
pub fn run(gpu: &Gpu, kernels: &Kernels, call: &Call, data: &Data) -> Results<f32> {
    run_counted(gpu, kernels, call, data).0
}

/// The answers, in float64.
pub fn expected(call: &Call, data: &Data) -> Results<f64> {
    let data64 = data.wide();
    let operands = data64.operands(&call.shape, call.bias);
    let mut results = operands.reference(call.mask.as_ref(), call.bias_mask());
    if call.write == Write::Accumulate {
        for (sums, before) in
            [&mut results.dx, &mut results.dw, &mut results.db].into_iter().zip(&data.before)
        {
            sums.iter_mut().zip(before).for_each(|(sum, &before)| *sum += f64::from(before));
        }
    }
    results
}

/// The mask as the mask kernel writes it: `[batch, outputs, inputs]`, or `[batch, outputs]` of the bias.
pub fn written_mask(
    gpu: &Gpu,
    kernels: &Kernels,
    shape: Shape,
    mask: &Mask,
    bias: bool,
    placement: Placement,
) -> Vec<u8> {
    let bytes = shape.output_len() * if bias { 1 } else { shape.inputs() };
    // A second tensor, so that a pool is one.
    let arena = Arena::new(gpu, placement, &[vec![0; 4], vec![POISON; bytes]]);
    let Tensor { buffer: result, offset, size, .. } = arena.tensor(1, ElementType::F32);
    let call = WriteMask { shape, mask, result, offset, size };
    let recording = if bias { kernels.write_bias_mask(&call) } else { kernels.write_mask(&call) };
    gpu.submit(&recording.unwrap()).unwrap();
    arena.results(&[1]).unwrap_or_else(|error| panic!("{shape} {mask:?}: {error}")).remove(0)
}

/// Mean, entropy and information of passes with these logits.
pub fn predicted(gpu: &Gpu, kernels: &Kernels, shape: &Shape, passes: &[Vec<f32>]) -> [Vec<f32>; 3] {
    let element = ElementType::F32;
    let upload = |values: &[f32]| gpu.upload(&element.encode(values)).unwrap();
    let poison = |len| upload(&vec![f32::NAN; len]);
    let [mean, entropy, information] = [shape.output_len(), shape.batch(), shape.batch()].map(poison);
    for (pass, logits) in passes.iter().enumerate() {
        let logits = upload(logits);
        let of = |buffer| Tensor::new(buffer, element);
        let call = PredictivePass {
            shape: *shape,
            pass: pass as u32,
            passes: passes.len() as u32,
            logits: of(&logits),
            mean: of(&mean),
            entropy: of(&entropy),
            information: of(&information),
        };
        gpu.submit(&kernels.predictive(&call).unwrap()).unwrap();
    }
    [mean, entropy, information].map(|buffer| element.decode(&gpu.read(&buffer, 0..buffer.size()).unwrap()))
}
