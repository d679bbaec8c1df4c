//! `dropconnect_torch._native`: the calls of `dropconnect::cpu` on NumPy arrays, without copies and without the GIL.
//!
//! `python/dropconnect_torch/_native.pyi` says what Python sees. Results are written into arrays of the caller's.

mod arguments;

use arguments::{Named, elements, elements_mut, refusal, shape};
use dropconnect::call::{BiasGradient, BothGradients, Forward, InputGradient, WeightGradient};
use dropconnect::{Bias, Error, Mask, Write, cpu};
use numpy::PyUntypedArrayMethods;
use pyo3::prelude::*;

type Any<'a, 'py> = &'a Bound<'py, PyAny>;

/// Computes with so many `threads`, other Python threads running meanwhile. They may write to the arrays of the call,
/// as with any NumPy function; borrows keep other calls of this module from it.
fn compute(
    py: Python<'_>,
    threads: Any<'_, '_>,
    call: impl FnOnce() -> Result<(), Error> + Send,
) -> PyResult<()> {
    let threads = Named("threads", threads).word()? as usize;
    py.detach(|| cpu::with_threads(threads, call)?).map_err(refusal)
}

/// The mask of a call; of no key, none: evaluation.
fn optional_mask(
    key: Option<Any<'_, '_>>,
    p: Any<'_, '_>,
    sharing: Any<'_, '_>,
    sample_origin: Any<'_, '_>,
) -> PyResult<Option<Mask>> {
    key.map(|key| arguments::mask(key, p, sharing, sample_origin)).transpose()
}

/// How many threads calls are to have where nobody says.
#[pyfunction]
fn default_threads() -> PyResult<usize> {
    cpu::default_threads().map_err(refusal)
}

/// The inverse of the keep probability that masks of p have.
#[pyfunction]
fn scale(p: Any<'_, '_>) -> PyResult<f64> {
    Ok(Named("p", p).probability()?.scale())
}

/// What decides the masks of p: the threshold T and the number of bits, of which those below T are kept.
#[pyfunction]
fn threshold(p: Any<'_, '_>) -> PyResult<(u32, u32)> {
    let p = Named("p", p).probability()?;
    Ok((p.threshold(), p.bits()))
}

/// The words of the generator's key.
#[pyfunction]
fn generator_key(key: Any<'_, '_>) -> PyResult<(u32, u32)> {
    let [first, second] = arguments::key(key)?.words();
    Ok((first, second))
}

/// Writes the mask `[batch, outputs, inputs]`: 1 is kept.
#[pyfunction]
fn mask(
    py: Python<'_>,
    out: Any<'_, '_>,
    key: Any<'_, '_>,
    p: Any<'_, '_>,
    sharing: Any<'_, '_>,
    sample_origin: Any<'_, '_>,
    threads: Any<'_, '_>,
) -> PyResult<()> {
    let mask = arguments::mask(key, p, sharing, sample_origin)?;
    let mut out = Named("out", out).write::<u8>(3)?;
    let shape = shape(out.shape()[0], out.shape()[1], out.shape()[2])?;
    let out = elements_mut("out", &mut out)?;
    compute(py, threads, || cpu::mask(&shape, &mask, out))
}

/// Writes Y.
#[pyfunction]
#[expect(
    clippy::too_many_arguments,
    reason = "positional, since parsing keywords costs as much as a small call"
)]
fn forward(
    py: Python<'_>,
    input: Any<'_, '_>,
    weight: Any<'_, '_>,
    bias: Option<Any<'_, '_>>,
    out: Any<'_, '_>,
    key: Option<Any<'_, '_>>,
    p: Any<'_, '_>,
    sharing: Any<'_, '_>,
    sample_origin: Any<'_, '_>,
    threads: Any<'_, '_>,
) -> PyResult<()> {
    let mask = optional_mask(key, p, sharing, sample_origin)?;
    let x = Named("input", input).read::<f32>(2)?;
    let w = Named("weight", weight).read::<f32>(2)?;
    let shape = shape(x.shape()[0], w.shape()[0], x.shape()[1])?;
    Named("weight", weight).expect_shape(w.shape(), &[shape.outputs(), shape.inputs()])?;
    let b = bias.map(|bias| Named("bias", bias).read_of::<f32>(&[shape.outputs()])).transpose()?;
    let mut y = Named("out", out).write_of::<f32>(&[shape.batch(), shape.outputs()])?;
    let bias = match &b {
        Some(b) => Bias::Plain(elements("bias", b)?),
        None => Bias::None,
    };
    let call = Forward {
        shape,
        mask: mask.as_ref(),
        x: elements("input", &x)?,
        weight: elements("weight", &w)?,
        bias,
        y: elements_mut("out", &mut y)?,
    };
    compute(py, threads, || cpu::run(call))
}

