// Macros of forward.wgsl and monte_carlo.wgsl, whose tiles are examples by outputs. Reference:
// src/reference/forward.rs.
//% from "tile" import k_loop, tile_masks, kept, quad_column, row_index
//% from "workgroup_tile" import row_quad, column_quad
//% set xyzw = "xyzw"

// The sums of a tile: sum_N_O for example N and output O of the thread.
//% macro sum_tile()
//% if not workgroup_tile
    // Rows past either end repeat the nearest one; their sums are never stored.
//% for r in range(4 * rows)
    let x_row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
//% endfor
//% for c in range(4 * columns)
    let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
//% endfor
//% endif
//% for r in range(4 * rows)
//% for c in range(4 * columns)
    var sum_${r}_${c} = 0.0;
//% endfor
//% endfor

//% if sharing == "tile"
    let shared_coordinate = mask_coordinate(n);
//% endif
//% call k_loop("i")
        ${tile_masks("n", "o")-}
//% if sharing == "tile"
//% for column in range(columns)
        let keep_${column} = keep_0_${column}[shared_coordinate & 3u];
//% endfor
//% endif
//% for q in range(2)
//% set part = ["low", "high"][q]
//% for c in range(4 * columns)
//% set read = column_quad(q, c, "w_quad(w_row_" ~ c ~ ", i + " ~ 4 * q ~ ")")
//% if sharing == "tile"
        // The weights are masked once, as they are read.
        let w_${c}_${part} = keep_quad(${read}, keep_${c // 4}, ${8 * (c % 4) + 4 * q}u);
//% else
        let w_${c}_${part} = ${read};
//% endif
//% endfor
//% for n in range(4 * rows)
        let x_${n}_${part} = ${row_quad(q, n, "x_quad(x_row_" ~ n ~ ", i + " ~ 4 * q ~ ")")};
//% for c in range(4 * columns)
//% set sum = "sum_" ~ n ~ "_" ~ c
//% set decision = kept("keep_" ~ n // 4 ~ "_" ~ c // 4 ~ "." ~ xyzw[n % 4], 8 * (c % 4) + 4 * q)
        ${sum} = add_kept_dot(${sum}, x_${n}_${part}, w_${c}_${part}${decision});
//% endfor
//% endfor
//% endfor
//% endcall
//% endmacro

// The bias of a tile's columns, which all its rows share.
//% macro read_bias()
//% if bias
//% for column in range(columns)
    let bias_${column} = bias_quad(0u, ${quad_column("o", column, 1)});
//% endfor
//% endif
//% endmacro

// The brick that decides the biases of brick (`row`, `column`), where those are masked: of virtual inputs, lane 0.
// `looped`: the row is that of the loop over rows.
//% macro bias_mask(row, column, looped)
//% if bias and planes != "none"
    var keep_bias_${row}_${column} = vec4(~0u);
    if params.masked_bias == 1u {
//% if sharing == "each"
//% set r = "u32(row)" if looped else row ~ "u"
        keep_bias_${row}_${column} = brick(vec3(BIAS_INPUT_BLOCK, output_block + ${column}u, example_block + ${r}));
//% else
//% for k in range(4)
        keep_bias_${row}_${column}.${xyzw[k]} =
            shared_word(BIAS_INPUT_BLOCK, output_block + ${column}u, mask_coordinate(${row_index("n", row, k, looped)}));
//% endfor
//% endif
    }
//% endif
//% endmacro

// What is added to example `r` of that brick.
{% macro plus_bias(row, column, r) %}
{% if bias and planes == "none" %} + bias_${column}
{%- elif bias %} + kept_bias(bias_${column}, keep_bias_${row}_${column}.${xyzw[r]}){% endif %}
{% endmacro %}
