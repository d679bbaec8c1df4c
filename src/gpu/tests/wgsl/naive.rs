//! The kernel to read first, `shaders/naive/forward.wgsl`, as a kernel of its own.

use bytemuck::{cast_slice, pod_collect_to_vec};

use super::adapter::adapter;
use super::random;
use crate::call::Forward;
use crate::{Bias, DropProbability, Mask, MaskKey, Shape, reference};

#[test]
fn the_naive_kernel_is_the_layer() {
    let Some(gpu) = adapter("the_naive_kernel_is_the_layer") else { return };
    let device = gpu.device();
    let source = wgpu::ShaderSource::Wgsl(include_str!("../../../../shaders/naive/forward.wgsl").into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: Default::default(),
        cache: None,
    });
    let (shape, mut state) = (Shape::new(9, 13, 37).unwrap(), 3);
    // Any weight that is wrongly kept or dropped shows.
    let mut numbers = |len: usize| -> Vec<f32> {
        (0..len).map(|_| 1.0 + random(&mut state) as f32 / u32::MAX as f32).collect()
    };
    let (x, weight) = (numbers(shape.input_len()), numbers(shape.weight_len()));
    let wide = |values: &[f32]| values.iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
    for p in [0.5, 0.25, 0.3, 255.0 / 256.0] {
        let probability = DropProbability::with_bits(p, 8).unwrap();
        let mask = Mask::new(MaskKey::new(5, 6).at_step(7), probability);
        let dims = [shape.batch(), shape.outputs(), shape.inputs()].map(|dim| dim as u32);
        let [k0, k1] = mask.key.words();
        let scale = (mask.scale() as f32).to_bits();
        let call = [dims[0], dims[1], dims[2], scale, probability.threshold(), probability.bits(), k0, k1];
        let uniform = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: size_of_val(&call) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        gpu.queue().write_buffer(&uniform, 0, cast_slice(&call));
        let y = vec![f32::NAN; shape.output_len()];
        let [x_buffer, w_buffer, y_buffer] =
            [&x, &weight, &y].map(|values| gpu.upload(cast_slice(values)).unwrap());
        let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &[(0, &uniform), (1, &x_buffer), (2, &w_buffer), (3, &y_buffer)].map(
                |(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() },
            ),
        });
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &bindings, &[]);
        pass.dispatch_workgroups((shape.output_len() as u32).div_ceil(64), 1, 1);
        drop(pass);
        gpu.queue().submit([encoder.finish()]);
        let got: Vec<f32> = pod_collect_to_vec(&gpu.read(&y_buffer, 0..4 * y.len() as u64).unwrap());
        let (x, weight) = (wide(&x), wide(&weight));
        let operands =
            Forward { shape, mask: Some(&mask), x: &x[..], weight: &weight[..], bias: Bias::None, y: () };
        let want = reference::forward(&operands).unwrap();
        for (got, want) in got.iter().zip(want) {
            assert!((f64::from(*got) - want).abs() <= 1e-6 * want.abs(), "p {p}: {got}, {want}");
        }
    }
}
