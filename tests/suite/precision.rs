//! What inference over masks keeps of its digits: f32 results of 16-bit layers, very many classes, very many samples.

use crate::common::*;
use dropconnect::call::{Activate, Forward, OutputMoments, PredictivePass};
use dropconnect::gpu::{MaskOp, Method, Tensor};
use dropconnect::{
    Activation, Bias, Device, DropConnect, ElementType, Error, Init, MaskKey, Moments, Sharing, Write, cpu,
    reference,
};

fn devices(test: &str) -> Vec<Device> {
    let on_adapter = adapter(test).map(|_| Device::gpu(&Default::default()).unwrap());
    std::iter::once(Device::Cpu).chain(on_adapter).collect()
}

/// A variance beyond f16, and one below it.
#[test]
fn what_16_bit_layers_report_over_masks_is_f32() {
    for device in devices("what_16_bit_layers_report_over_masks_is_f32") {
        for element in [ElementType::F16, ElementType::BF16] {
            for weight in [40.0f32, 1e-3] {
                let shape = shape([3, 4, 64]);
                let mut data = Data::random(&shape, element, 8);
                data.weight.iter_mut().for_each(|value| *value = element.round(weight * (1.5 + *value)));
                data.x.iter_mut().for_each(|value| *value = element.round(1.0 + 0.5 * *value));
                let init = Init::Values { weight: data.weight.clone(), bias: data.bias.clone() };
                let layer = DropConnect::new(&device, MaskKey::new(9, 0), 64, 4)
                    .element(element)
                    .init(init)
                    .build()
                    .unwrap();
                let data64 = data.wide();
                let operands = data64.operands(&shape, Bias::Plain(()));
                let check = |got: &Moments, want: &(Vec<f64>, Vec<f64>), what: &str| {
                    let what = format!("{device} {element} {weight} {what}");
                    assert_close(&got.mean, &want.0, 1e-5, &what);
                    assert_close(&got.variance, &want.1, 1e-5, &what);
                };
                let u = reference::moments(&operands.moments(layer.drop_probability(), MADE)).unwrap();
                check(&layer.moments(&data.x).wait().unwrap(), &u, "moments");
                let want = reference::closed_form(&shape, Activation::Relu, &u.0, &u.1).unwrap();
                check(&layer.gaussian(&data.x, Activation::Relu, None).wait().unwrap(), &want, "gaussian");
                let mask = layer.mask();
                let call = operands.monte_carlo(&mask, 9, MADE);
                let want = reference::monte_carlo(&call).unwrap();
                check(&layer.monte_carlo(&data.x, 9).wait().unwrap(), &want, "Monte Carlo");
                let want = reference::predictive(&call).unwrap();
                let got = layer.predictive(&data.x, 9).wait().unwrap();
                // Logits in the thousands are known to 1e-4.
                let bound = if weight > 1.0 { 1e-3 } else { 1e-5 };
                assert_close(&got.mean, &want.mean, bound, &format!("{device} {element} {weight} softmax"));
            }
        }
    }
}

/// Y in f32 of operands that are not: whole quads and odd rows, between guard bytes.
#[test]
fn y_in_f32_of_16_bit_operands_is_not_rounded() {
    let Some(gpu) = adapter("y_in_f32_of_16_bit_operands_is_not_rounded") else { return };
    for (seed, (dims, element)) in
        [([5, 8, 24], ElementType::F16), ([5, 7, 9], ElementType::BF16)].into_iter().enumerate()
    {
        let (shape, mask) = (shape(dims), mask(0.3).at(origin(1, 2, 3)));
        for (kind, placement) in [(Bias::None, Placement::Separate), (Bias::Masked(()), Placement::PooledOdd)]
        {
            let data = Data::random(&shape, element, seed as u64);
            let contents = [&data.x, &data.weight, &data.bias].map(|v| element.encode(v));
            let arena = arena(gpu, placement, &contents, &[vec![POISON; 4 * shape.output_len()]]);
            let [x, weight, bias] = [0, 1, 2].map(|index| arena.tensor(index, element));
            let (bias, y) = (kind.map(|()| bias), arena.tensor(3, ElementType::F32));
            let call = Forward { shape, mask: Some(&mask), x, weight, bias, y };
            gpu.submit(&plain_kernels(gpu).record(call).unwrap()).unwrap();
            let got = ElementType::F32.decode(&arena.results().unwrap()[0]);
            let want =
                reference::forward(&data.wide().operands(&shape, kind).forward(Some(&mask), ())).unwrap();
            assert_close(&got, &want, 1e-6, &format!("{dims:?} {element} {kind:?}"));
            let rounded: Vec<f32> = got.iter().map(|&value| element.round(value)).collect();
            assert!(relative_error(&rounded, &want) > 1e-5);
            // The size of a 16-bit Y is refused.
            let short = Forward { y: Tensor { size: y.size / 2, ..y }, ..call };
            let refused = plain_kernels(gpu).record(short).unwrap_err();
            assert!(matches!(refused, Error::TensorSize { argument: "y", .. }), "{refused}");
        }
    }
}

