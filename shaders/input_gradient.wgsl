// dX = scale * (sum over o of M W G). Twin: src/reference/input_gradient.rs.
//
// A thread owns ${rows} x ${columns} bricks, ${4 * rows} examples by ${8 * columns} inputs, and walks the outputs four at a
// time. Its bricks are those of the forward pass: same global block coordinates, same words.
//% set xyzw = "xyzw"

//% if split > 1
// ${split} threads share a tile, each with a part of the sums.
var<workgroup> parts: array<vec4<f32>, ${shared_quads}>;

//% endif
@compute @workgroup_size(${workgroup_x}, ${workgroup_y}, ${split})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let tile_row = group.y * ${workgroup_y}u + ${local_y};
    let tile_column = group.x * ${workgroup_x}u + local.x;
    let n = i32(tile_row * ${4 * rows}u) - params.example_shift;
    let i = i32(tile_column * ${8 * columns}u) - params.input_shift;
//% if split > 1
    // A barrier is for all threads: those outside come along, with nothing to walk.
    let inside = n < i32(params.examples) && i < i32(params.inputs);
//% else
    if n >= i32(params.examples) || i >= i32(params.inputs) {
        return;
    }
//% endif
    let example_block = params.example_block + tile_row * ${rows}u;
    let input_block = params.input_block + tile_column * ${columns}u;

    // Rows past either end repeat the nearest one; their sums are never stored.
//% for r in range(4 * rows)
    let g_row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
//% for half in range(2 * columns)
    var sum_${r}_${half} = vec4(0.0);
//% endfor
//% endfor
//% if vector
    // And so do columns past the last.
//% for half in range(2 * columns)
    let i_${half} = ${"i + " ~ 4 * half if half < 2 else "min(i + " ~ 4 * half ~ ", i32(params.inputs) - 4)"};
//% endfor
//% endif

//% if sharing == "tile"
    let shared_coordinate = mask_coordinate(n);
//% endif
//% set blocks = "(params.outputs + u32(params.output_shift) + 3u) / 4u"
    let blocks = ${"select(0u, " ~ blocks ~ ", inside)" if split > 1 else blocks};
    for (var block = ${first_block}; block < blocks; block += ${split}u) {
        let o = i32(block * 4u) - params.output_shift;
//% set example_at = "shared_coordinate / 4u" if sharing == "tile" else "example_block + ROWu"
//% set at = "vec3(input_block + COLUMNu, params.output_block + block, " ~ example_at ~ ")"
//% set example = "n + 4 * ROW"
//% include "tile_masks"
//% if sharing == "tile"
        // The weights are masked once, as they are read.
//% for column in range(columns)
        let keep_${column} = keep_0_${column}[shared_coordinate & 3u];
//% endfor
//% endif
//% for c in range(4)
//% if not vector
        // An output that does not exist weighs nothing, whatever the row read in its place holds.
        let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
        let exists_${c} = vec4(o + ${c} == i32(w_row_${c}));
//% endif
//% for half in range(2 * columns)
//% set read = "w_quad(u32(o + " ~ c ~ "), i_" ~ half ~ ")" if vector else "select(vec4(0.0), w_quad(w_row_" ~ c ~ ", i + " ~ 4 * half ~ "), exists_" ~ c ~ ")"
//% if sharing == "tile"
        let w_${c}_${half} = keep_quad(${read}, keep_${half // 2}, ${8 * c + 4 * (half % 2)}u);
//% else
        let w_${c}_${half} = ${read};
//% endif
//% endfor
//% endfor
//% for row in range(rows)
//% for r in range(4 * row, 4 * row + 4)
        let g_${r} = g_quad(g_row_${r}, o);
//% endfor
//% for column in range(columns)
//% for r in range(4)
//% for c in range(4)
//% for half in range(2)
//% set n = 4 * row + r
//% set at = 2 * column + half
        sum_${n}_${at} = add_kept_row(sum_${n}_${at}, g_${n}.${xyzw[c]}, w_${c}_${at}, ${"~0u" if sharing == "tile" else "keep_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r]}, ${8 * c + 4 * half}u);
//% endfor
//% endfor
//% endfor
//% endfor
//% endfor
    }
//% if split > 1

//% set scalars = false
//% include "split_sums"
//% endif

//% for row in range(1 if rolled else rows)
//% if rolled
    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to
    // compile than all the rest.
    for (var row = 0; row < ${rows}; row++) {
//% else
    {
        let row = ${row};
//% endif
//% for r in range(4)
//% for half in range(2 * columns)
        store_result_quad(n + 4 * row + ${r}, i + ${4 * half}, params.scale * sum_${4 * row + r}_${half});
//% endfor
//% endfor
//% if rolled
//% for r in range(4 * rows - 4)
//% for half in range(2 * columns)
        sum_${r}_${half} = sum_${r + 4}_${half};
//% endfor
//% endfor
//% endif
    }
//% endfor
}
