// Macros of the passes whose threads own a tile of bricks. Mirrors src/mask/brick.rs.
//
// They know the variant (`rows`, `split_k` and the like); all else is an argument. An axis goes by the letter of its
// coordinate (workgroup_tile.wgsl): along `row` and `column` lies the result, along `reduction` the sums.
//% set xyzw = "xyzw"
//% from "round_key" import compare_planes
//% from "workgroup_tile" import AXIS, BRICK, begin_workgroup_tile, read_first, load_tile, step_offsets

// The numbers of the tile, for the head of a kernel.
//% macro tile_head(row, column, reduction)
//% set bn = workgroup_x * columns * BRICK[column]
//% set threads = workgroup_x ~ " x " ~ workgroup_y ~ " threads"
//     BM = ${workgroup_y * rows * BRICK[row]} ${AXIS[row]}s, BN = ${bn} ${AXIS[column]}s a workgroup of ${threads}
//     TM x TN = ${rows * BRICK[row]} x ${columns * BRICK[column]} sums a thread: ${rows} x ${columns} bricks
//% if workgroup_tile
//     BK = ${workgroup_tile.steps * BRICK[reduction]} ${AXIS[reduction]}s at a time, through workgroup memory
//% set strides = workgroup_tile.row.line_stride ~ " and " ~ workgroup_tile.column.line_stride
//     row strides there ${strides} quads, against bank conflicts
//% else
//     BK = ${BRICK[reduction]} ${AXIS[reduction]}s at a time, which each thread reads for itself
//% endif
//% if split_k > 1
//     split_k = ${split_k} threads share a tile
//% endif
//% endmacro

// Where the thread's tile starts.
//% macro begin_tile(row, column)
    let tile_row = workgroup.y * ${workgroup_y}u + ${local_y};
    let tile_column = workgroup.x * ${workgroup_x}u + local.x;
    let ${row} = i32(tile_row * ${BRICK[row] * rows}u) - params.${AXIS[row]}_shift;
    let ${column} = i32(tile_column * ${BRICK[column] * columns}u) - params.${AXIS[column]}_shift;
    ${begin_workgroup_tile(row, column)-}
//% if split_k > 1 or workgroup_tile
    // Barriers are for all threads: those outside come along, read what is nearest and store nothing.
    let inside = ${row} < i32(params.${AXIS[row]}s) && ${column} < i32(params.${AXIS[column]}s);
//% else
    if ${row} >= i32(params.${AXIS[row]}s) || ${column} >= i32(params.${AXIS[column]}s) {
        return;
    }
//% endif
//% for axis, tile, bricks in [[row, "tile_row", rows], [column, "tile_column", columns]]
//% if planes != "none" and (axis != "n" or sharing == "each")
    let ${AXIS[axis]}_block = params.${AXIS[axis]}_block + ${tile} * ${bricks}u;
//% endif
//% endfor
//% endmacro

// The first column of quad `quad` of a tile. Columns past the last are never stored: they read 0 where elements are
// loaded one by one, and else the last quad again. Quads below `inside` are not past the last.
{% macro quad_column(column, quad, inside) %}
{% if vector and quad >= inside %}min(${column} + ${4 * quad}, i32(params.${AXIS[column]}s) - 4)
{%- else %}${column} + ${4 * quad}{% endif %}
{% endmacro %}

// Totals of long sums, by the names of those: a sum of very many terms in one f32 rounds most of each term away. They
// are not for registers, which a software driver's compiler knows, and others are kept from finding out: an index that
// is not constant needs memory.
//% macro begin_totals(sums, number)
//% if unrolled
    let nothing = ~params.all_ones;
//% endif
    var totals: array<${number}, ${sums|length}>;
//% endmacro

{% macro total(index) %}totals[${index}u${" + nothing" if unrolled}]{% endmacro %}

// The sums of a block go to their totals, and begin anew.
//% macro add_to_totals(sums, number)
//% for sum in sums
        ${total(loop.index0)} += ${sum};
        ${sum} = ${number}(0.0);
//% endfor
//% endmacro

// Totals, and what has not gone there, are the sums of all terms.
//% macro end_totals(sums)
//% for sum in sums
    ${sum} += ${total(loop.index0)};
//% endfor
//% endmacro

