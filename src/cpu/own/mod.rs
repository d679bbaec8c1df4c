//! The passes where each example has a mask of its own, or few share one: every brick is decided, and its bits are
//! applied in the multiply-adds. Their kernels without the bits are those of [`shared`](super::shared) masks.

pub(super) mod both_gradients;
pub(super) mod forward;
pub(super) mod gradient;
