// Philox4x32 of Salmon et al. (SC 2011), one call: 128 random bits for a counter.
// Twin: src/mask/philox.rs. `round_keys` are the key words of every round, which the host works out
// once per mask.

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

fn philox(counter: vec4<u32>) -> vec4<u32> {
    var c = counter;
    var a: vec2<u32>;
    var b: vec2<u32>;
//% for round in range(rounds)
//% set keys = round_keys ~ "[" ~ round // 2 ~ "]."
    a = multiply_wide(${multipliers[0]}u, c.x);
    b = multiply_wide(${multipliers[1]}u, c.z);
    c = vec4(b.y ^ c.y ^ ${keys}${"xz"[round % 2]}, b.x, a.y ^ c.w ^ ${keys}${"yw"[round % 2]}, a.x);
//% endfor
    return c;
}
