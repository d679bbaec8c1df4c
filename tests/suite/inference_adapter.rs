//! Inference on the adapter, against the float64 reference.

use crate::common::{
    Data, MADE, Operands, POISON, Placement, adapter, arena, assert_close, close, group, kernels, mask,
    origin, plain_kernels, shape, small_tiles, wide,
};
use dropconnect::call::{Activate, PredictivePass};
use dropconnect::gpu::{Gpu, Kernels, MaskOp, Method, Recording, Tensor, Tile};
use dropconnect::{
    Activation, Bias, DropProbability, ElementType, Error, MaskKey, Shape, Sharing, Write, reference,
};

const SHAPES: [[usize; 3]; 4] = [[5, 7, 9], [33, 12, 40], [40, 64, 72], [1, 1, 1]];

/// Runs one call on operands of a type and poisoned f32 results of these lengths, and returns those.
fn compute(
    gpu: &Gpu,
    placement: Placement,
    element: ElementType,
    operands: &[Vec<u8>],
    results: &[usize],
    record: impl FnOnce(&[Tensor], &[Tensor]) -> Result<Recording, Error>,
) -> Vec<Vec<f32>> {
    let results: Vec<_> = results.iter().map(|&len| vec![POISON; 4 * len]).collect();
    let arena = arena(gpu, placement, operands, &results);
    let inputs: Vec<_> = (0..operands.len()).map(|index| arena.tensor(index, element)).collect();
    let outputs = operands.len()..operands.len() + results.len();
    let outputs: Vec<_> = outputs.map(|index| arena.tensor(index, ElementType::F32)).collect();
    gpu.submit(&record(&inputs, &outputs).unwrap()).unwrap();
    arena.results().unwrap().iter().map(|bytes| ElementType::F32.decode(bytes)).collect()
}

/// X, W and b in device memory.
fn on_device<'a>(shape: Shape, kind: Bias<()>, tensors: &[Tensor<'a>]) -> Operands<Tensor<'a>> {
    let (x, weight, bias) = (tensors[0], tensors[1], kind.map(|()| tensors[2]));
    Operands { shape, x, weight, bias, grad_output: x, write: Write::Overwrite }
}

#[test]
fn moments_agree_with_float64() {
    let Some(gpu) = adapter("moments_agree_with_float64") else { return };
    let mut seed = 100;
    for dims in SHAPES {
        for element in ElementType::ALL {
            for kind in [Bias::None, Bias::Plain(()), Bias::Masked(())] {
                seed += 1;
                let shape = shape(dims);
                let probability = DropProbability::new(0.3).unwrap();
                let data = Data::random(&shape, element, seed);
                let operands = [&data.x, &data.weight, &data.bias].map(|values| element.encode(values));
                let results = [shape.output_len(); 2];
                let placement = [Placement::Separate, Placement::PooledOdd][seed as usize % 2];
                let got = compute(gpu, placement, element, &operands, &results, |operands, results| {
                    let operands = on_device(shape, kind, operands);
                    plain_kernels(gpu).record(operands.moments(&probability, [results[0], results[1]]))
                });
                let data = data.wide();
                let call = data.operands(&shape, kind).moments(&probability, MADE);
                let want = reference::moments(&call).unwrap();
                let what = format!("{dims:?} {element} {kind:?} seed {seed}");
                // The results are f32 whatever the operands are.
                assert_close(&got[0], &want.0, 1e-5, &what);
                assert_close(&got[1], &want.1, 1e-5, &what);
            }
        }
    }
}

/// Operands that workgroups read together, pass after pass: the moments are those of threads that read for themselves.
#[test]
fn monte_carlo_samples_may_have_k_tiles() {
    let Some(gpu) = adapter("monte_carlo_samples_may_have_k_tiles") else { return };
    let mask = mask(0.5).at(origin(1, 2, 3));
    for (dims, element, kind) in
        [([33, 12, 40], ElementType::F32, Bias::None), ([5, 7, 9], ElementType::F16, Bias::Masked(()))]
    {
        let shape = shape(dims);
        let data = Data::random(&shape, element, 300);
        let operands = [&data.x, &data.weight, &data.bias].map(|values| element.encode(values));
        let [alone, together] = [0, 2].map(|k_tile| {
            let tuning = small_tiles(MaskOp::And).with_forward(Tile::new(1, 1, [4, 8]).with_k_tile(k_tile));
            let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
            let results = [shape.output_len(); 2];
            compute(gpu, Placement::PooledOdd, element, &operands, &results, |operands, results| {
                let operands = on_device(shape, kind, operands);
                kernels.record(operands.monte_carlo(&mask, 5, [results[0], results[1]]))
            })
        });
        assert_eq!(alone, together, "{dims:?}");
        let data = data.wide();
        let want = data.operands(&shape, kind).monte_carlo(&mask, 5, MADE);
        assert_close(&together[0], &reference::monte_carlo(&want).unwrap().0, 1e-5, &format!("{dims:?}"));
    }
}

