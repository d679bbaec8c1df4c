//! Where results go: standard output, standard error, and files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};

use comfy_table::{CellAlignment, Table, TableComponent, presets};
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::CliError;

/// Prints to standard output. A reader that has gone away (`| head`) is no error.
pub fn print(text: &str) -> Result<(), CliError> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(CliError::Stdout(error)),
        _ => Ok(()),
    }
}

/// Prints a line to standard error, if anybody listens.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A progress bar on a terminal; nothing in a pipe or file.
pub fn progress(length: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:30.cyan/dim} {pos}/{len} {wide_msg}");
    ProgressBar::new(length).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// A table with a rule below its head and nothing else; columns from `numbers` on stand to the right.
pub fn table(head: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(head.iter().copied());
    table
        .set_style(TableComponent::HeaderLines, '─')
        .set_style(TableComponent::MiddleHeaderIntersections, '─');
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A path that can be written, as far as that can be told beforehand.
#[derive(Clone, Debug)]
pub struct Target {
    /// As the user gave it.
    path: PathBuf,
    /// With links resolved, so that writing through a link keeps the link.
    resolved: PathBuf,
    /// Not a regular file (a pipe, `/dev/null`): written as it is, never replaced.
    special: bool,
}

impl Target {
    /// Checks that a file can be put at `path`, and leaves nothing behind.
    pub fn new(path: &Path) -> Result<Self, CliError> {
        let refused = |source| CliError::File { what: "cannot write", path: path.to_owned(), source };
        let mut target = Self { path: path.to_owned(), resolved: path.to_owned(), special: false };
        match fs::canonicalize(path) {
            Ok(resolved) => {
                let metadata = fs::metadata(&resolved).map_err(refused)?;
                if metadata.is_dir() {
                    return Err(refused(ErrorKind::IsADirectory.into()));
                }
                if metadata.permissions().readonly() {
                    return Err(refused(ErrorKind::PermissionDenied.into()));
                }
                target.special = !metadata.is_file();
                target.resolved = resolved;
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(refused(error)),
            Err(_) if path.file_name().is_none() => return Err(refused(ErrorKind::NotFound.into())),
            // Without a link to follow, the directory tells two spellings of one path apart from two paths.
            Err(_) => {
                let folder = fs::canonicalize(target.folder()).map_err(refused)?;
                target.resolved = folder.join(path.file_name().unwrap_or_default());
            }
        }
        if target.special {
            File::options().write(true).open(&target.resolved).map_err(refused)?;
        } else {
            target.temporary()?;
        }
        Ok(target)
    }

    /// Whether both are the same file.
    pub fn is_same(&self, other: &Self) -> bool {
        self.resolved == other.resolved
    }

    /// Whether this is the existing file `path`.
    pub fn is_file(&self, path: &Path) -> bool {
        fs::canonicalize(path).is_ok_and(|path| path == self.resolved)
    }

    fn folder(&self) -> &Path {
        match self.resolved.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    fn failed(&self, source: io::Error) -> CliError {
        CliError::File { what: "cannot write", path: self.path.clone(), source }
    }

    fn temporary(&self) -> Result<tempfile::NamedTempFile, CliError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".dropconnect-");
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        builder.tempfile_in(self.folder()).map_err(|source| self.failed(source))
    }

    /// Writes the file: everything that `write` produces appears at once, or nothing does.
    pub fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
    ) -> Result<(), CliError> {
        let finish = |result: Result<(), WriteError>| match result {
            Ok(()) => Ok(()),
            Err(WriteError::Io(source)) => Err(self.failed(source)),
            Err(WriteError::Other(error)) => Err(error),
        };
        if self.special {
            let file = File::options().write(true).open(&self.resolved);
            let mut file = io::BufWriter::new(file.map_err(|source| self.failed(source))?);
            finish(write(&mut file))?;
            return file.flush().map_err(|source| self.failed(source));
        }
        let mut temporary = self.temporary()?;
        let mut buffered = io::BufWriter::new(temporary.as_file_mut());
        finish(write(&mut buffered))?;
        buffered.flush().map_err(|source| self.failed(source))?;
        drop(buffered);
        temporary.as_file().sync_all().map_err(|source| self.failed(source))?;
        temporary.persist(&self.resolved).map_err(|error| self.failed(error.error))?;
        Ok(())
    }

    /// Writes a file whose contents are at hand.
    pub fn write_all(&self, contents: &[u8]) -> Result<(), CliError> {
        self.write(|file| Ok(file.write_all(contents)?))
    }
}

/// What stops a file from being written: the file, or what should have gone into it.
pub enum WriteError {
    /// The file.
    Io(io::Error),
    /// Its contents.
    Other(CliError),
}

impl From<io::Error> for WriteError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<CliError> for WriteError {
    fn from(error: CliError) -> Self {
        Self::Other(error)
    }
}

impl From<dropconnect::Error> for WriteError {
    fn from(error: dropconnect::Error) -> Self {
        Self::Other(error.into())
    }
}
