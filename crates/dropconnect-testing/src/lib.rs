//! The one harness of the tests, of `dropconnect verify` and of `dropconnect bench`: a call with its data, a runner
//! for each device, the answers in float64, guard bytes, and comparisons that are shown wrong results.
//!
//! - [`Case`] and [`Data`]: a call's arguments, whatever its kind, and seeded numbers for it.
//! - [`Operands`]: the library's calls on the tensors of a layer.
//! - [`Target`]: an adapter with some kernels, or the CPU backend with one instruction set.
//! - [`Pool`] and `Arena`: tensors between guard bytes, in host memory and on a device. Results are poisoned first.
//! - `verify`: the checks that a device is given, by `dropconnect verify` and in a page.
//! - [`fuzz`]: what has to hold of arguments and texts of any kind.
//! - [`mask_bits`]: a billion decisions of a target against plain code, and a digest of them.
//! - [`covering`]: rows of a table of choices; [`full`]: whether all of a test's cases are wanted.
//! - [`close`] and its siblings, which refuse bounds that prove nothing; [`self_test`] feeds them wrong results.
//!
//! The library's own search for kernel shapes, `src/gpu/autotune.rs`, makes its calls itself: a published crate cannot
//! depend on this one.

#[cfg_attr(not(feature = "gpu"), path = "no_adapter.rs")]
mod adapter;
mod case;
mod choice;
mod compare;
mod data;
mod failure;
pub mod fuzz;
mod mask_bits;
mod operands;
mod pool;
mod target;
#[cfg(feature = "gpu")]
pub mod translate;
#[cfg(feature = "gpu")]
pub mod verify;

#[cfg(feature = "gpu")]
pub use adapter::Arena;
pub use case::{
    BIASES, Case, GRADIENTS, LAYER, LINEAR, OVERWRITE, Results, SINGLE, expected, reductions, result_lens,
};
pub use choice::{covering, few, full, strength};
#[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
pub use compare::self_test;
pub use compare::{
    assert_all_close, assert_close, bit_differences, bound, close, demanding, differences, error_in_units,
    relative_error, self_test_async,
};
pub use data::{Data, Random, group, mask, mask_with_bits, origin, pair, probability, ramp, shape, wide};
pub use dropconnect::call::{Axis, Kind};
pub use failure::Failure;
#[cfg(not(all(target_arch = "wasm32", feature = "gpu")))]
pub use mask_bits::mask_bits;
pub use mask_bits::{MaskBits, mask_bits_async, portable};
pub use operands::{MADE, Operands};
pub use pool::{POISON, Placement, Pool};
pub use target::{Outcome, Target};
