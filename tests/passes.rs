//! Every pass on the adapter against float64: shapes, drop probabilities, element types, places of the
//! tensors, biases, ways to write, and every way a kernel is made.

mod common;

use std::num::NonZeroU32;

use common::*;
use dropconnect::gpu::{Apply, Gpu, Kernels, Tuning};
use dropconnect::{ElementType, Mask, Rounds, Shape, Sharing, Write};

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

/// p, bits of its resolution, rounds.
type Choice = (f64, u32, Rounds);

/// `None` is evaluation.
const MASKS: [Option<Choice>; 9] = [
    None,
    Some((0.0, 16, Rounds::Ten)),
    Some((0.5, 16, Rounds::Ten)),
    Some((0.5, 8, Rounds::Seven)),
    Some((0.25, 16, Rounds::Seven)),
    Some((0.2, 16, Rounds::Ten)),
    Some((0.2, 8, Rounds::Seven)),
    Some((0.9, 16, Rounds::Seven)),
    Some((0.9, 8, Rounds::Ten)),
];

/// Whole bricks, cut bricks, one axis cut, and the last coordinates that a shape of 257 leaves.
const ORIGINS: [[u32; 3]; 5] =
    [[0, 0, 0], [4, 8, 16], [3, 2, 5], [1_000_003, 77, 16], [u32::MAX - 300, u32::MAX - 299, u32::MAX - 298]];

const PLACEMENTS: [Placement; 3] = [Placement::Separate, Placement::PooledAligned, Placement::PooledOdd];

/// Rows of choices, one per factor, that together hold every pair of choices of any two factors. Two
/// thirds of all faults of interaction are of pairs, and all combinations would take hours.
fn every_pair(levels: &[usize]) -> Vec<Vec<usize>> {
    let mut random = Random(7);
    let pairs = |row: &[usize]| -> Vec<[usize; 4]> {
        (0..row.len())
            .flat_map(|a| (0..a).map(move |b| (a, b)))
            .map(|(a, b)| [a, row[a], b, row[b]])
            .collect()
    };
    let mut missing = std::collections::BTreeSet::new();
    for a in 0..levels.len() {
        for b in 0..a {
            missing.extend((0..levels[a]).flat_map(|i| (0..levels[b]).map(move |j| [a, i, b, j])));
        }
    }
    let mut rows = Vec::new();
    while let Some(&[a, i, b, j]) = missing.first() {
        let candidate = |_| {
            let mut row: Vec<_> = levels.iter().map(|&level| random.below(level)).collect();
            (row[a], row[b]) = (i, j);
            let new = pairs(&row).iter().filter(|&pair| missing.contains(pair)).count();
            (new, row)
        };
        let (_, row) = (0..60).map(candidate).max().unwrap();
        pairs(&row).iter().for_each(|pair| {
            missing.remove(pair);
        });
        rows.push(row);
    }
    rows
}

#[test]
fn the_rows_hold_every_pair() {
    let levels = [4, 3, 2, 5];
    let rows = every_pair(&levels);
    for a in 0..4 {
        for b in 0..a {
            for (i, j) in (0..levels[a]).flat_map(|i| (0..levels[b]).map(move |j| (i, j))) {
                assert!(rows.iter().any(|row| row[a] == i && row[b] == j), "{a}={i} {b}={j}");
            }
        }
    }
}

fn mask_of(choice: Option<Choice>, at: [u32; 3]) -> Option<Mask> {
    choice.map(|(p, bits, rounds)| mask_with_bits(p, bits, rounds).at(origin(at[0], at[1], at[2])))
}

fn agrees(gpu: &'static Gpu, kernels: &Kernels, call: &Call, seed: u64) {
    let data = Data::random(&call.shape, call.element, seed);
    let got = run(gpu, kernels, call, &data);
    let what = format!("seed {seed} {:?} {:?} {call:?}", kernels.tuning(), kernels.multiply());
    assert_all_close(&got, &expected(call, &data), bound(call.element), &what);
}

