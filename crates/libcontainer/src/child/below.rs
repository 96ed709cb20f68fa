//! All mounts below another, for kernels that cannot change them in one call (mount_setattr, 5.12).

use super::{Done, procfs};
use crate::root::PATH_MAX;
use crate::sync::{Calling, Text};
use crate::walk;
use kernel::file::{
    self, CWD, O_PATH, RESOLVE_BENEATH, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS,
};
use kernel::{Errno, io};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// How much of a line is looked at: the paths come first, and options may be of any length.
const LINE: usize = 2 * PATH_MAX;

/// Calls `act` with the root of each mount below `top`, the root of one that is attached.
///
/// proc_pid_mountinfo(5) lists them by their paths. Each is looked up from `top` on, through no link; what is not there any more, covered, or out of reach
/// (of the container, too, then) is passed over.
// Out of line: the pages of its frame would be touched each time.
#[cold]
#[inline(never)]
pub(super) fn each(top: BorrowedFd<'_>, act: impl Fn(BorrowedFd<'_>) -> Done) -> Done {
    procfs::enter_descriptors()?;
    let mut name = Text::<32>::new();
    name.push_number(top.as_raw_fd() as u64);
    let mut path = [0; PATH_MAX];
    let name = name.as_cstr().calling("readlink")?;
    let path = file::readlinkat(CWD, name, &mut path).calling("readlink")?;
    let table = procfs::open_own(c"thread-self/mountinfo")?;
    let mut buf = [0; LINE];
    let mut len = 0;
    let mut in_line = false;
    loop {
        let n = io::read(table.as_fd(), &mut buf[len..]).calling("read mountinfo")?;
        if n == 0 {
            return Ok(());
        }
        len += n;
        let mut done = 0;
        while let Some(end) = buf[done..len].iter().position(|b| *b == b'\n') {
            if !std::mem::take(&mut in_line) {
                one(&buf[done..done + end], path, top, &act)?;
            }
            done += end + 1;
        }
        buf.copy_within(done..len, 0);
        len -= done;
        if len == LINE || in_line {
            if !in_line {
                one(&buf, path, top, &act)?;
            }
            in_line = true;
            len = 0;
        }
    }
}

fn one(
    line: &[u8],
    path: &[u8],
    top: BorrowedFd<'_>,
    act: impl Fn(BorrowedFd<'_>) -> Done,
) -> Done {
    let Some(mut below) = below(line, path) else {
        return Ok(());
    };
    let below = below.as_cstr().calling("open mount")?;
    let resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    match walk::open(top, below, O_PATH, resolve) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => Ok(()),
        fd => act(fd.calling("open mount")?.as_fd()),
    }
}

/// The mount point of a line, relative to `top` if it is below.
fn below(line: &[u8], top: &[u8]) -> Option<Text<PATH_MAX>> {
    let escaped = line.split(|b| *b == b' ').nth(4)?;
    let mut point = Text::<PATH_MAX>::new();
    let mut rest = escaped;
    while let Some((first, more)) = rest.split_first() {
        // Space, tab, newline and backslash are octal there.
        let octal = |digits: &[u8]| {
            let digit = |n: u8, d: &u8| n.wrapping_mul(8).wrapping_add(d.wrapping_sub(b'0'));
            digits.iter().fold(0, digit)
        };
        if *first == b'\\' && more.len() >= 3 {
            point.push(&[octal(&more[..3])]);
            rest = &more[3..];
        } else {
            point.push(&[*first]);
            rest = more;
        }
    }
    let relative = point.as_bytes().strip_prefix(top)?.strip_prefix(b"/")?;
    let mut below = Text::new();
    below.push(relative);
    Some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_told_by_their_paths() {
        let line =
            |point: &str| format!("42 30 0:26 / {point} rw,nosuid shared:4 - cgroup2 none rw");
        for (point, found) in [
            ("/c/sys/fs/cgroup", Some("fs/cgroup")),
            ("/c/sys/a\\040b\\134", Some("a b\\")),
            ("/c/sys", None),
            ("/c/sysfs/x", None),
            ("/sys/fs", None),
        ] {
            let got = below(line(point).as_bytes(), b"/c/sys");
            let got = got.map(|t| String::from_utf8_lossy(t.as_bytes()).into_owned());
            assert_eq!(got.as_deref(), found, "{point}");
        }
        assert!(below(b"42 30", b"/c").is_none());
    }
}