/// Means and variances of which some are 0, tiny and far out.
fn normals(len: usize) -> (Vec<f32>, Vec<f32>) {
    let mean = (0..len).map(|k| (k as f32 * 0.37).sin() * 4.0).collect();
    let variance = (0..len).map(|k| [0.0, 1e-6, 0.01, 1.0, 1.0, 9.0][k % 6]).collect();
    (mean, variance)
}

#[test]
fn activations_agree_with_float64_in_closed_form_and_by_samples() {
    let Some(gpu) = adapter("activations_agree_with_float64_in_closed_form_and_by_samples") else { return };
    let key = MaskKey::new(11, 2).at_step(5);
    // Samples count examples one by one: the last ones have numbers that no block of four has.
    let last = origin(u32::MAX - 4, u32::MAX - 6, 0);
    for (dims, at) in [([6, 8, 1], origin(7, 9, 0)), ([5, 7, 1], last)] {
        let shape = shape(dims);
        let (mean, variance) = normals(shape.output_len());
        let operands = [&mean, &variance].map(|values| ElementType::F32.encode(values));
        let (mean, variance) = (wide(&mean), wide(&variance));
        let sampled = |samples| Method::Sampled { samples, key, origin: at };
        for (activation, method) in [
            (Activation::Identity, Method::Closed),
            (Activation::Relu, Method::Closed),
            (Activation::Identity, sampled(1)),
            (Activation::Relu, sampled(33)),
            (Activation::Sigmoid, sampled(100)),
            (Activation::Tanh, sampled(100)),
        ] {
            let results = [shape.output_len(); 2];
            let got = compute(
                gpu,
                Placement::Separate,
                ElementType::F32,
                &operands,
                &results,
                |operands, results| {
                    plain_kernels(gpu).record(Activate {
                        shape,
                        activation,
                        method,
                        u_mean: operands[0],
                        u_variance: operands[1],
                        mean: results[0],
                        variance: results[1],
                    })
                },
            );
            let want = match method {
                Method::Closed => reference::closed_form(&shape, activation, &mean, &variance),
                Method::Sampled { samples, key, origin } => {
                    reference::sampled(&shape, activation, samples, key, origin, &mean, &variance)
                }
            }
            .unwrap();
            let what = format!("{dims:?} {activation:?} {method:?}");
            assert_close(&got[0], &want.0, 1e-5, &what);
            // A single sample has no variance: nothing to be relative to.
            if method == sampled(1) {
                assert!(got[1].iter().all(|&variance| variance == 0.0), "{what}");
            } else {
                assert_close(&got[1], &want.1, 1e-5, &what);
            }
        }
    }
}

/// The authors' own test: E of max(u, 0) for mean 0 and variance 1.
#[test]
fn half_a_normal_has_mean_0_39894() {
    let Some(gpu) = adapter("half_a_normal_has_mean_0_39894") else { return };
    let shape = shape([4, 4, 1]);
    let operands = [vec![0.0; 16], vec![1.0; 16]].map(|values: Vec<f32>| ElementType::F32.encode(&values));
    let run = |method| {
        compute(gpu, Placement::Separate, ElementType::F32, &operands, &[16; 2], |operands, results| {
            plain_kernels(gpu).record(Activate {
                shape,
                activation: Activation::Relu,
                method,
                u_mean: operands[0],
                u_variance: operands[1],
                mean: results[0],
                variance: results[1],
            })
        })
    };
    let exact = (1.0 / std::f64::consts::TAU).sqrt();
    for value in &run(Method::Closed)[0] {
        assert!((f64::from(*value) - exact).abs() < 1e-6, "{value}");
    }
    let samples = 1000;
    let key = MaskKey::new(3, 0);
    let got = run(Method::Sampled { samples, key, origin: origin(0, 0, 0) });
    let average = got[0].iter().map(|&value| f64::from(value)).sum::<f64>() / 16.0;
    // Var of max(u, 0) is 1/2 - 1/(2 pi); 16 elements of 1000 samples, 4 sigma.
    let sigma = ((0.5 - exact * exact) / (16.0 * f64::from(samples))).sqrt();
    assert!((average - exact).abs() < 4.0 * sigma, "{average}");
}

