//! Which cgroup hierarchies this host has, and where.

use crate::error::{Error, Result};
use kernel::file;
use std::ffi::CString;
use std::path::{Path, PathBuf};

/// Where cgroups are mounted by convention (systemd's, which every distribution follows).
const ROOT: &str = "/sys/fs/cgroup";
const MOUNTINFO: &str = "/proc/self/mountinfo";
const CGROUP_SUPER_MAGIC: i64 = 0x27e0eb;
const CGROUP2_SUPER_MAGIC: i64 = 0x63677270;

/// The cgroup hierarchies of this host.
///
/// *v2*: one tree with every controller. *v1*: one hierarchy per group of controllers. *Hybrid*: v1 hierarchies beside a v2 tree that holds the
/// controllers that v1 does not have, possibly none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    pub(crate) v1: Vec<V1Mount>,
    pub(crate) v2: Option<V2Mount>,
}

/// One v1 hierarchy.
#[derive(Clone, Debug, PartialEq)]
pub struct V1Mount {
    /// What to mount to get this hierarchy: `cpu,cpuacct` or `name=systemd` (which also needs the option `none`).
    pub options: String,
    /// Where it is mounted on the host, such as `/sys/fs/cgroup/cpu,cpuacct`.
    pub mountpoint: PathBuf,
    /// Its controllers (`cpu`, `cpuacct`), or its one name (`name=systemd`).
    pub subsystems: Vec<String>,
    /// The calling process's cgroup, relative to the mount point, starting with a slash.
    pub own: String,
}

/// The v2 tree.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct V2Mount {
    pub mountpoint: PathBuf,
    /// As [`V1Mount::own`].
    pub own: String,
    /// The controllers at its root, read only on hybrid hosts: elsewhere there is no choice to make.
    pub controllers: Option<Vec<String>>,
    /// The options of the filesystem, once they have been read.
    pub options: String,
}

impl Layout {
    /// Looks at this host: one statfs(2) and one read of /proc/self/cgroup, and on v1 one more statfs per hierarchy.
    ///
    /// /proc/self/mountinfo is read only where the conventional mount points do not lead to the caller's own cgroups: it lists every mount
    /// of the host, which can be thousands.
    pub fn detect() -> Result<Layout> {
        let own = read_to_string(Path::new("/proc/self/cgroup"))?;
        if magic(ROOT) == Some(CGROUP2_SUPER_MAGIC) {
            let own = parse_own(&own)
                .find(|h| h.id == "0")
                .map_or("/", |h| h.path);
            let v2 = V2Mount {
                mountpoint: ROOT.into(),
                own: sane(own),
                controllers: None,
                options: String::new(),
            };
            return Ok(Layout {
                v1: Vec::new(),
                v2: Some(v2),
            });
        }
        Layout::legacy(&own, magic, read_to_string)
    }

    /// v1 and hybrid: each line of /proc/self/cgroup names a hierarchy. `magic` tells the type of a file system, `read` reads a file.
    fn legacy(
        own: &str,
        magic: impl Fn(&str) -> Option<i64>,
        read: impl Fn(&Path) -> Result<String>,
    ) -> Result<Layout> {
        let mut layout = Layout::default();
        let mut mountinfo = None;
        for h in parse_own(own) {
            let conventional = h.conventional().find_map(|m| {
                let path = sane(h.path);
                let found = magic(&format!("{m}{}", path.trim_end_matches('/')));
                (found == Some(h.magic())).then_some((PathBuf::from(m), path))
            });
            let found = match conventional {
                Some(found) => Some(found),
                // Every kernel lists the v2 tree; where it is not at the usual place it is in nobody's way, and nobody expects it used.
                None if h.id == "0" => None,
                None => {
                    let text = match &mut mountinfo {
                        Some(text) => text,
                        none => none.insert(read(Path::new(MOUNTINFO))?),
                    };
                    h.in_mountinfo(text)
                }
            };
            // A hierarchy that is not mounted cannot be used, and need not be.
            let Some((mountpoint, own)) = found else {
                continue;
            };
            if h.id == "0" {
                let controllers = read(&mountpoint.join("cgroup.controllers"))?;
                let controllers = Some(controllers.split_whitespace().map(str::to_owned).collect());
                layout.v2 = Some(V2Mount {
                    mountpoint,
                    own,
                    controllers,
                    options: String::new(),
                });
            } else {
                let subsystems = h.subsystems().map(str::to_owned).collect();
                layout.v1.push(V1Mount {
                    options: h.names.to_owned(),
                    mountpoint,
                    subsystems,
                    own,
                });
            }
        }
        if layout.v1.is_empty() && layout.v2.is_none() {
            return Err(Error::new("no cgroup hierarchy is mounted")
                .with_hint("mount cgroup2 at /sys/fs/cgroup"));
        }
        Ok(layout)
    }

