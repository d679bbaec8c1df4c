//! The one error type of the binary, and what it exits with.

use std::path::PathBuf;
use std::process::ExitCode;

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
    /// A file that cannot be read or written.
    #[error("{what} `{path}`: {source}")]
    File {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file that is not what it should be.
    #[error("`{path}` {problem}")]
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
}

impl CliError {
    /// 1 for a failed check, 2 for everything else.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Check(_) => ExitCode::from(1),
            _ => ExitCode::from(2),
        }
    }
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

/// Whether the host has room for a result, asked before the library allocates it and cannot say no.
pub fn reserve(what: &'static str, sizes: &[Option<u64>]) -> Result<(), CliError> {
    let refused = |bytes| CliError::Memory { what, bytes };
    let bytes = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add((*size)?));
    let bytes = bytes.ok_or(refused(u64::MAX))?;
    let size = usize::try_from(bytes).map_err(|_| refused(bytes))?;
    Vec::<u8>::new().try_reserve_exact(size).map_err(|_| refused(bytes))
}
