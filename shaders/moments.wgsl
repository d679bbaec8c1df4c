// Mean and variance of W X + b under the mask, in one pass over X and W (Wan et al. 2013, Algorithm 2):
// mean = sum over i of W X + b, variance = p / (1 - p) * sum over i of W^2 X^2, under inverted scaling.
// Where the bias is masked its term, p / (1 - p) * b^2, is added. Reference: src/reference/moments.rs.
// `params.scale` is p / (1 - p) here. The results are f32 whatever X, W and b are.
//
//     TM x TN = ${4 * rows} x ${4 * columns} results a thread, ${workgroup_x} x ${workgroup_y} threads a workgroup
//     BK = 4 inputs at a time, which each thread reads for itself
//% from "tile" import quad_column, begin_totals, add_to_totals, end_totals
//% set xyzw = "xyzw"

// NaN where the mean is; at p = 0 it is 0, not 0 * infinity.
fn variance_of(mean: f32, squares: f32) -> f32 {
    return nan_where(is_nan(mean), zero_where(params.scale == 0.0, squares));
}

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32((workgroup.y * ${workgroup_y}u + ${local_y}) * ${4 * rows}u);
    let o = i32((workgroup.x * ${workgroup_x}u + local.x) * ${4 * columns}u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    // Rows past the end repeat the last one; their sums are never stored.
//% for r in range(4 * rows)
    let x_row_${r} = min(u32(n + ${r}), params.examples - 1u);
//% for c in range(4 * columns)
    var mean_${r}_${c} = 0.0;
    var square_${r}_${c} = 0.0;
//% endfor
//% endfor
//% for c in range(4 * columns)
    let w_row_${c} = min(u32(o + ${c}), params.outputs - 1u);
//% endfor
    // 0, which a compiler is not to know.
    let zero = bitcast<f32>(~params.all_ones);
    let blocks = (params.inputs + 3u) / 4u;
//% set ns = namespace(sums=[])
//% for r in range(4 * rows)
//% for c in range(4 * columns)
//% set ns.sums = ns.sums + ["mean_" ~ r ~ "_" ~ c, "square_" ~ r ~ "_" ~ c]
//% endfor
//% endfor
//% if blocked
    ${begin_totals(ns.sums, "f32")-}
    for (var begin = 0u; begin < blocks; begin += ${block_steps}u) {
    let end = min(begin + ${block_steps}u, blocks);
//% endif
    for (var block = ${"begin; block < end" if blocked else "0u; block < blocks"}; block++) {
        let i = i32(block * 4u);
//% for c in range(4 * columns)
        let w_${c} = w_quad(w_row_${c}, i);
//% endfor
//% for r in range(4 * rows)
        let x_${r} = x_quad(x_row_${r}, i);
//% for c in range(4 * columns)
        // The square of the product, not of its factors, and times p / (1 - p) first: nothing leaves f32 that the
        // results do not leave. No dot product, and no sum that begins with a 0: NVIDIA's driver takes factors out.
        let product_${r}_${c} = w_${c} * x_${r};
        let scaled_${r}_${c} = params.scale * product_${r}_${c};
        mean_${r}_${c} += dot(w_${c}, x_${r});
        var four_${r}_${c} = zero;
//% for lane in xyzw
        four_${r}_${c} = fma(scaled_${r}_${c}.${lane}, product_${r}_${c}.${lane}, four_${r}_${c});
//% endfor
        square_${r}_${c} += four_${r}_${c};
//% endfor
//% endfor
    }
//% if blocked
    ${add_to_totals(ns.sums, "f32")-}
    }
    ${end_totals(ns.sums)-}
//% endif
//% for column in range(columns)
//% if bias
    let bias_${column} = bias_quad(0u, ${quad_column("o", column, 1)});
    // Of these three factors it would take the square first: the product passes through bits that it cannot tell.
    let scaled_bias_${column} =
        bitcast<vec4<f32>>(bitcast<vec4<u32>>(params.scale * bias_${column}) ^ vec4(~params.all_ones));
    let spread_${column} = select(vec4(0.0), scaled_bias_${column} * bias_${column}, params.masked_bias == 1u);
//% endif
//% for n in range(4 * rows)
    let means_${n}_${column} = vec4(
//% for c in range(4 * column, 4 * column + 4)
        mean_${n}_${c},
//% endfor
    )${" + bias_" ~ column if bias else ""};
    let squares_${n}_${column} = vec4(
//% for c in range(4 * column, 4 * column + 4)
        square_${n}_${c},
//% endfor
    )${" + spread_" ~ column if bias else ""};
    let variance_${n}_${column} = vec4(
//% for lane in xyzw
        variance_of(means_${n}_${column}.${lane}, squares_${n}_${column}.${lane}),
//% endfor
    );
    store_mean_quad(n + ${n}, o + ${4 * column}, means_${n}_${column});
    store_variance_quad(n + ${n}, o + ${4 * column}, variance_${n}_${column});
//% endfor
//% endfor
}
