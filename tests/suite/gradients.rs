//! The gradients are those of the forward pass under the same mask: by finite differences, and by the
//! adjoint identity `<G, Y - b> = <dX, X> = <dW, W>`, on the reference, the CPU backend and the adapter.

use std::num::NonZeroU32;

use crate::common::*;
use dropconnect::{Bias, DropProbability, ElementType, Mask, MaskKey, Shape, Sharing, reference};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

fn norm(values: &[f32]) -> f64 {
    dot(values, values).sqrt()
}

/// `<G, Y> = <dX, X> + <db, b>` and the like, each within the rounding of its sums: a unit in the last place
/// of f32 (2^-23) for every term added, of products no larger than the norms' product.
fn adjoint(got: &Results<f32>, data: &Data, call: &Case) -> Result<(), String> {
    let bias = if call.bias == Bias::None { 0.0 } else { dot(&got.db, &data.bias) };
    let by_y = dot(&data.grad_output, &got.y) - bias;
    let (by_x, by_w) = (dot(&got.dx, &data.x), dot(&got.dw, &data.weight));
    let scale = norm(&data.grad_output) * norm(&got.y)
        + norm(&got.dx) * norm(&data.x)
        + norm(&got.dw) * norm(&data.weight)
        + norm(&got.db) * norm(&data.bias);
    let bound = 1e-6 * scale;
    // Not `>`: NaN must fail.
    if (by_y - by_x).abs() <= bound && (by_y - by_w).abs() <= bound {
        return Ok(());
    }
    Err(format!("<G, Y - b> = {by_y}, <dX, X> = {by_x}, <dW, W> = {by_w}, allowed {bound:e}: {call:?}"))
}

fn calls() -> impl Strategy<Value = (Case, u64)> {
    let dims = [1..40usize, 1..40usize, 1..70usize];
    let p = prop_oneof![Just(0.0), Just(0.5), Just(0.25), 0.0..0.95f64];
    let at = (any::<u32>(), any::<u32>(), any::<u32>());
    let group = |size: u32| Sharing::Group(NonZeroU32::new(size).unwrap());
    let sharing =
        prop_oneof![2 => Just(Sharing::Example), 1 => (1..20u32).prop_map(group), 1 => Just(Sharing::Batch)];
    let rest = (1..17u32, 0..3usize, any::<u64>(), any::<bool>());
    (dims, p, at, sharing, rest).prop_map(|(dims, p, at, sharing, (bits, bias, seed, odd))| {
        let room = u32::MAX - 100;
        let key = MaskKey::new(seed, 3).at_step(seed >> 7);
        // Few bits may leave nothing of a large p; the largest that they hold is then meant.
        let probability = DropProbability::with_bits(p, bits)
            .unwrap_or_else(|_| DropProbability::with_bits(1.0 - 0.5f64.powi(bits as i32), bits).unwrap());
        let mask = Mask::new(key, probability).shared(sharing).at(origin(
            at.0.min(room),
            at.1.min(room),
            at.2.min(room),
        ));
        let call = Case {
            bias: BIASES[bias],
            placement: if odd { Placement::PooledOdd } else { Placement::Separate },
            ..Case::new(shape(dims), Some(mask))
        };
        (call, seed)
    })
}

