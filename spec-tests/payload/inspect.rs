//! What the process can see of itself, dumped raw. Parsing is the suite's business: it has the better tools and
//! can say what it expected.

use crate::json::Json;
use crate::signals;
use crate::syscall::{self, call};
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// Everything at once; a file that cannot be read is `null`.
pub fn everything() -> Json {
    let mut members = vec![
        ("pid".to_string(), Json::Int(i64::from(std::process::id()))),
        ("sid".to_string(), number(syscall::GETSID, &[0])),
        ("pgid".to_string(), number(syscall::GETPGID, &[0])),
        (
            "args".to_string(),
            Json::List(std::env::args_os().map(|a| text(a.as_bytes())).collect()),
        ),
        ("env".to_string(), environ()),
        ("cwd".to_string(), link("/proc/self/cwd")),
        (
            "getcwd".to_string(),
            Json::text_or_null(
                std::env::current_dir()
                    .ok()
                    .map(|p| p.display().to_string()),
            ),
        ),
        ("exe".to_string(), link("/proc/self/exe")),
        ("namespaces".to_string(), links("/proc/self/ns")),
        ("fds".to_string(), links("/proc/self/fd")),
        ("files".to_string(), files()),
        ("ioprio".to_string(), number(syscall::IOPRIO_GET, &[1, 0])),
        (
            "personality".to_string(),
            number(syscall::PERSONALITY, &[0xffff_ffff]),
        ),
    ];
    for name in ["SigIgn", "SigBlk"] {
        members.push((
            name.to_string(),
            Json::text_or_null(signals::at_start(name)),
        ));
    }
    members.push(("mempolicy".to_string(), mempolicy()));
    members.push(("scheduler".to_string(), scheduler()));
    const KEYCTL_DESCRIBE: usize = 6;
    const KEYCTL_GET_SECURITY: usize = 17;
    for (name, operation) in [
        ("session_keyring", KEYCTL_DESCRIBE),
        ("session_keyring_label", KEYCTL_GET_SECURITY),
    ] {
        members.push((name.to_string(), session_keyring(operation)));
    }
    members.push((
        "tty".to_string(),
        Json::List((0..3).map(terminal).collect()),
    ));
    Json::Object(members)
}

const FILES: [&str; 20] = [
    "/proc/self/environ",
    "/proc/self/status",
    "/proc/self/stat",
    "/proc/self/limits",
    "/proc/self/mountinfo",
    "/proc/self/cgroup",
    "/proc/self/oom_score_adj",
    "/proc/self/uid_map",
    "/proc/self/gid_map",
    "/proc/self/setgroups",
    "/proc/self/timens_offsets",
    "/proc/self/attr/current",
    "/proc/self/sessionid",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/domainname",
    "/proc/keys",
    "/proc/net/dev",
    "/proc/uptime",
    "/proc/self/coredump_filter",
    "/proc/self/loginuid",
];

fn files() -> Json {
    Json::Object(
        FILES
            .iter()
            .map(|path| (path.to_string(), read(path)))
            .collect(),
    )
}

/// A file as text, or `null`.
pub fn read(path: &str) -> Json {
    fs::read(path).map_or(Json::Null, |bytes| text(&bytes))
}

fn environ() -> Json {
    let entry = |(k, v): (std::ffi::OsString, std::ffi::OsString)| {
        let mut bytes = k.as_bytes().to_vec();
        bytes.push(b'=');
        bytes.extend_from_slice(v.as_bytes());
        text(&bytes)
    };
    Json::List(std::env::vars_os().map(entry).collect())
}

fn link(path: &str) -> Json {
    Json::text_or_null(fs::read_link(path).ok().map(|p| p.display().to_string()))
}

/// Every symbolic link of a directory of procfs. The descriptor that reads the directory itself is left out.
pub fn links(dir: &str) -> Json {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| {
            entries
                .flatten()
                .map(|e| e.file_name().to_string_lossy().into_owned())
                .collect()
        })
        .unwrap_or_default();
    names.sort();
    let mut members = Vec::new();
    for name in names {
        if let Ok(target) = fs::read_link(format!("{dir}/{name}")) {
            members.push((name, Json::Text(target.display().to_string())));
        }
    }
    Json::Object(members)
}

