// What a classifier's logits of many passes say: mean softmax, entropy of that mean, and mutual
// information, in natural logarithms. Twin: src/reference/predictive.rs.
//
// A thread owns an example and adds one pass to what the results hold: probabilities to `mean`, the
// softmax's entropy to `information`. The last pass turns sums into results.

@group(0) @binding(2) var<storage, read_write> mean: array<f32>;
@group(0) @binding(3) var<storage, read_write> entropy: array<f32>;
@group(0) @binding(4) var<storage, read_write> information: array<f32>;

@compute @workgroup_size(${workgroup_x}, ${workgroup_y})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let n = group.x * ${workgroup_x}u + local.x;
    if n >= params.samples {
        return;
    }
    let row = params.base[0].y + n * params.output_stride;
    let entropy_at = params.base[0].z + n;
    let information_at = params.base[0].w + n;
    let first = params.first_pass == 0u;
    let last = params.first_pass + 1u == params.passes;
    let quads = (params.outputs + 3u) / 4u;

    // A softmax shifted by its largest logit never overflows.
    var largest = -3.4028235e38;
    for (var q = 0u; q < quads; q++) {
        let logits = logits_quad(n, i32(q * 4u));
//% for k in range(4)
        largest = select(largest, max(largest, logits[${k}]), q * 4u + ${k}u < params.outputs);
//% endfor
    }
    var total = 0.0;
    var weighted = 0.0;
    for (var q = 0u; q < quads; q++) {
        let shifted = logits_quad(n, i32(q * 4u)) - largest;
        let weights = exp(shifted);
//% for k in range(4)
        if q * 4u + ${k}u < params.outputs {
            total += weights[${k}];
            weighted = fma(weights[${k}], max(shifted[${k}], -1e4), weighted);
        }
//% endfor
    }
    // Entropy of this pass: -sum of q (shifted - log total), q = weight / total.
    let own = log(total) - weighted / total;
    let own_sum = select(information[information_at], 0.0, first) + own;
    var of_mean = 0.0;
    let share = select(1.0, 1.0 / f32(params.passes), last);
    for (var q = 0u; q < quads; q++) {
        let weights = exp(logits_quad(n, i32(q * 4u)) - largest);
//% for k in range(4)
        if q * 4u + ${k}u < params.outputs {
            let at = row + q * 4u + ${k}u;
            let probability = share * (select(mean[at], 0.0, first) + weights[${k}] / total);
            mean[at] = probability;
            of_mean -= select(0.0, probability * log(max(probability, 1e-38)), probability > 0.0);
        }
//% endfor
    }
    entropy[entropy_at] = of_mean;
    information[information_at] = select(own_sum, max(of_mean - own_sum / f32(params.passes), 0.0), last);
}
