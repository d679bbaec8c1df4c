//! The box of connections, examples x outputs x inputs, and tensors as faces of it.

use std::ops::Range;

use super::plan::Rows;
use super::tensor::{Argument, Tensor};
use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{ElementType, Error, Shape};

/// An axis of the box, in the order of [`Shape::dims`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Axis {
    Example,
    Output,
    Input,
}

impl Axis {
    pub(crate) const ALL: [Self; 3] = [Self::Example, Self::Output, Self::Input];

    /// How long a brick is along it.
    pub(crate) const fn brick(self) -> u32 {
        match self {
            Self::Example => BRICK_EXAMPLES,
            Self::Output => BRICK_OUTPUTS,
            Self::Input => BRICK_INPUTS,
        }
    }
}

/// A tensor of a call: along which axis of the box its rows run, and along which its columns.
#[derive(Clone, Copy)]
pub(crate) struct Face<'a> {
    pub argument: Argument<'a>,
    /// `None`: a vector, one row.
    pub rows: Option<Axis>,
    pub columns: Axis,
    pub element: ElementType,
}

impl<'a> Face<'a> {
    /// X and its gradient, `[batch, inputs]`.
    pub(crate) fn input(name: &'static str, tensor: Tensor<'a>, element: ElementType) -> Self {
        Self { argument: Argument { name, tensor }, rows: Some(Axis::Example), columns: Axis::Input, element }
    }

    /// W and its gradient, `[outputs, inputs]`.
    pub(crate) fn weight(name: &'static str, tensor: Tensor<'a>, element: ElementType) -> Self {
        Self { argument: Argument { name, tensor }, rows: Some(Axis::Output), columns: Axis::Input, element }
    }

    /// Y, G and what else there is for each output of each example, `[batch, outputs]`.
    pub(crate) fn output(name: &'static str, tensor: Tensor<'a>, element: ElementType) -> Self {
        Self {
            argument: Argument { name, tensor },
            rows: Some(Axis::Example),
            columns: Axis::Output,
            element,
        }
    }

    /// b and its gradient, `[outputs]`.
    pub(crate) fn bias(name: &'static str, tensor: Tensor<'a>, element: ElementType) -> Self {
        Self { argument: Argument { name, tensor }, rows: None, columns: Axis::Output, element }
    }

    /// Checks all that can be said of one tensor alone.
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Error> {
        let dims = shape.dims();
        let rows = self.rows.map_or(1, |axis| u64::from(dims[axis as usize]));
        self.argument.check(rows * u64::from(dims[self.columns as usize]), self.element)
    }

    /// Whether it has elements along an axis.
    pub(crate) fn has(&self, axis: Axis) -> bool {
        self.rows == Some(axis) || self.columns == axis
    }

    /// What a dispatch that covers these ranges of the axes binds of it: whole rows.
    pub(crate) fn part(&self, dims: [u32; 3], ranges: &[Range<u32>; 3]) -> Rows<'a> {
        let columns = self.columns as usize;
        let rows = self.rows.map_or(0..1, |axis| ranges[axis as usize].clone());
        Rows::new(self.argument.tensor, dims[columns], rows, self.element.size() as u64)
            .at_column(ranges[columns].start)
    }
}