/// Gradients in f32 of operands that are not, by a call for each and by one for both.
#[test]
fn gradients_in_f32_of_16_bit_operands_are_not_rounded() {
    let Some(gpu) = adapter("gradients_in_f32_of_16_bit_operands_are_not_rounded") else { return };
    let kernels = plain_kernels(gpu);
    for (dims, element) in [([5, 8, 24], ElementType::F16), ([5, 7, 9], ElementType::BF16)] {
        let (shape, mask) = (shape(dims), mask(0.3).at(origin(1, 2, 3)));
        let data = Data::random(&shape, element, 4);
        let contents = [&data.x, &data.weight, &data.grad_output].map(|v| element.encode(v));
        let before = data.before.each_ref().map(|before| ElementType::F32.encode(before));
        let [x, weight, grad_output] = [0, 1, 2];
        let (some, write) = (Some(&mask), Write::Accumulate);
        for one_call in [false, true] {
            let arena = arena(gpu, Placement::PooledOdd, &contents, &before);
            let [x, weight, grad_output] = [x, weight, grad_output].map(|index| arena.tensor(index, element));
            let operands = Operands { shape, x, weight, bias: Bias::None, grad_output, write };
            let [dx, dw, db] = [3, 4, 5].map(|index| arena.tensor(index, ElementType::F32));
            let recordings = if one_call {
                let call = operands.both_gradients(some, (dx, write), (dw, write));
                vec![kernels.record(call)]
            } else {
                let dx = kernels.record(operands.input_gradient(some, dx));
                vec![dx, kernels.record(operands.weight_gradient(some, dw))]
            };
            let db = kernels.record(operands.bias_gradient(some, db));
            recordings.into_iter().chain([db]).for_each(|call| gpu.submit(&call.unwrap()).unwrap());
            let call = Case { write: [write; 3], element, ..Case::new(shape, Some(mask)) };
            let want = expected(&call, &data);
            let got = arena.results().unwrap();
            for (got, (name, want)) in got.iter().zip(&want.named()[1..]) {
                let got = ElementType::F32.decode(got);
                assert_close(&got, want, 1e-6, &format!("{name} {dims:?} {element}, one call: {one_call}"));
            }
        }
    }
}

/// Below, at and past the numbers of classes at which more threads share an example: as software adapters have
/// them, and as hardware has.
#[test]
fn very_many_classes_agree_with_float64() {
    let gpu = adapter("very_many_classes_agree_with_float64");
    for classes in [64, 65, 1027, 4096, 4101, 100_000] {
        let (shape, mask, passes) = (shape([2, classes, 1]), mask(0.3), 3);
        let Data { mut weight, bias, .. } = Data::random(&shape, ElementType::F32, classes as u64);
        weight.iter_mut().for_each(|value| *value *= 6.0);
        let data = Data { x: vec![1.0, -0.7], weight, bias, ..Data::constant(&shape, 0.0) };
        let (data64, operands) = (data.wide(), data.operands(&shape, Bias::Masked(())));
        let call = data64.operands(&shape, Bias::Masked(())).monte_carlo(&mask, passes, MADE);
        let want = reference::predictive(&call).unwrap();
        assert!(want.mutual_information.iter().all(|&information| information > 0.1));
        let check = |got: &[Vec<f32>; 3], kind: &str| {
            let what = format!("{kind}, {classes} classes");
            assert_close(&got[0], &want.mean, 5e-6, &what);
            assert_close(&got[1], &want.entropy, 5e-6, &what);
            // A difference of entropies: rounding is that of the entropies.
            for (n, got) in got[2].iter().enumerate() {
                let error = (f64::from(*got) - want.mutual_information[n]).abs();
                assert!(error < 5e-6 * want.entropy[n], "{what}: {got}, off by {error:e}");
            }
        };
        let got = predict(operands.monte_carlo(&mask, passes, MADE)).unwrap();
        check(&[got.mean, got.entropy, got.mutual_information], "CPU");
        let Some(gpu) = gpu else { continue };
        let logits: Vec<_> = (0..passes)
            .map(|pass| {
                let mut y = vec![0.0; shape.output_len()];
                cpu::run(operands.forward(Some(&mask.pass(pass)), &mut y[..])).unwrap();
                y
            })
            .collect();
        for threads in [0, 1 << 16] {
            let tuning = small_tiles(MaskOp::And).with_threads(threads);
            let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
            check(
                &predicted(gpu, kernels, &shape, &logits),
                &format!("adapter, tuned for {threads} threads"),
            );
        }
    }
}

