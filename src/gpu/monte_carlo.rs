//! Many masks in one launch. Shader: `shaders/monte_carlo.wgsl`.

use super::Kernels;
use super::allocate::initialised;
use super::contract::Contraction;
use super::faces::{Axis, Face};
use super::plan::{Plan, Rows, pieces};
use super::recording::{Draws, Recording, pass_keys};
use super::shader::Pass;
use super::tensor::Tensor;
use crate::{Bias, ElementType, Error, Mask, Shape, Write};

/// Arguments of [`Kernels::monte_carlo`].
#[derive(Clone, Copy, Debug)]
pub struct MonteCarlo<'a> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How X, W and b are stored.
    pub element: ElementType,
    /// The mask of the step; pass t draws [`Mask::pass`]`(t)`.
    pub mask: &'a Mask,
    /// Number of passes, 1 to 65,536.
    pub passes: u32,
    /// X, `[batch, inputs]`.
    pub x: Tensor<'a>,
    /// W, `[outputs, inputs]`.
    pub weight: Tensor<'a>,
    /// b, `[outputs]`.
    pub bias: Bias<Tensor<'a>>,
    /// The mean of Y over the passes, `[batch, outputs]`, always f32: overwritten.
    pub mean: Tensor<'a>,
    /// Its unbiased variance, `[batch, outputs]`, always f32: overwritten. Zero for a single pass.
    pub variance: Tensor<'a>,
}

impl Kernels {
    /// Mean and variance of Y over many masks: as many forward passes in one launch, with Welford's update
    /// in place. Memory besides the results is 8 bytes a pass.
    ///
    /// Passes that take more than one dispatch may hold ([`Tuning::iterations`](super::Tuning::iterations)) are
    /// taken in several, which go on where the last one ended. Where not even one pass fits, its outputs go through
    /// scratch memory in f32, `[batch, outputs]`.
    ///
    /// # Errors
    /// As [`Kernels::forward`]; [`Error::Count`] for the number of passes.
    pub fn monte_carlo(&self, call: &MonteCarlo) -> Result<Recording, Error> {
        const MOST_PASSES: u32 = 1 << 16;
        let MonteCarlo { shape, element, mask, passes, .. } = *call;
        if !(1..=MOST_PASSES).contains(&passes) {
            return Err(Error::Count { argument: "passes", value: passes, least: 1, most: MOST_PASSES });
        }
        let launch = Contraction {
            pass: Pass::MonteCarlo,
            shape,
            mask: Some(mask),
            operands: &[Face::input("x", call.x, element), Face::weight("weight", call.weight, element)],
            bias: call.bias.map(|bias| Face::bias("bias", bias, element)),
            results: &[
                Face::output("mean", call.mean, ElementType::F32),
                Face::output("variance", call.variance, ElementType::F32),
            ],
            walked: Axis::Input,
            write: Write::Overwrite,
            scale: None,
        };
        let shared = launch.check()?;
        match self.launch(&launch, passes, shared)? {
            Some(recording) => Ok(recording),
            None => self.pass_by_pass(&launch, passes),
        }
    }

    /// Some passes in each dispatch; `None` where a dispatch does not hold one.
    fn launch(&self, call: &Contraction<'_>, passes: u32, shared: bool) -> Result<Option<Recording>, Error> {
        let (Some(mask), dims) = (call.mask, call.dims()) else { return Ok(None) };
        let elements = [call.operands[0].element, ElementType::F32];
        let mut plan = Plan::new(self, Pass::MonteCarlo, elements, Some(mask), shared);
        plan.variant.bias = call.bias.tensor().is_some();
        // The kernel finds its masks through the keys.
        plan.draws = Draws::Nothing;
        let most = call.most(&plan)?;
        if most[Axis::Input as usize] < dims[Axis::Input as usize] {
            return Ok(None);
        }
        let keys = pass_keys(mask.key, passes);
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST;
        let keys =
            initialised(&self.device, "dropconnect.monte_carlo.keys", bytemuck::cast_slice(&keys), usage)?;
        let key_bytes = size_of::<[u32; 2]>() as u64;
        let most_keys = plan.rows_of_bytes_in_binding("keys", key_bytes)?;
        for part in call.parts(most) {
            let mut params = call.params(&plan, &part);
            let most_passes = plan.passes_in_dispatch(&params, call.grid(&params)).min(most_keys);
            if most_passes == 0 {
                return Ok(None);
            }
            for piece in pieces(passes, most_passes) {
                (params.first_pass, params.passes) = (piece.start, piece.end - piece.start);
                let mut bound: Vec<_> = call
                    .operands
                    .iter()
                    .chain(call.bias.tensor())
                    .map(|face| face.part(dims, &part))
                    .collect();
                bound.push(Rows::new((&keys).into(), 1, piece, key_bytes));
                let results: Vec<_> = call.results.iter().map(|face| face.part(dims, &part)).collect();
                plan.dispatch(params, &bound, &results, call.grid(&params))?;
            }
        }
        plan.recording.pass_keys = Some((keys, passes));
        Ok(Some(plan.recording))
    }

    /// A forward pass and an update for each.
    fn pass_by_pass(&self, call: &Contraction<'_>, passes: u32) -> Result<Recording, Error> {
        let mut recording = Recording::new(Pass::MonteCarlo);
        let Some(mask) = call.mask else { return Ok(recording) };
        let [batch, outputs, _] = call.dims();
        let bytes = 4 * u64::from(batch) * u64::from(outputs);
        if bytes == 0 {
            return Ok(recording);
        }
        let y = self.scratch(bytes)?;
        recording.scratch_bytes = bytes;
        let y = Face::output("y", (&y).into(), ElementType::F32);
        let [mean, variance] = [0, 1].map(|at| call.results[at].argument.tensor);
        for pass in 0..passes {
            let mut forward = self.contract(&Contraction {
                pass: Pass::Forward,
                mask: Some(&mask.pass(pass)),
                results: &[y],
                shape: call.shape,
                operands: call.operands,
                bias: call.bias,
                walked: call.walked,
                write: call.write,
                scale: call.scale,
            })?;
            for dispatch in &mut forward.dispatches {
                if let Draws::Masks(rounds) = dispatch.draws {
                    dispatch.draws = Draws::Pass(pass, rounds);
                }
            }
            recording.append(forward);
            let mut plan = Plan::new(self, Pass::Update, [ElementType::F32; 2], None, false);
            let most_rows = plan.rows_in_binding("mean", outputs, ElementType::F32)?;
            for rows in pieces(batch, most_rows) {
                plan.each_quad([rows.end - rows.start, outputs], outputs, |params, down, across| {
                    params.first_pass = pass;
                    let down = rows.start + down.start..rows.start + down.end;
                    let at = |tensor| Rows::new(tensor, outputs, down.clone(), 4).at_column(across.start);
                    (vec![at(y.argument.tensor)], vec![at(mean), at(variance)])
                })?;
            }
            recording.append(plan.recording);
        }
        Ok(recording)
    }
}
