//! Shared masks and masked biases: the rule of the format, and every pass under it.

mod common;

use common::{BiasKind, Data, Results, wide};
use std::num::NonZeroU32;

use dropconnect::call::Forward;
use dropconnect::cpu::Backend;
use dropconnect::{Bias, DropProbability, Mask, MaskKey, Origin, Rounds, Shape, Sharing, cpu, reference};

const TOLERANCE: f64 = 1e-5;

/// Whether `got` is `want` but for rounding; NaN is not.
fn close(got: &[f32], want: &[f64]) -> bool {
    common::close(got, want, TOLERANCE)
}

fn group(size: u32) -> Sharing {
    Sharing::Group(NonZeroU32::new(size).unwrap())
}

fn sharings() -> [Sharing; 11] {
    let groups = [1, 2, 3, 4, 5, 7, 8, 9, 33].map(group);
    let [a, b, c, d, e, f, g, h, i] = groups;
    [a, b, c, d, e, f, g, h, i, group(1 << 31), Sharing::Batch]
}

fn mask(p: f64) -> Mask {
    Mask::new(MaskKey::new(2013, 1).at_step(77), DropProbability::new(p).unwrap())
}

fn origin(example: u32, output: u32, input: u32) -> Origin {
    Origin { example, output, input }
}

/// Mask format 1.1 said again: the mask without sharing, asked for the replaced mask coordinate.
fn coordinate_by_the_rule(mask: &Mask, n: u32) -> u32 {
    let global = mask.origin.example + n;
    match mask.sharing {
        Sharing::Example => global,
        Sharing::Group(size) => (f64::from(global) / f64::from(size.get())).floor() as u32,
        Sharing::Batch => 0,
    }
}

fn keep_by_the_rule(mask: &Mask, n: u32, o: u32, i: u32) -> bool {
    let at = origin(coordinate_by_the_rule(mask, n), mask.origin.output, mask.origin.input);
    mask.shared(Sharing::Example).at(at).keep(0, o, i)
}

fn keep_bias_by_the_rule(mask: &Mask, n: u32, o: u32) -> bool {
    let at = origin(coordinate_by_the_rule(mask, n), mask.origin.output, 0);
    mask.shared(Sharing::Example).at(at).keep_bias(0, o)
}

/// `[y, dx, dw, db]` with a masked bias, each poisoned before it is written.
fn run(backend: &Backend, shape: &Shape, mask: &Mask, data: &Data) -> [Vec<f32>; 4] {
    let (operands, mask) = (data.operands(shape, BiasKind::Masked), Some(mask));
    let Results { y, dx, dw, db } = operands.on_cpu(backend, mask, mask);
    [y, dx, dw, db]
}

/// The same in float64, straight from the rule: no code of the reference passes.
fn expected(shape: &Shape, mask: &Mask, data: &Data) -> [Vec<f64>; 4] {
    let lens = [shape.output_len(), shape.input_len(), shape.weight_len(), shape.outputs()];
    let [mut y, mut dx, mut dw, mut db] = lens.map(|len| vec![0.0; len]);
    let (outputs, inputs, scale) = (shape.outputs(), shape.inputs(), mask.scale());
    for n in 0..shape.batch() {
        for o in 0..outputs {
            let g = f64::from(data.grad[n * outputs + o]);
            for i in 0..inputs {
                if keep_by_the_rule(mask, n as u32, o as u32, i as u32) {
                    let (w, x) = (data.weight[o * inputs + i], data.x[n * inputs + i]);
                    y[n * outputs + o] += scale * f64::from(w) * f64::from(x);
                    dx[n * inputs + i] += scale * f64::from(w) * g;
                    dw[o * inputs + i] += scale * f64::from(x) * g;
                }
            }
            if keep_bias_by_the_rule(mask, n as u32, o as u32) {
                y[n * outputs + o] += scale * f64::from(data.bias[o]);
                db[o] += scale * g;
            }
        }
    }
    [y, dx, dw, db]
}