    /// A host that has the v2 tree alone, at `mountpoint`, with the calling process in `own`: for deciding about another host than this.
    pub fn unified(mountpoint: &Path, own: &str) -> Layout {
        let v2 = V2Mount {
            mountpoint: mountpoint.to_owned(),
            own: own.to_owned(),
            controllers: None,
            options: String::new(),
        };
        Layout {
            v1: Vec::new(),
            v2: Some(v2),
        }
    }

    /// Whether this host has the v2 tree alone.
    pub fn is_v2(&self) -> bool {
        self.v1.is_empty()
    }

    /// Reads the options that the v2 tree has (`nsdelegate`, cgroups(7)) from /proc/self/mountinfo, which lists every mount of the host: not for every container.
    pub fn read_v2_options(&mut self) -> Result<()> {
        if let Some(v2) = &mut self.v2 {
            let table = read_to_string(Path::new(MOUNTINFO))?;
            v2.options = v2_options(&table).ok_or_else(|| {
                Error::new("/proc/self/mountinfo does not list the cgroup2 filesystem")
            })?;
        }
        Ok(())
    }

    /// Those options, as mount(2) takes them; empty before [`Layout::read_v2_options`].
    pub fn v2_options(&self) -> &str {
        self.v2.as_ref().map_or("", |m| m.options.as_str())
    }

    /// The v1 hierarchies; none on a v2 host. For building a workload's own view of them.
    pub fn v1_mounts(&self) -> impl Iterator<Item = &V1Mount> {
        self.v1.iter()
    }

    /// Where the v2 tree is mounted, on v2 and hybrid hosts.
    pub fn v2_mountpoint(&self) -> Option<&Path> {
        self.v2.as_ref().map(|m| m.mountpoint.as_path())
    }
}

/// One line of /proc/PID/cgroup (cgroups(7)): `4:memory:/user`, `1:name=systemd:/`, `0::/init.scope`.
#[derive(Clone, Copy)]
struct Own<'a> {
    id: &'a str,
    names: &'a str,
    path: &'a str,
}

fn parse_own(text: &str) -> impl Iterator<Item = Own<'_>> {
    text.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        Some(Own {
            id: fields.next()?,
            names: fields.next()?,
            path: fields.next()?,
        })
    })
}

/// A process outside its cgroup namespace's root sees its path as `/../..`. Such a cgroup cannot be named from here.
fn sane(path: &str) -> String {
    if path.split('/').any(|c| c == "..") {
        "/".to_owned()
    } else {
        path.to_owned()
    }
}

