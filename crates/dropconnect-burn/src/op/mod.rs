//! The operation: what a backend has to provide, and the function that calls it.

mod autodiff;
mod cube;
#[cfg(feature = "flex")]
mod flex;
mod host;

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Shape, Tensor};
use dropconnect::{Bias, ElementType, Mask, Write, call};

use crate::error::expect;
use crate::{Error, device};

/// What all passes of one call share.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The mask.
    pub mask: Mask,
    /// Whether the bias is dropped like a weight.
    pub masked_bias: bool,
    /// Batch, outputs and inputs.
    pub shape: dropconnect::Shape,
}

impl Call {
    fn output(&self) -> Shape {
        Shape::from([self.shape.batch(), self.shape.outputs()])
    }

    fn input(&self) -> Shape {
        Shape::from([self.shape.batch(), self.shape.inputs()])
    }

    /// Burn's layout of a linear layer's weight.
    #[cfg(feature = "fusion")]
    fn weight(&self) -> Shape {
        Shape::from([self.shape.inputs(), self.shape.outputs()])
    }

    fn bias(&self) -> Shape {
        Shape::from([self.shape.outputs()])
    }

    /// A gradient of the weight as the kernels write it.
    fn stored_weight(&self) -> Shape {
        Shape::from([self.shape.outputs(), self.shape.inputs()])
    }
}

/// The library's calls.
impl Call {
    fn forward<T, R>(&self, x: T, weight: T, bias: Option<T>, y: R) -> call::Forward<'_, T, R> {
        let bias = match bias {
            None => Bias::None,
            Some(bias) if self.masked_bias => Bias::Masked(bias),
            Some(bias) => Bias::Plain(bias),
        };
        call::Forward { shape: self.shape, mask: Some(&self.mask), x, weight, bias, y }
    }

    fn input_gradient<T, R>(&self, grad_output: T, weight: T, dx: R) -> call::InputGradient<'_, T, R> {
        let (mask, write) = (Some(&self.mask), Write::Overwrite);
        call::InputGradient { shape: self.shape, mask, grad_output, weight, grad_input: dx, write }
    }

    fn weight_gradient<T, R>(&self, grad_output: T, x: T, dw: R) -> call::WeightGradient<'_, T, R> {
        let (mask, write) = (Some(&self.mask), Write::Overwrite);
        call::WeightGradient { shape: self.shape, mask, grad_output, x, grad_weight: dw, write }
    }

    fn both_gradients<T, R>(
        &self,
        [grad_output, x, weight]: [T; 3],
        [dx, dw]: [R; 2],
    ) -> call::BothGradients<'_, T, R> {
        let (grad_input, grad_weight) = ((dx, Write::Overwrite), (dw, Write::Overwrite));
        let (shape, mask) = (self.shape, Some(&self.mask));
        call::BothGradients { shape, mask, grad_output, x, weight, grad_input, grad_weight }
    }

    fn bias_gradient<T, R>(&self, grad_output: T, grad_bias: R) -> call::BiasGradient<'_, T, R> {
        let (bias_mask, write) = (self.masked_bias.then_some(&self.mask), Write::Overwrite);
        call::BiasGradient { shape: self.shape, bias_mask, grad_output, grad_bias, write }
    }
}

/// The passes of DropConnect on a Burn backend. `x` is `[batch, inputs]` and `weight` `[inputs, outputs]`, as
/// Burn has it.
///
/// Backends and decorators of Burn implement this here. It is public for their sake only.
#[backend_extension(
    Cube,
    Flex: cfg(feature = "flex"),
    Autodiff,
    Fusion: cfg(feature = "fusion")
)]
#[diagnostic::on_unimplemented(
    message = "DropConnect does not know the Burn backend `{Self}`",
    note = "where Burn's `fusion` is on, dropconnect-burn's feature `fusion` has to be on too"
)]
pub trait DropConnectOps: Backend {
    /// Y of a layer without bias.
    #[fusion(dtype = x, shape = call.output())]
    fn drop_connect_forward(x: FloatTensor<Self>, weight: FloatTensor<Self>, call: Call)
    -> FloatTensor<Self>;

    /// Y of a layer with bias.
    #[fusion(dtype = x, shape = call.output())]
    fn drop_connect_forward_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self>;

