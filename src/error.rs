//! The one error type of the library.

use std::ops::RangeInclusive;

use crate::element::ElementType;

/// Why a call was refused.
///
/// A refusal names the argument, the value it had and what is allowed. Arguments are checked before any GPU work is
/// recorded, so a refused call leaves the caller's pass, encoder and buffers untouched. The last variants are faults of
/// a device or of memory: they say what was to be made or done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The probability of dropping is not in `0 <= p < 1`.
    #[error("drop probability is {value}; it must be at least 0 and below 1")]
    DropProbability {
        /// What was given.
        value: f64,
    },
    /// `1 - p` rounds to zero at the chosen resolution, so that nothing would ever be kept.
    #[error(
        "drop probability {value} leaves nothing at {bits} bits of resolution; \
         use at most {largest}, or more bits (up to 16)"
    )]
    NothingKept {
        /// The probability of dropping that was given.
        value: f64,
        /// The resolution it was given at.
        bits: u32,
        /// The largest usable drop probability at that resolution.
        largest: f64,
    },
    /// The resolution of p is outside `1..=16`.
    #[error("resolution of the drop probability is {value} bits; it must be 1 to 16")]
    Bits {
        /// What was given.
        value: u32,
    },
    /// A layer without outputs or without inputs.
    #[error("`{argument}` is 0; a layer needs at least one output and one input")]
    ZeroDimension {
        /// `outputs` or `inputs`.
        argument: &'static str,
    },
    /// A dimension, or an element count, that does not fit the library's 32-bit coordinates.
    #[error("`{argument}` is {value}; the limit is {limit}")]
    TooLarge {
        /// The dimension.
        argument: &'static str,
        /// What was given.
        value: u64,
        /// The largest value allowed.
        limit: u64,
    },
    /// A count outside its range: of passes, of samples, of a `gpu::Tuning`'s bricks and threads.
    #[error("`{argument}` is {value}; it must be {least} to {most}")]
    Count {
        /// The argument.
        argument: &'static str,
        /// What was given.
        value: u64,
        /// The smallest value allowed.
        least: u64,
        /// The largest value allowed.
        most: u64,
    },
    /// A text that is no `gpu::Tuning`.
    #[error(
        "`tuning` is `{text}`; it must be like \
         1x1x8x8,1x1x8x8,1x1x8x8,select,unrolled,65536,32768,4294967296"
    )]
    Tuning {
        /// What was given.
        text: String,
    },
    /// An activation whose moments have no closed form.
    #[error("`activation` is {activation:?}; only Identity and Relu have a closed form: use samples")]
    NoClosedForm {
        /// What was given.
        activation: crate::Activation,
    },
    /// The shard reaches past the last global coordinate.
    #[error("`{axis}` origin {origin} plus size {size} passes {limit}, the number of global coordinates")]
    Origin {
        /// `example`, `output` or `input`.
        axis: &'static str,
        /// The global coordinate of the shard's first element.
        origin: u32,
        /// The shard's size along that axis.
        size: u32,
        /// 2^32.
        limit: u64,
    },
    /// A host slice of the wrong length.
    #[error("`{argument}` has {actual} elements; {expected} are needed for {shape}")]
    Length {
        /// The argument.
        argument: &'static str,
        /// Its length.
        actual: usize,
        /// The length the shape asks for.
        expected: usize,
        /// The shape.
        shape: crate::Shape,
    },
    /// A buffer range of the wrong size.
    #[error(
        "`{argument}` has {actual} bytes; {expected} are needed for {elements} elements of type {element}"
    )]
    TensorSize {
        /// The argument.
        argument: &'static str,
        /// The size of the range, in bytes.
        actual: u64,
        /// The size needed, in bytes.
        expected: u64,
        /// The number of elements the shape asks for.
        elements: u64,
        /// Their type.
        element: ElementType,
    },
    /// A tensor whose element type does not go with those of the other tensors.
    #[error("`{argument}` is stored as {actual}; in this call it must be {}", either(*allowed))]
    Element {
        /// The argument.
        argument: &'static str,
        /// How it is stored.
        actual: ElementType,
        /// How it may be stored: one way, or one of two.
        allowed: [ElementType; 2],
    },
    /// A byte range of the wrong size.
    #[error("`{argument}` has {actual} bytes; {expected} are needed")]
    ByteSize {
        /// The argument.
        argument: &'static str,
        /// Its size in bytes.
        actual: u64,
        /// The size needed, in bytes.
        expected: u64,
    },
    /// A buffer range that does not start on a 4-byte word.
    #[error("`{argument}` starts at byte {offset}; the start must be a multiple of 4")]
    Misaligned {
        /// The argument.
        argument: &'static str,
        /// Its first byte in the buffer.
        offset: u64,
    },
    /// A buffer range that ends outside its buffer.
    #[error("`{argument}` covers bytes {offset}..{end} of a buffer of {buffer_size} bytes")]
    OutOfBounds {
        /// The argument.
        argument: &'static str,
        /// Its first byte in the buffer.
        offset: u64,
        /// The byte after its last word (saturated at `u64::MAX`).
        end: u64,
        /// The size of the buffer.
        buffer_size: u64,
    },
    /// A range of bytes that ends before it starts.
    #[error("`{argument}` is {start}..{end}; a range must not end before it starts")]
    Range {
        /// The argument.
        argument: &'static str,
        /// Where it starts.
        start: u64,
        /// Where it ends.
        end: u64,
    },
    /// A result that shares bytes with another argument.
    #[error("result `{output}` overlaps `{other}` in the same buffer; give them disjoint ranges")]
    Overlap {
        /// The result.
        output: &'static str,
        /// The argument it overlaps.
        other: &'static str,
    },
    /// In a browser, two arguments so near each other that one is bound with the other, in the buffer of a result.
    #[error(
        "`{argument}` and `{other}` lie in the same {block} bytes of a buffer that is written, which a browser takes \
         for an overlap; start its tensors at multiples of {block}"
    )]
    SharedBlock {
        /// The argument.
        argument: &'static str,
        /// The argument it shares the block with.
        other: &'static str,
        /// The size of a block in bytes.
        block: u64,
    },
    /// A buffer that was created without a usage it needs.
    #[cfg(feature = "gpu")]
    #[error("the buffer of `{argument}` has usages {usage:?}; it needs {needed:?}")]
    Usage {
        /// The argument.
        argument: &'static str,
        /// What it was created with.
        usage: wgpu::BufferUsages,
        /// What it has to be created with.
        needed: wgpu::BufferUsages,
    },
    /// One row of a tensor is larger than the device can bind.
    #[error(
        "a row of `{argument}` takes {bytes} bytes; this device binds at most {limit} at a time \
         (`max_storage_buffer_binding_size`), and a row is not split"
    )]
    RowTooLarge {
        /// The argument.
        argument: &'static str,
        /// The size of one row.
        bytes: u64,
        /// The largest range that can be bound.
        limit: u64,
    },
    /// The device was created with less than the kernels need.
    #[error("device limits are too low for the kernels: {}", listed(unmet))]
    DeviceLimits {
        /// All of them that are.
        unmet: Vec<UnmetLimit>,
    },
    /// The device was created without a feature that was asked for.
    #[error("`{argument}` needs the feature {feature}, which the device was created without")]
    DeviceFeature {
        /// The argument.
        argument: &'static str,
        /// The name of the feature, as in `wgpu::Features`.
        feature: &'static str,
    },
    /// A layer on the CPU was asked to work on tensors in device memory: it has none.
    #[error("{what} needs a GPU adapter, and this layer computes on the CPU")]
    NeedsGpu {
        /// The call: `encode_forward`, `encode_eval` or `encode_backward`.
        what: &'static str,
    },
    /// In a browser a call was to wait for an adapter, which a page must not do.
    #[error("a page cannot wait for its adapter; `.await` the call in place of `.wait()`")]
    WouldBlock,
    /// A recording of `call::MonteCarlo` was to take a key from device memory.
    #[error(
        "a recording of Monte-Carlo passes draws each by a key of its own, and takes none from device memory; use \
         `at_key`, or record each pass as a forward pass"
    )]
    PassKeys,
    /// No adapter matched.
    #[error("found no {wanted}; available: {available}")]
    NoAdapter {
        /// The request, in words.
        wanted: String,
        /// The adapters that exist.
        available: String,
    },
    /// The adapter would not open.
    #[cfg(feature = "gpu")]
    #[error("adapter `{adapter}` gave no device: {source}")]
    RequestDevice {
        /// The adapter's name.
        adapter: String,
        /// wgpu's reason.
        source: wgpu::RequestDeviceError,
    },
    /// A buffer larger than the device makes.
    #[error("a tensor takes {size} bytes; this device's buffers hold at most {limit} (`max_buffer_size`)")]
    BufferSize {
        /// What was asked for.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// The device has no memory left for a buffer, a pipeline and the like.
    #[error("the device has no memory for {}; use a smaller batch", sized(what, *size))]
    OutOfMemory {
        /// What was to be made.
        what: &'static str,
        /// Its size in bytes; 0 where wgpu does not tell.
        size: u64,
    },
    /// The host has no memory left for a result or a copy.
    #[error("the host has no memory for {bytes} bytes; use a smaller layer or batch, or fewer passes")]
    HostMemory {
        /// What was asked for (saturated at `u64::MAX`).
        bytes: u64,
    },
    /// The system did not start the threads that a call was to have.
    #[error("{threads} threads could not be started: {reason}")]
    Threads {
        /// How many.
        threads: usize,
        /// The system's reason.
        reason: String,
    },
    /// The device is gone: destroyed, reset, removed, or given up by its driver. What was on it is lost. A new one
    /// can be opened.
    #[error("the device is lost: {reason}; open a new one")]
    DeviceLost {
        /// Why, as far as it is known.
        reason: String,
    },
    /// The device refused what should be right: something of another device, or a fault of a driver, of wgpu or of this
    /// library.
    #[error("the device refused {what}: {reason}")]
    DeviceFault {
        /// What was to be made or done.
        what: &'static str,
        /// wgpu's reason.
        reason: String,
    },
    /// The host's `gpu::ModuleMaker` made no module of a kernel.
    #[error("no module was made of {kernel}: {reason}")]
    Module {
        /// The kernel's name.
        kernel: &'static str,
        /// The host's reason.
        reason: String,
    },
    /// A result could not be read back from a device that is not lost.
    #[error("reading a result back failed: {reason}")]
    Readback {
        /// wgpu's reason.
        reason: String,
    },
}

/// A limit of a device that is too low.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmetLimit {
    /// The name of the limit, as in `wgpu::Limits`.
    pub limit: &'static str,
    /// What the device has.
    pub actual: u64,
    /// What is needed.
    pub needed: u64,
}

fn listed(unmet: &[UnmetLimit]) -> String {
    let one = |UnmetLimit { limit, actual, needed }: &_| format!("`{limit}` is {actual} (needs {needed})");
    unmet.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn either([a, b]: [ElementType; 2]) -> String {
    if a == b { a.to_string() } else { format!("{a} or {b}") }
}

fn sized(what: &str, size: u64) -> String {
    if size > 0 { format!("{what} of {size} bytes") } else { what.to_owned() }
}

impl Error {
    /// That a count is one of these.
    pub(crate) fn check_count<T: Copy + Into<u64> + PartialOrd>(
        argument: &'static str,
        value: T,
        allowed: RangeInclusive<T>,
    ) -> Result<(), Self> {
        if allowed.contains(&value) {
            return Ok(());
        }
        let (least, most) = (*allowed.start(), *allowed.end());
        Err(Self::Count { argument, value: value.into(), least: least.into(), most: most.into() })
    }
}