#[test]
fn more_classes_than_threads_can_share_are_refused_by_name() {
    let Some(gpu) = adapter("more_classes_than_threads_can_share_are_refused_by_name") else { return };
    let none = gpu.buffer(4).unwrap();
    // What 256 threads may take: three times, four classes a step, and two iterations more for 256 steps.
    let limit = 4 * 256 * 256 * u64::from((gpu.kernels().tuning().iterations / 3 - 2) / 258);
    let shape = shape([0, limit as usize + 1, 1]);
    let [logits, mean, entropy, information] = [Tensor::new(&none, ElementType::F32); 4];
    let call = PredictivePass { shape, pass: 0, passes: 1, logits, mean, entropy, information };
    let refused = gpu.kernels().record(call).unwrap_err();
    assert!(
        matches!(refused, Error::TooLarge { argument: "outputs", value, limit: most }
            if value == limit + 1 && most == limit),
        "{refused}"
    );
}

/// More samples than one launch takes: the launches go on from each other, in the order of the samples.
#[test]
fn very_many_samples_agree_with_float64() {
    let test = "very_many_samples_agree_with_float64";
    let shape = shape([1, 5, 1]);
    let mean = [0.0f32, 3.0, -0.5, 100.0, -1e12];
    let variance = [1.0f32, 0.01, 4.0, 2.0, 1e20];
    let (key, at) = (MaskKey::new(21, 2).at_step(3), origin(4, 9, 0));
    for samples in [32_769, 300_000] {
        let method = Method::Sampled { samples, key, origin: at };
        for activation in [Activation::Identity, Activation::Relu, Activation::Tanh, Activation::Sigmoid] {
            let (m, v) = (wide(&mean), wide(&variance));
            let want = reference::sampled(&shape, activation, samples, key, at, &m, &v).unwrap();
            let mut all = vec![pair(5, |out| {
                activate(
                    &shape,
                    activation,
                    Method::Sampled { samples, key, origin: at },
                    [&mean, &variance],
                    out,
                )
            })];
            if let Some(gpu) = adapter(test) {
                let contents = [&mean, &variance].map(|values| ElementType::F32.encode(values));
                let results = [vec![POISON; 20], vec![POISON; 20]];
                let arena = arena(gpu, Placement::Separate, &contents, &results);
                let [u_mean, u_variance, mean, variance] =
                    [0, 1, 2, 3].map(|index| arena.tensor(index, ElementType::F32));
                let call = Activate { shape, activation, method, u_mean, u_variance, mean, variance };
                let recording = gpu.kernels().record(call).unwrap();
                assert_eq!(recording.dispatches(), samples.div_ceil(1 << 15) as usize);
                gpu.submit(&recording).unwrap();
                let results = arena.results().unwrap();
                all.push([0, 1].map(|index| ElementType::F32.decode(&results[index])));
            }
            for ([got_mean, got_variance], kind) in all.iter().zip(["CPU", "adapter"]) {
                for k in 0..5 {
                    let what = format!("{kind} {activation:?} {samples} of {} and {}", mean[k], variance[k]);
                    // Element by element: a norm over all would see the largest alone.
                    let slack = 2e-6 * (want.0[k].abs() + want.1[k].sqrt());
                    let error = (f64::from(got_mean[k]) - want.0[k]).abs();
                    assert!(error <= slack, "{what}: mean off by {error:e}, allowed {slack:e}");
                    assert_close(&got_variance[k..=k], &want.1[k..=k], 1e-5, &what);
                }
            }
        }
    }
}

