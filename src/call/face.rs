//! The box of connections, examples x outputs x inputs, and the tensors of a call as faces of it.

use crate::mask::brick::{BRICK_EXAMPLES, BRICK_INPUTS, BRICK_OUTPUTS};
use crate::{Bias, Error, Mask, Shape};

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

/// What holds a tensor: a slice of the host's memory, or a range of a buffer. Nothing, `()`, holds any.
pub(crate) trait Holder {
    /// Checks all that can be said of one tensor alone, which is to have so many elements.
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

/// A tensor of a call: along which axis of the box its rows run, and along which its columns.
#[derive(Clone, Copy)]
pub(crate) struct Face<'c, T> {
    pub name: &'static str,
    /// `None`: a vector, one row.
    pub rows: Option<Axis>,
    pub columns: Axis,
    pub tensor: &'c T,
}

impl<'c, T> Face<'c, T> {
    /// X and its gradient, `[batch, inputs]`.
    pub(crate) fn input(name: &'static str, tensor: &'c T) -> Self {
        Self { name, rows: Some(Axis::Example), columns: Axis::Input, tensor }
    }

    /// W and its gradient, `[outputs, inputs]`.
    pub(crate) fn weight(name: &'static str, tensor: &'c T) -> Self {
        Self { name, rows: Some(Axis::Output), columns: Axis::Input, tensor }
    }

    /// Y, G and what else there is for each output of each example, `[batch, outputs]`.
    pub(crate) fn output(name: &'static str, tensor: &'c T) -> Self {
        Self { name, rows: Some(Axis::Example), columns: Axis::Output, tensor }
    }

    /// b and its gradient, `[outputs]`.
    pub(crate) fn bias(name: &'static str, tensor: &'c T) -> Self {
        Self { name, rows: None, columns: Axis::Output, tensor }
    }

    /// Whether it has elements along an axis.
    pub(crate) fn has(&self, axis: Axis) -> bool {
        self.rows == Some(axis) || self.columns == axis
    }
}

impl<T: Holder> Face<'_, T> {
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Error> {
        let length = |axis: Axis| shape.dims()[axis as usize] as usize;
        // What `Shape` has counted fits.
        let elements = self.rows.map_or(1, length) * length(self.columns);
        self.tensor.check(self.name, elements, shape)
    }
}

/// What there is to a call besides its numbers.
pub(crate) struct Faces<'c, T, R> {
    pub shape: Shape,
    pub mask: Option<&'c Mask>,
    pub operands: Vec<Face<'c, T>>,
    /// Added once to each whole sum.
    pub bias: Bias<Face<'c, T>>,
    pub results: Vec<Face<'c, R>>,
}

impl<'c, T, R> Faces<'c, T, R> {
    /// The operands, and the bias after them.
    pub(crate) fn all_operands(&self) -> impl Iterator<Item = &Face<'c, T>> {
        self.operands.iter().chain(self.bias.tensor())
    }

    /// The axis that a call with one kind of result sums along: that which the result does not have.
    pub(crate) fn walked(&self) -> Axis {
        let walked = |&axis: &Axis| {
            self.operands.iter().any(|face| face.has(axis)) && !self.results.iter().any(|face| face.has(axis))
        };
        Axis::ALL.into_iter().find(walked).expect("a sum along an axis")
    }

    /// Checks the place of the mask.
    pub(crate) fn check_mask(&self) -> Result<(), Error> {
        self.mask.map_or(Ok(()), |mask| mask.check(&self.shape))
    }

    /// The box. It has no extent along an axis that no tensor has elements along.
    pub(crate) fn dims(&self) -> [u32; 3] {
        let dims = self.shape.dims();
        Axis::ALL.map(|axis| {
            let met = self.operands.iter().any(|face| face.has(axis))
                || self.results.iter().any(|face| face.has(axis));
            if met { dims[axis as usize] } else { 0 }
        })
    }
}

impl<T: Holder, R: Holder> Faces<'_, T, R> {
    /// Checks the place of the mask, and each tensor alone.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_mask()?;
        self.all_operands().try_for_each(|face| face.check(&self.shape))?;
        self.results.iter().try_for_each(|face| face.check(&self.shape))
    }
}
