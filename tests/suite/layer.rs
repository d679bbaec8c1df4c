//! The layer type and `Device`, on the CPU backend and on the adapter, against float64.

use std::num::NonZeroU32;

use crate::common::{
    Case, Data, MADE, Results, activate_on, adapter, assert_close, bound, devices, expected, few, not_run,
    probability,
};
use dropconnect::gpu::{AdapterChoice, Method, Tensor};
use dropconnect::{
    Activation, Bias, Device, DropConnect, DropConnectBuilder, ElementType, Error, Init, Mask, MaskKey,
    Moments, Origin, Shape, Sharing, Write, reference, wgpu,
};

fn shape() -> Shape {
    Shape::new(6, 7, 19).unwrap()
}

fn kind(masked: bool) -> Bias<()> {
    if masked { Bias::Masked(()) } else { Bias::Plain(()) }
}

fn layer(device: &Device, data: &Data) -> DropConnectBuilder {
    let init = Init::Values { weight: data.weight.clone(), bias: data.bias.clone() };
    DropConnect::new(device, MaskKey::new(11, 4), 19, 7).drop_probability(0.3).init(init)
}

fn mask(step: u64) -> Mask {
    Mask::new(MaskKey::new(11, 4).at_step(step), probability(0.3))
}

#[test]
fn a_step_is_the_reference_under_the_masks_of_its_options() {
    let shape = shape();
    for device in devices("a_step_is_the_reference_under_the_masks_of_its_options") {
        let group = Sharing::Group(NonZeroU32::new(3).unwrap());
        for (element, masked, sharing) in [
            (ElementType::F32, false, Sharing::Example),
            (ElementType::F32, true, group),
            (ElementType::F16, true, Sharing::Batch),
            (ElementType::BF16, true, Sharing::Example),
        ] {
            let data = Data::random(&shape, element, 90);
            let data64 = data.wide();
            let origin = Origin { example: 5, output: 2, input: 9 };
            let mut layer = layer(&device, &data)
                .element(element)
                .masked_bias(masked)
                .sharing(sharing)
                .origin(origin)
                .build()
                .unwrap();
            layer.set_step(8);
            layer.advance();
            let mask = mask(9).shared(sharing).at(origin);
            assert_eq!(layer.mask(), mask);
            let operands = data64.operands(&shape, kind(masked));
            let what = |pass: &str| format!("{device}, {element}, {sharing:?}, masked {masked}: {pass}");

            let call = Case { bias: kind(masked), ..Case::new(shape, Some(mask)) };
            let Results { y, dx, dw, db } = expected(&call, &data);
            assert_close(&layer.forward(&data.x).wait().unwrap(), &y, bound(element), &what("y"));
            let want = reference::forward(&operands.forward(None, ())).unwrap();
            assert_close(&layer.eval(&data.x).wait().unwrap(), &want, bound(element), &what("eval"));

            // Twice: the second time the gradients of the parameters add up, and that of X does not.
            for (times, write) in [(1.0, Write::Overwrite), (2.0, Write::Accumulate)] {
                let got = layer.backward(&data.x, &data.grad_output, write).wait().unwrap();
                assert_close(&got, &dx, bound(element), &what("dx"));
                let times = |values: &[f64]| values.iter().map(|v| times * v).collect::<Vec<_>>();
                assert_close(&layer.grad_weight().wait().unwrap(), &times(&dw), bound(element), &what("dw"));
                let got = layer.grad_bias().wait().unwrap().unwrap();
                assert_close(&got, &times(&db), bound(element), &what("db"));
            }
        }
    }
}

