// Made from shaders/*.wgsl by `DROPCONNECT_EXPAND=1 cargo test --lib expanded`.

// What a dispatch is told. Twin: `Params` in src/gpu/params.rs, same fields in the same order.
struct Params {
    // Extent of this dispatch, in local rows and columns.
    examples: u32,
    outputs: u32,
    inputs: u32,
    // Keep where the random integer of `bits` bits is below `threshold`; with 9 bits or more, both moved up to 16.
    threshold: u32,
    // Global index of the first brick along each axis (in the activation kernel, which has no bricks, of the first
    // example and the first output).
    example_block: u32,
    output_block: u32,
    input_block: u32,
    // How many bits that random integer has.
    bits: u32,
    // How far before local row or column 0 the first brick starts along each axis.
    example_shift: i32,
    output_shift: i32,
    input_shift: i32,
    // What sums are multiplied with: 1 / (realised keep probability), the mask's; 1 without a mask; in the moments
    // kernel p / (1 - p).
    scale: f32,
    // Where each tensor starts in its binding, in elements, in the order of the bindings.
    base: array<vec4<u32>, 2>,
    // Word k: all ones where bit k of the threshold is 0.
    zeros: array<vec4<u32>, 4>,
    // Elements between rows of tensors that have `inputs` columns, and of those that have `outputs`.
    input_stride: u32,
    output_stride: u32,
    // 1: add to what the result holds.
    accumulate: u32,
    // 1: the bias is masked and scaled like a weight.
    masked_bias: u32,
    // Consecutive examples that share a mask; 0: all of them do, or there is no mask.
    group: u32,
    // Monte-Carlo passes: how many of this dispatch (in the predictive kernel of the whole call), and how many came
    // before. Gaussian samples: the same.
    passes: u32,
    first_pass: u32,
    // 1: add to what the second result, the gradient of the weight, holds.
    accumulate_weight: u32,
    // All ones, which a compiler is not to know.
    all_ones: u32,
    // Key words of Philox's rounds, two rounds to a vector: (k0, k1) of an even round, then of an odd. At the end:
    // llvmpipe is 2.3 times slower where what comes after them lies past the first 256 bytes.
    round_keys: array<vec4<u32>, 17>,
}

@group(0) @binding(0) var<uniform> params: Params;

// Tensors in storage buffers: f32, or f16 and bf16 packed two to a word. Twin: src/element.rs.
//
// Everything works on quads, four consecutive elements of a row. Where all rows start on a quad
// (`vector`), a quad is one load. Elsewhere each element is loaded by itself, and one outside its row
// reads as 0 on both sides of a product, so that it adds exactly 0 to any sum.
//
// Of operands and results, one may be f32 where the other is not.

@group(0) @binding(1) var<storage, read> logits: array<vec4<f32>>;

// Columns `column` to `column + 3` of row `row`.
fn logits_quad(row: u32, column: i32) -> vec4<f32> {
    return logits[(params.base[0].x + row * params.output_stride + u32(column)) / 4u];
}

// Functions whose precision WGSL leaves to the driver, good to a few units in the last place on all of them, and
// what must not depend on how a driver sees NaN. Oracle: src/reference/activation.rs, which has float64's own.
//
// NaN and infinity are found by their bits, and NaN is made of bits: WGSL lets a compiler work out float arithmetic and
// comparisons as if neither existed, and Metal's fast math does. The approximations are those of Moshier's Cephes
// library, in single precision.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

// NaN where `bad`, else `x`.
fn nan_where(bad: bool, x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) | select(0u, 0x7fc00000u, bad));
}

// 0 where `zero`, else `x`.
fn zero_where(zero: bool, x: f32) -> f32 {
    return bitcast<f32>(select(bitcast<u32>(x), 0u, zero));
}

// max(x, 0) that keeps NaN: `max` may make it 0.
fn rectified(x: f32) -> f32 {
    return zero_where(bitcast<u32>(x) >= 0x80000000u && !is_nan(x), x);
}

// n times the first part of ln 2, 355/512, of so few digits that this is exact. The second part is -2.12194440e-4. In
// integers, since Mesa would add up the two parts of `n * a + n * b` first, and is allowed to.
fn times_ln2(n: i32) -> f32 {
    return f32(n * 355) * 0.001953125;
}

