//! Bad input is refused by name, with the value and the limit in the message, before anything is recorded;
//! the device works as before.

use std::sync::Arc;

use crate::common::*;
use dropconnect::call::{Forward, WeightGradient};
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, Multiply, Recording, Tensor, WriteMask};
use dropconnect::{
    Bias, Device, DropConnect, DropProbability, ElementType, Error, Mask, MaskKey, Shape, Write, wgpu,
};

#[test]
fn probabilities() {
    for p in [-0.1, 1.0, 1.5, f64::NAN, f64::INFINITY] {
        let value = p.to_string();
        refused!(
            DropProbability::new(p),
            Error::DropProbability { .. },
            [&value[..], "at least 0", "below 1"]
        );
    }
    refused!(
        DropProbability::with_bits(0.9999, 8),
        Error::NothingKept { bits: 8, .. },
        ["0.9999", "8 bits", "0.998046875", "up to 16"]
    );
    refused!(DropProbability::new(0.999_999), Error::NothingKept { bits: 16, .. }, ["0.999999", "16 bits"]);
    refused!(DropProbability::with_bits(0.5, 17), Error::Bits { value: 17 }, ["17", "1 to 16"]);
}

#[test]
fn shapes() {
    refused!(
        Shape::new(1, 0, 1),
        Error::ZeroDimension { argument: "outputs" },
        ["`outputs` is 0", "at least one"]
    );
    refused!(
        Shape::new(1, 1, 0),
        Error::ZeroDimension { argument: "inputs" },
        ["`inputs` is 0", "at least one"]
    );
    refused!(
        Shape::new(1 << 32, 1, 1),
        Error::TooLarge { argument: "batch", .. },
        ["`batch`", "4294967296", "4294967295"]
    );
}

#[test]
fn host_slices() {
    let shape = shape([2, 3, 4]);
    for device in crate::common::devices("host_slices: on the adapter") {
        let (x, w, b, g) = ([0.0; 8], [0.0; 12], [0.0; 3], [0.0; 6]);
        let f32 = ElementType::F32;
        let (bias, write) = (Bias::Plain(&b[..]), Write::Overwrite);
        let all = Operands { shape, x: &x[..], weight: &w[..], bias, grad_output: &g[..], write };
        let forward = |x, weight, b| {
            let all = Operands { x, weight, bias: Bias::Plain(b), ..all };
            device.run(f32, all.forward(None, ())).wait()
        };
        refused!(forward(&x[1..], &w, &b), Error::Length { argument: "x", .. }, ["`x`", "7", "8", "batch 2"]);
        refused!(
            forward(&x, &w[1..], &b),
            Error::Length { argument: "weight", .. },
            ["`weight`", "11", "12"]
        );
        refused!(forward(&x, &w, &b[1..]), Error::Length { argument: "bias", .. }, ["`bias`", "2", "3"]);
        let short = Operands { grad_output: &g[1..], ..all };
        refused!(
            device.run(f32, short.input_gradient(None, ())).wait(),
            Error::Length { argument: "grad_output", .. },
            ["`grad_output`", "5", "6"]
        );
        refused!(
            device.run(f32, Operands { x: &x[1..], ..all }.weight_gradient(None, ())).wait(),
            Error::Length { argument: "x", .. },
            ["`x`", "7", "8"]
        );
        refused!(
            device.run(f32, short.bias_gradient(None, ())).wait(),
            Error::Length { argument: "grad_output", .. },
            ["`grad_output`", "5", "6"]
        );
    }
}

/// Buffers for a call of [2, 3, 4], one of them spoiled by each row of the tables below.
struct Buffers {
    x: wgpu::Buffer,
    weight: wgpu::Buffer,
    bias: wgpu::Buffer,
    grad_output: wgpu::Buffer,
    result: wgpu::Buffer,
    pool: wgpu::Buffer,
    plain: wgpu::Buffer,
}

impl Buffers {
    fn new(gpu: &Gpu) -> Self {
        let of = |elements: u64| gpu.buffer(4 * elements).unwrap();
        let plain = gpu.device().create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: 256,
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: false,
        });
        let (x, weight, bias, grad_output) = (of(8), of(12), of(3), of(6));
        Self { x, weight, bias, grad_output, result: of(64), pool: of(256), plain }
    }

    fn at(buffer: &wgpu::Buffer, offset: u64, elements: u64) -> Tensor<'_> {
        Tensor { buffer, offset, size: 4 * elements, element: ElementType::F32 }
    }
}

