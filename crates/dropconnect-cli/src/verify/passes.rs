//! Every pass against float64, and properties that hold between passes.

use dropconnect::{ElementType, Mask, Rounds, Shape};

use super::Context;
use super::check::{Check, bit_differences, bound, relative_error};
use super::data::{Data, PROBABILITIES, QUICK_SHAPES, SHAPES, mask, shape, uniform, varied_mask, wide};
use super::runner::{BiasMode, Call, Pass, Runner};
use crate::error::CliError;

/// Every pass x shapes x p x element types x bias modes, overwriting and accumulating.
pub fn against_float64(context: &Context, checks: &mut Vec<Check>, runner: &Runner, prefix: &str) {
    for pass in Pass::ALL {
        for element in ElementType::ALL {
            let name = format!("{prefix}{}, {element}, against float64", pass.name());
            context.check(checks, Check::error(name, bound(element)), |check| {
                each_case(context, element, |shape, mask, case| {
                    let data = Data::new(&shape, element);
                    let few = context.quick || element != ElementType::F32;
                    for bias in bias_modes(pass, few, case) {
                        let call = Call::new(shape, element, Some(&mask), bias, &data);
                        case_of(check, runner, pass, &call)?;
                    }
                    if pass != Pass::Forward {
                        let before = uniform(pass.result_len(&shape), 9, element);
                        let bias = if case % 2 == 0 { BiasMode::Masked } else { BiasMode::Plain };
                        let call = Call::new(shape, element, Some(&mask), bias, &data);
                        case_of(check, runner, pass, &Call { before: Some(&before), ..call })?;
                    }
                    Ok(())
                })
            });
        }
    }
}

/// One call against float64.
pub fn case_of(check: &mut Check, runner: &Runner, pass: Pass, call: &Call) -> Result<(), CliError> {
    let got = runner.run(pass, call)?;
    let error = relative_error(&got, &pass.reference(call)?);
    check.case(error, || {
        let p = call.mask.map(|mask| mask.probability.requested());
        let accumulate = if call.before.is_some() { ", accumulated" } else { "" };
        format!(
            "{}, {}, {}, p = {p:?}, bias {:?}{accumulate}",
            pass.name(),
            call.shape,
            call.element,
            call.bias
        )
    });
    Ok(())
}

fn each_case(
    context: &Context,
    element: ElementType,
    mut test: impl FnMut(Shape, Mask, usize) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let shapes = if context.quick { &SHAPES[..QUICK_SHAPES] } else { &SHAPES };
    let mut case = 0;
    // Compiling takes nearly all the time, so that choices which make kernels of their own are not all
    // combined: 16-bit types get one probability a shape, seven rounds the first shapes of f32.
    for (s, &dims) in shapes.iter().enumerate() {
        for (k, &p) in PROBABILITIES.iter().enumerate() {
            case += 1;
            if element != ElementType::F32 && k != s % PROBABILITIES.len() {
                continue;
            }
            let mut mask = varied_mask(p, case as u64)?;
            if context.quick || element != ElementType::F32 || s >= QUICK_SHAPES {
                mask.rounds = Rounds::Ten;
            }
            test(shape(dims)?, mask, case)?;
        }
    }
    Ok(())
}

fn bias_modes(pass: Pass, few: bool, case: usize) -> Vec<BiasMode> {
    match pass {
        Pass::Forward if few => vec![[BiasMode::Plain, BiasMode::Masked][case % 2]],
        Pass::Forward => BiasMode::ALL.to_vec(),
        Pass::BiasGradient => vec![BiasMode::Plain, BiasMode::Masked],
        Pass::InputGradient | Pass::WeightGradient | Pass::BothGradients => vec![BiasMode::Plain],
    }
}

