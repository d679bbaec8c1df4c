// What a classifier's logits of many samples say: mean softmax, entropy of that mean, and mutual
// information, in natural logarithms. Reference: src/reference/predictive.rs, which says what becomes of logits that
// are not finite.
//
//% if split_k > 1
// A workgroup owns an example; its threads share the classes and add up in a fixed order.
//% else
// A thread owns an example.
//% endif
// It updates what the results hold with one sample: the mean softmax, and in `information` the mean of the samples'
// entropies. The last sample turns that into the results.

@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(4) var<storage, read_write> information: array<f32>;
//% if split_k > 1

var<workgroup> words: array<u32, ${split_k}>;

// The sum of what all threads have, to all of them.
fn sum_of_all(local: u32, value: f32) -> f32 {
    // Others may still read an earlier result.
    workgroupBarrier();
    words[local] = bitcast<u32>(value);
    workgroupBarrier();
//% for step in steps
    if local < ${step}u {
        words[local] = bitcast<u32>(bitcast<f32>(words[local]) + bitcast<f32>(words[local + ${step}u]));
    }
    workgroupBarrier();
//% endfor
    return bitcast<f32>(words[0]);
}

fn largest_of_all(local: u32, value: u32) -> u32 {
    words[local] = value;
    workgroupBarrier();
//% for step in steps
    if local < ${step}u {
        words[local] = max(words[local], words[local + ${step}u]);
    }
    workgroupBarrier();
//% endfor
    return words[0];
}
//% endif

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

@compute @workgroup_size(${workgroup})
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
//% if split_k > 1
    let n = workgroup.x;
//% else
    let n = workgroup.x * ${workgroup_x}u + local.x;
    if n >= params.examples {
        return;
    }
//% endif
    let row = params.base[0].y + n * params.output_stride;
    let entropy_index = params.base[0].z + n;
    let information_index = params.base[0].w + n;
    let first = params.first_sample == 0u;
    let last = params.first_sample + 1u == params.samples;
    let share = 1.0 / f32(params.first_sample + 1u);
    let quads = (params.outputs + 3u) / 4u;

    var largest = 0u;
    for (var q = ${first_quad}; q < quads; ${"q += " ~ split_k ~ "u" if split_k > 1 else "q++"}) {
        let logits = logits_quad(n, i32(q * 4u));
//% for k in range(4)
        largest = max(largest, select(0u, rank(logits[${k}]), q * 4u + ${k}u < params.outputs));
//% endfor
    }
//% if split_k > 1
    largest = largest_of_all(local.x, largest);
//% endif
    // Up to the rank of -infinity, or from that of infinity on.
    let bad = largest <= 0x007fffffu || largest >= 0xff800000u;
    // A softmax shifted by its largest logit never overflows.
    let shift = ranked(largest);

    // A sum for each lane of ${block_quads} classes, and the totals of those: one f32 of very many rounds most of
    // each away.
    var totals = vec4(0.0);
    for (var begin = ${first_quad}; begin < quads; begin += ${block_quads * split_k}u) {
        let end = min(begin + ${block_quads * split_k}u, quads);
        var sums = vec4(0.0);
        for (var q = begin; q < end; ${"q += " ~ split_k ~ "u" if split_k > 1 else "q++"}) {
            let shifted = logits_quad(n, i32(q * 4u)) - shift;
//% for k in range(4)
            sums[${k}] += select(0.0, exponential(shifted[${k}]), q * 4u + ${k}u < params.outputs);
//% endfor
        }
        totals += sums;
    }
    var total = sum_of_lanes(totals);
//% if split_k > 1
    total = sum_of_all(local.x, total);
//% endif

    var own_totals = vec4(0.0);
    var mean_totals = vec4(0.0);
    for (var begin = ${first_quad}; begin < quads; begin += ${block_quads * split_k}u) {
        let end = min(begin + ${block_quads * split_k}u, quads);
        var own_lanes = vec4(0.0);
        var mean_lanes = vec4(0.0);
        for (var q = begin; q < end; ${"q += " ~ split_k ~ "u" if split_k > 1 else "q++"}) {
            let shifted = logits_quad(n, i32(q * 4u)) - shift;
//% for k in range(4)
            if q * 4u + ${k}u < params.outputs {
                let index = row + q * 4u + ${k}u;
                // Division may round up past 1.
                let probability = nan_where(bad, min(exponential(shifted[${k}]) / total, 1.0));
                own_lanes[${k}] += surprise(probability);
                var average = probability;
                if !first {
                    average = mean[index] + share * (probability - mean[index]);
                }
                mean[index] = average;
                if last {
                    mean_lanes[${k}] += surprise(average);
                }
        }
//% endfor
        }
        own_totals += own_lanes;
        mean_totals += mean_lanes;
    }
    var own = sum_of_lanes(own_totals);
    var of_mean = sum_of_lanes(mean_totals);
//% if split_k > 1
    own = sum_of_all(local.x, own);
    of_mean = sum_of_all(local.x, of_mean);
    if local.x > 0u {
        return;
    }
//% endif
    var of_passes = own;
    if !first {
        of_passes = information[information_index] + share * (own - information[information_index]);
    }
    if last {
        entropy[entropy_index] = of_mean;
        of_passes = rectified(of_mean - of_passes);
    }
    information[information_index] = of_passes;
}