/// A pass of the layer, or, `None`, the mask.
type Called = Option<Kind>;

/// Each call, and each of its arguments with the number of its elements, results last.
const ARGUMENTS: [(Called, &[(&str, u64)]); 6] = [
    (Some(Kind::Forward), &[("x", 8), ("weight", 12), ("bias", 3), ("y", 6)]),
    (Some(Kind::InputGradient), &[("grad_output", 6), ("weight", 12), ("grad_input", 8)]),
    (Some(Kind::WeightGradient), &[("grad_output", 6), ("x", 8), ("grad_weight", 12)]),
    (
        Some(Kind::BothGradients),
        &[("grad_output", 6), ("x", 8), ("weight", 12), ("grad_input", 8), ("grad_weight", 12)],
    ),
    (Some(Kind::BiasGradient), &[("grad_output", 6), ("grad_bias", 3)]),
    (None, &[("result", 6)]),
];

/// A call of [2, 3, 4] with one argument replaced by its name.
fn call(
    gpu: &Gpu,
    buffers: &Buffers,
    (called, arguments): (Called, &[(&str, u64)]),
    replaced: &str,
    by: Option<Tensor>,
    mask: Option<&Mask>,
) -> Result<Recording, Error> {
    let or = |name: &str, tensor| by.filter(|_| name == replaced).unwrap_or(tensor);
    let (shape, kernels) = (shape([2, 3, 4]), gpu.kernels());
    let Some(pass) = called else {
        let tensor = or("result", Tensor { size: 24, ..Buffers::at(&buffers.result, 0, 6) });
        let Tensor { buffer: result, offset, size, .. } = tensor;
        return kernels.write_mask(&WriteMask { shape, mask: mask.unwrap(), result, offset, size });
    };
    let operands = [
        or("x", Buffers::at(&buffers.x, 0, 8)),
        or("weight", Buffers::at(&buffers.weight, 0, 12)),
        or("bias", Buffers::at(&buffers.bias, 0, 3)),
        or("grad_output", Buffers::at(&buffers.grad_output, 0, 6)),
    ];
    let kind = if pass == Kind::BiasGradient { Bias::Masked(()) } else { Bias::Plain(()) };
    let operands = Operands::of(shape, kind, operands);
    // The last one at the start.
    let count = result_lens(pass, &shape).len();
    let places = (0..count as u64).rev().map(|place| 128 * place);
    let results: Vec<_> = arguments[arguments.len() - count..]
        .iter()
        .zip(places)
        .map(|(&(name, elements), at)| or(name, Buffers::at(&buffers.result, at, elements)))
        .collect();
    kernels.record(operands.call(pass, mask, results))
}

