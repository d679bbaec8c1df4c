//! The operands and results of a call: which axes each has, and whether it fits the shape.

use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{Bias, Error, Mask, Shape};

/// An axis of the box of connections, batch x outputs x inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Along the batch.
    Example,
    /// Along the rows of W.
    Output,
    /// Along the columns of W.
    Input,
}

impl Axis {
    /// In the order of the box.
    pub const ALL: [Self; 3] = [Self::Example, Self::Output, Self::Input];

    /// The extent of a shape along it.
    pub fn length(self, shape: &Shape) -> usize {
        shape.dims()[self as usize] as usize
    }

    /// How long a brick is along it.
    pub(crate) const fn brick(self) -> u32 {
        match self {
            Self::Example => BRICK_EXAMPLES,
            Self::Output => BRICK_OUTPUTS,
            Self::Input => BRICK_INPUTS,
        }
    }
}

/// A slice of host memory, a range of a buffer, or `()` for a result that the call makes.
pub trait Holder {
    /// Checks that the tensor has so many elements, and what else one tensor alone can get wrong.
    fn check(&self, argument: &'static str, elements: usize, shape: &Shape) -> Result<(), Error>;
}

impl<E> Holder for &[E] {
    fn check(&self, argument: &'static str, elements: usize, shape: &Shape) -> Result<(), Error> {
        shape.expect_len(argument, self.len(), elements)
    }
}

impl<E> Holder for &mut [E] {
    fn check(&self, argument: &'static str, elements: usize, shape: &Shape) -> Result<(), Error> {
        shape.expect_len(argument, self.len(), elements)
    }
}

impl Holder for () {
    fn check(&self, _: &'static str, _: usize, _: &Shape) -> Result<(), Error> {
        Ok(())
    }
}

/// A tensor of a call, operand or result: its name, and which axes its rows and columns run along.
#[derive(Clone, Copy, Debug)]
pub struct Operand<T> {
    /// The field of the call.
    pub name: &'static str,
    /// `None` for a vector.
    pub rows: Option<Axis>,
    /// The axis of the columns.
    pub columns: Axis,
    /// What holds it.
    pub tensor: T,
}

impl<T> Operand<T> {
    /// X and its gradient, `[batch, inputs]`.
    pub(super) fn input(name: &'static str, tensor: T) -> Self {
        Self { name, rows: Some(Axis::Example), columns: Axis::Input, tensor }
    }

    /// W and its gradient, `[outputs, inputs]`.
    pub(super) fn weight(name: &'static str, tensor: T) -> Self {
        Self { name, rows: Some(Axis::Output), columns: Axis::Input, tensor }
    }

    /// Y, G and what else there is for each output of each example, `[batch, outputs]`.
    pub(super) fn output(name: &'static str, tensor: T) -> Self {
        Self { name, rows: Some(Axis::Example), columns: Axis::Output, tensor }
    }

    /// b and its gradient, `[outputs]`.
    pub(super) fn bias(name: &'static str, tensor: T) -> Self {
        Self { name, rows: None, columns: Axis::Output, tensor }
    }

    /// A number for each example, `[batch]`.
    pub(super) fn example(name: &'static str, tensor: T) -> Self {
        Self { name, rows: None, columns: Axis::Example, tensor }
    }

    /// Whether it has elements along an axis.
    pub fn has(&self, axis: Axis) -> bool {
        self.rows == Some(axis) || self.columns == axis
    }

    /// Its elements in a call of this shape.
    pub fn elements(&self, shape: &Shape) -> usize {
        // What `Shape` has counted fits.
        self.rows.map_or(1, |axis| axis.length(shape)) * self.columns.length(shape)
    }
}

impl<T: Holder> Operand<T> {
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Error> {
        self.tensor.check(self.name, self.elements(shape), shape)
    }
}

/// The tensors of a call, and what there is to it besides.
#[derive(Clone, Debug)]
pub struct Operands<'a, T, R> {
    /// Batch, outputs and inputs.
    pub shape: Shape,
    /// The mask, if the call draws one.
    pub mask: Option<&'a Mask>,
    /// What the call reads. A bias comes last.
    pub operands: Vec<Operand<T>>,
    /// The kind of that bias, which is added once to each whole sum.
    pub bias: Bias<()>,
    /// What it writes.
    pub results: Vec<Operand<R>>,
}

impl<T, R> Operands<'_, T, R> {
    /// The operands but for the bias, and the bias.
    pub(crate) fn split_bias(&self) -> (&[Operand<T>], Option<&Operand<T>>) {
        match self.bias {
            Bias::None => (&self.operands, None),
            Bias::Plain(()) | Bias::Masked(()) => {
                self.operands.split_last().map_or((&[], None), |(bias, others)| (others, Some(bias)))
            }
        }
    }

    /// The reduction axis: the first that an operand has and no result.
    pub fn reduction(&self) -> Option<Axis> {
        Axis::ALL.into_iter().find(|&axis| {
            self.operands.iter().any(|operand| operand.has(axis))
                && !self.results.iter().any(|result| result.has(axis))
        })
    }

    /// The box of connections, without an extent along an axis that no tensor has.
    pub(crate) fn dims(&self) -> [u32; 3] {
        let dims = self.shape.dims();
        Axis::ALL.map(|axis| {
            let met = self.operands.iter().any(|operand| operand.has(axis))
                || self.results.iter().any(|result| result.has(axis));
            if met { dims[axis as usize] } else { 0 }
        })
    }

    /// Checks where the mask lies.
    pub(crate) fn check_mask(&self) -> Result<(), Error> {
        self.mask.map_or(Ok(()), |mask| mask.check(&self.shape))
    }
}

impl<T: Holder, R: Holder> Operands<'_, T, R> {
    /// Checks where the mask lies, and each tensor alone.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_mask()?;
        self.operands.iter().try_for_each(|operand| operand.check(&self.shape))?;
        self.results.iter().try_for_each(|result| result.check(&self.shape))
    }
}