#[test]
fn inference_is_the_reference() {
    let shape = shape();
    let data = Data::random(&shape, ElementType::F32, 7);
    let data64 = data.wide();
    let check = |got: &Moments, want: &(Vec<f64>, Vec<f64>), what: &str| {
        assert_close(&got.mean, &want.0, 1e-5, &format!("{what}, mean"));
        assert_close(&got.variance, &want.1, 1e-5, &format!("{what}, variance"));
    };
    for device in devices("inference_is_the_reference") {
        for masked in [false, true] {
            let mut layer = layer(&device, &data).masked_bias(masked).build().unwrap();
            layer.set_step(40);
            let operands = data64.operands(&shape, kind(masked));
            let what = |call: &str| format!("{device}, masked {masked}, {call}");

            let u = reference::moments(&operands.moments(&probability(0.3), MADE)).unwrap();
            check(&layer.moments(&data.x).wait().unwrap(), &u, &what("moments"));
            let want = reference::closed_form(&shape, Activation::Relu, &u.0, &u.1).unwrap();
            let got = layer.gaussian(&data.x, Activation::Relu, None).wait().unwrap();
            check(&got, &want, &what("closed form"));
            let key = mask(40).key;
            let want =
                reference::sampled(&shape, Activation::Tanh, 50, key, Origin::default(), &u.0, &u.1).unwrap();
            let got = layer.gaussian(&data.x, Activation::Tanh, Some(50)).wait().unwrap();
            check(&got, &want, &what("samples"));

            let mask = mask(40);
            let call = operands.monte_carlo(&mask, 20, MADE);
            let want = reference::monte_carlo(&call).unwrap();
            check(&layer.monte_carlo(&data.x, 20).wait().unwrap(), &want, &what("Monte Carlo"));
            let want = reference::predictive(&call).unwrap();
            let got = layer.predictive(&data.x, 20).wait().unwrap();
            assert_close(&got.mean, &want.mean, 1e-5, &what("softmax"));
            assert_close(&got.entropy, &want.entropy, 1e-5, &what("entropy"));
            // A difference of entropies: rounding is that of the entropies.
            assert_close(&got.mutual_information, &want.mutual_information, 1e-4, &what("information"));
        }
    }
}

#[test]
fn the_device_infers_as_the_layer_does() {
    let shape = shape();
    for device in devices("the_device_infers_as_the_layer_does") {
        for element in [ElementType::F32, ElementType::BF16] {
            let data = Data::random(&shape, element, 3);
            let layer = layer(&device, &data).element(element).build().unwrap();
            let (x, operands, mask) = (&data.x, data.operands(&shape, Bias::Plain(())), mask(0));
            let u = device.run(element, operands.moments(&mask.probability, MADE)).wait().unwrap();
            assert_eq!(u, layer.moments(x).wait().unwrap());
            let method = Method::Sampled { samples: 9, key: mask.key, origin: mask.origin };
            let of_u = activate_on(&device, shape, Activation::Sigmoid, method, &u).unwrap();
            assert_eq!(of_u, layer.gaussian(x, Activation::Sigmoid, Some(9)).wait().unwrap());
            let call = operands.monte_carlo(&mask, 5, MADE);
            let got = device.run(element, call).wait().unwrap();
            assert_eq!(got, layer.monte_carlo(x, 5).wait().unwrap());
            let got = device.pass_outputs(element, call).wait().unwrap();
            assert_eq!(got, layer.pass_outputs(x, 5).wait().unwrap());
            let pass = |t| device.run(element, operands.forward(Some(&mask.pass(t)), ())).wait().unwrap();
            assert_eq!(got, (0..5).flat_map(pass).collect::<Vec<_>>());
            let got = device.predictive(element, call).wait().unwrap();
            assert_eq!(got, layer.predictive(x, 5).wait().unwrap());
        }
    }
}

#[test]
fn bad_arguments_are_named() {
    let data = Data::random(&shape(), ElementType::F32, 1);
    for device in devices("bad_arguments_are_named") {
        let layer = layer(&device, &data).build().unwrap();
        let length = |error| matches!(error, Error::Length { argument: "x", .. });
        let short = &data.x[1..];
        assert!(length(layer.forward(short).wait().unwrap_err()));
        assert!(length(layer.moments(short).wait().unwrap_err()));
        assert!(length(layer.gaussian(short, Activation::Relu, None).wait().unwrap_err()));
        assert!(length(layer.monte_carlo(short, 3).wait().unwrap_err()));
        assert!(length(layer.pass_outputs(short, 3).wait().unwrap_err()));
        assert!(length(layer.predictive(short, 3).wait().unwrap_err()));
        let count = |error| matches!(error, Error::Count { value: 0, least: 1, .. });
        assert!(count(layer.monte_carlo(&data.x, 0).wait().unwrap_err()));
        assert!(count(layer.predictive(&data.x, 0).wait().unwrap_err()));
        assert!(count(layer.gaussian(&data.x, Activation::Relu, Some(0)).wait().unwrap_err()));
        let error = layer.gaussian(&data.x, Activation::Tanh, None).wait().unwrap_err();
        assert!(matches!(error, Error::NoClosedForm { activation: Activation::Tanh }));
    }
}

