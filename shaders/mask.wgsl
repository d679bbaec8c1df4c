// The mask itself, one byte of 0 or 1 a connection: [batch, outputs, inputs], or [batch, outputs] for
// the bias. Reference: src/reference/mask.rs. No pass of the layer uses this; it is for looking and checking.
//
// A thread owns one brick; ${workgroup_x * workgroup_y} threads a workgroup.
//% set xyzw = "xyzw"

@group(0) @binding(1) var<storage, read_write> result: array<${"vec2<u32>" if vector else "atomic<u32>"}>;
//% if vector

// Four bits, each to a byte of its own.
fn spread(bits: u32) -> u32 {
    return ((bits & 15u) * 0x00204081u) & 0x01010101u;
}
//% else

// Bytes of a word may belong to different threads, each of which touches only its own bits.
fn store(index: u32, bit: u32) {
    let shift = (index & 3u) * 8u;
    atomicAnd(&result[index / 4u], ~(0xffu << shift));
    atomicOr(&result[index / 4u], (bit & 1u) << shift);
}
//% endif

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
    let input_block = workgroup.x * ${workgroup_x}u + local.x;
    let tile_row = workgroup.y * ${workgroup_y}u + ${local_y};
    // Blocks of outputs are in the third dimension of the grid.
    let n = i32(tile_row * 4u) - params.example_shift;
    let o = i32(workgroup.z * 4u) - params.output_shift;
//% if not bias
    let i = i32(input_block * 8u) - params.input_shift;
//% endif
    if input_block >= blocks || n >= i32(params.examples) {
        return;
    }
//% set block = "BIAS_INPUT_BLOCK" if bias else "params.input_block + input_block"
//% if sharing == "each"
    let block = vec3(
        ${block},
        params.output_block + workgroup.z,
        params.example_block + tile_row,
    );
    let keep = brick(block);
//% else
    let keep = vec4(
//% for r in range(4)
        shared_word(${block}, params.output_block + workgroup.z, mask_coordinate(n + ${r})),
//% endfor
    );
//% endif
//% for r in range(4)
//% for c in range(4)
    if n + ${r} >= 0 && n + ${r} < i32(params.examples) && o + ${c} >= 0 && o + ${c} < i32(params.outputs) {
        let row = u32(n + ${r}) * params.output_stride + u32(o + ${c});
        let bits = keep.${xyzw[r]} >> ${8 * c}u;
//% if bias
        store(params.base[0].x + row, bits);
//% elif vector
        result[(params.base[0].x + row * params.input_stride + u32(i)) / 8u] = vec2(spread(bits), spread(bits >> 4u));
//% else
        let index = params.base[0].x + row * params.input_stride + u32(i);
//% for k in range(8)
        if i + ${k} >= 0 && i + ${k} < i32(params.inputs) {
            store(index + ${k}u, bits >> ${k}u);
        }
//% endfor
//% endif
    }
//% endfor
//% endfor
}
