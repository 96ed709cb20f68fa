//! Steps that make the process the container's user.

use super::{Child, Done};
use crate::plan::capabilities::Masks;
use crate::sync::{Calling, Fault};
use kernel::cred::{self, CapSets};
use kernel::file::{self, O_NOCTTY, O_NONBLOCK, O_RDONLY};
use kernel::{Errno, io};
use std::os::fd::{AsFd, BorrowedFd};

/// Secure bits outlive execve: with the caller's, root in the container would not be what capabilities(7) says.
pub(super) fn secure_bits() -> Done {
    if cred::secure_bits().calling("prctl PR_GET_SECUREBITS")? == 0 {
        return Ok(());
    }
    cred::set_secure_bits(0).map_err(|errno| match errno {
        Errno::EPERM => Fault::about(
            "prctl PR_SET_SECUREBITS",
            errno,
            b"the runtime was started with secure bits that it cannot clear",
        ),
        other => Fault::new("prctl PR_SET_SECUREBITS", other),
    })
}

/// Drops every capability that is not in `keep`, up to the last one that this kernel has.
pub(super) fn bounding_set(keep: u64) -> Done {
    for cap in 0..64 {
        if keep & 1 << cap != 0 {
            continue;
        }
        match cred::drop_bounding(cap) {
            // Past the last one.
            Err(Errno::EINVAL) => return Ok(()),
            other => other.calling("prctl PR_CAPBSET_DROP")?,
        }
    }
    Ok(())
}

/// Sets effective, permitted and inheritable exactly, plus `extra` until execve, then the ambient set. It is cleared first: the runtime's caller may have had one.
pub(super) fn capabilities(masks: &Masks, extra: u64) -> Done {
    let extra = if extra == 0 {
        0
    } else {
        extra & cred::capget().calling("capget")?.permitted
    };
    let sets = CapSets {
        effective: masks.effective | extra,
        permitted: masks.permitted | extra,
        inheritable: masks.inheritable,
    };
    cred::capset(sets).map_err(|errno| match errno {
        Errno::EPERM => Fault::about(
            "capset",
            errno,
            b"the runtime lacks some of these capabilities itself",
        ),
        other => Fault::new("capset", other),
    })?;
    cred::clear_ambient().calling("prctl PR_CAP_AMBIENT")?;
    for cap in 0..64 {
        if masks.ambient & 1 << cap != 0 {
            cred::raise_ambient(cap).calling("prctl PR_CAP_AMBIENT")?;
        }
    }
    Ok(())
}

impl Child<'_> {
    /// The capabilities survive the change of user, and are set to their final values after it.
    pub(super) fn ids(&mut self, uid: u32, gid: u32) -> Done {
        if uid != 0 {
            cred::set_keep_caps(true).calling("prctl PR_SET_KEEPCAPS")?;
        }
        cred::set_gid(gid).calling("setresgid")?;
        cred::set_uid(uid).calling("setresuid")?;
        if self.chdir_again {
            file::chdir(&self.given.program.process.cwd).calling("chdir")?;
            return inside();
        }
        Ok(())
    }

    /// As root, for a directory that only root may enter; if root may not (a network filesystem), again as the user.
    pub(super) fn chdir(&mut self) -> Done {
        match file::chdir(&self.given.program.process.cwd) {
            Err(Errno::EACCES | Errno::EPERM) => {
                self.chdir_again = true;
                Ok(())
            }
            other => other.calling("chdir").and_then(|()| inside()),
        }
    }

    /// HOME of the user, from the container's /etc/passwd by number; `/` where it does not tell.
    pub(super) fn find_home(&mut self) -> Done {
        let mut home = crate::sync::Text::new();
        home.push(b"HOME=");
        let uid = self.given.program.process.uid;
        let mut found = false;
        let passwd = self
            .root()?
            .open(c"/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if let Ok(passwd) = passwd {
            let regular = file::fstat(passwd.as_fd())
                .is_ok_and(|st| st.st_mode & libc::S_IFMT == libc::S_IFREG);
            if regular {
                each_line(passwd.as_fd(), |line| {
                    if let Some(dir) = home_of(line, uid) {
                        home.push(dir);
                        found = true;
                    }
                    found
                });
            }
        }
        if !found {
            home.push(b"/");
        }
        self.home = home;
        Ok(())
    }
}

