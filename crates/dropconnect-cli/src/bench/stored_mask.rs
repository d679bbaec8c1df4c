//! What one does without regenerating masks: one kernel writes the mask to memory, a byte per connection, and
//! the passes read it. Mask and masks' bits are the same, written by the library's mask kernel.

use dropconnect::gpu::{Gpu, Recording, WriteMask};
use dropconnect::wgpu::util::DeviceExt;
use dropconnect::{ElementType, Error, Mask, Shape, wgpu};
use dropconnect_testing::{Kind, LINEAR};
use minijinja::context;

use super::template::render;

/// Threads of a workgroup.
const WORKGROUP: u32 = 64;
/// Elements past this have no 32-bit index.
const INDEXABLE: u64 = (1 << 32) - 256;

/// A stored mask and the kernels that read it.
pub struct StoredMask {
    mask: wgpu::Buffer,
    size: u64,
    write: Recording,
    passes: Vec<(Kind, Kernel)>,
}

struct Kernel {
    pipeline: wgpu::ComputePipeline,
    bindings: wgpu::BindGroup,
    groups: [u32; 2],
}

/// The tensors of the passes; results are f32 here, whatever the operands are.
pub struct Tensors<'a> {
    pub x: &'a wgpu::Buffer,
    pub weight: &'a wgpu::Buffer,
    pub grad_output: &'a wgpu::Buffer,
    pub y: &'a wgpu::Buffer,
    pub grad_input: &'a wgpu::Buffer,
    pub grad_weight: &'a wgpu::Buffer,
}

impl StoredMask {
    /// Prepares everything. The inner error says in words why a stored mask does not fit this device.
    pub fn new(
        gpu: &Gpu,
        shape: &Shape,
        element: ElementType,
        mask: &Mask,
        tensors: &Tensors,
    ) -> Result<Result<Self, String>, Error> {
        let limits = gpu.device().limits();
        let size = shape.connections();
        // The reader of rows that start between words reads one word past the end.
        let padded = size.saturating_add(4).next_multiple_of(4);
        let bound = if shape.inputs().is_multiple_of(4) { size } else { padded };
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size).min(INDEXABLE);
        let too_large = |limit| format!("a mask of {size} bytes does not fit: {limit}");
        if bound > limit {
            return Ok(Err(too_large(format!("a binding holds {limit}"))));
        }
        let kernels: Vec<_> = LINEAR.into_iter().map(|pass| (pass, groups(pass, shape))).collect();
        if kernels.iter().any(|(_, [x, y])| *x.max(y) > limits.max_compute_workgroups_per_dimension) {
            return Ok(Err("its grid passes the device's limit of workgroups".to_owned()));
        }
        let buffer = match gpu.buffer(bound) {
            Ok(buffer) => buffer,
            Err(Error::OutOfMemory { .. }) => {
                return Ok(Err(too_large("the device has no memory for it".to_owned())));
            }
            Err(error) => return Err(error),
        };
        let call = WriteMask { shape: *shape, mask, result: &buffer, offset: 0, size };
        let write = gpu.kernels().write_mask(&call)?;
        let passes = kernels
            .into_iter()
            .map(|of| (of.0, kernel(gpu, of, shape, element, mask, &buffer, tensors)))
            .collect();
        Ok(Ok(Self { mask: buffer, size, write, passes }))
    }

    /// Bytes of device memory the mask takes.
    pub fn bytes(&self) -> u64 {
        self.size
    }

    /// Records what writes the mask, for gradients that no forward pass comes before.
    pub fn fill(&self, into: &mut wgpu::ComputePass) {
        self.write.record(into);
    }

    /// Records a pass. The forward pass writes the mask first; the gradients find it written.
    pub fn record(&self, pass: Kind, into: &mut wgpu::ComputePass) {
        if pass == Kind::Forward {
            self.fill(into);
        }
        for (_, kernel) in self.passes.iter().filter(|(of, _)| *of == pass) {
            into.set_pipeline(&kernel.pipeline);
            into.set_bind_group(0, &kernel.bindings, &[]);
            into.dispatch_workgroups(kernel.groups[0], kernel.groups[1], 1);
        }
    }
}

