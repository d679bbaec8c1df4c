//! Parts of the shaders on an adapter, alone: Philox, its product, the 16-bit element types, the elementary
//! functions. The code under test is the code of the kernels, rendered from the same templates with another entry
//! point. And the naive kernel.

mod elementary;
mod elements;
mod naive;
mod philox;

use minijinja::Value;

use crate::call::Forward;
use crate::gpu::shader::params::Params;
use crate::gpu::shader::variant::render;
use crate::gpu::{AdapterChoice, Gpu, KernelOptions, Kernels, Tensor, Tile};
use crate::{Bias, ElementType, Error, Shape};

#[path = "../../../../tests/common/adapter.rs"]
pub(in crate::gpu) mod adapter;
use adapter::adapter;

/// Runs `body` for each vector of `input`, as `index`: its vector `input[index]` becomes `output[index]`.
fn compute(
    gpu: &Gpu,
    parts: &[&str],
    values: &Value,
    body: &str,
    params: &Params,
    input: &[[u32; 4]],
) -> Vec<[u32; 4]> {
    let source = parts.iter().map(|part| render(part, values)).collect::<String>()
        + "@group(0) @binding(8) var<storage, read> input: array<vec4<u32>>;
           @group(0) @binding(9) var<storage, read_write> output: array<vec4<u32>>;
           @compute @workgroup_size(64)
           fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
               let index = id.x + id.y * n.x * 64u;
               if index >= arrayLength(&input) { return; }
               // Always used, so that the layout does not depend on the body.
               let ignored = params.examples;
           "
        + body
        + "}";
    let device = gpu.device();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[
            entry(0, wgpu::BufferBindingType::Uniform),
            entry(8, wgpu::BufferBindingType::Storage { read_only: true }),
            entry(9, wgpu::BufferBindingType::Storage { read_only: false }),
        ],
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        })),
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let uniform = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: size_of::<Params>() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&uniform, 0, bytemuck::bytes_of(params));
    let bytes: &[u8] = bytemuck::cast_slice(input);
    let operand = gpu.upload(bytes).unwrap();
    let result = gpu.upload(&vec![0xCA; bytes.len()]).unwrap();
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &[(0, &uniform), (8, &operand), (9, &result)]
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }),
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bindings, &[]);
    let groups = (input.len() as u32).div_ceil(64);
    pass.dispatch_workgroups(groups.min(1024), groups.div_ceil(1024), 1);
    drop(pass);
    gpu.queue().submit([encoder.finish()]);
    let output = gpu.read(&result, 0..bytes.len() as u64).unwrap();
    bytemuck::pod_collect_to_vec(&output)
}

fn random(state: &mut u64) -> u32 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 32) as u32
}

/// What the device refuses is an error each time, and nothing of it is kept.
#[test]
fn a_kernel_that_does_not_compile_is_not_kept() {
    let Some(gpu) = adapter("a_kernel_that_does_not_compile_is_not_kept") else { return };
    let mut kernels = Kernels::new(gpu.device(), &KernelOptions::default()).unwrap();
    let buffer = gpu.buffer(1024).unwrap();
    let tensor = |offset, elements: u64| Tensor {
        buffer: &buffer,
        offset,
        size: 4 * elements,
        element: ElementType::F32,
    };
    let call = Forward {
        shape: Shape::new(2, 3, 4).unwrap(),
        mask: None,
        x: tensor(0, 8),
        weight: tensor(256, 12),
        bias: Bias::None,
        y: tensor(512, 6),
    };
    // More threads than any device has: past what `Kernels::new` lets through.
    let sound = kernels.tuning.forward;
    kernels.tuning.forward = Tile::new(1, 1, [1 << 16, 1]);
    for _ in 0..2 {
        let fault = kernels.record(call).map(drop);
        assert!(matches!(fault, Err(Error::DeviceFault { .. })), "{fault:?}");
        let text = fault.unwrap_err().to_string();
        assert!(text.contains("dropconnect.forward") && !text.contains('\n'), "{text}");
    }
    kernels.tuning.forward = sound;
    gpu.submit(&kernels.record(call).unwrap()).unwrap();
    gpu.wait().unwrap();
}
