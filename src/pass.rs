//! What every backend's passes take besides tensors.

/// A bias and what the mask does to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bias<T> {
    /// The layer has no bias.
    #[default]
    None,
    /// Added as it is: the usual choice.
    Plain(T),
    /// Dropped per example and output like a weight, and scaled like one: the paper's variant. In
    /// evaluation, without a mask, the same as [`Bias::Plain`].
    Masked(T),
}

impl<T> Bias<T> {
    /// The tensor, if there is one.
    pub fn tensor(&self) -> Option<&T> {
        match self {
            Self::None => None,
            Self::Plain(bias) | Self::Masked(bias) => Some(bias),
        }
    }

    /// The same bias with its tensor borrowed.
    pub fn as_ref(&self) -> Bias<&T> {
        match self {
            Self::None => Bias::None,
            Self::Plain(bias) => Bias::Plain(bias),
            Self::Masked(bias) => Bias::Masked(bias),
        }
    }

    /// The same bias with its tensor converted.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Bias<U> {
        match self {
            Self::None => Bias::None,
            Self::Plain(bias) => Bias::Plain(convert(bias)),
            Self::Masked(bias) => Bias::Masked(convert(bias)),
        }
    }

    /// The same bias with its tensor converted, which may fail.
    pub(crate) fn try_map<U, E>(self, convert: impl FnOnce(T) -> Result<U, E>) -> Result<Bias<U>, E> {
        Ok(match self {
            Self::None => Bias::None,
            Self::Plain(bias) => Bias::Plain(convert(bias)?),
            Self::Masked(bias) => Bias::Masked(convert(bias)?),
        })
    }
}

/// What a gradient pass does with the values its result tensor had before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Write {
    /// Ignores them, NaN included.
    #[default]
    Overwrite,
    /// Adds to them, for gradient accumulation over micro-batches.
    ///
    /// The sum is rounded to the tensor's type each time. A tensor of 16 bits stops growing where an addition is less
    /// than half a unit in its last place: ones accumulate to 256 in bf16 and to 2,048 in f16. Accumulate in f32, which
    /// a gradient of 16-bit operands may be.
    Accumulate,
}
