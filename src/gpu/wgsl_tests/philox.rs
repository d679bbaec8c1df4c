//! The generator and its product.

use minijinja::context;

use super::adapter::{adapter, not_run};
use super::{compute, random};
use crate::gpu::Gpu;
use crate::gpu::params::Params;
use crate::mask::philox::{KEY_STEP, MULTIPLIERS};

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

/// The answers of the generator's authors: zeros, ones and the digits of pi, for 7 and 10 rounds.
#[test]
fn philox_gives_the_known_answers() {
    let Some((gpu, multiplies)) = multiplies("philox_gives_the_known_answers") else { return };
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../../../tests/data/vectors.json")).unwrap();
    let answers = vectors["kats"].as_array().unwrap();
    assert_eq!(answers.len(), 6);
    for int64 in multiplies {
        for answer in answers {
            let rounds = answer["rounds"].as_u64().unwrap();
            let mut key = hex(&answer["key"]);
            let mut params = Params::default();
            for round in 0..rounds as usize {
                let at = 2 * (round % 2);
                params.round_keys[round / 2][at..at + 2].copy_from_slice(&key);
                key = key.iter().zip(KEY_STEP).map(|(k, step)| k.wrapping_add(step)).collect();
            }
            let counter: [u32; 4] = hex(&answer["counter"]).try_into().unwrap();
            let got = compute(
                gpu,
                &["params", "philox"],
                &context! { rounds, int64, multipliers => MULTIPLIERS, round_keys => "params.round_keys" },
                "output[at] = philox(input[at]);",
                &params,
                &[counter],
            );
            assert_eq!(got[0].to_vec(), hex(&answer["output"]), "{int64} {answer}");
        }
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
            &context! { rounds => 10, int64, multipliers => MULTIPLIERS, round_keys => "params.round_keys" },
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
