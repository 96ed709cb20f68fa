//! What is remembered of a container: one directory below the root of all state, with a record written before each side effect.
//!
//! The record is one file, to which lines are added: what is about to be made, before anything is, and what has been made. The last line that
//! is complete counts. With the second line the file gets a mark, so that damage can be told from a making that ended early.

mod record;

pub use record::{Line, Lines, Phase, Record};

use crate::error::{During, Error, Kind, Result};
use crate::plan::exec::Template;
use crate::spec;
use kernel::file::{
    self, CWD, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY,
};
use kernel::{Errno, io};
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const RECORD: &CStr = c"state.json";
/// The mode of a record, and what is added when it is complete: the sticky bit, which means nothing to a file (chmod(2)) and is in no umask.
const MODE: u32 = 0o600;
const COMPLETE: u32 = libc::S_ISVTX;
/// The socket on which a created container waits for its start.
pub const START_SOCKET: &CStr = c"start.sock";
/// A record is a few kilobytes and its annotations; more than two lines of what can be decoded is damage.
const MAX_RECORD: usize = 2 * (spec::MAX_SIZE + 1);

/// How often a record without a complete line is read again, a millisecond later: it may be in the middle of being written.
const TORN_TRIES: usize = 20;

/// Refuses what is no id: it names a directory, and people and engines print it.
///
/// # Errors
/// Anything but 1 to 255 of `A-Z a-z 0-9 _ + - .`, not starting with a dot or a minus.
pub fn check_id(id: &str) -> Result<()> {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_+-.".contains(&b);
    if id.is_empty() || id.len() > 255 || id.starts_with(['.', '-']) || !id.bytes().all(good) {
        let hint = "an id is 1 to 255 of the characters A-Z a-z 0-9 _ + - . and starts with none of - and .";
        return Err(Error::new(
            Kind::Invalid,
            format!("invalid container ID format: {id:?}"),
        )
        .hint(hint));
    }
    Ok(())
}

/// The directory of one container.
#[derive(Debug)]
pub struct StateDir {
    fd: OwnedFd,
    path: PathBuf,
    /// The record, for who makes the container.
    record: Option<OwnedFd>,
    /// What was read of it last.
    lines: Lines,
}

fn c(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(Kind::Invalid, "a path must not contain a NUL byte"))
}

impl StateDir {
    /// Makes the directory of a new container, and holds it.
    ///
    /// # Errors
    /// [`Kind::Exists`] if the id is in use.
    pub fn create(root: &Path, id: &str) -> Result<StateDir> {
        check_id(id)?;
        let path = root.join(id);
        let name = c(&path)?;
        let made = match file::mkdirat(CWD, &name, 0o700) {
            Err(Errno::ENOENT) => {
                make_root(root)?;
                file::mkdirat(CWD, &name, 0o700)
            }
            other => other,
        };
        match made {
            Err(Errno::EEXIST) => {
                return Err(
                    Error::new(Kind::Exists, "container with given ID already exists")
                        .cause(id.to_owned()),
                );
            }
            other => other.during(|| format!("mkdir {}", path.display()))?,
        }
        // Between mkdir and lock, a delete may have taken the directory for the remains of a dead runtime.
        let held = StateDir::open_path(path).and_then(|dir| {
            let alive = dir.try_lock(true)? && !dir.is_gone()?;
            Ok(alive.then_some(dir))
        });
        let deleted = || {
            Error::new(
                Kind::WrongState,
                "the container is being deleted by somebody else",
            )
            .cause(id.to_owned())
        };
        match held {
            Ok(Some(dir)) => Ok(dir),
            Ok(None) => Err(deleted()),
            Err(e) if e.os_error() == Some(Errno::ENOENT) => Err(deleted()),
            Err(e) => {
                // Nothing is in it yet. Where it stays, delete takes it away.
                let _ = file::unlinkat(CWD, &name, true);
                Err(e)
            }
        }
    }

    /// The directory of an existing container.
    ///
    /// # Errors
    /// [`Kind::NotFound`] if there is none of that id.
    pub fn open(root: &Path, id: &str) -> Result<StateDir> {
        check_id(id)?;
        let dir = StateDir::open_path(root.join(id)).map_err(|e| match e.os_error() {
            Some(Errno::ENOENT) => Error::no_container(id),
            _ => e,
        })?;
        dir.check_owner()?;
        Ok(dir)
    }

    /// A record says which processes to kill, which directories to remove and, for hooks, which programs to run: nobody but the caller and root may have
    /// written it.
    fn check_owner(&self) -> Result<()> {
        let what = || format!("fstat {}", self.path.display());
        let owner = file::fstat(self.fd()).during(what)?.st_uid;
        if owner == 0 || owner == kernel::cred::euid() {
            return Ok(());
        }
        let why = format!("{} belongs to user {owner}", self.path.display());
        Err(Error::new(Kind::Failed, why)
            .hint("what it says is not to be trusted: run as that user"))
    }

