//! What the kernels need of a device.

use crate::gpu::shader::params::Params;
use crate::gpu::shader::pass::{BIAS_TILE, FLAT_TILE};
use crate::gpu::tuning::{Tile, Tuning, has_fxc};
use crate::{Error, UnmetLimit};

/// Bindings hold at most this many bytes, so that rows, columns and indices fit 31 bits in the shaders.
const INDEXABLE: u64 = 1 << 31;

/// How much of a device one dispatch may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a storage binding.
    pub binding: u64,
    /// What the offset of a binding is a multiple of.
    pub alignment: u64,
    /// Workgroups along an axis.
    pub workgroups: u32,
    /// Threads of a workgroup, and those along its width and its depth.
    pub threads: u32,
    pub width: u32,
    pub depth: u32,
    /// Bytes of workgroup memory.
    pub shared: u32,
    /// Whether operands may be tiled through workgroup memory.
    pub k_tiles: bool,
}

impl Limits {
    /// Those of a device, unless they are too low.
    pub(crate) fn new(device: &wgpu::Device, tuning: &Tuning) -> Result<Self, Error> {
        let limits = device.limits();
        check(&limits, tuning)?;
        Ok(Self {
            binding: limits.max_storage_buffer_binding_size.min(INDEXABLE),
            alignment: limits.min_storage_buffer_offset_alignment.into(),
            workgroups: limits.max_compute_workgroups_per_dimension,
            threads: limits.max_compute_invocations_per_workgroup,
            width: limits.max_compute_workgroup_size_x,
            depth: limits.max_compute_workgroup_size_z,
            shared: limits.max_compute_workgroup_storage_size,
            k_tiles: !has_fxc(&device.adapter_info(), device.features()),
        })
    }
}

/// Refuses limits that are too low, all of them at once. wgpu checks a shader's workgroup size against the device, but
/// not its workgroup memory.
fn check(limits: &wgpu::Limits, tuning: &Tuning) -> Result<(), Error> {
    macro_rules! unmet {
        ($($limit:ident >= $needed:expr),* $(,)?) => {
            [$(UnmetLimit {
                limit: stringify!($limit),
                actual: limits.$limit.into(),
                needed: $needed.into(),
            }),*]
        };
    }
    let tiles = [tuning.forward, tuning.input_gradient, tuning.weight_gradient, BIAS_TILE, FLAT_TILE];
    let largest = |pick: fn(&Tile) -> u32| tiles.iter().map(pick).max().unwrap_or(0);
    let parameters = size_of::<Params>() as u64;
    let mut unmet: Vec<_> = unmet![
        max_bind_groups >= 1u32,
        max_bindings_per_bind_group >= 7u32,
        max_storage_buffers_per_shader_stage >= 6u32,
        max_uniform_buffers_per_shader_stage >= 1u32,
        max_dynamic_uniform_buffers_per_pipeline_layout >= 1u32,
        max_buffer_size >= parameters,
        max_uniform_buffer_binding_size >= parameters,
        max_storage_buffer_binding_size >= 2 * limits.min_storage_buffer_offset_alignment,
        max_compute_workgroup_storage_size >= 16 * BIAS_TILE.workgroup[0] * BIAS_TILE.workgroup[1],
        max_compute_invocations_per_workgroup >= largest(|tile| tile.workgroup[0] * tile.workgroup[1]),
        max_compute_workgroup_size_x >= largest(|tile| tile.workgroup[0]),
        max_compute_workgroup_size_y >= largest(|tile| tile.workgroup[1]),
        max_compute_workgroup_size_z >= 1u32,
        max_compute_workgroups_per_dimension >= 1u32,
    ]
    .into();
    unmet.retain(|limit| limit.actual < limit.needed);
    if unmet.is_empty() { Ok(()) } else { Err(Error::DeviceLimits { unmet }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_limits_that_are_too_low_are_told_at_once() {
        let tuning = Tuning::software();
        assert!(check(&wgpu::Limits::defaults(), &tuning).is_ok());
        let mut limits = wgpu::Limits::downlevel_webgl2_defaults();
        let Err(Error::DeviceLimits { unmet }) = check(&limits, &tuning) else { panic!("WebGL2 serves") };
        assert!(unmet.len() > 5, "{unmet:?}");
        // With what it asks for, a device works: no limit comes up later.
        for UnmetLimit { limit, needed, .. } in unmet {
            let needed32 = needed as u32;
            match limit {
                "max_storage_buffers_per_shader_stage" => {
                    limits.max_storage_buffers_per_shader_stage = needed32
                }
                "max_storage_buffer_binding_size" => limits.max_storage_buffer_binding_size = needed,
                "max_compute_workgroup_storage_size" => limits.max_compute_workgroup_storage_size = needed32,
                "max_compute_invocations_per_workgroup" => {
                    limits.max_compute_invocations_per_workgroup = needed32
                }
                "max_compute_workgroup_size_x" => limits.max_compute_workgroup_size_x = needed32,
                "max_compute_workgroup_size_y" => limits.max_compute_workgroup_size_y = needed32,
                "max_compute_workgroup_size_z" => limits.max_compute_workgroup_size_z = needed32,
                "max_compute_workgroups_per_dimension" => {
                    limits.max_compute_workgroups_per_dimension = needed32
                }
                other => panic!("WebGL2's {other} is below the needed {needed}"),
            }
        }
        assert!(check(&limits, &tuning).is_ok());
    }

    /// The example of docs/errors.md is what the code says.
    #[test]
    fn the_document_has_the_number_of_the_code() {
        let limits = wgpu::Limits { max_storage_buffers_per_shader_stage: 4, ..wgpu::Limits::defaults() };
        let said = check(&limits, &Tuning::software()).unwrap_err().to_string();
        assert!(include_str!("../../../docs/errors.md").contains(&said), "{said}");
    }
}
