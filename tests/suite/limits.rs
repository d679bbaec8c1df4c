//! Devices with limits below WebGPU's, and sizes past every limit: served, or refused by name.

use std::sync::Arc;

use crate::common::*;
use dropconnect::gpu::{
    AdapterChoice, Gpu, KernelOptions, Kernels, MaskOp, Method, Tensor, Tile, Tuning, WriteMask,
};
use dropconnect::{Activation, Bias, Device, ElementType, Error, Mask, Moments, Shape, cpu, reference, wgpu};

fn open(limits: wgpu::Limits, tuning: Tuning) -> Result<Gpu, Error> {
    let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
    Gpu::with_limits(&AdapterChoice::default().adapters().swap_remove(0), limits, &options)
}

fn lowered(lower: impl FnOnce(&mut wgpu::Limits)) -> wgpu::Limits {
    let mut limits = wgpu::Limits::defaults();
    lower(&mut limits);
    limits
}

/// What every call of a device gives, by name.
fn results(
    device: &Device,
    shape: &Shape,
    mask: &Mask,
    element: ElementType,
) -> Vec<(&'static str, Result<Vec<f32>, Error>)> {
    let data = Data::random(shape, element, 11);
    let operands = data.operands(shape, Bias::Masked(()));
    let (some, of) = (Some(mask), |passes| operands.monte_carlo(mask, passes, MADE));
    let u = Moments { mean: data.grad_output.clone(), variance: vec![0.5; data.grad_output.len()] };
    let sampled = Method::Sampled { samples: 5, key: mask.key, origin: mask.origin };
    let both = |moments: Moments| [moments.mean, moments.variance].concat();
    let bytes = |bytes: Vec<u8>| bytes.into_iter().map(f32::from).collect();
    vec![
        ("forward", device.run(element, operands.forward(some, ())).wait()),
        ("evaluation", device.run(element, operands.forward(None, ())).wait()),
        ("input_gradient", device.run(element, operands.input_gradient(some, ())).wait()),
        ("weight_gradient", device.run(element, operands.weight_gradient(some, ())).wait()),
        ("bias_gradient", device.run(element, operands.bias_gradient(some, ())).wait()),
        ("mask", device.mask(shape, mask).wait().map(bytes)),
        ("bias_mask", device.bias_mask(shape, mask).wait().map(bytes)),
        ("moments", device.run(element, operands.moments(&mask.probability, MADE)).wait().map(both)),
        ("activate", activate_on(device, *shape, Activation::Tanh, sampled, &u).map(both)),
        ("monte_carlo", device.run(element, of(4)).wait().map(both)),
        (
            "predictive",
            device
                .predictive(element, of(3))
                .wait()
                .map(|all| [all.mean, all.entropy, all.mutual_information].concat()),
        ),
    ]
}

/// Every pass on a device with these limits gives what the CPU gives; all are served.
fn served(what: &str, limits: wgpu::Limits, tuning: Tuning, shape: &Shape) {
    let device =
        Device::Gpu(Arc::new(open(limits, tuning).unwrap_or_else(|error| panic!("{what}: {error}"))));
    // Not at the start of a brick along any axis.
    let mask = mask(0.3).at(origin(3, 2, 5));
    let want = results(&Device::Cpu, shape, &mask, ElementType::F32);
    for ((pass, got), (_, want)) in results(&device, shape, &mask, ElementType::F32).into_iter().zip(want) {
        let got = got.unwrap_or_else(|error| panic!("{what}: {pass}: {error}"));
        assert_close(&got, &wide(&want.unwrap()), 1e-5, &format!("{what}: {pass}"));
    }
}

