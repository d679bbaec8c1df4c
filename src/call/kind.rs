//! Which calls there are.

use std::fmt;
use std::str::FromStr;

use crate::ElementType;

/// What a [`Call`](super::Call) computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// [`Forward`](super::Forward).
    Forward,
    /// [`InputGradient`](super::InputGradient).
    InputGradient,
    /// [`WeightGradient`](super::WeightGradient).
    WeightGradient,
    /// [`BothGradients`](super::BothGradients).
    BothGradients,
    /// [`BiasGradient`](super::BiasGradient).
    BiasGradient,
    /// [`OutputMoments`](super::OutputMoments).
    Moments,
    /// [`MonteCarlo`](super::MonteCarlo).
    MonteCarlo,
    /// [`Activate`](super::Activate).
    Activation,
    /// [`PredictivePass`](super::PredictivePass).
    Predictive,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 9] = [
        Self::Forward,
        Self::InputGradient,
        Self::WeightGradient,
        Self::BothGradients,
        Self::BiasGradient,
        Self::Moments,
        Self::MonteCarlo,
        Self::Activation,
        Self::Predictive,
    ];

    /// For people; in small letters, with hyphens for spaces, it is what [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::InputGradient => "input gradient",
            Self::WeightGradient => "weight gradient",
            Self::BothGradients => "both gradients",
            Self::BiasGradient => "bias gradient",
            Self::Moments => "moments",
            Self::MonteCarlo => "Monte Carlo",
            Self::Activation => "activation",
            Self::Predictive => "predictive",
        }
    }
}

impl Kind {
    /// How operands and results are stored, of which a host chooses these two: what is said over masks is f32 always,
    /// and so are all tensors of an activation.
    pub const fn stored(self, operands: ElementType, results: ElementType) -> [ElementType; 2] {
        match self {
            Self::Moments | Self::MonteCarlo | Self::Predictive => [operands, ElementType::F32],
            Self::Activation => [ElementType::F32; 2],
            _ => [operands, results],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |kind: &Self| kind.name().to_lowercase().replace(' ', "-") == text;
        Self::ALL.into_iter().find(named).ok_or_else(|| format!("`{text}` is no call"))
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn every_name_is_read() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().to_lowercase().replace(' ', "-").parse(), Ok(kind));
        }
        assert!("forwards".parse::<Kind>().is_err());
    }
}