/// The same cases on every run. A failing one is printed, made small.
fn for_random_calls(cases: u32, check: impl Fn(&Case, &Data) -> Result<(), String>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    let result = runner.run(&calls(), |(call, seed)| {
        let data = Data::random(&call.shape, ElementType::F32, seed);
        check(&call, &data).map_err(TestCaseError::fail)
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn the_passes_are_adjoint_and_agree_with_float64() {
    let targets = targets("the_passes_are_adjoint_and_agree_with_float64: on the adapter");
    let case = std::cell::Cell::new(0);
    for_random_calls(300, |call, data| {
        case.set(case.get() + 1);
        // Each case on an adapter has kernels of its own to compile.
        let on_adapter = full() || case.get() <= 8;
        let want = expected(call, data);
        for target in targets.iter().filter(|target| on_adapter || matches!(target, Target::Cpu(_))) {
            let got = run_on(target, call, data);
            adjoint(&got, data, call)?;
            for ((name, got), (_, want)) in got.named().into_iter().zip(want.named()) {
                // Random sums may cancel, which leaves their rounding: hence not 1e-5 as for the fixed table.
                if !close(got, want, 1e-4) {
                    let error = relative_error(got, want);
                    return Err(format!("{}: {name}: relative error {error:e}", target.name()));
                }
            }
        }
        Ok(())
    });
}

#[test]
fn gradients_of_another_mask_are_not_adjoint() {
    let mut found = 0;
    let target = Target::Cpu(dropconnect::cpu::Backend::detect());
    let run = |call: &Case, data: &Data| run_on(&target, call, data);
    for seed in 0..20 {
        let call = Case::new(shape([7, 9, 33]), Some(mask(0.3)));
        let data = Data::random(&call.shape, ElementType::F32, seed);
        let mut other = call;
        other.mask.as_mut().unwrap().key.step += 1;
        let (right, wrong) = (run(&call, &data), run(&other, &data));
        assert_eq!(adjoint(&right, &data, &call), Ok(()));
        for mixed in [
            Results { dx: wrong.dx.clone(), ..right.clone() },
            Results { dw: wrong.dw.clone(), ..right.clone() },
            Results { y: wrong.y.clone(), ..right.clone() },
            Results { dx: vec![f32::NAN; right.dx.len()], ..right.clone() },
        ] {
            assert!(adjoint(&mixed, &data, &call).is_err(), "seed {seed}");
            found += 1;
        }
    }
    assert_eq!(found, 80);
}

/// The loss `<G, Y>` is linear in each of X, W and b alone, so that a central difference of any width has no
/// error but rounding.
#[test]
fn finite_differences_agree_with_the_gradients() {
    let shape = shape([5, 6, 11]);
    let targets = targets("finite_differences_agree_with_the_gradients: on the adapter");
    let masks = [mask(0.5).at(origin(3, 2, 5)), mask(0.2), mask(0.3).shared(Sharing::Batch)];
    let groups = [1, 2, 8].map(|size| Sharing::Group(NonZeroU32::new(size).unwrap()));
    let masks = masks.into_iter().chain(groups.map(|sharing| mask(0.3).at(origin(5, 2, 1)).shared(sharing)));
    for mask in [None].into_iter().chain(masks.map(Some)) {
        for bias in BIASES {
            let call = Case { bias, ..Case::new(shape, mask) };
            let data = Data::random(&shape, ElementType::F32, 31);
            let run = |target: &Target| (target.name(), widened(&run_on(target, &call, &data)), 1e-4);
            let mut all: Vec<_> = targets.iter().map(run).collect();
            all.push(("reference".to_owned(), expected(&call, &data), 1e-12));
            for (name, gradients, bound) in all {
                for (which, gradient) in [&gradients.dx, &gradients.dw, &gradients.db].into_iter().enumerate()
                {
                    if which == 2 && bias == Bias::None {
                        continue;
                    }
                    for (index, value) in gradient.iter().enumerate() {
                        let difference = slope(&shape, &call, &data, which, index);
                        let error = (difference - value).abs();
                        assert!(error < bound, "{name} {which} {index}: {difference}, {call:?}");
                    }
                }
            }
        }
    }
}

fn widened(results: &Results<f32>) -> Results<f64> {
    Results { y: wide(&results.y), dx: wide(&results.dx), dw: wide(&results.dw), db: wide(&results.db) }
}

/// The slope of `<G, Y>` along one element of X, W or b, with the mask frozen, from the float64 forward pass.
fn slope(shape: &Shape, call: &Case, data: &Data, which: usize, index: usize) -> f64 {
    let loss = |step: f64| {
        let mut data64 = data.wide();
        [&mut data64.x, &mut data64.weight, &mut data64.bias][which][index] += step;
        let forward = data64.operands(shape, call.bias);
        let y = reference::forward(&forward.forward(call.mask.as_ref(), ())).unwrap();
        y.iter().zip(&data.grad_output).map(|(y, &g)| y * f64::from(g)).sum::<f64>()
    };
    (loss(0.5) - loss(-0.5)) / 1.0
}

/// A gradient without the scale, or of a neighbour, differs by far more than the bound above.
#[test]
fn finite_differences_see_a_missing_scale() {
    let call = Case::new(shape([5, 6, 11]), Some(mask(0.2)));
    let data = Data::random(&call.shape, ElementType::F32, 31);
    let want = expected(&call, &data);
    let scale = call.mask.unwrap().scale();
    let off = |wrong: &dyn Fn(usize) -> f64| {
        (0..want.dw.len() - 1)
            .filter(|&index| (slope(&call.shape, &call, &data, 1, index) - wrong(index)).abs() > 1e-3)
            .count()
    };
    assert!(off(&|index| want.dw[index] / scale) > 50 && off(&|index| want.dw[index + 1]) > 50);
    assert_eq!(off(&|index| want.dw[index]), 0);
    // Nor is the gradient of a bias that is not masked that of one that is.
    let plain = expected(&Case { bias: Bias::Plain(()), ..call }, &data).db;
    assert!((0..6).any(|o| (slope(&call.shape, &call, &data, 2, o) - plain[o]).abs() > 1e-3));
}