    /// The gradient of x.
    #[fusion(dtype = grad_output, shape = call.input())]
    fn drop_connect_input_gradient(
        grad_output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self>;

    /// The gradient of the weight, `[inputs, outputs]`.
    #[fusion(dtype = grad_output, shape = call.weight())]
    fn drop_connect_weight_gradient(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self>;

    /// The gradients of x and of the weight, from one drawing of the mask where that is faster.
    #[fusion(meta = |_grad_output, x, weight, _call| (x.clone(), weight.clone()))]
    fn drop_connect_both_gradients(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradient of the bias.
    #[fusion(dtype = grad_output, shape = call.bias())]
    fn drop_connect_bias_gradient(grad_output: FloatTensor<Self>, call: Call) -> FloatTensor<Self>;

    /// The same values, stored as the kernels read them: the weights of one output next to each other.
    #[fusion(dtype = weight, shape = weight)]
    fn drop_connect_layout(weight: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Y = scale * (M ⊙ W)ᵀ x + b with a mask of its own for every example; differentiable in all three tensors.
///
/// `x` is `[batch, inputs]`, `weight` `[inputs, outputs]` and `bias` `[outputs]`, as in
/// [`burn::tensor::module::linear`]. With `masked_bias` the bias is dropped and scaled like a weight. The
/// gradients are taken under the masks of this call; they have no gradients of their own.
///
/// # Panics
/// With the text of the [`Error`] where shapes or element types do not fit, or the device is not attached.
pub fn drop_connect(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    mask: Mask,
    masked_bias: bool,
) -> Tensor<2> {
    expect(try_drop_connect(x, weight, bias, mask, masked_bias))
}

/// The same, with an error where [`drop_connect`] panics before it starts.
///
/// # Errors
/// Where shapes or element types do not fit, or the device is not attached.
pub fn try_drop_connect(
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    mask: Mask,
    masked_bias: bool,
) -> Result<Tensor<2>, Error> {
    let shape = check(&x, &weight, bias.as_ref())?;
    let call = Call { mask, masked_bias, shape };
    let (x, weight) = (x.into_dispatch(), weight.into_dispatch());
    let y = match bias {
        None => <Dispatch as DropConnectOps>::drop_connect_forward(x, weight, call),
        Some(bias) => {
            <Dispatch as DropConnectOps>::drop_connect_forward_biased(x, weight, bias.into_dispatch(), call)
        }
    };
    Ok(Tensor::from_dispatch(y))
}

/// See [`DropConnectOps::drop_connect_layout`].
pub(crate) fn layout(weight: Tensor<2>) -> Tensor<2> {
    Tensor::from_dispatch(<Dispatch as DropConnectOps>::drop_connect_layout(weight.into_dispatch()))
}

/// The call's shape, if its tensors fit each other and the kernels can run where they are.
fn check(x: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Result<dropconnect::Shape, Error> {
    let [batch, inputs] = x.dims();
    let [weight_inputs, outputs] = weight.dims();
    if weight_inputs != inputs {
        let (actual, expected) = (vec![batch, inputs], vec![batch, weight_inputs]);
        return Err(Error::Shape { argument: "x", actual, expected });
    }
    if let Some(bias) = bias
        && bias.dims() != [outputs]
    {
        let actual = bias.dims().to_vec();
        return Err(Error::Shape { argument: "bias", actual, expected: vec![outputs] });
    }
    can_run(x, weight, bias)?;
    Ok(dropconnect::Shape::new(batch, outputs, inputs)?)
}

/// Whether the tensors are in one place, the kernels run there, and have their element types.
pub(crate) fn can_run<const D: usize, const E: usize>(
    x: &Tensor<D>,
    weight: &Tensor<E>,
    bias: Option<&Tensor<1>>,
) -> Result<(), Error> {
    let device = x.device();
    let others = [Some(("weight", weight.device())), bias.map(|bias| ("bias", bias.device()))];
    if let Some((argument, actual)) =
        others.into_iter().flatten().find(|(_, other)| !device::same(&device, other))
    {
        // One queue cannot take another's buffers, and wgpu may not notice.
        let (actual, expected) = (format!("{actual:?}"), format!("{device:?}"));
        return Err(Error::MixedDevices { argument, actual, expected });
    }
    device::ready(&device)?;
    let expected = x.dtype();
    element_type("x", expected)?;
    let others = [Some(("weight", weight.dtype())), bias.map(|bias| ("bias", bias.dtype()))];
    match others.into_iter().flatten().find(|(_, actual)| *actual != expected) {
        Some((argument, actual)) => Err(Error::MixedElementTypes { argument, actual, expected }),
        None => Ok(()),
    }
}

/// How a tensor of this type lies in memory.
fn element_type(argument: &'static str, dtype: DType) -> Result<ElementType, Error> {
    match dtype {
        // Flex32 is stored as f32; only Burn's own arithmetic may be less precise.
        DType::F32 | DType::Flex32 => Ok(ElementType::F32),
        DType::F16 => Ok(ElementType::F16),
        DType::BF16 => Ok(ElementType::BF16),
        actual => Err(Error::ElementType { argument, actual }),
    }
}
