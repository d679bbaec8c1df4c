//! The CPU backend at 128 x 1024 x 1024: `cargo bench --bench cpu`.
//!
//! `cargo bench --bench cpu -- avx2` compares instruction sets; the fastest one is what users get.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use dropconnect::cpu::Backend;
use dropconnect::{Bias, DropProbability, Mask, MaskKey, Sharing};
use dropconnect_testing::{Data, Kind, result_lens, shape};

fn passes(criterion: &mut Criterion) {
    let shape = shape([128, 1024, 1024]);
    let data = Data::ramps(&shape);
    let operands = data.operands(&shape, Bias::Plain(()));
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
            let id = |pass: &str| BenchmarkId::new(pass, format!("{name}/{}", backend.name()));
            for pass in [Kind::Forward, Kind::InputGradient, Kind::WeightGradient, Kind::BothGradients] {
                let mut results: Vec<_> =
                    result_lens(pass, &shape).into_iter().map(|len| vec![0.0; len]).collect();
                group.bench_function(id(&pass.name().replace(' ', "_")), |b| {
                    b.iter(|| {
                        let results = results.iter_mut().map(|result| &mut result[..]);
                        backend.run(black_box(&operands).call(pass, mask, results)).unwrap();
                    });
                    black_box(&results);
                });
            }
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