/// What a call may be, with the same few kernels.
#[test]
fn every_pass_agrees_with_float64() {
    let Some(gpu) = adapter("every_pass_agrees_with_float64") else { return };
    let levels = [SHAPES.len(), MASKS.len(), ORIGINS.len(), 3, 3, 2];
    let rows = every_pair(&levels);
    assert!(rows.len() >= SHAPES.len() * MASKS.len());
    for (seed, row) in rows.iter().enumerate() {
        let call = Call {
            shape: shape(SHAPES[row[0]]),
            element: ElementType::ALL[row[3]],
            mask: mask_of(MASKS[row[1]], ORIGINS[row[2]]),
            bias: BiasKind::ALL[row[4]],
            write: [Write::Overwrite, Write::Accumulate][row[5]],
            placement: Placement::Separate,
        };
        agrees(gpu, plain_kernels(gpu), &call, seed as u64);
    }
}

/// What a kernel may be, with a few calls: one of whole bricks, one of whole quads, one of neither.
#[test]
fn every_kind_of_kernel_agrees_with_float64() {
    let test = "every_kind_of_kernel_agrees_with_float64";
    let Some(gpu) = adapter(test) else { return };
    let places = [([8, 8, 16], [4, 8, 16]), ([9, 12, 24], [1, 4, 8]), ([9, 7, 33], [3, 2, 5])];
    let masks = [
        None,
        Some((0.5, 16, Rounds::Ten)),
        Some((0.5, 16, Rounds::Seven)),
        Some((0.2, 16, Rounds::Ten)),
        Some((0.2, 8, Rounds::Seven)),
    ];
    let multiplies = multiplies(gpu, test);
    let levels = [places.len(), masks.len(), 3, PLACEMENTS.len(), 3, 2, 2, multiplies.len()];
    for (seed, row) in every_pair(&levels).iter().enumerate() {
        let (dims, at) = places[row[0]];
        let call = Call {
            shape: shape(dims),
            element: ElementType::ALL[row[2]],
            mask: mask_of(masks[row[1]], at),
            bias: BiasKind::ALL[row[4]],
            write: [Write::Overwrite, Write::Accumulate][row[5]],
            placement: PLACEMENTS[row[3]],
        };
        let apply = [Apply::And, Apply::Select][row[6]];
        let kernels = kernels(gpu, small_tiles(apply), multiplies[row[7]], false);
        agrees(gpu, kernels, &call, 1000 + seed as u64);
    }
}

/// The tiles that adapters really get, and one of several bricks either way.
#[test]
fn the_tunings_of_the_library_agree_with_float64() {
    let Some(gpu) = adapter("the_tunings_of_the_library_agree_with_float64") else { return };
    let multiply = gpu.kernels().multiply();
    // In the large shapes the last group, thread and tile are used in part only.
    let large = ([33, 100, 264], [0, 0, 0], ElementType::F32, Placement::Separate);
    let cut = ([31, 33, 257], [3, 2, 5], ElementType::F32, Placement::PooledOdd);
    let half = ([9, 12, 24], [1, 0, 0], ElementType::F16, Placement::PooledAligned);
    for (tuning, p, (dims, at, element, placement)) in [
        (Tuning::software(), 0.5, large),
        (*gpu.kernels().tuning(), 0.5, large),
        (tiles(1, 1, [8, 8], Apply::Select), 0.5, large),
        (tiles(1, 1, [8, 8], Apply::Select), 0.2, cut),
        (tiles(2, 2, [4, 2], Apply::And), 0.5, large),
        (tiles(2, 2, [4, 2], Apply::And), 0.5, cut),
        (tiles(2, 2, [4, 2], Apply::And), 0.2, half),
    ] {
        let mask = Some(mask(p).at(origin(at[0], at[1], at[2])));
        let call = Call { element, placement, ..Call::new(shape(dims), mask) };
        agrees(gpu, kernels(gpu, tuning, multiply, false), &call, 2000);
    }
}

