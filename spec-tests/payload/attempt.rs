//! Things a process may try. Each answers with one JSON line `{"op","ok","errno","value"}` and never fails itself:
//! whether the kernel should have allowed it is for the suite to say.

use crate::agent;
use crate::inspect;
use crate::json::Json;
use crate::syscall::{self, c, call};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};

const AT_FDCWD: usize = -100isize as usize;
const S_IFIFO: u32 = 0o010_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;

/// Runs attempt `op`, or `None` when there is no such attempt.
pub fn attempt(op: &str, args: &[String]) -> Option<Json> {
    let arg = |i: usize| args.get(i).map_or("", String::as_str);
    let number = |i: usize| parse(arg(i));
    let result: Result<Json, i32> = match op {
        "read" => fs::read_to_string(arg(0)).map(Json::Text).map_err(errno),
        "read-bytes" => read_bytes(arg(0), number(1)),
        "write" => fs::write(arg(0), arg(1)).map(done).map_err(errno),
        "append" => append(arg(0), arg(1)).map(done).map_err(errno),
        "open-write" => OpenOptions::new()
            .write(true)
            .open(arg(0))
            .map(done)
            .map_err(errno),
        "mkdir" => fs::create_dir(arg(0)).map(done).map_err(errno),
        "rmdir" => fs::remove_dir(arg(0)).map(done).map_err(errno),
        "unlink" => fs::remove_file(arg(0)).map(done).map_err(errno),
        "symlink" => std::os::unix::fs::symlink(arg(0), arg(1))
            .map(done)
            .map_err(errno),
        "readlink" => fs::read_link(arg(0))
            .map(|p| Json::Text(p.display().to_string()))
            .map_err(errno),
        "list" => list(arg(0)).map_err(errno),
        "stat" => fs::metadata(arg(0)).map(|m| stat(&m)).map_err(errno),
        "lstat" => fs::symlink_metadata(arg(0))
            .map(|m| stat(&m))
            .map_err(errno),
        "statfs-dev" => fs::metadata(arg(0))
            .map(|m| Json::Int(m.dev() as i64))
            .map_err(errno),
        "exec" => execute(arg(0), &args[1.min(args.len())..]).map_err(errno),
        "chmod" => sys(
            syscall::FCHMODAT,
            &[AT_FDCWD, c(arg(0)).as_ptr() as usize, number(1)],
        ),
        "chown" => sys(
            syscall::FCHOWNAT,
            &[
                AT_FDCWD,
                c(arg(0)).as_ptr() as usize,
                number(1),
                number(2),
                0,
            ],
        ),
        "mknod" => mknod(arg(0), arg(1), number(2), number(3)),
        "mount" => mount(arg(0), arg(1), arg(2), number(3)),
        "umount" => sys(syscall::UMOUNT, &[c(arg(0)).as_ptr() as usize, number(1)]),
        "chroot" => sys(syscall::CHROOT, &[c(arg(0)).as_ptr() as usize]),
        "unshare" => sys(syscall::UNSHARE, &[number(0)]),
        "setuid" => sys(syscall::SETUID, &[number(0)]),
        "setgid" => sys(syscall::SETGID, &[number(0)]),
        "kill" => sys(syscall::KILL, &[number(0), number(1)]),
        "ptrace-attach" => sys(syscall::PTRACE, &[16, number(0), 0, 0]),
        "sethostname" => sys(
            syscall::SETHOSTNAME,
            &[c(arg(0)).as_ptr() as usize, arg(0).len()],
        ),
        "socket" => sys(syscall::SOCKET, &[number(0), number(1), number(2)]),
        "syscall" => sys(
            number(0) as i64,
            &(1..args.len().min(7)).map(number).collect::<Vec<_>>(),
        ),
        "dup-write" => write_fd(number(0), arg(1)),
        "fd-read" => fs::read_to_string(format!("/proc/self/fd/{}", arg(0)))
            .map(Json::Text)
            .map_err(errno),
        "allocate" => allocate(number(0)),
        "hold" => hold(number(0)),
        "agent" => agent::serve(number(0)),
        "fork-many" => fork_many(number(0)),
        "links" => Ok(inspect::links(arg(0))),
        "notify" => notify(arg(0)).map(done).map_err(errno),
        _ => return None,
    };
    Some(answer(op, result))
}

fn answer(op: &str, result: Result<Json, i32>) -> Json {
    let (ok, errno, value) = match result {
        Ok(value) => (true, 0, value),
        Err(errno) => (false, errno, Json::Null),
    };
    Json::Object(vec![
        ("op".to_string(), Json::Text(op.to_string())),
        ("ok".to_string(), Json::Bool(ok)),
        ("errno".to_string(), Json::Int(i64::from(errno))),
        ("value".to_string(), value),
    ])
}

fn errno(error: io::Error) -> i32 {
    error.raw_os_error().unwrap_or(-1)
}

fn done<T>(_: T) -> Json {
    Json::Null
}

/// Decimal, `0x` hexadecimal, `0o` octal, or negative; anything else is 0.
pub fn parse(text: &str) -> usize {
    let value = if let Some(hex) = text.strip_prefix("0x") {
        usize::from_str_radix(hex, 16).ok()
    } else if let Some(octal) = text.strip_prefix("0o") {
        usize::from_str_radix(octal, 8).ok()
    } else {
        text.parse::<i128>().ok().map(|n| n as usize)
    };
    value.unwrap_or(0)
}

