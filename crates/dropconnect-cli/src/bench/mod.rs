//! `dropconnect bench`: all passes beside a dense layer and a stored mask, checked before they are timed.

mod baseline;
mod compare;
mod engine;
mod floor;
mod json;
mod measure;
mod problem;
mod report;
mod sample;
mod table;
mod template;

use dropconnect::gpu::Tuning;
use dropconnect::{DropProbability, ElementType, Mask, MaskKey, Shape};
use dropconnect_testing::Pass;
use indicatif::ProgressBar;

use crate::cli::{BenchOptions, DeviceKind, DeviceOptions, Dimension};
use crate::device::{self, Selected};
use crate::error::{About, CliError, shown};
use crate::interrupt;
use crate::output::{self, note, progress};
use crate::probability::warn_of_rounding;
use crate::target::Target;
use compare::Earlier;
use engine::Engine;
use json::{Entry, Environment, Memory, PassEntry, Report};
use measure::{Effort, Samples, Timer};
use problem::{PASSES, Problem, Way};

/// The layer of the paper's network, its MNIST layer, and one that divides by nothing.
const SHAPES: [[usize; 3]; 3] = [[128, 1024, 1024], [128, 800, 784], [100, 1001, 777]];
const PROBABILITIES: [f64; 2] = [0.5, 0.2];

/// What is to be measured.
struct Plan {
    shapes: Vec<Shape>,
    probabilities: Vec<DropProbability>,
    elements: Vec<ElementType>,
    effort: Effort,
}

impl Plan {
    fn new(options: &BenchOptions) -> Result<Self, CliError> {
        let mut shapes = options.shape.clone();
        if shapes.is_empty() {
            for [batch, outputs, inputs] in SHAPES {
                shapes.push(Shape::new(batch, outputs, inputs)?);
            }
        }
        if let Some(dimension) = options.sweep {
            if options.shape.len() > 1 {
                let given = options.shape.len();
                return Err(CliError::Usage(format!(
                    "--sweep goes from one shape; --shape is given {given} times"
                )));
            }
            shapes = sweep(shapes[0], dimension)?;
        }
        let probabilities = if options.p.is_empty() { &PROBABILITIES[..] } else { &options.p };
        let probabilities: Result<_, _> = probabilities.iter().map(|&p| DropProbability::new(p)).collect();
        let mut elements: Vec<_> = options.element.iter().map(|&element| element.into()).collect();
        if elements.is_empty() {
            elements.push(ElementType::F32);
        }
        let effort = Effort { warmup: options.warmup, repeats: options.repeats, budget: options.seconds };
        Ok(Self { shapes, probabilities: probabilities.about("--p")?, elements, effort })
    }

    /// Measurements, for the progress bar.
    fn steps(&self) -> u64 {
        let each = PASSES.len() * (1 + 2 * self.probabilities.len());
        (self.shapes.len() * self.elements.len() * each) as u64
    }
}

/// A quarter, half, once, twice and four times a dimension.
fn sweep(shape: Shape, dimension: Dimension) -> Result<Vec<Shape>, CliError> {
    let dims = [shape.batch(), shape.outputs(), shape.inputs()];
    let at = dimension as usize;
    let mut sizes: Vec<_> = [1, 2, 4, 8, 16].iter().map(|&k| (dims[at] * k).div_ceil(4)).collect();
    sizes.dedup();
    let shape = |size| {
        let mut dims = dims;
        dims[at] = size;
        Shape::new(dims[0], dims[1], dims[2]).about("--sweep")
    };
    sizes.into_iter().map(shape).collect()
}

/// Where the report goes, besides standard output.
struct Targets {
    json: Option<Target>,
    html: Option<Target>,
}

