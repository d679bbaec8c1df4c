// A layer whose mask is stored, a byte for each connection, and read: what the benchmark compares with. stored_mask.rs
// renders this template, one text for each pass, element type, and rows that are whole quads or not.
//
// `a` is read in quads, four inputs of a row; `b` too in the forward pass, else a number at a time. Operands are X
// and W (forward), W and G (gradient of the input), X and G (of the weight).
//% set narrow = element != "f32"
//% set scalar_word = "u32" if narrow else "f32"
//% set word = ("vec2<u32>" if narrow else "vec4<f32>") if whole_quads else scalar_word
struct Params { batch: u32, outputs: u32, inputs: u32, scale: f32 }
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> mask: array<u32>;
@group(0) @binding(2) var<storage, read> a: array<${word}>;
@group(0) @binding(3) var<storage, read> b: array<${word if forward else scalar_word}>;
@group(0) @binding(4) var<storage, read_write> result: array<f32>;
//% if element == "f16"

fn unpack(word: u32) -> vec2<f32> {
    return unpack2x16float(word);
}
//% elif element == "bf16"

fn unpack(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}
//% endif
//% for of in (["a", "b"] if forward else ["a"])

fn ${of}_quad(row: u32, column: u32) -> vec4<f32> {
//% if whole_quads and narrow
    let words = ${of}[(row * params.inputs + column) / 4u];
    return vec4(unpack(words.x), unpack(words.y));
//% elif whole_quads
    return ${of}[(row * params.inputs + column) / 4u];
//% else
//% for k in range(4)
    let at_${k} = row * params.inputs + min(column + ${k}u, params.inputs - 1u);
//% if narrow
    let value_${k} = unpack(${of}[at_${k} / 2u])[at_${k} & 1u];
//% else
    let value_${k} = ${of}[at_${k}];
//% endif
//% endfor
    let columns = vec4(column) + vec4(0u, 1u, 2u, 3u);
    return select(vec4(0.0), vec4(value_0, value_1, value_2, value_3), columns < vec4(params.inputs));
//% endif
}
//% endfor
//% if not forward

fn b_value(at: u32) -> f32 {
//% if narrow
    return unpack(b[at / 2u])[at & 1u];
//% else
    return b[at];
//% endif
}
//% endif

// The bytes of four connections.
fn mask_quad(at: u32) -> u32 {
//% if whole_quads
    return mask[at / 4u];
//% else
    let shift = (at & 3u) * 8u;
    let low = mask[at / 4u] >> shift;
    return select(low, low | (mask[at / 4u + 1u] << ((32u - shift) & 31u)), shift != 0u);
//% endif
}

fn keep(word: u32, values: vec4<f32>) -> vec4<f32> {
    return select(vec4(0.0), values, (vec4(word) & vec4(0x1u, 0x100u, 0x10000u, 0x1000000u)) != vec4(0u));
}
//% if forward

// A workgroup owns 4 examples x 4 outputs; its threads divide the inputs, so that masks, X and W are read in
// consecutive words, and add up in workgroup memory.
var<workgroup> parts: array<f32, ${16 * workgroup}>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let n = group.y * 4u;
    let o = group.x * 4u;
//% for k in range(16)
    var sum_${k} = vec4(0.0);
//% endfor
    for (var i = lane * 4u; i < params.inputs; i += ${4 * workgroup}u) {
//% for k in range(4)
        let x_${k} = a_quad(min(n + ${k}u, params.batch - 1u), i);
        let w_${k} = b_quad(min(o + ${k}u, params.outputs - 1u), i);
        let n_${k} = min(n + ${k}u, params.batch - 1u) * params.outputs;
        let o_${k} = min(o + ${k}u, params.outputs - 1u);
//% endfor
//% for r in range(4)
//% for c in range(4)
        sum_${4 * r + c} += x_${r} * keep(mask_quad((n_${r} + o_${c}) * params.inputs + i), w_${c});
//% endfor
//% endfor
    }
//% for k in range(16)
    parts[${k * workgroup}u + lane] = dot(sum_${k}, vec4(1.0));
//% endfor
    workgroupBarrier();
    let row = n + lane / 4u;
    let column = o + lane % 4u;
    if lane < 16u && row < params.batch && column < params.outputs {
        var sum = 0.0;
        for (var k = 0u; k < ${workgroup}u; k++) {
            sum += parts[lane * ${workgroup}u + k];
        }
        result[row * params.outputs + column] = params.scale * sum;
    }
}
//% else
//% set rows = "params.batch" if of_input else "params.outputs"
//% set steps = "params.outputs" if of_input else "params.batch"

// A thread owns four inputs in ${gradient_rows} rows of the gradient, so that masks, operands and results are read and
// written in consecutive words.
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let i = (group.x * ${workgroup}u + lane) * 4u;
    let first = group.y * ${gradient_rows}u;
    if i >= params.inputs {
        return;
    }
//% for r in range(gradient_rows)
    let row_${r} = min(first + ${r}u, ${rows} - 1u);
    var sum_${r} = vec4(0.0);
//% endfor
    for (var k = 0u; k < ${steps}; k++) {
        let quad = a_quad(k, i);
//% for r in range(gradient_rows)
        let at_${r} = ${"row_" ~ r ~ " * params.outputs + k" if of_input else "k * params.outputs + row_" ~ r};
        sum_${r} += b_value(at_${r}) * keep(mask_quad(at_${r} * params.inputs + i), quad);
//% endfor
    }
//% for r in range(gradient_rows)
    if first + ${r}u < ${rows} {
        let at = (first + ${r}u) * params.inputs + i;
//% for k in range(4)
        if i + ${k}u < params.inputs {
            result[at + ${k}u] = params.scale * sum_${r}[${k}];
        }
//% endfor
    }
//% endfor
}
//% endif
