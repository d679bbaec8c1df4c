//! How many iterations of loops an invocation of a kernel makes, in sum over all its loops.
//!
//! Mesa's llvmpipe ends them all after 65,535 (`LP_MAX_TGSI_LOOP_ITERATIONS`), without a word; and on hardware
//! they are what makes a dispatch of few threads long. So [`Plan`](super::dispatch::Plan) counts them here, from above,
//! and cuts a sum that would pass [`Tuning::iterations`](crate::gpu::Tuning::iterations). A loop that is added to a
//! template has to be added here: `tests/suite/bounds.rs` runs every pass past that number.

use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::{Planes, Shared, Variant};
use crate::gpu::tuning::Tile;
use crate::mask::philox::STATE_PLANES;

/// Iterations of an invocation: those that it makes whatever its sums are, and those of a step of its k loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Iterations {
    pub fixed: u32,
    pub step: u32,
}

impl Variant {
    /// At this resolution of p, among so many threads that share a tile at most. A loop counts one more than it
    /// runs, for the test that ends it.
    pub(crate) fn iterations(&self, bits: u32, most_split_k: u32) -> Iterations {
        let Tile { rows, columns, workgroup: [_, y], .. } = self.tile;
        let bricks = rows.saturating_mul(columns);
        // The loop over the planes of a brick, or of all bricks of a tile that decide for the same examples.
        let looped = !self.unrolled && matches!(self.planes, Planes::Few | Planes::Many);
        let planes = if looped { bits.min(STATE_PLANES + 1) } else { 0 };
        // A word for each of four examples is a brick of its own.
        let words = planes.saturating_mul(if self.sharing == Shared::Each { 1 } else { 4 });
        let masks = match (self.sharing, self.pass) {
            (Shared::Tile, Pass::WeightGradient) => 0,
            (Shared::Each | Shared::Tile, _) => planes,
            (Shared::Rows, _) => words.saturating_mul(bricks),
        };
        // A quad of odd rows is stored in a loop over its lanes. A brick has eight quads of its result at most.
        let lanes = if self.unrolled { 0 } else { 5u32 };
        let stores =
            if self.unrolled { 0 } else { rows + 1 + lanes.saturating_mul(bricks).saturating_mul(8) };
        let splits = if most_split_k > 1 { rows.saturating_mul(2 * most_split_k) } else { 0 };
        let (fixed, step) = match self.pass {
            Pass::Forward { .. } | Pass::MonteCarlo { .. } => {
                (stores + splits + words.saturating_mul(bricks), masks)
            }
            // One mask for all examples is drawn once, at the end.
            Pass::WeightGradient if self.sharing == Shared::Tile => {
                (stores + splits + planes.saturating_mul(bricks), 0)
            }
            Pass::BiasGradient => (stores + y + 1, words),
            Pass::Mask { .. } => (words, 0),
            // Two results.
            Pass::Moments { .. } | Pass::Activation(_) | Pass::Predictive { .. } => (2 * stores, 0),
            Pass::Round | Pass::Update => (2 * stores, 0),
            // What a kernel with tiles has from `tile.wgsl`.
            _ => (stores + splits, masks),
        };
        // The loop over k tiles, of a step at least.
        let step = step.saturating_add(if self.tile.k_tile > 0 { 2 } else { 0 });
        Iterations { fixed: fixed.saturating_add(2), step: step.saturating_add(1) }
    }
}