fn reference(shape: &Shape, mask: &Mask, data: &Data) -> [Vec<f64>; 4] {
    let data = data.wide();
    let Results { y, dx, dw, db } = data.operands(shape, BiasKind::Masked).reference(Some(mask), Some(mask));
    [y, dx, dw, db]
}

const SHAPES: [[usize; 3]; 6] = [[1, 1, 1], [7, 5, 9], [9, 33, 31], [41, 6, 70], [100, 4, 8], [37, 40, 130]];

#[test]
fn every_pass_follows_the_rule() {
    for dims in SHAPES {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let data = Data::ramps(&shape);
        for sharing in sharings() {
            for (p, at) in [(0.5, origin(0, 0, 0)), (0.2, origin(13, 2, 5)), (0.9, origin(1_000_003, 7, 9))] {
                let mask = mask(p).at(at).shared(sharing);
                let want = expected(&shape, &mask, &data);
                let exact = reference(&shape, &mask, &data);
                for (exact, want) in exact.iter().flatten().zip(want.iter().flatten()) {
                    assert!((exact - want).abs() <= 1e-12 * (1.0 + want.abs()), "{shape} {sharing:?} {at:?}");
                }
                for backend in Backend::available() {
                    let got = run(&backend, &shape, &mask, &data);
                    for ((got, want), pass) in got.iter().zip(&want).zip(["y", "dx", "dw", "db"]) {
                        assert!(close(got, want), "{} {shape} {sharing:?} {at:?} {pass}", backend.name());
                    }
                }
            }
        }
    }
}

#[test]
fn the_comparison_fails_on_another_sharing_or_origin() {
    let shape = Shape::new(37, 40, 130).unwrap();
    let data = Data::ramps(&shape);
    for sharing in [group(3), group(9), Sharing::Batch] {
        let right = mask(0.5).at(origin(13, 2, 5)).shared(sharing);
        let want = expected(&shape, &right, &data);
        let wrong = [
            right.shared(group(10)),
            right.shared(Sharing::Example),
            right.at(origin(13, 3, 5)),
            right.at(origin(13, 2, 6)),
        ];
        for wrong in wrong {
            for (got, want) in run(&Backend::detect(), &shape, &wrong, &data).iter().zip(&want) {
                // Biases have no input coordinate.
                let bias = want.len() == shape.outputs();
                assert!(!close(got, want) || (bias && wrong.origin.input == 6), "{sharing:?} {wrong:?}");
            }
        }
    }
}

#[test]
fn masks_follow_the_rule_bit_for_bit() {
    let mut kept_somewhere = 0;
    for dims in SHAPES {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let last = u32::MAX - dims[0] as u32 + 1;
        for sharing in sharings() {
            for at in [origin(0, 0, 0), origin(13, 2, 5), origin(last, 77, 123)] {
                for rounds in [Rounds::Seven, Rounds::Ten] {
                    let mask = mask(0.3).with_rounds(rounds).at(at).shared(sharing);
                    let want = reference::mask::mask(&shape, &mask).unwrap();
                    let want_bias = reference::mask::bias_mask(&shape, &mask).unwrap();
                    let (mut index, mut bias_index) = (0, 0);
                    for n in 0..dims[0] as u32 {
                        for o in 0..dims[1] as u32 {
                            for i in 0..dims[2] as u32 {
                                assert_eq!(want[index], keep_by_the_rule(&mask, n, o, i));
                                assert_eq!(want[index], mask.keep(n, o, i));
                                kept_somewhere += u32::from(want[index]);
                                index += 1;
                            }
                            assert_eq!(want_bias[bias_index], keep_bias_by_the_rule(&mask, n, o));
                            assert_eq!(want_bias[bias_index], mask.keep_bias(n, o));
                            bias_index += 1;
                        }
                    }
                    for backend in Backend::available() {
                        let (mut got, mut got_bias) = (vec![2; want.len()], vec![2; want_bias.len()]);
                        backend.mask(&shape, &mask, &mut got).unwrap();
                        backend.bias_mask(&shape, &mask, &mut got_bias).unwrap();
                        let same = |got: &[u8], want: &[bool]| {
                            got.iter().zip(want).all(|(got, want)| *got == u8::from(*want))
                        };
                        assert!(same(&got, &want), "{} {shape} {sharing:?} {at:?}", backend.name());
                        assert!(same(&got_bias, &want_bias), "{} {shape} {sharing:?}: bias", backend.name());
                    }
                }
            }
        }
    }
    assert!(kept_somewhere > 0);
}

