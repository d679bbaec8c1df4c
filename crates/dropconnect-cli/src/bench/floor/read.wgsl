// Reads a buffer once, in consecutive quads of words. rates.rs renders this template.
@group(0) @binding(0) var<storage, read_write> result: array<u32>;
@group(0) @binding(1) var<storage, read> source: array<vec4<u32>>;

@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    var all = vec4(0u);
//% for k in range(quads)
    all ^= source[id.x + ${k}u * groups.x * ${workgroup}u];
//% endfor
    result[id.x] = all.x ^ all.y ^ all.z ^ all.w;
}
