//! Parts of the shaders on an adapter, alone: Philox, its product, the 16-bit element types, the elementary
//! functions. The code under test is the code of the kernels, rendered from the same templates with another entry
//! point.

use half::{bf16, f16};
use minijinja::{Value, context};

use super::params::{Params, round_keys};
use super::shader::{Pass, Planes, Shared, Variant, render};
use super::{AdapterChoice, Apply, Gpu, KernelOptions, Kernels, Multiply, Tensor, Tile};
use crate::call::Forward;
use crate::mask::brick::{Brick, PLANE_ROUNDS};
use crate::mask::philox::{KEY_STEP, MULTIPLIERS};
use crate::{Activation, Bias, DropProbability, ElementType, Error, Mask, MaskKey, Rounds, Shape};

#[path = "../../tests/common/adapter.rs"]
mod adapter;
use adapter::{adapter, not_run};

/// Runs `body` for each vector of `input`, as `at`: its vector `input[at]` becomes `output[at]`.
fn compute(
    gpu: &Gpu,
    parts: &[&str],
    values: &Value,
    body: &str,
    params: &Params,
    input: &[[u32; 4]],
) -> Vec<[u32; 4]> {
    let source = parts.iter().map(|part| render(part, values)).collect::<String>()
        + "@group(0) @binding(8) var<storage, read> input: array<vec4<u32>>;
           @group(0) @binding(9) var<storage, read_write> output: array<vec4<u32>>;
           @compute @workgroup_size(64)
           fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) n: vec3<u32>) {
               let at = id.x + id.y * n.x * 64u;
               if at >= arrayLength(&input) { return; }
               // Always used, so that the layout does not depend on the body.
               let ignored = params.examples;
           "
        + body
        + "}";
    let device = gpu.device();
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: None,
        source: wgpu::ShaderSource::Wgsl(source.into()),
    });
    let entry = |binding, ty| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    };
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: None,
        entries: &[
            entry(0, wgpu::BufferBindingType::Uniform),
            entry(8, wgpu::BufferBindingType::Storage { read_only: true }),
            entry(9, wgpu::BufferBindingType::Storage { read_only: false }),
        ],
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: None,
        layout: Some(&device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        })),
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let uniform = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: size_of::<Params>() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    gpu.queue().write_buffer(&uniform, 0, bytemuck::bytes_of(params));
    let bytes: &[u8] = bytemuck::cast_slice(input);
    let operand = gpu.upload(bytes).unwrap();
    let result = gpu.upload(&vec![0xCA; bytes.len()]).unwrap();
    let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: None,
        layout: &layout,
        entries: &[(0, &uniform), (8, &operand), (9, &result)]
            .map(|(binding, buffer)| wgpu::BindGroupEntry { binding, resource: buffer.as_entire_binding() }),
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut pass = encoder.begin_compute_pass(&Default::default());
    pass.set_pipeline(&pipeline);
    pass.set_bind_group(0, &bindings, &[]);
    let groups = (input.len() as u32).div_ceil(64);
    pass.dispatch_workgroups(groups.min(1024), groups.div_ceil(1024), 1);
    drop(pass);
    gpu.queue().submit([encoder.finish()]);
    let output = gpu.read(&result, 0..bytes.len() as u64).unwrap();
    bytemuck::pod_collect_to_vec(&output)
}

/// The adapter and its ways to multiply: with 16-bit halves, and with 64-bit integers where it has them.
fn multiplies(test: &str) -> Option<(&'static Gpu, Vec<bool>)> {
    let gpu = adapter(test)?;
    let int64 = gpu.device().features().contains(wgpu::Features::SHADER_INT64);
    if !int64 {
        not_run(test, "Multiply::Wide, the device has no SHADER_INT64");
    }
    Some((gpu, if int64 { vec![false, true] } else { vec![false] }))
}

fn hex(values: &serde_json::Value) -> Vec<u32> {
    let word = |value: &serde_json::Value| u32::from_str_radix(value.as_str().unwrap(), 16).unwrap();
    values.as_array().unwrap().iter().map(word).collect()
}

fn random(state: &mut u64) -> u32 {
    *state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
    (*state >> 32) as u32
}

