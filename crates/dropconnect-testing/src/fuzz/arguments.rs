//! The arguments of the library's calls: any numbers give a result or an error that names them.

use dropconnect::call::{Axis, Call};
use dropconnect::cpu::{Backend, RunningMoments, RunningPredictive};
use dropconnect::{
    Activation, Device, DropConnect, ElementType, Error, Init, Mask, Method, Shape, Write, reference,
};

use super::Choices;
use super::numbers::{exists, mask, mask_coordinates, named, shape};
use crate::{BIASES, Case, GRADIENTS, Kind, ramp};

/// Elements of the largest tensor that is made.
const MOST: usize = 1 << 12;
/// Connections of the largest call that is made.
const MOST_CONNECTIONS: u64 = 1 << 16;
/// What results hold before: no call may leave it in a result that it returns, or change it in one that it refuses.
const POISON: u32 = 0x7fc0_dead;

/// Makes a shape, a mask and a call of them, each of numbers up to the largest there are, and compares what becomes
/// of them with rules in wider integers. What can be computed in a moment is computed.
pub fn arguments(input: &[u8]) {
    let choices = &mut Choices::new(input);
    let shape = shape(choices);
    let mask = mask(choices);
    let (Some(shape), Some(mask)) = (shape, mask) else { return };
    mask_coordinates(choices, &mask);
    match choices.byte() % 6 {
        0..3 => call(choices, &shape, &mask),
        3 => masks(choices, &shape, &mask),
        4 => running(choices),
        _ => layer(choices, &shape, &mask),
    }
}

/// The length of a tensor of a call: mostly the right one, if that can be made.
fn length(choices: &mut Choices, right: usize) -> usize {
    let wrong = match choices.byte() {
        0..240 if right <= MOST => return right,
        byte @ 240..244 => right.wrapping_add(usize::from(byte - 239)),
        byte @ 244..248 => right.wrapping_sub(usize::from(byte - 243)),
        _ => choices.size(),
    };
    wrong % (MOST + 1)
}

fn poisoned(len: usize) -> Vec<f32> {
    vec![f32::from_bits(POISON); len]
}

/// What a call's arguments come to: an error where they are wrong, of the kind that says so.
#[track_caller]
fn judge<T>(result: &Result<T, Error>, exist: bool, fit: bool, count: bool) {
    let right = match result {
        Ok(_) => exist && fit && count,
        Err(Error::Origin { .. }) => !exist,
        Err(Error::Length { actual, expected, .. }) => !fit && actual != expected,
        Err(Error::Count { .. }) => !count,
        // Nothing that is made here is so large: memory has been asked for ahead of a check.
        Err(_) => false,
    };
    let error = result.as_ref().err();
    assert!(right, "coordinates exist: {exist}, lengths fit: {fit}, count is right: {count}; {error:?}");
    error.into_iter().for_each(named);
}

