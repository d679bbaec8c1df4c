// dX = scale * (sum over o of M W G) and dW = scale * (sum over n of M G X), each brick drawn once for both.
// Oracles: src/reference/input_gradient.rs and src/reference/weight_gradient.rs.
//
// A thread owns ${rows} x ${columns} bricks, ${4 * rows} examples by ${8 * columns} inputs of dX, and walks
// the outputs four at a time, as in the input gradient. The ${workgroup_y} threads along y own all examples of the
// dispatch, so that what one step gives for dW is whole once they have added it up, through workgroup memory, in a
// fixed order.
//% from "tile" import begin_tile, quad_at, tile_masks, add_up_parts, store_rows
//% set xyzw = "xyzw"
//% set threads = workgroup_x * workgroup_y
//% set step_quads = 8 * columns
//% set ways = workgroup_y // step_quads if workgroup_y % step_quads == 0 else 1

//% if shared_quads > 0
// Quads on their way from thread to thread: a step's part of dW, and at the end of the walk sums of dX.
var<workgroup> parts: array<vec4<f32>, ${shared_quads}>;
//% endif

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("n", "i", all_rows=true)-}
//% for half in range(2 * columns)
    let i_${half} = ${quad_at("i", half, 0)};
//% endfor
    // In place of an example that does not exist the nearest one is read, and its mask keeps nothing. (To make X or
    // G zero instead costs NVIDIA up to a third more instructions: docs/rejected.md. And 0 less the truth of it, as a
    // `select` of integers by lanes becomes a `mix` that GLSL 4.3 has not got.)
//% for r in range(4 * rows)
    let row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
//% for half in range(2 * columns)
    let x_${r}_${half} = x_quad(row_${r}, i_${half});
    var sum_${r}_${half} = vec4(0.0);
//% endfor
//% endfor
//% for row in range(rows)
    let exist_${row} = vec4(0u) - vec4<u32>(
        vec4(n + ${4 * row}) + vec4(0, 1, 2, 3) == vec4(
//% for r in range(4 * row, 4 * row + 4)
            i32(row_${r}),
//% endfor
        ),
    );
//% endfor

    let blocks = (params.outputs + u32(params.output_shift) + 3u) / 4u;
//% if split > 1
    for (var first = 0u; first < blocks; first += ${split}u) {
        let block = first + local.z;
//% else
    for (var block = 0u; block < blocks; block++) {
//% endif
        let o = i32(block * 4u) - params.output_shift;
//% for c in range(4)
//% for half in range(2 * columns)
        var step_${c}_${half} = vec4(0.0);
//% endfor
//% endfor
//% if split > 1
        // The last threads may have nothing left to walk.
        if block < blocks {
//% endif
        ${tile_masks("n", "i")-}
//% for c in range(4)
//% if not vector
        // An output that does not exist weighs nothing, whatever the row read in its place holds.
        let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
        let w_exists_${c} = vec4(o + ${c} == i32(w_row_${c}));
//% endif
//% for half in range(2 * columns)
//% if vector
        let w_${c}_${half} = w_quad(u32(o + ${c}), i_${half});
//% else
        let w_${c}_${half} = select(vec4(0.0), w_quad(w_row_${c}, i_${half}), w_exists_${c});
//% endif
//% endfor
//% endfor
//% for row in range(rows)
//% for r in range(4 * row, 4 * row + 4)
        let g_${r} = g_quad(row_${r}, o);
//% endfor
//% for column in range(columns)
        let kept_${row}_${column} = keep_${row}_${column} & exist_${row};
//% for r in range(4)
//% for c in range(4)
//% for half in range(2)
//% set n = 4 * row + r
//% set at = 2 * column + half
//% set decision = "kept_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r] ~ ", " ~ (8 * c + 4 * half) ~ "u"
        sum_${n}_${at} = add_kept_row(sum_${n}_${at}, g_${n}.${xyzw[c]}, w_${c}_${at}, ${decision});
        step_${c}_${at} = add_kept_row(step_${c}_${at}, g_${n}.${xyzw[c]}, x_${n}_${at}, ${decision});
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
//% if split > 1
        }
//% endif
//% if workgroup_y == 1
//% for c in range(4)
//% for half in range(2 * columns)
        store_grad_weight_quad(o + ${c}, i + ${4 * half}, params.scale * step_${c}_${half});
//% endfor
//% endfor
//% else
        // Quad k of the thread at `at` lies k places on among the quads k: so neither the threads that write one
        // quad nor those that read different quads of one thread meet in a bank.
        let at = local.x + local.y * ${workgroup_x}u;
//% set base = "local.z * " ~ step_quads * threads ~ "u + " if split > 1 else ""
//% for k in range(step_quads)
        parts[${base}${k * threads}u + (at + ${k}u) % ${threads}u] = step_${k // (2 * columns)}_${k % (2 * columns)};
//% endfor
        workgroupBarrier();
//% if ways > 1
        // ${ways} threads share a quad. Each leaves its sum where it alone has read, for the first of them to add up.
        let k = local.y % ${step_quads}u;
        let way = local.y / ${step_quads}u;
        var sum = vec4(0.0);
//% for y in range(0, workgroup_y, ways)
        sum += parts[${base}k * ${threads}u + (local.x + (way + ${y}u) * ${workgroup_x}u + k) % ${threads}u];
//% endfor
        parts[${base}k * ${threads}u + (local.x + way * ${workgroup_x}u + k) % ${threads}u] = sum;
        workgroupBarrier();
        if way == 0u {
//% for y in range(1, ways)
            sum += parts[${base}k * ${threads}u + (local.x + ${y * workgroup_x}u + k) % ${threads}u];
//% endfor
            store_grad_weight_quad(o + i32(k / ${2 * columns}u), i + i32(k % ${2 * columns}u) * 4, params.scale * sum);
        }
//% else
        for (var k = local.y; k < ${step_quads}u; k += ${workgroup_y}u) {
            var sum = vec4(0.0);
//% for y in range(workgroup_y)
            sum += parts[${base}k * ${threads}u + (local.x + ${y * workgroup_x}u + k) % ${threads}u];
//% endfor
            store_grad_weight_quad(o + i32(k / ${2 * columns}u), i + i32(k % ${2 * columns}u) * 4, params.scale * sum);
        }
//% endif
        // Before the next step, or the sums of dX, go the same way.
        workgroupBarrier();
//% endif
    }
    ${add_up_parts()}
    ${store_rows("grad_input", "n")-}
}
