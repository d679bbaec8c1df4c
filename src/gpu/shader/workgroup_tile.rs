//! The layout of operands that are tiled through workgroup memory. Mirrors `shaders/workgroup_tile.wgsl`.
//!
//! Straight from memory, a thread reads the rows of both operands itself, and what a warp reads at once lies in many
//! lines: on NVIDIA those set the pace (docs/nvidia.md). Tiled, a workgroup reads some steps of its k loop in whole
//! lines, each element once, and its threads find them in workgroup memory.
//!
//! Workgroup memory is in banks, eight quads wide: quads that eight threads read or write at once must differ in their
//! slot modulo eight. So unit `u` of thread `t` has slot `u * unit_stride + t`, where neighbours read side by side, and
//! strides are padded for those that write: along a row they are one unit of a thread after the other, along the
//! reduction axis one line after the other.

use minijinja::context;

use super::pass::Pass;
use crate::call::Axis;
use crate::gpu::tuning::Tile;

/// Quads of which no two share a bank.
const BANKS: u32 = 8;

/// Operands of a tile, as they lie in workgroup memory, so many steps of the k loop at a time.
#[derive(Debug)]
pub(crate) struct WorkgroupTile {
    /// Steps of the k loop: bricks along the reduction axis.
    pub steps: u32,
    /// The one along the rows of the tile, and the one along its columns.
    pub operands: [SharedOperand; 2],
}

/// One operand. A line is what a tile needs of it for one quad along the reduction axis, or for one index on it.
#[derive(Debug)]
pub(crate) struct SharedOperand {
    pub name: &'static str,
    /// Its rows are those of the tile, and the reduction axis is along its columns: a unit is a row. Otherwise it is
    /// along its rows, and a unit is a quad of columns.
    pub reduction_columns: bool,
    /// The axis that the tile has of it.
    pub axis: Axis,
    /// Lines of one step.
    pub lines: u32,
    /// Units of a thread in each, and the threads that have different ones.
    pub units: u32,
    pub threads: u32,
    /// Quads from unit to unit, and from line to line.
    pub unit_stride: u32,
    pub line_stride: u32,
    /// Where the operand starts.
    pub first: u32,
}

impl WorkgroupTile {
    /// The layout for a pass with a k loop, `tile.k_tile` steps at a time.
    pub(crate) fn new(pass: Pass, tile: Tile) -> Option<Self> {
        let reduction = pass.reduction_axis()?;
        let Tile { rows, columns, workgroup: [x, y], k_tile: steps } = tile;
        let [row_axis, column_axis] = match reduction {
            Axis::Input => [Axis::Example, Axis::Output],
            Axis::Output => [Axis::Example, Axis::Input],
            Axis::Example => [Axis::Output, Axis::Input],
        };
        let [row_operand, column_operand] = [0, 1].map(|index| pass.operands()[index]);
        let layout = |(name, columns): (&'static str, Axis), axis: Axis, bricks: u32, threads: u32| {
            let reduction_columns = columns == reduction;
            let (lines, units) = if reduction_columns {
                (reduction.brick() / 4, axis.brick() * bricks)
            } else {
                (reduction.brick(), axis.brick() / 4 * bricks)
            };
            SharedOperand::new(name, reduction_columns, axis, [lines, units, threads])
        };
        let row = layout(row_operand, row_axis, rows, y);
        let column = layout(column_operand, column_axis, columns, x);
        let column = SharedOperand { first: row.quads(steps), ..column };
        Some(Self { steps, operands: [row, column] })
    }

    /// Quads of workgroup memory.
    pub(crate) fn quads(&self) -> u32 {
        self.operands.iter().map(|operand| operand.quads(self.steps)).fold(0, u32::saturating_add)
    }

