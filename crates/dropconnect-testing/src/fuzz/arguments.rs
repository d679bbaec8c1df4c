//! The arguments of the library's calls: any numbers give a result or an error that names them.

use dropconnect::cpu::{Backend, RunningMoments, RunningPredictive};
use dropconnect::{
    Activation, Bias, Device, DropConnect, ElementType, Error, Init, Mask, Method, Moments, Shape, Write,
    cpu, reference,
};

use super::Choices;
use super::numbers::{exists, mask, mask_coordinates, named, shape};
use crate::{BiasKind, MADE, Operands, Pass, ramp};

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
        0..3 => pass(choices, &shape, &mask),
        3 => masks(choices, &shape, &mask),
        4 => inference(choices, &shape, &mask),
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

/// The right length of each result of a pass.
fn results(pass: Pass, shape: &Shape) -> Vec<usize> {
    pass.parts().iter().map(|part| part.result_len(shape)).collect()
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

/// A pass of the layer on each instruction set, on the device, and in float64.
fn pass(choices: &mut Choices, shape: &Shape, mask: &Mask) {
    let pass = choices.of(&Pass::ALL);
    let bias = choices.of(&BiasKind::ALL);
    let mask = choices.flag().then_some(mask);
    let write = if choices.flag() { Write::Accumulate } else { Write::Overwrite };
    let right = [shape.input_len(), shape.weight_len(), shape.outputs(), shape.output_len()];
    let lens = right.map(|right| length(choices, right));
    let of_results: Vec<_> = results(pass, shape).into_iter().map(|right| length(choices, right)).collect();
    let tensors = lens.map(|len| ramp(len, 7, 3));
    let operands = Operands::of(*shape, bias, tensors.each_ref().map(Vec::as_slice));

    // Those operands that the pass has.
    let [x, w, b, g] = std::array::from_fn(|at| lens[at] == right[at]);
    let operands_fit = match pass {
        Pass::Forward => x && w && (b || bias == BiasKind::None),
        Pass::InputGradient => g && w,
        Pass::WeightGradient => g && x,
        Pass::BiasGradient => g,
        Pass::BothGradients => g && x && w,
    };
    let of_mask = if pass == Pass::BiasGradient { mask.filter(|_| bias == BiasKind::Masked) } else { mask };
    let exist = of_mask.is_none_or(|mask| exists(shape, &mask.origin));
    let made = results(pass, shape).iter().all(|&len| len <= MOST);
    // Bias gradients take no step for an input.
    let quick = shape.connections() <= MOST_CONNECTIONS
        || pass == Pass::BiasGradient && shape.output_len() <= MOST
        || shape.batch() == 0;
    if operands_fit && exist && !(made && quick) {
        return;
    }
    let fit = operands_fit && of_results == results(pass, shape);
    let backends = Backend::available();
    let backend = choices.of(&backends);
    let mut out: Vec<_> = of_results.iter().map(|&len| poisoned(len)).collect();
    if write == Write::Accumulate && fit && exist {
        out.iter_mut().for_each(|out| out.fill(0.5));
    }
    let mut places: Vec<_> = out.iter_mut().map(|out| (&mut out[..], write)).collect();
    let result = pass.compute(backend, &operands, mask, &mut places);
    judge(&result, exist, fit, true);
    // Every element is written, or none.
    let poison = |value: &f32| value.to_bits() == POISON;
    let mut all = out.iter().flatten();
    match result {
        Ok(()) => assert!(all.all(|value| value.is_finite()), "{pass:?}: {out:?}"),
        Err(_) => assert!(all.all(poison), "{pass:?} was refused, and wrote"),
    }
    on_device(choices, pass, &operands, mask, (exist, operands_fit));
    let wide = tensors.each_ref().map(|tensor| crate::wide(tensor));
    let operands = Operands::of(*shape, bias, wide.each_ref().map(Vec::as_slice));
    judge(&pass.reference(&operands, mask), exist, operands_fit, true);
}

fn on_device(
    choices: &mut Choices,
    pass: Pass,
    operands: &Operands<&[f32]>,
    mask: Option<&Mask>,
    (exist, fit): (bool, bool),
) {
    let (device, element) = (Device::Cpu, choices.of(&ElementType::ALL));
    let bias_mask = mask.filter(|_| matches!(operands.bias, Bias::Masked(_)));
    let result = match pass {
        Pass::Forward => device.forward(element, &operands.forward(mask, ())),
        Pass::InputGradient => device.input_gradient(element, &operands.input_gradient(mask, ())),
        Pass::WeightGradient => device.weight_gradient(element, &operands.weight_gradient(mask, ())),
        Pass::BiasGradient => device.bias_gradient(element, &operands.bias_gradient(bias_mask, ())),
        Pass::BothGradients => return,
    };
    judge(&result, exist, fit, true);
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
    let made = if of_bias { Device::Cpu.bias_mask(shape, mask) } else { Device::Cpu.mask(shape, mask) };
    match made {
        // More than can be counted.
        Err(Error::TooLarge { .. }) => assert!(shape.output_len().checked_mul(shape.inputs()).is_none()),
        made => judge(&made, exist, true, true),
    }
}

/// Moments, Monte-Carlo passes, predictions and activations.
fn inference(choices: &mut Choices, shape: &Shape, mask: &Mask) {
    let kind = choices.byte() % 6;
    let bias = choices.of(&BiasKind::ALL);
    let count = if choices.flag() { choices.number_32() } else { 1 };
    let right = [shape.input_len(), shape.weight_len(), shape.outputs(), 0];
    let lens = right.map(|right| length(choices, right));
    let tensors = lens.map(|len| ramp(len, 5, 2));
    let operands = Operands::of(*shape, bias, tensors.each_ref().map(Vec::as_slice));
    let of_results = [(); 2].map(|()| length(choices, shape.output_len()));
    let [mut mean, mut variance] = of_results.map(poisoned);
    let results_fit = of_results == [shape.output_len(); 2];
    let operands_fit =
        lens[0] == right[0] && lens[1] == right[1] && (lens[2] == right[2] || bias == BiasKind::None);
    let exist = exists(shape, &mask.origin);
    let quick = |times: u32| {
        let steps = shape.connections().max(shape.output_len() as u64).max(1).saturating_mul(times.into());
        steps <= MOST_CONNECTIONS
    };
    let out = [&mut mean[..], &mut variance[..]];
    match kind {
        // The moments over all masks have no place.
        0 if quick(1) || !operands_fit => {
            let result = cpu::moments(operands.moments(&mask.probability, out));
            judge(&result, true, operands_fit && results_fit, true);
        }
        1 if quick(count) || !operands_fit || !exist => {
            let result = cpu::monte_carlo(operands.monte_carlo(mask, count, out));
            judge(&result, exist, operands_fit && results_fit, count > 0);
        }
        2 if quick(count) || !operands_fit || !exist => {
            let result = cpu::predictive(&operands.monte_carlo(mask, count, MADE));
            judge(&result, exist, operands_fit, count > 0);
            let wide = tensors.each_ref().map(|tensor| crate::wide(tensor));
            let operands = Operands::of(*shape, bias, wide.each_ref().map(Vec::as_slice));
            let call = operands.monte_carlo(mask, count, MADE);
            judge(&reference::monte_carlo(&call), exist, operands_fit, count > 0);
            judge(&reference::predictive(&call), exist, operands_fit, count > 0);
        }
        3 if quick(count) || !operands_fit || !exist => {
            let call = operands.monte_carlo(mask, count, MADE);
            let f32 = ElementType::F32;
            judge(&Device::Cpu.pass_outputs(f32, &call), exist, operands_fit, count > 0);
            judge(&Device::Cpu.monte_carlo(f32, &call), exist, operands_fit, count > 0);
            // Adapters count passes in f32.
            judge(&Device::Cpu.predictive(f32, &call), exist, operands_fit, (1..=1 << 24).contains(&count));
        }
        4 => activation(choices, shape, mask, count, quick(count)),
        5 => running(choices),
        _ => {}
    }
}

fn activation(choices: &mut Choices, shape: &Shape, mask: &Mask, samples: u32, quick: bool) {
    let activation =
        choices.of(&[Activation::Identity, Activation::Relu, Activation::Sigmoid, Activation::Tanh]);
    let lens = [(); 4].map(|()| length(choices, shape.output_len()));
    let [mean, variance] = [ramp(lens[0], 3, 1), ramp(lens[1], 3, 1)];
    let [mut out_mean, mut out_variance] = [poisoned(lens[2]), poisoned(lens[3])];
    let operands_fit = lens[..2] == [shape.output_len(); 2];
    let fit = operands_fit && lens[2..] == [shape.output_len(); 2];
    let Mask { key, origin, .. } = *mask;
    let exist = exists(shape, &origin);
    let (u, out) = ([&mean[..], &variance], [&mut out_mean[..], &mut out_variance[..]]);
    let closed = cpu::closed_form(shape, activation, u, out);
    if let Err(Error::NoClosedForm { .. }) = closed {
        assert!(fit && matches!(activation, Activation::Sigmoid | Activation::Tanh));
    } else {
        judge(&closed, true, fit, true);
    }
    if !quick && fit && exist {
        return;
    }
    let out = [&mut out_mean[..], &mut out_variance[..]];
    let sampled = cpu::sampled(shape, activation, samples, key, origin, u, out);
    judge(&sampled, exist, fit, samples > 0);
    let method = Method::Sampled { samples, key, origin };
    if quick || !operands_fit || !exist {
        let made = Device::Cpu.activate(shape, activation, method, &Moments { mean, variance });
        judge(&made, exist, operands_fit, (1..=1 << 24).contains(&samples));
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
    judge(&layer.forward(&x), exist, fits, true);
    judge(&layer.eval(&x), true, fits, true);
    let write = if choices.flag() { Write::Accumulate } else { Write::Overwrite };
    judge(&layer.backward(&x, &g, write), exist, fits && g.len() == rows * outputs, true);
}