fn sys(nr: i64, args: &[usize]) -> Result<Json, i32> {
    call(nr, args).map(|value| Json::Int(value as i64))
}

fn append(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)?
        .write_all(text.as_bytes())
}

/// How many bytes of the first `count` could be read.
fn read_bytes(path: &str, count: usize) -> Result<Json, i32> {
    let mut buffer = vec![0u8; count];
    let mut file = fs::File::open(path).map_err(errno)?;
    file.read(&mut buffer)
        .map(|n| Json::Int(n as i64))
        .map_err(errno)
}

fn list(path: &str) -> io::Result<Json> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(Json::List(names.into_iter().map(Json::Text).collect()))
}

fn stat(m: &fs::Metadata) -> Json {
    let kind = m.file_type();
    let name = match () {
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "link",
        () if kind.is_char_device() => "char",
        () if kind.is_block_device() => "block",
        () if kind.is_fifo() => "fifo",
        () if kind.is_socket() => "socket",
        () => "file",
    };
    let rdev = m.rdev();
    let major = ((rdev >> 8) & 0xfff) | ((rdev >> 32) & !0xfff);
    let minor = (rdev & 0xff) | ((rdev >> 12) & !0xff);
    Json::Object(vec![
        ("type".to_string(), Json::Text(name.to_string())),
        ("mode".to_string(), Json::Int(i64::from(m.mode() & 0o7777))),
        ("uid".to_string(), Json::Int(i64::from(m.uid()))),
        ("gid".to_string(), Json::Int(i64::from(m.gid()))),
        ("size".to_string(), Json::Int(m.size() as i64)),
        ("major".to_string(), Json::Int(major as i64)),
        ("minor".to_string(), Json::Int(minor as i64)),
        ("dev".to_string(), Json::Int(m.dev() as i64)),
        ("ino".to_string(), Json::Int(m.ino() as i64)),
    ])
}

fn execute(path: &str, args: &[String]) -> io::Result<Json> {
    std::process::Command::new(path)
        .args(args)
        .status()
        .map(|s| Json::Text(s.to_string()))
}

fn mknod(path: &str, kind: &str, major: usize, minor: usize) -> Result<Json, i32> {
    let format = match kind {
        "c" => S_IFCHR,
        "b" => S_IFBLK,
        _ => S_IFIFO,
    };
    let dev = (major << 8) | (minor & 0xff) | ((minor & !0xff) << 12);
    sys(
        syscall::MKNODAT,
        &[
            AT_FDCWD,
            c(path).as_ptr() as usize,
            (format | 0o600) as usize,
            dev,
        ],
    )
}

fn mount(source: &str, target: &str, kind: &str, flags: usize) -> Result<Json, i32> {
    let (source, target, kind) = (c(source), c(target), c(kind));
    sys(
        syscall::MOUNT,
        &[
            source.as_ptr() as usize,
            target.as_ptr() as usize,
            kind.as_ptr() as usize,
            flags,
            0,
        ],
    )
}

fn write_fd(fd: usize, text: &str) -> Result<Json, i32> {
    let path = format!("/proc/self/fd/{fd}");
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut f| f.write_all(text.as_bytes()))
        .map(done)
        .map_err(errno)
}

/// Touches `mebibytes` of memory, one write per page.
fn allocate(mebibytes: usize) -> Result<Json, i32> {
    let mut block = vec![0u8; mebibytes << 20];
    for i in (0..block.len()).step_by(4096) {
        block[i] = 1;
    }
    Ok(Json::Int(
        std::hint::black_box(&block)
            .iter()
            .step_by(4096)
            .map(|b| i64::from(*b))
            .sum(),
    ))
}

/// Fills memory and keeps it until the end.
fn hold(mebibytes: usize) -> Result<Json, i32> {
    let block = vec![1u8; mebibytes << 20].leak();
    Ok(Json::Int(std::hint::black_box(block).len() as i64))
}

/// Forks `count` children that wait until they are killed; answers how many came to be, then ends them.
fn fork_many(count: usize) -> Result<Json, i32> {
    const SIGCHLD: usize = 17;
    let mut children = Vec::new();
    let mut failure = 0;
    for _ in 0..count {
        match call(syscall::CLONE, &[SIGCHLD, 0, 0, 0, 0]) {
            Ok(0) => crate::signals::pause(),
            Ok(pid) => children.push(pid),
            Err(errno) => {
                failure = errno;
                break;
            }
        }
    }
    for pid in &children {
        let _ = call(syscall::KILL, &[*pid, 9]);
        let _ = call(syscall::WAIT4, &[*pid, 0, 0, 0]);
    }
    Ok(Json::Object(vec![
        ("forked".to_string(), Json::Int(children.len() as i64)),
        ("errno".to_string(), Json::Int(i64::from(failure))),
    ]))
}

/// One datagram to `$NOTIFY_SOCKET`, as sd_notify(3) does.
fn notify(message: &str) -> io::Result<()> {
    let path = std::env::var("NOTIFY_SOCKET").map_err(|_| io::Error::from_raw_os_error(2))?;
    let socket = std::os::unix::net::UnixDatagram::unbound()?;
    socket.send_to(message.as_bytes(), path).map(|_| ())
}