/// What `philox.wgsl` is rendered with.
fn generator(rounds: u32, int64: bool) -> Value {
    context! {
        rounds,
        int64,
        multipliers => MULTIPLIERS,
        key_step => KEY_STEP,
        plane_rounds => PLANE_ROUNDS,
        pass_keys => false,
        rolled => true,
    }
}

/// The answers of the generator's authors: zeros, ones and the digits of pi, for 7 and 10 rounds.
#[test]
fn philox_gives_the_known_answers() {
    let Some((gpu, multiplies)) = multiplies("philox_gives_the_known_answers") else { return };
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../tests/data/vectors.json")).unwrap();
    let answers = vectors["kats"].as_array().unwrap();
    assert_eq!(answers.len(), 6);
    for int64 in multiplies {
        for answer in answers {
            let rounds = answer["rounds"].as_u64().unwrap();
            let key = hex(&answer["key"]).try_into().unwrap();
            let params = Params { round_keys: round_keys(key), ..Params::default() };
            let counter: [u32; 4] = hex(&answer["counter"]).try_into().unwrap();
            let got = compute(
                gpu,
                &["params", "philox"],
                &generator(rounds as u32, int64),
                "output[at] = philox(input[at]);",
                &params,
                &[counter],
            );
            assert_eq!(got[0].to_vec(), hex(&answer["output"]), "{int64} {answer}");
        }
    }
}

/// Every kind of brick that a kernel may be made with, at every resolution, against [`Brick::decide`].
#[test]
fn bricks_are_those_of_the_format() {
    let Some((gpu, multiplies)) = multiplies("bricks_are_those_of_the_format") else { return };
    let mut state = 2;
    let edges = [0, 1, !0];
    let mut input: Vec<[u32; 4]> = edges.iter().flat_map(|&i| edges.map(|o| [i, o, !i, 0])).collect();
    input.extend((0..64).map(|_| [0; 4].map(|_: u32| random(&mut state))));
    let mask = Mask::new(MaskKey::new(5, 6).at_step(7), DropProbability::new(0.5).unwrap());
    for multiply in multiplies.into_iter().map(|int64| if int64 { Multiply::Wide } else { Multiply::Split }) {
        for (rounds, rolled) in [(Rounds::Seven, false), (Rounds::Ten, false), (Rounds::Ten, true)] {
            for bits in 1..=16 {
                // An odd threshold, of which both kinds of bits come up.
                let levels = 1u32 << bits;
                let threshold = (0xb5a5 & (levels - 1)) | 1;
                let p = f64::from(levels - threshold) / f64::from(levels);
                let probability = DropProbability::with_bits(p, bits).unwrap();
                let mask = Mask { probability, rounds, ..mask };
                let planes = Planes::of(Some(&mask));
                let variant = Variant { planes, rounds, rolled, multiply, ..brick_variant() };
                let got = compute(
                    gpu,
                    &["params", "philox", "brick"],
                    &variant.values(),
                    "output[at] = brick(input[at].xyz);",
                    &Params::new(Some(&mask), [0; 3], [1; 3]),
                    &input,
                );
                for (at, got) in input.iter().zip(got) {
                    let brick = Brick::decide([at[0], at[1], at[2]], mask.key.words(), &probability, rounds);
                    let want: [u32; 4] = std::array::from_fn(|n| brick.word(n as u32));
                    assert_eq!(got, want, "{variant:?} {bits} bits {at:?}");
                }
            }
        }
    }
}

fn brick_variant() -> Variant {
    Variant {
        pass: Pass::Mask,
        element: ElementType::F32,
        result: ElementType::F32,
        planes: Planes::One,
        rounds: Rounds::Ten,
        vector: false,
        read_write: false,
        bias: false,
        tile: Tile::new(1, 1, [64, 1]),
        split: 1,
        apply: Apply::And,
        multiply: Multiply::Split,
        rolled: false,
        sharing: Shared::Each,
        activation: (Activation::Identity, true),
    }
}

