//% if masked_products
// Four masked multiply-adds. Lane k counts where bit `bit + k` of `word` is set. `bit` is a literal at every call: once
// a driver has inlined the call, every test is of a constant bit.
//
// How the bit is applied is a choice per vendor, read off machine code (docs/performance.md). Here
//% if mask_op == "select"
// the sum is kept or replaced, which is a predicated multiply-add on NVIDIA.
//% else
// the factor b, the weight wherever there is one, is kept or made +0.
//% endif
// A dropped weight cannot matter, whatever it is.
//% else
// Four multiply-adds.
//% endif
//% set xyzw = "xyzw"
//% set decision = ", word: u32, bit: u32" if masked_products else ""

// sum + the kept products of four inputs.
fn add_kept_dot(sum: f32, a: vec4<f32>, b: vec4<f32>${decision}) -> f32 {
    var s = sum;
//% for k in range(4)
//% set lane = "." ~ xyzw[k]
//% if not masked_products
    s = fma(a${lane}, b${lane}, s);
//% elif mask_op == "select"
    s = select(s, fma(a${lane}, b${lane}, s), (word & (1u << (bit + ${k}u))) != 0u);
//% else
    s = fma(a${lane}, keep_or_zero(b${lane}, word, bit + ${k}u), s);
//% endif
//% endfor
    return s;
}

// Four sums, each with the kept product of `a` and its lane of `b`.
fn add_kept_row(sum: vec4<f32>, a: f32, b: vec4<f32>${decision}) -> vec4<f32> {
    var s = sum;
//% for k in range(4)
//% set lane = xyzw[k]
//% if not masked_products
    s.${lane} = fma(a, b.${lane}, s.${lane});
//% elif mask_op == "select"
    s.${lane} = select(s.${lane}, fma(a, b.${lane}, s.${lane}), (word & (1u << (bit + ${k}u))) != 0u);
//% else
    s.${lane} = fma(a, keep_or_zero(b.${lane}, word, bit + ${k}u), s.${lane});
//% endif
//% endfor
    return s;
}

// `value` where the bit is set, else +0: the sign-extended bit is a mask of ones or zeros.
fn keep_or_zero(value: f32, word: u32, bit: u32) -> f32 {
    return bitcast<f32>(bitcast<u32>(value) & bitcast<u32>(extractBits(bitcast<i32>(word), bit, 1u)));
}

// A quad of weights under a mask that all examples of the tile share.
fn keep_quad(values: vec4<f32>, word: u32, bit: u32) -> vec4<f32> {
    return vec4(
        keep_or_zero(values.x, word, bit),
        keep_or_zero(values.y, word, bit + 1u),
        keep_or_zero(values.z, word, bit + 2u),
        keep_or_zero(values.w, word, bit + 3u),
    );
}

// The bias of four outputs for one example. `word` is of the brick of virtual inputs that decide masked
// biases; a bias that is not masked is neither dropped nor scaled.
fn kept_bias(bias: vec4<f32>, word: u32) -> vec4<f32> {
    let scale = select(1.0, params.scale, params.masked_bias == 1u);
    return select(vec4(0.0), scale * bias, (vec4(word) & vec4(1u, 1u << 8u, 1u << 16u, 1u << 24u)) != vec4(0u));
}
