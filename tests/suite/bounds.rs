//! Sums, passes and results too long for one dispatch: cut into several, and right all the same.
//!
//! Mesa's llvmpipe ends all loops of an invocation after 65,535 iterations in sum, without a word. The kernels
//! count theirs (`src/gpu/plan/iterations.rs`); a loop that is not counted shows here as a wrong sum.

use crate::common::{
    Case, Data, Kind, MADE, Operands, Placement, Target, adapter, assert_all_close, assert_close, bound,
    expected, few, group, kernels, mask, run_counted, shape, small_tiles, written_mask,
};
use dropconnect::gpu::{Gpu, MaskOp, Tensor, Tile, Tuning};
use dropconnect::{Bias, ElementType, Mask, Sharing, Write, reference};

/// Where llvmpipe's loops end.
const LLVMPIPE: u32 = 65_535;

#[test]
fn every_pass_goes_on_in_f32_where_a_dispatch_ends() {
    let Some(gpu) = adapter("every_pass_goes_on_in_f32_where_a_dispatch_ends") else { return };
    // Four dispatches or so to each sum.
    let short = |tuning: Tuning| tuning.with_iterations(1 << 12);
    let tuning = short(small_tiles(MaskOp::And));
    let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
    let own = mask(0.3);
    let rows = [
        (ElementType::F32, Some(own), Bias::Masked(()), Write::Accumulate, Placement::PooledOdd),
        (ElementType::F16, Some(own), Bias::Plain(()), Write::Overwrite, Placement::Separate),
        (
            ElementType::BF16,
            Some(own.shared(group(4))),
            Bias::Masked(()),
            Write::Accumulate,
            Placement::PooledAligned,
        ),
        (
            ElementType::F16,
            Some(own.shared(Sharing::Batch)),
            Bias::None,
            Write::Accumulate,
            Placement::Separate,
        ),
        (ElementType::BF16, None, Bias::Plain(()), Write::Overwrite, Placement::PooledOdd),
    ];
    for (k, (element, mask, bias, write, placement)) in few(3, rows).enumerate() {
        // Along each axis in turn: sums of Y, of dX, of dW and db.
        for (axis, dims) in [[3, 5, 40_003], [5, 20_001, 7], [20_003, 5, 9]].into_iter().enumerate() {
            let shape = shape(dims);
            let mask = mask.map(|mask| mask.at(crate::common::origin(2, 3, 5)));
            let call =
                Case { shape, element, mask, bias, write: [write; 3], placement, ..Case::new(shape, mask) };
            let data = Data::random(&shape, element, 31 * k as u64 + axis as u64);
            let (got, dispatches) = run_counted(gpu, kernels, &call, &data);
            assert!(dispatches[axis] > 1, "{call:?}: {dispatches:?}");
            assert_all_close(&got, &expected(&call, &data), bound(element), &format!("{call:?}"));
        }
    }
}

/// Thousands of dispatches, which one f32 would not add up to so many digits.
#[test]
fn very_many_dispatches_keep_the_digits_of_a_sum() {
    let Some(gpu) = adapter("very_many_dispatches_keep_the_digits_of_a_sum") else { return };
    let tuning = small_tiles(MaskOp::And).with_iterations(1 << 12);
    let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
    let shape = shape([1, 1_000_000, 1]);
    let data = Data::constant(&shape, 0.1);
    // All but few are equal terms.
    let call = Case::new(shape, Some(mask(0.003).shared(group(3))));
    let target = Target::Adapter { gpu, kernels };
    for write in [Write::Overwrite, Write::Accumulate] {
        let call = Case { write: [write; 3], ..call };
        let got = target.run(&[Kind::InputGradient], &call, &data).unwrap();
        assert!(got.dispatches[0] > 1000, "{:?}", got.dispatches);
        assert_close(&got.results[0], &call.expected(Kind::InputGradient, &data).unwrap()[0], 1e-5, "dX");
    }
}

