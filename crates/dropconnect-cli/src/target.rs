//! A file that a result goes to: where the user points, whole or not at all.

use std::fs::{self, File, Metadata};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;
use crate::interrupt::Temporary;

/// Links of links that are followed, as many as Linux does.
const MOST_LINKS: usize = 40;

/// A path that can be written, as far as that can be told beforehand.
#[derive(Debug)]
pub struct Target {
    /// As the user gave it.
    path: PathBuf,
    place: Place,
    /// What is there now; nothing, if the file is to be created.
    found: Option<Metadata>,
}

/// What a path leads to.
#[derive(Debug)]
#[cfg_attr(not(unix), allow(dead_code, reason = "descriptors have paths on Unix alone"))]
enum Place {
    /// A regular file, or none yet, with links resolved: replaced at once by a file written beside it.
    File(PathBuf),
    /// A stream that this program has open, whatever the path it is named by: written where it stands, so that
    /// `>>` goes on and `>` is not started over.
    Stream(Stream),
    /// A pipe, a device, a descriptor of somebody: opened once, when there is something to write (a pipe waits for
    /// its reader then, and a second opening would wait for a second), and never replaced.
    Node,
}

#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "descriptors have paths on Unix alone"))]
enum Stream {
    Output,
    Error,
}

impl Target {
    /// Checks that a file can be put at `path`, and leaves nothing behind.
    pub fn new(path: &Path) -> Result<Self, CliError> {
        let refused = |source| CliError::File { what: "cannot write", path: path.to_owned(), source };
        let (place, found) = locate(path).map_err(refused)?;
        let target = Self { path: path.to_owned(), place, found };
        match &target.place {
            Place::File(at) => drop(target.temporary(at)?),
            Place::Stream(_) => {}
            Place::Node => writable(path).map_err(refused)?,
        }
        Ok(target)
    }