/// A split that loses a carry is right for most products. Words of few and of many ones find it.
#[test]
fn products_have_all_their_64_bits() {
    let Some((gpu, multiplies)) = multiplies("products_have_all_their_64_bits") else { return };
    let edges = [0, 1, 2, 0xffff, 0x1_0000, 0x1_0001, 0x7fff_ffff, 0x8000_0000, 0xffff_0000, !1, !0];
    let mut state = 1;
    let mut factors: Vec<u32> = edges.into_iter().chain(MULTIPLIERS).collect();
    for _ in 0..64 {
        let (a, b, c) = (random(&mut state), random(&mut state), random(&mut state));
        factors.extend([a, a & b & c, a | b | c]);
    }
    let input: Vec<[u32; 4]> =
        factors.iter().flat_map(|&a| factors.iter().map(move |&b| [a, b, 0, 0])).collect();
    assert!(input.len() > 40_000);
    for int64 in multiplies {
        let got = compute(
            gpu,
            &["params", "philox"],
            &generator(10, int64),
            "output[at] = vec4(multiply_wide(input[at].x, input[at].y), 7u, 7u);",
            &Params::default(),
            &input,
        );
        for ([a, b, ..], got) in input.iter().zip(got) {
            let want = u64::from(*a) * u64::from(*b);
            assert_eq!(got, [want as u32, (want >> 32) as u32, 7, 7], "{a:#x} * {b:#x}, {int64}");
        }
    }
}

/// A 16-bit type as the `half` crate has it.
struct Twin {
    element: &'static str,
    decode: fn(u16) -> f32,
    encode: fn(f32) -> u16,
    /// Bits of the largest finite value, and of the canonical NaN.
    infinity: u16,
}

const TWINS: [Twin; 2] = [
    Twin {
        element: "f16",
        decode: |bits| f16::from_bits(bits).to_f32(),
        encode: |value| f16::from_f32(value).to_bits(),
        infinity: 0x7c00,
    },
    Twin {
        element: "bf16",
        decode: |bits| bf16::from_bits(bits).to_f32(),
        encode: |value| bf16::from_f32(value).to_bits(),
        infinity: 0x7f80,
    },
];

fn elements(gpu: &Gpu, twin: &Twin, body: &str, input: &[[u32; 4]]) -> Vec<[u32; 4]> {
    let values = context! {
        element => twin.element,
        result_element => twin.element,
        vector => true,
        access => "read",
        operands => Vec::<Value>::new(),
        results => Vec::<Value>::new(),
    };
    compute(gpu, &["params", "elements"], &values, body, &Params::default(), input)
}

/// Bit for bit, but for NaN: that it is one and its sign, not its payload.
#[test]
fn every_16_bit_value_decodes_as_on_the_cpu() {
    let Some(gpu) = adapter("every_16_bit_value_decodes_as_on_the_cpu") else { return };
    let input: Vec<[u32; 4]> = (0..0x1_0000).map(|bits| [bits | (0xffff - bits) << 16, 0, 0, 0]).collect();
    for twin in &TWINS {
        let got = elements(
            gpu,
            twin,
            "output[at] = vec4(bitcast<vec2<u32>>(unpack(input[at].x)), 7u, 7u);",
            &input,
        );
        for (bits, got) in got.iter().enumerate() {
            for (half, got) in [(bits as u16, got[0]), (!(bits as u16), got[1])] {
                let (want, got) = ((twin.decode)(half), f32::from_bits(got));
                let same = if want.is_nan() { got.is_nan() } else { got.to_bits() == want.to_bits() };
                assert!(same, "{} {half:#06x}: {got:e}, not {want:e}", twin.element);
            }
        }
    }
}

/// Every 16-bit value, its neighbours in f32, the ties between it and the next, and their neighbours: this
/// holds subnormals, overflow to infinity, infinity and NaN. And random words.
#[test]
fn values_encode_as_on_the_cpu() {
    let Some(gpu) = adapter("values_encode_as_on_the_cpu") else { return };
    for twin in &TWINS {
        let mut words: Vec<u32> = Vec::new();
        for half in 0..=u16::MAX {
            let (value, next) =
                ((twin.decode)(half).to_bits(), (twin.decode)(half.wrapping_add(1)).to_bits());
            let tie = value.wrapping_add(next.wrapping_sub(value) / 2);
            words.extend([value, tie].iter().flat_map(|&w| [w.wrapping_sub(1), w, w.wrapping_add(1)]));
        }
        let mut state = 2;
        words.extend((0..100_000).map(|_| random(&mut state)));
        words.resize(words.len().next_multiple_of(4), 0);
        let input: Vec<[u32; 4]> = words.as_chunks::<4>().0.to_vec();
        let body = "let v = bitcast<vec4<f32>>(input[at]);
                    let packed = pack_quad(v);
                    output[at] = vec4(packed.x & 0xffffu, packed.x >> 16u, packed.y & 0xffffu, packed.y >> 16u);";
        let got = elements(gpu, twin, body, &input);
        for (word, got) in words.iter().zip(got.iter().flatten()) {
            let value = f32::from_bits(*word);
            let want = (twin.encode)(value);
            let same = if value.is_nan() {
                *got as u16 & 0x7fff > twin.infinity && *got as u16 >> 15 == want >> 15
            } else {
                *got == u32::from(want)
            };
            assert!(same, "{} {word:#010x} ({value:e}): {got:#06x}, not {want:#06x}", twin.element);
        }
    }
}