/// At the very bound of llvmpipe, for each way to find masks: here an iteration that is not counted is a wrong sum.
#[test]
fn iterations_are_counted_to_the_last() {
    let Some(gpu) = adapter("iterations_are_counted_to_the_last") else { return };
    let software = Tuning::software().with_iterations(LLVMPIPE);
    let looped = small_tiles(MaskOp::And).with_iterations(LLVMPIPE);
    let own = mask(0.3);
    let rows = [
        (looped, own, [30_000, 30_000, 60_000]),
        (looped, own.shared(group(4)), [8_000, 8_000, 16_000]),
        (looped.with_tiles(Tile::new(1, 1, [4, 2]).with_k_tile(1)), own, [30_000, 30_000, 60_000]),
        (looped, own.shared(Sharing::Batch), [30_000, 30_000, 60_000]),
        (software, own, [30_000, 30_000, 60_000]),
        (software, own.shared(group(4)), [500, 500, 1_000]),
    ];
    for (tuning, mask, [examples, outputs, inputs]) in few(3, rows) {
        let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
        // The narrowest problems that each sum allows, so that they are as long as tests can bear.
        for (axis, dims) in [[2, 3, inputs], [2, outputs, 9], [examples, 3, 9]].into_iter().enumerate() {
            let shape = shape(dims);
            let call = Case::new(shape, Some(mask));
            let data = Data::random(&shape, ElementType::F32, axis as u64);
            let (got, _) = run_counted(gpu, kernels, &call, &data);
            let what = format!("{tuning} {call:?}");
            assert_all_close(&got, &expected(&call, &data), bound(ElementType::F32), &what);
        }
    }
}

/// With the device's own tuning, at sizes that a user reported.
#[test]
fn reported_sizes_are_right() {
    let Some(gpu) = adapter("reported_sizes_are_right") else { return };
    let rows = [
        ([2, 4, 58_000], Some(mask(0.3))),
        ([40_000, 8, 64], Some(mask(0.3))),
        ([4, 150_000, 8], Some(mask(0.3))),
        ([2, 4, 530_000], Some(mask(0.5))),
        ([1, 1, 600_000], None),
        ([16, 64, 1024], Some(mask(0.2).shared(group(4)))),
    ];
    for (dims, mask) in few(2, rows) {
        let shape = shape(dims);
        let call = Case::new(shape, mask);
        let data = Data::random(&shape, ElementType::F32, 5);
        let (got, _) = run_counted(gpu, gpu.kernels(), &call, &data);
        assert_all_close(&got, &expected(&call, &data), bound(ElementType::F32), &format!("{call:?}"));
    }
    // Whole numbers that f32 counts exactly.
    let shape = shape([1, 1, 600_000]);
    let call = Case { bias: Bias::None, ..Case::new(shape, None) };
    let (got, _) = run_counted(gpu, gpu.kernels(), &call, &Data::constant(&shape, 1.0));
    assert_eq!(got.y, [600_000.0]);
}

#[test]
fn connections_of_a_dispatch_are_bounded() {
    let Some(gpu) = adapter("connections_of_a_dispatch_are_bounded") else { return };
    let tuning = small_tiles(MaskOp::And).with_connections(1 << 20);
    let kernels = kernels(gpu, tuning, gpu.kernels().multiply(), false);
    for dims in few(1, [[70, 300, 90], [1, 1, 3_000_000], [300, 90, 200], [64, 70, 2000]]) {
        let shape = shape(dims);
        let call = Case::new(shape, Some(mask(0.5)));
        let data = Data::random(&shape, ElementType::F32, 7);
        let (got, dispatches) = run_counted(gpu, kernels, &call, &data);
        assert!(dispatches[..3].iter().all(|&count| count > 1), "{dims:?}: {dispatches:?}");
        assert_all_close(&got, &expected(&call, &data), bound(ElementType::F32), &format!("{call:?}"));
    }
    let (shape, mask) = (shape([20, 70, 2000]), mask(0.3));
    let got = written_mask(gpu, kernels, shape, &mask, false, Placement::Separate);
    let want = reference::mask::mask(&shape, &mask).unwrap();
    assert!(got.into_iter().eq(want.into_iter().map(u8::from)));
}

