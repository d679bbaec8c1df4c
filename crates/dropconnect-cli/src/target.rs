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
    destination: Destination,
    /// What is there now; nothing, if the file is to be created.
    found: Option<Metadata>,
}

/// How a path is written.
#[derive(Debug)]
enum Destination {
    /// A regular file, or none yet, with links resolved: replaced at once, by one that is written beside it.
    File(PathBuf),
    /// Standard output or error, whatever the path it is named by: written where it stands, so that `>>` goes on and
    /// `>` is not started over.
    Stream(File),
    /// Whatever else can be written: a pipe, a device, a descriptor, a file in a folder that takes no other. Opened
    /// once, when there is something to write: a pipe waits for its reader then, and a second opening would wait for
    /// a second.
    InPlace,
}

impl Target {
    /// Checks that a file can be put at `path`, and leaves nothing behind.
    pub fn new(path: &Path) -> Result<Self, CliError> {
        let checked = || {
            let (destination, found) = locate(path)?;
            let mut target = Self { path: path.to_owned(), destination, found };
            match (&target.destination, &target.found) {
                (Destination::Stream(_), _) => return Ok(target),
                (Destination::File(at), None) => creatable(at)?,
                (Destination::File(at), _) if target.temporary(at).is_err() => {
                    target.destination = Destination::InPlace
                }
                _ => {}
            }
            // The folder alone would allow to replace a file that its owner keeps from being written.
            if target.found.is_some() {
                writable(path)?;
            }
            Ok(target)
        };
        checked().map_err(|source| CliError::File { what: "cannot write", path: path.to_owned(), source })
    }

    /// As the user gave it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether both are the same file. Two names of one file (hard links) are replaced one by one.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.destination, &other.destination) {
            (Destination::File(this), Destination::File(other)) => this == other,
            _ => self.is_found(other.found.as_ref()),
        }
    }

    /// Whether writing this would overwrite `path`, or wait for itself.
    pub fn is_file(&self, path: &Path) -> bool {
        if let Destination::File(at) = &self.destination {
            return fs::canonicalize(path).is_ok_and(|path| path == *at);
        }
        fs::metadata(path)
            .is_ok_and(|input| (input.is_file() || is_pipe(&input)) && self.is_found(Some(&input)))
    }

    /// Whether this is standard output: nothing else must be printed there.
    pub fn is_stdout(&self) -> bool {
        self.is_found(fs::metadata("/dev/fd/1").ok().as_ref())
    }

    fn is_found(&self, other: Option<&Metadata>) -> bool {
        self.found.as_ref().zip(other).is_some_and(|(found, other)| is_one(found, other))
    }

    /// A file beside `at`, with the rights of the one that it replaces: at no time may more people read it.
    fn temporary(&self, at: &Path) -> io::Result<Temporary> {
        Temporary::new(folder(at), self.found.as_ref().map_or(0o666, mode))
    }

    /// Writes the file: everything that `write` produces appears at once, or nothing does. What is written in place
    /// gets everything as it comes.
    pub fn write(&self, write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>) -> Result<(), CliError> {
        let whole = |mut file: &File| {
            let mut buffered = BufWriter::new(&mut file);
            write(&mut buffered).and_then(|()| Ok(buffered.flush()?))
        };
        let written = match &self.destination {
            Destination::File(at) => self.temporary(at).map_err(CliError::Write).and_then(|temporary| {
                whole(&temporary.0)?;
                self.inherit(&temporary.0)?;
                temporary.0.sync_all()?;
                Ok(temporary.persist(at)?)
            }),
            Destination::Stream(stream) => whole(stream),
            Destination::InPlace => {
                // Only a regular file has something to cut off.
                let regular = self.found.as_ref().is_some_and(Metadata::is_file);
                let opened = File::options().write(true).truncate(regular).open(&self.path);
                opened.map_err(CliError::Write).and_then(|file| whole(&file))
            }
        };
        written.map_err(|error| match error {
            CliError::Write(source) => {
                CliError::File { what: "cannot write", path: self.path.clone(), source }
            }
            other => other,
        })
    }

    /// Gives `file` the owner, as far as this user may, and the mode of the file that it is to replace.
    fn inherit(&self, file: &File) -> io::Result<()> {
        let Some(found) = &self.found else { return Ok(()) };
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
            let _ = fchown(file, Some(found.uid()), Some(found.gid()));
            // Without set-user-id and the like: the owner may be another now.
            file.set_permissions(PermissionsExt::from_mode(mode(found)))
        }
        #[cfg(not(unix))]
        file.set_permissions(found.permissions())
    }

    /// Writes a file whose contents are at hand.
    pub fn write_all(&self, contents: &[u8]) -> Result<(), CliError> {
        self.write(|file| Ok(file.write_all(contents)?))
    }
}