/// What one of the functions of `elementary.wgsl` makes of these numbers; `call` is one of `X`.
fn elementary(gpu: &Gpu, call: &str, x: &[f32]) -> Vec<f32> {
    let mut words: Vec<u32> = x.iter().map(|x| x.to_bits()).collect();
    words.resize(words.len().next_multiple_of(4), 0);
    let lane =
        |lane| format!("bitcast<u32>({})", call.replace('X', &format!("bitcast<f32>(input[at].{lane})")));
    let body = format!("output[at] = vec4({});", ["x", "y", "z", "w"].map(lane).join(", "));
    let parts = ["params", "elementary"];
    let got = compute(gpu, &parts, &context! {}, &body, &Params::default(), words.as_chunks::<4>().0);
    got.as_flattened()[..x.len()].iter().map(|&bits| f32::from_bits(bits)).collect()
}

/// The largest error in units of the last place, and where it is. What is below the normal numbers may be flushed to 0.
fn worst_error(x: &[f32], got: &[f32], exact: fn(f64) -> f64) -> (f64, f32) {
    let error = |(&x, &got): (&f32, &f32)| {
        let want = exact(x.into());
        let least = f64::from(f32::MIN_POSITIVE);
        let unit = 2f64.powi(want.abs().max(least).log2().floor() as i32 - 23);
        let error = (f64::from(got) - want).abs() / unit;
        (if want.abs() < least && got.abs() <= f32::MIN_POSITIVE { 0.0 } else { error }, x)
    };
    x.iter().zip(got).map(error).fold((0.0, 0.0), |a, b| if b.0 > a.0 || b.0.is_nan() { b } else { a })
}

/// `steps` numbers in equal ratios.
fn ratios(from: f64, to: f64, steps: u32) -> impl Iterator<Item = f32> {
    let step = (to / from).powf(1.0 / f64::from(steps));
    (0..=steps).map(move |k| (from * step.powi(k as i32)) as f32)
}

