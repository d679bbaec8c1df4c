//! Activations that inference can see through.

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
