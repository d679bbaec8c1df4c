//! The adapter: `cargo bench --bench gpu`. Times are wall time, from the submission until the device is idle: for
//! GPU timestamps use `dropconnect bench`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dropconnect::call::{Forward, InputGradient, MonteCarlo, WeightGradient};
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, Recording, Tensor, WriteMask};
use dropconnect::{
    Bias, Device, DropConnect, DropProbability, ElementType, Mask, MaskKey, Shape, Sharing, Write, wgpu,
};

const KEY: MaskKey = MaskKey::new(1, 2).at_step(3);

/// The tensors of a layer, on the device.
struct Tensors {
    shape: Shape,
    x: wgpu::Buffer,
    weight: wgpu::Buffer,
    bias: wgpu::Buffer,
    grad_output: wgpu::Buffer,
    y: wgpu::Buffer,
    variance: wgpu::Buffer,
    grad_input: wgpu::Buffer,
    grad_weight: wgpu::Buffer,
}

impl Tensors {
    fn new(gpu: &Gpu, dims: [usize; 3]) -> Self {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let tensor = |len: usize| {
            let values: Vec<f32> = (0..len).map(|i| (i % 1009) as f32 / 1009.0 - 0.5).collect();
            gpu.upload(&ElementType::F32.encode(&values)).unwrap()
        };
        Self {
            shape,
            x: tensor(shape.input_len()),
            weight: tensor(shape.weight_len()),
            bias: tensor(shape.outputs()),
            grad_output: tensor(shape.output_len()),
            y: tensor(shape.output_len()),
            variance: tensor(shape.output_len()),
            grad_input: tensor(shape.input_len()),
            grad_weight: tensor(shape.weight_len()),
        }
    }

    fn forward(&self, gpu: &Gpu, mask: Option<&Mask>) -> Recording {
        let (shape, bias) = (self.shape, Bias::Plain(f32s(&self.bias)));
        let (x, weight, y) = (f32s(&self.x), f32s(&self.weight), f32s(&self.y));
        gpu.kernels().forward(&Forward { shape, mask, x, weight, bias, y }).unwrap()
    }

    fn gradients(&self, gpu: &Gpu, mask: Option<&Mask>) -> [Recording; 2] {
        let (shape, grad_output, write) = (self.shape, f32s(&self.grad_output), Write::Overwrite);
        let (weight, grad_input) = (f32s(&self.weight), f32s(&self.grad_input));
        let (x, grad_weight) = (f32s(&self.x), f32s(&self.grad_weight));
        let input = InputGradient { shape, mask, grad_output, weight, grad_input, write };
        let weight = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
        [gpu.kernels().input_gradient(&input).unwrap(), gpu.kernels().weight_gradient(&weight).unwrap()]
    }

    fn monte_carlo(&self, gpu: &Gpu, mask: &Mask, passes: u32) -> Recording {
        let (shape, bias) = (self.shape, Bias::Plain(f32s(&self.bias)));
        let (x, weight) = (f32s(&self.x), f32s(&self.weight));
        let (mean, variance) = (f32s(&self.y), f32s(&self.variance));
        let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean, variance };
        gpu.kernels().monte_carlo(&call).unwrap()
    }
}

fn f32s(buffer: &wgpu::Buffer) -> Tensor<'_> {
    Tensor::new(buffer, ElementType::F32)
}

fn mask(p: f64) -> Mask {
    Mask::new(KEY, DropProbability::new(p).unwrap())
}

fn open() -> Option<Gpu> {
    match Gpu::open(&AdapterChoice::default(), &KernelOptions::default()) {
        Ok(gpu) => {
            eprintln!("adapter: {} ({:?})", gpu.info().name, gpu.info().backend);
            Some(gpu)
        }
        Err(error) => {
            eprintln!("NOT RUN: {error}");
            None
        }
    }
}

fn idle(gpu: &Gpu) {
    gpu.device().poll(wgpu::PollType::wait_indefinitely()).unwrap();
}

