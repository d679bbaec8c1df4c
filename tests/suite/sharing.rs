//! Shared masks and masked biases: the rule of the format, and every pass under it.

use crate::common::*;
use dropconnect::gpu::{MaskOp, Tile};
use dropconnect::{Mask, Sharing, reference};

const TOLERANCE: f64 = 1e-5;

fn sharings() -> impl Iterator<Item = Sharing> {
    let groups = [1, 2, 3, 4, 5, 7, 8, 9, 16, 33, 1000, 1 << 31].map(group);
    groups.into_iter().chain([Sharing::Batch])
}

/// Every `step`th of them where every case is wanted, else every fifth, from another one on for each shape.
fn in_turn(shape: usize, step: usize) -> impl Iterator<Item = Sharing> {
    let step = if full() { step } else { 5 };
    sharings().skip(shape % step).step_by(step)
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

/// The results with a masked bias in float64, straight from the rule: no code of the reference passes.
fn by_the_rule(call: &Case, data: &Data) -> Results<f64> {
    let (shape, mask) = (&call.shape, &call.mask.unwrap());
    let lens = [shape.output_len(), shape.input_len(), shape.weight_len(), shape.outputs()];
    let [mut y, mut dx, mut dw, mut db] = lens.map(|len| vec![0.0; len]);
    let (outputs, inputs, scale) = (shape.outputs(), shape.inputs(), mask.scale());
    for n in 0..shape.batch() {
        for o in 0..outputs {
            let g = f64::from(data.grad_output[n * outputs + o]);
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
    Results { y, dx, dw, db }
}

const SHAPES: [[usize; 3]; 8] =
    [[1, 1, 1], [7, 5, 9], [9, 33, 31], [41, 6, 70], [100, 4, 8], [37, 40, 130], [33, 12, 40], [40, 64, 72]];

#[test]
fn every_pass_follows_the_rule() {
    let test = "every_pass_follows_the_rule";
    let mut targets: Vec<_> = Target::cpus().collect();
    if let Some(gpu) = adapter(test) {
        let of = |mask_op| kernels(gpu, small_tiles(mask_op), gpu.kernels().multiply(), false);
        targets.extend(
            few(1, [MaskOp::And, MaskOp::Select])
                .map(|mask_op| Target::Adapter { gpu, kernels: of(mask_op) }),
        );
    }
    // Origins that are multiples of everything, too.
    let places = [(0.5, [48, 8, 16]), (0.2, [13, 2, 5]), (0.9, [1_000_003, 7, 9]), (0.2, [0, 0, 0])];
    for (seed, dims) in SHAPES.into_iter().enumerate() {
        let shape = shape(dims);
        let data = Data::random(&shape, Default::default(), seed as u64);
        for sharing in in_turn(seed, 2) {
            for (p, [n, o, i]) in few(2, places) {
                let call = Case::new(shape, Some(mask(p).at(origin(n, o, i)).shared(sharing)));
                let (want, exact) = (by_the_rule(&call, &data), expected(&call, &data));
                for ((_, exact), (_, want)) in exact.named().into_iter().zip(want.named()) {
                    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * (1.0 + b.abs());
                    assert!(exact.iter().zip(want).all(near), "{call:?}");
                }
                for target in &targets {
                    let what = format!("{} {call:?}", target.name());
                    assert_all_close(&run_on(target, &call, &data), &want, TOLERANCE, &what);
                }
            }
        }
    }
}

/// Tiles whose rows are no powers of two, of which compilers get less than a tuning asks for: examples of one group
/// stay examples of one group.
#[test]
fn tiles_of_odd_heights_follow_the_rule() {
    let Some(gpu) = adapter("tiles_of_odd_heights_follow_the_rule") else { return };
    for (rows, columns, size, dims) in [(5, 2, 20, [45, 6, 9]), (6, 2, 24, [50, 9, 8])] {
        let tuning = small_tiles(MaskOp::And).with_tiles(Tile::new(rows, columns, [4, 2]));
        let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
        let shape = shape(dims);
        let data = Data::random(&shape, Default::default(), 77);
        for sharing in [group(size), group(size + 4)] {
            for n in [0, 7] {
                let call = Case::new(shape, Some(mask(0.5).at(origin(n, 2, 5)).shared(sharing)));
                let what = format!("{rows} x {columns} {call:?}");
                let got = run_on(&Target::Adapter { gpu, kernels }, &call, &data);
                assert_all_close(&got, &by_the_rule(&call, &data), TOLERANCE, &what);
            }
        }
    }
}

#[test]
fn the_comparison_fails_on_another_sharing_or_origin() {
    let shape = shape([37, 40, 130]);
    let data = Data::ramps(&shape);
    let targets = targets("the_comparison_fails_on_another_sharing_or_origin: on the adapter");
    for sharing in [group(3), group(9), Sharing::Batch] {
        let right = mask(0.5).at(origin(13, 2, 5)).shared(sharing);
        let want = by_the_rule(&Case::new(shape, Some(right)), &data);
        for wrong in [
            right.shared(group(10)),
            right.shared(Sharing::Example),
            right.at(origin(13, 3, 5)),
            right.at(origin(13, 2, 6)),
        ] {
            for target in &targets {
                let got = run_on(target, &Case::new(shape, Some(wrong)), &data);
                for ((name, got), (_, want)) in got.named().into_iter().zip(want.named()) {
                    // Biases have no input coordinate.
                    let same = name == "db" && wrong.origin.input == 6;
                    assert!(same || !close(got, want, TOLERANCE), "{name} {sharing:?} {wrong:?}");
                }
            }
        }
    }
}

#[test]
fn masks_follow_the_rule_bit_for_bit() {
    let targets = targets("masks_follow_the_rule_bit_for_bit: on the adapter");
    let mut kept_somewhere = 0;
    for (seed, dims) in SHAPES.into_iter().enumerate() {
        let shape = shape(dims);
        let last = u32::MAX - dims[0] as u32 + 1;
        for sharing in in_turn(seed, 1) {
            for at in few(2, [origin(13, 2, 5), origin(last, 77, 123), origin(0, 0, 0)]) {
                let mask = mask(0.3).at(at).shared(sharing);
                let (mut want, mut want_bias) = (Vec::new(), Vec::new());
                for n in 0..dims[0] as u32 {
                    for o in 0..dims[1] as u32 {
                        for i in 0..dims[2] as u32 {
                            let kept = keep_by_the_rule(&mask, n, o, i);
                            assert_eq!(kept, mask.keep(n, o, i));
                            kept_somewhere += u32::from(kept);
                            want.push(kept);
                        }
                        let kept = keep_bias_by_the_rule(&mask, n, o);
                        assert_eq!(kept, mask.keep_bias(n, o));
                        want_bias.push(kept);
                    }
                }
                assert_eq!(reference::mask::mask(&shape, &mask).unwrap(), want);
                assert_eq!(reference::mask::bias_mask(&shape, &mask).unwrap(), want_bias);
                for target in &targets {
                    for (bias, want) in [(false, &want), (true, &want_bias)] {
                        let got = target.mask(shape, &mask, bias, Placement::Separate).unwrap();
                        let same = got.into_iter().eq(want.iter().map(|&kept| u8::from(kept)));
                        assert!(same, "{} {shape} {sharing:?} {at:?}, bias {bias}", target.name());
                    }
                }
            }
        }
    }
    assert!(kept_somewhere > 0);
}

#[test]
fn groups_of_one_are_examples() {
    let shape = shape([37, 40, 130]);
    let data = Data::ramps(&shape);
    for target in targets("groups_of_one_are_examples: on the adapter") {
        let of = |sharing| {
            let call = Case::new(shape, Some(mask(0.2).at(origin(3, 2, 1)).shared(sharing)));
            run_on(&target, &call, &data).bits()
        };
        assert!(of(group(1)) == of(Sharing::Example) && of(group(2)) != of(Sharing::Example));
    }
}

#[test]
fn a_batch_split_changes_no_bit_of_its_rows() {
    let whole = shape([90, 40, 130]);
    let data = Data::ramps(&whole);
    for target in targets("a_batch_split_changes_no_bit_of_its_rows: on the adapter") {
        for sharing in [group(1), group(3), group(8), group(20), Sharing::Batch] {
            let mask = mask(0.2).at(origin(5, 2, 1)).shared(sharing);
            let Results { y, dx, .. } = run_on(&target, &Case::new(whole, Some(mask)), &data);
            let mut rows = (Vec::new(), Vec::new());
            for (start, end) in [(0, 1), (1, 38), (38, 90)] {
                let part = Data {
                    x: data.x[start * 130..end * 130].to_vec(),
                    grad_output: data.grad_output[start * 40..end * 40].to_vec(),
                    ..data.clone()
                };
                let mask = mask.at(origin(5 + start as u32, 2, 1));
                let got = run_on(&target, &Case::new(shape([end - start, 40, 130]), Some(mask)), &part);
                rows.0.extend(got.y);
                rows.1.extend(got.dx);
            }
            assert!(rows == (y, dx), "{} {sharing:?}", target.name());
        }
    }
}