/// A working directory outside the root is one that some leaked descriptor led to (CVE-2024-21626).
#[inline(never)]
fn inside() -> Done {
    let mut buf = [0; crate::root::PATH_MAX];
    match file::getcwd(&mut buf) {
        Ok(path) if path.starts_with(b"/") => Ok(()),
        Ok(_) => Err(Fault::about(
            "getcwd",
            Errno::ENOENT,
            b"current working directory is outside of container mount namespace root",
        )),
        Err(e) => Err(Fault::new("getcwd", e)),
    }
}

/// Reads a file line by line until `visit` has seen enough. Lines too long for the buffer are passed over.
#[inline(never)]
fn each_line(fd: BorrowedFd<'_>, mut visit: impl FnMut(&[u8]) -> bool) {
    let mut buf = [0u8; 4096];
    let mut filled = 0;
    let mut skipping = false;
    // An image may hold a passwd file of any size; a megabyte is more than any real one.
    for _ in 0..256 {
        let n = match io::read(fd, &mut buf[filled..]) {
            Ok(n) => n,
            Err(_) => return,
        };
        let end = filled + n;
        let mut start = 0;
        while let Some(length) = buf[start..end].iter().position(|b| *b == b'\n') {
            if !skipping && visit(&buf[start..start + length]) {
                return;
            }
            skipping = false;
            start += length + 1;
        }
        if n == 0 {
            if !skipping {
                visit(&buf[start..end]);
            }
            return;
        }
        buf.copy_within(start..end, 0);
        filled = end - start;
        if filled == buf.len() {
            skipping = true;
            filled = 0;
        }
    }
}

/// The home directory in a line of passwd(5) if it is that user's.
fn home_of(line: &[u8], uid: u32) -> Option<&[u8]> {
    let mut fields = line.split(|b| *b == b':');
    let number = fields.nth(2)?;
    let home = fields.nth(2)?;
    let same = std::str::from_utf8(number).ok()?.parse::<u32>().ok()? == uid;
    (same && home.starts_with(b"/")).then_some(home)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Seek, Write};

    fn home(content: &[u8], uid: u32) -> Option<Vec<u8>> {
        let fd = kernel::file::memfd(c"passwd").unwrap();
        let mut file = std::fs::File::from(fd);
        file.write_all(content).unwrap();
        file.rewind().unwrap();
        let mut found = None;
        each_line(file.as_fd(), |line| {
            found = home_of(line, uid).map(<[u8]>::to_vec);
            found.is_some()
        });
        found
    }

    #[test]
    fn home_comes_from_the_line_of_the_number() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\n1000:x:0:0::/evil:/bin/sh\nbad\nuser:x:1000:1000::/home/user:\n";
        assert_eq!(home(passwd, 0).unwrap(), b"/root");
        assert_eq!(home(passwd, 1000).unwrap(), b"/home/user");
        assert_eq!(home(passwd, 7), None);
        assert_eq!(home(b"x:x:5:5::relative:", 5), None);
        assert_eq!(home(b"x:x:5:5::/last", 5).unwrap(), b"/last");
    }

    #[test]
    fn a_line_longer_than_the_buffer_is_passed_over() {
        let mut passwd = vec![b'a'; 10_000];
        passwd.extend_from_slice(b":x:5:5::/long:\nu:x:5:5::/short:\n");
        assert_eq!(home(&passwd, 5).unwrap(), b"/short");
        assert_eq!(home(&vec![b'x'; 3_000_000], 5), None);
    }
}
