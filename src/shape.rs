//! The shape of a layer call and its place in global coordinates.

use std::fmt;

use crate::Error;

/// The shape of one call: X is `[batch, inputs]`, W is `[outputs, inputs]` (PyTorch's layout),
/// Y and G are `[batch, outputs]`. Leading dimensions of a larger tensor are flattened into `batch`.
///
/// A batch of 0 is a valid, empty call. Zero outputs or inputs are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    batch: u32,
    outputs: u32,
    inputs: u32,
}

impl Shape {
    /// # Errors
    /// [`Error::ZeroDimension`] for zero outputs or inputs; [`Error::TooLarge`] where a dimension
    /// passes `u32::MAX`, the range of mask coordinates, or a tensor has more elements than the host can count.
    pub fn new(batch: usize, outputs: usize, inputs: usize) -> Result<Self, Error> {
        for (argument, value) in [("outputs", outputs), ("inputs", inputs)] {
            if value == 0 {
                return Err(Error::ZeroDimension { argument });
            }
        }
        let fit = |argument, value: usize| {
            u32::try_from(value).map_err(|_| Error::TooLarge {
                argument,
                value: value as u64,
                limit: u64::from(u32::MAX),
            })
        };
        let shape = Self {
            batch: fit("batch", batch)?,
            outputs: fit("outputs", outputs)?,
            inputs: fit("inputs", inputs)?,
        };
        // Where a `usize` has 64 bits, they all fit.
        for (argument, [a, b]) in [
            ("batch * inputs", [batch, inputs]),
            ("outputs * inputs", [outputs, inputs]),
            ("batch * outputs", [batch, outputs]),
        ] {
            if a.checked_mul(b).is_none() {
                let value = (a as u64).saturating_mul(b as u64);
                return Err(Error::TooLarge { argument, value, limit: usize::MAX as u64 });
            }
        }
        Ok(shape)
    }

    /// Number of examples.
    pub fn batch(&self) -> usize {
        self.batch as usize
    }

    /// Number of outputs, the rows of W.
    pub fn outputs(&self) -> usize {
        self.outputs as usize
    }

    /// Number of inputs, the columns of W.
    pub fn inputs(&self) -> usize {
        self.inputs as usize
    }

    /// Elements of X and of its gradient.
    pub fn input_len(&self) -> usize {
        self.batch() * self.inputs()
    }

    /// Elements of W and of its gradient.
    pub fn weight_len(&self) -> usize {
        self.outputs() * self.inputs()
    }

    /// Elements of Y and of G.
    pub fn output_len(&self) -> usize {
        self.batch() * self.outputs()
    }

    /// Connections, each masked on its own: `batch * outputs * inputs`. May pass 2^64 only for shapes
    /// that no memory holds; then it saturates.
    pub fn connections(&self) -> u64 {
        u64::from(self.batch).saturating_mul(u64::from(self.outputs) * u64::from(self.inputs))
    }

    pub(crate) fn dims(&self) -> [u32; 3] {
        [self.batch, self.outputs, self.inputs]
    }

    /// Checks the length of a host slice.
    pub(crate) fn expect_len(
        &self,
        argument: &'static str,
        actual: usize,
        expected: usize,
    ) -> Result<(), Error> {
        if actual == expected {
            return Ok(());
        }
        Err(Error::Length { argument, actual, expected, shape: *self })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "batch {} x outputs {} x inputs {}", self.batch, self.outputs, self.inputs)
    }
}

/// The global coordinates of a shard's first example, output and input.
///
/// Masks are a function of global coordinates, so a batch split over devices, or a layer split over
/// its outputs or inputs, draws the masks of the undivided layer. No origin needs to be a multiple of
/// anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Global index of the first example.
    pub example: u32,
    /// Global index of the first output.
    pub output: u32,
    /// Global index of the first input.
    pub input: u32,
}

impl Origin {
    pub(crate) fn coordinates(&self) -> [u32; 3] {
        [self.example, self.output, self.input]
    }

    /// Checks that the shard's last coordinates exist.
    pub(crate) fn check(&self, shape: &Shape) -> Result<(), Error> {
        let limit = 1 << 32;
        for ((axis, origin), size) in
            ["example", "output", "input"].into_iter().zip(self.coordinates()).zip(shape.dims())
        {
            if u64::from(origin) + u64::from(size) > limit {
                return Err(Error::Origin { axis, origin, size, limit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_do_not_wrap_at_32_bits() {
        let shape = Shape::new(1 << 19, 1 << 12, 1 << 12).unwrap();
        assert_eq!(shape.connections(), 1 << 43);
        let most = u32::MAX as usize;
        match Shape::new(most, most, most) {
            Ok(shape) => assert_eq!(shape.connections(), u64::MAX),
            // Hosts of 32 bits cannot count the elements of X.
            Err(error) => assert!(usize::BITS < 64 && matches!(error, Error::TooLarge { .. })),
        }
    }

    #[test]
    fn the_last_coordinate_is_allowed_and_the_next_is_not() {
        let shape = Shape::new(2, 1, 1).unwrap();
        let at = |example| Origin { example, ..Origin::default() }.check(&shape);
        assert!(at(u32::MAX - 1).is_ok());
        assert!(matches!(
            at(u32::MAX),
            Err(Error::Origin { axis: "example", origin: u32::MAX, size: 2, .. })
        ));
    }

    #[test]
    fn empty_layers_are_refused_by_name() {
        assert!(matches!(Shape::new(1, 0, 1), Err(Error::ZeroDimension { argument: "outputs" })));
        assert!(matches!(Shape::new(1, 1, 0), Err(Error::ZeroDimension { argument: "inputs" })));
        assert!(Shape::new(0, 1, 1).is_ok());
    }
}
