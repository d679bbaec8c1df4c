//! The masks as random variables. Their bits do not depend on who computes them (`masks.rs`), so the CPU
//! backend makes them here. Every bound is a number of standard deviations of what is measured: 4 for one
//! number (1 in 16,000 by chance), and the seeds are fixed.

use crate::common::*;
use dropconnect::{Bias, Device, DropProbability, ElementType, Mask, MaskKey, cpu};

const DIMS: [usize; 3] = [64, 60, 256];
/// p, bits of its resolution.
const PROBABILITIES: [(f64, u32); 9] =
    [(0.5, 16), (0.25, 16), (0.75, 16), (0.1, 16), (0.2, 16), (0.9, 16), (0.99, 16), (0.3, 8), (0.1, 3)];

fn bits(mask: &Mask) -> Vec<bool> {
    let mut bytes = vec![2; DIMS.iter().product()];
    cpu::mask(&shape(DIMS), mask, &mut bytes).unwrap();
    bytes.into_iter().map(|byte| byte == 1).collect()
}

/// How many standard deviations `hits` of `trials` is from what a probability predicts.
fn sigmas(hits: usize, trials: usize, probability: f64) -> f64 {
    let (hits, trials) = (hits as f64, trials as f64);
    (hits - trials * probability) / (trials * probability * (1.0 - probability)).sqrt()
}

#[test]
fn the_measure_of_deviation_is_right_and_bites() {
    // 10,000 fair coins: a standard deviation of 50.
    assert_eq!(sigmas(5_200, 10_000, 0.5), 4.0);
    assert_eq!(sigmas(4_950, 10_000, 0.5), -1.0);
    // The rate that was asked for is not the one that 3 bits realise, nor is one a fiftieth off.
    let mask = mask_with_bits(0.1, 3);
    let dropped = bits(&mask).iter().filter(|kept| !**kept).count();
    let off = |p| sigmas(dropped, DIMS.iter().product(), p).abs();
    assert_eq!(mask.probability.realised(), 0.125);
    assert!(off(0.125) < 4.0 && off(0.1) > 4.0 && off(0.1275) > 4.0);
}

#[test]
fn the_rate_is_the_realised_one() {
    for (p, resolution) in PROBABILITIES {
        let mask = mask_with_bits(p, resolution).at(origin(5, 6, 7));
        let bits = bits(&mask);
        let dropped = bits.iter().filter(|kept| !**kept).count();
        let off = sigmas(dropped, bits.len(), mask.probability.realised());
        assert!(off.abs() < 4.0, "p {p} at {resolution} bits: {off} sigmas");
        let mut bias = vec![2; 64 * 60];
        cpu::bias_mask(&shape(DIMS), &mask, &mut bias).unwrap();
        let dropped = bias.iter().filter(|&&byte| byte == 0).count();
        let off = sigmas(dropped, bias.len(), mask.probability.realised());
        assert!(off.abs() < 4.0, "p {p} at {resolution} bits: bias {off} sigmas");
    }
}

/// Pairs that share no connection with each other, so that each is a trial of its own: neighbours along an
/// axis taken two by two, and the same connection under neighbouring keys.
#[test]
fn neighbours_are_independent() {
    for (p, resolution) in PROBABILITIES {
        let mask = mask_with_bits(p, resolution);
        let dropped = mask.probability.realised();
        let agree = dropped * dropped + (1.0 - dropped) * (1.0 - dropped);
        let all = bits(&mask);
        let strides = [DIMS[1] * DIMS[2], DIMS[2], 1];
        for (axis, stride) in strides.into_iter().enumerate() {
            // Next to each other, in the next brick, and further.
            for distance in [1, 2, 4, 8] {
                let (mut hits, mut trials) = (0, 0);
                for (index, &kept) in all.iter().enumerate() {
                    let at = index / stride % DIMS[axis];
                    if (at / distance).is_multiple_of(2) && at + distance < DIMS[axis] {
                        hits += usize::from(kept == all[index + distance * stride]);
                        trials += 1;
                    }
                }
                let off = sigmas(hits, trials, agree);
                assert!(off.abs() < 4.0, "p {p} axis {axis} distance {distance}: {off} sigmas");
            }
        }
        let key = mask.key;
        for other in [
            MaskKey { step: key.step + 1, ..key },
            MaskKey { layer: key.layer + 1, ..key },
            MaskKey { seed: key.seed + 1, ..key },
            MaskKey { step: key.step + (1 << 32), ..key },
            MaskKey { seed: key.seed + (1 << 32), ..key },
        ] {
            let hits = bits(&Mask { key: other, ..mask }).iter().zip(&all).filter(|(a, b)| a == b).count();
            let off = sigmas(hits, all.len(), agree);
            assert!(off.abs() < 4.0, "p {p} {other:?}: {off} sigmas");
        }
    }
}

