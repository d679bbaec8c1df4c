//! The arguments of a call of any kind but for its numbers, and what float64 makes of them.

use dropconnect::call::{Axis, Call, Kind, Operand};
use dropconnect::{Activation, Bias, ElementType, Error, Mask, Method, Shape, Write, reference};

use crate::{Data, Placement};

/// The passes of the layer.
pub const LAYER: [Kind; 5] =
    [Kind::Forward, Kind::InputGradient, Kind::WeightGradient, Kind::BiasGradient, Kind::BothGradients];
/// One for each result: Y, dX, dW, db.
pub const SINGLE: [Kind; 4] = [Kind::Forward, Kind::InputGradient, Kind::WeightGradient, Kind::BiasGradient];
/// Those of one result with a mask of weights.
pub const LINEAR: [Kind; 3] = [Kind::Forward, Kind::InputGradient, Kind::WeightGradient];
/// Those that can add to their results.
pub const GRADIENTS: [Kind; 4] =
    [Kind::InputGradient, Kind::WeightGradient, Kind::BiasGradient, Kind::BothGradients];
/// What may happen to a bias.
pub const BIASES: [Bias<()>; 3] = [Bias::None, Bias::Plain(()), Bias::Masked(())];
/// No gradient adds to anything.
pub const OVERWRITE: [Write; 3] = [Write::Overwrite; 3];

/// The elements of each result.
pub fn result_lens(kind: Kind, shape: &Shape) -> Vec<usize> {
    let mask = crate::mask(0.5);
    let call = Call::of(kind, *shape, Some(&mask), Bias::None, Write::Overwrite);
    call.map_or(Vec::new(), |call| {
        call.operands().results.iter().map(|result| result.elements(shape)).collect()
    })
}

/// What each result of a pass of the layer is a sum along.
///
/// # Panics
/// For other kinds.
pub fn reductions(kind: Kind) -> &'static [Axis] {
    match kind {
        Kind::Forward => &[Axis::Input],
        Kind::InputGradient => &[Axis::Output],
        Kind::WeightGradient | Kind::BiasGradient => &[Axis::Example],
        Kind::BothGradients => &[Axis::Output, Axis::Example],
        _ => panic!("{kind} is no pass of the layer"),
    }
}

/// The arguments of a call of any kind but for its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How numbers are stored. The CPU backend computes in f32, and its results are rounded to this.
    pub element: ElementType,
    /// `None` is evaluation.
    pub mask: Option<Mask>,
    /// What happens to the bias.
    pub bias: Bias<()>,
    /// Whether the gradients of the input, the weight and the bias are added to [`Data::before`].
    pub write: [Write; 3],
    /// Where the tensors lie.
    pub placement: Placement,
    /// Monte-Carlo passes, and those of a classifier.
    pub passes: u32,
    /// What inference goes through.
    pub activation: Activation,
    /// How it does.
    pub method: Method,
}

impl Case {
    /// f32, separate buffers, masked bias, overwriting.
    pub fn new(shape: Shape, mask: Option<Mask>) -> Self {
        Self {
            shape,
            element: ElementType::F32,
            mask,
            bias: Bias::Masked(()),
            write: OVERWRITE,
            placement: Placement::Separate,
            passes: 1,
            activation: Activation::Relu,
            method: Method::Closed,
        }
    }

