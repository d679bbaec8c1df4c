//! Every pass against float64, and properties that hold between passes.

use dropconnect::{Bias, ElementType, Mask, Shape, Write, reference};

use super::check::Check;
use super::data::{PROBABILITIES, QUICK, SHAPES, mask, shape, varied_mask};
use super::plan::Plan;
use crate::{
    BIASES, Case, Data, Failure, Kind, LAYER, LINEAR, Target, bit_differences, bound, differences,
    relative_error, wide,
};

/// Every pass x shapes x p x element types x bias modes, overwriting and accumulating.
pub fn against_float64<'a>(plan: &mut Plan<'a>, target: Target<'a>, prefix: &str) {
    let quick = plan.quick;
    for pass in LAYER {
        for element in ElementType::ALL {
            let name = format!("{prefix}{}, {element}, against float64", pass.name());
            plan.check(Check::error(name, bound(element)), async move |check| {
                for (shape, mask, case) in cases(quick, element)? {
                    let data = Data::random(&shape, element, 1);
                    let call = Case { element, ..Case::new(shape, Some(mask)) };
                    let few = quick || element != ElementType::F32;
                    for bias in bias_modes(pass, few, case) {
                        case_of(check, &target, pass, &Case { bias, ..call }, &data).await?;
                    }
                    if pass != Kind::Forward {
                        let bias = if case % 2 == 0 { Bias::Masked(()) } else { Bias::Plain(()) };
                        let call = Case { bias, write: [Write::Accumulate; 3], ..call };
                        case_of(check, &target, pass, &call, &data).await?;
                    }
                }
                Ok(())
            });
        }
    }
}

/// One call against float64.
pub async fn case_of(
    check: &mut Check,
    target: &Target<'_>,
    pass: Kind,
    call: &Case,
    data: &Data,
) -> Result<(), Failure> {
    let got = target.run_async(&[pass], call, data).await?.results;
    for (got, want) in got.iter().zip(call.expected(pass, data)?) {
        check.case(relative_error(got, &want), || format!("{}, {call:?}", pass.name()));
    }
    Ok(())
}

/// Shapes and masks, and the case's number, which decides what else is varied.
fn cases(quick: bool, element: ElementType) -> Result<Vec<(Shape, Mask, usize)>, Failure> {
    let mut cases = Vec::new();
    if quick {
        let [odd, whole] = [QUICK.start, QUICK.start + 1].map(|at| SHAPES[at]);
        // What other checks leave: few planes are the variants', none are the evaluation's, odd rows of f32 are those
        // of the bits inside passes. The case decides bits and origin.
        let all = [([0, 3, 5], 0.5, 0), (whole, 0.5, 3), (whole, 0.3, 4)];
        let chosen = match element {
            ElementType::F32 => &all[..],
            ElementType::F16 => &[(odd, 0.3, 4)],
            ElementType::BF16 => &[(whole, 0.5, 7)],
        };
        for &(dims, p, case) in chosen {
            cases.push((shape(dims)?, varied_mask(p, case as u64)?, case));
        }
        return Ok(cases);
    }
    let mut case = 0;
    // Compiling takes nearly all the time, so that choices which make kernels of their own are not all
    // combined: 16-bit types get one probability a shape.
    for (s, &dims) in SHAPES.iter().enumerate() {
        for (k, &p) in PROBABILITIES.iter().enumerate() {
            case += 1;
            if element != ElementType::F32 && k != s % PROBABILITIES.len() {
                continue;
            }
            cases.push((shape(dims)?, varied_mask(p, case as u64)?, case));
        }
    }
    Ok(cases)
}

fn bias_modes(pass: Kind, few: bool, case: usize) -> Vec<Bias<()>> {
    match pass {
        Kind::Forward if few => vec![[Bias::Plain(()), Bias::Masked(())][case % 2]],
        Kind::Forward => BIASES.to_vec(),
        Kind::BiasGradient => vec![Bias::Plain(()), Bias::Masked(())],
        _ => vec![Bias::Plain(())],
    }
}