impl Drop for StoredMask {
    /// Such masks are large: their memory is wanted for the next one.
    fn drop(&mut self) {
        self.mask.destroy();
    }
}

fn groups(pass: Kind, shape: &Shape) -> [u32; 2] {
    let [batch, outputs, inputs] = [shape.batch(), shape.outputs(), shape.inputs()].map(|size| size as u32);
    let across = inputs.div_ceil(4 * WORKGROUP);
    match pass {
        Kind::Forward => [outputs.div_ceil(4), batch.div_ceil(4)],
        Kind::InputGradient => [across, batch.div_ceil(ROWS)],
        _ => [across, outputs.div_ceil(ROWS)],
    }
}

/// Rows of a gradient that a thread owns.
const ROWS: u32 = 4;

fn kernel(
    gpu: &Gpu,
    (pass, groups): (Kind, [u32; 2]),
    shape: &Shape,
    element: ElementType,
    mask: &Mask,
    stored: &wgpu::Buffer,
    tensors: &Tensors,
) -> Kernel {
    let device = gpu.device();
    let label = Some("dropconnect.bench.stored_mask");
    let (quads, other, result) = match pass {
        Kind::Forward => (tensors.x, tensors.weight, tensors.y),
        Kind::InputGradient => (tensors.weight, tensors.grad_output, tensors.grad_input),
        _ => (tensors.x, tensors.grad_output, tensors.grad_weight),
    };
    let source = source(pass, element, shape.inputs().is_multiple_of(4));
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(source.into()) };
    // SAFETY: the library's kernels run without bounds checks, and so does this one, for a fair comparison.
    // Rows are clamped to the shape, columns of quads are either whole (`inputs` is a multiple of 4) or clamped,
    // buffers have the shape's sizes, and the mask's buffer has a word to spare where rows start between words.
    let module =
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) };
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label,
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: wgpu::PipelineCompilationOptions {
            zero_initialize_workgroup_memory: false,
            ..Default::default()
        },
        cache: None,
    });
    let mut params = Vec::new();
    for size in [shape.batch(), shape.outputs(), shape.inputs()] {
        params.extend((size as u32).to_le_bytes());
    }
    params.extend((mask.scale() as f32).to_le_bytes());
    let params = device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label,
        contents: &params,
        usage: wgpu::BufferUsages::UNIFORM,
    });
    let buffers = [&params, stored, quads, other, result];
    let entries: Vec<_> = (0..)
        .zip(buffers)
        .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() })
        .collect();
    let layout = &pipeline.get_bind_group_layout(0);
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor { label, layout, entries: &entries });
    Kernel { pipeline, bindings, groups }
}

fn source(pass: Kind, element: ElementType, whole_quads: bool) -> String {
    let values = context! {
        forward => pass == Kind::Forward,
        of_input => pass == Kind::InputGradient,
        element => element.name(),
        whole_quads,
        workgroup => WORKGROUP,
        gradient_rows => ROWS,
    };
    render(include_str!("stored_mask.wgsl"), &values)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shape of the text; that it computes what it should, `bench` checks before it times it.
    #[test]
    fn every_variant_renders() {
        for pass in LINEAR {
            for element in ElementType::ALL {
                for whole_quads in [false, true] {
                    let text = source(pass, element, whole_quads);
                    let what = format!("{pass:?} {element} {whole_quads}:\n{text}");
                    assert!(!text.contains("//%") && !text.contains('$'), "{what}");
                    assert_eq!(text.matches('{').count(), text.matches('}').count(), "{what}");
                    assert_eq!(text.matches("@compute").count(), 1, "{what}");
                    assert_eq!(text.contains("fn unpack"), element != ElementType::F32, "{what}");
                }
            }
        }
    }
}
