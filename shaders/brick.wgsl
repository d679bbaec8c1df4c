// The brick: 4 examples x 4 outputs x 8 inputs, 128 decisions from one run of the generator.
// Mirrors src/mask/brick.rs. Word n of the result holds example n; its bit `o * 8 + i` is set where
// connection (n, o, i) is kept. `block` is (input / 8, output / 4, example / 4) in global coordinates.
//% from "round_key" import round_key, compare_planes
{% macro zero(bit) %}
{% if not unrolled %}zero_at(${bit}u)
{%- else %}params.zeros[${bit // 4}].${"xyzw"[bit % 4]}{% endif %}
{% endmacro %}
//% set words = ["xyzw", "yzwx", "zwxy", "wxyz"]

// The input block whose lane 0 decides masked biases: past every real input.
const BIAS_INPUT_BLOCK = ${bias_input_block}u;
//% if planes != "none"

// The first state of the run that decides a brick.
fn first_state(block: vec3<u32>) -> vec4<u32> {
    return philox(vec4(block, 0u));
}

// What is kept, of what is dropped. Were the compiler to know that this is an inversion, it would fold it into each of
// 128 tests, which costs NVIDIA a third more instructions (docs/rejected.md).
fn keep_from_drop(drop: vec4<u32>) -> vec4<u32> {
    return vec4(params.all_ones) - drop;
}
//% endif
//% if planes == "one"

// p = 1/2: a 1 in the only plane drops.
fn brick(block: vec3<u32>) -> vec4<u32> {
    return keep_from_drop(first_state(block));
}
//% elif planes != "none"
//% if not unrolled

// All ones where this bit of the threshold is 0.
fn zero_at(bit: u32) -> u32 {
    return ((params.threshold >> bit) & 1u) - 1u;
}
//% endif

// One bit of the bit-serial comparison u < threshold, from the least significant plane to the most: drop & plane where
// the threshold's bit is 1, drop | plane where it is 0. It is the majority of the three, for which NVIDIA has one
// instruction however it is written; the other ways are the shortest for AMD, and for processors.
fn compare_bit(drop: vec4<u32>, plane: vec4<u32>, zero: u32) -> vec4<u32> {
//% if not unrolled
    return drop ^ ((drop ^ plane) & (drop ^ vec4(zero)));
//% else
    return (drop & plane) | (vec4(zero) & (drop | plane));
//% endif
}

// What the run's first state decides: the least significant plane, or at 9 to 16 bits all those below the last eight.
// Such a plane is that state with words moved round by some, and bits by a fixed rotation; those that are too many
// meet zeros of the threshold, which leave `drop` at 1.
fn first_planes(state: vec4<u32>) -> vec4<u32> {
//% if planes == "few"
    return compare_bit(vec4(~0u), state, ${zero(0)});
//% else
    var drop = vec4(~0u);
//% for t in range(7, -1, -1)
//% set plane = "state" if t % 4 == 0 else "state." ~ words[t % 4]
//% if rotations[t] > 0
//% set plane = "(" ~ plane ~ " << vec4(" ~ rotations[t] ~ "u)) | (" ~ plane ~ " >> vec4(" ~ (32 - rotations[t]) ~ "u))"
//% endif
    drop = compare_bit(drop, ${plane}, ${zero(7 - t)});
//% endfor
    return drop;
//% endif
}

fn brick(block: vec3<u32>) -> vec4<u32> {
    var state = first_state(block);
    var drop = first_planes(state);
//% if not unrolled
    ${compare_planes([""])-}
//% else
//% for k in range(1, 8 if planes == "few" else 9)
//% set indent = "    " if planes == "few" else ""
//% if planes == "few"
    if params.bits > ${k}u {
//% endif
//% for round in range(rounds + plane_rounds * (k - 1), rounds + plane_rounds * k)
    ${indent}state = philox_round(state, ${round_key(round)});
//% endfor
    ${indent}drop = compare_bit(drop, state, ${zero(first_bit + k - 1)});
//% if planes == "few"
    }
//% endif
//% endfor
//% endif
    return keep_from_drop(drop);
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
    return select(global / max(params.mask_group, 1u), 0u, params.mask_group == 0u);
}

// The word of one such coordinate.
fn shared_word(input_block: u32, output_block: u32, coordinate: u32) -> u32 {
    let words = brick(vec3(input_block, output_block, coordinate / 4u));
    return words[coordinate & 3u];
}
//% endif