// The loop over the bricks of the reduction axis. Threads that share a tile have a part of them each.
//% macro k_loop(reduction)
//% set length = BRICK[reduction]
//% set scalars = reduction == "i"
//% set number = "f32" if scalars else "vec4<f32>"
//% set ns = namespace(sums=[])
//% for r in range(4 * rows)
//% for s in range(4 * quads if scalars else quads)
//% set ns.sums = ns.sums + ["sum_" ~ r ~ "_" ~ s]
//% endfor
//% endfor
//% if blocked
    ${begin_totals(ns.sums, number)-}
//% endif
//% set blocks = "(params." ~ AXIS[reduction] ~ "s + u32(params." ~ AXIS[reduction] ~ "_shift) + " ~ (length - 1) ~ "u)"
//% set next = "block += " ~ split_k ~ "u" if split_k > 1 else "block++"
//% if workgroup_tile
    let blocks = ${blocks} / ${length}u;
    ${read_first(reduction)-}
    for (var first = 0u; first < blocks; first += ${workgroup_tile.steps}u) {
        ${load_tile(reduction)-}
        let end = select(0u, min(next, blocks), inside);
        for (var block = first + ${first_block}; block < end; ${next}) {
//% if reduction == "n" and sharing == "rows"
            let n = i32(block * ${length}u) - params.example_shift;
//% endif
            ${step_offsets()-}
${caller()-}
        }
//% if blocked
        if next % ${block_steps * split_k}u == 0u {
            ${add_to_totals(ns.sums, number)-}
        }
//% endif
    }
//% else
    let blocks = ${"select(0u, " if split_k > 1 else ""}${blocks} / ${length}u${", inside)" if split_k > 1 else ""};
//% if blocked
    for (var begin = ${first_block}; begin < blocks; begin += ${block_steps * split_k}u) {
        let end = min(begin + ${block_steps * split_k}u, blocks);
        for (var block = begin; block < end; ${next}) {
            let ${reduction} = i32(block * ${length}u) - params.${AXIS[reduction]}_shift;
${caller()-}
        }
        ${add_to_totals(ns.sums, number)-}
    }
//% else
    for (var block = ${first_block}; block < blocks; ${next}) {
        let ${reduction} = i32(block * ${length}u) - params.${AXIS[reduction]}_shift;
${caller()-}
    }
//% endif
//% endif
//% if blocked
    ${end_totals(ns.sums)-}
//% endif
//% endmacro

// The block of brick (`r`, `c`) of the tile along an axis, in one step of the k loop.
{% macro block_index(axis, row, column, r, c) %}
{% if axis == "n" and sharing == "tile" %}shared_coordinate / 4u
{%- elif axis == row %}${AXIS[axis]}_block + ${r}u
{%- elif axis == column %}${AXIS[axis]}_block + ${c}u
{%- else %}params.${AXIS[axis]}_block + block{% endif %}
{% endmacro %}

{% macro brick_index(row, column, r, c) %}
vec3(${block_index("i", row, column, r, c)}, ${block_index("o", row, column, r, c)}, ${block_index("n", row, column, r, c)})
{%- endmacro %}

// The masks of one step: word k of keep_ROW_COLUMN is for example k of that brick. Where the whole tile has one mask,
// its bricks are those of one row, and a word of them is for all examples.
//% macro tile_masks(row, column)
//% set brick_rows = 1 if sharing == "tile" else rows
//% if planes == "none"
//% elif sharing == "rows"
//% for r in range(rows)
//% for c in range(columns)
    let keep_${r}_${c} = vec4(
//% for k in range(4)
        shared_word(
            ${block_index("i", row, column, r, c)},
            ${block_index("o", row, column, r, c)},
            mask_coordinate(n + ${4 * r + k if row == "n" else k}),
        ),
//% endfor
    );
//% endfor
//% endfor
//% elif planes != "one" and not unrolled
    // Plane by plane for the whole tile: one loop and not one for each brick, in which the rounds of one
    // brick do not wait for those of another.
//% set ns = namespace(bricks=[])
//% for r in range(brick_rows)
//% for c in range(columns)
//% set ns.bricks = ns.bricks + ["_" ~ r ~ "_" ~ c]
    var state_${r}_${c} = first_state(${brick_index(row, column, r, c)});
    var drop_${r}_${c} = first_planes(state_${r}_${c});
//% endfor
//% endfor
    ${compare_planes(ns.bricks)-}
//% for r in range(brick_rows)
//% for c in range(columns)
    let keep_${r}_${c} = keep_from_drop(drop_${r}_${c});
//% endfor
//% endfor
//% else
//% for r in range(brick_rows)
//% for c in range(columns)
    let keep_${r}_${c} = brick(${brick_index(row, column, r, c)});
//% endfor
//% endfor
//% endif
//% endmacro

