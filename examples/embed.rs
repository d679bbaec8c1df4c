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
    let starts: [usize; 6] = std::array::from_fn(|k| lengths[..k].iter().sum());
    let mut contents = [x.as_slice(), &weight, &ones].concat();
    contents.resize(lengths.iter().sum(), f32::NAN);
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
        kernels.record(Forward { shape, mask, x: x_at, weight: weight_at, bias: Bias::None, y: y_at })?;
    let backward = kernels.record(WeightGradient {
        shape,
        mask,
        grad_output: grad_output_at,
        x: x_at,
        grad_weight: grad_weight_at,
        write,
    })?;

    // One encoder and one compute pass hold the engine's work and ours.
    let slices = [starts[0], lengths[0], starts[3], lengths[3], starts[5]].map(|value| value as u32);
    let slices = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("engine.slices"),
        contents: bytemuck::cast_slice(&slices),
        usage: wgpu::BufferUsages::UNIFORM,
    });
    let [double_x, sum_y] =
        ["double_x", "sum_y"].map(|name| EngineKernel::new(&device, name, [&slices, &pool]));
    let mut encoder = device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        double_x.record(&mut pass, lengths[0].div_ceil(64));
        forward.record(&mut pass);
        backward.record(&mut pass);
        sum_y.record(&mut pass, 1);
    }
    queue.submit([encoder.finish()]);
    let (sender, receiver) = std::sync::mpsc::channel();
    wgpu::util::DownloadBuffer::read_buffer(&device, &queue, &pool.slice(..), move |read| {
        let _ = sender.send(read.map(|bytes| bytemuck::cast_slice(&bytes).to_vec()));
    });
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let after: Vec<f32> = receiver.recv()??;

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

/// A kernel of the engine's own.
struct EngineKernel {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
}

impl EngineKernel {
    fn new(device: &wgpu::Device, name: &str, buffers: [&wgpu::Buffer; 2]) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("engine"),
            source: wgpu::ShaderSource::Wgsl(ENGINE.into()),
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(name),
            layout: None,
            module: &module,
            entry_point: Some(name),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        });
        let entry = |binding| wgpu::BindGroupEntry {
            binding,
            resource: buffers[binding as usize].as_entire_binding(),
        };
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(name),
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[0, 1].map(entry),
        });
        Self { pipeline, bindings }
    }

    fn record(&self, pass: &mut wgpu::ComputePass<'_>, workgroups: usize) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.bindings, &[]);
        pass.dispatch_workgroups(workgroups as u32, 1, 1);
    }
}

fn ramp(length: usize, factor: usize, start: usize) -> Vec<f32> {
    (0..length).map(|k| ((k * factor + start) % 1009) as f32 / 1009.0 - 0.5).collect()
}

fn relative_error(actual: &[f32], expected: &[f64]) -> f64 {
    let difference: f64 = actual.iter().zip(expected).map(|(&a, &e)| (f64::from(a) - e).powi(2)).sum();
    (difference / expected.iter().map(|e| e * e).sum::<f64>()).sqrt()
}
