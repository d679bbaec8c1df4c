//! A build of this program in a process of its own, whose samples are of the rounds here: the one that `--baseline`
//! names, and this one beside it. A process pays for being woken and for its caches: both sides pay alike.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use super::environment::Environment;
use super::json::Baseline;
use super::process::{Named, Prepared, Process};
use super::protocol::{Greeting, PROTOCOL, Task};
use super::stopwatch::Timer;
use crate::cli::DeviceOptions;
use crate::error::{CliError, shown};
use crate::escape::excerpt;

/// The variable that makes the environments and paths of all builds as long, modulo a page.
const PADDING: &str = "DROPCONNECT_PADDING";
const PAGE: usize = 4096;

/// A build that is running.
pub struct Served {
    process: Process,
    pub about: Baseline,
}

impl Served {
    /// Starts it on the same device; `name` stands in messages. Fails where it does not speak the protocol, or
    /// is on another device.
    fn start(name: String, program: &Path, options: &DeviceOptions, how: &Start) -> Result<Self, CliError> {
        let mut command = Command::new(program);
        command.args(arguments(options, &how.environment));
        // Where the stack begins depends on the length of the program's path, and how fast some loops are on where the
        // stack begins (Mytkowicz et al., ASPLOS 2009): 1.4 % of the CPU backend's forward pass. So all have one name,
        // and what is left of their paths is made up for.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, "dropconnect");
        command.env(PADDING, "-".repeat(PAGE - program.as_os_str().len() % PAGE));
        let needed = format!("a build of `dropconnect` that knows `bench-serve`, protocol {PROTOCOL},");
        let (process, greeting) = Process::start(command, Named { name, needed }, how.timeout)?;
        let file = program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let Greeting { version, adapter, kernels, timer, .. } = greeting;
        for (what, there, here) in
            [("adapter", &adapter, how.environment.adapter.as_str()), ("timer", &timer, how.timer.describe())]
        {
            if there != here {
                let there = excerpt(there);
                return Err(
                    process.fault(&format!("its {what} is `{there}` and ours `{here}`: no comparison"))
                );
            }
        }
        let [version, adapter, kernels] = [version, adapter, kernels].map(|text| excerpt(&text));
        Ok(Self { process, about: Baseline { file, version, adapter, kernels } })
    }

    /// Prepares a pass.
    fn prepare(&mut self, task: &Task) -> Result<(), CliError> {
        match self.process.prepare(task)? {
            Prepared::Ready(_) => Ok(()),
            Prepared::Unable(reason) => {
                let Task { batch, outputs, inputs, element, pass, .. } = task;
                let of = format!("{pass}, {batch} x {outputs} x {inputs}, {element}");
                Err(self.process.fault(&format!("it does not do {of}: {reason}")))
            }
        }
    }

    /// How long so many calls of it take.
    pub fn sample(&mut self, calls: u32, warm_up: bool) -> Result<Duration, CliError> {
        self.process.sample(calls, warm_up)
    }
}

/// Those with which it finds the device of ours.
pub fn arguments(options: &DeviceOptions, environment: &Environment) -> Vec<String> {
    let device = if environment.by().is_none() { "cpu" } else { "gpu" };
    let mut arguments = vec!["bench-serve".to_owned(), "--device".to_owned(), device.to_owned()];
    let mut give = |option: &str, value: Option<String>| {
        arguments.extend(value.into_iter().flat_map(|value| [option.to_owned(), value]));
    };
    let backend = options.backend.and_then(|backend| backend.to_possible_value());
    give("--backend", backend.map(|value| value.get_name().to_owned()));
    give("--adapter", options.adapter.clone());
    give("--tuning", options.tuning.as_ref().map(ToString::to_string));
    arguments
}

/// This build and an earlier one, both served.
pub struct Pair {
    pub ours: Served,
    pub earlier: Served,
    how: Start,
}

/// How they are started.
pub struct Start {
    /// The earlier build.
    pub program: PathBuf,
    /// The options of the earlier build, and of ours, which may have found a tuning.
    pub options: [DeviceOptions; 2],
    pub environment: Environment,
    pub timer: Timer,
    /// With each answer.
    pub timeout: Duration,
}

impl Start {
    fn start(&self) -> Result<[Served; 2], CliError> {
        let Self { program, options: [theirs, ours], .. } = self;
        let name = format!("--baseline {}", shown(program));
        let earlier = Served::start(name, program, theirs, self)?;
        let fault =
            |error| CliError::Usage(format!("--baseline: this program's own file is not known: {error}"));
        let name = "--baseline, this build".to_owned();
        let own = std::env::current_exe().map_err(fault)?;
        Ok([Served::start(name, &own, ours, self)?, earlier])
    }
}

impl Pair {
    pub fn start(how: Start) -> Result<Self, CliError> {
        let [ours, earlier] = how.start()?;
        Ok(Self { ours, earlier, how })
    }

    /// Both anew: where a process happens to lie in memory is worth a percent or three to it.
    pub fn restart(&mut self) -> Result<(), CliError> {
        [self.ours, self.earlier] = self.how.start()?;
        Ok(())
    }

    pub fn prepare(&mut self, task: &Task) -> Result<(), CliError> {
        self.earlier.prepare(task)?;
        self.ours.prepare(task)
    }
}
