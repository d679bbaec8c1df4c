//! Both gradients of the CPU backend in one call: the bits of the two single calls, however many threads there are.

mod common;

use std::num::NonZeroU32;

use common::Operands;

use dropconnect::call::BothGradients;
use dropconnect::cpu::Backend;
use dropconnect::{Bias, DropProbability, Error, Mask, MaskKey, Origin, Rounds, Shape, Sharing, Write, cpu};

fn numbers(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed | 1;
    let mut next = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// dX and dW by two calls, and by one.
fn two_ways(backend: Backend, shape: &Shape, mask: Option<&Mask>, writes: [Write; 2]) -> [[Vec<u32>; 2]; 2] {
    let (x, weight) = (numbers(shape.input_len(), 1), numbers(shape.weight_len(), 2));
    let grad = numbers(shape.output_len(), 3);
    let before = |len, write| match write {
        Write::Overwrite => vec![f32::NAN; len],
        Write::Accumulate => numbers(len, 4),
    };
    [false, true].map(|one_call| {
        let mut dx = before(shape.input_len(), writes[0]);
        let mut dw = before(shape.weight_len(), writes[1]);
        let (x, weight, bias, grad_output) = (&x[..], &weight[..], Bias::None, &grad[..]);
        let [over_dx, over_dw] =
            writes.map(|write| Operands { shape: *shape, x, weight, bias, grad_output, write });
        if one_call {
            let results = ((&mut dx[..], writes[0]), (&mut dw[..], writes[1]));
            backend.both_gradients(over_dx.both_gradients(mask, results.0, results.1)).unwrap();
        } else {
            backend.input_gradient(over_dx.input_gradient(mask, &mut dx)).unwrap();
            backend.weight_gradient(over_dw.weight_gradient(mask, &mut dw)).unwrap();
        }
        [bits(&dx), bits(&dw)]
    })
}

fn mask(p: f64, bits: u32) -> Mask {
    let key = MaskKey::new(0x0123_4567_89AB_CDEF, 3).at_step(1 << 33);
    Mask::new(key, DropProbability::with_bits(p, bits).unwrap())
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
    let group = |size| Sharing::Group(NonZeroU32::new(size).unwrap());
    let masks = [
        mask(0.5, 16),
        mask(0.2, 16).with_rounds(Rounds::Seven),
        mask(0.3, 5).shared(group(3)),
        mask(0.5, 16).shared(group(9)),
        mask(0.5, 16).shared(Sharing::Batch),
        mask(0.0, 16),
    ];
    for backend in Backend::available() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (case, dims) in SHAPES.into_iter().enumerate() {
                let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
                for (k, mask) in masks.into_iter().enumerate() {
                    let at = [[0, 0, 0], [3, 2, 5], [4, 8, 16], [u32::MAX - 400; 3]][(case + k) % 4];
                    let mask = mask.at(Origin { example: at[0], output: at[1], input: at[2] });
                    let writes = [[Overwrite; 2], [Accumulate, Overwrite], [Overwrite, Accumulate]];
                    let writes = writes[(case + k + threads) % 3];
                    let [two, one] = pool.install(|| two_ways(backend, &shape, Some(&mask), writes));
                    assert!(two == one, "{} {shape} {mask:?} {writes:?}, {threads} threads", backend.name());
                }
            }
        }
    }
}

/// Another step's mask is another gradient: the comparison above could fail.
#[test]
fn the_gradients_are_those_of_the_mask() {
    let shape = Shape::new(33, 35, 128).unwrap();
    let (mask, mut other) = (mask(0.2, 16), mask(0.2, 16));
    other.key.step += 1;
    for backend in Backend::available() {
        let of = |mask: &Mask| two_ways(backend, &shape, Some(mask), [Write::Overwrite; 2]);
        let ([right, _], [_, wrong]) = (of(&mask), of(&other));
        assert!(right[0] != wrong[0] && right[1] != wrong[1]);
    }
}

#[test]
fn an_empty_batch_and_evaluation() {
    for backend in Backend::available() {
        for mask in [None, Some(mask(0.5, 16))] {
            for dims in [[0, 3, 70], [9, 13, 70]] {
                let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
                for write in [Write::Overwrite, Write::Accumulate] {
                    let [two, one] = two_ways(backend, &shape, mask.as_ref(), [write; 2]);
                    assert!(two == one, "{shape} {write:?}");
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_written() {
    let shape = Shape::new(2, 3, 64).unwrap();
    let (x, weight, grad) = (vec![1.0; 128], vec![1.0; 192], vec![1.0; 6]);
    let far = mask(0.5, 16).at(Origin { example: 0, output: u32::MAX - 1, input: 0 });
    let lengths = [grad.len(), x.len(), weight.len(), 128, 192];
    let names = ["grad_output", "x", "weight", "grad_input", "grad_weight"];
    // Each argument too short in turn, and last a shard past the end of the coordinates.
    for wrong in 0..=names.len() {
        let cut = |k: usize| if k == wrong { lengths[k] - 1 } else { lengths[k] };
        let mask = if wrong < names.len() { mask(0.5, 16) } else { far };
        let (mut dx, mut dw) = (vec![7.0; cut(3)], vec![7.0; cut(4)]);
        let error = cpu::both_gradients(BothGradients {
            shape,
            mask: Some(&mask),
            grad_output: &grad[..cut(0)],
            x: &x[..cut(1)],
            weight: &weight[..cut(2)],
            grad_input: (&mut dx, Write::Overwrite),
            grad_weight: (&mut dw, Write::Overwrite),
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