/// Writes dX.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "as `forward`")]
fn input_gradient(
    py: Python<'_>,
    grad_output: Any<'_, '_>,
    weight: Any<'_, '_>,
    grad_input: Any<'_, '_>,
    key: Option<Any<'_, '_>>,
    p: Any<'_, '_>,
    sharing: Any<'_, '_>,
    sample_origin: Any<'_, '_>,
    threads: Any<'_, '_>,
) -> PyResult<()> {
    let mask = optional_mask(key, p, sharing, sample_origin)?;
    let g = Named("grad_output", grad_output).read::<f32>(2)?;
    let w = Named("weight", weight).read::<f32>(2)?;
    let shape = shape(g.shape()[0], g.shape()[1], w.shape()[1])?;
    Named("weight", weight).expect_shape(w.shape(), &[shape.outputs(), shape.inputs()])?;
    let mut dx = Named("grad_input", grad_input).write_of::<f32>(&[shape.batch(), shape.inputs()])?;
    let call = InputGradient {
        shape,
        mask: mask.as_ref(),
        grad_output: elements("grad_output", &g)?,
        weight: elements("weight", &w)?,
        grad_input: elements_mut("grad_input", &mut dx)?,
        write: Write::Overwrite,
    };
    compute(py, threads, || cpu::run(call))
}

/// Writes dW.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "as `forward`")]
fn weight_gradient(
    py: Python<'_>,
    grad_output: Any<'_, '_>,
    input: Any<'_, '_>,
    grad_weight: Any<'_, '_>,
    key: Option<Any<'_, '_>>,
    p: Any<'_, '_>,
    sharing: Any<'_, '_>,
    sample_origin: Any<'_, '_>,
    threads: Any<'_, '_>,
) -> PyResult<()> {
    let mask = optional_mask(key, p, sharing, sample_origin)?;
    let g = Named("grad_output", grad_output).read::<f32>(2)?;
    let x = Named("input", input).read::<f32>(2)?;
    let shape = shape(g.shape()[0], g.shape()[1], x.shape()[1])?;
    Named("input", input).expect_shape(x.shape(), &[shape.batch(), shape.inputs()])?;
    let mut dw = Named("grad_weight", grad_weight).write_of::<f32>(&[shape.outputs(), shape.inputs()])?;
    let call = WeightGradient {
        shape,
        mask: mask.as_ref(),
        grad_output: elements("grad_output", &g)?,
        x: elements("input", &x)?,
        grad_weight: elements_mut("grad_weight", &mut dw)?,
        write: Write::Overwrite,
    };
    compute(py, threads, || cpu::run(call))
}

/// Writes dX and dW, from one drawing of the mask where that is faster.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "as `forward`")]
fn both_gradients(
    py: Python<'_>,
    grad_output: Any<'_, '_>,
    input: Any<'_, '_>,
    weight: Any<'_, '_>,
    grad_input: Any<'_, '_>,
    grad_weight: Any<'_, '_>,
    key: Option<Any<'_, '_>>,
    p: Any<'_, '_>,
    sharing: Any<'_, '_>,
    sample_origin: Any<'_, '_>,
    threads: Any<'_, '_>,
) -> PyResult<()> {
    let mask = optional_mask(key, p, sharing, sample_origin)?;
    let g = Named("grad_output", grad_output).read::<f32>(2)?;
    let x = Named("input", input).read::<f32>(2)?;
    let w = Named("weight", weight).read::<f32>(2)?;
    let shape = shape(g.shape()[0], g.shape()[1], x.shape()[1])?;
    Named("input", input).expect_shape(x.shape(), &[shape.batch(), shape.inputs()])?;
    Named("weight", weight).expect_shape(w.shape(), &[shape.outputs(), shape.inputs()])?;
    let mut dx = Named("grad_input", grad_input).write_of::<f32>(&[shape.batch(), shape.inputs()])?;
    let mut dw = Named("grad_weight", grad_weight).write_of::<f32>(&[shape.outputs(), shape.inputs()])?;
    let call = BothGradients {
        shape,
        mask: mask.as_ref(),
        grad_output: elements("grad_output", &g)?,
        x: elements("input", &x)?,
        weight: elements("weight", &w)?,
        grad_input: (elements_mut("grad_input", &mut dx)?, Write::Overwrite),
        grad_weight: (elements_mut("grad_weight", &mut dw)?, Write::Overwrite),
    };
    compute(py, threads, || cpu::run(call))
}

/// Writes db: the bias is not masked.
#[pyfunction]
fn bias_gradient(
    py: Python<'_>,
    grad_output: Any<'_, '_>,
    grad_bias: Any<'_, '_>,
    threads: Any<'_, '_>,
) -> PyResult<()> {
    let g = Named("grad_output", grad_output).read::<f32>(2)?;
    let shape = shape(g.shape()[0], g.shape()[1], 1)?;
    let mut db = Named("grad_bias", grad_bias).write_of::<f32>(&[shape.outputs()])?;
    let call = BiasGradient {
        shape,
        bias_mask: None,
        grad_output: elements("grad_output", &g)?,
        grad_bias: elements_mut("grad_bias", &mut db)?,
        write: Write::Overwrite,
    };
    compute(py, threads, || cpu::run(call))
}

/// The instruction set of this processor that the calls use.
#[pyfunction]
fn instruction_set() -> &'static str {
    cpu::Backend::detect().name()
}

#[pymodule]
mod _native {
    #[pymodule_export]
    use super::{
        bias_gradient, both_gradients, default_threads, forward, generator_key, input_gradient,
        instruction_set, mask, scale, threshold, weight_gradient,
    };
}