/// A call of any kind on an instruction set, on the device, and in float64.
fn call(choices: &mut Choices, shape: &Shape, mask: &Mask) {
    let kind = choices.of(&Kind::ALL);
    let drawn = choices.flag() || matches!(kind, Kind::Moments | Kind::MonteCarlo);
    let count = if choices.flag() { choices.number_32() } else { 1 };
    let (key, origin) = (mask.key, mask.origin);
    let sampled = Method::Sampled { samples: count, key, origin };
    let case = Case {
        bias: choices.of(&BIASES),
        write: [if choices.flag() { Write::Accumulate } else { Write::Overwrite }; 3],
        passes: count,
        activation: choices.of(&[
            Activation::Identity,
            Activation::Relu,
            Activation::Sigmoid,
            Activation::Tanh,
        ]),
        method: if choices.flag() { Method::Closed } else { sampled },
        ..Case::new(*shape, drawn.then_some(*mask))
    };
    let call = case.call(kind);
    let tensors = call.operands();
    let right: Vec<_> = tensors.operands.iter().map(|operand| operand.elements(shape)).collect();
    let lens: Vec<_> = right.iter().map(|&right| length(choices, right)).collect();
    let right_results: Vec<_> = tensors.results.iter().map(|result| result.elements(shape)).collect();
    let results: Vec<_> = right_results.iter().map(|&right| length(choices, right)).collect();

    let (samples, times) = match (kind, case.method) {
        (Kind::MonteCarlo, _) | (Kind::Activation, Method::Sampled { .. }) => (count > 0, count),
        (Kind::Predictive, _) => ((1..=1 << 24).contains(&count), 1),
        _ => (true, 1),
    };
    let placed = kind == Kind::Activation && case.method == sampled;
    let exist = exists(shape, &origin) || !placed && call.mask().is_none();
    let formula = kind != Kind::Activation
        || placed
        || matches!(case.activation, Activation::Identity | Activation::Relu);
    let operands_fit = lens == right;
    let fit = operands_fit && results == right_results;
    let made = right_results.iter().all(|&len| len <= MOST);
    // What no input takes part in takes no step for one.
    let steps = match tensors.reduction() {
        Some(Axis::Input | Axis::Output) => shape.connections(),
        _ if matches!(kind, Kind::WeightGradient | Kind::BothGradients) => shape.connections(),
        _ => shape.output_len() as u64,
    };
    let quick = steps.max(1).saturating_mul(times.into()) <= MOST_CONNECTIONS || shape.batch() == 0;
    if operands_fit && exist && !(made && quick) {
        return;
    }
    let operands: Vec<_> = lens.iter().map(|&len| ramp(len, 7, 3)).collect();
    // Numbers that no variance is.
    let operands: Vec<Vec<f32>> = match kind {
        Kind::Activation => operands.into_iter().map(|u| u.into_iter().map(f32::abs).collect()).collect(),
        _ => operands,
    };
    let accumulates = case.write[0] == Write::Accumulate && GRADIENTS.contains(&kind) && fit && exist;
    let initial = |&len: &usize| if accumulates { vec![0.5; len] } else { poisoned(len) };
    let mut out: Vec<_> = results.iter().map(initial).collect();

    let expected = |result: &Result<(), Error>, fit: bool| match result {
        Err(Error::NoClosedForm { .. }) => assert!(fit && !formula),
        result => judge(result, exist, fit, samples && (formula || !fit)),
    };
    let backend = choices.of(&Backend::available());
    let (mut reads, mut writes) = (operands.iter(), out.iter_mut());
    let result = backend.run(call.map(|_| &reads.next().unwrap()[..], |_| &mut writes.next().unwrap()[..]));
    expected(&result, fit);
    // Every element is written, or none; the entropy by the last pass.
    let poison = |value: &f32| value.to_bits() == POISON;
    let mut all = out.iter().flatten();
    match result {
        Ok(()) if kind == Kind::Predictive && count > 1 => {}
        Ok(()) => assert!(all.all(|value| value.is_finite()), "{kind:?}: {out:?}"),
        Err(_) => assert!(accumulates || all.all(poison), "{kind:?} was refused, and wrote"),
    }

    let (device, element) = (Device::Cpu, choices.of(&ElementType::ALL));
    let mut reads = operands.iter();
    let on_host = call.map(|_| &reads.next().unwrap()[..], |_| ());
    expected(&device.run(element, on_host).wait().map(drop), operands_fit);
    let wide: Vec<_> = operands.iter().map(|values| crate::wide(values)).collect();
    let mut reads = wide.iter();
    let in_float64 = call.map(|_| &reads.next().unwrap()[..], |_| ());
    if kind != Kind::Predictive || count == 1 {
        expected(&reference::run(in_float64).map(drop), operands_fit);
    }
    if let (Call::MonteCarlo(on_host), Call::MonteCarlo(in_float64)) = (on_host, in_float64) {
        judge(&device.pass_outputs(element, on_host).wait(), exist, operands_fit, count > 0);
        // Adapters count passes in f32.
        let most = (1..=1 << 24).contains(&count);
        judge(&device.predictive(element, on_host).wait(), exist, operands_fit, most);
        judge(&reference::predictive(&in_float64), exist, operands_fit, count > 0);
    }
}

