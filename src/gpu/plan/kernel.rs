//! Which kernel a dispatch takes: its tile, whose masks it draws, and the threads that share a tile.

use super::dispatch::Plan;
use crate::call::Axis;
use crate::gpu::shader::params::Params;
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::{Planes, Shared, Variant};
use crate::gpu::tuning::Tile;
use crate::mask::brick::BRICK_EXAMPLES;
use crate::{ElementType, Sharing};

impl Plan<'_> {
    /// The kernel of a dispatch that covers so many bricks, columns and rows, but for what its tensors decide.
    pub(super) fn variant_of(&self, params: &Params, bricks: [u32; 2]) -> Variant {
        let tile = self.tile(params, bricks);
        Variant { tile, sharing: self.sharing(params, &tile), ..self.variant }
    }

    /// The kernel with the longest steps that a dispatch may get.
    pub(super) fn costliest(&self) -> Variant {
        let sharing =
            if self.mask.is_some_and(|mask| !mask.sharing.is_own()) { Shared::Rows } else { Shared::Each };
        Variant { sharing, ..self.variant }
    }

    /// How a dispatch deals with shared masks.
    fn sharing(&self, params: &Params, tile: &Tile) -> Shared {
        let examples = BRICK_EXAMPLES * tile.rows;
        // Only where there are masks: an activation has an example's own index, and not a block's.
        let first = || params.example_block * BRICK_EXAMPLES + params.example_shift as u32;
        match (self.mask.map(|mask| mask.sharing), self.variant.pass.reduction_axis()) {
            (None, _) => Shared::Each,
            (Some(sharing), _) if sharing.is_own() => Shared::Each,
            (Some(Sharing::Batch), Some(_)) => Shared::Tile,
            // No thread's examples straddle two groups.
            (Some(Sharing::Group(size)), Some(Axis::Output | Axis::Input))
                if size.get().is_multiple_of(examples) && first().is_multiple_of(examples) =>
            {
                Shared::Tile
            }
            _ => Shared::Rows,
        }
    }

    /// The tile of a dispatch of so many bricks. Where a forward tile draws no mask, or one for all its examples, it
    /// is twice as tall: what it draws for a column of bricks serves more examples. So is one of the weight gradient
    /// with a k tile that draws none: its registers are for sums. Where too few tiles are left to keep the adapter
    /// busy, even split among threads, they are lower, then narrower, and then fewer threads read together, of which
    /// more may share a tile.
    fn tile(&self, params: &Params, bricks: [u32; 2]) -> Tile {
        let tile = self.variant.tile;
        let tall = self.within(Tile { rows: 2 * tile.rows, ..tile }, bricks);
        let same = self.variant.planes == Planes::None || self.sharing(params, &tall) == Shared::Tile;
        let grows = match self.variant.pass {
            Pass::Forward { .. } => same,
            Pass::WeightGradient => tile.k_tile > 0 && self.variant.planes == Planes::None,
            _ => false,
        };
        let mut tile = if grows { tall } else { self.within(tile, bricks) };
        let few = |tile: Tile| {
            let most = self.most_threads_of_a_tile(tile);
            tile.count(bricks) * u64::from(most) < u64::from(self.kernels.tuning.threads)
        };
        while few(tile) {
            let less = self.lower(tile, bricks).or_else(|| self.narrower(tile, bricks));
            let Some(less) = less.or_else(|| self.smaller_workgroup(tile, bricks)) else { break };
            tile = less;
        }
        self.of_one_group(params, tile, bricks)
    }

    /// The tile, or so much of it that its examples share a mask, where they then do: a brick of several masks is drawn
    /// once for each example, one of a single mask once.
    fn of_one_group(&self, params: &Params, tile: Tile, bricks: [u32; 2]) -> Tile {
        let lower = |tile: &Tile| self.lower(*tile, bricks);
        std::iter::successors(Some(tile), lower)
            .find(|tile| self.sharing(params, tile) != Shared::Rows)
            .unwrap_or(tile)
    }

    /// Half of the tile, along the rows of its result, or the largest part that divides it: examples of which a group
    /// shares a mask still do. Not where there is none, or so many more of them pass what a dispatch holds.
    fn lower(&self, tile: Tile, bricks: [u32; 2]) -> Option<Tile> {
        let factor = (2..=tile.rows).find(|&factor| tile.rows.is_multiple_of(factor))?;
        Some(Tile { rows: tile.rows / factor, ..tile }).filter(|lower| self.holds(*lower, bricks))
    }

    /// The same along its columns.
    fn narrower(&self, tile: Tile, bricks: [u32; 2]) -> Option<Tile> {
        let narrower = Tile { columns: tile.columns / 2, ..tile };
        Some(narrower).filter(|narrower| narrower.columns > 0 && self.holds(*narrower, bricks))
    }

    /// Half of the threads that read together, along their longer side, but no less than a warp.
    fn smaller_workgroup(&self, tile: Tile, bricks: [u32; 2]) -> Option<Tile> {
        /// Threads that NVIDIA, and most others, run together.
        const WARP: u32 = 32;
        let [x, y] = tile.workgroup;
        let workgroup = if x >= y { [x / 2, y] } else { [x, y / 2] };
        let smaller = Tile { workgroup, ..tile };
        let enough = tile.k_tile > 0 && workgroup[0] * workgroup[1] >= WARP;
        Some(smaller).filter(|smaller| enough && self.holds(*smaller, bricks))
    }

    /// The tile, or less of it where the kernel would otherwise take a compiler that wants loops more than three
    /// seconds (docs/performance.md): odd rows are loaded element by element, 16-bit ones by halves of words,
    /// Monte-Carlo samples take every sum on to a mean and a variance, and a tile of several masks draws four for a
    /// brick.
    pub(super) fn that_compiles_soon(&self, variant: &Variant, bricks: [u32; 2]) -> Tile {
        let mut tile = variant.tile;
        if variant.unrolled {
            return tile;
        }
        let narrow = [variant.element, variant.result].iter().any(|&element| element != ElementType::F32);
        let mut most = match (variant.vector, narrow) {
            (true, _) => u32::MAX,
            (false, false) => 8,
            (false, true) => 4,
        };
        if let Pass::MonteCarlo { .. } = variant.pass {
            most = (most / 2).min(8);
        }
        if variant.sharing == Shared::Rows {
            most = most.min(4);
        }
        while tile.rows * tile.columns > most {
            let Some(lower) = self.lower(tile, bricks) else { break };
            tile = lower;
        }
        tile
    }

    /// The tile, no larger than the problem, unless so many more of them pass what a dispatch holds.
    fn within(&self, tile: Tile, bricks: [u32; 2]) -> Tile {
        let small = tile.within(bricks);
        if self.holds(small, bricks) { small } else { tile }
    }

    /// Whether a dispatch holds as many of these tiles as cover so many bricks.
    fn holds(&self, tile: Tile, bricks: [u32; 2]) -> bool {
        tile.workgroups(bricks).iter().all(|&workgroups| workgroups <= self.kernels.limits.workgroups)
    }

    /// How many threads may share a tile: as many as the device lets, and as find registers for it in one workgroup.
    pub(super) fn most_threads_of_a_tile(&self, tile: Tile) -> u32 {
        /// A multiprocessor of NVIDIA has 65,536 registers: 128 for each of so many threads, which one brick or two
        /// fit. A thousand threads of two bricks took three times as long as one brick's (docs/nvidia.md).
        const MOST: u32 = 512;
        let [x, y] = tile.workgroup;
        let most = (2 * MOST / (tile.rows * tile.columns)).min(MOST).min(self.kernels.limits.threads);
        (most / (x * y)).clamp(1, self.kernels.limits.depth.max(1))
    }

    /// The steps of a k tile, which go through workgroup memory together: as many as its tuning says, whole ones for
    /// all threads that share a tile, or half of that as often as it takes to fit the device; 0 where not even one for
    /// each does. Nor is there anything to read together where there is nothing to sum up: the first steps are read
    /// without asking.
    pub(super) fn k_tile(&self, params: &Params, variant: Variant) -> u32 {
        /// Quads that a thread reads at a time: each is code, and has registers of its own.
        const MOST: u32 = 16;
        let reduction =
            variant.pass.reduction_axis().map_or(0, |reduction| params.bricks()[reduction as usize]);
        let wanted = variant.pass.has_k_tile() && variant.tile.k_tile > 0;
        if !wanted || reduction == 0 || !self.kernels.limits.k_tiles {
            return 0;
        }
        let [x, y] = variant.tile.workgroup;
        // A block of terms ends where a thread is done with a k tile.
        let block = if self.blocked(params, variant) { variant.block_steps() * variant.split_k } else { 0 };
        let fits = |&k_tile: &u32| {
            let tiled = Variant { tile: Tile { k_tile, ..variant.tile }, ..variant };
            block.is_multiple_of(tiled.tile.k_tile)
                && tiled.shared_bytes() <= self.kernels.limits.shared
                && tiled.workgroup_tile().is_none_or(|tile| tile.quads() <= MOST * x * y * variant.split_k)
        };
        let steps = |share: u32| share * variant.split_k;
        let most = variant.tile.k_tile.div_ceil(variant.split_k);
        std::iter::successors(Some(most), |share| Some(share / 2).filter(|&share| share > 0))
            .map(steps)
            .find(fits)
            .unwrap_or(0)
    }

    /// Whether a thread takes the terms of a long sum in blocks.
    pub(super) fn blocked(&self, params: &Params, variant: Variant) -> bool {
        let threads = match variant.pass {
            // The threads along y share the examples.
            Pass::BiasGradient => variant.tile.workgroup[1],
            _ => variant.split_k,
        };
        let steps = match (variant.pass, variant.pass.reduction_axis()) {
            (Pass::Moments { .. }, _) => params.inputs.div_ceil(4),
            (Pass::BiasGradient, _) => params.bricks()[Axis::Example as usize],
            (_, Some(reduction)) => params.bricks()[reduction as usize],
            _ => 0,
        };
        self.long && steps.div_ceil(threads) > variant.block_steps()
    }

    /// Among how many threads a tile's sums are split: more, a power of two, until there are enough threads
    /// for the adapter, the parts get short, or the device's limits say no.
    pub(super) fn split_k(&self, params: &Params, variant: Variant, bricks: [u32; 2]) -> u32 {
        /// Steps of a thread below which adding up costs more than going on.
        const LEAST: u32 = 4;
        let steps = match (variant.pass, variant.pass.reduction_axis()) {
            // Adds each pass to what the thread has stored.
            (Pass::MonteCarlo { .. }, _) | (_, None) => return 1,
            (_, Some(reduction)) => params.bricks()[reduction as usize],
        };
        let threads = variant.tile.count(bricks);
        let tiled = self.k_tile(params, variant) > 0;
        let fits = |split_k| {
            let untiled = Tile { k_tile: 0, ..variant.tile };
            let parts = Variant { split_k, tile: untiled, ..variant };
            parts.shared_bytes() <= self.kernels.limits.shared
                && (!tiled || self.k_tile(params, Variant { split_k, ..variant }) > 0)
        };
        let mut split_k = 1;
        while threads * u64::from(split_k) < u64::from(self.kernels.tuning.threads)
            && steps / (2 * split_k) >= LEAST
            && 2 * split_k <= self.most_threads_of_a_tile(variant.tile)
            && fits(2 * split_k)
        {
            split_k *= 2;
        }
        split_k
    }
}
