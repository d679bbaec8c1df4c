//! Mask bits: the generator's known answers, masks written out, and masks as each pass decides them.

use dropconnect::gpu::{Gpu, Kernels};
use dropconnect::mask::philox::philox4x32;
use dropconnect::{Bias, DropProbability, Mask, MaskKey, Origin, Shape, reference};

use super::check::Check;
use super::data::{PROBABILITIES, QUICK, SHAPES, shape, varied_mask};
use super::multiply_name;
use super::plan::Plan;
use crate::{Axis, Case, Data, Failure, Kind, Placement, Target, differences, reductions};

type KnownAnswer = ([u32; 4], [u32; 2], [u32; 4]);
/// Counter, key, answer: Random123's `kat_vectors` for philox4x32. All zeros, all ones, digits of pi.
const KNOWN: [KnownAnswer; 3] = [
    ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    ([!0; 4], [!0; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
    (PI_COUNTER, PI_KEY, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]),
];
const PI_COUNTER: [u32; 4] = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
const PI_KEY: [u32; 2] = [0xa409_3822, 0x299f_31d0];

/// Bits that one f32 sum tells exactly, through the rounding of its scale.
const BITS_PER_SUM: usize = 20;

/// Philox on the host.
pub fn known_answers(plan: &mut Plan) {
    let check = Check::count("Philox: known answers of Random123".to_owned());
    plan.check(check, async |check| {
        for (counter, key, answer) in KNOWN {
            let got = philox4x32(counter, key);
            check.case(differences(&got, &answer), || format!("{counter:x?}"));
        }
        Ok(())
    });
}

/// Whole Philox calls read back from WGSL: at p = 1/2 a brick is the complement of one call.
pub fn philox_in_wgsl<'a>(plan: &mut Plan<'a>, gpu: &'a Gpu, kernels: &'a Kernels) {
    let keys = if plan.quick { 8 } else { 40 };
    let check = Check::count(format!("Philox in WGSL, {}: whole calls", multiply_name(kernels.multiply())));
    plan.check(check, async move |check| {
        let shape = shape([8, 8, 64])?;
        for case in 0..keys {
            let mask = Mask {
                origin: Origin {
                    example: (case as u32).wrapping_mul(0x3c6e_f35f) & !15,
                    output: (case as u32).wrapping_mul(0x9e37_79b9) & !15,
                    input: (case as u32).wrapping_mul(0x7f4a_7c15) & !127,
                },
                ..varied_mask(0.5, case)?
            };
            let got =
                Target::Adapter { gpu, kernels }.mask_async(shape, &mask, false, Placement::Separate).await?;
            let words = mask.key.words();
            for (n, o, i) in (0..2).flat_map(|n| (0..2).flat_map(move |o| (0..8).map(move |i| (n, o, i)))) {
                let block =
                    [mask.origin.input / 8 + i, mask.origin.output / 4 + o, mask.origin.example / 4 + n];
                let call = philox4x32([block[0], block[1], block[2], 0], words);
                let bit = |r: u32, c: u32, k: u32| {
                    let at = ((n * 4 + r) * 8 + o * 4 + c) * 64 + i * 8 + k;
                    u32::from(got[at as usize] == 0) << (c * 8 + k)
                };
                let brick: [u32; 4] = std::array::from_fn(|r| {
                    (0..32).fold(0, |word, lane| word | bit(r as u32, lane / 8, lane % 8))
                });
                check.case(differences(&brick, &call), || format!("block {block:?}, key {words:x?}"));
            }
        }
        Ok(())
    });
}

/// Masks written out.
pub fn written<'a>(plan: &mut Plan<'a>, target: Target<'a>, name: &str) {
    let shapes = if plan.quick { &SHAPES[QUICK] } else { &SHAPES };
    let masks = if plan.quick { 1 } else { 3 };
    plan.check(Check::count(format!("{name}: mask bits as in the reference")), async move |check| {
        for (s, &dims) in shapes.iter().enumerate() {
            for (k, &p) in PROBABILITIES.iter().enumerate() {
                for round in 0..masks {
                    let mask = varied_mask(p, (s + 7 * k + 5 * round) as u64)?;
                    compare(check, &target, shape(dims)?, &mask).await?;
                }
            }
        }
        // Seed and step past 32 bits, the last layer, the smallest keep probability, 16 bits.
        let key = MaskKey::new(u64::MAX, u32::MAX).at_step(u64::MAX - 1);
        let smallest = DropProbability::new(1.0 - 1.0 / 65536.0)?;
        compare(check, &target, shape([16, 24, 40])?, &Mask::new(key, smallest)).await
    });
}

async fn compare(check: &mut Check, target: &Target<'_>, shape: Shape, mask: &Mask) -> Result<(), Failure> {
    for (bias, want) in
        [(false, reference::mask::mask(&shape, mask)?), (true, reference::mask::bias_mask(&shape, mask)?)]
    {
        let want: Vec<_> = want.into_iter().map(u8::from).collect();
        let got = target.mask_async(shape, mask, bias, Placement::Separate).await?;
        check.case(differences(&got, &want), || describe(&shape, mask));
    }
    Ok(())
}

