//! The passes that sum along an axis of the box: checked, cut into dispatches that fit the device, and planned.
//!
//! A dispatch is limited along each axis: by what a binding holds, by the groups of a grid, by the connections
//! it may decide, and along the axis that a thread walks by the iterations it may make
//! ([`Tuning`](super::Tuning) says why). Along the two axes of the result, pieces are independent. Pieces of the
//! walk add up in the result, in f32; a result of 16 bits adds up in scratch memory, and is rounded once.

use std::ops::Range;

use super::Kernels;
use super::allocate::zeroed;
use super::faces::{Axis, Face};
use super::params::Params;
use super::plan::{Plan, Rows, pieces};
use super::recording::Recording;
use super::shader::Pass;
use super::tensor::{Argument, check_disjoint};
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// Scratch memory of a call takes no more bytes than this, or one row.
const SCRATCH_BYTES: u64 = 64 << 20;
/// No axis is cut into smaller pieces than this to bound the connections of a dispatch.
const LEAST_PIECE: u64 = 64;

/// A pass that multiplies two faces of the box and sums along the axis they share, or sums up one face.
pub(crate) struct Contraction<'a> {
    pub pass: Pass,
    pub shape: Shape,
    pub mask: Option<&'a Mask>,
    pub operands: &'a [Face<'a>],
    /// Added once to each whole sum.
    pub bias: Bias<Face<'a>>,
    /// One, or two of the same extent in f32.
    pub results: &'a [Face<'a>],
    /// The axis that is summed over.
    pub walked: Axis,
    pub write: Write,
    /// What sums are multiplied with, where that is not the mask's scale.
    pub scale: Option<f32>,
}

impl<'a> Contraction<'a> {
    /// The box. It has no extent along an axis that no tensor has elements along.
    pub(crate) fn dims(&self) -> [u32; 3] {
        let dims = self.shape.dims();
        Axis::ALL.map(|axis| {
            let met = self.operands.iter().chain(self.results).any(|face| face.has(axis));
            if met { dims[axis as usize] } else { 0 }
        })
    }