/// The folder of a file.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn locate(path: &Path) -> io::Result<(Destination, Option<Metadata>)> {
    // What Windows makes a device of: `NUL`, `CON` and others.
    let device = |whole: PathBuf| whole.as_os_str().as_encoded_bytes().starts_with(br"\\.\");
    if cfg!(windows) && std::path::absolute(path).is_ok_and(device) {
        return Ok((Destination::InPlace, None));
    }
    // Links are followed by hand: the end of the last one need not exist, and what `/dev/stdout` leads to has no path.
    let mut end = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Some(stream) = descriptor(&end) {
            return Ok((stream, Some(fs::metadata(path)?)));
        }
        let Ok(link) = fs::read_link(&end) else { break };
        end = folder(&end).join(link);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err(ErrorKind::IsADirectory.into()),
        // Root may write what is read-only, and does not mean to.
        Ok(found) if found.is_file() && found.permissions().readonly() => {
            Err(ErrorKind::PermissionDenied.into())
        }
        Ok(found) if found.is_file() => Ok((Destination::File(fs::canonicalize(path)?), Some(found))),
        Ok(found) => Ok((Destination::InPlace, Some(found))),
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(error) => {
            // `file_name` looks past a slash at the end, which asks for a folder.
            let name = end
                .file_name()
                .filter(|name| end.as_os_str().as_encoded_bytes().ends_with(name.as_encoded_bytes()));
            let name = name.ok_or(error)?;
            // The folder's own path tells two spellings of one path apart from two paths.
            Ok((Destination::File(fs::canonicalize(folder(&end))?.join(name)), None))
        }
    }
}

/// Whether a file of this name can be made: not every file system takes every name.
fn creatable(at: &Path) -> io::Result<()> {
    match File::create_new(at) {
        Ok(_) => fs::remove_file(at),
        // Somebody else has made it meanwhile.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
use on_unix::*;

#[cfg(unix)]
mod on_unix {
    use std::fs::{self, File, Metadata};
    use std::io;
    use std::os::fd::AsFd;
    use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
    use std::path::Path;

    use super::{Destination, folder};

    /// A descriptor of this program, which a path in `/dev/fd` names.
    pub fn descriptor(path: &Path) -> Option<Destination> {
        let number: u32 = path.file_name()?.to_str()?.parse().ok()?;
        if fs::canonicalize(folder(path)).ok()? != fs::canonicalize("/dev/fd").ok()? {
            return None;
        }
        // Without the buffer that Rust has for it.
        let stream = match number {
            1 => io::stdout().as_fd().try_clone_to_owned(),
            2 => io::stderr().as_fd().try_clone_to_owned(),
            _ => return Some(Destination::InPlace),
        };
        Some(Destination::Stream(File::from(stream.ok()?)))
    }

    /// Whether what exists at `path` may be written, without opening it: that might wait for a reader, or wind a tape.
    pub fn writable(path: &Path) -> io::Result<()> {
        Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK)?)
    }

    pub fn is_one(a: &Metadata, b: &Metadata) -> bool {
        (a.dev(), a.ino()) == (b.dev(), b.ino())
    }

    pub fn is_pipe(found: &Metadata) -> bool {
        found.file_type().is_fifo()
    }

    pub fn mode(found: &Metadata) -> u32 {
        found.permissions().mode() & 0o777
    }
}

/// Nothing of this is elsewhere.
#[cfg(not(unix))]
use elsewhere::*;

#[cfg(not(unix))]
mod elsewhere {
    use std::fs::{File, Metadata};
    use std::io;
    use std::path::Path;

    use super::Destination;

    pub fn descriptor(_: &Path) -> Option<Destination> {
        None::<File>.map(Destination::Stream)
    }

    pub fn writable(_: &Path) -> io::Result<()> {
        Ok(())
    }

    pub fn is_one(_: &Metadata, _: &Metadata) -> bool {
        false
    }

    pub fn is_pipe(_: &Metadata) -> bool {
        false
    }

    pub fn mode(_: &Metadata) -> u32 {
        0
    }
}
