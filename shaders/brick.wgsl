// The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one call per bit plane.
// Twin: src/mask/brick.rs. Word n of the result holds example n; its bit `o * 8 + i` is set where
// connection (n, o, i) is kept. `block` is (input / 8, output / 4, example / 4) in global coordinates.

// The input block whose lane 0 decides masked biases: past every real input.
const BIAS_INPUT_BLOCK = ${bias_input_block}u;

// The planes before the tail cost a call each.
const HEAD_PLANES = ${head_planes}u;
//% if planes != "none"

// One rung of the ladder that decides u < threshold from the least significant plane to the most:
// keep | !plane where the threshold's bit is 1, keep & !plane where it is 0.
fn rung(keep: vec4<u32>, plane: vec4<u32>, bit: u32) -> vec4<u32> {
    let below = ~plane;
    let settle = vec4(0u - ((params.threshold >> bit) & 1u));
    return (keep & below) | (settle & (keep | below));
}

//% endif
//% if planes == "one"
// p = 1/2. The threshold's bit is 1, so that this is ~plane; but were the compiler to know, it would fold the
// inversion into each of 128 tests, which costs NVIDIA a third more instructions (docs/performance.md).
fn brick(block: vec3<u32>) -> vec4<u32> {
    return rung(vec4(0u), philox(vec4(block, 0u)), 15u);
}
//% elif planes == "many"

// Planes 8 to 15, the least significant: they come from one call, words moved round by t, bits by a fixed
// rotation each. Planes past the last meet zeros of the threshold, which leave `keep` at 0.
fn tail_planes(block: vec3<u32>) -> vec4<u32> {
    var keep = vec4(0u);
    if params.bits > HEAD_PLANES {
        let tail = philox(vec4(block, HEAD_PLANES));
//% for t in range(7, -1, -1)
//% set rotation = tail_rotation[t]
//% set words = ["xyzw", "yzwx", "zwxy", "wxyz"][t % 4]
//% if rotation == 0
        keep = rung(keep, tail.${words}, ${7 - t}u);
//% else
//% set tail = "tail." ~ words
        keep = rung(keep, (${tail} << vec4(${rotation}u)) | (${tail} >> vec4(${32 - rotation}u)), ${7 - t}u);
//% endif
//% endfor
    }
    return keep;
}

// Plane j of the first eight, a call of its own.
fn next_plane(keep: vec4<u32>, block: vec3<u32>, j: u32) -> vec4<u32> {
    return rung(keep, philox(vec4(block, j)), 15u - j);
}

fn brick(block: vec3<u32>) -> vec4<u32> {
    var keep = tail_planes(block);
//% if rolled
    for (var j = min(params.bits, HEAD_PLANES); j > 0u; j--) {
        keep = next_plane(keep, block, j - 1u);
    }
//% else
//% for j in range(7, -1, -1)
    if params.bits > ${j}u {
        keep = next_plane(keep, block, ${j}u);
    }
//% endfor
//% endif
    return keep;
}
//% else

// Nothing is ever dropped, and nothing reads the words.
fn brick(block: vec3<u32>) -> vec4<u32> {
    return vec4(~0u);
}
//% endif
//% if sharing != "each"

// The mask coordinate of local example n where examples share masks.
fn mask_coordinate(n: i32) -> u32 {
    let global = params.example_block * 4u + u32(n + params.example_shift);
    return select(global / max(params.group, 1u), 0u, params.group == 0u);
}

// The word of one such coordinate.
fn shared_word(input_block: u32, output_block: u32, coordinate: u32) -> u32 {
    let words = brick(vec3(input_block, output_block, coordinate / 4u));
    return words[coordinate & 3u];
}
//% endif
