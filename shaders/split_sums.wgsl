// The sums of a tile whose ${split} threads each walked a part of the way: added up, in a fixed order, by the one that
// stores them. Two rows at a time, ${2 * quads} quads of sums, go through workgroup memory. Part of the passes, each
// of which says whether a quad is four scalars (sum_ROW_COLUMN) or a vector (sum_ROW_QUAD). It has no twin: in what
// order a sum is added up is the kernel's own.
//% set xyzw = "xyzw"
//% set threads = workgroup_x * workgroup_y
//% set stride = (split - 1) * threads
    let thread = ${local_y} * ${workgroup_x}u + local.x;
//% for row in range(0, 4 * rows, 2)
//% if row > 0
    // Until the rows before have been read.
    workgroupBarrier();
//% endif
    if local.z > 0u {
        let at = thread + (local.z - 1u) * ${threads}u;
//% for k in range(2 * quads)
//% set sum = "sum_" ~ (row + k // quads) ~ "_"
//% set c = 4 * (k % quads)
//% if scalars
        parts[at + ${k * stride}u] = vec4(${sum}${c}, ${sum}${c + 1}, ${sum}${c + 2}, ${sum}${c + 3});
//% else
        parts[at + ${k * stride}u] = ${sum}${k % quads};
//% endif
//% endfor
    }
    workgroupBarrier();
    if local.z == 0u {
        for (var at = thread; at < ${stride}u; at += ${threads}u) {
//% for k in range(2 * quads)
//% set sum = "sum_" ~ (row + k // quads) ~ "_"
//% if scalars
            let part_${k} = parts[at + ${k * stride}u];
//% for c in range(4)
            ${sum}${4 * (k % quads) + c} += part_${k}.${xyzw[c]};
//% endfor
//% else
            ${sum}${k % quads} += parts[at + ${k * stride}u];
//% endif
//% endfor
        }
    }
//% endfor
    if local.z > 0u || !inside {
        return;
    }
