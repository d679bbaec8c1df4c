//! What must not change a result: how a layer is split, tiles, workgroups, shader checks, the device's
//! limits, and another run.
//!
//! A kernel adds the products of one result in the order of the summed index, whatever its tile, and products
//! outside of the shard add exactly 0. So results are the same to the bit where the summed axis is whole, and
//! to f32 rounding where it is split.

use crate::common::*;
use dropconnect::gpu::{AdapterChoice, Gpu, KernelOptions, Kernels, MaskOp, WriteMask};
use dropconnect::{Bias, ElementType, Mask, Shape, Write, wgpu};

/// Columns `from..to` of rows `rows` of a `[_, width]` tensor.
fn part(values: &[f32], width: usize, rows: [usize; 2], columns: [usize; 2]) -> Vec<f32> {
    (rows[0]..rows[1]).flat_map(|row| &values[row * width..][columns[0]..columns[1]]).copied().collect()
}

/// The shard `[from, to)` along samples, outputs and inputs of a call and its data.
fn shard(call: &Case, data: &Data, from: [usize; 3], to: [usize; 3]) -> (Case, Data) {
    let (outputs, inputs) = (call.shape.outputs(), call.shape.inputs());
    let [n, o, i] = std::array::from_fn(|axis| [from[axis], to[axis]]);
    let of = |values: &[f32], width, rows, columns| part(values, width, rows, columns);
    let data = Data {
        x: of(&data.x, inputs, n, i),
        weight: of(&data.weight, inputs, o, i),
        bias: of(&data.bias, outputs, [0, 1], o),
        grad_output: of(&data.grad_output, outputs, n, o),
        before: [
            of(&data.before[0], inputs, n, i),
            of(&data.before[1], inputs, o, i),
            of(&data.before[2], outputs, [0, 1], o),
        ],
        ..data.clone()
    };
    let mask = call.mask.map(|mask| {
        let at = |axis: u32, by: usize| axis + by as u32;
        mask.at(origin(
            at(mask.origin.example, from[0]),
            at(mask.origin.output, from[1]),
            at(mask.origin.input, from[2]),
        ))
    });
    let shape = shape(std::array::from_fn(|axis| to[axis] - from[axis]));
    (Case { shape, mask, ..*call }, data)
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn added(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// The layer in two parts along one axis, at cuts that are and are not between bricks.
#[test]
fn splitting_a_layer_changes_nothing() {
    let Some(gpu) = adapter("splitting_a_layer_changes_nothing") else { return };
    let dims = [13, 18, 37];
    let kernels = plain_kernels(gpu);
    for p in [0.5, 0.2] {
        let whole = Case::new(shape(dims), Some(mask(p).at(origin(1, 2, 3))));
        let data = Data::random(&whole.shape, ElementType::F32, 11);
        let (want, exact) = (run(gpu, kernels, &whole, &data), expected(&whole, &data));
        for (axis, cut) in [(0, 4), (0, 7), (1, 8), (1, 5), (2, 16), (2, 13)] {
            let what = format!("p {p}, axis {axis} cut at {cut}");
            let (mut to, mut from) = (dims, [0; 3]);
            (to[axis], from[axis]) = (cut, cut);
            let (first, first_data) = shard(&whole, &data, [0; 3], to);
            let (second, second_data) = shard(&whole, &data, from, dims);
            let a = run(gpu, kernels, &first, &first_data);
            let b = run(gpu, kernels, &second, &second_data);
            // Where the parts of each result lie in the whole.
            let corner = |values: &[f32], width, rows: usize, columns: usize, second: bool| {
                let (r, c) = if second { (from[rows], from[columns]) } else { (0, 0) };
                let (r_end, c_end) =
                    if second { (dims[rows], dims[columns]) } else { (to[rows], to[columns]) };
                bits(&part(values, width, [r, r_end], [c, c_end]))
            };
            let exact_to_bits = |name: &str, a: &[f32], b: &[f32], whole: &[f32], rows, columns| {
                let width = dims[columns];
                assert!(bits(a) == corner(whole, width, rows, columns, false), "{what}: {name}");
                assert!(bits(b) == corner(whole, width, rows, columns, true), "{what}: {name}");
            };
            match axis {
                0 => {
                    exact_to_bits("y", &a.y, &b.y, &want.y, 0, 1);
                    exact_to_bits("dx", &a.dx, &b.dx, &want.dx, 0, 2);
                    assert_close(&added(&a.dw, &b.dw), &exact.dw, 1e-5, &what);
                    assert_close(&added(&a.db, &b.db), &exact.db, 1e-5, &what);
                }
                1 => {
                    exact_to_bits("y", &a.y, &b.y, &want.y, 0, 1);
                    exact_to_bits("dw", &a.dw, &b.dw, &want.dw, 1, 2);
                    assert!([bits(&a.db), bits(&b.db)].concat() == bits(&want.db), "{what}: db");
                    assert_close(&added(&a.dx, &b.dx), &exact.dx, 1e-5, &what);
                }
                _ => {
                    exact_to_bits("dx", &a.dx, &b.dx, &want.dx, 0, 2);
                    exact_to_bits("dw", &a.dw, &b.dw, &want.dw, 1, 2);
                    // Each part added the bias.
                    let no_bias = Case { bias: Bias::None, ..second };
                    let b = run(gpu, kernels, &no_bias, &second_data);
                    assert_close(&added(&a.y, &b.y), &exact.y, 1e-5, &what);
                }
            }
            // The written masks are the parts of the written mask.
            let written = |call: &Case| {
                let mask = call.mask.as_ref().unwrap();
                written_mask(gpu, kernels, call.shape, mask, false, Placement::Separate)
            };
            let (all, a, b) = (written(&whole), written(&first), written(&second));
            for (part, size, at) in [(a, to, [0; 3]), (b, dims, from)] {
                let mut index = 0;
                for n in at[0]..size[0] {
                    for o in at[1]..size[1] {
                        let row = &all[(n * dims[1] + o) * dims[2]..][at[2]..size[2]];
                        assert!(part[index..index + row.len()] == *row, "{what}: mask");
                        index += row.len();
                    }
                }
            }
        }
    }
}

/// A shard that forgets its origin is another layer: what the test above would miss if origins did nothing.
#[test]
fn a_shard_without_its_origin_is_seen() {
    let Some(gpu) = adapter("a_shard_without_its_origin_is_seen") else { return };
    let call = Case::new(shape([8, 8, 16]), Some(mask(0.5)));
    let data = Data::random(&call.shape, ElementType::F32, 12);
    let whole = run(gpu, plain_kernels(gpu), &call, &data).y;
    let (right, data) = shard(&call, &data, [4, 0, 0], [8, 8, 16]);
    let wrong = Case { mask: call.mask, ..right };
    let got = |call| bits(&run(gpu, plain_kernels(gpu), &call, &data).y);
    assert!(got(right) == bits(&whole[32..]) && got(wrong) != bits(&whole[32..]));
}

#[test]
fn tiles_and_workgroups_give_the_same_bits() {
    let Some(gpu) = adapter("tiles_and_workgroups_give_the_same_bits") else { return };
    for (dims, at) in few(1, [([19, 21, 45], [3, 2, 5]), ([33, 28, 40], [0, 0, 0])]) {
        let call = Case::new(shape(dims), Some(mask(0.5).at(origin(at[0], at[1], at[2]))));
        let data = Data::random(&call.shape, ElementType::F32, 13);
        let want = run(gpu, plain_kernels(gpu), &call, &data).bits();
        let rows = [
            tiles(1, 2, [2, 3], MaskOp::And),
            tiles(2, 1, [3, 2], MaskOp::And),
            tiles(1, 1, [8, 8], MaskOp::And),
            tiles(1, 1, [1, 1], MaskOp::And),
            tiles(1, 1, [64, 1], MaskOp::And),
        ];
        for tuning in few(2, rows) {
            let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
            assert!(run(gpu, kernels, &call, &data).bits() == want, "{dims:?} {tuning:?}");
        }
    }
}

#[test]
fn every_run_gives_the_same_bits() {
    let Some(gpu) = adapter("every_run_gives_the_same_bits") else { return };
    for (element, p, placement) in [
        (ElementType::F32, 0.5, Placement::Separate),
        (ElementType::BF16, 0.2, Placement::PooledOdd),
        (ElementType::F16, 0.5, Placement::PooledOdd),
    ] {
        let mask = Some(mask(p).at(origin(1, 2, 3)));
        let call = Case {
            element,
            placement,
            write: [Write::Accumulate; 3],
            ..Case::new(shape([67, 45, 91]), mask)
        };
        let data = Data::random(&call.shape, element, 14);
        let first = run(gpu, plain_kernels(gpu), &call, &data).bits();
        for repeat in 1..20 {
            assert!(run(gpu, plain_kernels(gpu), &call, &data).bits() == first, "{call:?}: run {repeat}");
        }
    }
}

/// The unchecked shaders use nothing that the checked ones would have clamped.
#[test]
fn checked_shaders_give_the_same_bits() {
    let Some(gpu) = adapter("checked_shaders_give_the_same_bits") else { return };
    let multiply = gpu.kernels().multiply();
    let split = small_tiles(MaskOp::Select).with_threads(u32::MAX);
    let rows = [
        (ElementType::F32, 0.2, [7, 9, 33], [3, 2, 5], Placement::PooledOdd, small_tiles(MaskOp::Select)),
        (ElementType::F16, 0.5, [31, 37, 33], [3, 2, 5], Placement::PooledOdd, split),
        (ElementType::BF16, 0.2, [9, 12, 24], [0, 0, 0], Placement::PooledAligned, small_tiles(MaskOp::And)),
        (ElementType::F32, 0.5, [9, 12, 24], [0, 0, 0], Placement::Separate, small_tiles(MaskOp::And)),
        (ElementType::F16, 0.5, [7, 9, 33], [3, 2, 5], Placement::PooledOdd, small_tiles(MaskOp::And)),
        (
            ElementType::F32,
            0.5,
            [9, 12, 24],
            [0, 0, 0],
            Placement::Separate,
            tiles(2, 2, [4, 2], MaskOp::And),
        ),
        (ElementType::F32, 0.2, [37, 40, 72], [0, 0, 0], Placement::Separate, split),
    ];
    for (element, p, dims, at, placement, tuning) in few(2, rows) {
        let mask = Some(mask(p).at(origin(at[0], at[1], at[2])));
        let call = Case { element, placement, ..Case::new(shape(dims), mask) };
        let data = Data::random(&call.shape, element, 15);
        let [checked, unchecked] = [true, false]
            .map(|checked| run(gpu, kernels(gpu, tuning, multiply, checked), &call, &data).bits());
        assert!(checked == unchecked, "{call:?}");
    }
}

/// A device of the test's own. `None` only where the shared adapter is missing, too.
fn device(test: &str, limits: impl FnOnce(&mut wgpu::Limits)) -> Option<Gpu> {
    adapter(test)?;
    let adapter = AdapterChoice::default().adapters().swap_remove(0);
    let mut wanted = wgpu::Limits::defaults();
    limits(&mut wanted);
    let options = KernelOptions { tuning: Some(tiles(1, 1, [16, 4], MaskOp::And)), ..Default::default() };
    Some(Gpu::with_limits(&adapter, wanted, &options).unwrap())
}

/// Enough for the inputs below in one dispatch, and too little for anything else.
const SHAPE: [usize; 3] = [60, 200, 300];

fn split_call() -> (Case, Data) {
    let call = Case::new(shape(SHAPE), Some(mask(0.5).at(origin(3, 2, 5))));
    let data = Data::random(&call.shape, ElementType::F32, 16);
    (call, data)
}

#[test]
fn the_default_limits_of_webgpu_suffice() {
    let test = "the_default_limits_of_webgpu_suffice";
    let Some(small) = device(test, |_| {}) else { return };
    assert!(Kernels::required_limits().check_limits(&wgpu::Limits::defaults()));
    let (call, data) = split_call();
    let (got, dispatches) = run_counted(&small, small.kernels(), &call, &data);
    assert_eq!(dispatches, [1; 4]);
    assert_all_close(&got, &expected(&call, &data), 1e-5, test);
}

#[test]
fn a_call_past_the_limits_is_split_and_the_same() {
    let test = "a_call_past_the_limits_is_split_and_the_same";
    let Some(gpu) = adapter(test) else { return };
    let Some(small) = device(test, |limits| {
        limits.max_storage_buffer_binding_size = 64 << 10;
        limits.max_compute_workgroups_per_dimension = 3;
    }) else {
        return;
    };
    let (call, data) = split_call();
    for write in [Write::Overwrite, Write::Accumulate] {
        for placement in [Placement::Separate, Placement::PooledOdd] {
            let call = Case { write: [write; 3], placement, ..call };
            let (got, dispatches) = run_counted(&small, small.kernels(), &call, &data);
            assert!(dispatches.iter().all(|&count| count > 1), "{dispatches:?}");
            let what = format!("{write:?} {placement:?}");
            assert_all_close(&got, &expected(&call, &data), 1e-5, &what);
            // Y is cut along its own axes only.
            let whole = run(gpu, plain_kernels(gpu), &call, &data);
            assert!(bits(&got.y) == bits(&whole.y), "{what}: y");
        }
    }
    // Evaluation, and halves of words: pieces that end within a word.
    let call = Case { mask: None, element: ElementType::F16, ..Case::new(shape([219, 197, 301]), None) };
    let data = Data::random(&call.shape, call.element, 17);
    let (got, dispatches) = run_counted(&small, small.kernels(), &call, &data);
    assert!(dispatches.iter().all(|&count| count > 1), "{dispatches:?}");
    let whole = run(gpu, plain_kernels(gpu), &call, &data);
    assert!(bits(&got.y) == bits(&whole.y));
    // One rounding to f16 for each piece of the sum.
    let exact = expected(&call, &data);
    for ((name, got), (_, want)) in got.named().into_iter().zip(exact.named()) {
        assert_close(got, want, 5.0 * bound(ElementType::F16), name);
    }
}

/// The mask kernel cuts examples, and where not even one fits, the outputs of one.
#[test]
fn a_mask_past_the_limits_is_split_and_the_same() {
    let test = "a_mask_past_the_limits_is_split_and_the_same";
    let Some(small) = device(test, |limits| {
        limits.max_storage_buffer_binding_size = 8 << 10;
        limits.max_compute_workgroups_per_dimension = 4;
    }) else {
        return;
    };
    for dims in [[21, 9, 101], [3, 50, 64], [2, 12, 1030], [70, 3, 8], [5, 17, 7]] {
        let (shape, mask): (Shape, Mask) = (shape(dims), mask(0.5).at(origin(3, 2, 5)));
        let buffer = small.buffer((dims[0] * dims[1] * dims[2]) as u64).unwrap();
        let call = WriteMask { shape, mask: &mask, result: &buffer, offset: 0, size: buffer.size() };
        assert!(small.kernels().write_mask(&call).unwrap().dispatches() > 1, "{dims:?}");
        for placement in [Placement::Separate, Placement::PooledOdd] {
            let got = written_mask(&small, small.kernels(), shape, &mask, false, placement);
            let want = dropconnect::reference::mask::mask(&shape, &mask).unwrap();
            assert!(got.into_iter().eq(want.into_iter().map(u8::from)), "{dims:?} {placement:?}");
            let got = written_mask(&small, small.kernels(), shape, &mask, true, placement);
            let want = dropconnect::reference::mask::bias_mask(&shape, &mask).unwrap();
            assert!(got.into_iter().eq(want.into_iter().map(u8::from)), "{dims:?} {placement:?}: bias");
        }
    }
}