    /// Checks all arguments. Whether a result shares its buffer with an operand.
    pub(crate) fn check(&self) -> Result<bool, Error> {
        if let Some(mask) = self.mask {
            mask.check(&self.shape)?;
        }
        let operands: Vec<_> = self.operands.iter().chain(self.bias.tensor()).copied().collect();
        for face in operands.iter().chain(self.results) {
            face.check(&self.shape)?;
        }
        let arguments =
            |faces: &[Face<'a>]| faces.iter().map(|face| face.argument).collect::<Vec<Argument>>();
        check_disjoint(&arguments(&operands), &arguments(self.results))
    }

    /// How much of each axis one dispatch covers at most.
    pub(crate) fn most(&self, plan: &Plan) -> Result<[u32; 3], Error> {
        let (dims, result) = (self.dims(), self.results[0]);
        let mut most = dims.map(|length| length.max(1));
        let mut limit = |axis: Axis, limit: u32| most[axis as usize] = most[axis as usize].min(limit);
        let [rows, columns] =
            plan.extent_in_dispatch([result.rows.map_or(1, Axis::brick), result.columns.brick()]);
        limit(result.columns, columns);
        if let Some(axis) = result.rows {
            limit(axis, rows);
        }
        for face in self.operands.iter().chain(self.bias.tensor()).chain(self.results) {
            let row = dims[face.columns as usize];
            let rows = plan.rows_in_binding(face.argument.name, row, face.element)?;
            if let Some(axis) = face.rows {
                limit(axis, rows);
            }
        }
        if let (Some(axis), true) = (result.rows, result.element != ElementType::F32) {
            let row = dims[result.columns as usize];
            limit(axis, plan.rows_in_binding(result.argument.name, row, ElementType::F32)?);
            limit(axis, (SCRATCH_BYTES / (4 * u64::from(row))).max(1) as u32);
        }
        // Pieces along the result cost nothing, those of the walk an addition each: they come last.
        let axes: Vec<_> =
            [result.rows, Some(result.columns), Some(self.walked)].into_iter().flatten().collect();
        for &axis in &axes {
            let others = axes.iter().filter(|&&other| other != axis).map(|&other| most[other as usize]);
            let others: u64 = others.map(u64::from).fold(1, u64::saturating_mul);
            let fits = (plan.connections_in_dispatch() / others).max(LEAST_PIECE);
            most[axis as usize] = fits.min(most[axis as usize].into()) as u32;
        }
        Ok(most)
    }

    /// The pieces of the result that are summed up one after the other, as ranges of the axes; that of the walked
    /// axis is whole.
    pub(crate) fn parts(&self, most: [u32; 3]) -> Vec<[Range<u32>; 3]> {
        let (dims, result) = (self.dims(), self.results[0]);
        let along = |axis: Axis| pieces(dims[axis as usize], most[axis as usize]).collect::<Vec<_>>();
        let mut parts = Vec::new();
        // A vector has no axis along its rows, and is not cut there.
        for rows in result.rows.map_or_else(|| pieces(1, 1).collect(), along) {
            for columns in along(result.columns) {
                let mut part = dims.map(|length| 0..length);
                part[result.columns as usize] = columns;
                if let Some(axis) = result.rows {
                    part[axis as usize] = rows.clone();
                }
                parts.push(part);
            }
        }
        parts
    }

    /// The parameters of a dispatch that covers these ranges.
    pub(crate) fn params(&self, plan: &Plan, ranges: &[Range<u32>; 3]) -> Params {
        let dims = self.dims();
        let mut params = plan.params(
            ranges.each_ref().map(|range| range.start),
            ranges.each_ref().map(|range| range.end - range.start),
        );
        if dims[Axis::Input as usize] == 0 {
            params.input_shift = 0;
        }
        [_, params.output_stride, params.input_stride] = dims;
        params.masked_bias = u32::from(matches!(self.bias, Bias::Masked(_)));
        if let Some(scale) = self.scale {
            params.scale = scale;
        }
        params
    }

    /// The bricks of the result in such a dispatch, along columns, rows and depth.
    pub(crate) fn grid(&self, params: &Params) -> [u32; 3] {
        let bricks = params.bricks();
        let result = self.results[0];
        [bricks[result.columns as usize], result.rows.map_or(1, |axis| bricks[axis as usize]), 1]
    }
}

impl Kernels {
    /// Checks, cuts and plans a contraction.
    pub(crate) fn contract(&self, call: &Contraction<'_>) -> Result<Recording, Error> {
        let shared = call.check()?;
        let (dims, walked, result) = (call.dims(), call.walked as usize, call.results[0]);
        let empty = dims[walked] == 0;
        if empty && call.write == Write::Accumulate {
            // Adding zero is not nothing: it would turn -0 into 0.
            return Ok(Recording::new(call.pass));
        }
        // An empty batch has no operands to bind: the result stands in for them, unread.
        let stand_ins = vec![result; call.operands.len()];
        let operands = if empty { &stand_ins } else { call.operands };
        let mask = call.mask.filter(|_| !empty);
        let mut plan =
            Plan::new(self, call.pass, [operands[0].element, result.element], mask, shared || empty);
        let most = call.most(&plan)?;
        let mut scratch = None;
        for part in call.parts(most) {
            let params = call.params(&plan, &part);
            let walk = plan.walk_in_dispatch(call.walked, &params, call.grid(&params)).min(most[walked]);
            // At least one piece, so that an empty batch writes its zeros.
            let walk: Vec<_> = pieces(dims[walked].max(1), walk)
                .map(|piece| piece.start..piece.end.min(dims[walked]))
                .collect();
            let wide = walk.len() > 1 && result.element != ElementType::F32;
            let rows = result.rows.map_or(0..1, |axis| part[axis as usize].clone());
            let columns = part[result.columns as usize].clone();
            if wide && scratch.is_none() {
                // The first part is the largest.
                let bytes = 4 * u64::from(rows.end - rows.start) * u64::from(dims[result.columns as usize]);
                scratch = Some(self.scratch(bytes)?);
                plan.recording.scratch_bytes = bytes;
            }
            let sums = scratch.as_ref().filter(|_| wide).map(|buffer| {
                Rows::new(buffer.into(), dims[result.columns as usize], 0..rows.end - rows.start, 4)
                    .at_column(columns.start)
            });
            plan.variant.result = if wide { ElementType::F32 } else { result.element };
            for (k, piece) in walk.into_iter().enumerate() {
                let mut ranges = part.clone();
                ranges[walked] = piece;
                let mut params = call.params(&plan, &ranges);
                params.accumulate = u32::from(k > 0 || call.write == Write::Accumulate && !wide);
                let bias = call.bias.tensor().filter(|_| k == 0);
                plan.variant.bias = bias.is_some();
                let bound: Vec<_> =
                    operands.iter().chain(bias).map(|face| face.part(dims, &ranges)).collect();
                let results = match &sums {
                    Some(sums) => vec![sums.clone()],
                    None => call.results.iter().map(|face| face.part(dims, &ranges)).collect(),
                };
                plan.dispatch(params, &bound, &results, call.grid(&params))?;
            }
            if let Some(sums) = sums {
                plan.recording.append(self.round(&sums, result, &part, dims, call.write)?);
            }
        }
        Ok(plan.recording)
    }

    /// Rounds what scratch memory holds of a part of a result into its place.
    fn round(
        &self,
        sums: &Rows<'_>,
        result: Face<'_>,
        part: &[Range<u32>; 3],
        dims: [u32; 3],
        write: Write,
    ) -> Result<Recording, Error> {
        let mut plan = Plan::new(self, Pass::Round, [ElementType::F32, result.element], None, false);
        let stride = dims[result.columns as usize];
        let columns = part[result.columns as usize].clone();
        let first = result.rows.map_or(0, |axis| part[axis as usize].start);
        let size = result.element.size() as u64;
        plan.each_quad([sums.rows.end, columns.end - columns.start], stride, |params, rows, across| {
            params.accumulate = u32::from(write == Write::Accumulate);
            let column = columns.start + across.start;
            let own = Rows { rows: rows.clone(), ..sums.clone() }.at_column(column);
            let rows = first + rows.start..first + rows.end;
            let place = Rows::new(result.argument.tensor, stride, rows, size).at_column(column);
            (vec![own], vec![place])
        })?;
        Ok(plan.recording)
    }

    /// Memory for sums on their way, which only kernels touch.
    pub(super) fn scratch(&self, bytes: u64) -> Result<wgpu::Buffer, Error> {
        zeroed(&self.device, "dropconnect.scratch", bytes, wgpu::BufferUsages::STORAGE)
    }
}
