// Macros of forward.wgsl and monte_carlo.wgsl, whose tiles are examples by outputs. Oracle: src/reference/forward.rs.
//% from "tile" import walk, tile_masks, kept, quad_at, row_at
//% set xyzw = "xyzw"

// The sums of a tile: sum_N_O for example N and output O of the thread.
//% macro sum_tile()
    // Rows past either end repeat the nearest one; their sums are never stored.
//% for r in range(4 * rows)
    let x_row_${r} = u32(clamp(n + ${r}, 0, i32(params.examples) - 1));
//% endfor
//% for c in range(4 * columns)
    let w_row_${c} = u32(clamp(o + ${c}, 0, i32(params.outputs) - 1));
//% endfor
//% for r in range(4 * rows)
//% for c in range(4 * columns)
    var sum_${r}_${c} = 0.0;
//% endfor
//% endfor

//% if sharing == "tile"
    let shared_coordinate = mask_coordinate(n);
//% endif
//% call walk("i")
        ${tile_masks("n", "o")-}
//% if sharing == "tile"
        // The weights are masked once, as they are read.
//% for column in range(columns)
        let keep_${column} = keep_0_${column}[shared_coordinate & 3u];
//% for c in range(4)
        let w_${4 * column + c}_0 = keep_quad(w_quad(w_row_${4 * column + c}, i), keep_${column}, ${8 * c}u);
        let w_${4 * column + c}_1 = keep_quad(w_quad(w_row_${4 * column + c}, i + 4), keep_${column}, ${8 * c + 4}u);
//% endfor
//% endfor
//% else
//% for c in range(4 * columns)
        let w_${c}_0 = w_quad(w_row_${c}, i);
        let w_${c}_1 = w_quad(w_row_${c}, i + 4);
//% endfor
//% endif
//% for row in range(rows)
//% for n in range(4 * row, 4 * row + 4)
        let x_${n}_0 = x_quad(x_row_${n}, i);
        let x_${n}_1 = x_quad(x_row_${n}, i + 4);
//% endfor
//% for column in range(columns)
//% for r in range(4)
//% for c in range(4)
//% set sum = "sum_" ~ (4 * row + r) ~ "_" ~ (4 * column + c)
//% set x = "x_" ~ (4 * row + r)
//% set w = "w_" ~ (4 * column + c)
//% set decision = kept("keep_" ~ row ~ "_" ~ column ~ "." ~ xyzw[r], 8 * c)
        ${sum} = add_kept_dot(${sum}, ${x}_0, ${x}_1, ${w}_0, ${w}_1${decision});
//% endfor
//% endfor
//% endfor
//% endfor
//% endcall
//% endmacro

// The bias of a tile's columns, which all its rows share.
//% macro read_bias()
//% if bias
//% for column in range(columns)
    let bias_${column} = bias_quad(0u, ${quad_at("o", column, 1)});
//% endfor
//% endif
//% endmacro

// The brick that decides the biases of brick (`row`, `column`), where those are masked: of virtual inputs, lane 0.
// `looped`: the row is the one that the loop over rows is at.
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
            shared_word(BIAS_INPUT_BLOCK, output_block + ${column}u, mask_coordinate(${row_at("n", row, k, looped)}));
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
