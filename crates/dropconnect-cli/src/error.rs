//! The one error type of the binary, and what it exits with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dropconnect_testing::Failure;

use crate::escape::escaped;

/// Why a command stopped.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Something was computed and is wrong.
    #[error("{0}")]
    Check(String),
    /// An argument that cannot be used; names it, its value and what is allowed.
    #[error("{0}")]
    Usage(String),
    /// An argument that the library refuses.
    #[error("{argument}: {source}")]
    Argument {
        /// The argument, as it is typed.
        argument: &'static str,
        /// The library's reason, with the value.
        source: dropconnect::Error,
    },
    /// A call that the library refuses, or a device that failed.
    #[error(transparent)]
    Library(#[from] dropconnect::Error),
    /// No adapter matches.
    #[error("{error}{missing}")]
    NoDriver {
        /// What was looked for.
        error: dropconnect::Error,
        /// What is set and missing, each after a semicolon.
        missing: String,
    },
    /// A file that cannot be read or written.
    #[error("{what} `{}`: {source}", shown(path))]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What is being written takes no more; [`Target`](crate::target::Target) knows its name.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
    /// A file that is not what it should be.
    #[error("`{}` {problem}", shown(path))]
    Input {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, what is allowed.
        problem: String,
    },
    /// A result that the memory of the host does not hold.
    #[error("{what} takes {bytes} bytes, which this machine's memory does not hold; use a smaller batch")]
    Memory {
        /// The result.
        what: &'static str,
        /// Its size.
        bytes: u64,
    },
    /// wgpu reported a fault outside any call that could return it.
    #[error("the device reported a fault: {0}")]
    Device(String),
    /// The terminal or pipe refused the output.
    #[error("writing to standard output failed: {0}")]
    Stdout(std::io::Error),
    /// The system does not allow as many threads as there are processors.
    #[error("the threads cannot start: {0}; RAYON_NUM_THREADS=1 in the environment makes do with one")]
    Threads(rayon::ThreadPoolBuildError),
    /// A signal ended the command before it was through.
    #[error("interrupted")]
    Interrupted {
        /// Its number; 2 for Ctrl-C.
        signal: i32,
    },
}

impl From<Failure> for CliError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Library(error) => Self::Library(error),
            damage @ Failure::Damage { .. } => Self::Check(damage.to_string()),
        }
    }
}

impl CliError {
    /// 1 for a failed check, 128 and the signal as shells have it, 2 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Check(_) => ExitCode::from(1),
            Self::Interrupted { signal } => ExitCode::from(u8::try_from(128 + signal).unwrap_or(2)),
            _ => ExitCode::from(2),
        }
    }
}

/// A path in a message.
pub fn shown(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Names the argument that a library error is about.
pub trait About<T> {
    /// Puts `argument` in front of the error.
    fn about(self, argument: &'static str) -> Result<T, CliError>;
}

impl<T> About<T> for Result<T, dropconnect::Error> {
    fn about(self, argument: &'static str) -> Result<T, CliError> {
        self.map_err(|source| CliError::Argument { argument, source })
    }
}

/// Scratch memory of a pass, for each thread.
const SCRATCH: usize = 1 << 20;

/// Whether the host has room for all of this, asked before it is allocated by what cannot say no.
pub fn reserve(what: &'static str, sizes: &[Option<u64>]) -> Result<(), CliError> {
    let bytes = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add((*size)?));
    let bytes = bytes.ok_or(CliError::Memory { what, bytes: u64::MAX })?;
    // A thread that only starts later would take its heap (tens of MB of addresses) out of this.
    let scratch = rayon::broadcast(|_| {
        room::<u8>(what, SCRATCH).map(|scratch| std::hint::black_box(scratch).capacity())
    });
    let scratch = scratch.into_iter().sum::<Result<usize, _>>()?;
    let size = usize::try_from(bytes).ok().and_then(|size| size.checked_add(scratch));
    let size = size.ok_or(CliError::Memory { what, bytes })?;
    room::<u8>(what, size).map(drop).map_err(|_| CliError::Memory { what, bytes })
}

/// An empty vector with room for `length` elements.
pub fn room<T>(what: &'static str, length: usize) -> Result<Vec<T>, CliError> {
    let mut room = Vec::new();
    let bytes = (length as u64).saturating_mul(size_of::<T>() as u64);
    room.try_reserve_exact(length).map_err(|_| CliError::Memory { what, bytes })?;
    Ok(room)
}

/// Room for so many more elements in a vector, and for as many again as it has, so that it is moved seldom.
pub fn make_room<T>(what: &'static str, vec: &mut Vec<T>, more: usize) -> Result<(), CliError> {
    let bytes = ((vec.len() + more) as u64).saturating_mul(size_of::<T>() as u64);
    vec.try_reserve(more).map_err(|_| CliError::Memory { what, bytes })
}