#[test]
fn tensors() {
    let Some(gpu) = adapter("tensors") else { return };
    let buffers = Buffers::new(gpu);
    gpu.queue().write_buffer(&buffers.result, 0, &[POISON; 256]);
    let scope = gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
    let mask = mask(0.5);
    for (called, arguments) in ARGUMENTS {
        let pass = called.map_or("mask", Kind::name);
        let call = |name: &str, by| call(gpu, &buffers, (called, arguments), name, Some(by), Some(&mask));
        assert!(call("none", Buffers::at(&buffers.x, 0, 1)).is_ok(), "{pass} without a fault");
        for &(name, elements) in arguments {
            let (quoted, bytes) = (format!("`{name}`"), (4 * elements).to_string());
            // One element too few, and two too many.
            for wrong in [elements - 1, elements + 2] {
                let actual = (4 * wrong).to_string();
                refused!(
                    call(name, Buffers::at(&buffers.pool, 0, wrong)),
                    Error::TensorSize { .. } | Error::ByteSize { .. },
                    [&quoted[..], &bytes, &actual]
                );
            }
            refused!(
                call(name, Buffers::at(&buffers.pool, 6, elements)),
                Error::Misaligned { offset: 6, .. },
                [&quoted[..], "byte 6", "multiple of 4"]
            );
            let end = (1020 + 4 * elements).to_string();
            refused!(
                call(name, Buffers::at(&buffers.pool, 1020, elements)),
                Error::OutOfBounds { buffer_size: 1024, .. },
                [&quoted[..], "1020", &end[..], "1024"]
            );
            refused!(
                call(name, Buffers::at(&buffers.pool, u64::MAX - 7, elements)),
                Error::OutOfBounds { .. },
                [&quoted[..]]
            );
            refused!(
                call(name, Buffers::at(&buffers.plain, 0, elements)),
                Error::Usage { .. },
                [&quoted[..], "STORAGE", "COPY_DST"]
            );
            // A type of its own: that of the first operand is the others', and results may have that or f32.
            let half =
                Tensor { size: 2 * elements, element: ElementType::F16, ..Buffers::at(&buffers.pool, 0, 0) };
            match name {
                "result" => {}
                // The only operand; its gradient may be f32.
                "grad_output" if called == Some(Kind::BiasGradient) => assert!(call(name, half).is_ok()),
                "x" | "grad_output" if arguments[0].0 == name => {
                    refused!(call(name, half), Error::Element { .. }, ["stored as f32", "must be f16"]);
                }
                _ => refused!(
                    call(name, half),
                    Error::Element { .. },
                    [&quoted[..], "stored as f16", "must be f32"]
                ),
            }
        }
        // The result over the last word of each operand.
        let Some((&(output, size), operands)) = arguments.split_last() else { unreachable!() };
        for &(name, elements) in operands {
            let buffer = match name {
                "x" => Some(&buffers.x),
                "weight" => Some(&buffers.weight),
                "bias" => Some(&buffers.bias),
                "grad_output" => Some(&buffers.grad_output),
                // The other result of two.
                _ => None,
            };
            let other = Buffers::at(&buffers.result, 4 * (size - 1), elements);
            refused!(
                call(name, other),
                Error::Overlap { .. },
                [&format!("`{output}`")[..], &format!("`{name}`"), "disjoint"]
            );
            // Beside it is fine.
            assert!(call(name, Buffers::at(&buffers.result, 4 * size, elements)).is_ok(), "{pass} {name}");
            assert!(buffer.is_none_or(|buffer| buffer.size() == 4 * elements));
        }
    }
    assert!(pollster::block_on(scope.pop()).is_none());
    assert_eq!(gpu.read(&buffers.result, 0..256).unwrap(), [POISON; 256]);
    still_works(gpu);
}

#[test]
fn origins() {
    let Some(gpu) = adapter("origins") else { return };
    let buffers = Buffers::new(gpu);
    for (axis, at, size) in [
        ("example", origin(u32::MAX, 0, 0), "2"),
        ("output", origin(0, u32::MAX - 1, 0), "3"),
        ("input", origin(0, 0, u32::MAX - 2), "4"),
    ] {
        for p in [0.0, 0.5] {
            let mask = mask(p).at(at);
            for called in ARGUMENTS {
                let place = (at.example.max(at.output).max(at.input)).to_string();
                refused!(
                    call(gpu, &buffers, called, "none", None, Some(&mask)),
                    Error::Origin { .. },
                    [axis, &place[..], size, "4294967296"]
                );
            }
        }
    }
    still_works(gpu);
}

/// The tensors of an empty batch hold nothing, so that they overlap nothing, wherever an engine puts them.
#[test]
fn empty_tensors_may_lie_anywhere() {
    let Some(gpu) = adapter("empty_tensors_may_lie_anywhere") else { return };
    let buffer = gpu.upload(&[POISON; 48]).unwrap();
    let call = WeightGradient {
        shape: shape([0, 3, 4]),
        mask: None,
        grad_output: Buffers::at(&buffer, 8, 0),
        x: Buffers::at(&buffer, 16, 0),
        grad_weight: Buffers::at(&buffer, 0, 12),
        write: Write::Overwrite,
    };
    gpu.submit(&gpu.kernels().record(call).unwrap()).unwrap();
    assert_eq!(gpu.read(&buffer, 0..48).unwrap(), [0; 48]);
}

