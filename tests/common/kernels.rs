//! The adapter of a test binary, and kernels on it.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use dropconnect::call::PredictivePass;
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, Kernels, MaskOp, Multiply, Tensor, Tile, Tuning};
use dropconnect::{Device, ElementType, Error, Mask, Shape, wgpu};
use dropconnect_testing::*;

#[path = "adapter.rs"]
mod opened;
pub use opened::{adapter, not_run};

/// The adapter as a device of its own, where there is one.
pub fn adapter_device(test: &str) -> Option<Device> {
    adapter(test)?;
    Some(Device::gpu(&AdapterChoice::default()).expect("the adapter opens once more"))
}

/// The adapter with small tiles, where there is one.
pub fn adapter_target(test: &str) -> Option<Target<'static>> {
    adapter(test).map(|gpu| Target::Adapter { gpu, kernels: plain_kernels(gpu) })
}

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
pub fn small_tiles(mask_op: MaskOp) -> Tuning {
    tiles(1, 1, [4, 2], mask_op)
}

/// The same tile for every pass.
pub fn tiles(rows: u32, columns: u32, workgroup: [u32; 2], mask_op: MaskOp) -> Tuning {
    // Either way of writing out the planes goes with one way of applying bits.
    let unrolled = mask_op != MaskOp::And;
    let tile = Tile::new(rows, columns, workgroup);
    Tuning::software().with_tiles(tile).with_mask_op(mask_op).with_unrolled(unrolled)
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
    kernels(gpu, small_tiles(MaskOp::And), gpu.kernels().multiply(), false)
}

/// The same on an adapter, with the number of dispatches of each call.
pub fn run_counted(gpu: &Gpu, kernels: &Kernels, call: &Case, data: &Data) -> (Results<f32>, Vec<usize>) {
    let outcome = Target::Adapter { gpu, kernels }.run_all(call, data);
    outcome.unwrap_or_else(|error| panic!("{call:?}: {error}"))
}

/// As [`run_counted`], without the count.
pub fn run(gpu: &Gpu, kernels: &Kernels, call: &Case, data: &Data) -> Results<f32> {
    run_counted(gpu, kernels, call, data).0
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
    let written = Target::Adapter { gpu, kernels }.mask(shape, mask, bias, placement);
    written.unwrap_or_else(|error| panic!("{shape} {mask:?}: {error}"))
}

/// That the device still computes, with no error of validation on the way, and what it computes.
pub fn still_works(gpu: &'static Gpu) {
    let call = Case::new(shape([3, 5, 9]), Some(mask(0.5)));
    let data = Data::random(&call.shape, ElementType::F32, 41);
    let got = run(gpu, plain_kernels(gpu), &call, &data);
    assert_all_close(&got, &expected(&call, &data), 1e-5, "after refused calls");
}

/// Operands and results on the device.
pub fn arena<'g>(gpu: &'g Gpu, placement: Placement, operands: &[Vec<u8>], results: &[Vec<u8>]) -> Arena<'g> {
    Arena::new(gpu, Pool::new(placement, operands, results)).unwrap()
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
        gpu.submit(&kernels.record(call).unwrap()).unwrap();
    }
    [mean, entropy, information].map(|buffer| element.decode(&gpu.read(&buffer, 0..buffer.size()).unwrap()))
}
