//! A program that answers the benchmark's protocol, in a process of its own: started, asked, ended.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::machine;
use super::protocol::{Greeting, LONGEST, PROTOCOL, Reply, Request, Task};
use crate::error::CliError;
use crate::escape::excerpt;
use crate::interrupt;

/// How often a signal is looked for while an answer is waited for.
const MOMENT: Duration = Duration::from_millis(100);
/// Lines that wait to be read: of a program that talks without end, no more are kept.
const LINES: usize = 4;

/// What messages say of a program.
pub struct Named {
    /// The option, and what it was given.
    pub name: String,
    /// What would do instead of one that fails.
    pub needed: String,
}

/// A program that is running.
pub struct Process {
    named: Named,
    child: Child,
    /// `None` once it is to end.
    requests: Option<ChildStdin>,
    replies: Receiver<String>,
    complaints: Arc<Mutex<String>>,
    listener: Option<thread::JoinHandle<()>>,
    /// No answer takes longer.
    timeout: Duration,
}

/// What it says of a pass that it is asked for.
pub enum Prepared {
    /// Checked against float64, with this relative error.
    Ready(f64),
    /// It cannot do it; why in words.
    Unable(String),
}

impl Process {
    /// Starts it and greets it. Fails where it does not speak the protocol.
    pub fn start(
        mut command: Command,
        named: Named,
        timeout: Duration,
    ) -> Result<(Self, Greeting), CliError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is ours to answer: it ends when its standard input does.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command
            .spawn()
            .map_err(|error| CliError::Usage(format!("{}: it does not start: {error}", named.name)))?;
        machine::started(child.id());
        let (sender, replies) = sync_channel(LINES);
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
                    // No more of this than of a line.
                    if (kept.len() as u64) < LONGEST {
                        *kept += &String::from_utf8_lossy(&bytes[..read]);
                    }
                }
            })
        });
        let requests = child.stdin.take();
        let mut process = Self { named, child, requests, replies, complaints, listener, timeout };
        match process.ask(&Request::Hello(PROTOCOL))? {
            Reply::Hello(greeting) if greeting.protocol == PROTOCOL => Ok((process, greeting)),
            Reply::Hello(Greeting { protocol, .. }) => {
                Err(process
                    .fault(&format!("it answers in protocol {protocol}; protocol {PROTOCOL} is needed")))
            }
            other => Err(process.unexpected(&other)),
        }
    }

    /// Prepares a pass.
    pub fn prepare(&mut self, task: &Task) -> Result<Prepared, CliError> {
        match self.ask(&Request::Prepare(task.clone()))? {
            Reply::Ready(error) => Ok(Prepared::Ready(error)),
            Reply::Unable(reason) => Ok(Prepared::Unable(excerpt(&reason))),
            other => Err(self.unexpected(&other)),
        }
    }

    /// How long so many calls of it take.
    pub fn sample(&mut self, calls: u32, warm_up: bool) -> Result<Duration, CliError> {
        let start = Instant::now();
        let reply = self.ask(&Request::Sample { calls, warm_up })?;
        let duration = reply.duration().ok_or_else(|| self.unexpected(&reply))?;
        let passed = start.elapsed();
        // Its clock may be another one: an adapter's, which runs a little faster.
        if duration > Duration::from_millis(1) + passed.mul_f64(1.02) {
            return Err(self.fault(&format!(
                "it answers that {calls} calls took {} ms, of {:.3} ms that passed",
                duration.as_secs_f64() * 1e3,
                passed.as_secs_f64() * 1e3
            )));
        }
        Ok(duration)
    }

    fn ask(&mut self, request: &Request) -> Result<Reply, CliError> {
        let line = serde_json::to_string(request).map_err(|error| self.fault(&error.to_string()))? + "\n";
        // What is said before it is asked is no answer, and would pass for one.
        match self.replies.try_recv() {
            Ok(line) => {
                let line = excerpt(line.trim_end());
                return Err(self.fault(&format!("it answers `{line}` before it is asked")));
            }
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => {}
        }
        // A program that has ended has said why; its answer, or none, is looked at below.
        if let Some(requests) = &mut self.requests {
            let _ = requests.write_all(line.as_bytes()).and_then(|()| requests.flush());
        }
        let start = Instant::now();
        let line = loop {
            interrupt::check()?;
            match self.replies.recv_timeout(MOMENT) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Timeout) if start.elapsed() < self.timeout => {}
                Err(RecvTimeoutError::Timeout) => {
                    return Err(self.fault(&format!("no answer within {} s", self.timeout.as_secs_f64())));
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

    /// An error that says what is wrong with it, and what it complains of.
    pub fn fault(&self, what: &str) -> CliError {
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        // What it says of its device is no complaint.
        let complaint = complaints.lines().find(|line| !line.is_empty() && !line.starts_with("device: "));
        let complaint = complaint.map_or_else(String::new, |line| format!(" (it says: {})", excerpt(line)));
        CliError::Usage(format!("{}: {what}{complaint}; {} is needed", self.named.name, self.named.needed))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        machine::ends(self.child.id());
        // The end of its input is the end of its work; what does not take notice is not waited for.
        self.requests = None;
        for _ in 0..20 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(MOMENT / 10);
        }
        // What it has started itself goes with it: a script that waits for its program, say.
        #[cfg(unix)]
        // SAFETY: `kill` takes two numbers. The group is the one that was made for this child, and no other has its
        // number while the child is not waited for.
        unsafe {
            libc::kill(-(self.child.id() as libc::pid_t), libc::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
