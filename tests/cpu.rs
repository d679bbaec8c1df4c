//! The CPU backend against float64 and against the format's vectors, with every instruction set of the
//! machine.

mod common;

use common::{BiasKind, Data, Operands, Results, ramp};
use dropconnect::call::Forward;
use dropconnect::cpu::Backend;
use dropconnect::{
    Bias, DropProbability, Error, Mask, MaskKey, Origin, Rounds, Shape, Write, cpu, reference,
};

const TOLERANCE: f64 = 1e-5;

fn close(got: &[f32], want: &[f64]) -> bool {
    common::close(got, want, TOLERANCE)
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f64], what: &str) {
    common::assert_close(got, want, TOLERANCE, what);
}

fn kind(masked_bias: bool) -> BiasKind {
    if masked_bias { BiasKind::Masked } else { BiasKind::Plain }
}

/// Every pass; Y with a masked or a plain bias.
fn run(
    backend: &Backend,
    shape: &Shape,
    mask: Option<&Mask>,
    masked_bias: bool,
    data: &Data,
) -> Results<f32> {
    data.operands(shape, kind(masked_bias)).on_cpu(backend, mask, mask.filter(|_| masked_bias))
}

/// `[y, dx, dw, db]` in float64.
fn expected(shape: &Shape, mask: Option<&Mask>, masked_bias: bool, data: &Data) -> [Vec<f64>; 4] {
    let data = data.wide();
    let results = data.operands(shape, kind(masked_bias)).reference(mask, mask.filter(|_| masked_bias));
    [results.y, results.dx, results.dw, results.db]
}

fn mask(p: f64) -> Mask {
    Mask::new(MaskKey::new(2013, 1).at_step(77), DropProbability::new(p).unwrap())
}

fn origin(example: u32, output: u32, input: u32) -> Origin {
    Origin { example, output, input }
}

/// Each of 1, 3, 4, 5, 7, 8, 9, 31, 33 and 100 in each place, and sizes that span several units of work.
const SHAPES: [[usize; 3]; 14] = [
    [1, 1, 1],
    [3, 4, 5],
    [4, 4, 8],
    [5, 7, 9],
    [7, 8, 31],
    [8, 9, 33],
    [9, 31, 100],
    [31, 33, 7],
    [33, 100, 3],
    [100, 5, 4],
    [1, 3, 100],
    [100, 1, 33],
    [33, 31, 129],
    [5, 37, 600],
];

#[test]
fn every_pass_agrees_with_float64() {
    for dims in SHAPES {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let data = Data::ramps(&shape);
        for p in [0.0, 0.5, 0.25, 0.2, 0.9] {
            for rounds in [Rounds::Seven, Rounds::Ten] {
                for (at, masked_bias) in [
                    (origin(0, 0, 0), true),
                    (origin(3, 2, 5), false),
                    (origin(1, 7, 9), true),
                    (origin(1_000_003, 77, 123), false),
                ] {
                    let mask = mask(p).with_rounds(rounds).at(at);
                    let want = expected(&shape, Some(&mask), masked_bias, &data);
                    for backend in Backend::available() {
                        let what = format!("{} {shape} p {p} {rounds:?} {at:?}", backend.name());
                        let got = run(&backend, &shape, Some(&mask), masked_bias, &data);
                        assert_close(&got.y, &want[0], &format!("{what} y"));
                        assert_close(&got.dx, &want[1], &format!("{what} dx"));
                        assert_close(&got.dw, &want[2], &format!("{what} dw"));
                        assert_close(&got.db, &want[3], &format!("{what} db"));
                    }
                }
            }
        }
    }
}

#[test]
fn evaluation_and_no_bias_agree_with_float64() {
    for dims in SHAPES {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        let data = Data::ramps(&shape);
        let want = expected(&shape, None, true, &data);
        let mask = mask(0.2).at(origin(2, 3, 6));
        let (operands, data64) = (data.operands(&shape, BiasKind::None), data.wide());
        let without = data64.operands(&shape, BiasKind::None).forward(Some(&mask), ());
        let without = reference::forward(&without).unwrap();
        for backend in Backend::available() {
            let got = run(&backend, &shape, None, true, &data);
            let what = format!("{} {shape}", backend.name());
            assert_close(&got.y, &want[0], &what);
            assert_close(&got.dx, &want[1], &what);
            assert_close(&got.dw, &want[2], &what);
            assert_close(&got.db, &want[3], &what);
            let mut y = vec![f32::NAN; shape.output_len()];
            backend.forward(operands.forward(Some(&mask), &mut y)).unwrap();
            assert_close(&y, &without, &what);
        }
    }
}

