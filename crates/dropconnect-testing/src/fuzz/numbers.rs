//! Shapes, probabilities and masks of any numbers, compared with rules in wider integers.

use std::num::NonZeroU32;

use dropconnect::{DropProbability, Error, Mask, MaskKey, Origin, Shape, Sharing};

use super::Choices;

/// Whether an error says what it is about.
pub(super) fn named(error: &Error) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains('\n') && text.len() < 500, "{text:?}");
}

pub(super) fn shape(choices: &mut Choices) -> Option<Shape> {
    let dims = [choices.size(), choices.size(), choices.size()];
    let [batch, outputs, inputs] = dims.map(|dim| dim as u128);
    let made = Shape::new(dims[0], dims[1], dims[2]);
    let most = u128::from(u32::MAX);
    let largest_face = (batch * inputs).max(outputs * inputs).max(batch * outputs);
    let good = outputs > 0
        && inputs > 0
        && [batch, outputs, inputs].into_iter().all(|dim| dim <= most)
        && largest_face <= usize::MAX as u128;
    assert_eq!(made.is_ok(), good, "{dims:?}: {made:?}");
    match made {
        Ok(shape) => {
            assert_eq!([shape.batch(), shape.outputs(), shape.inputs()], dims);
            assert_eq!(shape.input_len() as u128, batch * inputs);
            assert_eq!(shape.weight_len() as u128, outputs * inputs);
            assert_eq!(shape.output_len() as u128, batch * outputs);
            let connections = (batch * inputs).saturating_mul(outputs).min(u64::MAX.into());
            assert_eq!(u128::from(shape.connections()), connections);
            Some(shape)
        }
        Err(error) => {
            match error {
                Error::ZeroDimension { argument: "outputs" } => assert_eq!(outputs, 0),
                Error::ZeroDimension { argument: "inputs" } => assert_eq!(inputs, 0),
                Error::TooLarge { value, limit, .. } => assert!(value > limit, "{error}"),
                _ => panic!("{dims:?}: {error:?}"),
            }
            named(&error);
            None
        }
    }
}

fn probability(choices: &mut Choices) -> Option<DropProbability> {
    let p = match choices.byte() {
        0 => f64::from_bits(choices.word()),
        byte @ 1..16 => 1.0 - 0.5f64.powi(byte.into()),
        byte @ 16..32 => 1.0 - f64::EPSILON * f64::from(byte),
        byte => f64::from(byte) / 250.0,
    };
    let max_bits = if choices.flag() { choices.number_32() } else { 16 };
    let made = DropProbability::with_bits(p, max_bits);
    match &made {
        Ok(made) => {
            let bits = made.bits();
            assert!(
                (0.0..1.0).contains(&p) && (1..=16).contains(&max_bits) && bits <= max_bits,
                "{p} {max_bits}"
            );
            assert_eq!(made.requested().to_bits(), p.to_bits());
            // Half a step, and what 1 - p rounds by.
            let (real, step) = (made.realised(), 0.5f64.powi(max_bits as i32));
            assert!((real - p).abs() <= step / 2.0 + f64::EPSILON, "{p} is {real} at {max_bits} bits");
            assert!((0.0..1.0).contains(&real) && made.drops() == (real > 0.0), "{made:?}");
            assert!(made.threshold() >= 1 && made.threshold() <= 1 << bits, "{made:?}");
            assert!((made.scale() * (1.0 - real) - 1.0).abs() < 1e-15, "{made:?}");
        }
        Err(error) => {
            match *error {
                Error::DropProbability { value } => {
                    assert!(!(0.0..1.0).contains(&p) && value.to_bits() == p.to_bits());
                }
                Error::Bits { value } => assert!(!(1..=16).contains(&max_bits) && value == max_bits),
                Error::NothingKept { value, bits, largest } => {
                    assert!(value == p && bits == max_bits && p > largest, "{p}, {max_bits}");
                    assert!(DropProbability::with_bits(largest, bits).is_ok(), "{largest} at {bits} bits");
                }
                _ => panic!("{p}, {max_bits}: {error:?}"),
            }
            named(error);
        }
    }
    made.ok()
}

fn origin(choices: &mut Choices) -> Origin {
    if choices.flag() {
        return Origin::default();
    }
    Origin { example: choices.number_32(), output: choices.number_32(), input: choices.number_32() }
}

pub(super) fn mask(choices: &mut Choices) -> Option<Mask> {
    let probability = probability(choices)?;
    let mut key = MaskKey::new(choices.number(), choices.number_32()).at_step(choices.number());
    if choices.flag() {
        key = key.pass(choices.number_32());
    }
    let sharing = match choices.byte() % 4 {
        0 | 1 => Sharing::Example,
        2 => NonZeroU32::new(choices.number_32()).map_or(Sharing::Batch, Sharing::Group),
        _ => Sharing::Batch,
    };
    Some(Mask::new(key, probability).shared(sharing).at(origin(choices)))
}

/// Any coordinates have a decision, and those that share a mask the same one.
pub(super) fn mask_coordinates(choices: &mut Choices, mask: &Mask) {
    let [n, o, i] = [choices.number_32(), choices.number_32(), choices.number_32()];
    let (kept, bias) = (mask.keep(n, o, i), mask.keep_bias(n, o));
    assert!(mask.probability.drops() || kept && bias);
    let own = Mask { origin: Origin { example: 0, ..mask.origin }, sharing: Sharing::Example, ..*mask };
    let coordinate = mask.coordinate(n);
    assert_eq!(
        [own.keep(coordinate, o, i), own.keep_bias(coordinate, o)],
        [kept, bias],
        "{mask:?}, {n}, {o}, {i}"
    );
}

/// Whether the coordinates of a call exist.
pub(super) fn exists(shape: &Shape, origin: &Origin) -> bool {
    let dims = [shape.batch(), shape.outputs(), shape.inputs()];
    let ends = [origin.example, origin.output, origin.input].into_iter().zip(dims);
    ends.map(|(origin, size)| u64::from(origin) + size as u64).all(|end| end <= 1 << 32)
}