#[test]
fn parameters_come_back_as_they_were_set() {
    let data = Data::random(&shape(), ElementType::F16, 5);
    for device in devices("parameters_come_back_as_they_were_set") {
        let key = MaskKey::new(11, 4);
        let mut layer = DropConnect::new(&device, key, 19, 7).element(ElementType::F16).build().unwrap();
        layer.set_weight(&data.weight).unwrap();
        layer.set_bias(&data.bias).unwrap();
        assert_eq!(layer.weight().wait().unwrap(), data.weight);
        assert_eq!(layer.bias().wait().unwrap().unwrap(), data.bias);
        assert_eq!(layer.grad_weight().wait().unwrap(), vec![0.0; data.weight.len()]);
        let error = layer.set_weight(&data.weight[1..]).unwrap_err();
        assert!(
            matches!(error, Error::Length { argument: "weight", actual: 132, expected: 133, .. }),
            "{error}"
        );
    }
}

/// One seed, and numbers: neither masks nor first values of two layers have anything to do with each other.
#[test]
fn layers_of_one_seed_start_and_drop_differently() {
    let build = |key| DropConnect::new(&Device::Cpu, key, 50, 40).build().unwrap();
    let layers = [0, 1, 2, u32::MAX].map(|number| build(MaskKey::new(5, number)));
    let values = |layer: &DropConnect| {
        [layer.weight().wait().unwrap(), layer.bias().wait().unwrap().unwrap()].concat()
    };
    let shape = Shape::new(1, 40, 50).unwrap();
    for (at, first) in layers.iter().enumerate() {
        for second in &layers[at + 1..] {
            let (a, b) = (values(first), values(second));
            // Uniform in +-1/sqrt(50), a variance of 1/150: the mean product of n independent pairs is within 4
            // of its standard deviations 1/150/sqrt(n) of 0.
            let product = a.iter().zip(&b).map(|(a, b)| f64::from(a * b)).sum::<f64>() / a.len() as f64;
            assert!((150.0 * product * (a.len() as f64).sqrt()).abs() < 4.0, "{product}");
            let kept = |layer: &DropConnect| Device::Cpu.mask(&shape, &layer.mask()).wait().unwrap();
            let agree = kept(first).iter().zip(kept(second)).filter(|(a, b)| **a == *b).count();
            // Half of 2000, and 4 standard deviations.
            assert!(agree.abs_diff(1000) < 90, "{agree}");
        }
    }
    // The step is where a layer begins, and no part of its first values.
    let later = build(MaskKey::new(5, 1).at_step(9));
    assert_eq!((later.step(), values(&later)), (9, values(&layers[1])));
    assert_ne!(later.mask(), layers[1].mask());
}

/// A software adapter is slower than the CPU backend: nobody gets one who has not asked for it.
#[test]
fn auto_takes_hardware_or_else_the_cpu() {
    let all = AdapterChoice::default();
    let hardware = AdapterChoice { hardware_only: true, ..all.clone() }.adapters();
    let (device, text) = Device::auto(&all);
    assert!(text.starts_with(&device.to_string()), "{text}");
    assert_eq!(device.as_gpu().is_some(), !hardware.is_empty(), "{text}");
    let software = |info: &wgpu::AdapterInfo| info.device_type == wgpu::DeviceType::Cpu;
    let there = all.adapters().into_iter().map(|adapter| adapter.get_info()).find(software);
    if hardware.is_empty() {
        assert!(text.contains("CPU backend") && text.contains("no hardware adapter was found"), "{text}");
        assert_eq!(text.contains("a software adapter"), there.is_some(), "{text}");
    }
    // By its name it is asked for, and says what it is.
    match there {
        None => not_run("auto_takes_hardware_or_else_the_cpu", "the named software adapter: there is none"),
        Some(info) => {
            let named = AdapterChoice { name: Some(info.name), ..all.clone() };
            let (device, text) = Device::auto(&named);
            assert!(device.as_gpu().is_some_and(|gpu| software(gpu.info())), "{text}");
            assert!(text.contains("a software adapter"), "{text}");
            assert!(Device::gpu(&named).unwrap().to_string().contains("a software adapter"));
            let (device, text) = Device::auto(&AdapterChoice { hardware_only: true, ..named });
            assert!(device.as_gpu().is_none() && text.contains("found no hardware adapter named"), "{text}");
        }
    }
    let name = Some("no adapter has this name".to_owned());
    let (device, text) = Device::auto(&AdapterChoice { name, ..all });
    assert!(device.as_gpu().is_none() && text.contains("no adapter has this name"), "{text}");
}

