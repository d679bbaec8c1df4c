//! `dropconnect bench-serve`: this build as the earlier one of a later build's `bench --baseline`, or with a name
//! beside any.

use std::io::{self, BufRead, Read};

use dropconnect::{DropProbability, ElementType, Mask, MaskKey, Shape};

use super::checked;
use super::engine::Engine;
use super::environment::Environment;
use super::problem::{Implementation, PASSES, Problem};
use super::protocol::{Greeting, LONGEST, PROTOCOL, Reply, Request, Task};
use super::stopwatch::Timer;
use crate::cli::{DeviceOptions, ServeOptions};
use crate::device::{self, Selected};
use crate::error::CliError;
use crate::output;

/// Answers until standard input ends.
pub fn run(options: &ServeOptions, device: &DeviceOptions) -> Result<(), CliError> {
    let device = device::select(device)?;
    let timer = Timer::of(device.gpu());
    let mut next = request()?;
    while let Some(asked) = next {
        next = match asked {
            Request::Hello(PROTOCOL) => {
                reply(&Reply::Hello(Greeting::new(
                    options.name.clone(),
                    &Environment::of(&device.device),
                    timer,
                )))?;
                request()?
            }
            Request::Prepare(task) => match task.problem() {
                Ok(problem) => serve(&device, timer, &problem)?,
                Err(reason) => {
                    reply(&Reply::Unable(reason))?;
                    request()?
                }
            },
            other => return Err(out_of_place(&other)),
        };
    }
    Ok(())
}

/// Prepares a pass and samples it, until something else is asked for.
fn serve(
    device: &Selected,
    timer: Timer,
    (shape, element, probability, pass): &Asked,
) -> Result<Option<Request>, CliError> {
    let served = || {
        let problem = Problem::new(*shape, *element, device.gpu().is_some())?;
        let mut engine = Engine::new(device.gpu(), timer, &problem)?;
        let mask = Mask::new(MaskKey::new(42, 0).at_step(1), *probability);
        let implementation = Implementation::Ours(&mask);
        reply(&Reply::Ready(checked(&mut engine, &problem, *pass, implementation)?))?;
        let timed = engine.timed(*pass, implementation)?;
        loop {
            match request()? {
                Some(Request::Sample { calls, warm_up }) => {
                    let taken = engine.sample(&timed, calls, warm_up)?;
                    device.check()?;
                    reply(&Reply::Milliseconds(taken.as_secs_f64() * 1e3))?;
                }
                other => return Ok(other),
            }
        }
    };
    let answered: Result<_, CliError> = served();
    if let Err(error) = &answered {
        reply(&Reply::Fault(error.to_string()))?;
    }
    answered
}

/// What a task comes to.
pub type Asked = (Shape, ElementType, DropProbability, dropconnect_testing::Kind);

impl Task {
    /// The problem, or why there is none.
    pub fn problem(&self) -> Result<Asked, String> {
        let shape = Shape::new(self.batch, self.outputs, self.inputs).map_err(|error| error.to_string())?;
        let probability = DropProbability::new(self.p).map_err(|error| error.to_string())?;
        let element = ElementType::ALL.into_iter().find(|element| element.name() == self.element);
        let element = element.ok_or_else(|| format!("this build has no element type `{}`", self.element))?;
        let pass = PASSES.into_iter().find(|pass| pass.name() == self.pass);
        let pass = pass.ok_or_else(|| format!("this build times no pass `{}`", self.pass))?;
        if shape.batch() == 0 {
            return Err("`batch` is 0; there is nothing to time".to_owned());
        }
        Ok((shape, element, probability, pass))
    }
}

fn out_of_place(request: &Request) -> CliError {
    let request = request.shown();
    CliError::Usage(format!("bench-serve: {request} is not to be answered here; protocol {PROTOCOL}"))
}

/// The next line; none at the end.
fn request() -> Result<Option<Request>, CliError> {
    let fault = |what: &str| CliError::Usage(format!("bench-serve: {what}"));
    let mut line = String::new();
    let read = io::stdin().lock().take(LONGEST).read_line(&mut line);
    match read.map_err(|error| fault(&format!("standard input: {error}")))? {
        0 => Ok(None),
        _ => Request::parse(&line).map(Some).map_err(|error| fault(&error)),
    }
}

fn reply(reply: &Reply) -> Result<(), CliError> {
    let line = serde_json::to_string(reply).map_err(|error| CliError::Stdout(error.into()))?;
    output::print_bytes((line + "\n").as_bytes())
}
