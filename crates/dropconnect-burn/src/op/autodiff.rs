//! Backward: which gradients are asked for, and what is kept for them. That is x and the weight, never a mask.

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend};

use super::{Call, DropConnectOps};

/// The backward step, with or without a bias among its `N` parents.
#[derive(Debug)]
struct DropConnectBackward<const N: usize>;

/// The call, and where Burn keeps x and the weight. Burn counts them as uses of the originals, so that its
/// activation checkpointing may drop and recompute them; the mask is the same however often that happens.
type State = (Call, Option<NodeId>, Option<NodeId>);

impl<B: DropConnectOps, const N: usize> Backward<B, N> for DropConnectBackward<N> {
    type State = State;

    fn backward(self, ops: Ops<State, N>, grads: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (call, x, weight) = ops.state;
        let grad_output = grads.consume::<B>(&ops.node);
        let mut parents = ops.parents.into_iter();
        let mut next = || parents.next().flatten();
        let (x_node, weight_node, bias_node) = (next(), next(), next());

        let weight = weight.map(|weight| checkpointer.retrieve_node_output::<FloatTensor<B>>(weight));
        let x = x.map(|x| checkpointer.retrieve_node_output::<FloatTensor<B>>(x));
        match (x_node.zip(weight), weight_node.zip(x)) {
            (Some((x_node, weight)), Some((weight_node, x))) => {
                let (dx, dw) = B::drop_connect_both_gradients(grad_output.clone(), x, weight, call);
                grads.register::<B>(x_node.id, dx);
                grads.register::<B>(weight_node.id, dw);
            }
            (Some((node, weight)), None) => {
                let gradient = B::drop_connect_input_gradient(grad_output.clone(), weight, call);
                grads.register::<B>(node.id, gradient);
            }
            (None, Some((node, x))) => {
                let gradient = B::drop_connect_weight_gradient(grad_output.clone(), x, call);
                grads.register::<B>(node.id, gradient);
            }
            (None, None) => {}
        }
        if let Some(node) = bias_node {
            grads.register::<B>(node.id, B::drop_connect_bias_gradient(grad_output, call));
        }
    }
}

/// Runs the forward pass and notes its backward step, where any parent asks for a gradient.
fn record<B: DropConnectOps, C: CheckpointStrategy, const N: usize>(
    parents: [NodeGuard; N],
    x: FloatTensor<Autodiff<B, C>>,
    weight: FloatTensor<Autodiff<B, C>>,
    call: Call,
    forward: impl FnOnce(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B>,
) -> FloatTensor<Autodiff<B, C>> {
    // The weight is for the gradient of x, and the other way round.
    let (keep_x, keep_weight) = (weight.is_tracked(), x.is_tracked());
    let prepared = Backward::<B, N>::prepare::<C>(DropConnectBackward::<N>, parents);
    match prepared.compute_bound().stateful() {
        OpsKind::Tracked(mut prep) => {
            let kept_x = keep_x.then(|| prep.checkpoint(&x));
            let kept_weight = keep_weight.then(|| prep.checkpoint(&weight));
            prep.finish((call, kept_x, kept_weight), forward(x.into_primitive(), weight.into_primitive()))
        }
        OpsKind::UnTracked(prep) => prep.finish(forward(x.into_primitive(), weight.into_primitive())),
    }
}

impl<B: DropConnectOps, C: CheckpointStrategy> DropConnectOps for Autodiff<B, C> {
    fn drop_connect_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        let parents = [x.node(), weight.node()];
        record::<B, C, 2>(parents, x, weight, call, |x, weight| B::drop_connect_forward(x, weight, call))
    }

    fn drop_connect_forward_biased(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        let parents = [x.node(), weight.node(), bias.node()];
        let bias = bias.into_primitive();
        record::<B, C, 3>(parents, x, weight, call, |x, weight| {
            B::drop_connect_forward_biased(x, weight, bias, call)
        })
    }

    fn drop_connect_input_gradient(
        grad_output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        let (grad_output, weight) = (grad_output.into_primitive(), weight.into_primitive());
        Self::from_inner(B::drop_connect_input_gradient(grad_output, weight, call))
    }

    fn drop_connect_weight_gradient(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self> {
        let (grad_output, x) = (grad_output.into_primitive(), x.into_primitive());
        Self::from_inner(B::drop_connect_weight_gradient(grad_output, x, call))
    }

    fn drop_connect_both_gradients(
        grad_output: FloatTensor<Self>,
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        call: Call,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let (x, weight) = (x.into_primitive(), weight.into_primitive());
        let (dx, dw) = B::drop_connect_both_gradients(grad_output.into_primitive(), x, weight, call);
        (Self::from_inner(dx), Self::from_inner(dw))
    }

    fn drop_connect_bias_gradient(grad_output: FloatTensor<Self>, call: Call) -> FloatTensor<Self> {
        Self::from_inner(B::drop_connect_bias_gradient(grad_output.into_primitive(), call))
    }

    fn drop_connect_layout(weight: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::from_inner(B::drop_connect_layout(weight.into_primitive()))
    }
}
