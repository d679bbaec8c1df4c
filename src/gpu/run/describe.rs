//! A recording as data, for hosts that run its kernels without this library: `dropconnect shader --export`.

use super::recording::{BoundRange, Draws, Recording};

/// One dispatch of a [`Recording`]: all that a host needs to make it with a WebGPU of its own.
#[derive(Clone, Copy, Debug)]
pub struct DispatchInfo<'r> {
    /// The kernel's name: the library's, a dot, and that of the pass.
    pub label: &'static str,
    /// WGSL with one entry point, `main`. All bindings are of group 0.
    pub source: &'r str,
    /// Workgroups along x, y and z.
    pub workgroups: [u32; 3],
    /// What the uniform buffer of binding 0 holds, little-endian: `Params` in the WGSL.
    pub parameters: &'r [u8],
    /// Which key the parameters' `round_keys` are of: [`Recording::key_block`] tells how they change with it.
    pub draws: Draws,
    /// The storage buffers from binding 1 on.
    pub bindings: &'r [BoundRange],
}

impl Recording {
    /// The dispatches of the call, in the order in which they have to run, each after what came before it has written.
    pub fn describe(&self) -> impl Iterator<Item = DispatchInfo<'_>> {
        self.dispatches.iter().map(|dispatch| DispatchInfo {
            label: dispatch.pipeline.label,
            source: &dispatch.pipeline.source,
            workgroups: dispatch.workgroups,
            parameters: bytemuck::bytes_of(&dispatch.params),
            draws: dispatch.draws,
            bindings: &dispatch.bindings,
        })
    }

    /// The words of the keys of Monte-Carlo passes, [`MaskKey::pass`](crate::MaskKey::pass) of 0, 1 and so on, where
    /// the call takes them from memory of its own.
    pub fn pass_keys(&self) -> Option<&wgpu::Buffer> {
        self.pass_keys.as_ref().map(|(keys, _)| keys)
    }
}
