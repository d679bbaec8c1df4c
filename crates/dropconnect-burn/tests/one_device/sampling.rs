//! A whole network over many masks in one run, against passes one by one, on any device.

use crate::common::{assert_close, device, numbered, ramp, values};
use burn::module::Module;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use dropconnect_burn::{Draw, DropConnect, Error, Per, Sampler};

const PASSES: u32 = 7;

#[derive(Module, Debug)]
struct Network {
    hidden: DropConnect,
    output: DropConnect,
}

impl Network {
    fn init(device: &Device) -> Self {
        device.seed(3);
        let output = numbered(1, 18, 5).with_prob(0.5).with_masked_bias(true).init(device);
        Self { hidden: numbered(0, 12, 18).init(device), output }
    }

    fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        self.output.forward(relu(self.hidden.forward(x)))
    }

    fn sample_at(&self, x: Tensor<2>, draw: Draw) -> Tensor<2> {
        self.output.sample_at(relu(self.hidden.sample_at(x, draw)), draw)
    }
}

/// Both kinds of backends, with and without autodiff.
fn devices(test: &str) -> Vec<Device> {
    let mut devices: Vec<Device> =
        device(test).into_iter().flat_map(|it| [it.clone(), it.autodiff()]).collect();
    if cfg!(feature = "flex") {
        devices.extend([Device::flex(), Device::flex().autodiff()]);
    }
    devices
}

/// Where masks are not what is tested: the CPU, which has nothing to compile.
fn any_device(test: &str) -> Option<Device> {
    #[cfg(feature = "flex")]
    return Some(Device::flex()).filter(|_| !test.is_empty());
    #[cfg(not(feature = "flex"))]
    device(test)
}

/// Pass t, as a run of the model for itself.
fn pass(model: &Network, x: &Tensor<2>, step: u64, t: u32) -> Vec<f32> {
    let first_example = t * x.dims()[0] as u32;
    values(model.sample_at(x.clone(), Draw { step, pass: Some(0), first_example }))
}

#[test]
fn one_run_is_so_many_passes_bit_for_bit() {
    for device in devices("one_run_is_so_many_passes_bit_for_bit") {
        for model in [Network::init(&device), Network::init(&device).valid(), Network::init(&device).freeze()]
        {
            // A batch that ends within a brick of the masks.
            let device = model.hidden.weight.device();
            let x = ramp([6, 12], 31, 7, &device);
            let want: Vec<Vec<f32>> = (0..PASSES).map(|t| pass(&model, &x, 9, t)).collect();
            assert!((1..7).all(|t| want[t] != want[0]), "other masks for every pass");
            // All passes at once, three runs of them, and a run for each.
            for most in [1000, 18, 1] {
                let sampler = Sampler::new(PASSES).unwrap().with_step(9).with_max_examples(most);
                let mut runs = 0;
                let got = sampler.outputs(x.clone(), |x| {
                    runs += 1;
                    model.forward(x)
                });
                assert_eq!(values(got.unwrap()), want.concat(), "{device:?}, at most {most} examples");
                assert_eq!(runs, [(1000, 1), (18, 3), (1, 7)].iter().find(|run| run.0 == most).unwrap().1);
            }
            assert_eq!((model.hidden.steps.get(), model.output.steps.get()), (0, 0), "no step is taken");
        }
        // Outside of the sampler nothing is left of it.
        let (model, x) = (Network::init(&device).valid(), ramp([6, 12], 31, 7, &device));
        let x = if device.is_autodiff() { x.inner() } else { x };
        assert_eq!(values(model.forward(x.clone())), values(model.forward(x)));
    }
}

