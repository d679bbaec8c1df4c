//! `dropconnect bench`: all passes beside a dense layer and a stored mask, checked before they are timed.

mod beside;
mod engine;
mod environment;
mod floor;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod json;
mod machine;
mod on_cpu;
mod page;
mod plan;
mod problem;
mod process;
mod protocol;
mod rounds;
mod sample;
mod serve;
mod served;
mod statistics;
mod stopwatch;
mod stored_mask;
mod table;
mod targets;
mod template;
mod words;

pub use serve::run as serve;

use std::path::PathBuf;

use dropconnect::gpu::Tuning;
use dropconnect::{DropProbability, ElementType, Mask, MaskKey, Shape, Sharing};
use dropconnect_testing::Kind;
use indicatif::ProgressBar;

use crate::cli::{BenchOptions, DeviceKind, DeviceOptions, Rival};
use crate::device::{self, Selected};
use crate::error::CliError;
use crate::interrupt;
use crate::output::{note, progress};
use crate::probability::warn_of_rounding;
use beside::Programs;
use engine::Engine;
use environment::Environment;
use floor::{Floor, Meter};
use json::{Beside, Entry, Memory, PassEntry, Report, Samples};
use machine::Watch;
use plan::Plan;
use problem::{Problem, Way, moved_elements, multiply_adds};
use process::Prepared;
use protocol::Task;
use served::{Start, Twins};
use statistics::Verdict;
use stopwatch::Timer;
use targets::Targets;

/// Runs the command.
pub fn run(options: &BenchOptions, given: &DeviceOptions) -> Result<(), CliError> {
    let plan = Plan::new(options)?;
    let targets = Targets::new(options)?;
    plan.probabilities.iter().for_each(warn_of_rounding);
    let mut device_options = given.clone();
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
        device_options.tuning = Some(tuning);
        device = device::select(&device_options)?;
    }
    let timer = Timer::of(device.gpu());
    let mut report = Report::new(Environment::of(&device.device), timer);
    let start = |program: &PathBuf| {
        Twins::start(Start {
            program: program.clone(),
            options: [given.clone(), device_options.clone()],
            environment: report.environment.clone(),
            timer,
            patience: options.patience,
        })
    };
    let mut twins = options.baseline.as_ref().map(start).transpose()?;
    report.baseline = twins.as_ref().map(|twins| twins.earlier.about.clone());
    let mut programs = Programs::start(&options.beside, given, &report.environment, options.patience)?;
    report.beside = programs.about();
    let watch = Watch::start(device.gpu());
    let meter = device.gpu().map(|gpu| Meter::new(gpu, timer)).transpose()?;
    device.check()?;
    report.rates = meter.as_ref().map(Meter::rates).transpose()?;
    device.check()?;
    let bar = progress(plan.steps());
    let outcome = problems(&device, timer, &plan, (twins.as_mut(), &mut programs), &mut report, &bar);
    bar.finish_and_clear();
    report.machine = Some(watch.stop(&report));
    if let (Ok(()), Some(meter), Some(rates)) = (&outcome, &meter, report.rates.take()) {
        // Again: a floor from rates of a slower moment would be none.
        report.rates = Some(rates.best(&meter.rates()?));
    }
    floors(&device, &plan, &mut report)?;
    if let Err(error) = &outcome {
        if report.results.is_empty() {
            return outcome;
        }
        // What was measured before stays right, and may have taken hours.
        report.stopped = Some(error.to_string());
    }
    let written = targets.write(&report);
    match (outcome, written) {
        (Ok(()), Ok(())) => interrupt::check(),
        (Ok(()), Err(error)) | (Err(error), Ok(())) => Err(error),
        (Err(error), Err(unwritten)) => {
            note(&format!("error: {unwritten}"));
            Err(error)
        }
    }
}

/// The floors of all passes, once all rates are known.
fn floors(device: &Selected, plan: &Plan, report: &mut Report) -> Result<(), CliError> {
    let (Some(gpu), Some(rates)) = (device.gpu(), &report.rates) else { return Ok(()) };
    let mask_op = gpu.kernels().tuning().mask_op;
    for entry in &mut report.results {
        let shape = Shape::new(entry.batch, entry.outputs, entry.inputs)?;
        let probability = DropProbability::new(entry.p)?;
        let element = ElementType::ALL.into_iter().find(|element| element.name() == entry.element);
        let element = element.unwrap_or(ElementType::F32);
        for pass in &mut entry.passes {
            let Some(&of) = plan.passes.iter().find(|of| of.name() == pass.pass) else { continue };
            let bytes = [entry.memory.tensors, moved_elements(of, &shape) * element.size() as u64];
            pass.floor = Some(Floor::of(rates, mask_op, &probability, of, &shape, bytes));
        }
    }
    Ok(())
}

/// All problems of a plan, into the report: what stands there when one fails is good.
fn problems(
    device: &Selected,
    timer: Timer,
    plan: &Plan,
    (mut twins, programs): (Option<&mut Twins>, &mut Programs),
    report: &mut Report,
    bar: &ProgressBar,
) -> Result<(), CliError> {
    for &shape in &plan.shapes {
        for &element in &plan.elements {
            let outcome = Problem::new(shape, element, device.gpu().is_some()).and_then(|problem| {
                let mut engine = Engine::new(device.gpu(), timer, &problem)?;
                plan.probabilities.iter().try_for_each(|&probability| {
                    let twins = twins.as_deref_mut();
                    let (problem, engine, programs) = (&problem, &mut engine, &mut *programs);
                    let mut bench = Bench { device, plan, problem, engine, twins, programs, bar };
                    bench.entry(probability, &mut report.results)
                })
            });
            device.checked(outcome)?;
        }
    }
    Ok(())
}

