// Y = scale * (sum over i of M W X) + b. Twin: src/reference/forward.rs.
//
// A thread owns ${rows} x ${columns} bricks of outputs, ${4 * rows} examples by ${4 * columns} outputs, and walks the inputs
// eight at a time: one brick a step for each of its own, so that no mask word is computed twice. The
// brick is a function of global block coordinates alone, which is why the gradients, with other
// tiles and another order, see the same mask.
//% set xyzw = "xyzw"

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * ${workgroup_y}u + ${local_y};
    let tile_column = group.x * ${workgroup_x}u + local.x;
    let n = i32(tile_row * ${4 * rows}u) - params.sample_shift;
    let o = i32(tile_column * ${4 * columns}u) - params.output_shift;
    if n >= i32(params.samples) || o >= i32(params.outputs) {
        return;
    }
    let sample_block = params.sample_block + tile_row * ${rows}u;
    let output_block = params.output_block + tile_column * ${columns}u;

    // Rows past either end repeat the nearest one; their sums are never stored.
//% for r in range(4 * rows)
    let x_row_${r} = u32(clamp(n + ${r}, 0, i32(params.samples) - 1));
//% endfor
//% for c in range(4 * columns)
    let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
//% endfor
//% for r in range(4 * rows)
//% for c in range(4 * columns)
    var sum_${r}_${c} = 0.0;
//% endfor
//% endfor

    let blocks = (params.inputs + u32(params.input_shift) + 7u) / 8u;
    for (var block = 0u; block < blocks; block++) {
        let i = i32(block * 8u) - params.input_shift;
//% for c in range(4 * columns)
        let w_${c}_0 = w_quad(w_row_${c}, i);
        let w_${c}_1 = w_quad(w_row_${c}, i + 4);
//% endfor
//% for row in range(rows)
//% for r in range(4 * row, 4 * row + 4)
        let x_${r}_0 = x_quad(x_row_${r}, i);
        let x_${r}_1 = x_quad(x_row_${r}, i + 4);
//% endfor
//% for column in range(columns)
        let keep_${row}_${column} = brick(vec3(params.input_block + block, output_block + ${column}u, sample_block + ${row}u));
//% for r in range(4)
//% for c in range(4)
//% set n = 4 * row + r
//% set o = 4 * column + c
        sum_${n}_${o} = add_kept_dot(sum_${n}_${o}, x_${n}_0, x_${n}_1, w_${o}_0, w_${o}_1, keep_${row}_${column}.${xyzw[r]}, ${8 * c}u);
//% endfor
//% endfor
//% endfor
//% endfor
    }

//% for column in range(columns)
//% if bias
//% if vector and column > 0
    // Columns past the last repeat it; their sums are never stored.
    let bias_${column} = bias_quad(0u, min(o + ${4 * column}, i32(params.outputs) - 4));
//% else
    let bias_${column} = bias_quad(0u, o + ${4 * column});
//% endif
//% endif
//% for row in range(rows)
//% if bias and planes != "none"
    // Brick of the virtual inputs that decide masked biases: their lane 0.
    var keep_bias_${row}_${column} = vec4(~0u);
    if params.masked_bias == 1u {
        keep_bias_${row}_${column} = brick(vec3(~0u, output_block + ${column}u, sample_block + ${row}u));
    }
//% endif
//% for r in range(4)
//% set n = 4 * row + r
//% set o = 4 * column
//% set sums = "vec4(sum_" ~ n ~ "_" ~ o ~ ", sum_" ~ n ~ "_" ~ (o + 1) ~ ", sum_" ~ n ~ "_" ~ (o + 2) ~ ", sum_" ~ n ~ "_" ~ (o + 3) ~ ")"
//% if not bias
    store_quad(n + ${n}, o + ${o}, params.scale * ${sums});
//% elif planes == "none"
    store_quad(n + ${n}, o + ${o}, params.scale * ${sums} + bias_${column});
//% else
    store_quad(n + ${n}, o + ${o}, params.scale * ${sums} + kept_bias(bias_${column}, keep_bias_${row}_${column}.${xyzw[r]}));
//% endif
//% endfor
//% endfor
//% endfor
}
//% if bias and planes != "none"

fn kept_bias(bias: vec4<f32>, word: u32) -> vec4<f32> {
    let scale = select(1.0, params.scale, params.masked_bias == 1u);
    return select(vec4(0.0), scale * bias, (vec4(word) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u));
}
//% endif
