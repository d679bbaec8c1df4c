// Sums that several dispatches added up, rounded into their place. Twin: src/element.rs, `round`.

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32(group.y * ${workgroup_y}u + ${local_y});
    let o = i32((group.x * ${workgroup_x}u + local.x) * 4u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    store_result_quad(n, o, sums_quad(u32(n), o));
}
