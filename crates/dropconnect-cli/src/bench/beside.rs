//! Programs of others in the rounds: those that `--beside` names. They answer the protocol as an earlier build does,
//! under a name of their own, on the adapter and by the clock that they say.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::environment::Environment;
use super::json::{OURS, Program};
use super::process::{Named, Prepared, Process};
use super::protocol::{Greeting, PROTOCOL, Task};
use super::served::arguments;
use crate::cli::DeviceOptions;
use crate::error::{CliError, shown};
use crate::escape::excerpt;

/// Characters of a name: it heads a column.
const LONGEST: usize = 32;
/// By its own account a program may be so far off: sums in bf16 are closer, what is wrong is not.
const WRONG: f64 = 0.02;

/// Those that take part, in the order they were named.
#[derive(Default)]
pub struct Programs(Vec<Running>);

struct Running {
    process: Process,
    about: Program,
}

impl Programs {
    /// Starts them on the device of ours. Fails where one does not speak the protocol, or has no name of its own.
    pub fn start(
        given: &[OsString],
        options: &DeviceOptions,
        environment: &Environment,
        timeout: Duration,
    ) -> Result<Self, CliError> {
        let mut programs = Self::default();
        for text in given {
            let (program, first) = words(text)?;
            let mut command = Command::new(&program);
            command.args(&first).args(arguments(options, environment));
            let named = Named {
                name: format!("--beside {}", shown(Path::new(text))),
                needed: format!(
                    "a program that answers protocol {PROTOCOL} (docs/bench-json.md) under its own name"
                ),
            };
            let (process, greeting) = Process::start(command, named, timeout)?;
            let name = programs.name(&greeting).map_err(|reason| process.fault(&reason))?;
            let Greeting { version, adapter, kernels, timer, .. } = greeting;
            let [version, adapter, kernels, timer] =
                [version, adapter, kernels, timer].map(|text| excerpt(&text));
            let about = Program { name, command: bare(&program, &first), version, adapter, kernels, timer };
            programs.0.push(Running { process, about });
        }
        Ok(programs)
    }

    /// The name of the next, or why it can have none.
    fn name(&self, greeting: &Greeting) -> Result<String, String> {
        let name = greeting.name.as_deref().ok_or("it answers without a `name`")?;
        let shown = excerpt(name);
        let allowed = |c: char| c.is_ascii_alphanumeric() || " -._+:/()".contains(c);
        if name.is_empty() || name.len() > LONGEST || !name.chars().all(allowed) || name.trim() != name {
            return Err(format!(
                "its name is `{shown}`; 1 to {LONGEST} ASCII letters, digits, spaces within and -._+:/() make one"
            ));
        }
        if OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) {
            return Err(format!("its name is `{shown}`, which is one of ours: {}", OURS.join(", ")));
        }
        if self.0.iter().any(|other| other.about.name.eq_ignore_ascii_case(name)) {
            return Err(format!("its name is `{shown}`, as is that of another --beside"));
        }
        Ok(name.to_owned())
    }

    pub fn about(&self) -> Vec<Program> {
        self.0.iter().map(|running| running.about.clone()).collect()
    }

    /// Prepares a pass with each.
    pub fn prepare(&mut self, task: &Task) -> Result<Vec<Prepared>, CliError> {
        let prepare = |running: &mut Running| {
            let prepared = running.process.prepare(task)?;
            match prepared {
                Prepared::Ready(error) if !(0.0..=WRONG).contains(&error) => Err(running.process.fault(&format!(
                    "{}, {}: it answers that its relative error against float64 is {error:.1e}, of {WRONG} allowed",
                    task.pass, task.element
                ))),
                prepared => Ok(prepared),
            }
        };
        self.0.iter_mut().map(prepare).collect()
    }

    /// How long so many calls of what one of them prepared take.
    pub fn sample(&mut self, which: usize, calls: u32, warm_up: bool) -> Result<Duration, CliError> {
        self.0[which].process.sample(calls, warm_up)
    }
}

/// A program and its first arguments: a file that is there, or words.
fn words(given: &OsString) -> Result<(PathBuf, Vec<String>), CliError> {
    if Path::new(given).is_file() {
        return Ok((given.into(), Vec::new()));
    }
    let Some(text) = given.to_str() else { return Ok((given.into(), Vec::new())) };
    let mut words = text.split_whitespace().map(str::to_owned);
    let program = words.next().ok_or_else(|| {
        CliError::Usage(format!("--beside `{text}` names no program; a program and its arguments do"))
    })?;
    Ok((program.into(), words.collect()))
}

/// A command line without folders, which are nobody's business.
fn bare(program: &Path, first: &[String]) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let program = name(program).unwrap_or_default();
    let first = first.iter().map(|word| name(Path::new(word)).unwrap_or_else(|| word.clone()));
    excerpt(&std::iter::once(program).chain(first).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_spaces_is_a_program_and_other_words_are_its_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a program --way");
        std::fs::write(&file, "").unwrap();
        assert_eq!(words(&file.clone().into_os_string()).unwrap(), (file, vec![]));
        let (program, first) = words(&" python  some/serve.py --way dense ".into()).unwrap();
        assert_eq!(
            (program.to_str(), &first[..]),
            (Some("python"), &["some/serve.py", "--way", "dense"].map(str::to_owned)[..])
        );
        assert_eq!(bare(Path::new("/home/me/python"), &first), "python serve.py --way dense");
        assert!(words(&"  ".into()).unwrap_err().to_string().contains("names no program"));
    }
}