// How a product names its decision: the word, and the first of its bits. Nothing where products meet no mask.
{% macro kept(word, bit) %}{% if masked_products %}, ${word}, ${bit}u{% endif %}{% endmacro %}

// Quad `q` of the sums of row `r`: four numbers (sum_ROW_COLUMN) in the forward pass, else a vector (sum_ROW_QUAD).
{% macro sum_quad(r, q, scalars) %}
{% if scalars %}vec4(sum_${r}_${4 * q}, sum_${r}_${4 * q + 1}, sum_${r}_${4 * q + 2}, sum_${r}_${4 * q + 3})
{%- else %}sum_${r}_${q}{% endif %}
{% endmacro %}

// Workgroup memory for operands that are read together, and then for the sums of threads that share a tile.
//% macro shared_parts()
//% if workgroup_tile
// Parts of both operands, which a workgroup reads together.
//% endif
//% if split_k > 1
// ${split_k} threads share a tile, each with a part of the sums.
//% endif
//% if split_k > 1 or workgroup_tile
var<workgroup> workgroup_tile: array<vec4<f32>, ${shared_quads}>;
//% endif
//% endmacro

// The sums of a tile whose threads each took a part of the k loop, added up in a fixed order by the one that goes on
// to store them. Two rows at a time go through workgroup memory.
//% macro add_up_parts(scalars=false)
//% set threads = workgroup_x * workgroup_y
//% set stride = (split_k - 1) * threads
//% if split_k > 1

//% if workgroup_tile
    // The sums of threads go the way of the operands, once all have done with those.
    workgroupBarrier();
//% endif
    // The parts of the ${split_k} threads, two rows at a time, come to the first of them.
    let thread = ${local_y} * ${workgroup_x}u + local.x;
//% for first in range(0, 4 * rows, 2)
//% if first > 0
    // Until the rows before have been read.
    workgroupBarrier();
//% endif
    if local.z > 0u {
        let slot = thread + (local.z - 1u) * ${threads}u;
//% for k in range(2 * quads)
        workgroup_tile[slot + ${k * stride}u] = ${sum_quad(first + k // quads, k % quads, scalars)};
//% endfor
    }
    workgroupBarrier();
    if local.z == 0u {
        for (var slot = thread; slot < ${stride}u; slot += ${threads}u) {
//% for k in range(2 * quads)
//% set r = first + k // quads
//% if scalars
            let part_${k} = workgroup_tile[slot + ${k * stride}u];
//% for lane in range(4)
            sum_${r}_${4 * (k % quads) + lane} += part_${k}.${xyzw[lane]};
//% endfor
//% else
            sum_${r}_${k % quads} += workgroup_tile[slot + ${k * stride}u];
//% endif
//% endfor
        }
    }
//% endfor
    if local.z > 0u || !inside {
        return;
    }
//% elif workgroup_tile
    if !inside {
        return;
    }
//% endif
//% endmacro

// What is done for each row of bricks, by its number, at the end: unrolled, or a loop through which the sums move up.
//% macro each_row(scalars=false)
//% set width = 4 * quads if scalars else quads
//% for k in range(1 if looped_rows else rows)
//% if looped_rows
    // The sums of the next row of bricks move up: stores inlined for every sum would take longer to compile
    // than all the rest.
    for (var row = 0; row < ${rows}; row++) {
${caller(k)-}
//% for r in range(4 * rows - 4)
//% for s in range(width)
        sum_${r}_${s} = sum_${r + 4}_${s};
//% endfor
//% endfor
    }
//% else
${caller(k)-}
//% endif
//% endfor
//% endmacro

// Row `r` of row `k` of bricks, or of that of the loop.
{% macro row_index(row, k, r, looped) %}
{% if looped %}${row} + 4 * row + ${r}{% else %}${row} + ${4 * k + r}{% endif %}
{% endmacro %}

// Scales and stores the sums of a tile whose columns are inputs.
//% macro store_rows(row)
//% call(k) each_row()
//% for r in range(4)
//% for q in range(quads)
        store_result_quad(${row_index(row, k, r, looped_rows)}, i + ${4 * q}, params.scale * sum_${4 * k + r}_${q});
//% endfor
//% endfor
//% endcall
//% endmacro

// The quad of a thread of a kernel without tiles: row n, columns o to o + 3.
//% macro begin_quad()
    let n = i32(workgroup.y * ${workgroup_y}u + ${local_y});
    let o = i32((workgroup.x * ${workgroup_x}u + local.x) * 4u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
//% endmacro
