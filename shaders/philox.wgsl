// Philox4x32 of Salmon et al. (SC 2011): 128 random bits for a counter, and more from round to round.
// Mirrors src/mask/philox.rs. The key words of every round are worked out by the host, once per mask.
//% from "round_key" import round_key, key_steps

// The 64-bit product of two words, low half first. WGSL itself has no high half of a product.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
//% if int64
    let product = u64(a) * u64(b);
    return vec2(u32(product), u32(product >> 32u));
//% else
    // Exact: no partial sum passes 2^32 - 1, since (2^16 - 1)^2 + 2 (2^16 - 1) = 2^32 - 1.
    let al = a & 0xffffu;
    let ah = a >> 16u;
    let bl = b & 0xffffu;
    let bh = b >> 16u;
    let t = al * bl;
    let u = ah * bl + (t >> 16u);
    let v = al * bh + (u & 0xffffu);
    return vec2(a * b, ah * bh + (u >> 16u) + (v >> 16u));
//% endif
}

// A round under its key words.
fn philox_round(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let a = multiply_wide(${multipliers[0]}u, c.x);
    let b = multiply_wide(${multipliers[1]}u, c.z);
    return vec4(b.y ^ c.y ^ key.x, b.x, a.y ^ c.w ^ key.y, a.x);
}

fn philox(counter: vec4<u32>) -> vec4<u32> {
    var c = counter;
//% for round in range(rounds)
    c = philox_round(c, ${round_key(round)});
//% endfor
    return c;
}
//% if not unrolled

// Rounds go on from one plane to the next; `key` is that of the first of them.
fn next_plane(state: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    var c = state;
//% for round in range(plane_rounds)
//% if round == 0
    c = philox_round(c, key);
//% else
    c = philox_round(c, key + ${key_steps(round)});
//% endif
//% endfor
    return c;
}
//% endif