/// Evaluation, the adjoint identity, repeated runs, divided batches.
pub fn properties(context: &Context, checks: &mut Vec<Check>, runner: &Runner) {
    let shapes = if context.quick { &SHAPES[1..3] } else { &SHAPES[1..] };
    let shapes = || shapes.iter().filter(|dims| dims[0] > 0).map(|&dims| shape(dims));
    let f32 = ElementType::F32;

    let check = Check::error("evaluation: the plain linear layer".to_owned(), bound(f32));
    context.check(checks, check, |check| {
        for shape in shapes() {
            let shape = shape?;
            let data = Data::new(&shape, f32);
            for (pass, bias) in [
                (Pass::Forward, BiasMode::Plain),
                (Pass::Forward, BiasMode::Masked),
                (Pass::InputGradient, BiasMode::Plain),
                (Pass::WeightGradient, BiasMode::Plain),
                (Pass::BiasGradient, BiasMode::Masked),
            ] {
                case_of(check, runner, pass, &Call::new(shape, f32, None, bias, &data))?;
            }
        }
        Ok(())
    });

    let check = Check::error("adjoint: <G, Y - b> = <dX, X> = <dW, W>".to_owned(), 1e-5);
    context.check(checks, check, |check| {
        for (case, shape) in shapes().enumerate() {
            let shape = shape?;
            let data = Data::new(&shape, f32);
            let mask = varied_mask(PROBABILITIES[case % 3], case as u64)?;
            let call = Call::new(shape, f32, Some(&mask), BiasMode::None, &data);
            let pairs = [
                (runner.run(Pass::Forward, &call)?, &data.grad_output),
                (runner.run(Pass::InputGradient, &call)?, &data.x),
                (runner.run(Pass::WeightGradient, &call)?, &data.weight),
            ];
            let products: Vec<_> = pairs.iter().map(|(a, b)| inner(a, b)).collect();
            // Measured against the lengths of the vectors: the product itself may be near zero.
            let length =
                pairs.iter().map(|(a, b)| inner(a, a).sqrt() * inner(b, b).sqrt()).fold(0.0, f64::max);
            let error = (products[0] - products[1]).abs().max((products[0] - products[2]).abs());
            check.case(if error == 0.0 { 0.0 } else { error / length }, || format!("{shape}: {products:?}"));
        }
        Ok(())
    });

    let check = Check::count("repeated runs: the same bits".to_owned());
    context.check(checks, check, |check| {
        for (case, shape) in shapes().enumerate() {
            let shape = shape?;
            for (k, element) in ElementType::ALL.into_iter().enumerate() {
                if k > 0 && case >= 2 {
                    continue;
                }
                let data = Data::new(&shape, element);
                let mask = varied_mask(0.5, case as u64)?.with_rounds(Rounds::Ten);
                let call = Call::new(shape, element, Some(&mask), BiasMode::Masked, &data);
                for pass in Pass::ALL {
                    let (first, second) = (runner.run(pass, &call)?, runner.run(pass, &call)?);
                    check.case(bit_differences(&first, &second), || format!("{}, {shape}", pass.name()));
                }
            }
        }
        Ok(())
    });

    let check = Check::error("a divided batch draws the undivided masks".to_owned(), bound(f32));
    context.check(checks, check, |check| {
        for shape in shapes() {
            divided_batch(check, runner, shape?)?;
        }
        Ok(())
    });
}

/// Y in two parts, each with its own origin, against the whole in float64.
fn divided_batch(check: &mut Check, runner: &Runner, shape: Shape) -> Result<(), CliError> {
    let (batch, outputs, inputs) = (shape.batch(), shape.outputs(), shape.inputs());
    let element = ElementType::F32;
    let (data, mask) = (Data::new(&shape, element), mask(0.3, 11)?);
    let cut = batch.div_ceil(3);
    let mut y = Vec::new();
    for part in [0..cut, cut..batch] {
        let data = Data {
            x: data.x[part.start * inputs..part.end * inputs].to_vec(),
            weight: data.weight.clone(),
            bias: data.bias.clone(),
            grad_output: data.grad_output[part.start * outputs..part.end * outputs].to_vec(),
        };
        let origin = dropconnect::Origin { example: part.start as u32, ..mask.origin };
        let (shape, mask) = (Shape::new(part.len(), outputs, inputs)?, mask.at(origin));
        let call = Call::new(shape, element, Some(&mask), BiasMode::Masked, &data);
        y.extend(runner.run(Pass::Forward, &call)?);
    }
    let call = Call::new(shape, element, Some(&mask), BiasMode::Masked, &data);
    check.case(relative_error(&y, &Pass::Forward.reference(&call)?), || format!("{shape} cut at {cut}"));
    Ok(())
}

fn inner(a: &[f32], b: &[f32]) -> f64 {
    wide(a).iter().zip(wide(b)).map(|(a, b)| a * b).sum()
}
