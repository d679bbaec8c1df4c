// Y = scale * (sum over i of M W X) + b. Oracle: src/reference/forward.rs.
//
//     for each example n, output o:
//         sum = 0
//         for each input i:
//             if keep(n, o, i):                        a bit of brick(i / 8, o / 4, n / 4)
//                 sum += W[o, i] * X[n, i]
//         Y[n, o] = scale * sum
//         if the bias is not masked:
//             Y[n, o] += b[o]
//         else if keep(n, o, BIAS_INPUT_BLOCK * 8):
//             Y[n, o] += scale * b[o]
//
// The kernel departs from this:
//
// 1. A thread owns ${rows} x ${columns} bricks, ${4 * rows} examples by ${4 * columns} outputs, and walks the inputs
//    eight at a time: a brick decides 4 examples x 4 outputs x 8 inputs, and none is drawn twice. It is a function of
//    global coordinates alone, which is why the gradients, with other tiles and another order, see the same mask.
// 2. The products of a step are text, not loops: a bit is tested where it is known which, and sums stay in registers.
//    Loops over them cost two to three times. How a bit is applied is a choice per vendor (apply.wgsl).
// 3. What lies outside the problem is computed and not stored: a row there reads the nearest one, a column reads 0 or
//    the last quad. A test in the walk would cost more than the products.
// 4. Where all examples of a tile share a mask, the weights are masked once, as they are read.
// 5. Where there are too few tiles to keep the adapter busy, threads share one and add up their parts at the end.
// 6. A software driver takes long to compile text: for one, the planes of bricks, and the rows to store, are loops.
// 7. A sum too long for a dispatch comes in several, and adds to what is there. The bias comes with the first.
//% from "tile" import begin_tile, shared_parts, add_up_parts, each_row, row_at, sum_quad
//% from "forward_tile" import sum_tile, read_bias, bias_mask, plus_bias

${shared_parts()}
@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_tile("n", "o")}
    ${sum_tile()-}
    ${add_up_parts(scalars=true)}
    ${read_bias()-}
//% call(k) each_row(scalars=true)
//% for column in range(columns)
    ${bias_mask(k, column, rolled)-}
//% for r in range(4)
//% set sums = sum_quad(4 * k + r, column, true)
//% if bias
    store_result_quad(
        ${row_at("n", k, r, rolled)},
        o + ${4 * column},
        params.scale * ${sums}${plus_bias(k, column, r)},
    );
//% else
    store_result_quad(${row_at("n", k, r, rolled)}, o + ${4 * column}, params.scale * ${sums});
//% endif
//% endfor
//% endfor
//% endcall
}