    /// As the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same file. Two names of one file (hard links) are replaced one by one.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.place, &other.place) {
            (Place::File(this), Place::File(other)) => this == other,
            _ => self.found.as_ref().zip(other.found.as_ref()).is_some_and(|(a, b)| is_one(a, b)),
        }
    }

    /// Whether writing this would overwrite `path`, or wait for itself.
    pub fn is_file(&self, path: &Path) -> bool {
        match &self.place {
            Place::File(at) => fs::canonicalize(path).is_ok_and(|path| path == *at),
            _ => fs::metadata(path).is_ok_and(|input| {
                let looped = |found: &&Metadata| found.is_file() || is_pipe(found);
                self.found.as_ref().filter(looped).is_some_and(|found| is_one(found, &input))
            }),
        }
    }

    /// Whether this is standard output: nothing else must be printed there.
    pub fn is_stdout(&self) -> bool {
        let stdout = Stream::Output.open().and_then(|file| file.metadata()).ok();
        matches!(self.place, Place::Stream(Stream::Output))
            || self.found.as_ref().zip(stdout.as_ref()).is_some_and(|(found, stdout)| is_one(found, stdout))
    }

    fn failed(&self, source: io::Error) -> CliError {
        CliError::File { what: "cannot write", path: self.path.clone(), source }
    }

    /// A file beside `at`, with the rights of the one that it replaces: at no time may more people read it.
    fn temporary(&self, at: &Path) -> Result<Temporary, CliError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".dropconnect-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = self.found.as_ref().map_or(0o666, |found| found.permissions().mode() & 0o777);
            // While it is written, its owner writes it, whatever the mode says in the end.
            builder.permissions(PermissionsExt::from_mode(mode | 0o200));
        }
        Temporary::new(|| builder.tempfile_in(folder(at))).map_err(|source| self.failed(source))
    }

    /// Writes the file: everything that `write` produces appears at once, or nothing does. What is no regular file
    /// gets everything as it comes.
    pub fn write(
        &self,
        write: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
    ) -> Result<(), CliError> {
        let whole = |mut file: &File| {
            let mut buffered = BufWriter::new(&mut file);
            match write(&mut buffered) {
                Ok(()) => buffered.flush().map_err(|source| self.failed(source)),
                Err(WriteError::Io(source)) => Err(self.failed(source)),
                Err(WriteError::Other(error)) => Err(error),
            }
        };
        let opened = match &self.place {
            Place::File(at) => {
                let temporary = self.temporary(at)?;
                whole(&temporary.file)?;
                self.inherit(&temporary.file).map_err(|source| self.failed(source))?;
                temporary.file.sync_all().map_err(|source| self.failed(source))?;
                return temporary.persist(at).map_err(|source| self.failed(source));
            }
            Place::Stream(stream) => stream.open(),
            Place::Node => {
                // Only a descriptor of a regular file has something to cut off.
                let regular = self.found.as_ref().is_some_and(Metadata::is_file);
                File::options().write(true).truncate(regular).open(&self.path)
            }
        };
        whole(&opened.map_err(|source| self.failed(source))?)
    }

    /// Gives `file` the owner, as far as this user may, and the mode of the file that it is to replace.
    fn inherit(&self, file: &File) -> io::Result<()> {
        let Some(found) = &self.found else { return Ok(()) };
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
            let _ = fchown(file, Some(found.uid()), Some(found.gid()));
            // Without set-user-id and the like: the owner may be another now.
            file.set_permissions(PermissionsExt::from_mode(found.permissions().mode() & 0o777))
        }
        #[cfg(not(unix))]
        file.set_permissions(found.permissions())
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

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn locate(path: &Path) -> io::Result<(Place, Option<Metadata>)> {
    // Links are followed by hand: the end of the last one need not exist, and what `/dev/stdout` leads to has no path.
    let mut end = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Some(place) = descriptor(&end) {
            return Ok((place, Some(fs::metadata(path)?)));
        }
        let Ok(link) = fs::read_link(&end) else { break };
        end = folder(&end).join(link);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(found) if found.is_file() => {
            if found.permissions().readonly() {
                return Err(ErrorKind::PermissionDenied.into());
            }
            let at = fs::canonicalize(path)?;
            // The folder alone would allow to replace a file that its owner keeps from being written.
            writable(&at)?;
            Ok((Place::File(at), Some(found)))
        }
        Ok(found) => Ok((Place::Node, Some(found))),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(error) => {
            // `file_name` looks past a slash at the end, which asks for a folder.
            let name = end
                .file_name()
                .filter(|name| end.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()));
            let name = name.ok_or(error)?;
            // The folder's own path tells two spellings of one path apart from two paths.
            Ok((Place::File(fs::canonicalize(folder(&end))?.join(name)), None))
        }
    }
}

/// A descriptor of this program, which a path in `/dev/fd` names.
#[cfg(unix)]
fn descriptor(path: &Path) -> Option<Place> {
    let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
    if fs::canonicalize(folder(path)).ok()? != fs::canonicalize("/dev/fd").ok()? {
        return None;
    }
    Some(match number {
        1 => Place::Stream(Stream::Output),
        2 => Place::Stream(Stream::Error),
        _ => Place::Node,
    })
}

#[cfg(not(unix))]
fn descriptor(_: &Path) -> Option<Place> {
    None
}

impl Stream {
    /// The stream without the buffer that Rust has for it.
    #[cfg(unix)]
    fn open(self) -> io::Result<File> {
        use std::os::fd::AsFd;
        let descriptor = match self {
            Self::Output => io::stdout().as_fd().try_clone_to_owned(),
            Self::Error => io::stderr().as_fd().try_clone_to_owned(),
        };
        descriptor.map(File::from)
    }

    #[cfg(not(unix))]
    fn open(self) -> io::Result<File> {
        Err(ErrorKind::Unsupported.into())
    }
}

/// Whether what exists at `path` may be written, without opening it: that might wait for a reader, or wind a tape.
#[cfg(unix)]
fn writable(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(unix))]
fn writable(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn is_one(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_one(_: &Metadata, _: &Metadata) -> bool {
    false
}

#[cfg(unix)]
fn is_pipe(found: &Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&found.file_type())
}

#[cfg(not(unix))]
fn is_pipe(_: &Metadata) -> bool {
    false
}