#[test]
fn devices_with_less_than_webgpu() {
    let Some(_) = adapter("devices_with_less_than_webgpu") else { return };
    let small = small_tiles(MaskOp::And);
    let shape = shape([13, 22, 43]);
    served("one bind group", lowered(|l| l.max_bind_groups = 1), small, &shape);
    served("small uniforms", lowered(|l| l.max_uniform_buffer_binding_size = 512), small, &shape);
    served("six buffers", lowered(|l| l.max_storage_buffers_per_shader_stage = 6), small, &shape);
    served("no depth", lowered(|l| l.max_compute_workgroup_size_z = 1), small, &shape);
    served("small bindings", lowered(|l| l.max_storage_buffer_binding_size = 1024), small, &shape);
    served("small buffers", lowered(|l| l.max_buffer_size = 1 << 14), small, &shape);
    let finest = AdapterChoice::default().adapters()[0].limits().min_storage_buffer_offset_alignment;
    for alignment in few(1, [4096, finest]) {
        let limits = lowered(|l| {
            l.min_storage_buffer_offset_alignment = alignment;
            l.max_storage_buffer_binding_size = 2 * u64::from(alignment).max(512);
        });
        served(&format!("bindings at multiples of {alignment}"), limits, small, &shape);
    }
    for groups in few(1, [3, 2]) {
        let limits = lowered(|l| l.max_compute_workgroups_per_dimension = groups);
        served(&format!("{groups} workgroups along an axis"), limits, small, &shape);
    }
    // Four threads with a brick each: every axis is cut.
    let limits = lowered(|l| l.max_compute_workgroups_per_dimension = 1);
    served("one workgroup along an axis", limits, small, &shape);
}

/// Tiles that shrink to a small problem must not come to more workgroups than there may be.
#[test]
fn one_workgroup_and_tall_tiles() {
    let Some(_) = adapter("one_workgroup_and_tall_tiles") else { return };
    let tuning = tiles(4, 2, [4, 1], MaskOp::And).with_forward(Tile::new(2, 4, [2, 1]));
    let limits = lowered(|l| l.max_compute_workgroups_per_dimension = 1);
    // Three bricks along each axis: a tile of four shrinks to two.
    served("one workgroup", limits, tuning, &shape([9, 9, 19]));
}

#[test]
fn devices_that_cannot_serve() {
    let Some(_) = adapter("devices_that_cannot_serve") else { return };
    let small = small_tiles(MaskOp::And);
    let refused = |limit: &str, limits| {
        refused!(open(limits, small), Error::DeviceLimits { .. }, [&format!("`{limit}` is")[..], "need"]);
    };
    refused("max_bind_groups", lowered(|l| l.max_bind_groups = 0));
    refused("max_uniform_buffer_binding_size", lowered(|l| l.max_uniform_buffer_binding_size = 256));
    refused("max_compute_workgroup_size_z", lowered(|l| l.max_compute_workgroup_size_z = 0));
    refused("max_compute_workgroups_per_dimension", lowered(|l| l.max_compute_workgroups_per_dimension = 0));
    refused("max_storage_buffer_binding_size", lowered(|l| l.max_storage_buffer_binding_size = 256));
    refused("max_buffer_size", lowered(|l| l.max_buffer_size = 128));
}

/// The keys of many passes are a binding, too.
#[test]
fn keys_past_a_binding() {
    let Some(_) = adapter("keys_past_a_binding") else { return };
    let limits = lowered(|l| l.max_storage_buffer_binding_size = 4096);
    let gpu = open(limits, small_tiles(MaskOp::And)).unwrap();
    let device = Device::Gpu(Arc::new(gpu));
    let (shape, mask) = (shape([2, 3, 4]), mask(0.5));
    let data = Data::random(&shape, ElementType::F32, 1);
    let run = |device: &Device| {
        let call = data.operands(&shape, Bias::None).monte_carlo(&mask, 1000, MADE);
        device.run(ElementType::F32, call).wait()
    };
    match run(&device) {
        Err(error) => {
            refused!(
                Err::<(), _>(error),
                Error::RowTooLarge { argument: "passes", .. },
                ["`passes`", "8000"]
            );
        }
        Ok(got) => assert_close(&got.mean, &wide(&run(&Device::Cpu).unwrap().mean), 1e-4, "means"),
    }
}

