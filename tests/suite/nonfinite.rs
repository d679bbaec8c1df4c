//! NaN and infinity: behind a dropped connection they never matter, and they stay in their own rows.

use crate::common::*;
use dropconnect::gpu::{MaskOp, Tile};
use dropconnect::{ElementType, Sharing, reference};

const WILD: [f32; 3] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY];

/// The CPU backend with each instruction set, and an adapter with every way to skip what is dropped.
fn all_targets(test: &str) -> Vec<Target<'static>> {
    let mut targets: Vec<_> = Target::cpus().collect();
    if let Some(gpu) = adapter(test) {
        let [and, select] = [MaskOp::And, MaskOp::Select].map(small_tiles);
        // Operands in workgroup memory take the way of the bits that is usual with them.
        let k_tile = select.with_tiles(Tile::new(1, 1, [4, 2]).with_k_tile(2));
        for tuning in few(2, [and, select, k_tile]) {
            let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
            targets.push(Target::Adapter { gpu, kernels });
        }
    }
    targets
}

/// One mask for all examples, so that each weight is either kept or dropped: everything dropped may be anything.
#[test]
fn what_lies_behind_a_dropped_connection_never_matters() {
    let targets = all_targets("what_lies_behind_a_dropped_connection_never_matters: on the adapter");
    for (dims, at) in few(
        2,
        [
            ([20, 45, 150], [2, 1, 3]),
            ([1, 13, 37], [2, 1, 3]),
            ([1, 28, 24], [4, 8, 16]),
            ([1, 45, 150], [2, 1, 3]),
        ],
    ) {
        let shape = shape(dims);
        for p in [0.5, 0.2] {
            let sharing = if dims[0] > 1 { Sharing::Batch } else { Sharing::Example };
            let mask = mask(p).at(origin(at[0], at[1], at[2])).shared(sharing);
            // Those of the first example.
            let kept = reference::mask::mask(&shape, &mask).unwrap();
            let kept_bias = reference::mask::bias_mask(&shape, &mask).unwrap();
            assert!(kept.contains(&false) && kept_bias.contains(&false));
            // How elements are loaded has nothing to do with who shares a mask, or with how it is drawn.
            let elements = if dims[0] > 1 || p != 0.5 { &[ElementType::F32][..] } else { &ElementType::ALL };
            for &element in elements {
                let clean = Data::random(&shape, element, 21);
                let mut dirty = clean.clone();
                for (index, weight) in dirty.weight.iter_mut().enumerate().filter(|(at, _)| !kept[*at]) {
                    *weight = WILD[index % 3];
                }
                for (index, bias) in dirty.bias.iter_mut().enumerate().filter(|(at, _)| !kept_bias[*at]) {
                    *bias = WILD[index % 3];
                }
                let call = Case { element, ..Case::new(shape, Some(mask)) };
                for target in &targets {
                    let [a, b] = [&clean, &dirty].map(|data| run_on(target, &call, data).bits());
                    assert!(a == b, "{} {call:?}", target.name());
                }
            }
        }
    }
}

#[test]
fn a_kept_non_finite_weight_is_seen() {
    let shape = shape([1, 5, 9]);
    let mask = mask(0.5);
    let kept = reference::mask::mask(&shape, &mask).unwrap();
    let at = kept.iter().position(|&kept| kept).unwrap();
    for target in all_targets("a_kept_non_finite_weight_is_seen: on the adapter") {
        for wild in WILD {
            let mut data = Data::random(&shape, ElementType::F32, 22);
            data.weight[at] = wild;
            for mask in [Some(mask), None] {
                let got = run_on(&target, &Case::new(shape, mask), &data);
                let what = format!("{} {wild}", target.name());
                assert!(!got.y[at / 9].is_finite() && !got.dx[at % 9].is_finite(), "{what}");
                let wild = |values: &[f32]| values.iter().filter(|value| !value.is_finite()).count();
                assert_eq!(got.named().map(|(_, values)| wild(values)), [1, 1, 0, 0], "{what}");
            }
        }
    }
}

/// A NaN in an operand reaches the results whose sums it is in, and no others: rows that share a brick, a
/// tile or a word with it stay as they are. The tensors lie between guard words that are NaN.
#[test]
fn a_nan_reaches_no_other_row() {
    let mut targets: Vec<_> = Target::cpus().map(|cpu| (cpu, Placement::PooledOdd)).collect();
    if let Some(gpu) = adapter("a_nan_reaches_no_other_row: on the adapter") {
        let rows = [
            (small_tiles(MaskOp::Select), Placement::PooledOdd),
            (tiles(2, 2, [4, 2], MaskOp::And), Placement::Separate),
            (small_tiles(MaskOp::And), Placement::Separate),
        ];
        targets.extend(few(1, rows).map(|(tuning, placement)| {
            let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
            (Target::Adapter { gpu, kernels }, placement)
        }));
    }
    for (dims, at) in [([9, 12, 24], [0, 0, 0]), ([7, 9, 13], [3, 2, 5])] {
        let shape = shape(dims);
        let [batch, outputs, inputs] = dims;
        for (mask, element) in [
            (None, ElementType::F32),
            (Some(mask(0.5)), ElementType::F32),
            (Some(mask(0.2)), ElementType::F16),
        ] {
            let mask = mask.map(|mask| mask.at(origin(at[0], at[1], at[2])));
            for &(target, placement) in &targets {
                let call = Case { element, placement, ..Case::new(shape, mask) };
                let clean = Data::random(&shape, element, 23);
                let want = run_on(&target, &call, &clean);
                assert!(want.named().iter().all(|(_, values)| values.iter().all(|v| v.is_finite())));
                // In the last row and column, which padding repeats, and in the first.
                for (n, o, i) in [(batch - 1, outputs - 1, inputs - 1), (0, 0, 0)] {
                    let same = |dirty: &Data, touched: &dyn Fn(&str, usize) -> bool, what: &str| {
                        let got = run_on(&target, &call, dirty);
                        for ((name, got), (_, want)) in got.named().into_iter().zip(want.named()) {
                            for (index, (got, want)) in got.iter().zip(want).enumerate() {
                                let same = got.to_bits() == want.to_bits();
                                assert!(same || touched(name, index), "{what}: {name} {index} {call:?}");
                            }
                        }
                    };
                    let mut dirty = clean.clone();
                    dirty.x[n * inputs + i] = f32::NAN;
                    let touched = |name: &str, at: usize| match name {
                        "y" => at / outputs == n,
                        "dw" => at % inputs == i,
                        _ => false,
                    };
                    same(&dirty, &touched, "x");
                    let mut dirty = clean.clone();
                    dirty.grad_output[n * outputs + o] = f32::NAN;
                    let touched = |name: &str, at: usize| match name {
                        "dx" => at / inputs == n,
                        "dw" => at / inputs == o,
                        "db" => at == o,
                        _ => false,
                    };
                    same(&dirty, &touched, "grad_output");
                    let mut dirty = clean.clone();
                    dirty.weight[o * inputs + i] = f32::NAN;
                    let touched = |name: &str, at: usize| match name {
                        "y" => at % outputs == o,
                        "dx" => at % inputs == i,
                        _ => false,
                    };
                    same(&dirty, &touched, "weight");
                    let mut dirty = clean.clone();
                    dirty.bias[o] = f32::NAN;
                    same(&dirty, &|name, at| name == "y" && at % outputs == o, "bias");
                }
            }
        }
    }
}