/// One problem on a device.
struct Bench<'a, 'e> {
    device: &'a Selected,
    plan: &'a Plan,
    problem: &'a Problem,
    engine: &'a mut Engine<'e>,
    twins: Option<&'a mut Twins>,
    programs: &'a mut Programs,
    bar: &'a ProgressBar,
}

impl Bench<'_, '_> {
    /// All passes at one p.
    fn entry(&mut self, probability: DropProbability, results: &mut Vec<Entry>) -> Result<(), CliError> {
        let mask = Mask::new(MaskKey::new(42, 0).at_step(1), probability);
        let shared = mask.shared(Sharing::Batch);
        let missing = if self.plan.has(Rival::Stored) { self.engine.store_mask(&mask)? } else { None };
        let mut ways = vec![Way::Ours(&mask)];
        for (rival, way, there) in [
            (Rival::Dense, Way::Dense, true),
            (Rival::Shared, Way::Shared(&shared), true),
            (Rival::Stored, Way::Stored(&mask), missing.is_none()),
        ] {
            ways.extend((self.plan.has(rival) && there).then_some(way));
        }
        let mut passes = Vec::new();
        let outcome = self.plan.passes.iter().try_for_each(|&pass| {
            passes.push(self.pass(pass, &ways, probability)?);
            self.bar.inc(1);
            // There is something to keep now.
            interrupt::defer();
            Ok::<_, CliError>(())
        });
        let memory = Memory {
            tensors: self.problem.tensor_bytes(),
            ours_extra: self.engine.parameter_bytes(),
            stored_mask_extra: self.engine.stored_bytes(),
        };
        // The device's own word on these passes, before they count.
        self.device.check()?;
        if !passes.is_empty() {
            let (shape, element) = (&self.problem.shape, self.problem.element);
            results.push(Entry::new(shape, element, &probability, memory, missing, passes));
        }
        outcome
    }

    /// Checks all ways to do a pass, and has them take turns. The first is ours.
    fn pass(
        &mut self,
        pass: Kind,
        ways: &[Way],
        probability: DropProbability,
    ) -> Result<PassEntry, CliError> {
        let Problem { shape, element, .. } = self.problem;
        let (mut lanes, mut errors) = (Vec::new(), Vec::new());
        for &way in ways {
            interrupt::check()?;
            self.bar.set_message(format!("{}: {}, {shape}, {element}", pass.name(), way.name()));
            errors.push(checked(self.engine, self.problem, pass, way)?);
            lanes.push(self.engine.lane(pass, way)?);
        }
        let task = Task::new(shape, *element, probability.requested(), pass);
        let prepared = self.programs.prepare(&task)?;
        let ready = |(which, one): (usize, &Prepared)| matches!(one, Prepared::Ready(_)).then_some(which);
        let able: Vec<_> = prepared.iter().enumerate().filter_map(ready).collect();
        let others = ways.len() + able.len();
        if let Some(twins) = &mut self.twins {
            twins.prepare(&task)?;
        }
        let twin = self.twins.is_some().then_some(others);
        let entrants = others + usize::from(twin.is_some());
        let effort = &self.plan.effort;
        let mut series = rounds::contest(effort, entrants, twin, |way, calls, lead| match &mut self.twins {
            Some(twins) if way == 0 => twins.ours.sample(calls, lead),
            Some(twins) if way == others => twins.earlier.sample(calls, lead),
            _ if way < ways.len() => self.engine.sample(&lanes[way], calls, lead),
            _ => self.programs.sample(able[way - ways.len()], calls, lead),
        })?;
        let mut verdicts = twin.map_or_else(Vec::new, |twin| vec![series[0].verdict(&series[twin])]);
        while let (Some(twins), Some(twin), true) = (&mut self.twins, twin, Verdict::needs_another(&verdicts))
        {
            twins.restart()?;
            twins.prepare(&task)?;
            let again = rounds::contest(effort, 2, Some(1), |way, calls, lead| {
                [&mut twins.ours, &mut twins.earlier][way].sample(calls, lead)
            })?;
            verdicts.push(again[0].verdict(&again[1]));
            series[0].milliseconds.extend(&again[0].milliseconds);
            series[twin].milliseconds.extend(&again[1].milliseconds);
        }
        let products = multiply_adds(pass, shape);
        let ours = Samples::new(&series[0], products);
        let mut entry = PassEntry::new(pass.name(), errors[0], ours);
        for (way, series_of) in ways.iter().zip(&series).skip(1) {
            let samples = Some(Samples::beside(series_of, products, &series[0]));
            match way {
                Way::Ours(_) => {}
                Way::Dense => entry.dense = samples,
                Way::Shared(_) => entry.shared_mask = samples,
                Way::Stored(_) => entry.stored_mask = samples,
            }
        }
        let mut timed = series[ways.len()..].iter().map(|one| Samples::beside(one, products, &series[0]));
        for (program, prepared) in self.programs.about().into_iter().zip(prepared) {
            let (error, missing) = match prepared {
                Prepared::Ready(error) => (Some(error), None),
                Prepared::Unable(reason) => (None, Some(reason)),
            };
            let samples = error.and_then(|_| timed.next());
            entry.beside.push(Beside { name: program.name, error, missing, samples });
        }
        entry.baseline =
            twin.map(|twin| Samples::of_baseline(&series[twin], products, &series[0], &verdicts));
        Ok(entry)
    }
}

/// Compares a sample of each of a pass's results with float64. Returns the largest relative error.
fn checked(engine: &mut Engine, problem: &Problem, pass: Kind, way: Way) -> Result<f64, CliError> {
    let mut largest = 0.0f64;
    for (&part, got) in problem::parts(pass).iter().zip(engine.results(pass, way)?) {
        let error = sample::relative_error(problem, part, way.mask(), &got);
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