// exp(x) for x <= 0. NaN gives anything.
fn exponential(x: f32) -> f32 {
    // exp(-104) is 0 in f32.
    let argument = max(x, -104.0);
    let n = i32(round(argument * 1.44269504));
    let r = fma(f32(n), 2.12194440e-4, argument - times_ln2(n));
    var p = fma(r, 1.9875691500e-4, 1.3981999507e-3);
    p = fma(p, r, 8.3334519073e-3);
    p = fma(p, r, 4.1665795894e-2);
    p = fma(p, r, 1.6666665459e-1);
    p = fma(p, r, 5.0000001201e-1);
    // 2^n in two factors, of which neither leaves the normal numbers.
    let half = n / 2;
    let first = bitcast<f32>((half + 127) << 23u);
    let second = bitcast<f32>((n - half + 127) << 23u);
    return (fma(p, r * r, r) + 1.0) * first * second;
}

// ln x for x that is normal, finite and above 0. Others give anything.
fn logarithm(x: f32) -> f32 {
    // x = m * 2^n with m from sqrt(1/2) on.
    let n = (bitcast<i32>(x) - 0x3f3504f3) >> 23u;
    let t = bitcast<f32>(bitcast<i32>(x) - (n << 23u)) - 1.0;
    var p = fma(t, 7.0376836292e-2, -1.1514610310e-1);
    p = fma(p, t, 1.1676998740e-1);
    p = fma(p, t, -1.2420140846e-1);
    p = fma(p, t, 1.4249322787e-1);
    p = fma(p, t, -1.6668057665e-1);
    p = fma(p, t, 2.0000714765e-1);
    p = fma(p, t, -2.4999993993e-1);
    p = fma(p, t, 3.3333331174e-1);
    let square = t * t;
    let tail = fma(f32(n), -2.12194440e-4, p * t * square);
    return times_ln2(n) + (t + fma(square, -0.5, tail));
}

// What a classifier's logits of many passes say: mean softmax, entropy of that mean, and mutual
// information, in natural logarithms. Oracle: src/reference/predictive.rs, which says what becomes of logits that are
// not finite.
//
// A workgroup owns an example; its threads walk the classes together and add up in a fixed order.
// It updates what the results hold with one pass: the mean softmax, and in `information` the mean of the passes'
// entropies. The last pass turns that into the results.

@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(4) var<storage, read_write> information: array<f32>;
var<workgroup> words: array<u32, 64>;

// The sum of what all threads have, to all of them.
fn sum_of_all(local: u32, value: f32) -> f32 {
    // Others may still read an earlier result.
    workgroupBarrier();
    words[local] = bitcast<u32>(value);
    workgroupBarrier();
    if local < 32u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + 32u]));
    }
    workgroupBarrier();
    if local < 16u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + 16u]));
    }
    workgroupBarrier();
    if local < 8u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + 8u]));
    }
    workgroupBarrier();
    if local < 4u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + 4u]));
    }
    workgroupBarrier();
    if local < 2u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + 2u]));
    }
    workgroupBarrier();
    if local < 1u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + 1u]));
    }
    workgroupBarrier();
    return bitcast<f32>(words[0]);
}

fn largest_of_all(local: u32, value: u32) -> u32 {
    words[local] = value;
    workgroupBarrier();
    if local < 32u {
        words[local] = max(words[local], words[local + 32u]);
    }
    workgroupBarrier();
    if local < 16u {
        words[local] = max(words[local], words[local + 16u]);
    }
    workgroupBarrier();
    if local < 8u {
        words[local] = max(words[local], words[local + 8u]);
    }
    workgroupBarrier();
    if local < 4u {
        words[local] = max(words[local], words[local + 4u]);
    }
    workgroupBarrier();
    if local < 2u {
        words[local] = max(words[local], words[local + 2u]);
    }
    workgroupBarrier();
    if local < 1u {
        words[local] = max(words[local], words[local + 1u]);
    }
    workgroupBarrier();
    return words[0];
}

// A word for a number: they are in the order of the numbers, and NaN is past all.
fn rank(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    return select(bits ^ select(0x80000000u, ~0u, bits >= 0x80000000u), ~0u, is_nan(x));
}

// The number of that word.
fn ranked(rank: u32) -> f32 {
    return bitcast<f32>(rank ^ select(~0u, 0x80000000u, rank >= 0x80000000u));
}

fn sum_of_lanes(lanes: vec4<f32>) -> f32 {
    return (lanes.x + lanes.y) + (lanes.z + lanes.w);
}

