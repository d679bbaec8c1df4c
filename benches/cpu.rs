//! The CPU backend at 128 x 1024 x 1024: `cargo bench --bench cpu`.
//!
//! `cargo bench --bench cpu -- avx2` compares instruction sets; the fastest one is what users get.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dropconnect::call::{BothGradients, Forward, InputGradient, WeightGradient};
use dropconnect::cpu::Backend;
use dropconnect::{Bias, DropProbability, Mask, MaskKey, Shape, Sharing, Write};

fn passes(criterion: &mut Criterion) {
    let shape = Shape::new(128, 1024, 1024).unwrap();
    let numbers = |len: usize| -> Vec<f32> { (0..len).map(|i| (i % 1009) as f32 / 1009.0 - 0.5).collect() };
    let (x, weight) = (&numbers(shape.input_len())[..], &numbers(shape.weight_len())[..]);
    let (bias, grad_output) = (&numbers(shape.outputs())[..], &numbers(shape.output_len())[..]);
    let (bias, write) = (Bias::Plain(bias), Write::Overwrite);
    let mut y = vec![0.0; shape.output_len()];
    let mut grad_input = vec![0.0; shape.input_len()];
    let mut grad_weight = vec![0.0; shape.weight_len()];
    let mut bytes = vec![0; shape.connections() as usize];

    let key = MaskKey::new(1, 2).at_step(3);
    let at = |p| Some(Mask::new(key, DropProbability::new(p).unwrap()));
    let mut group = criterion.benchmark_group("128x1024x1024");
    group.throughput(Throughput::Elements(shape.connections()));
    for backend in Backend::available() {
        let shared = |p| at(p).map(|mask| mask.shared(Sharing::Batch));
        let masks = [
            ("p=0.5", at(0.5)),
            ("p=0.25", at(0.25)),
            ("p=0.2", at(0.2)),
            ("p=0.5 shared", shared(0.5)),
            ("p=0.2 shared", shared(0.2)),
            ("dense", None),
        ];
        for (name, mask) in masks {
            let mask = mask.as_ref();
            let id = |pass| BenchmarkId::new(pass, format!("{name}/{}", backend.name()));
            group.bench_function(id("forward"), |b| {
                b.iter(|| {
                    backend.forward(Forward { shape, mask, x, weight, bias, y: &mut y }).unwrap();
                    black_box(&y);
                })
            });
            group.bench_function(id("input_gradient"), |b| {
                b.iter(|| {
                    let grad_input = &mut grad_input[..];
                    let call = InputGradient { shape, mask, grad_output, weight, grad_input, write };
                    backend.input_gradient(black_box(call)).unwrap();
                })
            });
            group.bench_function(id("weight_gradient"), |b| {
                b.iter(|| {
                    let grad_weight = &mut grad_weight[..];
                    let call = WeightGradient { shape, mask, grad_output, x, grad_weight, write };
                    backend.weight_gradient(black_box(call)).unwrap();
                })
            });
            group.bench_function(id("both_gradients"), |b| {
                b.iter(|| {
                    let (grad_input, grad_weight) =
                        ((&mut grad_input[..], write), (&mut grad_weight[..], write));
                    let call = BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight };
                    backend.both_gradients(black_box(call)).unwrap();
                })
            });
            if let Some(mask) = mask {
                group.bench_function(id("mask"), |b| {
                    b.iter(|| {
                        backend.mask(&shape, mask, &mut bytes).unwrap();
                        black_box(&bytes);
                    })
                });
            }
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(1))
        .warm_up_time(std::time::Duration::from_millis(300));
    targets = passes
}
criterion_main!(benches);
