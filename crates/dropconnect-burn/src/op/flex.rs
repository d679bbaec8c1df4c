//! The operation on Burn's CPU backend.

use burn::backend::Flex;
use burn::backend::tensor::FloatTensor;

use super::{Call, DropConnectOps, host};

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
        host::weight_gradient::<Self>(grad_output, x, call)
    }

    fn drop_connect_both_gradients(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        host::both_gradients::<Self>(grad_output, x, weight, call)
    }

    fn drop_connect_bias_gradient(grad_output: FloatTensor<Self>, call: Call) -> FloatTensor<Self> {
        host::bias_gradient::<Self>(grad_output, call)
    }

    fn drop_connect_layout(weight: FloatTensor<Self>) -> FloatTensor<Self> {
        // The host passes read a copy in their own order in any case.
        weight
    }
}
