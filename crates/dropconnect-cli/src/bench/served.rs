//! A build of this program in a process of its own, whose samples are of the rounds here: the one that `--baseline`
//! names, and this one beside it. A process pays for being woken and for its caches: both sides pay alike.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use super::environment::Environment;
use super::json::Baseline;
use super::protocol::{Greeting, LONGEST, PROTOCOL, Reply, Request, Task};
use super::stopwatch::Timer;
use crate::cli::DeviceOptions;
use crate::error::{CliError, shown};
use crate::escape::excerpt;
use crate::interrupt;

/// No answer takes longer: drivers compile for minutes at worst.
const PATIENCE: Duration = Duration::from_secs(300);
/// How often a signal is looked for meanwhile.
const MOMENT: Duration = Duration::from_millis(100);
/// The variable that makes the environments and paths of all builds as long, modulo a page.
const PADDING: &str = "DROPCONNECT_PADDING";
const PAGE: usize = 4096;

/// A build that is running.
pub struct Served {
    /// For messages.
    name: String,
    child: Child,
    /// `None` once it is to end.
    requests: Option<ChildStdin>,
    replies: Receiver<String>,
    complaints: Arc<Mutex<String>>,
    listener: Option<thread::JoinHandle<()>>,
    pub about: Baseline,
}

