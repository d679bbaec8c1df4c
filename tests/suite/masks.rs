//! Mask bits read back from the brick code of each pass, compared with `Mask::keep` bit for bit.
//!
//! The operand that a pass sums over holds powers of two, the other ones: a sum of f32 then *is* the bits of
//! up to 20 connections. The scale is divided out and the quotient, off by a few units of 2^-24, rounded.

use crate::common::*;
use dropconnect::gpu::{Gpu, Kernels, MaskOp};
use dropconnect::{Bias, ElementType, Mask, Shape};

/// Connections decided by one sum. 2^20 leaves 4 of an f32's 24 bits for the rounding of the scale.
const BITS: usize = 20;

/// The bits in `sum / scale`, or what is wrong with it.
fn bits(sum: f32, scale: f64, count: usize) -> Result<Vec<bool>, String> {
    let quotient = f64::from(sum) / scale;
    let word = quotient.round();
    // Half of what tells a bit from its neighbour would be 0.5.
    if (quotient - word).abs() < 0.25 && (0.0..(1u64 << count) as f64).contains(&word) {
        Ok((0..count).map(|bit| word as u64 >> bit & 1 == 1).collect())
    } else {
        Err(format!("{sum} / {scale} is no sum of {count} powers of two"))
    }
}

#[test]
fn sums_of_powers_of_two_are_read_back() {
    let scale = 1.0 / 0.7;
    let sum = |word: u32| (f64::from(word) * scale) as f32;
    for word in [0, 1, 0b1011, (1 << 20) - 1, 1 << 19] {
        let read = bits(sum(word), scale, BITS).unwrap();
        assert_eq!(read.iter().rev().fold(0, |word, &bit| word << 1 | u32::from(bit)), word);
    }
    assert!(bits(sum(5) + 0.5, scale, BITS).is_err());
    assert!(bits(sum(1 << 20), scale, BITS).is_err());
    assert!(bits(f32::NAN, scale, BITS).is_err() && bits(-sum(1), scale, BITS).is_err());
}

/// Ones, with powers of two along the axis of `data` that a pass sums over.
fn powers(len: usize, exponent: impl Fn(usize) -> Option<usize>) -> Vec<f32> {
    (0..len).map(|index| exponent(index).map_or(0.0, |exponent| (1u32 << exponent) as f32)).collect()
}

/// The mask as each of the three passes decides it: `[batch, outputs, inputs]`, and of the bias, twice.
fn read_back(gpu: &Gpu, kernels: &Kernels, shape: Shape, mask: &Mask, placement: Placement) -> Read {
    let (batch, outputs, inputs) = (shape.batch(), shape.outputs(), shape.inputs());
    let scale = mask.scale();
    let call = Case { bias: Bias::None, placement, ..Case::new(shape, Some(*mask)) };
    let ones = Data::constant(&shape, 1.0);
    let mut read = Read {
        forward: vec![false; batch * outputs * inputs],
        input_gradient: vec![false; batch * outputs * inputs],
        weight_gradient: vec![false; batch * outputs * inputs],
        bias: vec![false; batch * outputs],
        bias_gradient: vec![false; batch * outputs],
    };
    let decode = |sum: f32, first: usize, length: usize| {
        bits(sum, scale, BITS.min(length - first)).unwrap_or_else(|error| panic!("{shape} {mask:?}: {error}"))
    };
    let window = |index: usize, first: usize| index.checked_sub(first).filter(|&at| at < BITS);
    let sums = |pass, call: &Case, data: &Data| -> Vec<f32> {
        let outcome = Target::Adapter { gpu, kernels }.run(&[pass], call, data);
        outcome.unwrap_or_else(|error| panic!("{call:?}: {error}")).results.remove(0)
    };
    for first in (0..inputs).step_by(BITS) {
        let x = powers(batch * inputs, |at| window(at % inputs, first));
        let y = sums(Kind::Forward, &call, &Data { x, ..ones.clone() });
        for (row, &sum) in y.iter().enumerate() {
            let bits = decode(sum, first, inputs);
            read.forward[row * inputs + first..][..bits.len()].copy_from_slice(&bits);
        }
    }
    for first in (0..outputs).step_by(BITS) {
        let grad = powers(batch * outputs, |at| window(at % outputs, first));
        let dx = sums(Kind::InputGradient, &call, &Data { grad_output: grad, ..ones.clone() });
        for (at, &sum) in dx.iter().enumerate() {
            let (n, i) = (at / inputs, at % inputs);
            for (k, bit) in decode(sum, first, outputs).into_iter().enumerate() {
                read.input_gradient[(n * outputs + first + k) * inputs + i] = bit;
            }
        }
    }
    let masked = Case { bias: Bias::Masked(()), ..call };
    for first in (0..batch).step_by(BITS) {
        let grad = powers(batch * outputs, |at| window(at / outputs, first));
        let data = Data { grad_output: grad, ..ones.clone() };
        for (at, &sum) in sums(Kind::WeightGradient, &masked, &data).iter().enumerate() {
            for (k, bit) in decode(sum, first, batch).into_iter().enumerate() {
                read.weight_gradient[(first + k) * outputs * inputs + at] = bit;
            }
        }
        for (o, &sum) in sums(Kind::BiasGradient, &masked, &data).iter().enumerate() {
            for (k, bit) in decode(sum, first, batch).into_iter().enumerate() {
                read.bias_gradient[(first + k) * outputs + o] = bit;
            }
        }
    }
    // Weights of zero leave the bias alone in Y.
    let weight = vec![0.0; outputs * inputs];
    let y = sums(Kind::Forward, &masked, &Data { weight, ..ones });
    read.bias = y.iter().map(|&sum| decode(sum, 0, 1)[0]).collect();
    read
}

