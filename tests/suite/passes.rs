//! Every pass against float64, on the adapter and with each instruction set of the CPU backend: shapes, drop
//! probabilities, element types, places of the tensors, biases, ways to write, and every way a kernel is made
//! (`passes/kernels.rs`).

#[cfg(feature = "gpu")]
mod kernels;

use crate::common::*;
use dropconnect::{Bias, ElementType, Mask, Sharing, Write, reference};

/// 1, 3, 4, 5, 7, 8, 9, 31, 33, 100 and 257 in every place, sizes that are whole bricks, and some that are
/// whole quads but not whole tiles.
const SHAPES: [[usize; 3]; 20] = [
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
    [1, 3, 257],
    [257, 1, 33],
    [3, 257, 1],
    [33, 9, 257],
    [31, 100, 8],
    [4, 257, 9],
    [100, 3, 31],
    [3, 4, 8],
    [9, 12, 24],
    [33, 100, 40],
];

/// p, bits of its resolution.
type Choice = (f64, u32);

/// `None` is evaluation.
const MASKS: [Option<Choice>; 8] = [
    None,
    Some((0.0, 16)),
    Some((0.5, 16)),
    Some((0.25, 16)),
    Some((0.2, 16)),
    Some((0.2, 8)),
    Some((0.9, 16)),
    Some((0.9, 8)),
];

/// Whole bricks, cut bricks, one axis cut, and the last coordinates that a shape of 257 leaves.
const ORIGINS: [[u32; 3]; 5] =
    [[0, 0, 0], [4, 8, 16], [3, 2, 5], [1_000_003, 77, 16], [u32::MAX - 300, u32::MAX - 299, u32::MAX - 298]];

const PLACEMENTS: [Placement; 3] = [Placement::Separate, Placement::PooledAligned, Placement::PooledOdd];

fn mask_of(choice: Option<Choice>, at: [u32; 3]) -> Option<Mask> {
    choice.map(|(p, bits)| mask_with_bits(p, bits).at(origin(at[0], at[1], at[2])))
}

/// Runs the call on all targets and compares the results with float64.
fn agree(targets: &[Target], call: &Case, seed: u64) {
    let data = Data::random(&call.shape, call.element, seed);
    let want: Vec<_> = LAYER.iter().map(|pass| call.expected(*pass, &data).unwrap()).collect();
    let names = || LAYER.iter().flat_map(|&pass| call.call(pass).operands().results).map(|of| of.name);
    for target in targets {
        let what = format!("seed {seed} {} {call:?}", target.name());
        let got = target.run(&LAYER, call, &data).unwrap_or_else(|error| panic!("{what}: {error}")).results;
        assert_eq!(got.len(), names().count());
        for ((got, want), name) in got.iter().zip(want.iter().flatten()).zip(names()) {
            assert_close(got, want, bound(call.element), &format!("{what}: {name}"));
        }
    }
}

const WRITES: [[Write; 3]; 2] = [OVERWRITE, [Write::Accumulate; 3]];

/// What a call may be, with the same few kernels.
#[test]
fn every_pass_agrees_with_float64() {
    let targets = targets("every_pass_agrees_with_float64: on the adapter");
    let levels = [SHAPES.len(), MASKS.len(), ORIGINS.len(), 3, 3, 2];
    let rows = covering(&levels, strength());
    assert!(rows.len() >= SHAPES.len());
    for (seed, row) in rows.iter().enumerate() {
        let call = Case {
            element: ElementType::ALL[row[3]],
            bias: BIASES[row[4]],
            write: WRITES[row[5]],
            ..Case::new(shape(SHAPES[row[0]]), mask_of(MASKS[row[1]], ORIGINS[row[2]]))
        };
        agree(&targets, &call, seed as u64);
    }
}

/// The CPU has no kernels to compile: every shape under every mask, and where every case is wanted, at every place.
#[test]
fn every_combination_agrees_with_float64_on_the_cpu() {
    let cpus: Vec<_> = Target::cpus().collect();
    for (s, dims) in SHAPES.into_iter().enumerate() {
        for (m, choice) in MASKS.into_iter().enumerate() {
            for (o, at) in ORIGINS.into_iter().enumerate() {
                let case = s + m + o;
                if !full() && case % ORIGINS.len() != 0 {
                    continue;
                }
                let call = Case {
                    bias: BIASES[case % 3],
                    write: WRITES[case % 2],
                    placement: PLACEMENTS[case % 3],
                    ..Case::new(shape(dims), mask_of(choice, at))
                };
                agree(&cpus, &call, case as u64);
            }
        }
    }
}

