//! A call of any pass, and the results of all of them.

use dropconnect::{Bias, ElementType, Error, Mask, Shape, Write};

use crate::{Data, Operands, Pass, Placement};

/// What happens to the bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BiasKind {
    /// There is none.
    None,
    /// It is added as it is.
    Plain,
    /// The mask drops it.
    Masked,
}

impl BiasKind {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Plain, Self::Masked];

    /// Such a bias.
    pub fn with<T>(self, tensor: T) -> Bias<T> {
        match self {
            Self::None => Bias::None,
            Self::Plain => Bias::Plain(tensor),
            Self::Masked => Bias::Masked(tensor),
        }
    }
}

/// No gradient adds to anything.
pub const OVERWRITE: [Write; 3] = [Write::Overwrite; 3];

/// The arguments of any pass but for its numbers.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// How numbers are stored. The CPU backend computes in f32, and its results are rounded to this.
    pub element: ElementType,
    /// `None` is evaluation.
    pub mask: Option<Mask>,
    /// What happens to the bias.
    pub bias: BiasKind,
    /// Whether the gradients of the input, the weight and the bias are added to [`Data::before`].
    pub write: [Write; 3],
    /// Where the tensors lie.
    pub placement: Placement,
}

impl Call {
    /// f32, separate buffers, masked bias, overwriting.
    pub fn new(shape: Shape, mask: Option<Mask>) -> Self {
        Self {
            shape,
            element: ElementType::F32,
            mask,
            bias: BiasKind::Masked,
            write: OVERWRITE,
            placement: Placement::Separate,
        }
    }

    /// The mask of the bias, where that has one.
    pub fn bias_mask(&self) -> Option<&Mask> {
        self.mask.as_ref().filter(|_| self.bias == BiasKind::Masked)
    }

    /// The results of a pass in float64.
    ///
    /// # Errors
    /// Those of the pass.
    pub fn expected(&self, pass: Pass, data: &Data) -> Result<Vec<Vec<f64>>, Error> {
        self.expected_of(pass, &data.wide().operands(&self.shape, self.bias), data)
    }

    fn expected_of(
        &self,
        pass: Pass,
        operands: &Operands<&[f64]>,
        data: &Data,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let mut results = pass.reference(operands, self.mask.as_ref())?;
        for (sums, part) in results.iter_mut().zip(pass.parts()) {
            for (sum, before) in sums.iter_mut().zip(part.before(self, data).unwrap_or_default()) {
                *sum += f64::from(*before);
            }
        }
        Ok(results)
    }
}

/// The results of all passes in float64.
///
/// # Panics
/// Where the library refuses the call.
pub fn expected(call: &Call, data: &Data) -> Results<f64> {
    let wide = data.wide();
    let operands = wide.operands(&call.shape, call.bias);
    let [y, dx, dw, db] = Pass::SINGLE.map(|pass| {
        call.expected_of(pass, &operands, data).unwrap_or_else(|error| panic!("{call:?}: {error}")).remove(0)
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