/// Evaluation, the adjoint identity, repeated runs, divided batches.
pub fn properties<'a>(plan: &mut Plan<'a>, target: Target<'a>) {
    let quick = plan.quick;
    let shapes: &'static [_] = if quick { &SHAPES[QUICK] } else { &SHAPES[1..] };
    let shapes = move || shapes.iter().filter(|dims| dims[0] > 0).map(|&dims| shape(dims));
    let f32 = ElementType::F32;

    let check = Check::error("evaluation: the plain linear layer".to_owned(), bound(f32));
    plan.check(check, async move |check| {
        for shape in shapes() {
            let shape = shape?;
            let data = Data::random(&shape, f32, 1);
            for (pass, bias) in [
                (Kind::Forward, Bias::Plain(())),
                (Kind::Forward, Bias::Masked(())),
                (Kind::InputGradient, Bias::Plain(())),
                (Kind::WeightGradient, Bias::Plain(())),
                (Kind::BiasGradient, Bias::Masked(())),
            ] {
                case_of(check, &target, pass, &Case { bias, ..Case::new(shape, None) }, &data).await?;
            }
        }
        Ok(())
    });

    let check = Check::error("adjoint: <G, Y - b> = <dX, X> = <dW, W>".to_owned(), 1e-5);
    plan.check(check, async move |check| {
        for (case, shape) in shapes().enumerate() {
            let shape = shape?;
            let data = Data::random(&shape, f32, 1);
            let mut mask = varied_mask(PROBABILITIES[case % 3], case as u64)?;
            if quick {
                mask = varied_mask(0.5, 0)?;
            }
            let call = Case { bias: Bias::None, ..Case::new(shape, Some(mask)) };
            let results = target.run_async(&LINEAR, &call, &data).await?.results;
            let pairs = results.iter().zip([&data.grad_output, &data.x, &data.weight]);
            let products: Vec<_> = pairs.clone().map(|(a, b)| inner(a, b)).collect();
            // Measured against the lengths of the vectors: the product itself may be near zero.
            let length = pairs.map(|(a, b)| inner(a, a).sqrt() * inner(b, b).sqrt()).fold(0.0, f64::max);
            let error = (products[0] - products[1]).abs().max((products[0] - products[2]).abs());
            check.case(if error == 0.0 { 0.0 } else { error / length }, || format!("{shape}: {products:?}"));
        }
        Ok(())
    });

    let check = Check::count("repeated runs: the same bits".to_owned());
    plan.check(check, async move |check| {
        for (case, shape) in shapes().enumerate() {
            let shape = shape?;
            for (k, element) in ElementType::ALL.into_iter().enumerate() {
                if k > 0 && (case >= 2 || quick) {
                    continue;
                }
                let data = Data::random(&shape, element, 1);
                let mask = varied_mask(0.5, case as u64)?;
                let call = Case { element, ..Case::new(shape, Some(mask)) };
                for pass in LAYER {
                    let first = target.run_async(&[pass], &call, &data).await?.results.concat();
                    let second = target.run_async(&[pass], &call, &data).await?.results.concat();
                    check.case(bit_differences(&first, &second), || format!("{}, {shape}", pass.name()));
                }
            }
        }
        Ok(())
    });

    let check = Check::error("a divided batch draws the undivided masks".to_owned(), bound(f32));
    plan.check(check, async move |check| {
        for shape in shapes() {
            divided_batch(check, &target, shape?).await?;
        }
        Ok(())
    });
}

/// Y in two parts, each with its own origin, against the whole in float64.
async fn divided_batch(check: &mut Check, target: &Target<'_>, shape: Shape) -> Result<(), Failure> {
    let (batch, outputs, inputs) = (shape.batch(), shape.outputs(), shape.inputs());
    let (data, mask) = (Data::random(&shape, ElementType::F32, 1), mask(0.3, 11)?);
    let cut = batch.div_ceil(3);
    let mut y = Vec::new();
    for part in [0..cut, cut..batch] {
        let data = Data {
            x: data.x[part.start * inputs..part.end * inputs].to_vec(),
            grad_output: data.grad_output[part.start * outputs..part.end * outputs].to_vec(),
            ..data.clone()
        };
        let origin = dropconnect::Origin { example: part.start as u32, ..mask.origin };
        let call = Case::new(Shape::new(part.len(), outputs, inputs)?, Some(mask.at(origin)));
        y.extend(target.run_async(&[Kind::Forward], &call, &data).await?.results.concat());
    }
    let want = Case::new(shape, Some(mask)).expected(Kind::Forward, &data)?.concat();
    check.case(relative_error(&y, &want), || format!("{shape} cut at {cut}"));
    Ok(())
}

fn inner(a: &[f32], b: &[f32]) -> f64 {
    wide(a).iter().zip(wide(b)).map(|(a, b)| a * b).sum()
}

/// Feeds wrong results to the comparisons that every check above relies on. Each must be found.
pub fn self_test<'a>(plan: &mut Plan<'a>, target: Target<'a>) {
    let check = Check::count("self-test: wrong results are found".to_owned());
    plan.check(check, async move |check| {
        let (fed, missed) = crate::self_test_async(&target).await?;
        check.count_all(fed, &missed);
        let (shape, mask) = (shape([31, 33, 100])?, mask(0.5, 1)?);
        let mut bits = reference::mask::mask(&shape, &mask)?;
        let want = bits.clone();
        bits[1234] = !bits[1234];
        let found = differences(&bits, &want) > 0.0 && differences(&want, &want) == 0.0;
        check.case(if found { 0.0 } else { 1.0 }, || "a wrong mask bit went unnoticed".to_owned());
        Ok(())
    });
}
