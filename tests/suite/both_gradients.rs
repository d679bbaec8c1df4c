//! Both gradients in one call. On an adapter one pass may serve, from one drawing of the mask: against float64, when
//! it is taken and when not, and its calls. On the CPU backend: the bits of the two single calls, however many threads
//! there are. The pass's masks bit by bit are in `masks.rs`, its treatment of NaN in `nonfinite.rs`.

use crate::common::*;
use dropconnect::call::BothGradients;
use dropconnect::gpu::{
    AdapterChoice, Apply, BothGradientsTuning, Gpu, KernelOptions, Kernels, Tile, Tuning,
};
use dropconnect::{ElementType, Error, Mask, MaskKey, Sharing, Write, cpu, wgpu};

/// dX and dW, and the number of dispatches.
fn gradients(gpu: &Gpu, kernels: &Kernels, call: &Call, data: &Data) -> ([Vec<f32>; 2], usize) {
    let outcome = Target::Adapter { gpu, kernels }.run(&[Pass::BothGradients], call, data);
    let Outcome { results, dispatches } = outcome.unwrap_or_else(|error| panic!("{call:?}: {error}"));
    (results.try_into().unwrap(), dispatches[0])
}

/// Runs a call and compares it with float64. Returns the number of dispatches.
fn agrees(gpu: &Gpu, kernels: &Kernels, call: &Call, seed: u64) -> usize {
    let data = Data::random(&call.shape, call.element, seed);
    let (got, dispatches) = gradients(gpu, kernels, call, &data);
    let want = expected(call, &data);
    for (got, (name, want)) in got.iter().zip([("dx", &want.dx), ("dw", &want.dw)]) {
        assert_close(got, want, bound(call.element), &format!("{name} {} {call:?}", kernels.tuning()));
    }
    dispatches
}

