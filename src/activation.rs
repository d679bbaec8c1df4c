//! Activations that inference can see through, and the ways to do so.

use crate::{MaskKey, Origin};

/// What follows the layer in inference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// u itself.
    #[default]
    Identity,
    /// max(u, 0).
    Relu,
    /// 1 / (1 + exp(-u)).
    Sigmoid,
    /// tanh u.
    Tanh,
}

/// How the moments of an activation are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Method {
    /// In closed form: for [`Activation::Identity`] and [`Activation::Relu`].
    Closed,
    /// By Gaussian samples, drawn where they are needed and never stored.
    Sampled {
        /// How many for each element, from 1 to 2^24 on an adapter.
        samples: u32,
        /// What the samples are drawn from, apart from the element's global coordinates.
        key: MaskKey,
        /// Where this shard lies in the whole batch and layer.
        origin: Origin,
    },
}
