// Mean and variance of Y over many masks, one more value: for Monte-Carlo passes each of which takes several
// dispatches. Twin: src/reference/monte_carlo.rs.

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = i32(group.y * ${workgroup_y}u + ${local_y});
    let o = i32((group.x * ${workgroup_x}u + local.x) * 4u);
    if n >= i32(params.examples) || o >= i32(params.outputs) {
        return;
    }
    update_quad(n, o, value_quad(u32(n), o), params.first_pass + 1u);
}
