//! Shards, other backends, other element types, other devices.

use crate::common::{assert_close, config, device, ramp, values};
use burn::tensor::{DType, Device, Tensor, TensorData};
use dropconnect_burn::{Draw, DropConnect, DropConnectConv2dConfig, Error, Per, try_drop_connect};

/// Y and the gradients of the weight, the bias and x, with the upstream gradient `[batch, 12]`.
fn results(layer: &DropConnect, x: Tensor<2>, upstream: Tensor<2>, draw: Draw) -> [Vec<f32>; 4] {
    let x = x.require_grad();
    let y = layer.forward_at(x.clone(), draw);
    let gradients = (y.clone() * upstream).sum().backward();
    let weight = layer.weight.grad(&gradients).unwrap();
    let bias = layer.bias.as_ref().unwrap().grad(&gradients).unwrap();
    [values(y), values(weight), values(bias), values(x.grad(&gradients).unwrap())]
}

#[test]
fn shards_of_a_batch_add_up_to_it() {
    let Some(device) = device("shards_of_a_batch_add_up_to_it") else { return };
    let device = device.autodiff();
    let layer = config(40, 12).with_masked_bias(true).init(&device);
    let (x, upstream) = (ramp([22, 40], 31, 7, &device), ramp([22, 12], 91, 5, &device));
    let whole = results(&layer, x.clone(), upstream.clone(), Draw { step: 6, ..Draw::default() });
    let shard = |layer: &DropConnect, from: usize, to: usize| {
        let (x, upstream) = (x.clone().slice(from..to), upstream.clone().slice(from..to));
        results(layer, x, upstream, Draw { step: 6, first_example: from as u32, ..Draw::default() })
    };
    // The second shard runs on a copy of the layer, as on another device. It starts within a brick.
    let (first, second) = (shard(&layer, 0, 9), shard(&layer.clone(), 9, 22));
    for (at, what) in [(0, "y"), (3, "dx")] {
        assert_eq!([first[at].clone(), second[at].clone()].concat(), whole[at], "{what}");
    }
    for (at, what) in [(1, "dw"), (2, "db")] {
        let sum: Vec<f32> = first[at].iter().zip(&second[at]).map(|(a, b)| a + b).collect();
        assert_close(&sum, &whole[at], 1e-6, what);
    }
}

#[cfg(feature = "flex")]
#[test]
fn the_cpu_backend_draws_the_same_masks() {
    let Some(gpu) = device("the_cpu_backend_draws_the_same_masks") else { return };
    let cpu = Device::flex().autodiff();
    let run = |device: &Device| {
        let mut layer = config(40, 12).with_masked_bias(true).init(device);
        layer.weight = layer.weight.map(|_| ramp([40, 12], 57, 3, device).require_grad());
        layer.bias = layer.bias.map(|bias| bias.map(|_| ramp([12], 13, 1, device).require_grad()));
        let upstream = ramp([22, 12], 91, 5, device);
        results(
            &layer,
            ramp([22, 40], 31, 7, device),
            upstream,
            Draw { step: 6, first_example: 1, ..Draw::default() },
        )
    };
    for (got, want) in run(&cpu).iter().zip(&run(&gpu.autodiff())) {
        assert_close(got, want, 2e-6, "flex against wgpu");
    }
}

/// Y and, where Burn itself can add numbers of this type on the device, the gradients of x, weight and bias.
/// The values come from the host rounded to `rounded` and lie on the device as `dtype`: a cast would be Burn's
/// own kernel.
fn typed(rounded: DType, dtype: DType, device: &Device) -> Vec<Vec<f32>> {
    let data = |dims: &[usize], a: usize, c: usize| {
        let values: Vec<f32> =
            (0..dims.iter().product()).map(|at| ((at * a + c) % 1009) as f32 / 1009.0 - 0.5).collect();
        TensorData::new(values, dims.to_vec()).convert_dtype(rounded).convert_dtype(dtype)
    };
    let x = Tensor::<2>::from_data(data(&[7, 41], 31, 7), (device, dtype)).require_grad();
    // As the layer stores it: one output's weights next to each other. Odd lengths share words between rows.
    let stored = Tensor::<2>::from_data(data(&[11, 41], 57, 3), (device, dtype)).require_grad();
    let bias = Tensor::<1>::from_data(data(&[11], 13, 1), (device, dtype)).require_grad();
    let mask =
        config(41, 11).init(device).settings().mask(Draw { step: 6, first_example: 3, ..Draw::default() });
    let y =
        dropconnect_burn::drop_connect(x.clone(), stored.clone().transpose(), Some(bias.clone()), mask, true);
    assert_eq!(y.dtype(), dtype);
    let mut results = vec![values(y.clone())];
    if device.supports_dtype(dtype) {
        let upstream = Tensor::<2>::from_data(data(&[7, 11], 91, 5), (device, dtype));
        let gradients = (y * upstream).sum().backward();
        results.push(values(x.grad(&gradients).unwrap()));
        results.push(values(stored.grad(&gradients).unwrap()));
        results.push(values(bias.grad(&gradients).unwrap()));
    }
    results
}