/// A mask written out.
fn masks(choices: &mut Choices, shape: &Shape, mask: &Mask) {
    let of_bias = choices.flag();
    // No mask is as long as a saturated product.
    let right = if of_bias { shape.output_len() } else { shape.output_len().saturating_mul(shape.inputs()) };
    let mut out = vec![7; length(choices, right)];
    let (exist, fit) = (exists(shape, &mask.origin), out.len() == right);
    let backend = choices.of(&Backend::available());
    let result = match of_bias {
        true => backend.bias_mask(shape, mask, &mut out),
        false => backend.mask(shape, mask, &mut out),
    };
    judge(&result, exist, fit, true);
    match result {
        Ok(()) => assert!(out.iter().all(|&byte| byte <= 1), "{out:?}"),
        Err(_) => assert!(out.iter().all(|&byte| byte == 7), "refused, and written"),
    }
    if right > MOST && exist {
        return;
    }
    let made = if of_bias {
        Device::Cpu.bias_mask(shape, mask).wait()
    } else {
        Device::Cpu.mask(shape, mask).wait()
    };
    match made {
        // More than can be counted.
        Err(Error::TooLarge { .. }) => assert!(shape.output_len().checked_mul(shape.inputs()).is_none()),
        made => judge(&made, exist, true, true),
    }
}

/// What a network keeps for itself.
fn running(choices: &mut Choices) {
    let (batch, classes) = (choices.size(), choices.size());
    // Larger ones take what memory there is, page by page.
    let asks = (batch as u128) * (classes as u128);
    if asks <= MOST as u128 && batch <= MOST || asks > i64::MAX as u128 / 4 {
        match RunningPredictive::new(batch, classes) {
            Ok(mut running) => {
                let logits = ramp(length(choices, batch * classes), 3, 1);
                let added = running.add(&logits);
                judge(&added, true, logits.len() == batch * classes, true);
                assert_eq!(running.passes(), u32::from(added.is_ok()));
                assert!(running.finish().is_ok());
            }
            Err(Error::ZeroDimension { .. }) => assert_eq!(classes, 0),
            Err(Error::TooLarge { value, limit, .. }) => assert!(value > limit),
            Err(error) => {
                assert!(matches!(error, Error::HostMemory { .. }) && asks > MOST as u128, "{error:?}")
            }
        }
    }
    let len = choices.size();
    if len <= MOST || len as u128 > i64::MAX as u128 / 4 {
        match RunningMoments::new(len) {
            Ok(mut running) => {
                let values = ramp(length(choices, len), 3, 1);
                judge(&running.add(&values), true, values.len() == len, true);
            }
            Err(error) => assert!(matches!(error, Error::HostMemory { .. }) && len > MOST, "{error:?}"),
        }
    }
}

/// A layer of given values, and batches for it.
fn layer(choices: &mut Choices, shape: &Shape, mask: &Mask) {
    let (inputs, outputs) = (shape.inputs(), shape.outputs());
    let with_bias = choices.flag();
    let bias_len = if with_bias { outputs } else { 0 };
    let values = [shape.weight_len(), bias_len].map(|right| ramp(length(choices, right), 5, 1));
    let [weight, bias] = values;
    let fit = weight.len() == shape.weight_len() && bias.len() == bias_len;
    // A layer alone has no examples.
    let parameters = Shape::new(0, outputs, inputs).expect("as large as the shape");
    let exist = exists(&parameters, &mask.origin);
    let built = DropConnect::new(&Device::Cpu, mask.key, inputs, outputs)
        .drop_probability(mask.probability.requested())
        .sharing(mask.sharing)
        .bias(with_bias)
        .masked_bias(choices.flag())
        .origin(mask.origin)
        .init(Init::Values { weight, bias })
        .build();
    // It rounds p anew, at 16 bits.
    judge(&built, exist, fit, true);
    let Ok(mut layer) = built else { return };
    if choices.flag() {
        layer.advance();
        layer.set_pass(Some(choices.number_32()));
    }
    let batch = usize::from(choices.byte() % 8);
    let [x, g] = [batch * inputs, batch * outputs].map(|right| ramp(length(choices, right), 3, 1));
    let rows = x.len().div_ceil(inputs);
    let fits = x.len() == rows * inputs;
    let called = Shape::new(rows, outputs, inputs).expect("small");
    if called.connections() > MOST_CONNECTIONS {
        return;
    }
    let exist = exists(&called, &mask.origin);
    judge(&layer.forward(&x).wait(), exist, fits, true);
    judge(&layer.eval(&x).wait(), true, fits, true);
    let write = if choices.flag() { Write::Accumulate } else { Write::Overwrite };
    judge(&layer.backward(&x, &g, write).wait(), exist, fits && g.len() == rows * outputs, true);
}
