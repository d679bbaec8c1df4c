// One kind of operation from registers, ${chains} independent chains a thread, ${text} times in the text, so often in a
// loop. rates.rs renders this template, one text for each kind, and counts the same.
@group(0) @binding(0) var<storage, read_write> result: array<u32>;

// Of shaders/philox.wgsl.
fn multiply_wide(a: u32, b: u32) -> vec2<u32> {
//% if int64
    let product = u64(a) * u64(b);
    return vec2(u32(product), u32(product >> 32u));
//% else
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

// A product and the three-way exclusive or that uses a half of it: two of these are a round of Philox.
fn product(s: u32, key: u32) -> u32 {
    let p = multiply_wide(${multipliers[0]}u, s);
    return p.x ^ p.y ^ key;
}

// All bits if this one is set, else none.
fn ones_if(word: u32, bit: u32) -> u32 {
    return bitcast<u32>(extractBits(bitcast<i32>(word), bit, 1u));
}

fn philox_round(c: vec4<u32>, key: vec2<u32>) -> vec4<u32> {
    let a = multiply_wide(${multipliers[0]}u, c.x);
    let b = multiply_wide(${multipliers[1]}u, c.z);
    return vec4(b.y ^ c.y ^ key.x, b.x, a.y ^ c.w ^ key.y, a.x);
}

@compute @workgroup_size(${workgroup})
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = f32(id.x) * 1e-9;
    let key = vec2(id.x, id.x * 2654435761u);
//% for k in range(chains)
    var f_${k} = x + ${k}.0;
    var s_${k} = key.y ^ ${k * 519781}u;
//% endfor
//% for k in range(generators)
    var c_${k} = vec4(s_${k}, key.x, s_${k} + 1u, key.y);
//% endfor
    for (var n = 0u; n < ${loops}u; n++) {
//% for t in range(text)
//% if kind == "philox"
//% for k in range(generators)
        c_${k} = philox_round(c_${k}, key);
//% endfor
//% else
//% for k in range(chains)
//% if kind == "multiply_add" or kind == "mixed"
        f_${k} = fma(f_${k}, x, 0.5);
//% endif
//% if kind == "product" or kind == "mixed" and (t * chains + k) % mixed_every == 0
        s_${k} = product(s_${k}, key.x);
//% elif kind == "logic"
        s_${k} ^= s_${(k + 1) % chains} ^ s_${(k + 3) % chains};
//% elif kind == "test"
        s_${k} = (s_${(k + 1) % chains} & ones_if(s_${k}, ${(5 * t + k) % 32}u)) | key.x;
//% endif
//% endfor
//% endif
//% endfor
    }
    var all = 0u;
//% for k in range(chains)
    all ^= s_${k} ^ bitcast<u32>(f_${k});
//% endfor
//% for k in range(generators)
    all ^= c_${k}.x ^ c_${k}.y ^ c_${k}.z ^ c_${k}.w;
//% endfor
    result[id.x] = all;
}