    /// What the templates know of it.
    pub(crate) fn values(&self) -> minijinja::Value {
        let [row, column] = self.operands.each_ref().map(|operand| {
            let SharedOperand { name, reduction_columns, lines, units, threads, .. } = *operand;
            let SharedOperand { unit_stride, line_stride, first, .. } = *operand;
            let all_lines = lines.saturating_mul(self.steps);
            let quads = all_lines.saturating_mul(units).saturating_mul(threads);
            let axis = match operand.axis {
                Axis::Example => "n",
                Axis::Output => "o",
                Axis::Input => "i",
            };
            context! {
                name, reduction_columns, axis, lines, units, threads, unit_stride, line_stride, first, all_lines, quads
            }
        });
        context! { steps => self.steps, row, column }
    }
}

impl SharedOperand {
    fn new(
        name: &'static str,
        reduction_columns: bool,
        axis: Axis,
        [lines, units, threads]: [u32; 3],
    ) -> Self {
        // Neighbours that write have one line after the other, or one unit: `BANKS / units` of each thread's.
        let unit_stride = if reduction_columns || units >= BANKS {
            threads
        } else {
            let wanted = BANKS / units.next_power_of_two() % BANKS;
            threads + (wanted + BANKS - threads % BANKS) % BANKS
        };
        let line_stride = units.saturating_mul(unit_stride);
        let line_stride = if reduction_columns { line_stride | 1 } else { line_stride };
        Self { name, reduction_columns, axis, lines, units, threads, unit_stride, line_stride, first: 0 }
    }

    fn quads(&self, steps: u32) -> u32 {
        self.lines.saturating_mul(steps).saturating_mul(self.line_stride)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::gpu::tests::expanded::hardware;

    const PASSES: [Pass; 3] = [Pass::Forward { bias: false }, Pass::InputGradient, Pass::WeightGradient];

    /// The slots of the quads of an operand, in the order in which neighbouring threads read them.
    fn slots(operand: &SharedOperand, steps: u32) -> Vec<u32> {
        let SharedOperand { lines, units, threads, .. } = *operand;
        let (lines, of_line) = (lines * steps, units * threads);
        let quads = 0..lines * of_line;
        let slot = |line: u32, unit: u32| {
            let of_thread = unit % units * operand.unit_stride + unit / units;
            operand.first + line * operand.line_stride + of_thread
        };
        if operand.reduction_columns {
            quads.map(|quad| slot(quad % lines, quad / lines)).collect()
        } else {
            quads.map(|quad| slot(quad / of_line, quad % of_line)).collect()
        }
    }

    #[test]
    fn every_quad_has_a_slot_of_its_own() {
        let tile = |rows, columns, workgroup, steps| Tile::new(rows, columns, workgroup).with_k_tile(steps);
        for pass in PASSES {
            for tile in [
                tile(1, 1, [16, 16], 4),
                tile(2, 1, [6, 5], 3),
                tile(1, 3, [1, 7], 1),
                tile(4, 4, [16, 1], 2),
            ] {
                let tiled = WorkgroupTile::new(pass, tile).unwrap();
                let mut seen = HashSet::new();
                for slot in tiled.operands.iter().flat_map(|operand| slots(operand, tile.k_tile)) {
                    assert!(slot < tiled.quads() && seen.insert(slot), "{pass:?} {tile}: {slot}");
                }
            }
        }
    }

    /// Eight threads at a time reach workgroup memory, and wait for each other where they meet in a bank.
    #[test]
    fn few_threads_meet_in_a_bank() {
        let tuning = hardware(0x10de);
        let tiles = [tuning.forward, tuning.input_gradient, tuning.weight_gradient];
        for (pass, tile) in PASSES.into_iter().zip(tiles) {
            let tiled = WorkgroupTile::new(pass, tile).expect("NVIDIA has k tiles");
            for operand in &tiled.operands {
                let meet = |slots: &[u32]| {
                    let banks = slots.iter().map(|slot| slot % BANKS);
                    (0..BANKS).map(|bank| banks.clone().filter(|&taken| taken == bank).count()).max().unwrap()
                };
                let written = slots(operand, tile.k_tile);
                let most = written.chunks(8).map(meet).max().unwrap();
                assert!(most <= 2, "{pass:?} {}: {most} write", operand.name);
            }
        }
    }
}
