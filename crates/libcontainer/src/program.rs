//! Running a program of the host for what it prints: newuidmap, ps.

use crate::error::{During, Error, Kind, Result};
use kernel::exec::StringArray;
use kernel::process::{self, CloneArgs, Exit, SignalSet};
use kernel::{Errno, file, io};
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// What a program left.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: Vec<u8>,
}

/// Runs a program with nothing to read, and with this process' environment.
///
/// # Errors
/// A program that cannot be executed (exit code 127 and a word on standard error, if that shows only in the new process), or that has not ended at the
/// deadline: it is killed.
pub fn output(path: &str, arguments: Vec<CString>, deadline: Instant) -> Result<Output> {
    let what = || format!("run {path}");
    let program = CString::new(path).map_err(|_| Error::os(what(), Errno::EINVAL))?;
    let argv = std::iter::once(program.clone()).chain(arguments).collect();
    let argv = StringArray::new(argv, 0);
    let envp = StringArray::new(kernel::exec::own_environment().during(what)?, 0);
    let stdin = file::openat(file::CWD, c"/dev/null", file::O_RDONLY, 0)
        .during(|| "open /dev/null".into())?;
    let (stdout, stdout_in) = io::pipe().during(what)?;
    let (stderr, stderr_in) = io::pipe().during(what)?;
    let streams = [&stdin, &stdout_in, &stderr_in];
    let child = process::clone(CloneArgs::default(), || {
        become_it(&program, &argv, &envp, streams)
    })
    .during(what)?;
    drop((stdout_in, stderr_in));

    let mut streams = [Some(stdout), Some(stderr)];
    let mut texts = [Vec::new(), Vec::new()];
    let mut exit = None;
    // Until it has ended and both are read to their end; a descendant that keeps them open does not count.
    while exit.is_none() {
        let mut set = [
            io::poll_entry(Some(child.pidfd.as_fd()), libc::POLLIN),
            io::poll_entry(streams[0].as_ref().map(AsFd::as_fd), libc::POLLIN),
            io::poll_entry(streams[1].as_ref().map(AsFd::as_fd), libc::POLLIN),
        ];
        if io::poll(&mut set, Some(deadline)).during(what)? == 0 {
            let _ = process::pidfd_send_signal(child.pidfd.as_fd(), libc::SIGKILL);
            let _ = process::wait(child.pidfd.as_fd());
            return Err(Error::new(Kind::Failed, what()).cause("it has not ended in time"));
        }
        if set[0].revents != 0 {
            exit = Some(process::wait(child.pidfd.as_fd()).during(what)?);
        }
        for i in 0..2 {
            if exit.is_some() || set[1 + i].revents != 0 {
                drain(&mut streams[i], &mut texts[i]);
            }
        }
    }
    let [stdout, stderr] = texts;
    Ok(Output {
        exit: exit.expect("the loop ends with it"),
        stdout,
        stderr,
    })
}

/// Reads what is there. At its end the stream is closed.
fn drain(stream: &mut Option<OwnedFd>, text: &mut Vec<u8>) {
    let Some(fd) = stream else { return };
    let mut buffer = [0; 4096];
    let open = io::set_nonblocking(fd.as_fd(), true).is_ok()
        && loop {
            match io::read(fd.as_fd(), &mut buffer) {
                Ok(0) => break false,
                Ok(n) => text.extend_from_slice(&buffer[..n]),
                Err(errno) => break errno == Errno::EAGAIN,
            }
        };
    if !open {
        *stream = None;
    }
}

/// In a new process that is to execute something of the host: leaves it nothing of the runtime's but these as standard input, output and error. It allocates
/// nothing.
pub(crate) fn keep_only(streams: [&OwnedFd; 3]) {
    let _ = process::set_parent_death_signal(libc::SIGKILL);
    for (number, fd) in streams.into_iter().enumerate() {
        if io::dup_onto(fd.as_fd(), number as i32, false).is_err() {
            process::exit(127);
        }
    }
    process::default_signals(u64::MAX);
    let _ = process::set_signal_mask(SignalSet::empty());
    let _ = io::close_from(3);
}

fn become_it(path: &CString, argv: &StringArray, envp: &StringArray, streams: [&OwnedFd; 3]) {
    keep_only(streams);
    let errno = kernel::exec::execve(path, argv, envp);
    let _ = io::write_all(
        io::STDERR,
        errno.text().unwrap_or("unknown error").as_bytes(),
    );
    process::exit(127)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn sh(script: &str, seconds: u64) -> Result<Output> {
        let arguments = vec![c"-c".into(), CString::new(script).unwrap()];
        output(
            "/bin/sh",
            arguments,
            Instant::now() + Duration::from_secs(seconds),
        )
    }

    #[test]
    fn all_that_it_prints_and_how_it_ended() {
        // More than a pipe holds, on both.
        let script = "head -c 200000 /dev/zero; head -c 100000 /dev/zero >&2; cat; exit 3";
        let output = sh(script, 30).unwrap();
        assert_eq!(output.exit, Exit::Code(3));
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (200_000, 100_000)
        );
    }

    #[test]
    fn a_daemon_that_it_leaves_behind_is_not_waited_for() {
        let output = sh("echo 1; sleep 2 & exit 0", 30).unwrap();
        assert_eq!(output.stdout, b"1\n");
        let started = Instant::now();
        let error = sh("exec sleep 100", 1).unwrap_err();
        assert!(
            error.to_string().contains("has not ended in time"),
            "{error}"
        );
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_that_is_not_there() {
        let output = output(
            "/no/such",
            Vec::new(),
            Instant::now() + Duration::from_secs(30),
        )
        .unwrap();
        assert_eq!(output.exit, Exit::Code(127));
        assert_eq!(output.stderr, b"no such file or directory");
    }
}
