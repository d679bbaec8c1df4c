//! What is to be measured, from the command line.

use std::time::Duration;

use dropconnect::{DropProbability, ElementType, Shape};
use dropconnect_testing::Kind;

use super::problem::PASSES;
use super::rounds::TimeBudget;
use crate::cli::{BenchOptions, BenchPass, Dimension, Rival};
use crate::error::{About, CliError};

/// What no option says.
struct Defaults {
    shapes: &'static [[usize; 3]],
    probabilities: &'static [f64],
    passes: &'static [Kind],
    rivals: &'static [Rival],
    budget: Duration,
}

/// The layer of the paper's network, its MNIST layer, and one that divides by nothing.
const FULL: Defaults = Defaults {
    shapes: &[[128, 1024, 1024], [128, 800, 784], [100, 1001, 777]],
    probabilities: &[0.5, 0.2],
    passes: &PASSES,
    rivals: &[Rival::Dense, Rival::Shared, Rival::Stored],
    budget: Duration::from_millis(400),
};
/// `--quick`: eight kernels to compile, the stored mask's among them.
const QUICK: Defaults = Defaults {
    shapes: &[[128, 512, 512]],
    probabilities: &[0.5],
    passes: &[Kind::Forward, Kind::WeightGradient],
    rivals: &[Rival::Dense, Rival::Stored],
    budget: Duration::from_millis(200),
};

/// What is to be measured.
pub struct Plan {
    pub shapes: Vec<Shape>,
    pub probabilities: Vec<DropProbability>,
    pub elements: Vec<ElementType>,
    pub passes: Vec<Kind>,
    pub rivals: Vec<Rival>,
    pub time_budget: TimeBudget,
}

impl Plan {
    pub fn new(options: &BenchOptions) -> Result<Self, CliError> {
        let mut shapes = options.shape.clone();
        let defaults = if options.quick { &QUICK } else { &FULL };
        if shapes.is_empty() {
            for &[batch, outputs, inputs] in defaults.shapes {
                shapes.push(Shape::new(batch, outputs, inputs)?);
            }
        }
        if !options.sweep.is_empty() {
            if options.shape.len() > 1 {
                let given = options.shape.len();
                return Err(CliError::Usage(format!(
                    "--sweep goes from one shape; --shape is given {given} times"
                )));
            }
            let shape = shapes[0];
            shapes.clear();
            for &dimension in &options.sweep {
                for swept in sweep(shape, dimension)? {
                    // All dimensions go through the shape itself.
                    if !shapes.contains(&swept) {
                        shapes.push(swept);
                    }
                }
            }
        }
        let probabilities = if options.p.is_empty() { defaults.probabilities } else { &options.p };
        let probabilities: Result<_, _> = probabilities.iter().map(|&p| DropProbability::new(p)).collect();
        let mut elements: Vec<_> = options.element.iter().map(|&element| element.into()).collect();
        if elements.is_empty() {
            elements.push(ElementType::F32);
        }
        let mut passes: Vec<_> = options.pass.iter().map(|&pass| pass.into()).collect();
        if passes.is_empty() {
            passes = defaults.passes.to_vec();
        }
        let mut rivals = options.rival.clone();
        if rivals.is_empty() {
            rivals = defaults.rivals.to_vec();
        }
        if rivals.contains(&Rival::None) && rivals.len() > 1 {
            return Err(CliError::Usage(
                "--rival none goes with no other rival; leave one of them out".to_owned(),
            ));
        }
        let time_budget = TimeBudget {
            warmup: options.warmup,
            repeats: options.repeats,
            budget: options.seconds.unwrap_or(defaults.budget),
        };
        Ok(Self { shapes, probabilities: probabilities.about("--p")?, elements, passes, rivals, time_budget })
    }

    pub fn has(&self, rival: Rival) -> bool {
        self.rivals.contains(&rival)
    }

    /// Contests, for the progress bar.
    pub fn steps(&self) -> u64 {
        (self.shapes.len() * self.elements.len() * self.passes.len() * self.probabilities.len()) as u64
    }
}

impl From<BenchPass> for Kind {
    fn from(pass: BenchPass) -> Self {
        match pass {
            BenchPass::Forward => Self::Forward,
            BenchPass::InputGradient => Self::InputGradient,
            BenchPass::WeightGradient => Self::WeightGradient,
            BenchPass::BothGradients => Self::BothGradients,
        }
    }
}

/// A quarter, half, once, twice and four times a dimension.
fn sweep(shape: Shape, dimension: Dimension) -> Result<Vec<Shape>, CliError> {
    let dims = [shape.batch(), shape.outputs(), shape.inputs()];
    let at = dimension as usize;
    let mut sizes: Vec<_> =
        [1, 2, 4, 8, 16].iter().map(|&k| dims[at].saturating_mul(k).div_ceil(4)).collect();
    sizes.dedup();
    let shape = |size| {
        let mut dims = dims;
        dims[at] = size;
        Shape::new(dims[0], dims[1], dims[2]).about("--sweep")
    };
    sizes.into_iter().map(shape).collect()
}
