//! The last steps: find the program, wait for the start, let go of everything, execve.

use super::{Child, Done};
use crate::plan::HookPoint;
use crate::sync::{self, Calling, Fault, Message};
use kernel::file::{self, CWD};
use kernel::process::{self, SignalSet};
use kernel::{Errno, exec, io};
use std::ffi::CStr;

const X_OK: i32 = 1;

/// Why a candidate is no program.
fn check(path: &CStr) -> Result<(), Errno> {
    let st = file::statat(CWD, path)?;
    match st.st_mode & libc::S_IFMT {
        libc::S_IFDIR => Err(Errno::EISDIR),
        libc::S_IFREG => file::faccessat(CWD, path, X_OK),
        _ => Err(Errno::EACCES),
    }
}

/// A configuration without a process is valid until `start`, which then has nothing to run (config.md, "Process").
pub(super) fn no_process() -> ! {
    let _ = io::write_all(
        io::STDERR,
        b"nothing to start: config.json has no process\n",
    );
    process::exit(1)
}

impl Child<'_> {
    /// A name with a slash is a path. Any other is searched in PATH; a file there that may not be executed is passed over, but tells why in
    /// the end (execvp(3)).
    pub(super) fn find_program(&mut self) -> Done {
        let process = &self.given.program.process;
        let Some(name) = process.argv.strings().first() else {
            return Err(Fault::new("exec", Errno::ENOENT));
        };
        let name = name.to_bytes();
        let mut denied = None;
        let directories: &[u8] = if name.contains(&b'/') {
            b""
        } else {
            process.path.to_bytes()
        };
        for dir in directories.split(|b| *b == b':') {
            self.program.clear();
            if !name.contains(&b'/') {
                self.program.push(if dir.is_empty() { b"." } else { dir });
                self.program.push(b"/");
            }
            self.program.push(name);
            match self.program.as_cstr().and_then(check) {
                Ok(()) => return Ok(()),
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ENAMETOOLONG)
                    if !name.contains(&b'/') => {}
                Err(e) if !name.contains(&b'/') => {
                    denied.get_or_insert(e);
                }
                Err(e) => return Err(Fault::about("stat", e, name)),
            }
        }
        match denied {
            Some(Errno::EISDIR) | None => Err(Fault::about("search", Errno::ENOENT, name)),
            Some(e) => Err(Fault::about("search", e, name)),
        }
    }

    /// From here on the container outlives the command that makes it; should that die before the record is complete, the pair tells.
    pub(super) fn ready(&mut self) -> Done {
        process::set_parent_death_signal(0).calling("prctl PR_SET_PDEATHSIG")?;
        self.parent_death_cleared = true;
        // `run` starts it at once, and what closes the rest comes right behind.
        if self.given.starter.is_none() && self.given.hooks.is_empty() {
            return sync::ready(self.given.sync).calling("sendmsg");
        }
        // While it waits, the process holds nothing of the host,
        // but what its own hooks still write to.
        let hooks = self.given.hooks;
        let outputs = hooks
            .descriptors()
            .filter(|_| !hooks.at(HookPoint::StartContainer).is_empty());
        let mut keep = [self.given.sync; 4];
        let mut count = 1;
        for fd in self.given.starter.into_iter().chain(outputs) {
            keep[count] = fd;
            count += 1;
        }
        self.close_all_but(&keep[..count])?;
        if self.given.program.is_seen_by_others() {
            // Nothing of the host is left in it, and the engine may look at its namespaces now.
            let _ = process::set_dumpable(true);
        }
        sync::ready(self.given.sync).calling("sendmsg")
    }

    /// Waits until the parent has recorded the container, then for whoever starts it.
    pub(super) fn await_start(&mut self) -> Done {
        let Some(starter) = self.given.starter else {
            return match sync::receive(self.given.sync).calling("recvmsg")? {
                Message::Start(facts, _) => {
                    self.facts = facts;
                    Ok(())
                }
                _ => process::exit(1),
            };
        };
        self.await_go()?;
        process::release_text();
        loop {
            match sync::receive(starter) {
                Ok(Message::Start(_, Some(answer_to))) => {
                    self.answer_to = Some(answer_to);
                    return Ok(());
                }
                // Not a start: the socket is the runtime's alone, but a stray message must not end a container.
                Ok(_) | Err(Errno::EPROTO) => {}
                Err(e) => return Err(Fault::new("recvmsg", e)),
            }
        }
    }

    pub(super) fn rlimits(&self) -> Done {
        for (resource, limit) in &self.given.program.process.rlimits {
            process::prlimit(0, *resource, Some(*limit)).calling("prlimit")?;
        }
        Ok(())
    }

    /// From here on only the descriptors that the program inherits are open, and the one for last words, which execve closes.
    pub(super) fn release(&mut self) -> Done {
        if !self.parent_death_cleared {
            process::set_parent_death_signal(0).calling("prctl PR_SET_PDEATHSIG")?;
        }
        process::default_signals(self.facts.ignored_signals);
        process::set_signal_mask(SignalSet::empty()).calling("rt_sigprocmask")?;
        let number = 3 + self.given.program.process.preserve_fds as i32;
        let last = io::keep_only(self.report(), number).calling("close_range")?;
        self.last = Some(last);
        sync::executing(last).calling("sendmsg")
    }

    pub(super) fn seccomp(&mut self) -> Done {
        let Some(filter) = &self.given.program.process.seccomp else {
            return Ok(());
        };
        let listener = kernel::seccomp::set_mode_filter(filter.flags, &filter.instructions)
            .calling("seccomp")?;
        if let Some(listener) = listener {
            use std::os::fd::AsRawFd;
            sync::listener(self.report(), listener.as_raw_fd()).calling("write")?;
            // The parent has it when it answers.
            self.await_go()?;
        }
        Ok(())
    }

    pub(super) fn exec(&mut self) -> Done {
        let process = &self.given.program.process;
        let path = self.program.as_cstr().calling("exec")?;
        let errno = match self.home.as_bytes() {
            b"" => exec::execve(path, &process.argv, &process.envp),
            _ => exec::execve_with(
                path,
                &process.argv,
                &process.envp,
                self.home.as_cstr().calling("exec")?,
            ),
        };
        Err(Fault::about("execve", errno, path.to_bytes()))
    }
}