/// Mean and variance of a launch, and its dispatches.
fn monte_carlo(
    gpu: &'static Gpu,
    tuning: Tuning,
    dims: [usize; 3],
    mask: &Mask,
    passes: u32,
) -> ([Vec<f32>; 2], usize) {
    let shape = shape(dims);
    let data = Data::random(&shape, ElementType::F32, 11);
    let upload = |values: &[f32]| gpu.upload(&ElementType::F32.encode(values)).unwrap();
    let poison = vec![f32::NAN; shape.output_len()];
    let (x, weight, bias) = (upload(&data.x), upload(&data.weight), upload(&data.bias));
    let (mean, variance) = (upload(&poison), upload(&poison));
    let [x, weight, bias, mean_of, variance_of] =
        [&x, &weight, &bias, &mean, &variance].map(|buffer| Tensor::new(buffer, ElementType::F32));
    let (bias, grad_output, write) = (Bias::Masked(bias), mean_of, Write::Overwrite);
    let operands = Operands { shape, x, weight, bias, grad_output, write };
    // Prepared under the keys of another step, to see that those of all dispatches change.
    let other = Mask { key: mask.key.at_step(mask.key.step + 1000), ..*mask };
    let recording = kernels(gpu, tuning, gpu.kernels().multiply(), false)
        .record(operands.monte_carlo(&other, passes, [mean_of, variance_of]))
        .and_then(|recording| recording.at_key(mask.key))
        .unwrap();
    gpu.submit(&recording).unwrap();
    let read = |buffer| ElementType::F32.decode(&gpu.read(buffer, 0..4 * shape.output_len() as u64).unwrap());
    ([read(&mean), read(&variance)], recording.dispatches())
}

#[test]
fn monte_carlo_passes_go_on_where_a_dispatch_ends() {
    let Some(gpu) = adapter("monte_carlo_passes_go_on_where_a_dispatch_ends") else { return };
    let small = small_tiles(MaskOp::And).with_iterations(1 << 12);
    // The device's own, of which many threads may share a sum and so come to its end in one dispatch.
    let own = *gpu.kernels().tuning();
    for (tuning, dims, mask, passes) in [
        // Some passes in a dispatch; not one in a dispatch; as reported.
        (small, [5, 7, 100], mask(0.3), 50),
        (small, [3, 5, 6_000], mask(0.3), 6),
        (own, [4, 10, 784], mask(0.3), 100),
        (own.with_threads(0), [4, 10, 784], mask(0.3), 400),
        (own, [8, 16, 1024], mask(0.3).shared(group(4)), 40),
    ] {
        let shape = shape(dims);
        let data = Data::random(&shape, ElementType::F32, 11).wide();
        let call = data.operands(&shape, Bias::Masked(())).monte_carlo(&mask, passes, MADE);
        let (mean, variance) = reference::monte_carlo(&call).unwrap();
        let ([got_mean, got_variance], dispatches) = monte_carlo(gpu, tuning, dims, &mask, passes);
        let what = format!("{dims:?}, {passes} passes, {dispatches} dispatches");
        assert!(dispatches > 1 || tuning == own && own.threads > 0, "{what}");
        assert_close(&got_mean, &mean, 1e-5, &what);
        assert_close(&got_variance, &variance, 1e-4, &what);
    }
}

/// A tuning has fifteen numbers for tiles alone: a refusal says which of them it is.
#[test]
fn a_tuning_out_of_range_is_refused_by_its_field() {
    let Some(gpu) = adapter("a_tuning_out_of_range_is_refused_by_its_field") else { return };
    let usual = small_tiles(MaskOp::And);
    for (tuning, text) in [
        (usual.with_forward(Tile::new(0, 1, [4, 2])), "`tuning.forward.rows` is 0; it must be 1 to 256"),
        (usual.with_input_gradient(Tile::new(1, 257, [4, 2])), "`tuning.input_gradient.columns` is 257;"),
        (usual.with_weight_gradient(Tile::new(1, 1, [0, 2])), "`tuning.weight_gradient.workgroup[0]` is 0;"),
        (
            usual.with_weight_gradient(Tile::new(1, 1, [4, 300])),
            "`tuning.weight_gradient.workgroup[1]` is 300;",
        ),
        (
            usual.with_forward(Tile::new(1, 1, [4, 2]).with_k_tile(257)),
            "`tuning.forward.k_tile` is 257; it must be 0 to 256",
        ),
        // Dispatches are bounded no finer than tiles.
        (usual.with_iterations((1 << 12) - 1), "`tuning.iterations` is 4095;"),
        (usual.with_connections((1 << 20) - 1), "`tuning.connections` is 1048575;"),
    ] {
        let options = dropconnect::gpu::KernelOptions { tuning: Some(tuning), ..Default::default() };
        let error = dropconnect::gpu::Kernels::new(gpu.device(), &options).unwrap_err();
        assert!(matches!(error, dropconnect::Error::Count { .. }), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
    }
}