fn text(bytes: &[u8]) -> Json {
    Json::Text(String::from_utf8_lossy(bytes).into_owned())
}

/// The result of a call, or `-errno`.
fn number(nr: i64, args: &[usize]) -> Json {
    Json::Int(call(nr, args).map_or_else(|errno| -i64::from(errno), |value| value as i64))
}

fn mempolicy() -> Json {
    let mut mode = [0u8; 4];
    let mut nodes = [0u8; 128];
    let args = [
        mode.as_mut_ptr() as usize,
        nodes.as_mut_ptr() as usize,
        1024,
        0,
        0,
    ];
    match call(syscall::GET_MEMPOLICY, &args) {
        Ok(_) => Json::Object(vec![
            (
                "mode".to_string(),
                Json::Int(i64::from(u32::from_ne_bytes(mode))),
            ),
            ("nodes".to_string(), Json::Int(i64::from(nodes[0]))),
        ]),
        Err(errno) => Json::Int(-i64::from(errno)),
    }
}

/// `struct sched_attr`, see sched_setattr(2).
fn scheduler() -> Json {
    let mut attr = [0u8; 64];
    if let Err(errno) = call(
        syscall::SCHED_GETATTR,
        &[0, attr.as_mut_ptr() as usize, attr.len(), 0],
    ) {
        return Json::Int(-i64::from(errno));
    }
    let u32_at = |i: usize| {
        Json::Int(i64::from(u32::from_ne_bytes(
            attr[i..i + 4].try_into().expect("4 bytes"),
        )))
    };
    let i32_at = |i: usize| {
        Json::Int(i64::from(i32::from_ne_bytes(
            attr[i..i + 4].try_into().expect("4 bytes"),
        )))
    };
    let u64_at = |i: usize| {
        Json::Int(u64::from_ne_bytes(attr[i..i + 8].try_into().expect("8 bytes")) as i64)
    };
    Json::Object(vec![
        ("policy".to_string(), u32_at(4)),
        ("flags".to_string(), u64_at(8)),
        ("nice".to_string(), i32_at(16)),
        ("priority".to_string(), u32_at(20)),
        ("runtime".to_string(), u64_at(24)),
        ("deadline".to_string(), u64_at(32)),
        ("period".to_string(), u64_at(40)),
    ])
}

/// What keyctl(2) tells of the session keyring. KEYCTL_DESCRIBE: `type;uid;gid;perm;description`; KEYCTL_GET_SECURITY: its label.
fn session_keyring(operation: usize) -> Json {
    const KEY_SPEC_SESSION_KEYRING: usize = -3isize as usize;
    let mut buffer = [0u8; 512];
    let args = [
        operation,
        KEY_SPEC_SESSION_KEYRING,
        buffer.as_mut_ptr() as usize,
        buffer.len(),
    ];
    match call(syscall::KEYCTL, &args) {
        Ok(len) => text(&buffer[..len.saturating_sub(1).min(buffer.len())]),
        Err(errno) => Json::Int(-i64::from(errno)),
    }
}

/// `{"rows":..,"columns":..}` when the descriptor is a terminal, else `null`.
fn terminal(fd: usize) -> Json {
    terminal_size(fd).map_or(Json::Null, |(rows, columns)| {
        Json::Object(vec![
            ("rows".to_string(), Json::Int(rows as i64)),
            ("columns".to_string(), Json::Int(columns as i64)),
        ])
    })
}

/// Rows and columns when the descriptor is a terminal.
pub fn terminal_size(fd: usize) -> Option<(usize, usize)> {
    const TIOCGWINSZ: usize = 0x5413;
    let mut size = [0u8; 8];
    call(
        syscall::IOCTL,
        &[fd, TIOCGWINSZ, size.as_mut_ptr() as usize],
    )
    .ok()?;
    let word = |i: usize| usize::from(u16::from_ne_bytes([size[i], size[i + 1]]));
    Some((word(0), word(2)))
}