/// Masks as the code inside each pass decides them: operands are powers of two, so that a sum spells out
/// which of 20 connections it kept.
pub fn inside_passes<'a>(plan: &mut Plan<'a>, target: Target<'a>, passes: &'static [Kind], prefix: &str) {
    let shapes: &'static [_] =
        if plan.quick { &[[33, 31, 45]] } else { &[[23, 22, 45], [40, 24, 48], [3, 41, 19]] };
    for pass in passes {
        let check = Check::count(format!("{prefix}mask bits inside {}", pass.name()));
        plan.check(check, async move |check| {
            for (s, &dims) in shapes.iter().enumerate() {
                for (k, p) in [0.5, 0.3, 0.9].into_iter().enumerate() {
                    // The second shape is whole bricks: at an origin of whole bricks it takes the vector kernels.
                    for origin in [0, s + k + 1] {
                        let (shape, mask) = (shape(dims)?, varied_mask(p, origin as u64)?);
                        let mut wrong = 0.0;
                        if *pass == Kind::BiasGradient {
                            wrong = wrong_bias_bits(&target, &shape, &mask).await?;
                        } else {
                            for (at, &axis) in reductions(*pass).iter().enumerate() {
                                wrong += wrong_bits(&target, *pass, (at, axis), &shape, &mask).await?;
                            }
                        }
                        check.case(wrong, || describe(&shape, &mask));
                    }
                }
            }
            Ok(())
        });
    }
}

/// The bits inside `pass`, as one of its results spells them out: which it is, and the axis that it is a sum along.
async fn wrong_bits(
    target: &Target<'_>,
    pass: Kind,
    (at, axis): (usize, Axis),
    shape: &Shape,
    mask: &Mask,
) -> Result<f64, Failure> {
    let (outputs, inputs) = (shape.outputs(), shape.inputs());
    let want = reference::mask::mask(shape, mask)?;
    let summed = axis.length(shape);
    let mut wrong = 0;
    for start in (0..summed).step_by(BITS_PER_SUM) {
        let mut data = Data { x: vec![0.0; shape.input_len()], ..Data::constant(shape, 1.0) };
        // The operand that carries the powers runs along the summed dimension; the other one is 1.
        let power = |index: usize| if in_sum(start, index) { power_of_two(index - start) } else { 0.0 };
        match axis {
            Axis::Input => fill(&mut data.x, |at| power(at % inputs)),
            Axis::Output => fill(&mut data.grad_output, |at| power(at % outputs)),
            Axis::Example => {
                fill(&mut data.grad_output, |at| power(at / outputs));
                data.x.fill(1.0);
            }
        }
        let call = Case { bias: Bias::None, ..Case::new(*shape, Some(*mask)) };
        for (at, &sum) in target.run_async(&[pass], &call, &data).await?.results[at].iter().enumerate() {
            let kept = spelled(sum, mask);
            for bit in 0..BITS_PER_SUM.min(summed - start) {
                let (n, o, i) = match axis {
                    Axis::Input => (at / outputs, at % outputs, start + bit),
                    Axis::Output => (at / inputs, start + bit, at % inputs),
                    Axis::Example => (start + bit, at / inputs, at % inputs),
                };
                wrong += u32::from((kept >> bit & 1 == 1) != want[(n * outputs + o) * inputs + i]);
            }
            wrong += u32::from(kept >> BITS_PER_SUM.min(summed - start) != 0);
        }
    }
    Ok(wrong.into())
}

/// The bias's bits, inside the bias gradient and inside the forward pass.
async fn wrong_bias_bits(target: &Target<'_>, shape: &Shape, mask: &Mask) -> Result<f64, Failure> {
    let outputs = shape.outputs();
    let want = reference::mask::bias_mask(shape, mask)?;
    let mut wrong = 0;
    for start in (0..shape.batch()).step_by(BITS_PER_SUM) {
        let mut data = Data::constant(shape, 1.0);
        fill(&mut data.grad_output, |at| {
            let n = at / outputs;
            if in_sum(start, n) { power_of_two(n - start) } else { 0.0 }
        });
        let call = Case::new(*shape, Some(*mask));
        for (o, &sum) in
            target.run_async(&[Kind::BiasGradient], &call, &data).await?.results[0].iter().enumerate()
        {
            let kept = spelled(sum, mask);
            for bit in 0..BITS_PER_SUM.min(shape.batch() - start) {
                wrong += u32::from((kept >> bit & 1 == 1) != want[(start + bit) * outputs + o]);
            }
        }
    }
    // X is zero and b is one: Y is the scaled mask of the bias.
    let data = Data { x: vec![0.0; shape.input_len()], ..Data::constant(shape, 1.0) };
    let call = Case::new(*shape, Some(*mask));
    for (&y, want) in target.run_async(&[Kind::Forward], &call, &data).await?.results[0].iter().zip(want) {
        wrong += u32::from(spelled(y, mask) != u32::from(want));
    }
    Ok(wrong.into())
}

fn in_sum(start: usize, index: usize) -> bool {
    (start..start + BITS_PER_SUM).contains(&index)
}

fn power_of_two(exponent: usize) -> f32 {
    (1u32 << exponent) as f32
}

/// The integer that a scaled sum spells. NaN, never written, spells all ones.
fn spelled(sum: f32, mask: &Mask) -> u32 {
    let integer = (f64::from(sum) / mask.scale()).round();
    if integer >= 0.0 { integer as u32 } else { u32::MAX }
}

fn fill(values: &mut [f32], value: impl Fn(usize) -> f32) {
    for (at, slot) in values.iter_mut().enumerate() {
        *slot = value(at);
    }
}

fn describe(shape: &Shape, mask: &Mask) -> String {
    format!("{shape}, p = {}, origin {:?}, {:?}", mask.probability.requested(), mask.origin, mask.key)
}
