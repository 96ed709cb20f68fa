//! Starts a program on the host with exactly the descriptors that a test asks for.

use crate::syscall::{self, c, call};
use std::os::unix::process::CommandExt;

const AT_FDCWD: usize = -100isize as usize;

/// `launch [--open FILE]... [--env KEY=VALUE]... [--listen-pid] [--session] PROGRAM ARGS`: only 0, 1 and 2 stay open,
/// the files become 3, 4 and so on. `--listen-pid` sets LISTEN_PID to the program's own pid, as systemd does.
/// `--session` makes a session whose terminal is standard input.
pub fn launch(args: &[String]) -> ! {
    let _ = call(syscall::CLOSE_RANGE, &[3, u32::MAX as usize, 0]);
    let mut rest = args;
    let mut env: Vec<(String, String)> = Vec::new();
    while let Some((word, tail)) = rest.split_first() {
        match word.as_str() {
            "--open" => {
                let path = c(tail.first().map_or("", String::as_str));
                let _ = call(syscall::OPENAT, &[AT_FDCWD, path.as_ptr() as usize, 2, 0]);
                rest = tail.get(1..).unwrap_or_default();
            }
            "--env" => {
                if let Some((key, value)) = tail.first().and_then(|pair| pair.split_once('=')) {
                    env.push((key.to_string(), value.to_string()));
                }
                rest = tail.get(1..).unwrap_or_default();
            }
            "--listen-pid" => {
                env.push(("LISTEN_PID".to_string(), std::process::id().to_string()));
                rest = tail;
            }
            "--session" => {
                const TIOCSCTTY: usize = 0x540E;
                let _ = call(syscall::SETSID, &[]);
                let _ = call(syscall::IOCTL, &[0, TIOCSCTTY, 0]);
                rest = tail;
            }
            _ => break,
        }
    }
    let Some((program, args)) = rest.split_first() else {
        std::process::exit(98)
    };
    let error = std::process::Command::new(program)
        .args(args)
        .envs(env)
        .exec();
    eprintln!("payload: {program}: {error}");
    std::process::exit(97)
}
