//! The passes that sum along an axis of the box: checked, cut into dispatches that fit the device, and planned.
//!
//! A dispatch is limited along each axis: by what a binding holds, by the workgroups of a grid, by the connections
//! it may decide, and along the reduction axis by the iterations it may make
//! ([`Tuning`](crate::gpu::Tuning) says why). Along the two axes of the result, pieces are independent. Pieces of the
//! reduction axis add up in the result, in f32; a result of 16 bits adds up in scratch memory, and is rounded once.
//! There very many pieces of an f32 add up, too, so many at a time.

use std::ops::Range;

use super::dispatch::Plan;
use super::purpose::Purpose;
use super::rows::{Rows, pieces};
use super::tensor::Tensor;
use crate::call::{Axis, Call, Kind, Operand, Operands};
use crate::gpu::run::kernels::Kernels;
use crate::gpu::run::recording::Recording;
use crate::gpu::shader::params::Params;
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::SHORT_TERMS;
use crate::{Bias, ElementType, Error, Write, fenv};

/// Scratch memory of a call takes no more bytes than this, or one row.
const SCRATCH_BYTES: u64 = 64 << 20;
/// Bytes that are bound for an operand which is not there: what a kernel loads at a time.
const STAND_IN: u64 = 16;
/// Pieces of the reduction axis that add up in one f32, where more of them keep fewer digits of each.
const MOST_PIECES: usize = 256;
/// No axis is cut into smaller pieces than this to bound the connections of a dispatch.
const LEAST_PIECE: u64 = 64;

/// A pass that multiplies two faces of the box and sums along the axis they share, or sums up one face.
pub(crate) struct Contraction<'c, 't> {
    pub pass: Pass,
    /// With one result, or two of the same extent in f32.
    pub tensors: Operands<'c, Tensor<'t>, Tensor<'t>>,
    pub write: Write,
    /// What sums are multiplied with, where that is not the mask's scale.
    pub scale: Option<f32>,
    pub purpose: Purpose,
    /// The reduction axis.
    pub axis: Axis,
}

impl<'c, 't> Contraction<'c, 't> {
    /// The contraction that a call is: those with a reduction axis are.
    pub(crate) fn of(call: &Call<'c, Tensor<'t>, Tensor<'t>>, purpose: Purpose) -> Option<Self> {
        let bias = call.bias() != Bias::None;
        let pass = match call.kind() {
            Kind::Forward => Pass::Forward { bias },
            Kind::InputGradient => Pass::InputGradient,
            Kind::WeightGradient => Pass::WeightGradient,
            Kind::BiasGradient => Pass::BiasGradient,
            Kind::Moments => Pass::Moments { bias },
            Kind::MonteCarlo => Pass::MonteCarlo { bias },
            Kind::BothGradients | Kind::Activation | Kind::Predictive => return None,
        };
        let tensors = call.operands();
        let axis = tensors.reduction()?;
        let scale = match call {
            Call::Moments(call) => Some(fenv::with_default(|| call.probability.spread() as f32)),
            _ => None,
        };
        Some(Self { pass, tensors, write: call.write(), scale, purpose, axis })
    }

    /// Checks all arguments. Whether a result shares its buffer with an operand.
    pub(crate) fn check(&self) -> Result<bool, Error> {
        let element = self.tensors.element();
        let one = if self.tensors.results.len() == 1 { element } else { ElementType::F32 };
        self.purpose.check(&self.tensors, element, [one, ElementType::F32])
    }

