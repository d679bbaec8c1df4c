// Sums that several dispatches added up, rounded into the result. Mirrors src/element.rs, `round`.
//% from "tile" import begin_quad

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    ${begin_quad()-}
    store_result_quad(n, o, sums_quad(u32(n), o));
}
