//! The adapter: `cargo bench --bench gpu`. Times are wall time, from the submission until the device is idle: for
//! GPU timestamps use `dropconnect bench`.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, Recording, Tensor, WriteMask};
use dropconnect::{
    Bias, Device, DropConnect, DropProbability, ElementType, Mask, MaskKey, Shape, Sharing, Write, wgpu,
};
use dropconnect_testing::{Arena, Data, Kind, LINEAR, Operands, Placement, Pool, shape};

const KEY: MaskKey = MaskKey::new(1, 2).at_step(3);

/// The tensors of a layer, on the device.
struct Tensors<'g> {
    gpu: &'g Gpu,
    shape: Shape,
    /// X, W, b and G; then Y, dX, dW, and a variance of Y.
    arena: Arena<'g>,
}

impl<'g> Tensors<'g> {
    fn new(gpu: &'g Gpu, dims: [usize; 3]) -> Self {
        let (shape, encode) = (shape(dims), |values: &Vec<f32>| ElementType::F32.encode(values));
        let Data { x, weight, bias, grad_output, .. } = &Data::ramps(&shape);
        let operands = [x, weight, bias, grad_output].map(encode);
        let results = [grad_output, x, weight, grad_output].map(encode);
        let arena = Arena::new(gpu, Pool::new(Placement::Separate, &operands, &results)).unwrap();
        Self { gpu, shape, arena }
    }

    fn tensor(&self, index: usize) -> Tensor<'_> {
        self.arena.tensor(index, ElementType::F32)
    }

    fn operands(&self) -> Operands<Tensor<'_>> {
        Operands::of(self.shape, Bias::Plain(()), std::array::from_fn(|index| self.tensor(index)))
    }

    /// One of [`LINEAR`].
    fn record(&self, pass: Kind, mask: Option<&Mask>) -> Recording {
        let result = 4 + LINEAR.iter().position(|&other| other == pass).unwrap();
        self.gpu.kernels().record(self.operands().call(pass, mask, [self.tensor(result)])).unwrap()
    }

    fn monte_carlo(&self, mask: &Mask, passes: u32) -> Recording {
        let results = [self.tensor(4), self.tensor(7)];
        self.gpu.kernels().record(self.operands().monte_carlo(mask, passes, results)).unwrap()
    }
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
        for pass in LINEAR {
            let recording = tensors.record(pass, mask.as_ref());
            group.bench_function(format!("{}/{name}", pass.name().replace(' ', "_")), |b| {
                b.iter(|| {
                    gpu.submit(&recording).unwrap();
                    idle(&gpu);
                });
            });
        }
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
    let recording = tensors.monte_carlo(&mask(0.5), 100);
    group.bench_function("monte_carlo", |b| {
        b.iter(|| {
            gpu.submit(&recording).unwrap();
            idle(&gpu);
        });
    });
    let recording = tensors.record(Kind::Forward, Some(&mask(0.5)));
    group.bench_function("100 forward passes", |b| {
        b.iter(|| {
            for step in 0..100 {
                gpu.submit(&recording.at_key(KEY.at_step(step)).unwrap()).unwrap();
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
        b.iter(|| black_box(tensors.record(Kind::Forward, Some(&mask(0.5)))));
    });
    let recording = tensors.record(Kind::Forward, Some(&mask(0.5)));
    for count in [1, 100] {
        let keys: Vec<_> = (0..count).map(|step| KEY.at_step(step)).collect();
        let mut made = 0;
        group.bench_function(format!("at_keys, {count}"), |b| {
            b.iter(|| {
                black_box(recording.at_keys(&keys).unwrap());
                // Otherwise the memory of all iterations piles up until the next submission.
                made += 1;
                if made % 1000 == 0 {
                    gpu.queue().submit([]);
                    idle(&gpu);
                }
            });
        });
    }
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
            black_box(layer.forward(&x).wait().unwrap());
            black_box(layer.backward(&x, &grad, Write::Overwrite).wait().unwrap());
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
