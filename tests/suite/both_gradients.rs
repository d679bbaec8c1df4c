//! Both gradients in one call. On an adapter: the recordings of the two single calls, to the bit. On the CPU backend,
//! which draws the mask once for both: the bits of the two single calls, however many threads there are.

use crate::common::*;
use dropconnect::call::BothGradients;
use dropconnect::{Error, Mask, Sharing, Write, cpu};

#[cfg(feature = "gpu")]
mod adapter {
    use super::*;
    use dropconnect::{Bias, ElementType, MaskKey};

    /// Float64 and the bits of the two single calls.
    #[test]
    fn one_call_records_both_gradients() {
        let Some(gpu) = adapter("one_call_records_both_gradients") else { return };
        use Write::{Accumulate, Overwrite};
        let target = Target::Adapter { gpu, kernels: plain_kernels(gpu) };
        let cases = [
            (ElementType::F32, [29, 37, 45], Some(mask(0.2)), Placement::PooledOdd, [Accumulate, Overwrite]),
            (ElementType::F16, [29, 36, 40], Some(mask(0.5)), Placement::Separate, [Overwrite, Accumulate]),
            (
                ElementType::F32,
                [12, 16, 32],
                Some(mask(0.5).shared(group(3))),
                Placement::Separate,
                [Overwrite; 2],
            ),
            (ElementType::F32, [12, 16, 32], None, Placement::Separate, [Accumulate; 2]),
            // An empty batch has one gradient to write.
            (ElementType::F32, [0, 16, 32], Some(mask(0.5)), Placement::Separate, [Overwrite; 2]),
        ];
        for (element, dims, mask, placement, [dx, dw]) in cases {
            let write = [dx, dw, Overwrite];
            let call = Case { element, placement, write, ..Case::new(shape(dims), mask) };
            let data = Data::random(&call.shape, element, 7);
            let run = |passes: &[Kind]| target.run(passes, &call, &data).unwrap();
            let (both, two) =
                (run(&[Kind::BothGradients]), run(&[Kind::InputGradient, Kind::WeightGradient]));
            assert!(both.results == two.results, "{call:?}");
            assert_eq!(both.dispatches, [two.dispatches.iter().sum::<usize>()], "{call:?}");
            let want = expected(&call, &data);
            for (got, (name, want)) in both.results.iter().zip([("dx", &want.dx), ("dw", &want.dw)]) {
                assert_close(got, want, bound(element), &format!("{name} {call:?}"));
            }
        }
    }

    /// One key for both, and the same bits again with the same key.
    #[test]
    fn another_key_draws_what_a_new_call_draws() {
        let Some(gpu) = adapter("another_key_draws_what_a_new_call_draws") else { return };
        let (kernels, mask) = (plain_kernels(gpu), mask(0.2));
        let call = Case::new(shape([70, 13, 21]), Some(mask));
        let data = Data::random(&call.shape, call.element, 70);
        let operands = [&data.x, &data.weight, &data.bias, &data.grad_output].map(|v| call.element.encode(v));
        let results = [&data.x, &data.weight].map(|v| vec![POISON; 4 * v.len()]);
        let arena = arena(gpu, Placement::Separate, &operands, &results);
        let tensor = |index| arena.tensor(index, call.element);
        let operands = Operands::of(call.shape, Bias::None, std::array::from_fn(tensor));
        let both = operands.call(Kind::BothGradients, Some(&mask), [tensor(4), tensor(5)]);
        let recording = kernels.record(both).unwrap();
        let mut seen = Vec::new();
        for step in [1, 2, 1] {
            let key = MaskKey { step, ..mask.key };
            gpu.submit(&recording.at_key(key).unwrap()).unwrap();
            let fresh = Case { mask: Some(Mask { key, ..mask }), ..call };
            let fresh = Target::Adapter { gpu, kernels }.run(&[Kind::BothGradients], &fresh, &data).unwrap();
            let bytes: Vec<_> = fresh.results.iter().map(|values| call.element.encode(values)).collect();
            assert!(arena.results().unwrap() == bytes, "step {step}");
            seen.push(bytes);
        }
        assert!(seen[0] == seen[2] && seen[0][0] != seen[1][0] && seen[0][1] != seen[1][1]);
    }
}

