//! Pipelines, made once per variant and kept.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::allocate::{check_alive, guarded};
use super::params::Params;
use super::shader::Variant;
use crate::Error;

/// A compiled kernel, the text it was made of, and the layout of its bindings: parameters, operands, results.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub source: String,
    pub compute: wgpu::ComputePipeline,
    pub layout: wgpu::BindGroupLayout,
}

/// The pipelines of one device.
#[derive(Debug)]
pub(crate) struct Pipelines {
    cache: Option<wgpu::PipelineCache>,
    checked: bool,
    made: Mutex<HashMap<Variant, Arc<Pipeline>>>,
}

impl Pipelines {
    pub(crate) fn new(cache: Option<wgpu::PipelineCache>, checked: bool) -> Self {
        Self { cache, checked, made: Mutex::default() }
    }

    /// The pipeline of a variant. The first call for it compiles, while others wait: two threads never
    /// compile the same kernel.
    pub(crate) fn get(&self, device: &wgpu::Device, variant: Variant) -> Result<Arc<Pipeline>, Error> {
        // A panic while compiling leaves the map as it was, so a poisoned lock guards sound data.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipeline) = made.get(&variant) {
            return Ok(Arc::clone(pipeline));
        }
        // Kept only if it is one: what failed for want of memory may be made later.
        let pipeline = guarded(device, variant.pass.label(), 0, || self.compile(device, &variant))?;
        check_alive(device)?;
        Ok(Arc::clone(made.entry(variant).or_insert(Arc::new(pipeline))))
    }

    fn compile(&self, device: &wgpu::Device, variant: &Variant) -> Pipeline {
        let label = variant.pass.label();
        let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty,
                has_dynamic_offset: false,
                min_binding_size: (binding == 0)
                    .then(|| wgpu::BufferSize::new(size_of::<Params>() as u64))
                    .flatten(),
            },
            count: None,
        };
        let mut entries = vec![entry(0, wgpu::BufferBindingType::Uniform)];
        let read_only = variant.pass.read_only();
        entries.extend(read_only.into_iter().zip(1..).map(|(read_only, binding)| {
            let read_only = read_only && !variant.read_write;
            entry(binding, wgpu::BufferBindingType::Storage { read_only })
        }));
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some(label),
            entries: &entries,
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let source = variant.source();
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(source.as_str().into()),
        };
        let checks = if self.checked {
            wgpu::ShaderRuntimeChecks::checked()
        } else {
            wgpu::ShaderRuntimeChecks::unchecked()
        };
        // SAFETY: without the runtime checks a shader must not index outside its bindings, loop for
        // ever or divide by zero.
        // - Indices: every load clamps its row to the rows and its column to the columns of the dispatch
        //   (or, in a `vector` variant, stays on whole quads of them); every store tests both. Rows,
        //   columns, strides and bases come from `Params`, which this module fills, out of ranges that
        //   `Argument::check` found inside the tensor and the tensor inside its buffer. The keys of Monte-Carlo passes
        //   are read below `params.passes`, for which `launch` binds as many. `parts` and `words` are indexed by the
        //   local id, which is below the workgroup size, by literals and by loops that end with what they hold;
        //   vectors, and the arrays of a thread, by literals and by numbers taken modulo their length or below it.
        // - Loops count a `u32` up to a number that is below 2^32 by at least the step, or down to 0.
        // - Integer divisors are literals that are not 0, but for the size of a group in `mask_coordinate`, which is
        //   taken to be at least 1.
        // The tests run the same calls with checks on and compare bit by bit.
        let module = unsafe { device.create_shader_module_trusted(descriptor, checks) };
        let compute = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                // Every word of workgroup memory is written before it is read.
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: self.cache.as_ref(),
        });
        Pipeline { source, compute, layout }
    }
}