#[test]
fn buffers_past_every_limit() {
    let Some(gpu) = adapter("buffers_past_every_limit") else { return };
    let limit = gpu.device().limits().max_buffer_size;
    for size in [u64::MAX, u64::MAX - 1, u64::MAX - 3, 1 << 63, limit + 1] {
        let text = size.checked_next_multiple_of(4).unwrap_or(u64::MAX).to_string();
        refused!(gpu.buffer(size), Error::BufferSize { .. }, [&text[..], "max_buffer_size"]);
    }
    for size in [0, 1, 4, 5] {
        assert_eq!(gpu.buffer(size).unwrap().size(), size.max(1).next_multiple_of(4));
    }
    let p = mask(0.5).probability;
    let most = u32::MAX as usize;
    for dims in [[most, most, most], [1, most, most], [4, 1 << 30, 1 << 10]] {
        let measured = Tuning::measured(gpu.device(), gpu.queue(), &shape(dims), p);
        refused!(measured, Error::BufferSize { .. } | Error::OutOfMemory { .. }, [""]);
    }
    still_works(gpu);
}

#[test]
fn reads_outside() {
    let Some(gpu) = adapter("reads_outside") else { return };
    let buffer = gpu.upload(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    let read = |start, end| gpu.read(&buffer, start..end);
    assert_eq!(read(3, 6).unwrap(), [4, 5, 6]);
    assert!(read(8, 8).unwrap().is_empty() && read(0, 0).unwrap().is_empty());
    refused!(read(0, 9), Error::OutOfBounds { argument: "bytes", .. }, ["0..12", "8 bytes"]);
    refused!(read(9, 9), Error::OutOfBounds { .. }, ["`bytes`"]);
    refused!(read(4, u64::MAX), Error::OutOfBounds { .. }, ["`bytes`", "8 bytes"]);
    refused!(read(u64::MAX - 1, u64::MAX), Error::OutOfBounds { .. }, ["`bytes`"]);
    refused!(read(6, 3), Error::Range { start: 6, end: 3, .. }, ["`bytes` is 6..3"]);
    let made = |size, usage| {
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        gpu.device().create_buffer(&descriptor)
    };
    let silent = made(8, wgpu::BufferUsages::STORAGE);
    refused!(gpu.read(&silent, 0..8), Error::Usage { .. }, ["`buffer`", "STORAGE", "COPY_SRC"]);
    // Copies go in words: the last two bytes of six cannot be had.
    let odd = made(6, wgpu::BufferUsages::COPY_SRC);
    assert_eq!(gpu.read(&odd, 0..4).unwrap(), [0; 4]);
    refused!(gpu.read(&odd, 0..6), Error::OutOfBounds { .. }, ["0..8", "6 bytes"]);
    still_works(gpu);
}

/// Sizes whose product passes 2^64, whatever is given for them.
#[test]
fn masks_past_64_bits() {
    let Some(gpu) = adapter("masks_past_64_bits") else { return };
    let kernels: &Kernels = gpu.kernels();
    let (mask, buffer) = (mask(0.5), gpu.buffer(64).unwrap());
    // 2^64 exactly, which wraps to nothing, and more.
    for dims in [[1 << 24, 1 << 20, 1 << 20], [u32::MAX as usize; 3]] {
        let shape = shape(dims);
        for size in [0, 64, u64::MAX] {
            let call = WriteMask { shape, mask: &mask, result: &buffer, offset: 0, size };
            refused!(kernels.write_mask(&call), Error::TooLarge { .. }, ["`batch * outputs * inputs`"]);
            refused!(
                kernels.write_bias_mask(&call),
                Error::ByteSize { .. } | Error::OutOfBounds { .. },
                ["`result`"]
            );
        }
        for device in [Device::Cpu, Device::gpu(&AdapterChoice::default()).unwrap()] {
            refused!(device.mask(&shape, &mask).wait(), Error::TooLarge { .. }, ["batch * outputs * inputs"]);
        }
    }
    // A size that passes 2^64 when it is rounded up to whole words.
    let all = shape([1, u32::MAX as usize, u32::MAX as usize]);
    let tensor = Tensor { size: u64::MAX, ..Tensor::new(&buffer, ElementType::F32) };
    let x = Tensor { size: 4 * u64::from(u32::MAX), ..tensor };
    let operands = operands(all, x, tensor);
    refused!(
        kernels.record(operands.forward(None, tensor)),
        Error::OutOfBounds { .. },
        ["buffer of 64 bytes"]
    );
    refused!(
        kernels.record(operands.weight_gradient(None, tensor)),
        Error::TensorSize { .. },
        ["`grad_output`"]
    );
    still_works(gpu);
}

/// X, and W in the place of G, too.
fn operands<T: Copy>(shape: Shape, x: T, weight: T) -> Operands<T> {
    let (bias, write) = (Bias::None, dropconnect::Write::Overwrite);
    Operands { shape, x, weight, bias, grad_output: weight, write }
}

// -------------------------------------------------------------------------------------------- host memory

const MOST: usize = u32::MAX as usize;

/// Layers that no memory holds: their bytes pass the address space, or 2^64.
#[test]
fn layers_past_host_memory() {
    for outputs in [4_000_000_000, MOST] {
        for element in ElementType::ALL {
            let build = |device: &Device| {
                let key = dropconnect::MaskKey::new(1, 0);
                dropconnect::DropConnect::new(device, key, 4_000_000_000, outputs).element(element)
            };
            let devices = [
                Some(Device::Cpu),
                adapter("layers_past_host_memory: on the adapter")
                    .map(|_| Device::gpu(&AdapterChoice::default()).unwrap()),
            ];
            for device in devices.into_iter().flatten() {
                for init in [dropconnect::Init::Linear, dropconnect::Init::Zeros] {
                    refused!(
                        build(&device).init(init).build(),
                        Error::HostMemory { .. },
                        ["the host has no memory", "bytes"]
                    );
                }
            }
        }
    }
}

/// Calls whose operands fit and whose results do not.
#[test]
fn results_past_host_memory() {
    let (long, mask) = (vec![1.0f32; 1 << 24], mask(0.5));
    let wide_long = wide(&long);
    // [2^24, 1] and [1, 2^24] make [2^24, 2^24], 2^48 bytes and more: past 2^47, the memory that a process can address,
    // and so refused where the system promises any amount, too.
    let shape = shape([1 << 24, 1 << 24, 1]);
    let (device, f32) = (Device::Cpu, ElementType::F32);
    let all = operands(shape, &long[..], &long);
    let wide_all = operands(shape, &wide_long[..], &wide_long);
    macro_rules! no_memory {
        ($($call:expr),* $(,)?) => {
            $(refused!($call, Error::HostMemory { .. }, ["no memory for"]);)*
        };
    }
    no_memory!(
        device.run(f32, all.forward(Some(&mask), ())).wait(),
        device.run(f32, all.forward(None, ())).wait(),
        device.run(f32, all.moments(&mask.probability, MADE)).wait(),
        device.run(f32, all.monte_carlo(&mask, 3, MADE)).wait(),
        device.pass_outputs(f32, all.monte_carlo(&mask, u32::MAX, MADE)).wait(),
        device.predictive(f32, all.monte_carlo(&mask, 3, MADE)).wait(),
        device.bias_mask(&shape, &mask).wait(),
        device.mask(&shape, &mask).wait(),
        reference::forward(&wide_all.forward(Some(&mask), ())),
        reference::forward(&wide_all.forward(None, ())),
        reference::moments(&wide_all.moments(&mask.probability, MADE)),
        reference::monte_carlo(&wide_all.monte_carlo(&mask, 3, MADE)),
        reference::predictive(&wide_all.monte_carlo(&mask, 3, MADE)),
        reference::mask::mask(&shape, &mask),
        reference::mask::bias_mask(&shape, &mask),
        reference::mask::mask(&Shape::new(MOST, MOST, MOST).unwrap(), &mask),
        cpu::RunningMoments::new(usize::MAX),
        cpu::RunningMoments::new(usize::MAX / 4),
        cpu::RunningPredictive::new(MOST, MOST),
    );
    // The samples of many passes: each fits, and all together do not.
    let small = Shape::new(256, 256, 1).unwrap();
    let all = operands(small, &long[..256], &long[..256]);
    no_memory!(device.pass_outputs(f32, all.monte_carlo(&mask, u32::MAX, MADE)).wait());
}
