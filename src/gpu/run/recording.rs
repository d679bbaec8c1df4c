//! Checked and prepared work, ready to be recorded.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, OnceLock};

use super::allocate::{self, check_alive, guarded};
use super::pipeline::Pipeline;
use crate::gpu::shader::params::{Params, RoundKeys, round_keys};
use crate::gpu::shader::pass::Pass;
use crate::{Error, MaskKey};

/// A call whose arguments have been checked: its pipelines, bindings and parameters, the mask's key among them.
///
/// It never changes. It may be recorded any number of times, ahead, on any thread, and draws the same masks each time,
/// on whatever the tensors hold when it is executed. [`at_key`](Self::at_key) and [`at_keys`](Self::at_keys) make the
/// same call with another key. It keeps the buffers alive; a clone shares them.
#[derive(Clone, Debug)]
#[must_use = "nothing is computed until this is recorded"]
pub struct Recording {
    pub(super) label: &'static str,
    pub(crate) dispatches: Vec<Dispatch>,
    /// The keys of Monte-Carlo samples in device memory, and how many.
    pub(crate) pass_keys: Option<(wgpu::Buffer, u32)>,
    /// Bytes of memory that long sums of 16-bit results go through.
    pub(crate) scratch_bytes: u64,
    /// Where they run. Nowhere, if there are none.
    pub(crate) device: Option<wgpu::Device>,
    /// The same call with parameters of its own, into which commands copy keys.
    pub(super) key_on_device: OnceLock<Arc<Self>>,
    /// Shared by clones, and by what [`at_key`](Self::at_key) makes.
    pub(super) ahead: Arc<Mutex<Ahead>>,
}

/// What [`Recording::at_key`] has made: the key that it was asked for last, and the calls of the steps from `first` on.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pub(super) last: Option<MaskKey>,
    pub(super) first: u64,
    /// Each with an `Ahead` of its own, or the calls would hold each other for ever.
    pub(super) calls: Vec<Recording>,
}

/// What of a dispatch's parameters depends on the key, and how: which words `round_keys` starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draws {
    /// Nothing is drawn, or by keys of a tensor's: those of Monte-Carlo passes.
    Nothing,
    /// Masks, by [`MaskKey::words`].
    Masks,
    /// The masks of one Monte-Carlo pass, by the words of [`MaskKey::pass`].
    Pass(u32),
    /// Gaussian samples, by [`MaskKey::gaussian_words`].
    Gaussian,
}

impl Draws {
    pub(super) fn round_keys(self, key: MaskKey) -> Option<RoundKeys> {
        match self {
            Self::Nothing => None,
            Self::Masks => Some(round_keys(key.words())),
            Self::Pass(pass) => Some(round_keys(key.pass(pass).words())),
            Self::Gaussian => Some(round_keys(key.gaussian_words())),
        }
    }
}

/// The key words of so many Monte-Carlo passes.
pub(crate) fn pass_keys(key: MaskKey, passes: u32) -> Vec<[u32; 2]> {
    (0..passes).map(|t| key.pass(t).words()).collect()
}

/// A range of a buffer that a dispatch binds: one of the call's tensors, or memory of the library's own.
#[derive(Clone, Debug)]
pub struct BoundRange {
    /// The buffer. One that none of the call's tensors is in is either [`Recording::pass_keys`] or scratch memory
    /// that is written before it is read.
    pub buffer: wgpu::Buffer,
    /// The first byte, a multiple of the device's `min_storage_buffer_offset_alignment`.
    pub offset: u64,
    /// Bytes, a multiple of 4.
    pub size: u64,
}

impl BoundRange {
    pub(crate) fn of(binding: &wgpu::BufferBinding<'_>) -> Self {
        let wgpu::BufferBinding { buffer, offset, size } = binding;
        let size = size.map_or_else(|| buffer.size() - offset, u64::from);
        Self { buffer: (*buffer).clone(), offset: *offset, size }
    }