    fn open_path(path: PathBuf) -> Result<StateDir> {
        let fd = file::openat(CWD, &c(&path)?, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)
            .during(|| format!("open {}", path.display()))?;
        Ok(StateDir {
            fd,
            path,
            record: None,
            lines: Lines::default(),
        })
    }

    /// The directory.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it that is short whatever the directory's own path is: socket addresses hold 107 bytes (unix(7)).
    pub fn short_path(&self, name: &CStr) -> PathBuf {
        PathBuf::from(format!(
            "/proc/self/fd/{}/{}",
            self.fd.as_raw_fd(),
            name.to_string_lossy()
        ))
    }

    /// Takes the lock if nobody else has it. Making and deleting are exclusive; running something in the container is shared.
    pub fn try_lock(&self, exclusive: bool) -> Result<bool> {
        file::try_lock(self.fd(), exclusive).during(|| format!("lock {}", self.path.display()))
    }

    /// Takes the lock, waiting until the deadline for who has it.
    ///
    /// # Errors
    /// [`Kind::WrongState`] at the deadline.
    pub fn lock(&self, exclusive: bool, deadline: Instant) -> Result<()> {
        let mut pause = Duration::from_millis(1);
        while !self.try_lock(exclusive)? {
            if Instant::now() >= deadline {
                let busy = "another command is working on the container";
                return Err(Error::new(Kind::WrongState, busy).hint("try again when it is done"));
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Whether somebody else has removed it since it was opened: to be asked by whoever had to wait for the lock.
    pub fn is_gone(&self) -> Result<bool> {
        Ok(file::fstat(self.fd())
            .during(|| format!("fstat {}", self.path.display()))?
            .st_nlink
            == 0)
    }

    /// Gives the lock back, also where a child still holds a copy of the descriptor.
    pub fn unlock(&self) {
        file::unlock(self.fd());
    }

    /// Writes the first line, which stays: should the second ever be damaged, this one still tells what to take away.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a record that could not be read again; those of the file system.
    pub fn intend(&mut self, record: &Record) -> Result<()> {
        let line = Line::of(record);
        if line.bytes().len() > spec::MAX_SIZE {
            let why = format!(
                "what is to be remembered of the container has {} bytes, more than {}",
                line.bytes().len(),
                spec::MAX_SIZE
            );
            return Err(Error::new(Kind::Invalid, why)
                .hint("make its annotations, variables and arguments shorter"));
        }
        let flags = O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW;
        let file = file::openat(self.fd(), RECORD, flags, MODE).during(|| self.doing("write"))?;
        io::write_all(file.as_fd(), line.bytes()).during(|| self.doing("write"))?;
        self.record = Some(file);
        Ok(())
    }

    /// Writes the second line, which then is the one that counts, and the last.
    pub fn complete(&mut self, line: &Line) -> Result<()> {
        let Some(file) = self.record.take() else {
            return Err(Error::new(Kind::Failed, self.doing("write"))
                .cause("it belongs to who makes the container"));
        };
        io::write_all(file.as_fd(), line.bytes()).during(|| self.doing("write"))?;
        // A file system without modes knows less about damage.
        let _ = file::fchmod(file.as_fd(), MODE | COMPLETE);
        Ok(())
    }

    /// Whether the container was made to its end, whatever has become of the record since.
    pub fn is_complete(&self) -> Result<bool> {
        match file::lstatat(self.fd(), RECORD) {
            Ok(st) => Ok(st.st_mode & libc::S_IFMT != libc::S_IFREG || st.st_mode & COMPLETE != 0),
            Err(Errno::ENOENT) => Ok(false),
            Err(errno) => Err(errno).during(|| self.doing("stat")),
        }
    }

    fn doing(&self, what: &str) -> String {
        format!("{what} {}/state.json", self.path.display())
    }

    /// Reads the record.
    ///
    /// # Errors
    /// What is missing or damaged; `delete --force` works all the same.
    pub fn load(&mut self) -> Result<Record> {
        let mut tries = 0;
        loop {
            self.lines = self.read()?;
            if !self.lines.is_empty() || tries == TORN_TRIES {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            tries += 1;
        }
        let record = self.decode(self.lines.last())?;
        if record.version > record::VERSION {
            let why = format!(
                "the state in {} was written by a newer version",
                self.path.display()
            );
            return Err(Error::new(Kind::Failed, why).hint("use that version for this container"));
        }
        // Complete meanwhile, or cut.
        if record.phase == Phase::Creating && self.is_complete()? {
            self.lines = self.read()?;
            return match self.decode(self.lines.last())? {
                record if record.phase == Phase::Created => Ok(record),
                _ => Err(self.damaged("the last line is missing")),
            };
        }
        Ok(record)
    }

    /// Whether [`StateDir::load`] has found nothing in the record.
    pub fn is_blank(&self) -> bool {
        self.lines.is_empty()
    }

    /// The first line of what [`StateDir::load`] has read.
    pub fn intent(&self) -> Result<Record> {
        self.decode(self.lines.first())
    }

    /// What exec needs, from the first line.
    ///
    /// # Errors
    /// A first line that is damaged.
    pub fn template(&self) -> Result<Template> {
        let exec = self.intent()?.exec;
        exec.map(|template| *template)
            .ok_or_else(|| self.damaged("it says nothing for exec"))
    }

    fn read(&self) -> Result<Lines> {
        let what = || self.doing("read");
        let file = file::openat(self.fd(), RECORD, O_RDONLY | O_NOFOLLOW, 0).during(what)?;
        read_all(file.as_fd(), MAX_RECORD)
            .map(Lines::of)
            .during(what)
    }

    fn decode(&self, line: &[u8]) -> Result<Record> {
        // The same decoder as the configuration's: the parts that both have are compiled once.
        spec::decode_json(line).map_err(|e| self.damaged(&e.message))
    }

    fn damaged(&self, how: &str) -> Error {
        Error::new(Kind::Failed, self.doing("read"))
            .cause(how.to_owned())
            .hint("the record is damaged; delete --force removes the container")
    }

    /// Removes a file in it, if it is there.
    pub fn remove_file(&self, name: &CStr) -> Result<()> {
        match file::unlinkat(self.fd(), name, false) {
            Err(Errno::ENOENT) => Ok(()),
            other => other.during(|| {
                format!(
                    "remove {} from {}",
                    name.to_string_lossy(),
                    self.path.display()
                )
            }),
        }
    }

    /// Removes the directory and all that is in it.
    pub fn remove(self) -> Result<()> {
        self.remove_file(RECORD)?;
        match file::unlinkat(CWD, &c(&self.path)?, true) {
            Err(Errno::ENOTEMPTY | Errno::EEXIST) => self.remove_others(),
            Err(Errno::ENOENT) => Ok(()),
            other => other.during(|| format!("rmdir {}", self.path.display())),
        }
    }

    /// Removes the files that only some containers have, and the directory.
    fn remove_others(&self) -> Result<()> {
        let mut buf = [0; 2048];
        loop {
            let entries = file::read_directory(self.fd(), &mut buf)
                .during(|| format!("read {}", self.path.display()))?;
            if entries.is_empty() {
                break;
            }
            for name in entries {
                match file::unlinkat(self.fd(), name, false) {
                    Err(Errno::EISDIR) => remove_shallow(self.fd(), name),
                    Err(Errno::ENOENT) => Ok(()),
                    other => other,
                }
                .during(|| {
                    format!(
                        "remove {} from {}",
                        name.to_string_lossy(),
                        self.path.display()
                    )
                })?;
            }
        }
        match file::unlinkat(CWD, &c(&self.path)?, true) {
            Err(Errno::ENOENT) => Ok(()),
            other => other.during(|| format!("rmdir {}", self.path.display())),
        }
    }
}

/// A directory in the state holds files only.
fn remove_shallow(parent: BorrowedFd<'_>, name: &CStr) -> kernel::Result<()> {
    let dir = file::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0)?;
    let mut buf = [0; 2048];
    loop {
        let entries = file::read_directory(dir.as_fd(), &mut buf)?;
        if entries.is_empty() {
            return file::unlinkat(parent, name, true);
        }
        for file_name in entries {
            file::unlinkat(dir.as_fd(), file_name, false)?;
        }
    }
}

/// Makes the directory of all state, 0700, and what is above it.
#[allow(
    clippy::disallowed_methods,
    reason = "the state directory, which only its owner may enter"
)]
fn make_root(root: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(root);
    made.during(|| format!("mkdir {}", root.display()))
}

/// Reads a file to its end.
///
/// # Errors
/// `EFBIG` beyond `limit` bytes.
pub fn read_all(fd: BorrowedFd<'_>, limit: usize) -> kernel::Result<Vec<u8>> {
    let mut bytes = vec![0; 4096];
    let mut filled = 0;
    loop {
        match io::read(fd, &mut bytes[filled..])? {
            0 => {
                bytes.truncate(filled);
                bytes.shrink_to_fit();
                return Ok(bytes);
            }
            n => filled += n,
        }
        if filled > limit {
            return Err(Errno::EFBIG);
        }
        if filled == bytes.len() {
            bytes.resize(filled * 2, 0);
        }
    }
}

/// The ids below a root of state, sorted. A root that does not exist has none.
#[allow(
    clippy::disallowed_methods,
    reason = "the state directory, which only its owner may enter"
)]
pub fn ids(root: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(root) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.during(|| format!("read {}", root.display()))?,
    };
    let mut ids: Vec<String> = entries
        .filter_map(|e| e.ok())
        .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()))
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|name| check_id(name).is_ok())
        .collect();
    ids.sort();
    Ok(ids)
}

#[cfg(test)]
mod tests;