#[test]
fn sixteen_bit_tensors() {
    let Some(device) = device("sixteen_bit_tensors") else { return };
    let device = device.autodiff();
    for (dtype, tolerance) in [(DType::F16, 1e-3), (DType::BF16, 8e-3)] {
        let got = typed(dtype, dtype, &device);
        let want = typed(dtype, DType::F32, &device);
        if got.len() == 1 {
            eprintln!("NOT RUN: gradients of sixteen_bit_tensors: Burn has no {dtype:?} on this adapter");
        }
        for (what, (got, want)) in ["y", "dx", "dw", "db"].iter().zip(got.iter().zip(&want)) {
            // The sums are in f32: only the rounding of the results is left.
            assert_close(got, want, tolerance, &format!("{what} in {dtype:?}"));
        }
        assert_ne!(got[0], want[0], "the results in {dtype:?} are rounded");
    }
}

#[cfg(feature = "flex")]
#[test]
fn element_types_that_do_not_fit_are_refused_by_name() {
    let device = Device::flex();
    let mask = config(4, 3).init(&device).settings().mask(Draw::default());
    let operation = |types: [DType; 3]| {
        let x = Tensor::<2>::zeros([2, 4], (&device, types[0]));
        let weight = Tensor::<2>::zeros([4, 3], (&device, types[1]));
        let bias = Tensor::<1>::zeros([3], (&device, types[2]));
        try_drop_connect(x, weight, Some(bias), mask, false)
    };
    let [f16, f32, f64] = [DType::F16, DType::F32, DType::F64];
    assert_eq!(operation([f32, f32, f32]).unwrap().dims(), [2, 3]);
    let error = operation([f32, f16, f32]).unwrap_err();
    assert!(matches!(error, Error::MixedElementTypes { argument: "weight", .. }), "{error}");
    let error = operation([f16, f16, f32]).unwrap_err();
    assert!(matches!(error, Error::MixedElementTypes { argument: "bias", .. }), "{error}");
    let error = operation([f64, f64, f64]).unwrap_err();
    assert!(matches!(error, Error::ElementType { argument: "x", .. }), "{error}");
    // A layer that is refused takes no step.
    let layer = config(4, 3).init(&device.clone().autodiff());
    let x = Tensor::<2>::zeros([2, 4], (&device.clone().autodiff(), f16));
    assert!(matches!(layer.try_forward(x), Err(Error::MixedElementTypes { .. })));
    assert_eq!(layer.steps.get(), 0);
}

#[cfg(feature = "flex")]
#[test]
fn what_is_refused_takes_no_step() {
    let device = Device::flex().autodiff();
    let layer = config(4, 3).init(&device);
    for dims in [[2, 5, 3], [2, 4, 5]] {
        let refused = layer.try_forward(Tensor::<3>::zeros(dims, &device)).unwrap_err();
        assert!(matches!(refused, Error::Shape { argument: "input", .. }), "{refused}");
        // Nor does it panic where nothing is dropped.
        let plain = Device::flex();
        assert!(config(4, 3).init(&plain).try_forward(Tensor::<3>::zeros(dims, &plain)).is_err());
    }
    assert_eq!(layer.steps.get(), 0);
    // More rows than masks can tell apart.
    let sequences = config(4, 3).with_per(Per::Sequence).with_examples_per_mask(u32::MAX).init(&device);
    let refused = sequences.try_forward(Tensor::<3>::zeros([2, 2, 4], &device)).unwrap_err();
    assert!(matches!(refused, Error::Kernel(_)), "{refused}");
    assert_eq!(sequences.steps.get(), 0);
    sequences.try_forward(Tensor::<3>::zeros([2, 1, 4], &device)).unwrap();
    assert_eq!(sequences.steps.get(), 1);
    let images =
        DropConnectConv2dConfig::new(0, [1, 2], [1, 1]).with_examples_per_mask(u32::MAX).init(&device);
    assert!(images.try_forward(Tensor::<4>::zeros([1, 1, 2, 2], &device)).is_err());
    assert_eq!(images.steps.get(), 0);
}