#[test]
fn a_large_layer_agrees_with_float64() {
    let shape = Shape::new(67, 150, 1100).unwrap();
    let data = Data::ramps(&shape);
    for p in [0.5, 0.2] {
        let mask = mask(p).at(origin(2, 1, 3));
        let want = expected(&shape, Some(&mask), true, &data);
        for backend in Backend::available() {
            let got = run(&backend, &shape, Some(&mask), true, &data);
            assert_close(&got.y, &want[0], backend.name());
            assert_close(&got.dx, &want[1], backend.name());
            assert_close(&got.dw, &want[2], backend.name());
            assert_close(&got.db, &want[3], backend.name());
        }
    }
}

#[test]
fn accumulating_adds_to_what_was_there() {
    let shape = Shape::new(9, 33, 70).unwrap();
    let data = Data::ramps(&shape);
    let mask = mask(0.3).at(origin(1, 2, 3));
    let mut want = expected(&shape, Some(&mask), true, &data);
    let before = |len| ramp(len, 17, 11);
    for want in &mut want[1..] {
        for (want, before) in want.iter_mut().zip(before(shape.weight_len())) {
            *want += f64::from(before);
        }
    }
    for backend in Backend::available() {
        let mut dx = before(shape.input_len());
        let mut dw = before(shape.weight_len());
        let mut db = before(shape.outputs());
        let operands = data.operands(&shape, BiasKind::Masked);
        let (operands, mask) = (Operands { write: Write::Accumulate, ..operands }, Some(&mask));
        backend.input_gradient(operands.input_gradient(mask, &mut dx)).unwrap();
        backend.weight_gradient(operands.weight_gradient(mask, &mut dw)).unwrap();
        backend.bias_gradient(operands.bias_gradient(mask, &mut db)).unwrap();
        assert_close(&dx, &want[1], backend.name());
        assert_close(&dw, &want[2], backend.name());
        assert_close(&db, &want[3], backend.name());
    }
}

#[test]
fn the_comparison_fails_on_wrong_results() {
    let shape = Shape::new(5, 7, 9).unwrap();
    let data = Data::ramps(&shape);
    let want = expected(&shape, Some(&mask(0.5)), true, &data);
    let backend = Backend::detect();
    // The mask of another step, and each result with one wrong or missing number.
    let mut other = mask(0.5);
    other.key.step += 1;
    let got = run(&backend, &shape, Some(&other), true, &data);
    assert!(!close(&got.y, &want[0]) && !close(&got.dx, &want[1]) && !close(&got.dw, &want[2]));
    assert!(!close(&got.db, &want[3]));
    let right = run(&backend, &shape, Some(&mask(0.5)), true, &data).y;
    for wrong in [f32::NAN, f32::INFINITY, right[17] + 0.001] {
        let mut y = right.clone();
        y[17] = wrong;
        assert!(close(&right, &want[0]) && !close(&y, &want[0]));
    }
    assert!(!close(&[f32::MIN_POSITIVE], &[0.0]) && close(&[0.0], &[0.0]));
}

#[test]
fn masks_are_the_masks_of_the_format_bit_for_bit() {
    for dims in SHAPES {
        let shape = Shape::new(dims[0], dims[1], dims[2]).unwrap();
        for p in [0.0, 0.5, 0.25, 0.2, 0.9, 0.001] {
            for rounds in [Rounds::Seven, Rounds::Ten] {
                for at in [
                    origin(0, 0, 0),
                    origin(3, 2, 5),
                    origin(1, 7, 9),
                    // The last coordinates there are.
                    origin(u32::MAX - dims[0] as u32 + 1, u32::MAX - dims[1] as u32 + 1, 0),
                    origin(0, 0, u32::MAX - dims[2] as u32 + 1),
                ] {
                    let mask = mask(p).with_rounds(rounds).at(at);
                    let want: Vec<u8> = bytes(reference::mask::mask(&shape, &mask).unwrap());
                    let want_bias: Vec<u8> = bytes(reference::mask::bias_mask(&shape, &mask).unwrap());
                    for backend in Backend::available() {
                        let (mut got, mut got_bias) = (vec![2; want.len()], vec![2; want_bias.len()]);
                        backend.mask(&shape, &mask, &mut got).unwrap();
                        backend.bias_mask(&shape, &mask, &mut got_bias).unwrap();
                        let what = format!("{} {shape} p {p} {rounds:?} {at:?}", backend.name());
                        assert!(got == want, "{what}");
                        assert!(got_bias == want_bias, "{what}: bias");
                    }
                }
            }
        }
    }
}