    /// The call, without tensors.
    ///
    /// # Panics
    /// For a kind that takes a mask where there is none.
    pub fn call(&self, kind: Kind) -> Call<'_, (), ()> {
        let call = Call::of(kind, self.shape, self.mask.as_ref(), self.bias, Write::Overwrite);
        let mut call = call.expect("a mask for this kind");
        let [of_input, of_weight, of_bias] = self.write;
        match &mut call {
            Call::InputGradient(call) => call.write = of_input,
            Call::WeightGradient(call) => call.write = of_weight,
            Call::BothGradients(call) => (call.grad_input.1, call.grad_weight.1) = (of_input, of_weight),
            Call::BiasGradient(call) => call.write = of_bias,
            Call::MonteCarlo(call) => call.passes = self.passes,
            Call::Activate(call) => (call.activation, call.method) = (self.activation, self.method),
            Call::Predictive(call) => call.passes = self.passes,
            Call::Forward(_) | Call::Moments(_) => {}
        }
        call
    }

    /// The calls that give the results of a kind: one, but for a classifier, which has one for each pass.
    pub fn calls(&self, kind: Kind) -> impl Iterator<Item = Call<'_, (), ()>> {
        let passes = if kind == Kind::Predictive { self.passes } else { 1 };
        (0..passes).map(move |pass| {
            let mut call = self.call(kind);
            if let Call::Predictive(call) = &mut call {
                call.pass = pass;
            }
            call
        })
    }

    /// What a result is added to.
    pub fn before<'d, R>(&self, result: &Operand<R>, data: &'d Data) -> Option<&'d [f32]> {
        let at = ["grad_input", "grad_weight", "grad_bias"].iter().position(|&name| name == result.name)?;
        (self.write[at] == Write::Accumulate).then_some(&data.before[at])
    }

    /// The results in float64.
    ///
    /// # Errors
    /// Those of the call.
    pub fn expected(&self, kind: Kind, data: &Data) -> Result<Vec<Vec<f64>>, Error> {
        self.expected_of(kind, &data.wide(), data)
    }

    fn expected_of(&self, kind: Kind, wide: &Data<f64>, data: &Data) -> Result<Vec<Vec<f64>>, Error> {
        let call = self.call(kind);
        if kind == Kind::Predictive {
            let said = reference::predictive_of(&self.shape, &wide.logits[..self.passes as usize])?;
            return Ok(vec![said.mean, said.entropy, said.mutual_information]);
        }
        let mut results = reference::run(call.map(|operand| wide.tensor(&call, operand.name), |_| ()))?;
        for (sums, result) in results.iter_mut().zip(call.operands().results) {
            for (sum, before) in sums.iter_mut().zip(self.before(&result, data).unwrap_or_default()) {
                *sum += f64::from(*before);
            }
        }
        Ok(results)
    }
}

/// An operand of some calls: its name, and the pass that it is of.
#[derive(Clone, Copy, PartialEq)]
pub(crate) struct Name(&'static str, u32);

impl Name {
    pub(crate) fn of<T, R>(call: &Call<'_, T, R>, name: &'static str) -> Self {
        Self(name, if let Call::Predictive(call) = call { call.pass } else { 0 })
    }

    pub(crate) fn position(self, names: &[Self]) -> usize {
        names.iter().position(|&other| other == self).expect("an operand of these calls")
    }
}

/// The results of all passes of the layer in float64.
///
/// # Panics
/// Where the library refuses the call.
pub fn expected(case: &Case, data: &Data) -> Results<f64> {
    let wide = data.wide();
    let [y, dx, dw, db] = SINGLE.map(|kind| {
        case.expected_of(kind, &wide, data).unwrap_or_else(|error| panic!("{case:?}: {error}")).remove(0)
    });
    Results { y, dx, dw, db }
}

/// Y, dX, dW and db.
#[derive(Clone, Debug, PartialEq)]
pub struct Results<T> {
    /// Y, `[batch, outputs]`.
    pub y: Vec<T>,
    /// dX, `[batch, inputs]`.
    pub dx: Vec<T>,
    /// dW, `[outputs, inputs]`.
    pub dw: Vec<T>,
    /// db, `[outputs]`.
    pub db: Vec<T>,
}

impl<T> Results<T> {
    /// Each with its name.
    pub fn named(&self) -> [(&'static str, &[T]); 4] {
        [("y", &self.y), ("dx", &self.dx), ("dw", &self.dw), ("db", &self.db)]
    }
}

impl Results<f32> {
    /// For comparison by bits, in which NaN equals itself and 0 differs from -0.
    pub fn bits(&self) -> [Vec<u32>; 4] {
        self.named().map(|(_, values)| values.iter().map(|value| value.to_bits()).collect())
    }
}
