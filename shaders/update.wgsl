// Mean and variance of Y over many masks, one more value: for Monte-Carlo samples each of which takes several
// dispatches. Reference: src/reference/monte_carlo.rs.
//% from "tile" import begin_quad

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_quad()-}
    update_quad(n, o, value_quad(u32(n), o), params.first_sample + 1u);
}