struct Read {
    forward: Vec<bool>,
    input_gradient: Vec<bool>,
    weight_gradient: Vec<bool>,
    bias: Vec<bool>,
    bias_gradient: Vec<bool>,
}

fn check(gpu: &Gpu, kernels: &Kernels, dims: [usize; 3], mask: &Mask, placement: Placement) {
    let shape = shape(dims);
    let (mut kept, mut bias) = (Vec::new(), Vec::new());
    for n in 0..dims[0] as u32 {
        for o in 0..dims[1] as u32 {
            bias.push(mask.keep_bias(n, o));
            kept.extend((0..dims[2] as u32).map(|i| mask.keep(n, o, i)));
        }
    }
    let what = format!("{shape} {mask:?} {placement:?}");
    let read = read_back(gpu, kernels, shape, mask, placement);
    assert!(read.forward == kept, "{what}: forward");
    assert!(read.input_gradient == kept, "{what}: input gradient");
    assert!(read.weight_gradient == kept, "{what}: weight gradient");
    assert!(read.bias == bias, "{what}: bias");
    assert!(read.bias_gradient == bias, "{what}: bias gradient");
    let bytes = |bits: &[bool]| bits.iter().map(|&bit| u8::from(bit)).collect::<Vec<_>>();
    assert!(written_mask(gpu, kernels, shape, mask, false, placement) == bytes(&kept), "{what}: written");
    assert!(written_mask(gpu, kernels, shape, mask, true, placement) == bytes(&bias), "{what}: written bias");
}

/// Whole bricks, cut bricks on one or all axes, sums of more than one window, and the last coordinates.
fn places() -> Vec<([usize; 3], [u32; 3])> {
    let end = |dims: [usize; 3]| dims.map(|size| (u64::from(u32::MAX) + 1 - size as u64) as u32);
    let mut places = vec![
        ([1, 1, 1], [0, 0, 0]),
        ([4, 4, 8], [4, 8, 16]),
        ([8, 12, 24], [1, 0, 0]),
        ([5, 7, 9], [3, 2, 5]),
        ([9, 3, 31], [1, 3, 7]),
        ([3, 23, 8], [1_000_003, 77, 123]),
        ([22, 5, 10], [0, 1, 0]),
    ];
    places.extend([[1, 1, 1], [5, 7, 9], [6, 4, 16]].map(|dims| (dims, end(dims))));
    places.push(([5, 7, 9], [u32::MAX - 10, 0, 3]));
    places.push(([5, 7, 9], [2, u32::MAX - 7, u32::MAX - 9]));
    places
}