impl Targets {
    fn new(options: &BenchOptions) -> Result<Self, CliError> {
        let json = options.json.as_deref().map(Target::new).transpose()?;
        let html = options.html.as_deref().map(Target::new).transpose()?;
        if json.as_ref().zip(html.as_ref()).is_some_and(|(json, html)| json.is_same(html)) {
            let reason = "--json and --html name the same file; give each its own";
            return Err(CliError::Usage(reason.to_owned()));
        }
        Ok(Self { json, html })
    }

    /// Writes what was measured everywhere: a place that fails keeps it from no other. Returns the first failure.
    fn write(&self, report: &Report, earlier: Option<&Earlier>) -> Result<(), CliError> {
        let targets: Vec<_> = self.json.iter().chain(&self.html).collect();
        let mut outcomes = vec![output::summary(&table::text(report, earlier), &targets)];
        let written = |target: &Target, text: String| {
            target.write_all(text.as_bytes())?;
            output::say(&format!("wrote {}", shown(target.path())));
            Ok(())
        };
        if let Some(target) = &self.json {
            outcomes.push(output::json(report).and_then(|text| written(target, text + "\n")));
        }
        if let Some(target) = &self.html {
            outcomes.push(written(target, report::html(report)));
        }
        let mut failures = outcomes.into_iter().filter_map(Result::err);
        let first = failures.next();
        failures.for_each(|error| note(&format!("error: {error}")));
        first.map_or(Ok(()), Err)
    }
}

/// Runs the command.
pub fn run(options: &BenchOptions, device_options: &DeviceOptions) -> Result<(), CliError> {
    let plan = Plan::new(options)?;
    let targets = Targets::new(options)?;
    let earlier = options.compare.as_deref().map(Earlier::read).transpose()?;
    plan.probabilities.iter().for_each(warn_of_rounding);
    let mut device_options = device_options.clone();
    if options.tune && device_options.device == DeviceKind::Auto {
        // Kernel shapes are an adapter's: what would be found here is nothing to the CPU backend.
        device_options.device = DeviceKind::Gpu;
    }
    let mut device = device::select(&device_options)?;
    if device.gpu().is_none() && plan.elements.iter().any(|&element| element != ElementType::F32) {
        return Err(CliError::Usage(
            "--element: the CPU backend computes in f32; f16 and bf16 need an adapter, such as one of \
             --device gpu"
                .to_owned(),
        ));
    }
    if options.tune {
        let Some(gpu) = device.gpu() else {
            return Err(CliError::Usage(
                "--tune is for adapters (--device gpu); the CPU backend has one way".to_owned(),
            ));
        };
        let (shape, p) = (&plan.shapes[0], plan.probabilities[0]);
        let tuning = Tuning::measured(gpu.device(), gpu.queue(), shape, p)?;
        device.check()?;
        note(&format!("fastest for {shape}, p = {}: --tuning {tuning}", p.requested()));
        device = device::select(&DeviceOptions { tuning: Some(tuning), ..device_options })?;
    }
    let timer = Timer::of(device.gpu());
    let mut report = Report::new(Environment::of(&device.device), timer, &plan.effort);
    if let Some(gpu) = device.gpu() {
        report.multiply_adds_per_second = Some(floor::multiply_adds_per_second(gpu, timer)?);
    }
    if let Some(earlier) = &earlier {
        earlier.warn(&report);
    }
    let bar = progress(plan.steps());
    let outcome = problems(&device, timer, &plan, &mut report, &bar);
    bar.finish_and_clear();
    if let Err(error) = &outcome {
        if report.results.is_empty() {
            return outcome;
        }
        // What was measured before stays right, and may have taken hours.
        report.stopped = Some(error.to_string());
    }
    let written = targets.write(&report, earlier.as_ref());
    match (outcome, written) {
        (Ok(()), Ok(())) => interrupt::check(),
        (Ok(()), Err(error)) | (Err(error), Ok(())) => Err(error),
        (Err(error), Err(unwritten)) => {
            note(&format!("error: {unwritten}"));
            Err(error)
        }
    }
}