/// Several units of work along each axis.
#[test]
fn large_layers_agree_with_float64() {
    let targets = targets("large_layers_agree_with_float64: on the adapter");
    let rows = [([5, 37, 600], 0.2), ([67, 150, 1100], 0.5), ([33, 31, 129], 0.5), ([33, 31, 129], 0.2)];
    for (dims, p) in few(2, rows.into_iter().chain([([5, 37, 600], 0.5), ([67, 150, 1100], 0.2)])) {
        agree(&targets, &Case::new(shape(dims), Some(mask(p).at(origin(2, 1, 3)))), 4000);
    }
}

/// Decisions that the passes use: with X, W and G of ones, Y counts the kept connections of each (n, o), dX of each
/// (n, i), and dW of each (o, i), exactly.
#[test]
fn the_passes_count_the_kept_connections() {
    let targets = targets("the_passes_count_the_kept_connections: on the adapter");
    let shape = shape([11, 37, 141]);
    let data = Data { bias: vec![0.0; shape.outputs()], ..Data::constant(&shape, 1.0) };
    for p in [0.5, 0.2] {
        let mask = mask(p).at(origin(3, 2, 5));
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
            *value *= mask.scale() as f32;
        }
        let call = Case { bias: Bias::Plain(()), ..Case::new(shape, Some(mask)) };
        for target in &targets {
            assert!(run_on(target, &call, &data) == want, "{}", target.name());
        }
    }
}

#[test]
fn an_empty_batch_is_an_empty_result_and_a_zero_gradient() {
    let own = mask(0.5).at(origin(3, 3, 3));
    let masks = [own, mask(0.2), own.shared(Sharing::Batch), own.shared(group(3))];
    for target in targets("an_empty_batch_is_an_empty_result_and_a_zero_gradient: on the adapter") {
        let run = |call: &Case, data: &Data| run_on(&target, call, data);
        for (dims, element) in
            [[0, 3, 5], [0, 4, 8], [0, 1, 1]].into_iter().flat_map(|d| ElementType::ALL.map(|e| (d, e)))
        {
            for placement in PLACEMENTS {
                for mask in [None].into_iter().chain(masks.map(Some)) {
                    let call = Case { element, placement, ..Case::new(shape(dims), mask) };
                    let mut data = Data::random(&call.shape, element, 1);
                    let zero = run(&call, &data);
                    assert!(zero.y.is_empty() && zero.dx.is_empty(), "{call:?}");
                    assert!(zero.dw.iter().chain(&zero.db).all(|v| v.to_bits() == 0), "{call:?}: {zero:?}");
                    // Not even the sign of a zero, or a NaN, changes when nothing is added.
                    data.before[1][0] = -0.0;
                    data.before[2][0] = f32::NAN;
                    let same = run(&Case { write: WRITES[1], ..call }, &data).bits();
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    let stored = |values: &[f32]| bits(&element.decode(&element.encode(values)));
                    assert_eq!(same[2], stored(&data.before[1]), "{call:?}");
                    assert_eq!(same[3], stored(&data.before[2]), "{call:?}");
                    for bias in [false, true] {
                        let mask = mask.unwrap_or(own);
                        assert!(target.mask(call.shape, &mask, bias, placement).unwrap().is_empty());
                    }
                }
            }
        }
    }
}

// ------------------------------------------------------------------- the comparison itself, shown to bite

#[test]
fn the_comparison_fails_on_wrong_results() {
    for target in targets("the_comparison_fails_on_wrong_results: on the adapter") {
        let (fed, missed) = self_test(&target).unwrap();
        let results = LAYER.iter().map(|&pass| reductions(pass).len() as u64).sum::<u64>();
        assert!(fed == 3 * results * 8 && missed.is_empty(), "{}: {missed:?}", target.name());
    }
    assert!(!close(&[f32::MIN_POSITIVE], &[0.0], 1e-5) && close(&[0.0], &[0.0], 1e-5));
    assert!(!close(&[1.0], &[1.0, 2.0], 1e-5) && !close(&[1.0, 2.0], &[1.0], 1e-5));
}

#[test]
#[should_panic(expected = "proves nothing")]
fn a_loose_bound_is_refused() {
    close(&[1.0], &[1.0], 0.021);
}
