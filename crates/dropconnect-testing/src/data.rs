//! Shapes, masks and seeded tensors.

use std::num::NonZeroU32;

use dropconnect::call::Call;
use dropconnect::{Bias, DropProbability, ElementType, Error, Mask, MaskKey, Origin, Shape, Sharing};

use crate::Operands;

/// SplitMix64: a seed is all of its state.
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1, in steps that f32 holds exactly.
    pub fn value(&mut self) -> f32 {
        (self.word() >> 41) as f32 / (1u32 << 22) as f32 - 1.0
    }

    /// Below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    /// Values rounded to `element`.
    pub fn values(&mut self, len: usize, element: ElementType) -> Vec<f32> {
        (0..len).map(|_| element.round(self.value())).collect()
    }
}

/// Operands of every pass, and what the gradients hold before they are added to.
#[derive(Clone)]
pub struct Data<T = f32> {
    /// X, `[batch, inputs]`.
    pub x: Vec<T>,
    /// W, `[outputs, inputs]`.
    pub weight: Vec<T>,
    /// b, `[outputs]`.
    pub bias: Vec<T>,
    /// G, `[batch, outputs]`.
    pub grad_output: Vec<T>,
    /// Of the input, the weight and the bias.
    pub before: [Vec<T>; 3],
    /// Mean and variance of u, `[batch, outputs]`.
    pub u: [Vec<T>; 2],
    /// Logits of some passes, each `[batch, outputs]`.
    pub logits: Vec<Vec<T>>,
}

impl<T> Data<T> {
    /// For calls that overwrite.
    pub fn operands(&self, shape: &Shape, bias: Bias<()>) -> Operands<&[T]> {
        Operands::of(*shape, bias, [&self.x, &self.weight, &self.bias, &self.grad_output])
    }

    /// The operand of a call that has this name.
    ///
    /// # Panics
    /// For another name.
    pub fn tensor<A, R>(&self, call: &Call<'_, A, R>, name: &str) -> &[T] {
        match (name, call) {
            ("x", _) => &self.x,
            ("weight", _) => &self.weight,
            ("bias", _) => &self.bias,
            ("grad_output", _) => &self.grad_output,
            ("u_mean", _) => &self.u[0],
            ("u_variance", _) => &self.u[1],
            ("logits", Call::Predictive(call)) => &self.logits[call.pass as usize],
            _ => panic!("no operand is called {name}"),
        }
    }
}

impl Data {
    /// The same in float64.
    pub fn wide(&self) -> Data<f64> {
        Data {
            x: wide(&self.x),
            weight: wide(&self.weight),
            bias: wide(&self.bias),
            grad_output: wide(&self.grad_output),
            before: self.before.each_ref().map(|values| wide(values)),
            u: self.u.each_ref().map(|values| wide(values)),
            logits: self.logits.iter().map(|values| wide(values)).collect(),
        }
    }

    /// Each tensor in turn, of its length.
    pub fn each(shape: &Shape, mut values: impl FnMut(usize) -> Vec<f32>) -> Self {
        Self {
            x: values(shape.input_len()),
            weight: values(shape.weight_len()),
            bias: values(shape.outputs()),
            grad_output: values(shape.output_len()),
            before: [values(shape.input_len()), values(shape.weight_len()), values(shape.outputs())],
            u: [Vec::new(), Vec::new()],
            logits: Vec::new(),
        }
    }

    /// With numbers for what goes on from a layer's output: u, whose variance is not negative, and logits of passes.
    pub fn with_outputs(
        mut self,
        shape: &Shape,
        passes: u32,
        mut values: impl FnMut(usize) -> Vec<f32>,
    ) -> Self {
        let mut times = |factor: f32| -> Vec<f32> {
            values(shape.output_len()).into_iter().map(|value| factor * value).collect()
        };
        self.u = [times(2.0), times(1.0).into_iter().map(f32::abs).collect()];
        self.logits = (0..passes).map(|_| times(8.0)).collect();
        self
    }

    /// Random, already rounded to `element`.
    pub fn random(shape: &Shape, element: ElementType, seed: u64) -> Self {
        let mut random = Random(seed);
        Self::each(shape, |len| random.values(len, element))
    }

    /// The tensors of the format's vectors.
    pub fn ramps(shape: &Shape) -> Self {
        Self {
            x: ramp(shape.input_len(), 31, 7),
            weight: ramp(shape.weight_len(), 57, 3),
            bias: ramp(shape.outputs(), 13, 1),
            grad_output: ramp(shape.output_len(), 91, 5),
            ..Self::constant(shape, 0.0)
        }
    }

    /// Values that grow along each tensor, to 1.
    pub fn rising(shape: &Shape) -> Self {
        Self::each(shape, |len| (0..len).map(|at| ((at + 1) as f64 / len as f64) as f32).collect())
    }

    /// The same value everywhere.
    pub fn constant(shape: &Shape, value: f32) -> Self {
        Self::each(shape, |len| vec![value; len])
    }
}

/// The format's test tensor: `((index * a + c) mod 1009) / 1009 - 0.5`, rounded to f32.
pub fn ramp(len: usize, a: usize, c: usize) -> Vec<f32> {
    (0..len).map(|index| (((index * a + c) % 1009) as f64 / 1009.0 - 0.5) as f32).collect()
}

/// In float64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// Batch, outputs, inputs.
///
/// # Panics
/// Where there is no such shape.
pub fn shape(dims: [usize; 3]) -> Shape {
    Shape::new(dims[0], dims[1], dims[2]).unwrap()
}

/// Global coordinates.
pub fn origin(example: u32, output: u32, input: u32) -> Origin {
    Origin { example, output, input }
}

/// Groups of so many examples with one mask.
///
/// # Panics
/// For 0.
pub fn group(size: u32) -> Sharing {
    Sharing::Group(NonZeroU32::new(size).unwrap())
}

/// A mask at the origin, of one seed and step.
///
/// # Panics
/// Where there is no such probability.
pub fn mask(p: f64) -> Mask {
    Mask::new(MaskKey::new(2013, 1).at_step(77), DropProbability::new(p).unwrap())
}

/// The same with a resolution.
///
/// # Panics
/// Where there is no such probability.
pub fn mask_with_bits(p: f64, bits: u32) -> Mask {
    let probability = DropProbability::with_bits(p, bits).unwrap();
    Mask { probability, ..mask(0.0) }
}

/// A probability of the full resolution.
///
/// # Panics
/// Where there is no such probability.
pub fn probability(p: f64) -> DropProbability {
    DropProbability::new(p).unwrap()
}

/// A pair of results, poisoned before it is written.
///
/// # Panics
/// Where the call is refused.
pub fn pair(len: usize, run: impl FnOnce([&mut [f32]; 2]) -> Result<(), Error>) -> [Vec<f32>; 2] {
    let (mut mean, mut variance) = (vec![f32::NAN; len], vec![f32::NAN; len]);
    run([&mut mean, &mut variance]).unwrap();
    [mean, variance]
}
