//! Which kernels dispatches take, by what they compile.

use std::num::NonZeroU32;

use crate::call::{Call, Kind};
use crate::gpu::shader::variant::{Shared, Variant};
use crate::gpu::tests::compile::watched;
use crate::gpu::tests::expanded::hardware;
use crate::gpu::tests::wgsl::adapter::adapter;
use crate::gpu::{Gpu, Kernels, Tile, Tuning};
use crate::{Bias, DropProbability, ElementType, Mask, MaskKey, Shape, Sharing, Write};

/// The kernel of a call at p = 1/2, with kernels that are changed first.
fn taken(
    gpu: &Gpu,
    tuning: Tuning,
    change: impl FnOnce(&mut Kernels),
    kind: Kind,
    [batch, outputs, inputs]: [usize; 3],
    sharing: Sharing,
) -> Variant {
    let (mut kernels, compiled) = watched(gpu, tuning);
    change(&mut kernels);
    let mask = Mask::new(MaskKey::new(1, 2), DropProbability::new(0.5).unwrap()).shared(sharing);
    let shape = Shape::new(batch, outputs, inputs).unwrap();
    let call = Call::of(kind, shape, Some(&mask), Bias::None, Write::Overwrite).unwrap();
    kernels.compile(&[call.map(|_| ElementType::F32, |_| ElementType::F32)]).unwrap();
    let compiled = compiled.lock().unwrap();
    assert_eq!(compiled.len(), 1, "{compiled:?}");
    compiled[0]
}

#[test]
fn as_many_steps_are_tiled_as_fit_and_none_where_nothing_is_summed() {
    let test = "as_many_steps_are_tiled_as_fit_and_none_where_nothing_is_summed";
    let Some(gpu) = adapter(test) else { return };
    let tile = Tile::new(1, 1, [4, 8]).with_k_tile(4);
    let tuning = Tuning::software().with_tiles(tile);
    for call in [Kind::Forward, Kind::InputGradient, Kind::WeightGradient] {
        let with = |k_tiles: bool, limit: u32| {
            let change =
                |kernels: &mut Kernels| (kernels.limits.k_tiles, kernels.limits.shared) = (k_tiles, limit);
            taken(gpu, tuning, change, call, [40, 40, 80], Sharing::Example)
        };
        let own = with(true, u32::MAX);
        assert_eq!(own.tile, tile, "{call:?}");
        let bytes = |bricks| Variant { tile: tile.with_k_tile(bricks), ..own }.shared_bytes();
        assert!(bytes(1) > 0 && bytes(2) > bytes(1) && bytes(4) > bytes(2), "{call:?}");
        for (limit, want) in
            [(bytes(4), 4), (bytes(4) - 1, 2), (bytes(2) - 1, 1), (bytes(1), 1), (bytes(1) - 1, 0), (0, 0)]
        {
            let taken = with(true, limit);
            assert_eq!(taken.tile.k_tile, want, "{call:?} in {limit} bytes");
            assert!(taken.shared_bytes() <= limit, "{call:?} in {limit} bytes");
        }
        assert_eq!(with(false, u32::MAX).tile.k_tile, 0, "{call:?}, by FXC");
    }
    // The batch is the reduction axis: its rows are not there to be read.
    let empty = taken(gpu, tuning, |_| (), Kind::WeightGradient, [0, 40, 80], Sharing::Example);
    assert_eq!(empty.tile.k_tile, 0);
}

/// Threads that share a tile have whole steps each.
#[test]
fn sums_that_are_split_stage_steps_for_all_threads() {
    let Some(gpu) = adapter("sums_that_are_split_stage_steps_for_all_threads") else { return };
    let tuning = Tuning::software().with_tiles(Tile::new(1, 1, [4, 8]).with_k_tile(3)).with_threads(u32::MAX);
    let k_tiles = |kernels: &mut Kernels| kernels.limits.k_tiles = true;
    let variant = taken(gpu, tuning, k_tiles, Kind::Forward, [8, 16, 264], Sharing::Example);
    assert!(variant.split_k > 1 && variant.tile.k_tile > 0, "{variant:?}");
    assert_eq!(variant.tile.k_tile % variant.split_k, 0, "{variant:?}");
}

/// A tile of one group's examples that is lowered for its compiler's sake: each part is of one group, too.
#[test]
fn a_lowered_tile_has_examples_of_one_group() {
    let Some(gpu) = adapter("a_lowered_tile_has_examples_of_one_group") else { return };
    for rows in [3, 5, 6, 7, 9, 12] {
        let group = 4 * rows;
        let tuning = Tuning::software().with_tiles(Tile::new(rows, 4, [16, 1]));
        let sharing = Sharing::Group(NonZeroU32::new(group).unwrap());
        for call in [Kind::Forward, Kind::InputGradient] {
            // Odd rows, of which a tile may have few bricks.
            let dims = [3 * group as usize, 37, 33];
            let variant = taken(gpu, tuning, |_| (), call, dims, sharing);
            let examples = 4 * variant.tile.rows;
            assert!(variant.tile.rows < rows, "{variant:?}");
            assert!(variant.sharing == Shared::Tile && group.is_multiple_of(examples), "{variant:?}");
        }
    }
}

/// What a tuning for other limits asks for is lessened in silence, not refused.
#[test]
fn what_nvidia_gets_fits_the_default_limits() {
    let Some(gpu) = adapter("what_nvidia_gets_fits_the_default_limits") else { return };
    let tuning = hardware(0x10de).with_threads(0);
    let limit = Kernels::required_limits().max_compute_workgroup_storage_size;
    for (call, want) in [(Kind::Forward, 2), (Kind::InputGradient, 4), (Kind::WeightGradient, 4)] {
        let change = |kernels: &mut Kernels| {
            (kernels.limits.k_tiles, kernels.limits.shared, kernels.limits.threads) = (true, limit, 256);
        };
        let variant = taken(gpu, tuning, change, call, [512, 512, 512], Sharing::Example);
        assert_eq!(variant.tile.k_tile, want, "{call:?}");
    }
}
