//! DropConnect inside an engine: the engine's own device, queue and buffer pool, and its own GPU work in the
//! same encoder before and after ours.
//!
//! The "engine" keeps all tensors as slices of one pooled buffer, as Burn does. It scales X with a kernel of
//! its own, lets `dropconnect` run forward and backward, and adds up the loss with another kernel: one
//! encoder, one submission. Then it checks the loss against the float64 reference.
//!
//! `cargo run --release --example embed`

use dropconnect::call::{Forward, WeightGradient};
use dropconnect::gpu::{KernelOptions, Kernels, Tensor};
use dropconnect::wgpu::{self, util::DeviceExt};
use dropconnect::{Bias, DropProbability, ElementType, Mask, MaskKey, Shape, Write, reference};

type Failure = Box<dyn std::error::Error>;

/// The engine's own shader: doubles X in place before the layer, and sums Y into one word after it.
const ENGINE: &str = "
    struct Slices { x: u32, x_len: u32, y: u32, y_len: u32, sum: u32 }
    @group(0) @binding(0) var<uniform> slices: Slices;
    @group(0) @binding(1) var<storage, read_write> pool: array<f32>;

    @compute @workgroup_size(64)
    fn double_x(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x < slices.x_len { pool[slices.x + id.x] *= 2.0; }
    }

    @compute @workgroup_size(1)
    fn sum_y() {
        var sum = 0.0;
        for (var k = 0u; k < slices.y_len; k++) { sum += pool[slices.y + k]; }
        pool[slices.sum] = sum;
    }";

fn main() -> Result<(), Failure> {
    // The engine opens its device as it likes. WebGPU's default limits are enough for the kernels.
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: adapter.features() & Kernels::optional_features(),
        required_limits: Kernels::required_limits(),
        ..Default::default()
    }))?;
    println!("engine on {}", adapter.get_info().name);

    // One pool; tensors are slices of it.
    let shape = Shape::new(32, 40, 50)?;
    let (x, weight) = (ramp(shape.input_len(), 31, 7), ramp(shape.weight_len(), 57, 3));
    let ones = vec![1.0f32; shape.output_len()];
    let lengths = [x.len(), weight.len(), ones.len(), ones.len(), weight.len(), 1];
    let mut starts = Vec::new();
    let mut total = 0;
    for length in lengths {
        starts.push(total);
        total += length;
    }
    let mut contents = [x.as_slice(), &weight, &ones].concat();
    contents.resize(total, f32::NAN);
    let pool = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("engine.pool"),
        contents: bytemuck::cast_slice(&contents),
        usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
    });
    let slice = |k: usize| Tensor {
        buffer: &pool,
        offset: 4 * starts[k] as u64,
        size: 4 * lengths[k] as u64,
        element: ElementType::F32,
    };
    let [x_at, weight_at, grad_output_at, y_at, grad_weight_at] = std::array::from_fn(slice);

    // Arguments are checked here; nothing has been recorded yet.
    let kernels = Kernels::new(&device, &KernelOptions::default())?;
    let mask = Mask::new(MaskKey::new(42, 3).at_step(17), DropProbability::new(0.2)?);
    let (mask, write) = (Some(&mask), Write::Overwrite);
    let forward =
        kernels.forward(&Forward { shape, mask, x: x_at, weight: weight_at, bias: Bias::None, y: y_at })?;
    let backward = kernels.weight_gradient(&WeightGradient {
        shape,
        mask,
        grad_output: grad_output_at,
        x: x_at,
        grad_weight: grad_weight_at,
        write,
    })?;

    // One encoder and one compute pass hold the engine's work and ours.
    let engine = Engine::new(&device, &pool, [starts[0], lengths[0], starts[3], lengths[3], starts[5]]);
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        engine.record(&mut pass, &engine.double_x, lengths[0].div_ceil(64));
        forward.record(&mut pass);
        backward.record(&mut pass);
        engine.record(&mut pass, &engine.sum_y, 1);
    }
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("engine.staging"),
        size: pool.size(),
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    encoder.copy_buffer_to_buffer(&pool, 0, &staging, 0, pool.size());
    queue.submit([encoder.finish()]);
    staging.slice(..).map_async(wgpu::MapMode::Read, |_| ());
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let after: Vec<f32> = bytemuck::cast_slice(&staging.slice(..).get_mapped_range()?).to_vec();

    let wide = |values: &[f32], factor: f64| -> Vec<f64> {
        values.iter().map(|&value| factor * f64::from(value)).collect()
    };
    // The same calls on slices of float64, whose results are made: `()` until then.
    let (x, weight) = (&wide(&x, 2.0)[..], &wide(&weight, 1.0)[..]);
    let (grad_output, bias) = (&wide(&ones, 1.0)[..], Bias::None);
    let expected_y = reference::forward(&Forward { shape, mask, x, weight, bias, y: () })?;
    let call = WeightGradient { shape, mask, grad_output, x, grad_weight: (), write };
    let expected_w = reference::weight_gradient(&call)?;
    let loss: f64 = expected_y.iter().sum();
    println!("sum of Y: {} on the device, {loss} in float64", after[starts[5]]);
    let error = relative_error(&after[starts[4]..starts[4] + lengths[4]], &expected_w);
    println!("weight gradient: relative error {error:.1e}");
    if error > 1e-5 || (f64::from(after[starts[5]]) - loss).abs() > 1e-3 * loss.abs().max(1.0) {
        return Err("the device's results are wrong".into());
    }
    Ok(())
}

/// The engine's pipelines and their one bind group.
struct Engine {
    bindings: wgpu::BindGroup,
    double_x: wgpu::ComputePipeline,
    sum_y: wgpu::ComputePipeline,
}

impl Engine {
    fn new(device: &wgpu::Device, pool: &wgpu::Buffer, slices: [usize; 5]) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("engine"),
            source: wgpu::ShaderSource::Wgsl(ENGINE.into()),
        });
        let buffer = |ty| wgpu::BindGroupLayoutEntry {
            binding: u32::from(ty != wgpu::BufferBindingType::Uniform),
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
            count: None,
        };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("engine"),
            entries: &[
                buffer(wgpu::BufferBindingType::Uniform),
                buffer(wgpu::BufferBindingType::Storage { read_only: false }),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some("engine"),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = |entry_point| {
            device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
                label: Some(entry_point),
                layout: Some(&pipeline_layout),
                module: &module,
                entry_point: Some(entry_point),
                compilation_options: wgpu::PipelineCompilationOptions::default(),
                cache: None,
            })
        };
        let slices = slices.map(|value| value as u32);
        let uniform = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: Some("engine.slices"),
            contents: bytemuck::cast_slice(&slices),
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some("engine"),
            layout: &layout,
            entries: &[
                wgpu::BindGroupEntry { binding: 0, resource: uniform.as_entire_binding() },
                wgpu::BindGroupEntry { binding: 1, resource: pool.as_entire_binding() },
            ],
        });
        Self { bindings, double_x: pipeline("double_x"), sum_y: pipeline("sum_y") }
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>, pipeline: &wgpu::ComputePipeline, groups: usize) {
        pass.set_pipeline(pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(groups as u32, 1, 1);
    }
}

fn ramp(length: usize, factor: usize, start: usize) -> Vec<f32> {
    (0..length).map(|k| ((k * factor + start) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn relative_error(actual: &[f32], expected: &[f64]) -> f64 {
    let difference: f64 = actual.iter().zip(expected).map(|(&a, &e)| (f64::from(a) - e).powi(2)).sum();
    (difference / expected.iter().map(|e| e * e).sum::<f64>()).sqrt()
}
