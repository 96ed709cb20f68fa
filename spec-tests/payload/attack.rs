//! What a hostile program tries, without doing harm where it succeeds: it reports, and writes nothing.

use crate::json::Json;
use crate::syscall::{self, c, call};
use std::fs;
use std::path::Path;

const AT_FDCWD: usize = -100isize as usize;
const AT_EMPTY_PATH: usize = 0x1000;
const O_WRONLY: usize = 1;
const O_PATH_CLOEXEC: usize = 0o12_000_000;

/// Until the file `stop` exists: stops every process that shows up, as a debugger would, and looks through its root, its
/// working folder and its descriptors for `target`, a path of the host. Answers how many processes it saw, and where the path was found.
pub fn prey(target: &str, stop: &str) -> Json {
    let (mut seen, mut traced, mut hits) = (0, 0, Vec::new());
    while !Path::new(stop).exists() {
        for pid in others() {
            seen += 1;
            let held = hold(pid);
            traced += i64::from(held);
            hits.extend(ways(pid).into_iter().filter(|way| leads_to(way, target)));
            if held {
                const PTRACE_DETACH: usize = 17;
                let _ = call(syscall::PTRACE, &[PTRACE_DETACH, pid, 0, 0]);
            }
        }
    }
    hits.sort();
    hits.dedup();
    Json::Object(vec![
        ("seen".to_string(), Json::Int(seen)),
        ("traced".to_string(), Json::Int(traced)),
        (
            "hits".to_string(),
            Json::List(hits.into_iter().map(Json::Text).collect()),
        ),
    ])
}

/// Until the file `stop` exists: opens what every other process runs, and opens it again for writing. Answers which
/// files that worked on, but for sealed copies in memory and this program's own file.
pub fn overwrite(stop: &str) -> Json {
    let (mut seen, mut hits) = (0, Vec::new());
    let own = identity("/proc/self/exe");
    while !Path::new(stop).exists() {
        for pid in others() {
            seen += 1;
            let path = c(&format!("/proc/{pid}/exe"));
            let name = fs::read_link(format!("/proc/{pid}/exe"));
            let Ok(fd) = call(
                syscall::OPENAT,
                &[AT_FDCWD, path.as_ptr() as usize, O_PATH_CLOEXEC, 0],
            ) else {
                continue;
            };
            if identity(&format!("/proc/self/fd/{fd}")) != own && writable(fd) {
                hits.push(format!("{name:?}"));
            }
            let _ = call(syscall::CLOSE_RANGE, &[fd, fd, 0]);
        }
    }
    hits.sort();
    hits.dedup();
    Json::Object(vec![
        ("seen".to_string(), Json::Int(seen)),
        (
            "hits".to_string(),
            Json::List(hits.into_iter().map(Json::Text).collect()),
        ),
    ])
}

/// Tries to lift the write protection of the file at `path`, a process' exe, by every call that changes mounts; waits for the file `go`, and answers which
/// way led to a file that can be written to.
pub fn unseal(path: &str, spare: &str, go: &str) -> Json {
    const MS_BIND: usize = 4096;
    const MS_REMOUNT: usize = 32;
    const OPEN_TREE_CLONE_CLOEXEC: usize = 1 | 0o2_000_000;
    let name = c(path);
    let Ok(fd) = call(
        syscall::OPENAT,
        &[AT_FDCWD, name.as_ptr() as usize, O_PATH_CLOEXEC, 0],
    ) else {
        return Json::Null;
    };
    let mut ways = vec![("open", fd)];
    make_writable(fd);
    let empty = c("");
    let flags = OPEN_TREE_CLONE_CLOEXEC | AT_EMPTY_PATH;
    if let Ok(tree) = call(syscall::OPEN_TREE, &[fd, empty.as_ptr() as usize, flags]) {
        make_writable(tree);
        ways.push(("open_tree", tree));
    }
    let link = c(&format!("/proc/self/fd/{fd}"));
    let _ = call(
        syscall::MOUNT,
        &[0, link.as_ptr() as usize, 0, MS_REMOUNT | MS_BIND, 0],
    );
    let spare = c(spare);
    let spare = spare.as_ptr() as usize;
    let bound = call(
        syscall::MOUNT,
        &[link.as_ptr() as usize, spare, 0, MS_BIND, 0],
    )
    .is_ok();
    if bound {
        let _ = call(syscall::MOUNT, &[0, spare, 0, MS_REMOUNT | MS_BIND, 0]);
        if let Ok(mounted) = call(syscall::OPENAT, &[AT_FDCWD, spare, O_PATH_CLOEXEC, 0]) {
            ways.push(("bind", mounted));
        }
    }
    let _ = fs::write(format!("{go}.ready"), "");
    while !Path::new(go).exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let hits = ways.iter().filter(|(_, fd)| writable(*fd));
    let hits = hits.map(|(way, _)| Json::Text(way.to_string())).collect();
    if bound {
        const MNT_DETACH: usize = 2;
        let _ = call(syscall::UMOUNT, &[spare, MNT_DETACH]);
    }
    Json::Object(vec![
        ("tried".to_string(), Json::Int(ways.len() as i64)),
        ("hits".to_string(), Json::List(hits)),
    ])
}

