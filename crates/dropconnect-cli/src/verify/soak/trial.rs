//! What the soak tries in every case: the tensors of a call, and what float64 says of its results.

use dropconnect::call::{MonteCarlo, OutputMoments};
use dropconnect::{ElementType, Error, reference};

use super::draw::{Case, Draws};
use crate::verify::data::wide;
use crate::verify::runner::{BiasMode, Call, Pass};

/// A call of the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    Mask,
    BiasMask,
    Layer(Pass),
    Moments,
    Activation,
    MonteCarlo,
    Classifier,
}

/// How the elements of a tensor lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Number(ElementType),
    /// 0 or 1 in a byte.
    Bit,
}

impl Stored {
    pub fn decode(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::Number(element) => element.decode(bytes),
            Self::Bit => bytes.iter().map(|&byte| byte.into()).collect(),
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Number(element) => element.size(),
            Self::Bit => 1,
        }
    }
}

/// A tensor of a call, before it.
pub struct Piece {
    pub bytes: Vec<u8>,
    pub stored: Stored,
}

impl Piece {
    fn of(values: &[f32], element: ElementType) -> Self {
        Self { bytes: element.encode(values), stored: Stored::Number(element) }
    }

    /// A result that nothing has been written to: NaN of any type, and no bit.
    fn poison(length: usize, stored: Stored) -> Self {
        Self { bytes: vec![0xff; length * stored.size()], stored }
    }
}

/// A result as it should be.
pub struct Expected {
    pub values: Vec<f64>,
    /// How large an element is at home. Errors are measured against the whole result, or against one of such elements
    /// where the terms of its sums happen to cancel.
    pub unit: f64,
}

/// The tensors of a call: operands in the order of the library's arguments, then results.
pub struct Tensors {
    pub operands: Vec<Piece>,
    pub results: Vec<Piece>,
    pub expected: Vec<Expected>,
}

impl Trial {
    pub const ALL: [Self; 11] = [
        Self::Mask,
        Self::BiasMask,
        Self::Layer(Pass::Forward),
        Self::Layer(Pass::InputGradient),
        Self::Layer(Pass::WeightGradient),
        Self::Layer(Pass::BiasGradient),
        Self::Layer(Pass::BothGradients),
        Self::Moments,
        Self::Activation,
        Self::MonteCarlo,
        Self::Classifier,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mask => "mask",
            Self::BiasMask => "mask of the bias",
            Self::Layer(pass) => pass.name(),
            Self::Moments => "moments",
            Self::Activation => "activation",
            Self::MonteCarlo => "Monte Carlo",
            Self::Classifier => "classifier",
        }
    }

    /// The tensors of the case's call, numbers being stored as `element` where the library leaves the choice.
    pub fn tensors(self, case: &Case, element: ElementType) -> Result<Tensors, Error> {
        match self {
            Self::Mask | Self::BiasMask => mask(self, case),
            Self::Layer(pass) => layer(pass, case, element),
            Self::Moments => moments(case, element),
            Self::Activation => activation(case),
            Self::MonteCarlo => monte_carlo(case, element),
            Self::Classifier => Ok(classifier(case, element)),
        }
    }

    /// The case's call of a pass of the layer, adding to `before`.
    pub fn call<'a>(pass: Pass, case: &'a Case, before: &'a [f32]) -> Call<'a> {
        let call = Call::new(case.shape, case.element, Some(&case.mask), case.bias, &case.data);
        let before = (case.accumulate && pass != Pass::Forward).then_some(before);
        Call { before, ..call }
    }
}

fn mask(trial: Trial, case: &Case) -> Result<Tensors, Error> {
    let kept = match trial {
        Trial::Mask => reference::mask::mask(&case.shape, &case.mask),
        _ => reference::mask::bias_mask(&case.shape, &case.mask),
    }?;
    let values: Vec<f64> = kept.into_iter().map(f64::from).collect();
    Ok(Tensors {
        operands: Vec::new(),
        results: vec![Piece::poison(values.len(), Stored::Bit)],
        expected: vec![Expected { values, unit: 0.0 }],
    })
}

fn layer(pass: Pass, case: &Case, element: ElementType) -> Result<Tensors, Error> {
    let shape = &case.shape;
    let before = Draws::new(case.seed, 2).values(pass.result_len(shape), case.element);
    let call = Trial::call(pass, case, &before);
    let scale = case.mask.scale();
    // Products of two numbers in -1..1 have a variance of 1/9, numbers one of 1/3. As many of the terms as are not
    // dropped are scaled: a variance of scale.
    let sum = |terms: usize| (terms as f64 * scale).sqrt() / 3.0;
    let units = match pass {
        Pass::Forward => vec![sum(shape.inputs())],
        Pass::InputGradient => vec![sum(shape.outputs())],
        Pass::WeightGradient => vec![sum(shape.batch())],
        Pass::BothGradients => vec![sum(shape.outputs()), sum(shape.batch())],
        Pass::BiasGradient => vec![3f64.sqrt() * sum(shape.batch())],
    };
    let values = pass.reference(&call)?;
    let (mut rest, mut expected, mut results, mut start) = (&values[..], Vec::new(), Vec::new(), 0);
    for (length, unit) in pass.result_lengths(shape).into_iter().zip(units) {
        let (own, others) = rest.split_at(length);
        rest = others;
        expected.push(Expected { values: own.to_vec(), unit });
        results.push(match call.before {
            Some(before) => Piece::of(&before[start..start + length], element),
            None => Piece::poison(length, Stored::Number(element)),
        });
        start += length;
    }
    let operands = pass.operands(&call).into_iter().map(|values| Piece::of(values, element)).collect();
    Ok(Tensors { operands, results, expected })
}

