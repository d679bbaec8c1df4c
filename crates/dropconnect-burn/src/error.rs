//! The one error type of this crate.

use burn::tensor::DType;
use burn::tensor::wgpu::WgpuInitError;

/// Why a layer could not be made, or a call not be recorded.
///
/// Burn's tensor operations have no way to return errors: inside `forward` these become panics with the
/// same text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that the kernels refuse.
    #[error(transparent)]
    Kernel(#[from] dropconnect::Error),
    /// Burn could not bring up a wgpu device.
    #[error("Burn could not bring up a wgpu device: {0}")]
    Device(#[from] WgpuInitError),
    /// A Burn device that is not a wgpu device was to be attached.
    #[error("`device` is {device}; only a wgpu device of Burn has wgpu handles to attach")]
    NotWgpu {
        /// The device.
        device: String,
    },
    /// Burn runs on this wgpu device already, and its handles were never given to this crate.
    #[error(
        "the wgpu handles of {device} are not known: Burn was using it before any DropConnect layer was made; \
         start with `dropconnect_burn::wgpu_device()`, or give the handles to `dropconnect_burn::attach`"
    )]
    NotAttached {
        /// The device.
        device: String,
    },
    /// Burn refused to hand out a tensor's buffer.
    #[error("Burn does not hand out the buffer of `{argument}`: {reason}")]
    Buffer {
        /// The tensor.
        argument: &'static str,
        /// What Burn says.
        reason: String,
    },
    /// A tensor whose element type the kernels do not have.
    #[error("`{argument}` has elements of type {actual:?}; f32, f16 and bf16 are supported")]
    ElementType {
        /// The tensor.
        argument: &'static str,
        /// Its type.
        actual: DType,
    },
    /// Tensors of one call with different element types.
    #[error("`{argument}` has elements of type {actual:?} and `x` of type {expected:?}; cast one of them")]
    MixedElementTypes {
        /// The tensor that differs.
        argument: &'static str,
        /// Its type.
        actual: DType,
        /// The type of `x`.
        expected: DType,
    },
    /// A tensor whose shape does not fit the others.
    #[error("`{argument}` has the shape {actual:?}; {expected:?} is needed")]
    Shape {
        /// The tensor.
        argument: &'static str,
        /// Its shape.
        actual: Vec<usize>,
        /// The shape that fits.
        expected: Vec<usize>,
    },
    /// A configuration with no inputs or no outputs.
    #[error("`{argument}` is 0; a layer needs at least one input and one output")]
    ZeroDimension {
        /// `d_input` or `d_output`.
        argument: &'static str,
    },
}

/// Ends a Burn operation that has no result: Burn's operations panic.
#[track_caller]
pub(crate) fn expect<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("DropConnect: {error}"))
}