    /// How much of each axis one dispatch covers at most.
    pub(crate) fn most(&self, plan: &Plan) -> Result<[u32; 3], Error> {
        let (dims, result) = (self.tensors.dims(), self.tensors.results[0]);
        let mut most = dims.map(|length| length.max(1));
        let mut limit = |axis: Axis, limit: u32| most[axis as usize] = most[axis as usize].min(limit);
        let [rows, columns] =
            plan.extent_in_dispatch([result.rows.map_or(1, Axis::brick), result.columns.brick()]);
        limit(result.columns, columns);
        if let Some(axis) = result.rows {
            limit(axis, rows);
        }
        for face in self.tensors.operands.iter().chain(&self.tensors.results) {
            let row = dims[face.columns as usize];
            let rows = plan.rows_in_binding(face.name, row, face.tensor.element)?;
            if let Some(axis) = face.rows {
                limit(axis, rows);
            }
        }
        if let (Some(axis), true) = (result.rows, result.tensor.element != ElementType::F32) {
            let row = dims[result.columns as usize];
            limit(axis, plan.rows_in_binding(result.name, row, ElementType::F32)?);
            limit(axis, (SCRATCH_BYTES / (4 * u64::from(row))).max(1) as u32);
        }
        // Pieces along the result cost nothing, those of the reduction axis an addition each: they come last.
        let axes: Vec<_> =
            [result.rows, Some(result.columns), Some(self.axis)].into_iter().flatten().collect();
        for &axis in &axes {
            let others = axes.iter().filter(|&&other| other != axis).map(|&other| most[other as usize]);
            let others: u64 = others.map(u64::from).fold(1, u64::saturating_mul);
            let fits = (plan.connections_in_dispatch() / others).max(LEAST_PIECE);
            most[axis as usize] = fits.min(most[axis as usize].into()) as u32;
        }
        Ok(most)
    }

    /// The pieces of the result that are summed up one after the other, as ranges of the axes; that of the
    /// reduction axis is whole.
    pub(crate) fn parts(&self, most: [u32; 3]) -> Vec<[Range<u32>; 3]> {
        let (dims, result) = (self.tensors.dims(), self.tensors.results[0]);
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
        let dims = self.tensors.dims();
        let mut params = plan.params(
            ranges.each_ref().map(|range| range.start),
            ranges.each_ref().map(|range| range.end - range.start),
        );
        if dims[Axis::Input as usize] == 0 {
            params.input_shift = 0;
        }
        [_, params.output_stride, params.input_stride] = dims;
        params.masked_bias = u32::from(matches!(self.tensors.bias, Bias::Masked(())));
        if let Some(scale) = self.scale {
            params.scale = scale;
        }
        params
    }

    /// The bricks of the result in such a dispatch, along columns, rows and depth.
    pub(crate) fn grid(&self, params: &Params) -> [u32; 3] {
        let bricks = params.bricks();
        let result = self.tensors.results[0];
        [bricks[result.columns as usize], result.rows.map_or(1, |axis| bricks[axis as usize]), 1]
    }
}

