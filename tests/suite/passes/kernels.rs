//! What only adapters have: kernels of every kind.

use dropconnect::gpu::{Gpu, MaskOp, Tuning};
use dropconnect::{Bias, ElementType, Sharing};

use super::{PLACEMENTS, WRITES, agree, mask_of};
use crate::common::*;

/// An adapter with other kernels.
fn with(gpu: &'static Gpu, tuning: Tuning) -> [Target<'static>; 1] {
    [Target::Adapter { gpu, kernels: kernels(gpu, tuning, gpu.kernels().multiply(), false) }]
}

/// What a kernel may be, with a few calls: one of whole bricks, one of whole quads, one of neither.
#[test]
fn every_kind_of_kernel_agrees_with_float64() {
    let test = "every_kind_of_kernel_agrees_with_float64";
    let Some(gpu) = adapter(test) else { return };
    let places = [([8, 8, 16], [4, 8, 16]), ([9, 12, 24], [1, 4, 8]), ([9, 7, 33], [3, 2, 5])];
    let masks = [None, Some((0.5, 16)), Some((0.2, 16)), Some((0.2, 8))];
    let multiplies = multiplies(gpu, test);
    let levels = [places.len(), masks.len(), 3, PLACEMENTS.len(), 3, 2, 2, multiplies.len()];
    for (seed, row) in covering(&levels, strength()).iter().enumerate() {
        let (dims, at) = places[row[0]];
        let call = Case {
            element: ElementType::ALL[row[2]],
            bias: BIASES[row[4]],
            write: WRITES[row[5]],
            placement: PLACEMENTS[row[3]],
            ..Case::new(shape(dims), mask_of(masks[row[1]], at))
        };
        let mask_op = [MaskOp::And, MaskOp::Select][row[6]];
        let kernels = kernels(gpu, small_tiles(mask_op), multiplies[row[7]], false);
        agree(&[Target::Adapter { gpu, kernels }], &call, 1000 + seed as u64);
    }
}

/// The tiles that adapters really get, and one of several bricks either way.
#[test]
fn the_tunings_of_the_library_agree_with_float64() {
    let Some(gpu) = adapter("the_tunings_of_the_library_agree_with_float64") else { return };
    // In the large shapes the last group, thread and tile are used in part only.
    let large = ([33, 100, 264], [0, 0, 0], ElementType::F32, Placement::Separate);
    let cut = ([31, 33, 257], [3, 2, 5], ElementType::F32, Placement::PooledOdd);
    let half = ([9, 12, 24], [1, 0, 0], ElementType::F16, Placement::PooledAligned);
    let rows = [
        (*gpu.kernels().tuning(), 0.5, large),
        (tiles(1, 1, [8, 8], MaskOp::Select), 0.2, cut),
        (tiles(2, 2, [4, 2], MaskOp::And), 0.2, half),
        (tiles(2, 2, [4, 2], MaskOp::And), 0.5, cut),
        (Tuning::software(), 0.5, large),
        (tiles(1, 1, [8, 8], MaskOp::Select), 0.5, large),
        (tiles(2, 2, [4, 2], MaskOp::And), 0.5, large),
    ];
    for (tuning, p, (dims, at, element, placement)) in few(3, rows) {
        let mask = Some(mask(p).at(origin(at[0], at[1], at[2])));
        let call = Case { element, placement, ..Case::new(shape(dims), mask) };
        agree(&with(gpu, tuning), &call, 2000);
    }
}

/// Sums split among threads, as on adapters that a small problem leaves idle.
#[test]
fn threads_that_share_a_tile_agree_with_float64() {
    let Some(gpu) = adapter("threads_that_share_a_tile_agree_with_float64") else { return };
    // Parts of different lengths; in the last groups, threads outside the problem take part in the barriers.
    let even = ([48, 80, 264], [0, 0, 0], ElementType::F32, Placement::Separate);
    let cut = ([35, 67, 257], [3, 2, 5], ElementType::F32, Placement::PooledOdd);
    let half = ([33, 36, 72], [1, 0, 0], ElementType::F16, Placement::PooledAligned);
    // As many parts as there can be, of tiles as low as there can be; and some parts of higher tiles.
    let hardware = tiles(1, 1, [8, 4], MaskOp::Select).with_threads(u32::MAX);
    let wide = tiles(2, 2, [4, 2], MaskOp::And).with_threads(200);
    let rows = [
        (hardware, Some(mask(0.5)), even),
        (wide, Some(mask(0.2)), half),
        (hardware, Some(mask(0.5).shared(group(3))), cut),
        (wide, Some(mask(0.5).shared(Sharing::Batch)), even),
        (hardware, None, even),
        (hardware, Some(mask(0.2)), cut),
        (wide, Some(mask(0.5)), cut),
    ];
    for (tuning, mask, (dims, at, element, placement)) in few(4, rows) {
        let mask = mask.map(|mask| mask.at(origin(at[0], at[1], at[2])));
        for (bias, write) in [Bias::Masked(()), Bias::None].into_iter().zip(WRITES) {
            let call = Case { element, placement, bias, write, ..Case::new(shape(dims), mask) };
            agree(&with(gpu, tuning), &call, 3000);
        }
    }
}