fn passes(criterion: &mut Criterion) {
    let Some(gpu) = open() else { return };
    let tensors = Tensors::new(&gpu, [128, 1024, 1024]);
    let mut group = criterion.benchmark_group("gpu 128x1024x1024");
    group.throughput(Throughput::Elements(tensors.shape.connections()));
    let shared = |p| mask(p).shared(Sharing::Batch);
    let masks = [
        ("p=0.5", Some(mask(0.5))),
        ("p=0.2", Some(mask(0.2))),
        ("p=0.5 shared", Some(shared(0.5))),
        ("p=0.2 shared", Some(shared(0.2))),
        ("dense", None),
    ];
    for (name, mask) in &masks {
        let mut time = |pass: &str, recording: &Recording| {
            group.bench_function(format!("{pass}/{name}"), |b| {
                b.iter(|| {
                    gpu.submit(recording).unwrap();
                    idle(&gpu);
                });
            });
        };
        time("forward", &tensors.forward(&gpu, mask.as_ref()));
        let [input, weight] = tensors.gradients(&gpu, mask.as_ref());
        time("input_gradient", &input);
        time("weight_gradient", &weight);
    }
    let bits = gpu.upload(&vec![0; tensors.shape.connections() as usize]).unwrap();
    for p in [0.5, 0.2] {
        let (mask, size) = (&mask(p), bits.size());
        let call = WriteMask { shape: tensors.shape, mask, result: &bits, offset: 0, size };
        let recording = gpu.kernels().write_mask(&call).unwrap();
        group.bench_function(format!("mask/p={p}"), |b| {
            b.iter(|| {
                gpu.submit(&recording).unwrap();
                idle(&gpu);
            });
        });
    }
    group.finish();
}

/// A hundred masks: in one launch, and as a hundred forward passes.
fn monte_carlo(criterion: &mut Criterion) {
    let Some(gpu) = open() else { return };
    let tensors = Tensors::new(&gpu, [128, 1024, 1024]);
    let mut group = criterion.benchmark_group("gpu 128x1024x1024, 100 masks");
    group.sample_size(10);
    let recording = tensors.monte_carlo(&gpu, &mask(0.5), 100);
    group.bench_function("monte_carlo", |b| {
        b.iter(|| {
            gpu.submit(&recording).unwrap();
            idle(&gpu);
        });
    });
    let recording = tensors.forward(&gpu, Some(&mask(0.5)));
    group.bench_function("100 forward passes", |b| {
        b.iter(|| {
            for step in 0..100 {
                recording.set_key(gpu.queue(), MaskKey { step, ..KEY }).unwrap();
                gpu.submit(&recording).unwrap();
            }
            idle(&gpu);
        });
    });
    group.finish();
}

/// What a call costs the host, apart from the device.
fn recording(criterion: &mut Criterion) {
    let Some(gpu) = open() else { return };
    let tensors = Tensors::new(&gpu, [32, 64, 64]);
    let mut group = criterion.benchmark_group("gpu host");
    group.bench_function("prepare forward", |b| {
        b.iter(|| black_box(tensors.forward(&gpu, Some(&mask(0.5)))));
    });
    let recording = tensors.forward(&gpu, Some(&mask(0.5)));
    let mut step = 0;
    group.bench_function("set_key", |b| {
        b.iter(|| {
            step += 1;
            recording.set_key(gpu.queue(), MaskKey { step, ..KEY }).unwrap();
            // Otherwise the writes of all iterations pile up until the next submission.
            if step.is_multiple_of(1000) {
                gpu.queue().submit([]);
            }
        });
    });
    group.bench_function("record into a pass", |b| {
        b.iter_custom(|iterations| {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            let mut pass = encoder.begin_compute_pass(&Default::default());
            let start = std::time::Instant::now();
            for _ in 0..iterations {
                recording.record(&mut pass);
            }
            start.elapsed()
        });
    });
    group.bench_function("submit and wait", |b| {
        b.iter(|| {
            gpu.submit(&recording).unwrap();
            idle(&gpu);
        });
    });
    group.finish();
}

/// A training step of the layer type, with its copies from and to the host.
fn step(criterion: &mut Criterion) {
    let Some(gpu) = open() else { return };
    let mut layer = DropConnect::new(&Device::Gpu(gpu.into()), KEY, 784, 800).build().unwrap();
    let x: Vec<f32> = (0..128 * 784).map(|i| (i % 1009) as f32 / 1009.0 - 0.5).collect();
    let grad: Vec<f32> = (0..128 * 800).map(|i| (i % 1013) as f32 / 1013.0 - 0.5).collect();
    criterion.bench_function("layer step 128x800x784", |b| {
        b.iter(|| {
            black_box(layer.forward(&x).unwrap());
            black_box(layer.backward(&x, &grad, Write::Overwrite).unwrap());
            layer.advance();
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(1))
        .warm_up_time(Duration::from_millis(300));
    targets = recording, passes, monte_carlo, step
}
criterion_main!(benches);