/// WGSL lets a driver's tanh be off by 1e-5, which near 0 is everything, its exponential by 2 |x| units, its sine by
/// 2^-11. Ours are the same everywhere.
#[test]
fn elementary_functions_are_good_to_a_few_units_in_the_last_place() {
    type Case = (&'static str, fn(f64) -> f64, f64, Vec<f32>);
    let Some(gpu) = adapter("elementary_functions_are_good_to_a_few_units_in_the_last_place") else { return };
    let negative = |values: &[f32]| values.iter().map(|value| -value).collect::<Vec<_>>();
    let small: Vec<f32> = ratios(1e-37, 1.0, 20_000).collect();
    let tail: Vec<f32> = (0..40_000).map(|k| k as f32 * 0.0026).chain([f32::MAX, f32::INFINITY]).collect();
    let both = [small.clone(), negative(&small), tail.clone(), negative(&tail)].concat();
    // Near 1, where the logarithm is 0, and everywhere else.
    let units: Vec<f32> = (1..=1 << 15).flat_map(|k| [k, (1 << 24) + 1 - k, k * 512]).map(unit).collect();
    let cases: [Case; 4] = [
        ("exponential(X)", f64::exp, 2.0, [negative(&small), negative(&tail)].concat()),
        ("logarithm(X)", f64::ln, 2.0, [units, ratios(1.2e-38, 3e38, 20_000).collect()].concat()),
        ("sigmoid(X)", |u| 1.0 / (1.0 + (-u).exp()), 4.0, both.clone()),
        ("hyperbolic_tangent(X)", f64::tanh, 3.0, both),
    ];
    for (call, exact, bound, x) in cases {
        let (error, at) = worst_error(&x, &elementary(gpu, call, &x), exact);
        assert!(error <= bound, "{call} at {at:e}: {error} units");
    }
    // Twins: functions that are right as f32 goes, but not near 0 and in the tails.
    let (error, _) =
        worst_error(&small, &elementary(gpu, "1.0 - 2.0 / (exp(2.0 * X) + 1.0)", &small), f64::tanh);
    assert!(error > 1000.0, "{error}");

    let turns: Vec<f32> = (0..1 << 16).map(|k| unit(k * 256 + k % 256)).collect();
    let (cosines, sines) = (elementary(gpu, "circle(X).x", &turns), elementary(gpu, "circle(X).y", &turns));
    for (turn, (cosine, sine)) in turns.iter().zip(cosines.iter().zip(&sines)) {
        let (exact_sine, exact_cosine) = (f64::from(*turn) * std::f64::consts::TAU).sin_cos();
        let error = (f64::from(*cosine) - exact_cosine).abs().max((f64::from(*sine) - exact_sine).abs());
        assert!(error < 1.5e-7, "{turn}: {error:e}");
    }
}

/// The 24-bit numbers that Gaussian samples come from.
fn unit(k: u32) -> f32 {
    k as f32 / (1u32 << 24) as f32
}

#[test]
fn nan_and_infinity_are_told_by_their_bits() {
    let Some(gpu) = adapter("nan_and_infinity_are_told_by_their_bits") else { return };
    let nans = [0x7fc0_0000, 0x7f80_0001, 0xffc0_0000, 0xff80_0001, 0xffff_ffff].map(f32::from_bits);
    let finite = [0.0, -0.0, 1.0, -1.0, f32::MAX, f32::MIN, f32::MIN_POSITIVE, -f32::MIN_POSITIVE];
    let infinite = [f32::INFINITY, f32::NEG_INFINITY];
    let all = [&nans[..], &finite, &infinite].concat();
    let of = |call| elementary(gpu, call, &all);
    let rectified = of("rectified(X)");
    let tests = (of("f32(is_nan(X))"), of("f32(is_finite(X))"), of("nan_where(X < 1.0, X)"));
    for (at, x) in all.iter().enumerate() {
        assert_eq!(
            [tests.0[at], tests.1[at]],
            [x.is_nan(), x.is_finite()].map(|is| f32::from(u8::from(is))),
            "{x}"
        );
        assert_eq!(tests.2[at].is_nan(), x.is_nan() || *x < 1.0, "{x}");
        let same = rectified[at].to_bits() == x.max(0.0).to_bits();
        assert!(
            if x.is_nan() { rectified[at].is_nan() } else { same || *x == 0.0 },
            "{x}: {}",
            rectified[at]
        );
    }
}

/// What the device refuses is an error each time, and nothing of it is kept.
#[test]
fn a_kernel_that_does_not_compile_is_not_kept() {
    let Some(gpu) = adapter("a_kernel_that_does_not_compile_is_not_kept") else { return };
    let mut kernels = Kernels::new(gpu.device(), &KernelOptions::default()).unwrap();
    let buffer = gpu.buffer(1024).unwrap();
    let tensor = |offset, elements: u64| Tensor {
        buffer: &buffer,
        offset,
        size: 4 * elements,
        element: ElementType::F32,
    };
    let call = Forward {
        shape: Shape::new(2, 3, 4).unwrap(),
        mask: None,
        x: tensor(0, 8),
        weight: tensor(256, 12),
        bias: Bias::None,
        y: tensor(512, 6),
    };
    // More threads than any device has: past what `Kernels::new` lets through.
    let sound = kernels.tuning.forward;
    kernels.tuning.forward.workgroup = [1 << 16, 1];
    for _ in 0..2 {
        let fault = kernels.forward(&call).map(drop);
        assert!(matches!(fault, Err(Error::DeviceFault { .. })), "{fault:?}");
        let text = fault.unwrap_err().to_string();
        assert!(text.contains("dropconnect.forward") && !text.contains('\n'), "{text}");
    }
    kernels.tuning.forward = sound;
    gpu.submit(&kernels.forward(&call).unwrap()).unwrap();
    gpu.wait().unwrap();
}
