// Independent multiply-adds from registers, ${sums} sums of a thread, ${text} times in the text, so often in a loop.
// floor.rs renders this template.
@group(0) @binding(0) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = f32(id.x) * 1e-9;
//% for k in range(sums)
    var sum_${k} = x + ${k}.0;
//% endfor
    for (var k = 0u; k < ${loops}u; k++) {
//% for _ in range(text)
//% for k in range(sums)
        sum_${k} = fma(sum_${k}, x, 0.5);
//% endfor
//% endfor
    }
    var all = 0.0;
//% for k in range(sums)
    all += sum_${k};
//% endfor
    result[id.x] = all;
}