impl<'a> Own<'a> {
    fn subsystems(self) -> impl Iterator<Item = &'a str> {
        self.names.split(',')
    }

    fn magic(self) -> i64 {
        if self.id == "0" {
            CGROUP2_SUPER_MAGIC
        } else {
            CGROUP_SUPER_MAGIC
        }
    }

    /// The mount points to try: the joined name (`cpu,cpuacct`), then each name of it, which distributions make symbolic links.
    fn conventional(self) -> impl Iterator<Item = String> {
        let joined = match self.names {
            "" => "unified",
            names => names.strip_prefix("name=").unwrap_or(names),
        };
        let each = self
            .subsystems()
            .filter(move |n| *n != joined && !n.is_empty() && !n.starts_with("name="));
        std::iter::once(joined)
            .chain(each)
            .map(|name| format!("{ROOT}/{name}"))
    }

    /// Finds the hierarchy in /proc/self/mountinfo (proc_pid_mountinfo(5)). A bind mount shows a part of it: the caller's own path is then
    /// relative to that part, or the mount cannot be used.
    fn in_mountinfo(self, text: &str) -> Option<(PathBuf, String)> {
        text.lines().find_map(|line| {
            let (left, right) = line.split_once(" - ")?;
            let mut left = left.split(' ').skip(3);
            let (root, mountpoint) = (left.next()?, left.next()?);
            let mut right = right.split(' ');
            let (fs, _, options) = (right.next()?, right.next()?, right.next()?);
            let all = self
                .subsystems()
                .all(|s| options.split(',').any(|o| o == s));
            if fs != "cgroup" || !all {
                return None;
            }
            let own = match root {
                "/" => self.path,
                root => self.path.strip_prefix(root)?,
            };
            Some((
                unescape(mountpoint).into(),
                sane(if own.is_empty() { "/" } else { own }),
            ))
        })
    }
}

/// The options of cgroup2 in proc_pid_mountinfo(5)'s table: all its mounts have the same. SELinux adds words of its own; cgroup2's have no values.
fn v2_options(table: &str) -> Option<String> {
    let mut rests = table.lines().filter_map(|line| line.split_once(" - "));
    let options = rests
        .find_map(|(_, rest)| rest.strip_prefix("cgroup2 "))?
        .split(' ')
        .nth(1)?;
    // A value with a comma is in quotes.
    let mut quoted = false;
    let words = options.split(|c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    });
    let own = |o: &&str| !matches!(*o, "rw" | "ro" | "seclabel") && !o.contains('=');
    Some(words.filter(own).collect::<Vec<_>>().join(","))
}

/// mountinfo writes space, tab, newline and backslash as three octal digits.
fn unescape(field: &str) -> String {
    field
        .replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}

fn magic(path: &str) -> Option<i64> {
    let path = CString::new(path).ok()?;
    #[allow(clippy::unnecessary_cast)] // the type of f_type differs between architectures
    file::statfs(&path).ok().map(|st| st.f_type as i64)
}

/// Reads a small file of a kernel file system.
fn read_to_string(path: &Path) -> Result<String> {
    let read = match path == Path::new(MOUNTINFO) {
        true => crate::fs::read_to_end,
        false => crate::fs::read,
    };
    read(path).map_err(|e| Error::sys(format!("read {}", path.display()), e))
}