/// The bits of dX and dW by two calls, and by one.
fn two_ways(target: &Target, call: &Case) -> [Vec<Vec<u32>>; 2] {
    let data = Data::random(&call.shape, call.element, 1);
    let two = [Kind::InputGradient, Kind::WeightGradient];
    [&two[..], &[Kind::BothGradients]].map(|passes| {
        let results = target.run(passes, call, &data).unwrap().results;
        results.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
    })
}

/// Sizes within a brick, a chunk of eight blocks and a unit of 64 inputs, at their ends, and past them.
const SHAPES: [[usize; 3]; 8] = [
    [1, 1, 1],
    [4, 4, 8],
    [5, 7, 65],
    [32, 32, 64],
    [33, 35, 128],
    [70, 67, 129],
    [3, 200, 300],
    [200, 3, 257],
];

#[test]
fn one_call_gives_the_bits_of_two() {
    use Write::{Accumulate, Overwrite};
    let masks = [
        mask(0.5),
        mask(0.2),
        mask_with_bits(0.3, 5).shared(group(3)),
        mask(0.5).shared(group(9)),
        mask(0.5).shared(Sharing::Batch),
        mask(0.0),
    ];
    for target in Target::cpus() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (case, dims) in SHAPES.into_iter().enumerate() {
                for (k, mask) in masks.into_iter().enumerate() {
                    let [n, o, i] = [[0, 0, 0], [3, 2, 5], [4, 8, 16], [u32::MAX - 400; 3]][(case + k) % 4];
                    let writes = [
                        [Overwrite; 3],
                        [Accumulate, Overwrite, Overwrite],
                        [Overwrite, Accumulate, Overwrite],
                    ];
                    let write = writes[(case + k + threads) % 3];
                    let call = Case { write, ..Case::new(shape(dims), Some(mask.at(origin(n, o, i)))) };
                    let [two, one] = pool.install(|| two_ways(&target, &call));
                    assert!(two == one, "{} {call:?}, {threads} threads", target.name());
                }
            }
        }
        // An empty batch, and evaluation.
        for mask in [None, Some(mask(0.5))] {
            for dims in [[0, 3, 70], [9, 13, 70]] {
                for write in [OVERWRITE, [Accumulate; 3]] {
                    let call = Case { write, ..Case::new(shape(dims), mask) };
                    let [two, one] = two_ways(&target, &call);
                    assert!(two == one, "{call:?}");
                }
            }
        }
        // Another step's mask is another gradient: the comparison above could fail.
        let call = Case::new(shape([33, 35, 128]), Some(mask(0.2)));
        let other = Mask { key: mask(0.2).key.at_step(78), ..mask(0.2) };
        let ([right, _], [_, wrong]) =
            (two_ways(&target, &call), two_ways(&target, &Case { mask: Some(other), ..call }));
        assert!(right[0] != wrong[0] && right[1] != wrong[1]);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_written() {
    let shape = shape([2, 3, 64]);
    let (x, weight, grad) = (vec![1.0; 128], vec![1.0; 192], vec![1.0; 6]);
    let far = mask(0.5).at(origin(0, u32::MAX - 1, 0));
    let lengths = [grad.len(), x.len(), weight.len(), 128, 192];
    let names = ["grad_output", "x", "weight", "grad_input", "grad_weight"];
    // Each argument too short in turn, and last a shard past the end of the coordinates.
    for wrong in 0..=names.len() {
        let cut = |k: usize| if k == wrong { lengths[k] - 1 } else { lengths[k] };
        let mask = if wrong < names.len() { mask(0.5) } else { far };
        let (mut dx, mut dw) = (vec![7.0; cut(3)], vec![7.0; cut(4)]);
        let error = cpu::run(BothGradients {
            shape,
            mask: Some(&mask),
            grad_output: &grad[..cut(0)],
            x: &x[..cut(1)],
            weight: &weight[..cut(2)],
            grad_input: (&mut dx[..], Write::Overwrite),
            grad_weight: (&mut dw[..], Write::Overwrite),
        })
        .unwrap_err();
        match error {
            Error::Length { argument, actual, expected, .. } => {
                assert_eq!((argument, actual, expected), (names[wrong], lengths[wrong] - 1, lengths[wrong]));
            }
            Error::Origin { .. } => assert_eq!(wrong, names.len()),
            other => panic!("{other}"),
        }
        assert!(dx.iter().chain(&dw).all(|&value| value == 7.0), "{wrong}");
    }
}