#[test]
fn moments_and_classes_are_those_of_the_passes() {
    for device in devices("moments_and_classes_are_those_of_the_passes") {
        let model = Network::init(&device);
        let x = ramp([6, 12], 31, 7, &device).mul_scalar(5.0);
        let passes: Vec<Vec<f64>> =
            (0..PASSES).map(|t| pass(&model, &x, 2, t).into_iter().map(f64::from).collect()).collect();
        let n = f64::from(PASSES);
        let mean = |values: &dyn Fn(usize) -> f64| (0..PASSES as usize).map(values).sum::<f64>() / n;
        let means: Vec<f64> = (0..30).map(|at| mean(&|t| passes[t][at])).collect();
        let variances: Vec<f32> = (0..30)
            .map(|at| (mean(&|t| (passes[t][at] - means[at]).powi(2)) * n / (n - 1.0)) as f32)
            .collect();
        let softmax: Vec<Vec<f64>> = passes
            .iter()
            .map(|logits| {
                let rows = logits.chunks(5).flat_map(|row| {
                    let sum: f64 = row.iter().map(|y| y.exp()).sum();
                    row.iter().map(move |y| y.exp() / sum)
                });
                rows.collect()
            })
            .collect();
        let entropy = |p: &[f64]| -p.iter().map(|p| p * p.ln()).sum::<f64>();
        let classes: Vec<f64> = (0..30).map(|at| mean(&|t| softmax[t][at])).collect();
        let entropies: Vec<f64> = classes.chunks(5).map(entropy).collect();
        let inner: Vec<f64> = (0..6).map(|n| mean(&|t| entropy(&softmax[t][5 * n..5 * n + 5]))).collect();
        let narrow = |values: &[f64]| values.iter().map(|&value| value as f32).collect::<Vec<f32>>();

        for most in [1000, 18, 1] {
            let sampler = Sampler::new(PASSES).unwrap().with_step(2).with_max_examples(most);
            let (got_mean, got_variance) = sampler.moments(x.clone(), |x| model.forward(x)).unwrap();
            assert_close(&values(got_mean), &narrow(&means), 1e-6, "mean");
            assert_close(&values(got_variance), &variances, 1e-5, "variance");
            let got = sampler.predictive(x.clone(), |x| model.forward(x)).unwrap();
            assert_eq!((got.mean.dims(), got.entropy.dims()), ([6, 5], [6, 1]));
            assert_close(&values(got.mean), &narrow(&classes), 1e-5, "mean softmax");
            assert_close(&values(got.entropy), &narrow(&entropies), 1e-5, "entropy");
            for (got, (all, inner)) in values(got.mutual_information).iter().zip(entropies.iter().zip(&inner))
            {
                assert!((f64::from(*got) - (all - inner)).abs() < 2e-6, "{got}");
            }
        }
        let (_, none) = Sampler::new(1).unwrap().moments(x, |x| model.forward(x)).unwrap();
        assert!(values(none).iter().all(|&variance| variance == 0.0), "one pass has no variance");
    }
}

#[test]
fn steps_share_no_mask_with_each_other_nor_with_training() {
    let Some(device) = any_device("steps_share_no_mask_with_each_other_nor_with_training") else { return };
    let device = device.autodiff();
    let model = Network::init(&device);
    // One example, again and again: equal rows are equal masks of the first layer.
    let x = ramp([1, 12], 31, 7, &device).expand([4, 12]);
    let mut seen: Vec<Vec<f32>> = Vec::new();
    for step in [0, 1, 2, u64::MAX] {
        let sampler = Sampler::new(5).unwrap().with_step(step);
        let y = values(sampler.outputs(x.clone(), |x| model.hidden.forward(x)).unwrap());
        seen.extend(y.chunks(18).map(<[f32]>::to_vec));
        let training = values(model.hidden.forward_at(x.clone(), Draw { step, ..Draw::default() }));
        seen.extend(training.chunks(18).map(<[f32]>::to_vec));
    }
    assert_eq!(seen.len(), 4 * (20 + 4));
    for (at, y) in seen.iter().enumerate() {
        assert!(!seen[..at].contains(y), "row {at} repeats an earlier one");
    }
}