/// Sums split among threads, as on adapters that a small problem leaves idle.
#[test]
fn threads_that_share_a_tile_agree_with_float64() {
    let Some(gpu) = adapter("threads_that_share_a_tile_agree_with_float64") else { return };
    let multiply = gpu.kernels().multiply();
    // Parts of different lengths; in the last groups, threads outside the problem take part in the barriers.
    let even = ([48, 80, 264], [0, 0, 0], ElementType::F32, Placement::Separate);
    let cut = ([35, 67, 257], [3, 2, 5], ElementType::F32, Placement::PooledOdd);
    let half = ([33, 36, 72], [1, 0, 0], ElementType::F16, Placement::PooledAligned);
    // As many parts as there can be, of tiles as low as there can be; and some parts of higher tiles.
    let hardware = tiles(1, 1, [8, 4], Apply::Select).with_threads(u32::MAX);
    let wide = tiles(2, 2, [4, 2], Apply::And).with_threads(200);
    for (tuning, mask, (dims, at, element, placement)) in [
        (hardware, Some(mask(0.5)), even),
        (hardware, None, even),
        (hardware, Some(mask(0.2)), cut),
        (wide, Some(mask(0.2)), half),
        (wide, Some(mask(0.5)), cut),
        (wide, Some(mask(0.5).shared(Sharing::Batch)), even),
        (hardware, Some(mask(0.5).shared(Sharing::Group(NonZeroU32::new(3).unwrap()))), cut),
    ] {
        let mask = mask.map(|mask| mask.at(origin(at[0], at[1], at[2])));
        for (bias, write) in [(BiasKind::Masked, Write::Overwrite), (BiasKind::None, Write::Accumulate)] {
            let call = Call { element, placement, bias, write, ..Call::new(shape(dims), mask) };
            agrees(gpu, kernels(gpu, tuning, multiply, false), &call, 3000);
        }
    }
}

#[test]
fn an_empty_batch_is_an_empty_result_and_a_zero_gradient() {
    let Some(gpu) = adapter("an_empty_batch_is_an_empty_result_and_a_zero_gradient") else { return };
    for dims in [[0, 3, 5], [0, 4, 8], [0, 1, 1]] {
        let shape = shape(dims);
        for element in ElementType::ALL {
            for placement in PLACEMENTS {
                for mask in [None, Some(mask(0.5).at(origin(3, 3, 3))), Some(mask(0.2))] {
                    let call = Call { element, placement, ..Call::new(shape, mask) };
                    let mut data = Data::random(&shape, element, 1);
                    let zero = run(gpu, plain_kernels(gpu), &call, &data);
                    assert!(zero.y.is_empty() && zero.dx.is_empty(), "{call:?}");
                    assert!(zero.dw.iter().chain(&zero.db).all(|v| v.to_bits() == 0), "{call:?}: {zero:?}");
                    // Not even the sign of a zero, or a NaN, changes when nothing is added.
                    data.before[1][0] = -0.0;
                    data.before[2][0] = f32::NAN;
                    let call = Call { write: Write::Accumulate, ..call };
                    let same = run(gpu, plain_kernels(gpu), &call, &data).bits();
                    let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    let stored = |values: &[f32]| bits(&element.decode(&element.encode(values)));
                    assert_eq!(same[2], stored(&data.before[1]), "{call:?}");
                    assert_eq!(same[3], stored(&data.before[2]), "{call:?}");
                }
            }
        }
    }
}