/// Moments of 16-bit operands are written as f32, and room for f16 is refused.
#[test]
fn moments_want_room_for_f32() {
    let Some(gpu) = adapter("moments_want_room_for_f32") else { return };
    let (shape, element) = (shape([2, 4, 4]), ElementType::F16);
    let [x, weight, mean, variance] = [16, 32, 16, 32].map(|bytes| gpu.buffer(bytes).unwrap());
    let [x, weight] = [&x, &weight].map(|buffer| Tensor::new(buffer, element));
    let [mean, variance] = [&mean, &variance].map(|buffer| Tensor::new(buffer, ElementType::F32));
    let (probability, bias) = (&probability(0.5), Bias::None);
    let call = OutputMoments { shape, probability, x, weight, bias, mean, variance };
    let refused = gpu.kernels().record(call).unwrap_err();
    assert!(matches!(refused, Error::TensorSize { argument: "mean", expected: 32, .. }), "{refused}");
    let refused = gpu.kernels().record(OutputMoments { mean: x, ..call }).unwrap_err();
    assert!(matches!(refused, Error::Element { argument: "mean", .. }), "{refused}");
}

/// Roundings of equal terms all go one way, and those of the largest terms come last, where one f32 has a whole sum.
#[test]
fn long_sums_of_constants_and_ramps_keep_their_digits() {
    let length = if full() { 300_000 } else { 100_000 };
    let targets = targets("long_sums_of_constants_and_ramps_keep_their_digits");
    for pass in SINGLE {
        let mut dims = [1; 3];
        dims[reductions(pass)[0] as usize] = length;
        let shape = shape(dims);
        for mask in few(3, [None, Some(Sharing::Example), Some(Sharing::Batch), Some(group(8))]) {
            let call = Case::new(shape, mask.map(|sharing| crate::common::mask(0.5).shared(sharing)));
            for data in [Data::constant(&shape, 0.1), Data::rising(&shape)] {
                let want = call.expected(pass, &data).unwrap();
                for target in &targets {
                    let got = target.run(&[pass], &call, &data).unwrap().results;
                    let what = format!("{} {} {mask:?}", target.name(), pass.name());
                    assert_close(&got[0], &want[0], 1e-5, &what);
                }
            }
        }
    }
}

/// Means and variances over masks, of sums as long.
#[test]
fn long_sums_of_constants_keep_their_digits_over_masks() {
    let shape = shape([1, 2, 600_000]);
    let data = Data::constant(&shape, 0.1);
    let (operands, wide) = (data.operands(&shape, Bias::Plain(())), data.wide());
    let wide = wide.operands(&shape, Bias::Plain(()));
    let (p, mask) = (probability(0.3), mask(0.3));
    let moments = reference::moments(&wide.moments(&p, MADE)).unwrap();
    let sampled = reference::monte_carlo(&wide.monte_carlo(&mask, 3, MADE)).unwrap();
    for device in devices("long_sums_of_constants_keep_their_digits_over_masks") {
        let got = device.run(ElementType::F32, operands.moments(&p, MADE)).wait().unwrap();
        assert_close(&got.mean, &moments.0, 1e-5, &format!("{device}: mean"));
        assert_close(&got.variance, &moments.1, 1e-5, &format!("{device}: variance"));
        let got = device.run(ElementType::F32, operands.monte_carlo(&mask, 3, MADE)).wait().unwrap();
        assert_close(&got.mean, &sampled.0, 1e-5, &format!("{device}: Monte-Carlo mean"));
    }
    // Classes that are all alike: each has 1e-6.
    let shape = crate::common::shape([1, 1_000_000, 1]);
    let data = Data::constant(&shape, 0.0);
    let (operands, mask) = (data.operands(&shape, Bias::None), crate::common::mask(0.5));
    for device in devices("long_sums_of_constants_keep_their_digits_over_masks") {
        let got = device.predictive(ElementType::F32, operands.monte_carlo(&mask, 2, MADE)).wait().unwrap();
        assert_close(&got.mean, &vec![1e-6; 1_000_000], 1e-5, &format!("{device}: softmax"));
        assert_close(&got.entropy, &[1e6f64.ln()], 1e-5, &format!("{device}: entropy"));
    }
}