fn bytes(kept: Vec<bool>) -> Vec<u8> {
    kept.into_iter().map(u8::from).collect()
}

/// Decisions that the passes use, not only those that `mask` writes: with X, W and G of ones, Y counts the
/// kept connections of each (n, o), dX of each (n, i), and dW of each (o, i), exactly.
#[test]
fn the_passes_use_the_same_bits() {
    let shape = Shape::new(11, 37, 141).unwrap();
    let data = Data { bias: vec![0.0; shape.outputs()], ..Data::constant(&shape, 1.0) };
    for p in [0.5, 0.2] {
        let mask = mask(p).at(origin(3, 2, 5));
        let scale = mask.scale() as f32;
        let kept = reference::mask::mask(&shape, &mask).unwrap();
        let mut want = Results {
            y: vec![0.0; shape.output_len()],
            dx: vec![0.0; shape.input_len()],
            dw: vec![0.0; shape.weight_len()],
            db: vec![11.0; shape.outputs()],
        };
        for (index, _) in kept.iter().enumerate().filter(|(_, kept)| **kept) {
            let (n, o, i) = (index / 141 / 37, index / 141 % 37, index % 141);
            want.y[n * 37 + o] += 1.0;
            want.dx[n * 141 + i] += 1.0;
            want.dw[o * 141 + i] += 1.0;
        }
        for value in want.y.iter_mut().chain(&mut want.dx).chain(&mut want.dw) {
            *value *= scale;
        }
        for backend in Backend::available() {
            assert_eq!(run(&backend, &shape, Some(&mask), false, &data), want, "{}", backend.name());
        }
    }
}

#[test]
fn nothing_behind_a_dropped_connection_matters() {
    let shape = Shape::new(1, 45, 150).unwrap();
    let mask = mask(0.5).at(origin(2, 1, 3));
    let clean = Data::ramps(&shape);
    let mut dirty = Data::ramps(&shape);
    let kept = reference::mask::mask(&shape, &mask).unwrap();
    for (index, weight) in dirty.weight.iter_mut().enumerate().filter(|(index, _)| !kept[*index]) {
        *weight = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][index % 3];
    }
    let kept = reference::mask::bias_mask(&shape, &mask).unwrap();
    for (_, bias) in dirty.bias.iter_mut().enumerate().filter(|(index, _)| !kept[*index]) {
        *bias = f32::NAN;
    }
    for backend in Backend::available() {
        let run = |data| run(&backend, &shape, Some(&mask), true, data);
        assert_eq!(run(&clean), run(&dirty), "{}", backend.name());
    }
}

#[test]
fn a_kept_non_finite_weight_is_seen() {
    let shape = Shape::new(1, 1, 1).unwrap();
    for backend in Backend::available() {
        let mut y = [0.0];
        let (x, weight) = (&[1.0], &[f32::INFINITY]);
        backend.forward(Forward { shape, mask: None, x, weight, bias: Bias::None, y: &mut y }).unwrap();
        assert_eq!(y, [f32::INFINITY]);
    }
}

#[test]
fn results_do_not_depend_on_threads_or_luck() {
    let shape = Shape::new(70, 130, 300).unwrap();
    let data = Data::ramps(&shape);
    let mask = mask(0.2).at(origin(1, 1, 1));
    for backend in Backend::available() {
        let first = run(&backend, &shape, Some(&mask), true, &data);
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for _ in 0..3 {
                let again = pool.install(|| run(&backend, &shape, Some(&mask), true, &data));
                assert!(again == first, "{} with {threads} threads", backend.name());
            }
        }
    }
}

