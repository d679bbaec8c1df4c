//! Both gradients in one pass, from one drawing of the mask: against float64, when it is taken and when not, and
//! its calls. Its masks bit by bit are in `masks.rs`, its treatment of NaN in `nonfinite.rs`.

mod common;

use std::num::NonZeroU32;

use common::*;
use dropconnect::call::BothGradients;
use dropconnect::gpu::{
    AdapterChoice, Apply, BothGradientsTuning, Gpu, KernelOptions, Kernels, Recording, Tile, Tuning,
};
use dropconnect::{ElementType, Mask, MaskKey, Rounds, Sharing, Write, wgpu};

/// Tensors of a call: X, W, G, then dX and dW, poisoned or with what is to be added to.
fn arena(gpu: &'static Gpu, call: &Call, data: &Data, writes: [Write; 2]) -> Arena<'static> {
    let encode = |values: &[f32]| call.element.encode(values);
    let result = |write: Write, before: &Vec<f32>| match write {
        Write::Overwrite => vec![POISON; before.len() * call.element.size()],
        Write::Accumulate => encode(before),
    };
    let [dx, dw, _] = &data.before;
    let contents = [
        encode(&data.x),
        encode(&data.weight),
        encode(&data.grad),
        result(writes[0], dx),
        result(writes[1], dw),
    ];
    Arena::new(gpu, call.placement, &contents)
}

fn record(kernels: &Kernels, call: &Call, arena: &Arena, writes: [Write; 2]) -> Recording {
    let [x, weight, grad_output, grad_input, grad_weight] =
        std::array::from_fn(|index| arena.tensor(index, call.element));
    let gradients = BothGradients {
        shape: call.shape,
        mask: call.mask.as_ref(),
        grad_output,
        x,
        weight,
        grad_input: (grad_input, writes[0]),
        grad_weight: (grad_weight, writes[1]),
    };
    kernels.both_gradients(&gradients).unwrap_or_else(|error| panic!("{call:?}: {error}"))
}

/// dX and dW, and the number of dispatches.
fn gradients(
    gpu: &'static Gpu,
    kernels: &Kernels,
    call: &Call,
    data: &Data,
    writes: [Write; 2],
) -> ([Vec<f32>; 2], usize) {
    let arena = arena(gpu, call, data, writes);
    let recording = record(kernels, call, &arena, writes);
    gpu.submit(&recording).unwrap();
    let results = arena.results(&[3, 4]).unwrap_or_else(|error| panic!("{call:?}: {error}"));
    let results: [Vec<u8>; 2] = results.try_into().unwrap();
    (results.map(|bytes| call.element.decode(&bytes)), recording.dispatches())
}

/// Runs a call and compares it with float64.
fn agrees(gpu: &'static Gpu, kernels: &Kernels, call: &Call, writes: [Write; 2], seed: u64) -> usize {
    let data = Data::random(&call.shape, call.element, seed);
    let (got, dispatches) = gradients(gpu, kernels, call, &data, writes);
    for (k, got) in got.iter().enumerate() {
        let write = writes[k];
        let want = expected(&Call { write, ..*call }, &data);
        let (name, want) = [("dx", &want.dx), ("dw", &want.dw)][k];
        let what = format!("{name} {writes:?} {} {call:?}", kernels.tuning());
        assert_close(got, want, bound(call.element), &what);
    }
    dispatches
}

fn with(gpu: &'static Gpu, tuning: Tuning) -> &'static Kernels {
    kernels(gpu, tuning, gpu.kernels().multiply(), false)
}

/// One thread for all examples, several that add up in workgroup memory, and several of those that share the walk.
fn tunings() -> [Tuning; 5] {
    [
        combined(small_tiles(Apply::And), 1, 1, [4, 64]),
        combined(small_tiles(Apply::And), 8, 1, [8, 1]),
        combined(small_tiles(Apply::Select), 2, 1, [2, 16]),
        combined(small_tiles(Apply::Select), 1, 1, [1, 32]).with_threads(u32::MAX),
        // Threads along x that are no power of two.
        combined(small_tiles(Apply::And), 1, 2, [3, 8]).with_threads(400),
    ]
}

#[test]
fn one_pass_agrees_with_float64() {
    let Some(gpu) = adapter("one_pass_agrees_with_float64") else { return };
    use Write::{Accumulate, Overwrite};
    let separate = (ElementType::F32, Placement::Separate);
    let mut seed = 0;
    for tuning in tunings() {
        for (dims, at, (element, placement), writes) in [
            ([4, 4, 8], [0, 0, 0], separate, [Overwrite, Overwrite]),
            ([32, 40, 72], [4, 8, 16], separate, [Overwrite, Accumulate]),
            ([29, 37, 45], [3, 2, 5], (ElementType::F32, Placement::PooledOdd), [Accumulate, Overwrite]),
            ([29, 36, 40], [1, 0, 0], (ElementType::F16, Placement::PooledAligned), [Overwrite, Accumulate]),
            ([1, 257, 9], [u32::MAX - 300; 3], (ElementType::BF16, Placement::Separate), [Accumulate; 2]),
        ] {
            for (p, bits, rounds) in [(0.5, 16, Rounds::Ten), (0.2, 16, Rounds::Ten), (0.3, 6, Rounds::Seven)]
            {
                // Rounds are the same text in every tuning.
                if rounds == Rounds::Seven && tuning != tunings()[0] {
                    continue;
                }
                seed += 1;
                let mask = mask_with_bits(p, bits, rounds).at(origin(at[0], at[1], at[2]));
                let call = Call { element, placement, ..Call::new(shape(dims), Some(mask)) };
                let dispatches = agrees(gpu, with(gpu, tuning), &call, writes, seed);
                assert_eq!(dispatches, 1, "{tuning} {call:?}");
            }
        }
    }
}

/// A batch of more examples than a workgroup owns is taken in pieces, which add up in dW, in f32. In 16 bits each
/// piece would round, so that there both passes run.
#[test]
fn a_large_batch_is_taken_in_pieces() {
    let Some(gpu) = adapter("a_large_batch_is_taken_in_pieces") else { return };
    let kernels = with(gpu, combined(small_tiles(Apply::And), 2, 1, [4, 4]));
    for (batch, example, pieces) in [(32, 0, 1), (33, 0, 2), (31, 1, 1), (32, 1, 2), (100, 0, 4), (100, 3, 5)]
    {
        for write in [Write::Overwrite, Write::Accumulate] {
            let mask = mask(0.2).at(origin(example, 2, 5));
            let call = Call::new(shape([batch, 13, 21]), Some(mask));
            let dispatches = agrees(gpu, kernels, &call, [write; 2], 50 + batch as u64);
            assert_eq!(dispatches, pieces, "{batch} from {example}");
            let half = Call { element: ElementType::F16, ..call };
            let dispatches = agrees(gpu, kernels, &half, [write; 2], 51 + batch as u64);
            assert_eq!(dispatches, if pieces == 1 { 1 } else { 2 }, "{batch} from {example}, f16");
        }
    }
}

/// Little workgroup memory, and a number of threads that is no power of two: fewer threads for taller tiles. The
/// library asserts in tests that no kernel has more memory than the device allows.
#[test]
fn the_workgroup_fits_the_memory_of_the_device() {
    let test = "the_workgroup_fits_the_memory_of_the_device";
    let Some(_) = adapter(test) else { return };
    let limits = wgpu::Limits { max_compute_workgroup_storage_size: 4 << 10, ..wgpu::Limits::defaults() };
    let adapter = AdapterChoice::default().adapters().swap_remove(0);
    for workgroup in [[1, 128], [1, 100], [2, 24]] {
        let tuning = combined(small_tiles(Apply::Select), 2, 1, workgroup);
        let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
        let gpu: &'static Gpu =
            Box::leak(Box::new(Gpu::with_limits(&adapter, limits.clone(), &options).unwrap()));
        // Eight quads a thread: 4 KiB hold 32 threads, which own 256 examples.
        for batch in [20, 33, 128, 250] {
            let call = Call::new(shape([batch, 8, 24]), Some(mask(0.5)));
            agrees(gpu, gpu.kernels(), &call, [Write::Overwrite; 2], 90 + batch as u64);
        }
    }
}

/// Where the pass does not serve, the call is both of the others, to the bit.
#[test]
fn else_both_passes_run() {
    let Some(gpu) = adapter("else_both_passes_run") else { return };
    let usual = combined(small_tiles(Apply::And), 1, 1, [4, 4]);
    let with_limits = |calls, threads| {
        usual.with_both_gradients(Some(BothGradientsTuning::new(Tile::new(1, 1, [4, 4]), calls, threads)))
    };
    let own = mask(0.5);
    let group = |size| Sharing::Group(NonZeroU32::new(size).unwrap());
    // 4 bricks of inputs by 3 of examples.
    let at = |mask: Option<Mask>| Call::new(shape([12, 16, 32]), mask);
    for (tuning, call, one_pass) in [
        (usual, at(Some(own)), true),
        (usual, at(Some(own.shared(group(1)))), true),
        (usual, at(Some(own.shared(group(3)))), false),
        (usual, at(Some(own.shared(Sharing::Batch))), false),
        (usual, at(None), false),
        (usual, at(Some(mask(0.0))), false),
        (usual, Call::new(shape([0, 16, 32]), Some(own)), false),
        (small_tiles(Apply::And), at(Some(own)), false),
        (with_limits(2, 0), at(Some(own)), false),
        (with_limits(2, 0), at(Some(mask(0.25))), true),
        (with_limits(9, 12), at(Some(mask(0.2))), true),
        (with_limits(9, 13), at(Some(mask(0.2))), false),
    ] {
        let kernels = with(gpu, tuning);
        let writes = [Write::Overwrite; 2];
        // An empty batch has one gradient to write.
        let dispatches = if one_pass || call.shape.batch() == 0 { 1 } else { 2 };
        assert_eq!(agrees(gpu, kernels, &call, writes, 60), dispatches, "{tuning} {call:?}");
        if one_pass {
            continue;
        }
        let data = Data::random(&call.shape, call.element, 60);
        let both = run(gpu, with(gpu, small_tiles(Apply::And)), &call, &data);
        let (got, _) = gradients(gpu, kernels, &call, &data, writes);
        assert!(got == [both.dx, both.dw], "{tuning} {call:?}");
    }
}

/// A recording of either kind draws the masks of another step, and repeats itself to the bit.
#[test]
fn another_key_draws_what_a_new_call_draws() {
    let Some(gpu) = adapter("another_key_draws_what_a_new_call_draws") else { return };
    let writes = [Write::Overwrite; 2];
    for tuning in [tunings()[0], tunings()[3], small_tiles(Apply::And)] {
        let kernels = with(gpu, tuning);
        let call = Call::new(shape([70, 13, 21]), Some(mask(0.2)));
        let data = Data::random(&call.shape, call.element, 70);
        let arena = arena(gpu, &call, &data, writes);
        let recording = record(kernels, &call, &arena, writes);
        let mut seen = Vec::new();
        for step in [1, 2, 1] {
            let key = MaskKey { step, ..call.mask.unwrap().key };
            recording.set_key(gpu.queue(), key).unwrap();
            gpu.submit(&recording).unwrap();
            let mask = Some(Mask { key, ..call.mask.unwrap() });
            let ([dx, dw], _) = gradients(gpu, kernels, &Call { mask, ..call }, &data, writes);
            let bytes = [dx, dw].map(|values| call.element.encode(&values));
            assert!(arena.results(&[3, 4]).unwrap() == bytes, "{tuning}, step {step}");
            seen.push(bytes);
        }
        assert!(seen[0] == seen[2] && seen[0][0] != seen[1][0] && seen[0][1] != seen[1][1], "{tuning}");
    }
}

/// The comparisons above, shown to fail: on the gradients of another step.
#[test]
fn gradients_of_another_mask_are_seen() {
    let Some(gpu) = adapter("gradients_of_another_mask_are_seen") else { return };
    let call = Call::new(shape([12, 16, 32]), Some(mask(0.2)));
    let mut other = call;
    other.mask.as_mut().unwrap().key.step += 1;
    let data = Data::random(&call.shape, call.element, 80);
    let want = expected(&call, &data);
    let writes = [Write::Overwrite; 2];
    let (wrong, _) = gradients(gpu, with(gpu, tunings()[0]), &other, &data, writes);
    let (right, _) = gradients(gpu, with(gpu, tunings()[0]), &call, &data, writes);
    for ((wrong, right), want) in wrong.iter().zip(&right).zip([&want.dx, &want.dw]) {
        assert!(close(right, want, bound(call.element)) && !close(wrong, want, bound(call.element)));
    }
}