/// The path that /proc/PID/cgroup gives for the v1 hierarchy of these controllers, or for the v2 tree when there are none.
pub(crate) fn path_of<'a>(text: &'a str, controllers: &[String]) -> Option<&'a str> {
    let wanted = |own: &Own<'_>| {
        if controllers.is_empty() {
            own.id == "0"
        } else {
            own.subsystems().any(|s| s == controllers[0])
        }
    };
    parse_own(text).find(wanted).map(|own| own.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The layout of a host where these file systems are, and the rest of the paths are not.
    fn layout(own: &str, v1: &[&str], v2: &[&str], mountinfo: &str) -> Result<Layout> {
        let magic = |path: &str| match () {
            () if v1.contains(&path) => Some(CGROUP_SUPER_MAGIC),
            () if v2.contains(&path) => Some(CGROUP2_SUPER_MAGIC),
            () => None,
        };
        let read = |path: &Path| match path.to_str() {
            Some("/sys/fs/cgroup/unified/cgroup.controllers") => Ok("hugetlb misc\n".to_owned()),
            Some("/proc/self/mountinfo") => Ok(mountinfo.to_owned()),
            _ => panic!("read {}", path.display()),
        };
        Layout::legacy(own, magic, read)
    }

    fn summary(layout: &Layout) -> Vec<String> {
        layout
            .v1
            .iter()
            .map(|m| format!("{} {} {}", m.options, m.mountpoint.display(), m.own))
            .collect()
    }

    #[test]
    fn joined_named_and_hybrid_hierarchies() {
        let own = "3:cpu,cpuacct:/a\n2:memory:/\n1:name=systemd:/b\n0::/c\n";
        let v1 = [
            "/sys/fs/cgroup/cpu,cpuacct/a",
            "/sys/fs/cgroup/memory",
            "/sys/fs/cgroup/systemd/b",
        ];
        let pure = layout(own, &v1, &[], "").unwrap();
        let want = [
            "cpu,cpuacct /sys/fs/cgroup/cpu,cpuacct /a",
            "memory /sys/fs/cgroup/memory /",
            "name=systemd /sys/fs/cgroup/systemd /b",
        ];
        assert_eq!(summary(&pure), want);
        assert_eq!(pure.v2, None);
        assert!(!pure.is_v2());
        let hybrid = layout(own, &v1, &["/sys/fs/cgroup/unified/c"], "").unwrap();
        let v2 = hybrid.v2.unwrap();
        assert_eq!(
            (v2.own.as_str(), v2.controllers.unwrap()),
            ("/c", vec!["hugetlb".to_owned(), "misc".to_owned()])
        );
    }

    #[test]
    fn a_controller_alone_in_the_name_of_its_mount() {
        let one = layout("3:cpu,cpuacct:/\n", &["/sys/fs/cgroup/cpuacct"], &[], "").unwrap();
        assert_eq!(summary(&one), ["cpu,cpuacct /sys/fs/cgroup/cpuacct /"]);
    }

    #[test]
    fn options_of_v2_are_those_of_its_own() {
        let table = "23 2 0:21 / /sys rw,relatime - sysfs sysfs rw\n\
            30 23 0:26 / /sys/fs/cgroup ro,nosuid shared:4 master:1 - cgroup2 cgroup rw,seclabel,context=\"a:b:s0:c1,c2\",nsdelegate,memory_recursiveprot\n";
        assert_eq!(
            v2_options(table).as_deref(),
            Some("nsdelegate,memory_recursiveprot")
        );
        let none = "30 23 0:26 / /c rw - cgroup2 cgroup rw\n";
        assert_eq!(v2_options(none).as_deref(), Some(""));
        assert_eq!(v2_options("30 23 0:26 / /c rw - tmpfs cgroup2 rw\n"), None);
    }

    #[test]
    fn unusual_mounts_are_found_in_mountinfo() {
        let mountinfo = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
            32 31 0:29 / /my\\040cgroups/mem rw,relatime shared:4 - cgroup cgroup rw,memory\n\
            33 31 0:30 /docker/x /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n";
        let found = layout(
            "2:memory:/a\n3:pids:/docker/x/y\n4:cpu:/\n",
            &[],
            &[],
            mountinfo,
        )
        .unwrap();
        assert_eq!(
            summary(&found),
            ["memory /my cgroups/mem /a", "pids /sys/fs/cgroup/pids /y"]
        );
        // A part of the hierarchy in which the caller is not: of no use.
        assert!(layout("3:pids:/elsewhere\n", &[], &[], mountinfo).is_err());
    }

    #[test]
    fn a_path_outside_the_cgroup_namespace_is_not_followed() {
        let one = layout("2:memory:/../../x\n", &["/sys/fs/cgroup/memory"], &[], "").unwrap();
        assert_eq!(summary(&one), ["memory /sys/fs/cgroup/memory /"]);
    }
}