/// A call that passes a limit which cannot be split away.
#[test]
fn rows_past_the_limits() {
    let test = "rows_past_the_limits";
    let Some(_) = adapter(test) else { return };
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 4096, ..wgpu::Limits::defaults() };
    let small = with_limits(limits, KernelOptions::default()).unwrap();
    let buffer = small.buffer(1 << 20).unwrap();
    let shape = shape([2, 3, 2000]);
    let tensor = |offset, elements| Buffers::at(&buffer, offset, elements);
    let call = Forward {
        shape,
        mask: None,
        x: tensor(0, 4000),
        weight: tensor(16_000, 6000),
        bias: Bias::None,
        y: tensor(40_000, 6),
    };
    refused!(
        small.kernels().record(call),
        Error::RowTooLarge { argument: "x", bytes: 8000, .. },
        ["`x`", "8000", "max_storage_buffer_binding_size"]
    );
    let half = Tensor { element: ElementType::F16, ..call.weight };
    refused!(
        small.kernels().record(Forward { weight: half, ..call }),
        Error::TensorSize { argument: "weight", .. },
        ["`weight`", "f16"]
    );
    let limit = small.device().limits().max_buffer_size;
    refused!(small.buffer(limit + 1), Error::BufferSize { .. }, [&limit.to_string()[..], "max_buffer_size"]);
}

fn with_limits(limits: wgpu::Limits, options: KernelOptions) -> Result<Gpu, Error> {
    Gpu::with_limits(&AdapterChoice::default().adapters().swap_remove(0), limits, &options)
}

#[test]
fn devices() {
    let Some(gpu) = adapter("devices") else { return };
    type Lower = fn(&mut wgpu::Limits);
    let cases: [(&str, Lower, &str, &str); 6] = [
        ("max_storage_buffers_per_shader_stage", |l| l.max_storage_buffers_per_shader_stage = 3, "3", "6"),
        ("max_uniform_buffers_per_shader_stage", |l| l.max_uniform_buffers_per_shader_stage = 0, "0", "1"),
        (
            "max_compute_workgroup_storage_size",
            |l| l.max_compute_workgroup_storage_size = 2048,
            "2048",
            "4096",
        ),
        (
            "max_compute_invocations_per_workgroup",
            |l| l.max_compute_invocations_per_workgroup = 128,
            "128",
            "256",
        ),
        ("max_compute_workgroup_size_x", |l| l.max_compute_workgroup_size_x = 32, "32", "64"),
        ("max_compute_workgroup_size_y", |l| l.max_compute_workgroup_size_y = 8, "8", "16"),
    ];
    for (limit, lower, actual, needed) in cases {
        let mut limits = wgpu::Limits::defaults();
        lower(&mut limits);
        refused!(
            with_limits(limits, KernelOptions::default()),
            Error::DeviceLimits { .. },
            [&format!("`{limit}` is {actual} (needs {needed})")[..]]
        );
    }
    let mut limits = wgpu::Limits::defaults();
    limits.max_buffer_size = u64::MAX;
    refused!(
        with_limits(limits, KernelOptions::default()),
        Error::RequestDevice { .. },
        [&gpu.info().name[..], "max_buffer_size"]
    );
    // A device without the feature, whatever the adapter has.
    let adapter = AdapterChoice::default().adapters().swap_remove(0);
    let (device, _queue) = pollster::block_on(adapter.request_device(&Default::default())).unwrap();
    let options = KernelOptions { multiply: Some(Multiply::Wide), ..Default::default() };
    refused!(
        dropconnect::gpu::Kernels::new(&device, &options),
        Error::DeviceFeature { .. },
        ["`multiply`", "SHADER_INT64"]
    );
    still_works(gpu);
}

