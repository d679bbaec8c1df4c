// Macros for operands that are tiled through workgroup memory: some steps of the k loop, for all threads of a
// workgroup. Mirrors src/gpu/shader/workgroup_tile.rs. Unit u of thread t, in line l, has slot
// l * line_stride + u * unit_stride + t.
//
// An axis of the box of connections goes by the letter of its coordinate: n, o or i.
//% set AXIS = {"n": "example", "o": "output", "i": "input"}
//% set BRICK = {"n": 4, "o": 4, "i": 8}

// Where the tile of the workgroup starts, and which of its threads this one is.
//% macro begin_workgroup_tile(row, column)
//% if workgroup_tile
    let first_${row} = i32(workgroup.y * ${workgroup_y * BRICK[row] * rows}u) - params.${AXIS[row]}_shift;
    let first_${column} = i32(workgroup.x * ${workgroup_x * BRICK[column] * columns}u) - params.${AXIS[column]}_shift;
//% set depth = "local.z * " ~ workgroup_x * workgroup_y ~ "u + " if split_k > 1 else ""
    let reader = ${depth}${local_y} * ${workgroup_x}u + local.x;
//% endif
//% endmacro

// A column of quads, of which those past the last are never used.
{% macro inside_row(axis, column) %}
{% if vector %}min(${column}, i32(params.${AXIS[axis]}s) - 4){% else %}${column}{% endif %}
{% endmacro %}

// Calls back for each quad that a thread reads of both operands: the operand, the quad's index, a name, and which
// threads read one that no other does, if not all.
//% macro each_read()
//% set readers = workgroup_x * workgroup_y * split_k
//% for operand in [workgroup_tile.row, workgroup_tile.column]
//% for k in range((operand.quads + readers - 1) // readers)
//% set quad = "(reader + " ~ k * readers ~ "u)"
//% set quad = quad if (k + 1) * readers <= operand.quads else "min" ~ quad[:-1] ~ ", " ~ (operand.quads - 1) ~ "u)"
//% set alone = "reader < " ~ (operand.quads - k * readers) ~ "u" if (k + 1) * readers > operand.quads else ""
${caller(operand, quad, operand.name ~ "_" ~ k, alone)-}
//% endfor
//% endfor
//% endmacro

// Which line and which unit a thread reads, the row or column that is the same in every step, and their slot
// in workgroup memory. Neighbours read along a row.
//% macro slots()
//% call(operand, quad, name, alone) each_read()
//% set length = operand.all_lines if operand.reduction_columns else operand.units * operand.threads
//% set first = operand.first ~ "u + " if operand.first > 0 else ""
//% set stride = operand.line_stride
    let ${"line" if operand.reduction_columns else "unit"}_${name} = ${quad} % ${length}u;
    let ${"unit" if operand.reduction_columns else "line"}_${name} = ${quad} / ${length}u;
//% set unit = "unit_" ~ name
//% set of_thread = unit ~ " % " ~ operand.units ~ "u * " ~ operand.unit_stride ~ "u + " ~ unit ~ " / " ~ operand.units
    let slot_${name} = ${first}line_${name} * ${stride}u + ${of_thread ~ "u" if operand.units > 1 else unit};
//% set axis = operand.axis
//% if operand.reduction_columns
    let row_${name} = clamp(first_${axis} + i32(unit_${name}), 0, i32(params.${AXIS[axis]}s) - 1);
//% else
    let column_${name} = ${inside_row(axis, "first_" ~ axis ~ " + i32(unit_" ~ name ~ " * 4u)")};
//% endif
//% endcall
//% endmacro

// Reads the quads of the steps from `start` on, if that is not the first; `keyword` declares them.
//% macro read_quads(reduction, start, keyword)
//% call(operand, quad, name, alone) each_read()
//% set quad = operand.name ~ "_quad(u32(row_" ~ name ~ "), column_" ~ name ~ ")"
//% set k = start ~ " * " ~ BRICK[reduction] ~ "u + line_" ~ name if start else "line_" ~ name
    let k_${name} = i32(${k}${" * 4u" if operand.reduction_columns}) - params.${AXIS[reduction]}_shift;
//% if operand.reduction_columns
    let column_${name} = ${inside_row(reduction, "k_" ~ name)};
    ${keyword}from_${name} = ${quad};
//% else
    let row_${name} = clamp(k_${name}, 0, i32(params.${AXIS[reduction]}s) - 1);
//% if vector and reduction != "n"
    ${keyword}from_${name} = ${quad};
//% else
    // What does not exist adds nothing, whatever the row read in its place holds.
    ${keyword}from_${name} = select(vec4(0.0), ${quad}, vec4(k_${name} == row_${name}));
//% endif
//% endif
//% endcall
//% endmacro

// Both operands of the first steps, on their way.
//% macro read_first(reduction)
    ${slots()-}
    ${read_quads(reduction, "", "var ")-}
//% endmacro

// What has been read of both operands goes to workgroup memory, and those of the next steps are read while these are
// multiplied.
//% macro load_tile(reduction)
        // Until all threads have done with the steps before.
        workgroupBarrier();
//% call(operand, quad, name, alone) each_read()
        ${"if " ~ alone ~ " { " if alone}workgroup_tile[slot_${name}] = from_${name};${" }" if alone}
//% endcall
        workgroupBarrier();
        let next = first + ${workgroup_tile.steps}u;
        if next < blocks {
            ${read_quads(reduction, "next", "")-}
        }
//% endmacro

// The offset of a step in workgroup memory.
//% macro step_offsets()
//% for operand, thread in [[workgroup_tile.row, local_y], [workgroup_tile.column, "local.x"]]
//% set step = operand.lines * operand.line_stride
//% set start = operand.first ~ "u + " if operand.first > 0 else ""
            let shared_${operand.name} = ${start}(block - first) * ${step}u + ${thread};
//% endfor
//% endmacro

// An operand's quad, in workgroup memory: unit `unit` of line `line` of this step.
{% macro shared_quad(operand, line, unit) %}
workgroup_tile[shared_${operand.name} + ${line * operand.line_stride + unit * operand.unit_stride}u]
{%- endmacro %}

// The same of the operand along the rows of the tile, or else read as in `direct`.
{% macro row_quad(line, unit, direct) %}
{% if workgroup_tile %}${shared_quad(workgroup_tile.row, line, unit)}{% else %}${direct}{% endif %}
{% endmacro %}

// And of the one along its columns.
{% macro column_quad(line, unit, direct) %}
{% if workgroup_tile %}${shared_quad(workgroup_tile.column, line, unit)}{% else %}${direct}{% endif %}
{% endmacro %}
