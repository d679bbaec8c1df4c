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
    /// Tensors of one call on different devices.
    #[error("`{argument}` is on {actual} and `x` on {expected}; move one of them")]
    MixedDevices {
        /// The tensor that is elsewhere.
        argument: &'static str,
        /// Its device.
        actual: String,
        /// The device of `x`.
        expected: String,
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
    /// A convolution whose channels do not divide into its groups.
    #[error("channels {channels:?} (in, out) do not both divide into {groups} groups")]
    Groups {
        /// Input and output channels.
        channels: [usize; 2],
        /// Groups.
        groups: usize,
    },
    /// A layer of Burn that has no counterpart here.
    #[error("{what} has no counterpart here")]
    Unsupported {
        /// What about it.
        what: &'static str,
    },
    /// An image, with its padding, that the kernel of a convolution does not fit into.
    #[error("`{argument}` is {actual} with padding; the kernel spans {least}")]
    Image {
        /// `height` or `width`.
        argument: &'static str,
        /// Its size, padding included.
        actual: usize,
        /// The smallest size.
        least: usize,
    },
    /// A layer inside a [`Sampler`](crate::Sampler) whose rows are no copies of a batch.
    #[error(
        "a layer got {rows} rows in a run of {tiles} copies of a batch, which is no multiple; \
         the first dimension has to be the batch all through the model"
    )]
    Tiles {
        /// Rows of the layer's input.
        rows: usize,
        /// Copies of the batch.
        tiles: usize,
    },
    /// A model inside a [`Sampler`](crate::Sampler) that returns something else than its batch.
    #[error("the model returned the shape {actual:?}; its first dimension has to be the batch, {expected}")]
    Output {
        /// What it returned.
        actual: Vec<usize>,
        /// The first dimension of its input.
        expected: usize,
    },
    /// Points of a [`DropSchedule`](crate::DropSchedule) that do not follow each other.
    #[error("point {at} of the schedule is at step {step}, before the one in front of it at {previous}")]
    ScheduleOrder {
        /// Which point, from 0.
        at: usize,
        /// Its step.
        step: u64,
        /// The step of the point in front of it.
        previous: u64,
    },
    /// A [`DropSchedule`](crate::DropSchedule) without points.
    #[error("the schedule has no points; it needs at least one")]
    EmptySchedule,
    /// A size or a count of a configuration that is 0.
    #[error("`{argument}` is 0; it has to be at least 1")]
    ZeroDimension {
        /// The argument of the configuration.
        argument: &'static str,
    },
}

/// Ends a Burn operation that has no result: Burn's operations panic.
#[track_caller]
pub(crate) fn expect<T>(result: Result<T, Error>) -> T {
    result.unwrap_or_else(|error| panic!("DropConnect: {error}"))
}