#[test]
fn groups_of_one_are_examples() {
    let shape = Shape::new(37, 40, 130).unwrap();
    let data = Data::ramps(&shape);
    for backend in Backend::available() {
        let mask = mask(0.2).at(origin(3, 2, 1));
        let want = run(&backend, &shape, &mask, &data);
        assert!(run(&backend, &shape, &mask.shared(group(1)), &data) == want);
        assert!(run(&backend, &shape, &mask.shared(group(2)), &data) != want);
    }
}

#[test]
fn a_batch_split_changes_no_bit_of_its_rows() {
    let shape = Shape::new(90, 40, 130).unwrap();
    let data = Data::ramps(&shape);
    for sharing in [group(1), group(3), group(8), group(20), Sharing::Batch] {
        let mask = mask(0.2).at(origin(5, 2, 1)).shared(sharing);
        for backend in Backend::available() {
            let [y, dx, ..] = run(&backend, &shape, &mask, &data);
            let mut rows = (Vec::new(), Vec::new());
            for (start, end) in [(0, 1), (1, 38), (38, 90)] {
                let part = Data {
                    x: data.x[start * 130..end * 130].to_vec(),
                    grad: data.grad[start * 40..end * 40].to_vec(),
                    weight: data.weight.clone(),
                    bias: data.bias.clone(),
                    ..Data::ramps(&shape)
                };
                let shape = Shape::new(end - start, 40, 130).unwrap();
                let mask = mask.at(origin(5 + start as u32, 2, 1));
                let [y, dx, ..] = run(&backend, &shape, &mask, &part);
                rows.0.extend(y);
                rows.1.extend(dx);
            }
            assert!(rows == (y, dx), "{} {sharing:?}", backend.name());
        }
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let shape = Shape::new(600, 40, 300).unwrap();
    let data = Data::ramps(&shape);
    for sharing in [group(3), group(70), Sharing::Batch] {
        let mask = mask(0.2).at(origin(1, 1, 1)).shared(sharing);
        let first = run(&Backend::detect(), &shape, &mask, &data);
        for threads in [1, 2, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert!(pool.install(|| run(&Backend::detect(), &shape, &mask, &data)) == first, "{threads}");
        }
    }
}

#[test]
fn nothing_behind_a_dropped_connection_matters() {
    let shape = Shape::new(20, 45, 150).unwrap();
    let mask = mask(0.5).at(origin(2, 1, 3)).shared(Sharing::Batch);
    let (clean, mut dirty) = (Data::ramps(&shape), Data::ramps(&shape));
    for o in 0..45 {
        for i in (0..150).filter(|&i| !mask.keep(0, o, i)) {
            dirty.weight[(o * 150 + i) as usize] = [f32::NAN, f32::INFINITY][(i % 2) as usize];
        }
        if !mask.keep_bias(0, o) {
            dirty.bias[o as usize] = f32::NAN;
        }
    }
    for backend in Backend::available() {
        assert!(run(&backend, &shape, &mask, &clean) == run(&backend, &shape, &mask, &dirty));
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Y is linear in X, in W and in b: <G, Y> is <dX, X> plus the bias's part, and <dW, W> plus the same.
#[test]
fn the_adjoint_identity_holds_for_groups_and_masked_biases() {
    let shape = Shape::new(37, 40, 130).unwrap();
    let data = Data::ramps(&shape);
    let [x, weight, bias, grad] = [&data.x, &data.weight, &data.bias, &data.grad].map(|v| wide(v));
    for sharing in sharings() {
        let mask = mask(0.3).at(origin(5, 2, 1)).shared(sharing);
        for backend in Backend::available() {
            let [y, dx, dw, db] = run(&backend, &shape, &mask, &data).map(|v| wide(&v));
            let of_bias = dot(&db, &bias);
            // Relative to the size of the terms, not to their sum.
            let size = dot(&grad, &grad).sqrt() * dot(&y, &y).sqrt();
            let holds = |y: &[f64], d: &[f64], v: &[f64]| {
                (dot(&grad, y) - of_bias - dot(d, v)).abs() < TOLERANCE * size
            };
            assert!(holds(&y, &dx, &x) && holds(&y, &dw, &weight), "{} {sharing:?}", backend.name());
            // Twins: the results of another mask.
            let other = run(&backend, &shape, &mask.shared(group(1000)).at(origin(0, 0, 0)), &data);
            let [wrong_y, wrong_dx, ..] = other.map(|v| wide(&v));
            assert!(!holds(&wrong_y, &dx, &x) && !holds(&y, &wrong_dx, &x), "{sharing:?}");
        }
    }
}

/// With L = <G, Y> and the mask frozen, central differences of the float64 pass are the gradients of the CPU
/// backend: L is linear in each argument, so they are exact up to rounding.
#[test]
fn finite_differences_are_the_gradients() {
    let shape = Shape::new(11, 5, 9).unwrap();
    let data = Data::ramps(&shape);
    let [x, weight, bias, grad] = [&data.x, &data.weight, &data.bias, &data.grad].map(|v| wide(v));
    for sharing in [group(1), group(2), group(8), Sharing::Batch] {
        let mask = mask(0.3).at(origin(5, 2, 1)).shared(sharing);
        let loss = |x: &[f64], weight: &[f64], bias: &[f64]| {
            let (mask, bias) = (Some(&mask), Bias::Masked(bias));
            dot(&grad, &reference::forward(&Forward { shape, mask, x, weight, bias, y: () }).unwrap())
        };
        let step = 1e-3;
        let differences = |values: &[f64], loss: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
            let mut moved = values.to_vec();
            let mut at = |index: usize, by: f64| {
                moved[index] = values[index] + by;
                let loss = loss(&moved);
                moved[index] = values[index];
                loss
            };
            (0..values.len()).map(|index| (at(index, step) - at(index, -step)) / (2.0 * step)).collect()
        };
        let [_, dx, dw, db] = run(&Backend::detect(), &shape, &mask, &data);
        assert!(close(&dx, &differences(&x, &|x| loss(x, &weight, &bias))), "{sharing:?} dx");
        assert!(close(&dw, &differences(&weight, &|weight| loss(&x, weight, &bias))), "{sharing:?} dw");
        let of_bias = differences(&bias, &|bias| loss(&x, &weight, bias));
        assert!(close(&db, &of_bias), "{sharing:?} db");
        // The twin: a bias that is not masked has another gradient.
        let mut plain = vec![0.0; shape.outputs()];
        cpu::bias_gradient(data.operands(&shape, BiasKind::Plain).bias_gradient(None, &mut plain)).unwrap();
        assert!(!close(&plain, &of_bias));
    }
}

#[test]
fn an_empty_batch_is_fine() {
    let shape = Shape::new(0, 3, 5).unwrap();
    for sharing in sharings() {
        let mask = mask(0.5).at(origin(3, 3, 3)).shared(sharing);
        let data = Data {
            x: vec![],
            grad: vec![],
            weight: vec![1.0; 15],
            bias: vec![1.0; 3],
            ..Data::ramps(&shape)
        };
        for backend in Backend::available() {
            let [y, dx, dw, db] = run(&backend, &shape, &mask, &data);
            assert!(y.is_empty() && dx.is_empty() && dw == [0.0; 15] && db == [0.0; 3]);
        }
    }
}