/// Operands that a workgroup reads together, some steps of the k loop at a time. The sums are those of threads that
/// read for themselves, in the same order: bit for bit.
#[test]
fn operands_that_workgroups_read_together_give_the_same_bits() {
    let Some(gpu) = adapter("operands_that_workgroups_read_together_give_the_same_bits") else { return };
    // The last steps are fewer than a k tile, and the last threads read and own what is not there.
    let even = ([48, 80, 264], [0, 0, 0], ElementType::F32, Placement::Separate);
    let cut = ([35, 67, 257], [3, 2, 5], ElementType::F32, Placement::PooledOdd);
    let half = ([33, 36, 72], [1, 0, 0], ElementType::F16, Placement::PooledAligned);
    let small = ([3, 2, 5], [2, 1, 3], ElementType::BF16, Placement::PooledOdd);
    // Workgroups whose threads read a quad each, several, and parts of one; with threads that share a tile, too.
    let hardware = tiles(1, 2, [4, 8], MaskOp::Select);
    let split = tiles(1, 1, [8, 4], MaskOp::Select).with_threads(u32::MAX);
    let wide = tiles(2, 2, [3, 2], MaskOp::And);
    let rows = [
        (hardware, 2, Some(mask(0.5)), cut),
        (split, 16, Some(mask(0.2)), cut),
        (wide, 2, Some(mask(0.2).shared(Sharing::Batch)), even),
        (hardware, 3, None, even),
        (hardware, 256, Some(mask(0.5).shared(group(3))), cut),
        (wide, 1, Some(mask(0.2)), half),
        (split, 1, Some(mask(0.5)), small),
    ];
    for (tuning, k_tile, mask, (dims, at, element, placement)) in few(3, rows) {
        let mask = mask.map(|mask| mask.at(origin(at[0], at[1], at[2])));
        let together = tuning.with_tiles(tuning.forward.with_k_tile(k_tile));
        let call = Case { element, placement, write: WRITES[1], ..Case::new(shape(dims), mask) };
        agree(&with(gpu, together), &call, 4000);
        let data = Data::random(&call.shape, element, 4001);
        let bits =
            |tuning| run(gpu, kernels(gpu, tuning, gpu.kernels().multiply(), false), &call, &data).bits();
        assert_eq!(bits(tuning), bits(together), "{together} {call:?}");
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
        let call = Case::new(shape, Some(mask(p).at(origin(1, 2, 3))));
        let mut first = None;
        for multiply in multiplies(gpu, test) {
            for mask_op in [MaskOp::And, MaskOp::Select] {
                let bits = run(gpu, kernels(gpu, small_tiles(mask_op), multiply, false), &call, &data).bits();
                assert_eq!(
                    first.get_or_insert_with(|| bits.clone()),
                    &bits,
                    "p {p} {mask_op:?} {multiply:?}"
                );
            }
        }
    }
}

#[test]
fn a_write_outside_the_results_is_seen() {
    let Some(gpu) = adapter("a_write_outside_the_results_is_seen") else { return };
    for placement in PLACEMENTS {
        // An odd number of 16-bit elements: the last half word belongs to nobody.
        let arena = arena(gpu, placement, &[vec![1; 6]], &[vec![2; 8]]);
        let [operand, result] = [0, 1].map(|index| arena.tensor(index, ElementType::F16));
        gpu.queue().write_buffer(result.buffer, result.offset, &[7; 8]);
        assert_eq!(arena.results().unwrap(), [vec![7; 8]]);
        for (tensor, past) in [(result, 8), (operand, 0), (operand, 4)] {
            let mut word = gpu.read(tensor.buffer, tensor.offset + past..tensor.offset + past + 4).unwrap();
            word[2] ^= 1;
            gpu.queue().write_buffer(tensor.buffer, tensor.offset + past, &word);
            assert!(arena.results().is_err(), "{placement:?} {past}");
            word[2] ^= 1;
            gpu.queue().write_buffer(tensor.buffer, tensor.offset + past, &word);
            assert!(arena.results().is_ok(), "{placement:?} {past}");
        }
    }
}
