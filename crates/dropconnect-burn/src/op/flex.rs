//! The operation on Burn's CPU backend.

use std::ops::Deref;

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::{Call, DropConnectOps, host};

/// The elements of a tensor: itself, where they lie in order and in f32.
pub(super) enum Values {
    InPlace(FloatTensor<Flex>),
    Copied(Vec<f32>),
}

impl Deref for Values {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::InPlace(tensor) => tensor.as_slice().expect("`values` looked"),
            Self::Copied(values) => values,
        }
    }
}

impl host::Host for Flex {
    type Values = Values;

    fn values(tensor: FloatTensor<Self>) -> Values {
        if tensor.as_slice::<f32>().is_some() {
            Values::InPlace(tensor)
        } else {
            Values::Copied(host::copied::<Self>(tensor))
        }
    }
}

impl DropConnectOps for Flex {
    fn drop_connect_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        host::forward::<Self>(x, weight, None, call)
    }

    fn drop_connect_forward_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        host::forward::<Self>(x, weight, Some(bias), call)
    }

    fn drop_connect_input_gradient(
        grad_output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        host::input_gradient::<Self>(grad_output, weight, call)
    }

    fn drop_connect_weight_gradient(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        in_order(host::weight_gradient::<Self>(grad_output, x, call))
    }

    fn drop_connect_both_gradients(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (dx, dw) = host::both_gradients::<Self>(grad_output, x, weight, call);
        (dx, in_order(dw))
    }

    fn drop_connect_bias_gradient(grad_output: FloatTensor<Self>, call: Call) -> FloatTensor<Self> {
        host::bias_gradient::<Self>(grad_output, call)
    }

    fn drop_connect_layout(weight: FloatTensor<Self>) -> FloatTensor<Self> {
        // The passes turn it around in any case: Burn's optimizers would undo another order.
        weight
    }
}

/// The gradient of a weight in the order of the weight. Burn transposes as fast as memory allows, but optimizers would
/// look up every element of a transposed tensor.
fn in_order(gradient: FloatTensor<Flex>) -> FloatTensor<Flex> {
    gradient.to_contiguous()
}