/// X, W and b.
fn operands(case: &Case, element: ElementType) -> Vec<Piece> {
    let mut operands = vec![Piece::of(&case.data.x, element), Piece::of(&case.data.weight, element)];
    if case.bias != BiasMode::None {
        operands.push(Piece::of(&case.data.bias, element));
    }
    operands
}

fn moments(case: &Case, element: ElementType) -> Result<Tensors, Error> {
    let (shape, probability) = (case.shape, &case.mask.probability);
    let [x, weight, bias] = [&case.data.x, &case.data.weight, &case.data.bias].map(|values| wide(values));
    let (x, weight, bias) = (&x[..], &weight[..], case.bias.of(&bias[..]));
    let call = OutputMoments { shape, probability, x, weight, bias, mean: (), variance: () };
    let (mean, variance) = reference::moments(&call)?;
    let terms = shape.inputs() as f64 / 9.0;
    Ok(Tensors {
        operands: operands(case, element),
        results: pair(shape.output_len()),
        expected: vec![
            Expected { values: mean, unit: terms.sqrt() },
            Expected { values: variance, unit: terms },
        ],
    })
}

fn monte_carlo(case: &Case, element: ElementType) -> Result<Tensors, Error> {
    let (shape, mask, passes) = (case.shape, &case.mask, case.passes);
    let [x, weight, bias] = [&case.data.x, &case.data.weight, &case.data.bias].map(|values| wide(values));
    let (x, weight, bias) = (&x[..], &weight[..], case.bias.of(&bias[..]));
    let call = MonteCarlo { shape, mask, passes, x, weight, bias, mean: (), variance: () };
    let (mean, variance) = reference::monte_carlo(&call)?;
    let square = shape.inputs() as f64 * case.mask.scale() / 9.0;
    Ok(Tensors {
        operands: operands(case, element),
        results: pair(shape.output_len()),
        expected: vec![
            Expected { values: mean, unit: square.sqrt() },
            // A small difference of large numbers, where masks hardly differ.
            Expected { values: variance, unit: square },
        ],
    })
}

fn activation(case: &Case) -> Result<Tensors, Error> {
    let (shape, element) = (&case.shape, ElementType::F32);
    let mut draws = Draws::new(case.seed, 3);
    let mean: Vec<f32> =
        draws.values(shape.output_len(), element).into_iter().map(|value| 2.0 * value).collect();
    let variance: Vec<f32> = draws.values(shape.output_len(), element).into_iter().map(f32::abs).collect();
    let (u_mean, u_variance) = (wide(&mean), wide(&variance));
    let (of_mean, of_variance) = match case.samples {
        None => reference::closed_form(shape, case.activation, &u_mean, &u_variance),
        Some(samples) => {
            let (key, origin) = (case.mask.key, case.mask.origin);
            reference::sampled(shape, case.activation, samples, key, origin, &u_mean, &u_variance)
        }
    }?;
    Ok(Tensors {
        operands: [mean, variance].iter().map(|values| Piece::of(values, element)).collect(),
        results: pair(shape.output_len()),
        // Numbers of about 1, and a tail of a normal distribution is no more precise than that.
        expected: [of_mean, of_variance].into_iter().map(|values| Expected { values, unit: 1.0 }).collect(),
    })
}

/// A mean and a variance, not written yet. What is said over masks is f32 always.
fn pair(length: usize) -> Vec<Piece> {
    (0..2).map(|_| Piece::poison(length, Stored::Number(ElementType::F32))).collect()
}

/// The logits of every pass, and what they say together.
fn classifier(case: &Case, element: ElementType) -> Tensors {
    let (batch, classes) = (case.shape.batch(), case.shape.outputs());
    let mut draws = Draws::new(case.seed, 4);
    let passes: Vec<Vec<f32>> = (0..case.passes)
        .map(|_| draws.values(batch * classes, element).into_iter().map(|value| 8.0 * value).collect())
        .collect();
    let (mut mean, mut entropies) = (vec![0.0; batch * classes], vec![0.0; batch]);
    let share = 1.0 / f64::from(case.passes);
    for logits in &passes {
        for (n, logits) in logits.chunks(classes).enumerate() {
            let exponentials: Vec<f64> = logits.iter().map(|&logit| f64::from(logit).exp()).collect();
            let sum: f64 = exponentials.iter().sum();
            for (o, exponential) in exponentials.into_iter().enumerate() {
                mean[n * classes + o] += share * exponential / sum;
                entropies[n] += share * surprise(exponential / sum);
            }
        }
    }
    let entropy: Vec<f64> = mean.chunks(classes).map(|row| row.iter().map(|&p| surprise(p)).sum()).collect();
    let information = entropy.iter().zip(&entropies).map(|(all, own)| (all - own).max(0.0)).collect();
    let f32 = Stored::Number(ElementType::F32);
    Tensors {
        operands: passes.iter().map(|logits| Piece::of(logits, element)).collect(),
        results: [batch * classes, batch, batch].map(|length| Piece::poison(length, f32)).into(),
        expected: vec![
            Expected { values: mean, unit: 0.0 },
            // Entropies are sums of numbers of about 1, and the information is a difference of them.
            Expected { values: entropy, unit: 1.0 },
            Expected { values: information, unit: 1.0 },
        ],
    }
}

fn surprise(p: f64) -> f64 {
    if p > 0.0 { -p * p.ln() } else { 0.0 }
}