/// The bias's decisions are of a brick of their own.
#[test]
fn biases_are_independent_of_weights() {
    let mask = mask(0.5);
    let (all, mut bias) = (bits(&mask), vec![2; 64 * 60]);
    cpu::bias_mask(&shape(DIMS), &mask, &mut bias).unwrap();
    for i in [0, 1, 255] {
        let hits = bias.iter().enumerate().filter(|(at, byte)| all[at * 256 + i] == (**byte == 1)).count();
        let off = sigmas(hits, bias.len(), 0.5);
        assert!(off.abs() < 4.0, "input {i}: {off} sigmas");
    }
}

/// Over seeds, Y and dW average to those of the dense layer. A term a of a sum becomes a / q with probability
/// q, else 0: variance a^2 (1 - q) / q. Deviations in units of the sum's standard deviation are near normal:
/// none of some hundred passes 5 (1 in 10^4 by chance), and their mean square is 1 within 4 times
/// sqrt(2 / count).
#[test]
fn the_layer_is_unbiased() {
    const SEEDS: u64 = 2000;
    let shape = shape([6, 7, 40]);
    let data = Data::random(&shape, ElementType::F32, 51);
    let f32 = ElementType::F32;
    for p in [0.5, 0.2, 0.9] {
        let probability = DropProbability::new(p).unwrap();
        let ratio = probability.scale() - 1.0;
        let (mut y, mut dw) = (vec![0.0; 42], vec![0.0; 280]);
        for seed in 0..SEEDS {
            let mask = Mask::new(MaskKey::new(seed, 0), probability);
            let add = |sums: &mut [f64], values: Vec<f32>| {
                sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
            };
            let (operands, mask) = (data.operands(&shape, Bias::None), Some(&mask));
            add(&mut y, Device::Cpu.run(f32, operands.forward(mask, ())).wait().unwrap());
            add(&mut dw, Device::Cpu.run(f32, operands.weight_gradient(mask, ())).wait().unwrap());
        }
        let term = |o: usize, i: usize, n: usize| {
            let (x, w, g) = (data.x[n * 40 + i], data.weight[o * 40 + i], data.grad_output[n * 7 + o]);
            (f64::from(x) * f64::from(w), f64::from(x) * f64::from(g))
        };
        let y_terms = |at: usize| (0..40).map(|i| term(at % 7, i, at / 7).0).collect::<Vec<_>>();
        let dw_terms = |at: usize| (0..6).map(|n| term(at / 40, at % 40, n).1).collect::<Vec<_>>();
        let check = |name: &str, sums: &[f64], terms: &dyn Fn(usize) -> Vec<f64>| {
            let deviation = |at: usize, sum: f64, shift: f64| {
                let terms = terms(at);
                let mean: f64 = terms.iter().sum();
                let variance = ratio * terms.iter().map(|term| term * term).sum::<f64>() / SEEDS as f64;
                (sum / SEEDS as f64 * shift - mean) / variance.sqrt()
            };
            let square = |shift: f64| {
                let all: Vec<f64> =
                    sums.iter().enumerate().map(|(at, &sum)| deviation(at, sum, shift)).collect();
                let largest = all.iter().fold(0.0, |most: f64, z| most.max(z.abs()));
                (largest, all.iter().map(|z| z * z).sum::<f64>() / all.len() as f64)
            };
            let allowed = 4.0 * (2.0 / sums.len() as f64).sqrt();
            let (largest, mean_square) = square(1.0);
            assert!(
                largest < 5.0 && (mean_square - 1.0).abs() < allowed,
                "p {p} {name}: {largest} {mean_square}"
            );
            // Without the scale it would be far off.
            let (largest, mean_square) = square(1.0 / probability.scale());
            assert!(
                largest > 5.0 && (mean_square - 1.0).abs() > allowed,
                "p {p} {name} unscaled: {mean_square}"
            );
        };
        check("y", &y, &y_terms);
        check("dw", &dw, &dw_terms);
    }
}
