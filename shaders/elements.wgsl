// Tensors in storage buffers, ${element} in and ${result_element} out; 16 bits are two to a word. Mirrors
// src/element.rs.
//
// Everything works on quads, four consecutive elements of a row.
//% if vector
// Every row starts on a quad here, and a quad is one load.
//% else
// Rows start anywhere here: each element is loaded by itself, and one outside its row reads as 0 on both sides of a
// product, so that it adds exactly 0 to any sum.
//% endif
//% set narrow = element if element != "f32" else result_element
//% set LANES = {"f32": 1, "f16": 2, "bf16": 2}
//% set lanes = LANES[narrow]
//% set lane_bits = 32 // lanes
//% set lane_mask = ["", "~0u", "0xffffu"][lanes]
//% if narrow == "f16"

fn unpack(word: u32) -> vec2<f32> {
    return unpack2x16float(word);
}

// To nearest even, by hand: the rounding of pack2x16float differs between drivers.
fn pack(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let sign = (bits >> 16u) & 0x8000u;
    let magnitude = bits & 0x7fffffffu;
    if magnitude > 0x7f800000u {
        return sign | 0x7e00u;
    }
    if magnitude < 0x38800000u {
        return sign | u32(round(bitcast<f32>(magnitude) * 16777216.0));
    }
    let rounded = magnitude + 0xfffu + ((magnitude >> 13u) & 1u);
    return sign | select((rounded - 0x38000000u) >> 13u, 0x7c00u, rounded >= 0x47800000u);
}
//% elif narrow == "bf16"

fn unpack(word: u32) -> vec2<f32> {
    return vec2(bitcast<f32>(word << 16u), bitcast<f32>(word & 0xffff0000u));
}

// To nearest even.
fn pack(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    let rounded = (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
    return select(rounded, (bits >> 16u) | 0x40u, (bits & 0x7fffffffu) > 0x7f800000u);
}
//% endif

//% if narrow != "f32"

// The element at `index`, of the word that has it.
fn unpack_lane(word: u32, index: u32) -> f32 {
    return unpack(word >> (${lane_bits}u * (index & ${lanes - 1}u))).x;
}

fn unpack_quad(words: vec2<u32>) -> vec4<f32> {
    return vec4(unpack(words.x), unpack(words.y));
}

fn pack_quad(quad: vec4<f32>) -> vec2<u32> {
    return vec2(pack(quad.x) | (pack(quad.y) << 16u), pack(quad.z) | (pack(quad.w) << 16u));
}
//% endif

//% if vector
//% set words = ["", "vec4<f32>", "vec2<u32>"]
//% set word = words[LANES[element]]
//% set result_word = words[LANES[result_element]]
//% else
//% set word = "f32" if element == "f32" else "u32"
//% set result_word = "f32" if result_element == "f32" else "atomic<u32>"
//% endif
//% for operand in operands
@group(0) @binding(${loop.index}) var<storage, ${access}> ${operand.name}: array<${word}>;

// Columns `column` to `column + 3` of row `row`.
fn ${operand.name}_quad(row: u32, column: i32) -> vec4<f32> {
//% if vector
//% set quad = operand.name ~ "[(" ~ operand.base ~ " + row * " ~ operand.stride ~ " + u32(column)) / 4u]"
    return ${quad if element == "f32" else "unpack_quad(" ~ quad ~ ")"};
//% else
    let index = ${operand.base} + row * ${operand.stride};
    let last = i32(${operand.columns}) - 1;
//% for lane in range(4)
    let index_${lane} = index + u32(clamp(column + ${lane}, 0, last));
//% if element == "f32"
    let value_${lane} = ${operand.name}[index_${lane}];
//% else
    let value_${lane} = unpack_lane(${operand.name}[index_${lane} / ${lanes}u], index_${lane});
//% endif
//% endfor
    let lanes = vec4(column) + vec4(0, 1, 2, 3);
    return select(vec4(0.0), vec4(value_0, value_1, value_2, value_3), lanes == clamp(lanes, vec4(0), vec4(last)));
//% endif
}

//% endfor
//% for result in results
@group(0) @binding(${operands|length + loop.index}) var<storage, read_write> ${result.name}: array<${result_word}>;
//% if not vector

fn store_${result.name}(index: u32, value: f32) {
//% if result_element == "f32"
    ${result.name}[index] = select(0.0, ${result.name}[index], params.accumulate == 1u) + value;
//% else
    // The other lane of the word may belong to another thread, which touches only its own bits: the
    // word ends up the same in whatever order they come.
    let shift = (index & ${lanes - 1}u) * ${lane_bits}u;
    let word = index / ${lanes}u;
    var sum = value;
    if params.accumulate == 1u {
        sum += unpack_lane(atomicLoad(&${result.name}[word]), index);
    }
    atomicAnd(&${result.name}[word], ~(${lane_mask} << shift));
    atomicOr(&${result.name}[word], pack(sum) << shift);
//% endif
}
//% endif

// Writes `values` to columns `column` to `column + 3` of row `row`, where those exist.
fn store_${result.name}_quad(row: i32, column: i32, values: vec4<f32>) {
    if row < 0 || row >= i32(${result.rows}) {
        return;
    }
    let index = ${result.base} + u32(row) * ${result.stride} + u32(column);
//% if vector
//% set quad = result.name ~ "[index / 4u]"
    if column < i32(${result.columns}) {
        var sum = values;
        if params.accumulate == 1u {
            sum += ${quad if result_element == "f32" else "unpack_quad(" ~ quad ~ ")"};
        }
        ${quad} = ${"sum" if result_element == "f32" else "pack_quad(sum)"};
    }
//% elif not unrolled
    for (var lane = 0; lane < 4; lane++) {
        if column + lane >= 0 && column + lane < i32(${result.columns}) {
            store_${result.name}(index + u32(lane), values[lane]);
        }
    }
//% else
//% for lane in range(4)
    if column + ${lane} >= 0 && column + ${lane} < i32(${result.columns}) {
        store_${result.name}(index + ${lane}u, values[${lane}]);
    }
//% endfor
//% endif
}

//% if result.kept
// What the result, which is f32, holds there.
fn ${result.name}_quad(row: u32, column: i32) -> vec4<f32> {
    let index = ${result.base} + row * ${result.stride};
//% if vector
    return ${result.name}[(index + u32(column)) / 4u];
//% else
    let last = i32(${result.columns}) - 1;
    return vec4(
//% for lane in range(4)
        ${result.name}[index + u32(clamp(column + ${lane}, 0, last))],
//% endfor
    );
//% endif
}

//% endif
//% endfor