#[test]
fn shared_masks_are_shared_within_a_pass_only() {
    let Some(device) = any_device("shared_masks_are_shared_within_a_pass_only") else { return };
    // [batch, time, features], the same row everywhere: equal outputs are equal masks.
    let (batch, time) = (5, 3);
    let x = ramp([1, 1, 12], 31, 7, &device).expand([batch, time, 12]);
    // What a row's mask belongs to, within a pass.
    type Owner = fn(usize, usize) -> usize;
    let cases: [(Per, u32, Owner); 6] = [
        (Per::Row, 1, |n, t| n * 3 + t),
        (Per::Row, 4, |n, t| (n * 3 + t) / 4),
        (Per::Row, 0, |_, _| 0),
        (Per::Sequence, 1, |n, _| n),
        (Per::Sequence, 2, |n, _| n / 2),
        (Per::Batch, 1, |_, _| 0),
    ];
    for (per, sharing, owner) in cases {
        let layer = numbered(0, 12, 18).with_per(per).with_examples_per_mask(sharing).init(&device);
        let want: Vec<(usize, usize)> = (0..3)
            .flat_map(|pass| (0..batch).flat_map(move |n| (0..time).map(move |t| (pass, owner(n, t)))))
            .collect();
        for most in [100, 10, 1] {
            let sampler = Sampler::new(3).unwrap().with_max_examples(most);
            let y = values(sampler.outputs(x.clone(), |x| layer.forward(x)).unwrap());
            let rows: Vec<&[f32]> = y.chunks(18).collect();
            for (a, b) in (0..want.len()).flat_map(|a| (0..a).map(move |b| (a, b))) {
                assert_eq!(rows[a] == rows[b], want[a] == want[b], "{per:?} {sharing}, {most}: {a} and {b}");
            }
        }
    }
}

#[test]
fn what_is_no_batch_is_refused() {
    let Some(device) = any_device("what_is_no_batch_is_refused") else { return };
    let model = Network::init(&device);
    let x = ramp([6, 12], 31, 7, &device);
    assert!(matches!(Sampler::new(0), Err(Error::Kernel(_))));
    let sampler = Sampler::new(4).unwrap();
    let lost = sampler.outputs(x.clone(), |x| model.forward(x).sum_dim(0)).unwrap_err();
    assert!(matches!(lost, Error::Output { expected: 24, .. }), "{lost}");
    // A layer that does not see the copies.
    let other = ramp([6, 12], 31, 7, &device).slice(0..5);
    let place = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        sampler.outputs(x.clone(), |x| {
            model.hidden.forward(other.clone());
            x
        })
    }));
    assert!(place.is_err());
    let mut seen = None;
    let _ = sampler.outputs(x.clone(), |x| {
        seen = model.hidden.try_forward(other.clone()).err();
        x
    });
    assert!(matches!(seen, Some(Error::Tiles { rows: 5, tiles: 4 })), "{seen:?}");
    // The scope ends with the panic.
    assert_eq!(values(model.forward(x.clone())), values(model.forward(x)));
    let many = Sampler::new(u32::MAX).unwrap();
    let error =
        many.outputs(ramp([2, 12], 31, 7, &device), |x| -> Tensor<2> { panic!("ran on {x}") }).unwrap_err();
    assert!(error.to_string().contains("passes * batch"), "{error}");
}

#[cfg(feature = "flex")]
#[test]
fn an_empty_batch_is_empty() {
    // Burn's own ReLU, on wgpu, has no empty tensors.
    let Some(device) = any_device("an_empty_batch_is_empty") else { return };
    let model = Network::init(&device);
    let x = Tensor::<2>::zeros([0, 12], &device);
    let (mean, variance) = Sampler::new(4).unwrap().moments(x, |x| model.forward(x)).unwrap();
    assert_eq!((mean.dims(), variance.dims()), ([0, 5], [0, 5]));
}
