//! Putting a device policy into force.

use crate::devices::{Policy, v1};
use crate::error::{Error, Result};
use crate::fs;
use crate::plan::RecordedDir;
use kernel::bpf::Insn;
use kernel::{Errno, io};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

const FIELD: &str = "/linux/resources/devices";

/// Tells our program from systemd's, which stays beside it.
const NAME: [u8; 16] = *b"teu_devices\0\0\0\0\0";

/// Writes the policy to a v1 cgroup: one denial (or allowance) of everything, then the exceptions through one descriptor.
pub(super) fn write_v1(dir: &RecordedDir, policy: &Policy) -> Result<()> {
    let writes = v1::writes(policy)?;
    let (first, second) = if writes.allow_first {
        ("devices.allow", "devices.deny")
    } else {
        ("devices.deny", "devices.allow")
    };
    let failed = |file: &str, line: &str, e| {
        Error::sys(format!("write {line:?} to {}", dir.join(file).display()), e).with_field(FIELD)
    };
    fs::write(&dir.join(first), "a").map_err(|e| failed(first, "a", e))?;
    if writes.exceptions.is_empty() {
        return Ok(());
    }
    let file = fs::open_for_writing(&dir.join(second))
        .map_err(|e| failed(second, &writes.exceptions[0], e))?;
    for line in &writes.exceptions {
        io::write(file.as_fd(), line.as_bytes()).map_err(|e| failed(second, line, e))?;
    }
    Ok(())
}

/// Changes the policy of a v1 cgroup that is in use. What stays allowed stays allowed all the time: first the new entries are added, then those
/// that are gone are taken away.
pub(super) fn change_v1(dir: &RecordedDir, policy: &Policy) -> Result<()> {
    let writes = v1::writes(policy)?;
    let path = dir.join("devices.list");
    let now = fs::read(&path).map_err(|e| Error::sys(format!("read {}", path.display()), e))?;
    // The kernel's list shows exceptions to a denial; "a *:* rwm" stands for everything, with exceptions that it does not show.
    if writes.allow_first || now.starts_with("a ") {
        return write_v1(dir, policy);
    }
    let write = |file: &str, line: &str| {
        let failed = |e| {
            Error::sys(format!("write {line:?} to {}", dir.join(file).display()), e)
                .with_field(FIELD)
        };
        fs::write(&dir.join(file), line).map_err(failed)
    };
    for line in writes
        .exceptions
        .iter()
        .filter(|l| !now.lines().any(|n| n == *l))
    {
        write("devices.allow", line)?;
    }
    for line in now.lines() {
        if let Some(surplus) = v1::surplus(line, &writes.exceptions) {
            write("devices.deny", &surplus)?;
        }
    }
    Ok(())
}

/// Loads a policy that became an eBPF program, for a v2 cgroup.
pub(super) fn load(path: &Path, code: &[Insn]) -> Result<OwnedFd> {
    let failed = |e| {
        Error::sys(format!("load the device program of {}", path.display()), e).with_field(FIELD)
    };
    kernel::bpf::load_device_program(code, NAME).map_err(|e| match e {
        Errno::EPERM => failed(e).with_hint(
            "control of devices on cgroup v2 needs CAP_BPF and CAP_NET_ADMIN, or CAP_SYS_ADMIN",
        ),
        e => failed(e),
    })
}

/// Attaches a loaded program to a v2 cgroup.
///
/// A fresh cgroup has no program of its own. Otherwise ours is replaced in one step; several, which nobody should have attached, are detached
/// once the new one is in force, so that there is no moment without control. Programs of others (systemd's) stay: all must allow an access.
pub(super) fn attach(path: &Path, dir: &OwnedFd, new: &OwnedFd, fresh: bool) -> Result<()> {
    let failed = |what: &str| {
        let message = format!("{what} the device program of {}", path.display());
        move |e| Error::sys(message, e).with_field(FIELD)
    };
    let dir = dir.as_fd();
    if fresh {
        return kernel::bpf::attach_device_program(dir, new.as_fd(), None)
            .map_err(failed("attach"));
    }
    let old = attached(dir).map_err(failed("query"))?;
    if let [only] = &old[..] {
        match kernel::bpf::attach_device_program(dir, new.as_fd(), Some(only.as_fd())) {
            // Before kernel 5.6 there is no replacing; EINVAL also when the old program was attached in another mode.
            Err(Errno::EINVAL) => {}
            other => return other.map_err(failed("replace")),
        }
    }
    kernel::bpf::attach_device_program(dir, new.as_fd(), None).map_err(failed("attach"))?;
    for program in old {
        kernel::bpf::detach_device_program(dir, program.as_fd()).map_err(failed("detach"))?;
    }
    Ok(())
}

/// Our programs on this very cgroup. One that goes away while we ask is none.
fn attached(dir: BorrowedFd<'_>) -> kernel::Result<Vec<OwnedFd>> {
    let mut ids = [0; 64];
    let count = kernel::bpf::query_device_programs(dir, &mut ids)?;
    let mut ours = Vec::new();
    for id in &ids[..count] {
        match kernel::bpf::program_by_id(*id) {
            Ok(program) if kernel::bpf::program_name(program.as_fd())? == NAME => {
                ours.push(program)
            }
            Ok(_) | Err(Errno::ENOENT) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(ours)
}

/// Detaches our programs from this very cgroup.
pub(super) fn detach_all(path: &Path, dir: &OwnedFd) -> Result<()> {
    let failed = |e| {
        Error::sys(
            format!("detach the device program of {}", path.display()),
            e,
        )
        .with_field(FIELD)
    };
    for program in attached(dir.as_fd()).map_err(failed)? {
        kernel::bpf::detach_device_program(dir.as_fd(), program.as_fd()).map_err(failed)?;
    }
    Ok(())
}
