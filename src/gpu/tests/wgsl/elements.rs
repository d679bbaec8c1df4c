//! The 16-bit element types.

use half::{bf16, f16};
use minijinja::{Value, context};

use super::adapter::adapter;
use super::{compute, random};
use crate::gpu::Gpu;
use crate::gpu::shader::params::Params;

/// A 16-bit type as the `half` crate has it.
struct SixteenBits {
    element: &'static str,
    decode: fn(u16) -> f32,
    encode: fn(f32) -> u16,
    /// Bits of the largest finite value, and of the canonical NaN.
    infinity: u16,
}

const SIXTEEN_BITS: [SixteenBits; 2] = [
    SixteenBits {
        element: "f16",
        decode: |bits| f16::from_bits(bits).to_f32(),
        encode: |value| f16::from_f32(value).to_bits(),
        infinity: 0x7c00,
    },
    SixteenBits {
        element: "bf16",
        decode: |bits| bf16::from_bits(bits).to_f32(),
        encode: |value| bf16::from_f32(value).to_bits(),
        infinity: 0x7f80,
    },
];

fn elements(gpu: &Gpu, ty: &SixteenBits, body: &str, input: &[[u32; 4]]) -> Vec<[u32; 4]> {
    let values = context! {
        element => ty.element,
        result_element => ty.element,
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
    for ty in &SIXTEEN_BITS {
        let got = elements(
            gpu,
            ty,
            "output[index] = vec4(bitcast<vec2<u32>>(unpack(input[index].x)), 7u, 7u);",
            &input,
        );
        for (bits, got) in got.iter().enumerate() {
            for (half, got) in [(bits as u16, got[0]), (!(bits as u16), got[1])] {
                let (want, got) = ((ty.decode)(half), f32::from_bits(got));
                let same = if want.is_nan() { got.is_nan() } else { got.to_bits() == want.to_bits() };
                assert!(same, "{} {half:#06x}: {got:e}, not {want:e}", ty.element);
            }
        }
    }
}

/// Every 16-bit value, its neighbours in f32, the ties between it and the next, and their neighbours: this
/// holds subnormals, overflow to infinity, infinity and NaN. And random words.
#[test]
fn values_encode_as_on_the_cpu() {
    let Some(gpu) = adapter("values_encode_as_on_the_cpu") else { return };
    for ty in &SIXTEEN_BITS {
        let mut words: Vec<u32> = Vec::new();
        for half in 0..=u16::MAX {
            let (value, next) = ((ty.decode)(half).to_bits(), (ty.decode)(half.wrapping_add(1)).to_bits());
            let tie = value.wrapping_add(next.wrapping_sub(value) / 2);
            words.extend([value, tie].iter().flat_map(|&w| [w.wrapping_sub(1), w, w.wrapping_add(1)]));
        }
        let mut state = 2;
        words.extend((0..100_000).map(|_| random(&mut state)));
        words.resize(words.len().next_multiple_of(4), 0);
        let input: Vec<[u32; 4]> = words.as_chunks::<4>().0.to_vec();
        let body = "let v = bitcast<vec4<f32>>(input[index]);
                    let packed = pack_quad(v);
                    output[index] = vec4(packed.x & 0xffffu, packed.x >> 16u, packed.y & 0xffffu, packed.y >> 16u);";
        let got = elements(gpu, ty, body, &input);
        for (word, got) in words.iter().zip(got.iter().flatten()) {
            let value = f32::from_bits(*word);
            let want = (ty.encode)(value);
            let same = if value.is_nan() {
                *got as u16 & 0x7fff > ty.infinity && *got as u16 >> 15 == want >> 15
            } else {
                *got == u32::from(want)
            };
            assert!(same, "{} {word:#010x} ({value:e}): {got:#06x}, not {want:#06x}", ty.element);
        }
    }
}