/// What belongs to another device that [`Gpu`] opened is refused, and not taken for what has the same number here.
#[test]
fn objects_of_another_device() {
    let Some(gpu) = adapter("objects_of_another_device") else { return };
    let [own, other] =
        [(); 2].map(|()| with_limits(wgpu::Limits::defaults(), KernelOptions::default()).unwrap());
    let ([buffers, others], mask) = ([&own, &other].map(Buffers::new), mask(0.5));
    macro_rules! of_another_device {
        ($($call:expr),* $(,)?) => {$(refused!($call, Error::DeviceFault { .. }, ["device"]);)*};
    }
    for called in ARGUMENTS {
        for &(name, elements) in called.1 {
            let buffer = match name {
                "x" => &others.x,
                "weight" => &others.weight,
                "bias" => &others.bias,
                "grad_output" => &others.grad_output,
                _ => &others.result,
            };
            let tensor = Buffers::at(buffer, 0, elements);
            of_another_device!(call(&own, &buffers, called, name, Some(tensor), Some(&mask)));
        }
    }
    let recording = call(&other, &others, ARGUMENTS[0], "none", None, Some(&mask)).unwrap();
    let key = MaskKey::new(1, 2);
    let layer = DropConnect::new(&Device::Gpu(Arc::new(own)), key, 4, 3).build().unwrap();
    let own = layer.gpu().unwrap();
    let mut encoder = own.device().create_command_encoder(&Default::default());
    let [x, y] =
        [(&others.x, 8), (&others.result, 6)].map(|(buffer, elements)| Buffers::at(buffer, 0, elements));
    of_another_device!(
        own.read(&others.x, 0..32),
        own.submit(&recording),
        layer.encode_forward(&mut encoder, 2, x, y),
        layer.encode_backward(&mut encoder, 2, x, y, None, Write::Overwrite),
    );
    still_works(gpu);
}

#[test]
fn a_pipeline_cache_of_another_device() {
    let test = "a_pipeline_cache_of_another_device";
    let Some(_) = adapter(test) else { return };
    let adapter = AdapterChoice::default().adapters().swap_remove(0);
    let required_features = wgpu::Features::PIPELINE_CACHE;
    if !adapter.features().contains(required_features) {
        return not_run(test, "the adapter has no PIPELINE_CACHE");
    }
    let open = || {
        let descriptor = wgpu::DeviceDescriptor { required_features, ..Default::default() };
        pollster::block_on(adapter.request_device(&descriptor)).unwrap().0
    };
    let [own, other] = [open(), open()];
    let descriptor = wgpu::PipelineCacheDescriptor { label: None, data: None, fallback: true };
    // SAFETY: there are no data, which would have to be a driver's.
    let cache = |device: &wgpu::Device| unsafe { device.create_pipeline_cache(&descriptor) };
    let compile = |cache| {
        let case = Case { bias: Bias::None, ..Case::new(shape([2, 3, 4]), Some(mask(0.5))) };
        let call = case.call(Kind::Forward).map(|_| ElementType::F32, |_| ElementType::F32);
        let options = KernelOptions { cache: Some(cache), ..Default::default() };
        dropconnect::gpu::Kernels::new(&own, &options)?.compile(&[call])
    };
    compile(cache(&own)).unwrap();
    refused!(compile(cache(&other)), Error::DeviceFault { .. }, ["device"]);
}

#[test]
fn unknown_adapters() {
    let choice = AdapterChoice { name: Some("no such adapter".to_owned()), ..Default::default() };
    refused!(
        Gpu::open(&choice, &KernelOptions::default()),
        Error::NoAdapter { .. },
        ["found no adapter named like `no such adapter`", "available: "]
    );
    if let Some(gpu) = adapter("unknown_adapters: the names of those that exist") {
        let error = Gpu::open(&choice, &KernelOptions::default()).unwrap_err().to_string();
        assert!(error.contains(&gpu.info().name), "{error}");
    }
}

/// docs/errors.md says what to do about each variant.
#[test]
fn every_variant_is_explained() {
    let (source, page) = (include_str!("../../src/error.rs"), include_str!("../../docs/errors.md"));
    let variants = source.split_once("pub enum Error {").unwrap().1.split_once("\n}").unwrap().0;
    let variants: Vec<&str> = variants
        .lines()
        .filter_map(|line| line.strip_prefix("    ").filter(|line| line.starts_with(char::is_uppercase)))
        .map(|line| line.trim_end_matches([' ', '{', ',']))
        .collect();
    assert!(variants.len() > 30, "{variants:?}");
    let unexplained: Vec<_> =
        variants.into_iter().filter(|variant| !page.contains(&format!("`{variant}`"))).collect();
    assert!(unexplained.is_empty(), "docs/errors.md says nothing of {unexplained:?}");
}