/// The tensors of a layer have one type, and it is the caller's that are wrong. Results may be f32.
#[test]
fn a_layer_refuses_tensors_of_another_type() {
    for device in devices("a_layer_refuses_tensors_of_another_type") {
        let Some(gpu) = device.as_gpu() else { continue };
        let half = ElementType::F16;
        let layer = DropConnect::new(&device, MaskKey::new(1, 0), 2, 3).element(half).build().unwrap();
        let [x, g, y, dx] = [(); 4].map(|()| gpu.buffer(64).unwrap());
        let of = |buffer, elements: u64, element: ElementType| {
            let size = elements * element.size() as u64;
            Tensor { size, ..Tensor::new(buffer, element) }
        };
        let mut encoder = gpu.device().create_command_encoder(&Default::default());
        let (f32, write) = (ElementType::F32, Write::Overwrite);
        let (dx, y) = (Some(of(&dx, 2, f32)), of(&y, 3, f32));
        for (wrong, [x_type, g_type]) in [("x", [f32, half]), ("grad_output", [half, f32]), ("", [half; 2])] {
            let (x, g) = (of(&x, 2, x_type), of(&g, 3, g_type));
            for (refusal, wrong) in [
                (layer.encode_forward(&mut encoder, 1, x, y), if wrong == "x" { wrong } else { "" }),
                (layer.encode_backward(&mut encoder, 1, x, g, dx, write), wrong),
            ] {
                match refusal {
                    Ok(()) => assert_eq!(wrong, ""),
                    Err(Error::Element { argument, actual, allowed }) => {
                        assert_eq!((argument, actual, allowed), (wrong, f32, [half; 2]));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// Which call it was, be it training's, evaluation's or the backward pass.
#[test]
fn a_layer_on_the_cpu_refuses_device_memory_by_the_name_of_the_call() {
    let Some(gpu) = adapter("a_layer_on_the_cpu_refuses_device_memory_by_the_name_of_the_call") else {
        return;
    };
    let layer = DropConnect::new(&Device::Cpu, MaskKey::new(1, 0), 2, 3).build().unwrap();
    let buffer = gpu.buffer(64).unwrap();
    let tensor = || Tensor { buffer: &buffer, offset: 0, size: 8, element: ElementType::F32 };
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    let refusals = [
        ("encode_forward", layer.encode_forward(&mut encoder, 1, tensor(), tensor())),
        ("encode_eval", layer.encode_eval(&mut encoder, 1, tensor(), tensor())),
        (
            "encode_backward",
            layer.encode_backward(&mut encoder, 1, tensor(), tensor(), None, Write::Overwrite),
        ),
    ];
    for (call, refusal) in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, Error::NeedsGpu { what } if what == call), "{call}: {error}");
        assert_eq!(
            error.to_string(),
            format!("{call} needs a GPU adapter, and this layer computes on the CPU")
        );
    }
}

/// In 16 bits, bf16 would stand still at 256 and f16 at 2,048.
#[test]
fn gradients_of_16_bit_layers_accumulate_in_f32() {
    for device in devices("gradients_of_16_bit_layers_accumulate_in_f32") {
        for (element, passes) in few(1, [(ElementType::BF16, 600), (ElementType::F16, 4200)]) {
            let mut layer = DropConnect::new(&device, MaskKey::new(3, 0), 1, 1)
                .drop_probability(0.0)
                .element(element)
                .init(Init::Zeros)
                .build()
                .unwrap();
            for _ in 0..passes {
                layer.backward(&[1.0], &[1.0], Write::Accumulate).wait().unwrap();
            }
            let want = vec![element.round(passes as f32)];
            assert_eq!(layer.grad_weight().wait().unwrap(), want, "{device} {element}: dW");
            assert_eq!(layer.grad_bias().wait().unwrap(), Some(want), "{device} {element}: db");
        }
    }
}