// -p ln p. What is below the normal numbers counts as next to nothing. NaN stays.
fn surprise(p: f32) -> f32 {
    return -p * logarithm(max(p, 1.2e-38));
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = group.x;
    let row = params.base[0].y + n * params.output_stride;
    let entropy_at = params.base[0].z + n;
    let information_at = params.base[0].w + n;
    let first = params.first_pass == 0u;
    let last = params.first_pass + 1u == params.passes;
    let share = 1.0 / f32(params.first_pass + 1u);
    let quads = (params.outputs + 3u) / 4u;

    var largest = 0u;
    for (var q = local.x; q < quads; q += 64u) {
        let logits = logits_quad(n, i32(q * 4u));
        largest = max(largest, select(0u, rank(logits[0]), q * 4u < params.outputs));
        largest = max(largest, select(0u, rank(logits[1]), q * 4u + 1u < params.outputs));
        largest = max(largest, select(0u, rank(logits[2]), q * 4u + 2u < params.outputs));
        largest = max(largest, select(0u, rank(logits[3]), q * 4u + 3u < params.outputs));
    }
    largest = largest_of_all(local.x, largest);
    // Up to the rank of -infinity, or from that of infinity on.
    let bad = largest <= 0x007fffffu || largest >= 0xff800000u;
    // A softmax shifted by its largest logit never overflows.
    let shift = ranked(largest);

    // A sum for each lane: of many classes four short sums keep more digits than a long one.
    var totals = vec4(0.0);
    for (var q = local.x; q < quads; q += 64u) {
        let shifted = logits_quad(n, i32(q * 4u)) - shift;
        totals[0] += select(0.0, exponential(shifted[0]), q * 4u < params.outputs);
        totals[1] += select(0.0, exponential(shifted[1]), q * 4u + 1u < params.outputs);
        totals[2] += select(0.0, exponential(shifted[2]), q * 4u + 2u < params.outputs);
        totals[3] += select(0.0, exponential(shifted[3]), q * 4u + 3u < params.outputs);
    }
    var total = sum_of_lanes(totals);
    total = sum_of_all(local.x, total);

    var own_lanes = vec4(0.0);
    var mean_lanes = vec4(0.0);
    for (var q = local.x; q < quads; q += 64u) {
        let shifted = logits_quad(n, i32(q * 4u)) - shift;
        if q * 4u < params.outputs {
            let at = row + q * 4u;
            // Division may round up past 1.
            let probability = nan_where(bad, min(exponential(shifted[0]) / total, 1.0));
            own_lanes[0] += surprise(probability);
            var average = probability;
            if !first {
                average = mean[at] + share * (probability - mean[at]);
            }
            mean[at] = average;
            if last {
                mean_lanes[0] += surprise(average);
            }
        }
        if q * 4u + 1u < params.outputs {
            let at = row + q * 4u + 1u;
            // Division may round up past 1.
            let probability = nan_where(bad, min(exponential(shifted[1]) / total, 1.0));
            own_lanes[1] += surprise(probability);
            var average = probability;
            if !first {
                average = mean[at] + share * (probability - mean[at]);
            }
            mean[at] = average;
            if last {
                mean_lanes[1] += surprise(average);
            }
        }
        if q * 4u + 2u < params.outputs {
            let at = row + q * 4u + 2u;
            // Division may round up past 1.
            let probability = nan_where(bad, min(exponential(shifted[2]) / total, 1.0));
            own_lanes[2] += surprise(probability);
            var average = probability;
            if !first {
                average = mean[at] + share * (probability - mean[at]);
            }
            mean[at] = average;
            if last {
                mean_lanes[2] += surprise(average);
            }
        }
        if q * 4u + 3u < params.outputs {
            let at = row + q * 4u + 3u;
            // Division may round up past 1.
            let probability = nan_where(bad, min(exponential(shifted[3]) / total, 1.0));
            own_lanes[3] += surprise(probability);
            var average = probability;
            if !first {
                average = mean[at] + share * (probability - mean[at]);
            }
            mean[at] = average;
            if last {
                mean_lanes[3] += surprise(average);
            }
        }
    }
    var own = sum_of_lanes(own_lanes);
    var of_mean = sum_of_lanes(mean_lanes);
    own = sum_of_all(local.x, own);
    of_mean = sum_of_all(local.x, of_mean);
    if local.x > 0u {
        return;
    }
    var of_passes = own;
    if !first {
        of_passes = information[information_at] + share * (own - information[information_at]);
    }
    if last {
        entropy[entropy_at] = of_mean;
        of_passes = rectified(of_mean - of_passes);
    }
    information[information_at] = of_passes;
}