    pub(super) fn binding(&self) -> wgpu::BufferBinding<'_> {
        let Self { buffer, offset, size } = self;
        wgpu::BufferBinding { buffer, offset: *offset, size: wgpu::BufferSize::new(*size) }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Dispatch {
    pub pipeline: Arc<Pipeline>,
    /// Holds the parameters of one or more dispatches, these at `offset`.
    pub uniform: wgpu::Buffer,
    pub offset: u32,
    pub bind_group: wgpu::BindGroup,
    pub workgroups: [u32; 3],
    pub draws: Draws,
    pub params: Params,
    /// The storage bindings.
    pub bindings: Arc<[BoundRange]>,
}

impl Dispatch {
    /// The bind group of a kernel: parameters, whose offset is given when it is set, and these storage bindings.
    pub(crate) fn bind(
        device: &wgpu::Device,
        pipeline: &Pipeline,
        uniform: &wgpu::Buffer,
        bindings: &[BoundRange],
    ) -> Result<wgpu::BindGroup, Error> {
        let parameters = wgpu::BufferBinding {
            buffer: uniform,
            offset: 0,
            size: wgpu::BufferSize::new(size_of::<Params>() as u64),
        };
        let entries: Vec<_> = std::iter::once(parameters)
            .chain(bindings.iter().map(BoundRange::binding))
            .zip(0..)
            .map(|(binding, index)| wgpu::BindGroupEntry {
                binding: index,
                resource: wgpu::BindingResource::Buffer(binding),
            })
            .collect();
        let (label, layout) = (Some(pipeline.label), &pipeline.layout);
        let descriptor = wgpu::BindGroupDescriptor { label, layout, entries: &entries };
        guarded(device, "a bind group", 0, || device.create_bind_group(&descriptor))
    }
}

impl Recording {
    pub(crate) fn new(pass: Pass) -> Self {
        Self {
            label: pass.label(),
            dispatches: Vec::new(),
            pass_keys: None,
            scratch_bytes: 0,
            device: None,
            key_on_device: OnceLock::new(),
            ahead: Arc::default(),
        }
    }

    /// Adds the dispatches of another call with the same mask, to come after these.
    pub(crate) fn append(&mut self, other: Self) {
        self.dispatches.extend(other.dispatches);
        self.scratch_bytes += other.scratch_bytes;
        self.device = self.device.take().or(other.device);
    }

    /// Records the call into the caller's compute pass. If the device has been lost meanwhile, nothing is
    /// recorded, and what the caller submits is not run. Sets pipeline and bind group 0 and leaves them set.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        for dispatch in &self.dispatches {
            let [x, y, z] = dispatch.workgroups;
            pass.set_pipeline(&dispatch.pipeline.compute);
            pass.set_bind_group(0, &dispatch.bind_group, &[dispatch.offset]);
            pass.dispatch_workgroups(x, y, z);
        }
    }

    /// Records the call into a compute pass of its own.
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder) {
        let descriptor = wgpu::ComputePassDescriptor { label: Some(self.label), timestamp_writes: None };
        self.record(&mut encoder.begin_compute_pass(&descriptor));
    }

    /// Records the call into an encoder of its own and submits that, for a host that has no other work to record with
    /// it. Waits for nothing.
    ///
    /// # Errors
    /// [`Error::DeviceLost`]; [`Error::OutOfMemory`]; [`Error::DeviceFault`].
    pub fn submit(&self, queue: &wgpu::Queue) -> Result<(), Error> {
        let Some(device) = &self.device else { return Ok(()) };
        let record = |encoder: &mut wgpu::CommandEncoder| {
            self.encode(encoder);
            Ok(())
        };
        allocate::submit(device, queue, self.label, record)?;
        check_alive(device)
    }

    /// How many dispatches the call takes: one, unless it passes a limit of the device or of the
    /// [`Tuning`](crate::gpu::Tuning).
    pub fn dispatches(&self) -> usize {
        self.dispatches.len()
    }

    /// The WGSL of the call's kernels, each once, in the order of their first dispatches.
    pub fn shaders(&self) -> impl Iterator<Item = &str> {
        let mut seen = HashSet::new();
        let pipelines = self.dispatches.iter().map(|dispatch| &dispatch.pipeline);
        pipelines
            .filter(move |pipeline| seen.insert(Arc::as_ptr(pipeline)))
            .map(|pipeline| pipeline.source.as_str())
    }

    /// Bytes of device memory that the call takes besides its tensors: the parameters of its dispatches, the keys of
    /// Monte-Carlo passes, and what sums too long for one dispatch go through where results have 16 bits.
    pub fn parameter_bytes(&self) -> u64 {
        let keys = self.pass_keys.as_ref().map_or(0, |(keys, _)| keys.size());
        (self.dispatches.len() * size_of::<Params>()) as u64 + keys + self.scratch_bytes
    }
}