#[test]
fn an_empty_batch_is_an_empty_result_and_a_zero_gradient() {
    let shape = Shape::new(0, 3, 5).unwrap();
    let mask = mask(0.5).at(origin(3, 3, 3));
    for mask in [None, Some(&mask)] {
        let (weight, none, write) = (&[0.0; 15][..], &[][..], Write::Overwrite);
        let over = Operands { shape, x: none, weight, bias: Bias::None, grad_output: none, write };
        let add = Operands { write: Write::Accumulate, ..over };
        cpu::forward(over.forward(mask, &mut [])).unwrap();
        cpu::input_gradient(over.input_gradient(mask, &mut [])).unwrap();
        let (mut dw, mut db) = ([-0.0f32; 15], [7.0; 3]);
        cpu::weight_gradient(add.weight_gradient(mask, &mut dw)).unwrap();
        cpu::bias_gradient(add.bias_gradient(mask, &mut db)).unwrap();
        assert!(dw.iter().all(|v| v.to_bits() == (-0.0f32).to_bits()) && db == [7.0; 3]);
        cpu::weight_gradient(over.weight_gradient(mask, &mut dw)).unwrap();
        cpu::bias_gradient(over.bias_gradient(mask, &mut db)).unwrap();
        assert!(dw.iter().all(|v| v.to_bits() == 0) && db == [0.0; 3]);
    }
    cpu::mask(&shape, &mask, &mut []).unwrap();
    cpu::bias_mask(&shape, &mask, &mut []).unwrap();
}

#[test]
fn bad_calls_are_refused_by_name_and_write_nothing() {
    let shape = Shape::new(2, 3, 4).unwrap();
    let (x, w, b, g) = ([1.0; 8], [1.0; 12], [1.0; 3], [1.0; 6]);
    let mut out = [5.0; 12];
    let (bias, write) = (Bias::Plain(&b[..]), Write::Overwrite);
    let all = Operands { shape, x: &x[..], weight: &w[..], bias, grad_output: &g[..], write };
    let few = [
        ("x", Operands { x: &x[1..], ..all }),
        ("weight", Operands { weight: &w[1..], ..all }),
        ("bias", Operands { bias: Bias::Plain(&b[1..]), ..all }),
        ("grad_output", Operands { grad_output: &g[1..], ..all }),
    ];
    let named = |result: Result<(), Error>| match result {
        Err(Error::Length { argument, .. }) => argument,
        other => panic!("{other:?}"),
    };
    for (name, few) in few {
        if name != "grad_output" {
            assert_eq!(named(cpu::forward(few.forward(None, &mut out[..6]))), name);
        }
        if ["grad_output", "weight"].contains(&name) {
            assert_eq!(named(cpu::input_gradient(few.input_gradient(None, &mut out[..8]))), name);
        }
        if ["grad_output", "x"].contains(&name) {
            assert_eq!(named(cpu::weight_gradient(few.weight_gradient(None, &mut out))), name);
        }
        if name == "grad_output" {
            assert_eq!(named(cpu::bias_gradient(few.bias_gradient(None, &mut out[..3]))), name);
        }
    }
    assert_eq!(named(cpu::forward(all.forward(None, &mut out[..7]))), "y");
    assert_eq!(named(cpu::input_gradient(all.input_gradient(None, &mut out))), "grad_input");
    assert_eq!(named(cpu::weight_gradient(all.weight_gradient(None, &mut out[1..]))), "grad_weight");
    assert_eq!(named(cpu::bias_gradient(all.bias_gradient(None, &mut out))), "grad_bias");
    assert_eq!(named(cpu::mask(&shape, &mask(0.5), &mut [5; 23])), "out");
    assert_eq!(named(cpu::bias_mask(&shape, &mask(0.5), &mut [5; 5])), "out");
    let far = mask(0.0).at(origin(0, u32::MAX - 1, 0));
    let refused = cpu::weight_gradient(all.weight_gradient(Some(&far), &mut out));
    assert!(matches!(refused, Err(Error::Origin { axis: "output", .. })));
    assert_eq!(out, [5.0; 12]);
    // A mask of 2^96 bytes exists nowhere; asking for it is an error like any other.
    let huge = Shape::new(u32::MAX as usize, u32::MAX as usize, u32::MAX as usize).unwrap();
    assert_eq!(named(cpu::mask(&huge, &mask(0.5), &mut [])), "out");
}
