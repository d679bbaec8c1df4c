//! What one does without regenerating masks: one kernel writes the mask to memory, a byte per connection, and
//! the passes read it. Mask and masks' bits are the same, written by the library's mask kernel.

use dropconnect::gpu::{Gpu, Recording, WriteMask};
use dropconnect::wgpu::util::DeviceExt;
use dropconnect::{ElementType, Error, Mask, Shape, wgpu};

use super::problem::Pass;

/// Threads of a workgroup.
const WORKGROUP: u32 = 64;
/// Elements past this have no 32-bit index.
const INDEXABLE: u64 = (1 << 32) - 256;

/// A stored mask and the kernels that read it.
pub struct StoredMask {
    mask: wgpu::Buffer,
    size: u64,
    write: Recording,
    passes: Vec<(Pass, Kernel)>,
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
        let kernels: Vec<_> = Pass::ALL.into_iter().map(|pass| (pass, groups(pass, shape))).collect();
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

    /// Records a pass. The forward pass writes the mask first; the gradients find it written.
    pub fn record(&self, pass: Pass, into: &mut wgpu::ComputePass) {
        if pass == Pass::Forward {
            self.write.record(into);
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

fn groups(pass: Pass, shape: &Shape) -> [u32; 2] {
    let [batch, outputs, inputs] = [shape.batch(), shape.outputs(), shape.inputs()].map(|size| size as u32);
    let across = inputs.div_ceil(4 * WORKGROUP);
    match pass {
        Pass::Forward => [outputs.div_ceil(4), batch.div_ceil(4)],
        Pass::InputGradient => [across, batch.div_ceil(ROWS)],
        Pass::WeightGradient => [across, outputs.div_ceil(ROWS)],
    }
}

/// Rows of a gradient that a thread owns.
const ROWS: u32 = 4;

fn kernel(
    gpu: &Gpu,
    (pass, groups): (Pass, [u32; 2]),
    shape: &Shape,
    element: ElementType,
    mask: &Mask,
    stored: &wgpu::Buffer,
    tensors: &Tensors,
) -> Kernel {
    let device = gpu.device();
    let label = Some("dropconnect.bench.stored_mask");
    let (quads, other, result) = match pass {
        Pass::Forward => (tensors.x, tensors.weight, tensors.y),
        Pass::InputGradient => (tensors.weight, tensors.grad_output, tensors.grad_input),
        Pass::WeightGradient => (tensors.x, tensors.grad_output, tensors.grad_weight),
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

/// `text` for 0, 1, ... `count - 1`, with `#` replaced by the number.
fn each(count: u32, text: &str) -> String {
    (0..count).map(|k| text.replace('#', &k.to_string())).collect()
}

fn source(pass: Pass, element: ElementType, whole_quads: bool) -> String {
    let unpack = match element {
        ElementType::F32 => "",
        ElementType::F16 => "fn unpack(word: u32) -> vec2<f32> { return unpack2x16float(word); }\n",
        ElementType::BF16 => {
            "fn unpack(word: u32) -> vec2<f32> {\n    \
             return vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));\n}\n"
        }
    };
    let word = match (element, whole_quads) {
        (ElementType::F32, true) => "vec4<f32>",
        (ElementType::F32, false) => "f32",
        (_, true) => "vec2<u32>",
        (_, false) => "u32",
    };
    let scalar_word = if element == ElementType::F32 { "f32" } else { "u32" };
    let scalar = |of: &str, at: &str| match element {
        ElementType::F32 => format!("{of}[{at}]"),
        _ => format!("unpack({of}[({at}) / 2u])[({at}) & 1u]"),
    };
    let quad = |of: &str| match (element, whole_quads) {
        (ElementType::F32, true) => format!("return {of}[(row * params.inputs + column) / 4u];"),
        (_, true) => format!(
            "let words = {of}[(row * params.inputs + column) / 4u];\n    \
             return vec4(unpack(words.x), unpack(words.y));"
        ),
        (_, false) => {
            let lane = |k: u32| {
                let at = format!("row * params.inputs + min(column + {k}u, params.inputs - 1u)");
                format!("select(0.0, {}, column + {k}u < params.inputs)", scalar(of, &at))
            };
            format!("return vec4({}, {}, {}, {});", lane(0), lane(1), lane(2), lane(3))
        }
    };
    let mask_word = if whole_quads {
        "return mask[at / 4u];"
    } else {
        "let shift = (at & 3u) * 8u;\n    let low = mask[at / 4u] >> shift;\n    \
         return select(low, low | (mask[at / 4u + 1u] << ((32u - shift) & 31u)), shift != 0u);"
    };
    let other_word = if pass == Pass::Forward { word } else { scalar_word };
    let other_access = match pass {
        Pass::Forward => format!("fn b_quad(row: u32, column: u32) -> vec4<f32> {{\n    {}\n}}", quad("b")),
        _ => format!("fn b_value(at: u32) -> f32 {{\n    return {};\n}}", scalar("b", "at")),
    };
    let head = format!(
        "struct Params {{ batch: u32, outputs: u32, inputs: u32, scale: f32 }}
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<{word}>;
@group(0) @binding(3) var<storage, read> b: array<{other_word}>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;
{unpack}
fn a_quad(row: u32, column: u32) -> vec4<f32> {{
    {}
}}
{other_access}
// The bytes of four connections.
fn mask_quad(at: u32) -> u32 {{
    {mask_word}
}}
fn keep(word: u32, values: vec4<f32>) -> vec4<f32> {{
    return select(vec4(0.0), values, (vec4(word) & vec4(0x1u, 0x100u, 0x10000u, 0x1000000u)) != vec4(0u));
}}
",
        quad("a")
    );
    let body = match pass {
        Pass::Forward => forward(),
        Pass::InputGradient => gradient(true),
        Pass::WeightGradient => gradient(false),
    };
    format!("{head}{body}")
}

/// A workgroup owns 4 examples x 4 outputs; its threads divide the inputs, so that masks, X and W are read in
/// consecutive words, and add up in workgroup memory.
fn forward() -> String {
    let rows = each(4, "        let x# = a_quad(min(n + #u, params.batch - 1u), i);\n")
        + &each(4, "        let w# = b_quad(min(o + #u, params.outputs - 1u), i);\n")
        + &each(4, "        let n# = min(n + #u, params.batch - 1u) * params.outputs;\n")
        + &each(4, "        let o# = min(o + #u, params.outputs - 1u);\n");
    let mut sums = String::new();
    let (mut products, mut parts) = (String::new(), String::new());
    for k in 0..16 {
        let (r, c) = (k / 4, k % 4);
        sums += &format!("    var sum{k} = vec4(0.0);\n");
        products +=
            &format!("        sum{k} += x{r} * keep(mask_quad((n{r} + o{c}) * params.inputs + i), w{c});\n");
        parts += &format!("    parts[{k}u * {WORKGROUP}u + lane] = dot(sum{k}, vec4(1.0));\n");
    }
    format!(
        "var<workgroup> parts: array<f32, {}>;
@compute @workgroup_size({WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let n = group.y * 4u;
    let o = group.x * 4u;
{sums}    for (var i = lane * 4u; i < params.inputs; i += {}u) {{
{rows}{products}    }}
{parts}    workgroupBarrier();
    let row = n + lane / 4u;
    let column = o + lane % 4u;
    if lane < 16u && row < params.batch && column < params.outputs {{
        var sum = 0.0;
        for (var k = 0u; k < {WORKGROUP}u; k++) {{
            sum += parts[lane * {WORKGROUP}u + k];
        }}
        result[row * params.outputs + column] = params.scale * sum;
    }}
}}
",
        16 * WORKGROUP,
        4 * WORKGROUP
    )
}

/// A thread owns four inputs in some rows of the gradient, so that masks, operands and results are read and
/// written in consecutive words.
fn gradient(input: bool) -> String {
    let (rows, steps, at) = if input {
        ("params.batch", "params.outputs", "row# * params.outputs + k")
    } else {
        ("params.outputs", "params.batch", "k * params.outputs + row#")
    };
    let starts =
        each(ROWS, &format!("    let row# = min(first + #u, {rows} - 1u);\n    var sum# = vec4(0.0);\n"));
    let products = each(
        ROWS,
        &format!("        sum# += b_value({at}) * keep(mask_quad(({at}) * params.inputs + i), quad);\n"),
    );
    let store = |k: u32| {
        format!(
            "        if i + {k}u < params.inputs {{ result[(first + #u) * params.inputs + i + {k}u] = params.scale * sum#[{k}]; }}\n"
        )
    };
    let stores: String = (0..4).map(store).collect();
    let stores = each(ROWS, &format!("    if first + #u < {rows} {{\n{stores}    }}\n"));
    format!(
        "@compute @workgroup_size({WORKGROUP})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {{
    let i = (group.x * {WORKGROUP}u + lane) * 4u;
    let first = group.y * {ROWS}u;
    if i >= params.inputs {{
        return;
    }}
{starts}    for (var k = 0u; k < {steps}; k++) {{
        let quad = a_quad(k, i);
{products}    }}
{stores}}}
"
    )
}
