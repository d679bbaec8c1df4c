//% from "tile" import tile_head, begin_tile, shared_parts, add_up_parts, each_row, row_index, sum_quad
//% from "forward_tile" import sum_tile, read_bias, bias_mask, plus_bias
// Y = scale * (sum over i of M W X)${" + b" if bias}. Reference: src/reference/forward.rs.
//
//     for each example n, output o:
//         sum = 0
//         for each input i:
//% if planes == "none"
//             sum += W[o, i] * X[n, i]
//% else
//             if keep(n, o, i):                        a bit of brick(i / 8, o / 4, n / 4)
//                 sum += W[o, i] * X[n, i]
//% endif
//         Y[n, o] = scale * sum
//% if bias and planes == "none"
//         Y[n, o] += b[o]
//% elif bias
//         if the bias is not masked:
//             Y[n, o] += b[o]
//         else if keep(n, o, BIAS_INPUT_BLOCK * 8):
//             Y[n, o] += scale * b[o]
//% endif
//
// As a kernel: naive/forward.wgsl. This one has tiles:
//
${tile_head("n", "o", "i")-}
//
// and departs from the above in this:
//
//% set departure = namespace(number=3)
// 1. A thread owns ${rows} x ${columns} bricks, ${4 * rows} examples by ${4 * columns} outputs, and takes the inputs
//% if planes == "none"
//    eight at a time.
//% else
//    eight at a time: a brick decides 4 examples x 4 outputs x 8 inputs, and none is drawn twice. It is a function of
//    global coordinates alone, which is why the gradients, with other tiles and another order, see the same mask.
//% endif
// 2. The products of a step are unrolled, and sums stay in registers. Loops over them cost two to three times.
//% if masked_products
//    A bit is tested where it is known which; how it is applied is a choice per vendor (mask_op.wgsl).
//% endif
// 3. What lies outside the problem is computed and not stored: a row there reads the nearest one, a column
//    ${"the last quad" if vector else "reads 0"}. A test in the loop would cost more than the products.
//% if workgroup_tile
//% set departure.number = departure.number + 1
// ${departure.number}. The threads of a workgroup read operands together, and those of the next steps while these are
//    multiplied.
//% endif
//% if sharing == "tile"
//% set departure.number = departure.number + 1
// ${departure.number}. All examples of a tile share a mask: the weights are masked once, as they are read.
//% endif
//% if split_k > 1
//% set departure.number = departure.number + 1
// ${departure.number}. There are too few tiles to keep the adapter busy: threads share one and add up their parts.
//% endif
//% set loops = ["the planes of bricks"] if not unrolled and planes in ["few", "many"] else []
//% set loops = loops + ["the rows to store"] if looped_rows else loops
//% if loops
//% set departure.number = departure.number + 1
// ${departure.number}. Not unrolled are ${loops|join(" and ")}, which take some drivers long to compile.
//% endif
// ${departure.number + 1}. A sum too long for a dispatch comes in several, and adds to what is there.${" The bias comes with the first." if bias}

${shared_parts()}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("n", "o")}
    ${sum_tile()-}
    ${add_up_parts(scalars=true)}
    ${read_bias()-}
//% call(k) each_row(scalars=true)
//% for column in range(columns)
    ${bias_mask(k, column, looped_rows)-}
//% for r in range(4)
//% set sums = sum_quad(4 * k + r, column, true)
//% if bias
    store_result_quad(
        ${row_index("n", k, r, looped_rows)},
        o + ${4 * column},
        params.scale * ${sums}${plus_bias(k, column, r)},
    );
//% else
    store_result_quad(${row_index("n", k, r, looped_rows)}, o + ${4 * column}, params.scale * ${sums});
//% endif
//% endfor
//% endfor
//% endcall
}