/// All problems of a plan, into the report: what stands there when one fails is good.
fn problems(
    device: &Selected,
    timer: Timer,
    plan: &Plan,
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<(), CliError> {
    let rate = report.multiply_adds_per_second;
    for shape in &plan.shapes {
        for &element in &plan.elements {
            let results = problem(device, timer, plan, (*shape, element), rate, bar, &mut report.results);
            device.checked(results)?;
        }
    }
    Ok(())
}

/// One shape and element type at every p. The dense layer is the same at all of them.
fn problem(
    device: &Selected,
    timer: Timer,
    plan: &Plan,
    (shape, element): (Shape, ElementType),
    rate: Option<f64>,
    bar: &ProgressBar,
    results: &mut Vec<Entry>,
) -> Result<(), CliError> {
    let problem = Problem::new(shape, element, device.gpu().is_some())?;
    let mut engine = Engine::new(device.gpu(), timer, &problem)?;
    let mut dense = Vec::new();
    for pass in PASSES {
        dense.push(timed(&mut engine, &problem, pass, Way::Dense, plan, bar)?.1);
    }
    for &probability in &plan.probabilities {
        let mask = Mask::new(MaskKey::new(42, 0).at_step(1), probability);
        let missing = engine.store_mask(&mask)?;
        let mut passes = Vec::new();
        let outcome = PASSES.into_iter().zip(&dense).try_for_each(|(pass, dense)| {
            let (error, ours) = timed(&mut engine, &problem, pass, Way::Ours(&mask), plan, bar)?;
            let stored_mask = match missing {
                None => Some(timed(&mut engine, &problem, pass, Way::Stored(&mask), plan, bar)?.1),
                Some(_) => {
                    bar.inc(1);
                    None
                }
            };
            let floor_ms = rate.map(|rate| floor::floor_ms(&probability, pass, &shape, rate));
            let dense = dense.clone();
            passes.push(PassEntry { pass: pass.name(), error, floor_ms, ours, dense, stored_mask });
            // There is something to keep now.
            interrupt::defer();
            Ok::<_, CliError>(())
        });
        let memory = Memory {
            tensors: problem.tensor_bytes(),
            ours_extra: engine.parameter_bytes(),
            stored_mask_extra: engine.stored_bytes(),
        };
        // The device's own word on these passes, before they count.
        device.check()?;
        if !passes.is_empty() {
            results.push(Entry::new(&shape, element, &probability, memory, missing, passes));
        }
        outcome?;
    }
    Ok(())
}

/// Checks one way to do a pass, and times it. Returns the error of its results, too.
fn timed(
    engine: &mut Engine,
    problem: &Problem,
    pass: Pass,
    way: Way,
    plan: &Plan,
    bar: &ProgressBar,
) -> Result<(f64, Samples), CliError> {
    interrupt::check()?;
    bar.set_message(format!("{}: {}, {}, {}", pass.name(), way.name(), problem.shape, problem.element));
    let error = checked(engine, problem, pass, way)?;
    let samples = engine.time(pass, way, &plan.effort)?;
    bar.inc(1);
    Ok((error, samples))
}

/// Compares a sample of each of a pass's results with float64. Returns the largest relative error.
fn checked(engine: &mut Engine, problem: &Problem, pass: Pass, way: Way) -> Result<f64, CliError> {
    let mask = match way {
        Way::Ours(mask) | Way::Stored(mask) => Some(mask),
        Way::Dense => None,
    };
    let mut largest = 0.0f64;
    for (&part, got) in pass.parts().iter().zip(engine.results(pass, way)?) {
        let error = sample::relative_error(problem, part, mask, &got);
        let bound = sample::bound(problem, part);
        if error.is_nan() || error > bound {
            return Err(CliError::Check(format!(
                "{}, {}, {}, {}: relative error {error:.1e} against float64, of {bound:.1e} allowed; nothing \
                 more is timed",
                pass.name(),
                way.name(),
                problem.shape,
                problem.element
            )));
        }
        largest = largest.max(error);
    }
    Ok(largest)
}