#[test]
fn every_pass_decides_the_mask_of_the_format() {
    let Some(gpu) = adapter("every_pass_decides_the_mask_of_the_format") else { return };
    for (dims, at) in places() {
        for (p, bits) in [(0.5, 16), (0.2, 16), (0.25, 16), (0.9, 8)] {
            let mask = mask_with_bits(p, bits).at(origin(at[0], at[1], at[2]));
            check(gpu, plain_kernels(gpu), dims, &mask, Placement::Separate);
        }
    }
}

/// All resolutions from 1 to 16 bits, at the thresholds that take the most planes.
#[test]
fn every_resolution_decides_the_mask_of_the_format() {
    let Some(gpu) = adapter("every_resolution_decides_the_mask_of_the_format") else { return };
    for bits in 1..=16 {
        for threshold in [1, ((1u32 << bits) / 3) | 1, (1 << bits) - 1] {
            let p = 1.0 - f64::from(threshold) / f64::from(1u32 << bits);
            let mask = mask_with_bits(p, bits).at(origin(1, 2, 3));
            assert_eq!((mask.probability.bits(), mask.probability.threshold()), (bits, threshold));
            check(gpu, plain_kernels(gpu), [5, 6, 18], &mask, Placement::Separate);
        }
    }
}

/// Several bricks a thread, both ways to apply and to multiply, and bindings that are all `read_write`.
#[test]
fn every_kind_of_kernel_decides_the_mask_of_the_format() {
    let test = "every_kind_of_kernel_decides_the_mask_of_the_format";
    let Some(gpu) = adapter(test) else { return };
    for multiply in multiplies(gpu, test) {
        for tuning in few(1, [small_tiles(MaskOp::Select), tiles(2, 2, [4, 2], MaskOp::And)]) {
            let kernels = kernels(gpu, tuning, multiply, false);
            check(gpu, kernels, [9, 13, 24], &mask(0.2).at(origin(3, 2, 5)), Placement::Separate);
        }
        let kernels = kernels(gpu, small_tiles(MaskOp::And), multiply, false);
        check(gpu, kernels, [8, 8, 16], &mask(0.2).at(origin(2, 4, 8)), Placement::PooledAligned);
        check(gpu, kernels, [5, 9, 17], &mask(0.2).at(origin(2, 1, 3)), Placement::PooledOdd);
    }
}

/// The masks written to every place in a word, beside words of others.
#[test]
fn masks_are_written_to_their_bytes_and_no_others() {
    let Some(gpu) = adapter("masks_are_written_to_their_bytes_and_no_others") else { return };
    for inputs in 1..=17 {
        for placement in [Placement::Separate, Placement::PooledOdd] {
            let (shape, mask) = (shape([3, 5, inputs]), mask(0.5).at(origin(0, 0, inputs as u32 % 3)));
            let want: Vec<u8> = dropconnect::reference::mask::mask(&shape, &mask)
                .unwrap()
                .into_iter()
                .map(u8::from)
                .collect();
            let got = written_mask(gpu, plain_kernels(gpu), shape, &mask, false, placement);
            assert!(got == want, "{inputs} {placement:?}");
        }
    }
}

/// The comparison above, shown to fail: another key, another origin, another p.
#[test]
fn another_mask_is_another_mask() {
    let Some(gpu) = adapter("another_mask_is_another_mask") else { return };
    let (shape, right) = (shape([5, 7, 9]), mask(0.5).at(origin(3, 2, 5)));
    let kernels = plain_kernels(gpu);
    let read = |mask: &Mask| read_back(gpu, kernels, shape, mask, Placement::Separate);
    let want = read(&right);
    let mut next_step = right;
    next_step.key.step += 1;
    for wrong in [next_step, right.at(origin(3, 2, 6)), right.at(origin(4, 2, 5)), right.at(origin(3, 3, 5))]
    {
        let got = read(&wrong);
        assert!(got.forward != want.forward && got.input_gradient != want.input_gradient, "{wrong:?}");
        assert!(got.weight_gradient != want.weight_gradient, "{wrong:?}");
    }
    assert!(read(&next_step).bias != want.bias && read(&next_step).bias_gradient != want.bias_gradient);
    assert_eq!(ElementType::default(), ElementType::F32, "the element that holds 20 bits exactly");
}
