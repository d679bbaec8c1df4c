//! What the soak tries in every case: the tensors of a call, and what float64 says of its results.

use dropconnect::{ElementType, Error, reference};
use dropconnect_testing::{Data, MADE, POISON, Pass, wide};

use super::draw::{Case, Draws};

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

/// How the elements of a result lie in memory.
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

    /// A result that nothing has been written to.
    fn poison(self, length: usize) -> Vec<u8> {
        vec![POISON; length * if let Self::Number(element) = self { element.size() } else { 1 }]
    }
}

/// What is said over masks is f32 always.
const F32: Stored = Stored::Number(ElementType::F32);

/// A result as it should be.
pub struct Expected {
    pub values: Vec<f64>,
    /// How large an element is at home. Errors are measured against the whole result, or against one of such elements
    /// where the terms of its sums happen to cancel.
    pub unit: f64,
}

/// The tensors of a call before it, as bytes.
pub struct Tensors {
    /// X, W, b and G of a layer; else in the order of the library's arguments.
    pub operands: Vec<Vec<u8>>,
    /// How numbers of operands are stored.
    pub element: ElementType,
    pub results: Vec<Vec<u8>>,
    pub stored: Stored,
    pub expected: Vec<Expected>,
}

impl Trial {
    /// Each of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let over_masks = [Self::Moments, Self::Activation, Self::MonteCarlo, Self::Classifier];
        [Self::Mask, Self::BiasMask].into_iter().chain(Pass::ALL.map(Self::Layer)).chain(over_masks)
    }

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
}

fn mask(trial: Trial, case: &Case) -> Result<Tensors, Error> {
    let kept = match trial {
        Trial::Mask => reference::mask::mask(&case.shape, &case.mask),
        _ => reference::mask::bias_mask(&case.shape, &case.mask),
    }?;
    let values: Vec<f64> = kept.into_iter().map(f64::from).collect();
    Ok(Tensors {
        operands: Vec::new(),
        element: ElementType::F32,
        results: vec![Stored::Bit.poison(values.len())],
        stored: Stored::Bit,
        expected: vec![Expected { values, unit: 0.0 }],
    })
}

fn layer(pass: Pass, case: &Case, element: ElementType) -> Result<Tensors, Error> {
    let (shape, call, stored) = (&case.shape, case.call(), Stored::Number(element));
    let scale = case.mask.scale();
    // Products of two numbers in -1..1 have a variance of 1/9, numbers one of 1/3. As many of the terms as are not
    // dropped are scaled: a variance of scale.
    let sum = |terms: usize| (terms as f64 * scale).sqrt() / 3.0;
    let unit = |part: &Pass| {
        let products = sum(part.walked().length(shape));
        if *part == Pass::BiasGradient { 3f64.sqrt() * products } else { products }
    };
    let before = |part: &Pass| match part.before(&call, &case.data) {
        Some(before) => element.encode(before),
        None => stored.poison(part.result_len(shape)),
    };
    let expected = call.expected(pass, &case.data)?.into_iter().zip(pass.parts());
    Ok(Tensors {
        operands: operands(case, element),
        element,
        results: pass.parts().iter().map(before).collect(),
        stored,
        expected: expected.map(|(values, part)| Expected { values, unit: unit(part) }).collect(),
    })
}

/// X, W, b and G.
fn operands(case: &Case, element: ElementType) -> Vec<Vec<u8>> {
    let Data { x, weight, bias, grad_output, .. } = &case.data;
    [x, weight, bias, grad_output].map(|values| element.encode(values)).into()
}

fn moments(case: &Case, element: ElementType) -> Result<Tensors, Error> {
    let data = case.data.wide();
    let call = data.operands(&case.shape, case.bias).moments(&case.mask.probability, MADE);
    let (mean, variance) = reference::moments(&call)?;
    let terms = case.shape.inputs() as f64 / 9.0;
    Ok(pair(operands(case, element), element, [(mean, terms.sqrt()), (variance, terms)]))
}

fn monte_carlo(case: &Case, element: ElementType) -> Result<Tensors, Error> {
    let data = case.data.wide();
    let call = data.operands(&case.shape, case.bias).monte_carlo(&case.mask, case.passes, MADE);
    let (mean, variance) = reference::monte_carlo(&call)?;
    let square = case.shape.inputs() as f64 * case.mask.scale() / 9.0;
    // The variance is a small difference of large numbers, where masks hardly differ.
    Ok(pair(operands(case, element), element, [(mean, square.sqrt()), (variance, square)]))
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
    let operands = [mean, variance].iter().map(|values| element.encode(values)).collect();
    // Numbers of about 1, and a tail of a normal distribution is no more precise than that.
    Ok(pair(operands, element, [(of_mean, 1.0), (of_variance, 1.0)]))
}

/// A mean and a variance, not written yet, each with its unit.
fn pair(operands: Vec<Vec<u8>>, element: ElementType, expected: [(Vec<f64>, f64); 2]) -> Tensors {
    let results = expected.iter().map(|(values, _)| F32.poison(values.len())).collect();
    let expected = expected.map(|(values, unit)| Expected { values, unit }).into();
    Tensors { operands, element, results, stored: F32, expected }
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
    Tensors {
        operands: passes.iter().map(|logits| element.encode(logits)).collect(),
        element,
        results: [batch * classes, batch, batch].map(|length| F32.poison(length)).into(),
        stored: F32,
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
