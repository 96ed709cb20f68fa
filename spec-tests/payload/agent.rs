//! A seccomp agent (seccomp_unotify(2)): makes for others the calls that they may not make themselves. The listener is
//! standard input.

use crate::json::Json;
use crate::syscall::{self, c, call};
use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

const RECEIVE: usize = 0xC050_2100;
const SEND: usize = 0xC018_2101;
const CLONE_NEWNS: usize = 0x0002_0000;

/// `struct seccomp_notif`.
#[repr(C)]
#[derive(Default)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    arch: u32,
    instruction_pointer: u64,
    args: [u64; 6],
}

/// `struct seccomp_notif_resp`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Answers `count` calls.
pub fn serve(count: usize) -> Result<Json, i32> {
    for _ in 0..count {
        let mut n = Notification::default();
        call(syscall::IOCTL, &[0, RECEIVE, &raw mut n as usize])?;
        let done = perform(&n);
        let error = done.err().map_or(0, |e| -e.raw_os_error().unwrap_or(5));
        let answer = Response {
            id: n.id,
            value: 0,
            error,
            flags: 0,
        };
        call(syscall::IOCTL, &[0, SEND, &raw const answer as usize])?;
    }
    Ok(Json::Int(count as i64))
}

/// Makes the call with this process' own rights, where the other one is.
fn perform(n: &Notification) -> io::Result<()> {
    let text = |i: usize| string(n.pid, n.args[i]);
    let root = format!("/proc/{}/root", n.pid);
    match i64::from(n.number) {
        syscall::MKDIR => fs::create_dir(root + &text(0)?),
        syscall::MKDIRAT => fs::create_dir(root + &text(1)?),
        syscall::MOUNT => {
            let words = [text(0)?, text(1)?, text(2)?].map(|t| c(&t));
            let [source, target, kind] = words.each_ref().map(|w| w.as_ptr() as usize);
            let namespace = File::open(format!("/proc/{}/ns/mnt", n.pid))?;
            system(
                syscall::SETNS,
                &[namespace.as_raw_fd() as usize, CLONE_NEWNS],
            )?;
            system(
                syscall::MOUNT,
                &[source, target, kind, n.args[3] as usize, 0],
            )
        }
        _ => Err(io::Error::from_raw_os_error(38)),
    }
}

fn system(number: i64, args: &[usize]) -> io::Result<()> {
    call(number, args)
        .map(drop)
        .map_err(io::Error::from_raw_os_error)
}

/// A string in the memory of another process.
fn string(pid: u32, address: u64) -> io::Result<String> {
    let memory = File::open(format!("/proc/{pid}/mem"))?;
    let mut bytes = [0u8; 256];
    let read = memory.read_at(&mut bytes, address)?;
    let text = bytes[..read].split(|b| *b == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}