/// mount_setattr(2) that clears MOUNT_ATTR_RDONLY.
fn make_writable(fd: usize) {
    let attributes: [u64; 4] = [0, 1, 0, 0];
    let empty = c("");
    let args = [
        fd,
        empty.as_ptr() as usize,
        AT_EMPTY_PATH,
        attributes.as_ptr() as usize,
        32,
    ];
    let _ = call(syscall::MOUNT_SETATTR, &args);
}

/// Whether the file behind an O_PATH descriptor opens for writing, and is no sealed memfd. A file that is being executed may be free in a moment.
fn writable(fd: usize) -> bool {
    const F_GET_SEALS: usize = 1034;
    const F_SEAL_WRITE: usize = 8;
    const ETXTBSY: i32 = 26;
    let path = c(&format!("/proc/self/fd/{fd}"));
    let open = |flags: usize| {
        call(
            syscall::OPENAT,
            &[AT_FDCWD, path.as_ptr() as usize, flags, 0],
        )
    };
    let close = |open: usize| call(syscall::CLOSE_RANGE, &[open, open, 0]);
    if let Ok(open) = open(0) {
        let sealed = call(syscall::FCNTL, &[open, F_GET_SEALS, 0])
            .is_ok_and(|seals| seals & F_SEAL_WRITE != 0);
        let _ = close(open);
        if sealed {
            return false;
        }
    }
    for _ in 0..3000 {
        match open(O_WRONLY) {
            Ok(open) => return close(open).is_ok(),
            Err(ETXTBSY) => std::thread::sleep(std::time::Duration::from_millis(1)),
            Err(_) => return false,
        }
    }
    false
}

/// The device and inode of a file, links followed.
fn identity(path: &str) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Every process but this one.
fn others() -> Vec<usize> {
    let own = std::process::id() as usize;
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .collect()
}

/// Attaches to a process and stops it.
fn hold(pid: usize) -> bool {
    const PTRACE_SEIZE: usize = 0x4206;
    const PTRACE_INTERRUPT: usize = 0x4207;
    const WALL: usize = 0x4000_0000;
    call(syscall::PTRACE, &[PTRACE_SEIZE, pid, 0, 0]).is_ok()
        && call(syscall::PTRACE, &[PTRACE_INTERRUPT, pid, 0, 0]).is_ok()
        && call(syscall::WAIT4, &[pid, 0, WALL, 0]).is_ok()
}

/// Links of a process that a look-up can start at.
fn ways(pid: usize) -> Vec<String> {
    let mut ways = vec![format!("/proc/{pid}/cwd"), format!("/proc/{pid}/root")];
    let fds = fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten();
    ways.extend(fds.map(|fd| fd.path().display().to_string()));
    ways
}

fn leads_to(way: &str, target: &str) -> bool {
    let up = "/..".repeat(12);
    Path::new(&format!("{way}{target}")).exists()
        || Path::new(&format!("{way}{up}{target}")).exists()
}
