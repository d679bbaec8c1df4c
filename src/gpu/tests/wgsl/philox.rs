//! The generator and its product.

use minijinja::{Value, context};

use super::adapter::{adapter, not_run};
use super::{compute, random};
use crate::gpu::shader::params::{Params, round_keys};
use crate::gpu::shader::pass::Pass;
use crate::gpu::shader::variant::{Planes, Shared, Variant};
use crate::gpu::{Gpu, MaskOp, Multiply, Tile};
use crate::mask::brick::Brick;
use crate::mask::philox::{KEY_STEP, MULTIPLIERS, PLANE_ROUNDS, ROUNDS};
use crate::{DropProbability, ElementType, Mask, MaskKey};

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

/// What `philox.wgsl` is rendered with.
fn generator(int64: bool) -> Value {
    context! {
        rounds => ROUNDS,
        int64,
        multipliers => MULTIPLIERS,
        key_step => KEY_STEP,
        plane_rounds => PLANE_ROUNDS,
        sample_keys => false,
        unrolled => false,
    }
}

/// The answers of the generator's authors: zeros, ones and the digits of pi.
#[test]
fn philox_gives_the_known_answers() {
    let Some((gpu, multiplies)) = multiplies("philox_gives_the_known_answers") else { return };
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../../tests/data/vectors.json")).unwrap();
    let answers = vectors["kats"].as_array().unwrap();
    assert_eq!(answers.len(), 3);
    for int64 in multiplies {
        for answer in answers {
            let key = hex(&answer["key"]).try_into().unwrap();
            let params = Params { round_keys: round_keys(key), ..Params::default() };
            let counter: [u32; 4] = hex(&answer["counter"]).try_into().unwrap();
            let got = compute(
                gpu,
                &["params", "philox"],
                &generator(int64),
                "output[index] = philox(input[index]);",
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
        for unrolled in [false, true] {
            for bits in 1..=16 {
                // An odd threshold, of which both kinds of bits come up.
                let levels = 1u32 << bits;
                let threshold = (0xb5a5 & (levels - 1)) | 1;
                let p = f64::from(levels - threshold) / f64::from(levels);
                let probability = DropProbability::with_bits(p, bits).unwrap();
                let mask = Mask { probability, ..mask };
                let planes = Planes::of(Some(&mask));
                let variant = Variant { planes, unrolled, multiply, ..brick_variant() };
                let got = compute(
                    gpu,
                    &["params", "philox", "brick"],
                    &variant.values(),
                    "output[index] = brick(input[index].xyz);",
                    &Params::new(Some(&mask), [0; 3], [1; 3]),
                    &input,
                );
                for (block, got) in input.iter().zip(got) {
                    let brick = Brick::decide([block[0], block[1], block[2]], mask.key.words(), &probability);
                    let want: [u32; 4] = std::array::from_fn(|n| brick.word(n as u32));
                    assert_eq!(got, want, "{variant:?} {bits} bits {block:?}");
                }
            }
        }
    }
}

fn brick_variant() -> Variant {
    Variant {
        pass: Pass::Mask { of_bias: false },
        element: ElementType::F32,
        result: ElementType::F32,
        planes: Planes::One,
        vector: false,
        read_write: false,
        tile: Tile::new(1, 1, [64, 1]),
        split_k: 1,
        mask_op: MaskOp::And,
        multiply: Multiply::Split,
        unrolled: true,
        sharing: Shared::Each,
        blocked: false,
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
            &generator(int64),
            "output[index] = vec4(multiply_wide(input[index].x, input[index].y), 7u, 7u);",
            &Params::default(),
            &input,
        );
        for ([a, b, ..], got) in input.iter().zip(got) {
            let want = u64::from(*a) * u64::from(*b);
            assert_eq!(got, [want as u32, (want >> 32) as u32, 7, 7], "{a:#x} * {b:#x}, {int64}");
        }
    }
}