impl Served {
    /// Starts it on the same device; `name` stands in messages. Fails where it does not speak the protocol, or
    /// is on another device.
    pub fn start(
        name: String,
        program: &Path,
        (options, slow_down): (&DeviceOptions, f64),
        environment: &Environment,
        timer: Timer,
    ) -> Result<Self, CliError> {
        let mut command = Command::new(program);
        command.args(arguments(options, environment));
        if slow_down > 0.0 {
            command.args(["--slow-down".to_owned(), slow_down.to_string()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Where the stack begins depends on the length of the program's path, and how fast some loops are on where the
        // stack begins (Mytkowicz et al., ASPLOS 2009): 1.4 % of the CPU backend's forward pass. So all have one name,
        // and what is left of their paths is made up for.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::arg0(&mut command, "dropconnect");
        command.env(PADDING, "-".repeat(PAGE - program.as_os_str().len() % PAGE));
        // Ctrl-C is ours to answer: it ends when its standard input does.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .spawn()
            .map_err(|error| CliError::Usage(format!("{name}: it does not start: {error}")))?;
        let (sender, replies) = channel();
        if let Some(output) = child.stdout.take() {
            thread::spawn(move || {
                let mut output = BufReader::new(output);
                loop {
                    let mut line = Vec::new();
                    let read = output.by_ref().take(LONGEST).read_until(b'\n', &mut line);
                    let line = String::from_utf8_lossy(&line).into_owned();
                    if !matches!(read, Ok(1..)) || sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let complaints = Arc::<Mutex<String>>::default();
        let listener = child.stderr.take().map(|mut errors| {
            let complaints = Arc::clone(&complaints);
            thread::spawn(move || {
                let mut bytes = [0; 1024];
                while let Ok(read @ 1..) = errors.read(&mut bytes) {
                    let mut kept = complaints.lock().unwrap_or_else(PoisonError::into_inner);
                    if (kept.len() as u64) < LONGEST {
                        *kept += &String::from_utf8_lossy(&bytes[..read]);
                    }
                }
            })
        });
        let about = Baseline {
            file: program.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
            version: String::new(),
            adapter: String::new(),
            kernels: String::new(),
        };
        let requests = child.stdin.take();
        let mut build = Self { name, child, requests, replies, complaints, listener, about };
        match build.ask(&Request::Hello(PROTOCOL))? {
            Reply::Hello(greeting) if greeting.protocol == PROTOCOL => {
                build.greeted(greeting, environment, timer)?
            }
            other => {
                let answer = format!("it answers {}; protocol {PROTOCOL} is needed", other.shown());
                return Err(build.fault(&answer));
            }
        }
        Ok(build)
    }

    /// Takes down who it is, and refuses what cannot be compared.
    fn greeted(&mut self, greeting: Greeting, here: &Environment, timer: Timer) -> Result<(), CliError> {
        for (what, there, here) in [
            ("adapter", greeting.adapter.as_str(), here.adapter.as_str()),
            ("timer", &greeting.timer, timer.describe()),
        ] {
            if there != here {
                let there = excerpt(there);
                return Err(self.fault(&format!("its {what} is `{there}` and ours `{here}`: no comparison")));
            }
        }
        let [version, adapter, kernels] =
            [greeting.version, greeting.adapter, greeting.kernels].map(|text| excerpt(&text));
        self.about = Baseline { version, adapter, kernels, ..self.about.clone() };
        Ok(())
    }

    /// Prepares a pass.
    fn prepare(&mut self, task: &Task) -> Result<(), CliError> {
        match self.ask(&Request::Prepare(task.clone()))? {
            Reply::Ready(_) => Ok(()),
            Reply::Unable(reason) => {
                let Task { batch, outputs, inputs, element, pass, .. } = task;
                let of = format!("{pass}, {batch} x {outputs} x {inputs}, {element}");
                Err(self.fault(&format!("it does not do {of}: {}", excerpt(&reason))))
            }
            other => Err(self.unexpected(&other)),
        }
    }

    /// How long so many calls of it take.
    pub fn sample(&mut self, calls: u32, lead: bool) -> Result<Duration, CliError> {
        let reply = self.ask(&Request::Sample { calls, lead })?;
        reply.duration().ok_or_else(|| self.unexpected(&reply))
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, CliError> {
        let line = serde_json::to_string(request).map_err(|error| self.fault(&error.to_string()))? + "\n";
        // A program that has ended has said why; its answer, or none, is looked at below.
        if let Some(requests) = &mut self.requests {
            let _ = requests.write_all(line.as_bytes()).and_then(|()| requests.flush());
        }
        let start = Instant::now();
        let line = loop {
            interrupt::check()?;
            match self.replies.recv_timeout(MOMENT) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Timeout) if start.elapsed() < PATIENCE => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.fault(&format!("no answer within {} s", PATIENCE.as_secs())));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.hear_out();
                    return Err(self.fault("it ended without an answer"));
                }
            }
        };
        Reply::parse(&line).map_err(|fault| self.fault(&fault))
    }

    /// Waits for the last of what it says, unless somebody else holds that open.
    fn hear_out(&self) {
        for _ in 0..10 {
            if self.listener.as_ref().is_none_or(thread::JoinHandle::is_finished) {
                return;
            }
            thread::sleep(MOMENT);
        }
    }

    fn unexpected(&self, reply: &Reply) -> CliError {
        self.fault(&format!("it answers {}, which was not asked", reply.shown()))
    }

    fn fault(&self, what: &str) -> CliError {
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        // What it says of its device is no complaint.
        let complaint = complaints.lines().find(|line| !line.is_empty() && !line.starts_with("device: "));
        let complaint = complaint.map_or_else(String::new, |line| format!(" (it says: {})", excerpt(line)));
        CliError::Usage(format!(
            "{}: {what}{complaint}; a build of `dropconnect` that knows `bench-serve`, protocol {PROTOCOL}, is \
             needed",
            self.name
        ))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The end of its input is the end of its work; what does not take notice is not waited for.
        self.requests = None;
        for _ in 0..20 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(MOMENT / 10);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Those with which it finds the device of ours.
fn arguments(options: &DeviceOptions, environment: &Environment) -> Vec<String> {
    let device = if environment.backend == "none" { "cpu" } else { "gpu" };
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
pub struct Twins {
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
    /// Of ours, in percent.
    pub slow_down: f64,
}

impl Start {
    fn start(&self) -> Result<[Served; 2], CliError> {
        let Self { program, options: [theirs, ours], environment, timer, slow_down } = self;
        let name = format!("--baseline {}", shown(program));
        let earlier = Served::start(name, program, (theirs, 0.0), environment, *timer)?;
        let fault =
            |error| CliError::Usage(format!("--baseline: this program's own file is not known: {error}"));
        let name = "--baseline, this build".to_owned();
        let own = std::env::current_exe().map_err(fault)?;
        Ok([Served::start(name, &own, (ours, *slow_down), environment, *timer)?, earlier])
    }
}

impl Twins {
    pub fn start(how: Start) -> Result<Self, CliError> {
        let [ours, earlier] = how.start()?;
        Ok(Self { ours, earlier, how })
    }

    /// Both anew: where a process happens to lie in memory is worth a percent or three to it.
    pub fn restart(&mut self) -> Result<(), CliError> {
        [self.ours, self.earlier] = self.how.start()?;
        Ok(())
    }

    /// Their numbers.
    pub fn processes(&self) -> Vec<u32> {
        [&self.ours, &self.earlier].map(|served| served.child.id()).to_vec()
    }

    pub fn prepare(&mut self, task: &Task) -> Result<(), CliError> {
        self.earlier.prepare(task)?;
        self.ours.prepare(task)
    }
}