/// For finite operands both ways to apply a bit are the same sum, and so are both ways to multiply.
#[test]
fn the_ways_to_apply_and_to_multiply_give_the_same_bits() {
    let test = "the_ways_to_apply_and_to_multiply_give_the_same_bits";
    let Some(gpu) = adapter(test) else { return };
    let shape = shape([9, 13, 37]);
    let data = Data::random(&shape, ElementType::F32, 5);
    for p in [0.5, 0.2] {
        let call = Call::new(shape, Some(mask(p).at(origin(1, 2, 3))));
        let mut first = None;
        for multiply in multiplies(gpu, test) {
            for apply in [Apply::And, Apply::Select] {
                let bits = run(gpu, kernels(gpu, small_tiles(apply), multiply, false), &call, &data).bits();
                assert_eq!(first.get_or_insert_with(|| bits.clone()), &bits, "p {p} {apply:?} {multiply:?}");
            }
        }
    }
}

// ------------------------------------------------------------------- the comparison itself, shown to bite

fn a_call() -> (Call, Data) {
    let shape = Shape::new(5, 7, 9).unwrap();
    (Call::new(shape, Some(mask(0.5))), Data::random(&shape, ElementType::F32, 3))
}

#[test]
fn the_comparison_fails_on_wrong_results() {
    let Some(gpu) = adapter("the_comparison_fails_on_wrong_results") else { return };
    let (call, data) = a_call();
    let want = expected(&call, &data);
    let right = run(gpu, plain_kernels(gpu), &call, &data);
    for element in ElementType::ALL {
        assert_all_close(&right, &want, bound(element), "the right answer");
        // The mask of the next step.
        let mut other = call;
        other.mask.as_mut().unwrap().key.step += 1;
        let wrong = run(gpu, plain_kernels(gpu), &other, &data);
        for ((name, wrong), (_, want)) in wrong.named().into_iter().zip(want.named()) {
            assert!(!close(wrong, want, bound(element)), "{name}");
        }
        // One number of each result: missing, infinite, or off by a twentieth of the norm.
        for ((name, right), (_, want)) in right.named().into_iter().zip(want.named()) {
            let norm = want.iter().map(|v| v * v).sum::<f64>().sqrt() as f32;
            let at = right.iter().position(|value| *value != 0.0).unwrap();
            for wrong in [f32::NAN, f32::INFINITY, right[at] + norm / 20.0] {
                let mut values = right.to_vec();
                values[at] = wrong;
                assert!(!close(&values, want, bound(element)), "{name} {wrong}");
            }
        }
    }
    assert!(!close(&[f32::MIN_POSITIVE], &[0.0], 1e-5) && close(&[0.0], &[0.0], 1e-5));
}

#[test]
#[should_panic(expected = "proves nothing")]
fn a_loose_bound_is_refused() {
    close(&[1.0], &[1.0], 0.021);
}

#[test]
#[should_panic(expected = "left == right")]
fn results_of_another_length_are_refused() {
    close(&[1.0], &[1.0, 2.0], 1e-5);
}

#[test]
fn a_write_outside_the_results_is_seen() {
    let Some(gpu) = adapter("a_write_outside_the_results_is_seen") else { return };
    for placement in PLACEMENTS {
        // An odd number of 16-bit elements: the last half word belongs to nobody.
        let arena = Arena::new(gpu, placement, &[vec![1; 6], vec![2; 8]]);
        let [operand, result] = [0, 1].map(|index| arena.tensor(index, ElementType::F16));
        gpu.queue().write_buffer(result.buffer, result.offset, &[7; 8]);
        assert_eq!(arena.results(&[1]).unwrap(), [vec![7; 8]]);
        for (tensor, past) in [(result, 8), (operand, 0), (operand, 4)] {
            let mut word = gpu.read(tensor.buffer, tensor.offset + past..tensor.offset + past + 4).unwrap();
            word[2] ^= 1;
            gpu.queue().write_buffer(tensor.buffer, tensor.offset + past, &word);
            assert!(arena.results(&[1]).is_err(), "{placement:?} {past}");
            word[2] ^= 1;
            gpu.queue().write_buffer(tensor.buffer, tensor.offset + past, &word);
            assert!(arena.results(&[1]).is_ok(), "{placement:?} {past}");
        }
    }
}