fn with(gpu: &'static Gpu, tuning: Tuning) -> &'static Kernels {
    kernels(gpu, tuning, gpu.kernels().multiply(), false)
}

/// One thread for all examples, several that add up in workgroup memory, and several of those that share the walk.
fn tunings() -> [Tuning; 5] {
    [
        one_pass(small_tiles(Apply::And), 1, 1, [4, 64]),
        one_pass(small_tiles(Apply::And), 8, 1, [8, 1]),
        one_pass(small_tiles(Apply::Select), 2, 1, [2, 16]),
        one_pass(small_tiles(Apply::Select), 1, 1, [1, 32]).with_threads(u32::MAX),
        // Threads along x that are no power of two.
        one_pass(small_tiles(Apply::And), 1, 2, [3, 8]).with_threads(400),
    ]
}

#[test]
fn one_pass_agrees_with_float64() {
    let Some(gpu) = adapter("one_pass_agrees_with_float64") else { return };
    use Write::{Accumulate, Overwrite};
    let separate = (ElementType::F32, Placement::Separate);
    let mut seed = 0;
    for (t, tuning) in tunings().into_iter().enumerate() {
        let cases = [
            ([4, 4, 8], [0, 0, 0], separate, [Overwrite, Overwrite]),
            ([32, 40, 72], [4, 8, 16], separate, [Overwrite, Accumulate]),
            ([29, 37, 45], [3, 2, 5], (ElementType::F32, Placement::PooledOdd), [Accumulate, Overwrite]),
            ([29, 36, 40], [1, 0, 0], (ElementType::F16, Placement::PooledAligned), [Overwrite, Accumulate]),
            ([1, 257, 9], [u32::MAX - 300; 3], (ElementType::BF16, Placement::Separate), [Accumulate; 2]),
        ];
        for (c, (dims, at, (element, placement), writes)) in cases.into_iter().enumerate() {
            let masks = [(0.5, 16), (0.2, 16), (0.3, 6)];
            for (m, (p, bits)) in masks.into_iter().enumerate() {
                // How a mask is drawn is the same text in every tuning: all ways with the first, one with each other.
                if t > 0 && m != (t + c) % 2 {
                    continue;
                }
                seed += 1;
                let mask = mask_with_bits(p, bits).at(origin(at[0], at[1], at[2]));
                let write = [writes[0], writes[1], Write::Overwrite];
                let call = Call { element, placement, write, ..Call::new(shape(dims), Some(mask)) };
                let dispatches = agrees(gpu, with(gpu, tuning), &call, seed);
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
    let kernels = with(gpu, one_pass(small_tiles(Apply::And), 2, 1, [4, 4]));
    for (batch, example, pieces) in [(32, 0, 1), (33, 0, 2), (31, 1, 1), (32, 1, 2), (100, 0, 4), (100, 3, 5)]
    {
        for write in [Write::Overwrite, Write::Accumulate] {
            let mask = mask(0.2).at(origin(example, 2, 5));
            let call = Call { write: [write; 3], ..Call::new(shape([batch, 13, 21]), Some(mask)) };
            let dispatches = agrees(gpu, kernels, &call, 50 + batch as u64);
            assert_eq!(dispatches, pieces, "{batch} from {example}");
            let half = Call { element: ElementType::F16, ..call };
            let dispatches = agrees(gpu, kernels, &half, 51 + batch as u64);
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
        let tuning = one_pass(small_tiles(Apply::Select), 2, 1, workgroup);
        let options = KernelOptions { tuning: Some(tuning), ..Default::default() };
        let gpu: &'static Gpu =
            Box::leak(Box::new(Gpu::with_limits(&adapter, limits.clone(), &options).unwrap()));
        // Eight quads a thread: 4 KiB hold 32 threads, which own 256 examples.
        for batch in [20, 33, 128, 250] {
            let call = Call::new(shape([batch, 8, 24]), Some(mask(0.5)));
            agrees(gpu, gpu.kernels(), &call, 90 + batch as u64);
        }
    }
}

/// Where the pass does not serve, the call is both of the others, to the bit.
#[test]
fn else_both_passes_run() {
    let Some(gpu) = adapter("else_both_passes_run") else { return };
    let usual = one_pass(small_tiles(Apply::And), 1, 1, [4, 4]);
    let with_limits = |rounds, threads| {
        usual.with_both_gradients(Some(BothGradientsTuning::new(Tile::new(1, 1, [4, 4]), rounds, threads)))
    };
    let own = mask(0.5);
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
        (with_limits(11, 0), at(Some(own)), false),
        (with_limits(11, 0), at(Some(mask(0.25))), true),
        (with_limits(35, 0), at(Some(mask(0.2))), false),
        (with_limits(34, 12), at(Some(mask(0.2))), true),
        (with_limits(34, 13), at(Some(mask(0.2))), false),
    ] {
        let kernels = with(gpu, tuning);
        // An empty batch has one gradient to write.
        let dispatches = if one_pass || call.shape.batch() == 0 { 1 } else { 2 };
        assert_eq!(agrees(gpu, kernels, &call, 60), dispatches, "{tuning} {call:?}");
        if one_pass {
            continue;
        }
        let data = Data::random(&call.shape, call.element, 60);
        let both = run(gpu, with(gpu, small_tiles(Apply::And)), &call, &data);
        let (got, _) = gradients(gpu, kernels, &call, &data);
        assert!(got == [both.dx, both.dw], "{tuning} {call:?}");
    }
}

/// A recording of either kind draws the masks of another step, and repeats itself to the bit.
#[test]
fn another_key_draws_what_a_new_call_draws() {
    let Some(gpu) = adapter("another_key_draws_what_a_new_call_draws") else { return };
    let write = Write::Overwrite;
    for tuning in [tunings()[0], tunings()[3], small_tiles(Apply::And)] {
        let (kernels, mask) = (with(gpu, tuning), mask(0.2));
        let call = Call::new(shape([70, 13, 21]), Some(mask));
        let data = Data::random(&call.shape, call.element, 70);
        let operands = [&data.x, &data.weight, &data.bias, &data.grad_output].map(|v| call.element.encode(v));
        let results = [&data.x, &data.weight].map(|v| vec![POISON; 4 * v.len()]);
        let arena = arena(gpu, Placement::Separate, &operands, &results);
        let tensor = |index| arena.tensor(index, call.element);
        let operands = Operands::of(call.shape, BiasKind::None, std::array::from_fn(tensor));
        let results = [(tensor(4), write), (tensor(5), write)];
        let recording = Pass::BothGradients.record(kernels, &operands, Some(&mask), &results).unwrap();
        let mut seen = Vec::new();
        for step in [1, 2, 1] {
            let key = MaskKey { step, ..mask.key };
            gpu.submit(&recording.at_key(key).unwrap()).unwrap();
            let fresh = Call { mask: Some(Mask { key, ..mask }), ..call };
            let bytes = gradients(gpu, kernels, &fresh, &data).0.map(|values| call.element.encode(&values));
            assert!(arena.results().unwrap() == bytes, "{tuning}, step {step}");
            seen.push(bytes);
        }
        assert!(seen[0] == seen[2] && seen[0][0] != seen[1][0] && seen[0][1] != seen[1][1], "{tuning}");
    }
}

/// The comparisons above, shown to fail: on the gradients of another step.
#[test]
fn gradients_of_another_mask_are_seen() {
    let Some(gpu) = adapter("gradients_of_another_mask_are_seen") else { return };
    let (missed, kernels) = (Vec::<String>::new(), with(gpu, tunings()[0]));
    assert_eq!(self_test(&Target::Adapter { gpu, kernels }).unwrap().1, missed);
}

// ------------------------------------------------------------------------------------------ the CPU backend

/// The bits of dX and dW by two calls, and by one.
fn two_ways(target: &Target, call: &Call) -> [Vec<Vec<u32>>; 2] {
    let data = Data::random(&call.shape, call.element, 1);
    let two = [Pass::InputGradient, Pass::WeightGradient];
    [&two[..], &[Pass::BothGradients]].map(|passes| {
        let results = target.run(passes, call, &data).unwrap().results;
        results.iter().map(|values| values.iter().map(|value| value.to_bits()).collect()).collect()
    })
}

/// Sizes within a brick, a chunk of eight blocks and a unit of 64 inputs, at their ends, and past them.
const SHAPES: [[usize; 3]; 8] = [
    [1, 1, 1],
    [4, 4, 8],
    [5, 7, 65],
    [32, 32, 64],
    [33, 35, 128],
    [70, 67, 129],
    [3, 200, 300],
    [200, 3, 257],
];

#[test]
fn one_call_gives_the_bits_of_two() {
    use Write::{Accumulate, Overwrite};
    let masks = [
        mask(0.5),
        mask(0.2),
        mask_with_bits(0.3, 5).shared(group(3)),
        mask(0.5).shared(group(9)),
        mask(0.5).shared(Sharing::Batch),
        mask(0.0),
    ];
    for target in Target::cpus() {
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for (case, dims) in SHAPES.into_iter().enumerate() {
                for (k, mask) in masks.into_iter().enumerate() {
                    let [n, o, i] = [[0, 0, 0], [3, 2, 5], [4, 8, 16], [u32::MAX - 400; 3]][(case + k) % 4];
                    let writes = [
                        [Overwrite; 3],
                        [Accumulate, Overwrite, Overwrite],
                        [Overwrite, Accumulate, Overwrite],
                    ];
                    let write = writes[(case + k + threads) % 3];
                    let call = Call { write, ..Call::new(shape(dims), Some(mask.at(origin(n, o, i)))) };
                    let [two, one] = pool.install(|| two_ways(&target, &call));
                    assert!(two == one, "{} {call:?}, {threads} threads", target.name());
                }
            }
        }
        // An empty batch, and evaluation.
        for mask in [None, Some(mask(0.5))] {
            for dims in [[0, 3, 70], [9, 13, 70]] {
                for write in [OVERWRITE, [Accumulate; 3]] {
                    let call = Call { write, ..Call::new(shape(dims), mask) };
                    let [two, one] = two_ways(&target, &call);
                    assert!(two == one, "{call:?}");
                }
            }
        }
        // Another step's mask is another gradient: the comparison above could fail.
        let call = Call::new(shape([33, 35, 128]), Some(mask(0.2)));
        let other = Mask { key: mask(0.2).key.at_step(78), ..mask(0.2) };
        let ([right, _], [_, wrong]) =
            (two_ways(&target, &call), two_ways(&target, &Call { mask: Some(other), ..call }));
        assert!(right[0] != wrong[0] && right[1] != wrong[1]);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_nothing_written() {
    let shape = shape([2, 3, 64]);
    let (x, weight, grad) = (vec![1.0; 128], vec![1.0; 192], vec![1.0; 6]);
    let far = mask(0.5).at(origin(0, u32::MAX - 1, 0));
    let lengths = [grad.len(), x.len(), weight.len(), 128, 192];
    let names = ["grad_output", "x", "weight", "grad_input", "grad_weight"];
    // Each argument too short in turn, and last a shard past the end of the coordinates.
    for wrong in 0..=names.len() {
        let cut = |k: usize| if k == wrong { lengths[k] - 1 } else { lengths[k] };
        let mask = if wrong < names.len() { mask(0.5) } else { far };
        let (mut dx, mut dw) = (vec![7.0; cut(3)], vec![7.0; cut(4)]);
        let error = cpu::both_gradients(BothGradients {
            shape,
            mask: Some(&mask),
            grad_output: &grad[..cut(0)],
            x: &x[..cut(1)],
            weight: &weight[..cut(2)],
            grad_input: (&mut dx, Write::Overwrite),
            grad_weight: (&mut dw, Write::Overwrite),
        })
        .unwrap_err();
        match error {
            Error::Length { argument, actual, expected, .. } => {
                assert_eq!((argument, actual, expected), (names[wrong], lengths[wrong] - 1, lengths[wrong]));
            }
            Error::Origin { .. } => assert_eq!(wrong, names.len()),
            other => panic!("{other}"),
        }
        assert!(dx.iter().chain(&dw).all(|&value| value == 7.0), "{wrong}");
    }
}