#[test]
fn monte_carlo_agrees_with_float64() {
    let Some(gpu) = adapter("monte_carlo_agrees_with_float64") else { return };
    let mut seed = 300;
    for dims in SHAPES {
        for (element, kind, sharing, passes) in [
            (ElementType::F32, Bias::Masked(()), Sharing::Example, 7),
            (ElementType::F32, Bias::Plain(()), Sharing::Batch, 3),
            (ElementType::F32, Bias::Masked(()), group(2), 2),
            (ElementType::F16, Bias::None, Sharing::Example, 1),
            (ElementType::BF16, Bias::Plain(()), Sharing::Example, 4),
        ] {
            seed += 1;
            let shape = shape(dims);
            let mask = mask(0.3).at(origin(2, 5, 3)).shared(sharing);
            let data = Data::random(&shape, element, seed);
            let operands = [&data.x, &data.weight, &data.bias].map(|values| element.encode(values));
            let results = [shape.output_len(); 2];
            let placement = [Placement::Separate, Placement::PooledOdd][seed as usize % 2];
            let got = compute(gpu, placement, element, &operands, &results, |operands, results| {
                let operands = on_device(shape, kind, operands);
                plain_kernels(gpu).record(operands.monte_carlo(&mask, passes, [results[0], results[1]]))
            });
            let data = data.wide();
            let of = |passes| data.operands(&shape, kind).monte_carlo(&mask, passes, MADE);
            let want = reference::monte_carlo(&of(passes)).unwrap();
            let what = format!("{dims:?} {element} {kind:?} {sharing:?} {passes} passes");
            assert_close(&got[0], &want.0, 1e-5, &what);
            if passes > 1 {
                assert_close(&got[1], &want.1, 1e-5, &what);
                let more = reference::monte_carlo(&of(passes + 1));
                assert!(dims[0] == 1 || !close(&got[1], &more.unwrap().1, 1e-3), "{what}");
            } else {
                assert!(got[1].iter().all(|&variance| variance == 0.0), "{what}");
            }
        }
    }
}

#[test]
fn a_classifier_says_what_float64_says() {
    let Some(gpu) = adapter("a_classifier_says_what_float64_says") else { return };
    for dims in [[9, 10, 12], [70, 4, 8]] {
        let shape = shape(dims);
        let (mask, passes) = (mask(0.5), 5);
        let data = Data::random(&shape, ElementType::F32, 77);
        let kernels: &Kernels = plain_kernels(gpu);
        let f32s = |values: &[f32]| gpu.upload(&ElementType::F32.encode(values)).unwrap();
        let (x, weight) = (f32s(&data.x), f32s(&data.weight));
        let poison = |len: usize| gpu.upload(&vec![POISON; 4 * len]).unwrap();
        let (logits, mean) = (poison(shape.output_len()), poison(shape.output_len()));
        let (entropy, information) = (poison(shape.batch()), poison(shape.batch()));
        let of = |buffer| Tensor::new(buffer, ElementType::F32);
        for pass in 0..passes {
            let operands = on_device(shape, Bias::None, &[of(&x), of(&weight), of(&x)]);
            let forward = kernels.record(operands.forward(Some(&mask.pass(pass)), of(&logits)));
            gpu.submit(&forward.unwrap()).unwrap();
            let predictive = PredictivePass {
                shape,
                pass,
                passes,
                logits: of(&logits),
                mean: of(&mean),
                entropy: of(&entropy),
                information: of(&information),
            };
            gpu.submit(&kernels.record(predictive).unwrap()).unwrap();
        }
        let read = |buffer: &dropconnect::wgpu::Buffer| {
            ElementType::F32.decode(&gpu.read(buffer, 0..buffer.size()).unwrap())
        };
        let data = data.wide();
        let call = data.operands(&shape, Bias::None).monte_carlo(&mask, passes, MADE);
        let want = reference::predictive(&call).unwrap();
        assert_close(&read(&mean), &want.mean, 1e-5, "mean softmax");
        assert_close(&read(&entropy), &want.entropy, 1e-5, "entropy");
        assert_close(&read(&information), &want.mutual_information, 1e-4, "mutual information");
        assert!(!close(&read(&entropy), &want.mutual_information, 1e-3));
    }
}

#[test]
fn counts_out_of_range_are_refused_by_name() {
    let Some(gpu) = adapter("counts_out_of_range_are_refused_by_name") else { return };
    let buffer = gpu.buffer(4).unwrap();
    let other = gpu.buffer(4).unwrap();
    let shape = shape([1, 1, 1]);
    let refused = |method, activation| {
        let [a, b] = [&buffer, &other].map(|buffer| Tensor::new(buffer, ElementType::F32));
        let call = Activate { shape, activation, method, u_mean: a, u_variance: a, mean: b, variance: b };
        plain_kernels(gpu).record(call).unwrap_err()
    };
    let key = MaskKey::new(0, 0);
    let none = Method::Sampled { samples: 0, key, origin: origin(0, 0, 0) };
    assert!(matches!(refused(none, Activation::Tanh), Error::Count { argument: "samples", value: 0, .. }));
    let closed = refused(Method::Closed, Activation::Tanh);
    assert!(matches!(closed, Error::NoClosedForm { activation: Activation::Tanh }));
    let twice = refused(Method::Closed, Activation::Relu);
    assert!(matches!(twice, Error::Overlap { output: "variance", other: "mean" }), "{twice}");
}