impl Kernels {
    /// Checks, cuts and plans a call that is a contraction.
    pub(crate) fn contract(
        &self,
        call: &Call<'_, Tensor<'_>, Tensor<'_>>,
        purpose: Purpose,
    ) -> Result<Recording, Error> {
        let call = &Contraction::of(call, purpose).expect("a call with a reduction axis");
        let shared = call.check()?;
        let (tensors, result) = (&call.tensors, call.tensors.results[0]);
        let (dims, axis) = (tensors.dims(), call.axis);
        let reduction = axis as usize;
        let empty = dims[reduction] == 0;
        if empty && call.write == Write::Accumulate {
            // Adding zero is not nothing: it would turn -0 into 0.
            return Ok(Recording::new(call.pass));
        }
        // An empty batch has no operands to bind: a few bytes stand in for them, unread.
        let nothing = empty.then(|| call.purpose.scratch(self, STAND_IN)).transpose()?;
        let mask = tensors.mask.filter(|_| !empty);
        let stored = result.tensor.element;
        let mut plan = Plan::new(self, call.pass, [tensors.element(), stored], mask, shared);
        plan.purpose = call.purpose;
        plan.long = dims[reduction] > SHORT_TERMS;
        let most = call.most(&plan)?;
        let mut scratch = None;
        for part in call.parts(most) {
            let params = call.params(&plan, &part);
            let length = plan.reduction_in_dispatch(axis, &params, call.grid(&params)).min(most[reduction]);
            // At least one piece, so that an empty batch writes its zeros.
            let cuts: Vec<_> = pieces(dims[reduction].max(1), length)
                .map(|piece| piece.start..piece.end.min(dims[reduction]))
                .collect();
            let rows = result.rows.map_or(0..1, |axis| part[axis as usize].clone());
            let columns = part[result.columns as usize].clone();
            let bytes = 4 * u64::from(rows.end - rows.start) * u64::from(dims[result.columns as usize]);
            let (last, narrow) = (cuts.len() - 1, stored != ElementType::F32);
            let far = cuts.len() > MOST_PIECES && tensors.results.len() == 1 && bytes <= SCRATCH_BYTES;
            // After how many pieces scratch memory goes to the result.
            let most_pieces = if far && !narrow { MOST_PIECES } else { cuts.len() };
            let wide = last > 0 && narrow || most_pieces <= last;
            if wide && scratch.is_none() {
                // The first part is the largest.
                scratch = Some(call.purpose.scratch(self, bytes)?);
                plan.recording.scratch_bytes = bytes;
            }
            let sums = scratch.as_ref().filter(|_| wide).map(|buffer| {
                let tensor = Tensor::new(buffer, ElementType::F32);
                Rows::new(tensor, dims[result.columns as usize], 0..rows.end - rows.start)
                    .at_column(columns.start)
            });
            plan.variant.result = if wide { ElementType::F32 } else { stored };
            for (k, piece) in cuts.into_iter().enumerate() {
                let mut ranges = part.clone();
                ranges[reduction] = piece;
                let mut params = call.params(&plan, &ranges);
                let first = k % most_pieces == 0;
                params.accumulate = u32::from(!first || call.write == Write::Accumulate && !wide);
                let (operands, bias) = tensors.split_bias();
                let bias = bias.filter(|_| k == 0);
                plan.variant.pass = call.pass.with_bias(bias.is_some());
                let operands = operands.iter().chain(bias);
                let bound: Vec<_> = match &nothing {
                    Some(buffer) => operands.map(|_| Rows::of_bytes(buffer, 0, 1, 0..1, STAND_IN)).collect(),
                    None => operands.map(|face| face.part(dims, &ranges)).collect(),
                };
                let results = match &sums {
                    Some(sums) => vec![sums.clone()],
                    None => tensors.results.iter().map(|face| face.part(dims, &ranges)).collect(),
                };
                plan.dispatch(params, &bound, &results, call.grid(&params))?;
                if let Some(sums) = sums.as_ref().filter(|_| k == last || (k + 1) % most_pieces == 0) {
                    let write = if k < most_pieces { call.write } else { Write::Accumulate };
                    plan.recording.append(self.round(sums, result, &part, dims, (write, call.purpose))?);
                }
            }
        }
        plan.finish()
    }

    /// Rounds what scratch memory holds of a part of a result into it, or adds it there.
    fn round(
        &self,
        sums: &Rows<'_>,
        result: Operand<Tensor<'_>>,
        part: &[Range<u32>; 3],
        dims: [u32; 3],
        (write, purpose): (Write, Purpose),
    ) -> Result<Recording, Error> {
        let mut plan = Plan::new(self, Pass::Round, [ElementType::F32, result.tensor.element], None, false);
        plan.purpose = purpose;
        let stride = dims[result.columns as usize];
        let columns = part[result.columns as usize].clone();
        let first = result.rows.map_or(0, |axis| part[axis as usize].start);
        plan.each_quad([sums.rows.end, columns.end - columns.start], stride, |params, rows, across| {
            params.accumulate = u32::from(write == Write::Accumulate);
            let column = columns.start + across.start;
            let mut own = sums.clone().at_column(column);
            own.rows = rows.clone();
            let rows = first + rows.start..first + rows.end;
            let target = Rows::new(result.tensor, stride, rows).at_column(column);
            (vec![own], vec![target])
        })?;
        // The call that these are part of looks whether the device is there.
        Ok(plan.recording)
    }
}

impl<'t> Operand<Tensor<'t>> {
    /// What a dispatch that covers these ranges of the axes binds of it: whole rows.
    pub(crate) fn part(&self, dims: [u32; 3], ranges: &[Range<u32>; 3]) -> Rows<'t> {
        let columns = self.columns as usize;
        let rows = self.rows.map_or(0..1, |axis| ranges[axis as usize].clone());
        Rows::new(self.tensor, dims[columns], rows).at_column(ranges[columns].start)
    }
}
