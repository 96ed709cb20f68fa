//! `linux.devices`, the default devices and the links in /dev (config-linux.md, "Default Devices").

use super::{DeviceNode, Op, Step, c_string, mounts, step};
use crate::error::{Error, Result};
use crate::spec::{Linux, Spec};
use kernel::file::device;
use std::collections::BTreeMap;
use std::ffi::CString;

const S_IFCHR: u32 = 0o020_000;
const S_IFBLK: u32 = 0o060_000;
const S_IFIFO: u32 = 0o010_000;

const DEFAULTS: [(&str, u32, u32); 6] = [
    ("/dev/null", 1, 3),
    ("/dev/zero", 1, 5),
    ("/dev/full", 1, 7),
    ("/dev/random", 1, 8),
    ("/dev/urandom", 1, 9),
    ("/dev/tty", 5, 0),
];

const LINKS: [(&str, &str, bool); 6] = [
    ("/proc/self/fd", "/dev/fd", false),
    ("/proc/self/fd/0", "/dev/stdin", false),
    ("/proc/self/fd/1", "/dev/stdout", false),
    ("/proc/self/fd/2", "/dev/stderr", false),
    ("/proc/kcore", "/dev/core", false),
    // The ptmx of the container's own devpts, whatever the image brought.
    ("pts/ptmx", "/dev/ptmx", true),
];

/// Steps that fill /dev. None when the configuration binds a directory there: it is complete, and not ours to change.
///
/// # Errors
/// A device with a bad path, type, number or mode.
pub fn devices(spec: &Spec, linux: &Linux, in_user_ns: bool) -> Result<Vec<Step>> {
    let bound = |m: &crate::spec::Mount| {
        mounts::clean(&m.destination) == "/dev"
            && (m.r#type.as_deref() == Some("bind")
                || m.options.iter().any(|o| o == "bind" || o == "rbind"))
    };
    let mut nodes: Vec<(DeviceNode, String)> =
        Vec::with_capacity(DEFAULTS.len() + linux.devices.len());
    for (path, major, minor) in DEFAULTS {
        let path = CString::new(path).expect("no NUL in a literal");
        let device = device(major, minor);
        nodes.push((
            DeviceNode {
                path,
                mode: S_IFCHR | 0o666,
                device,
                owner: None,
                bind: in_user_ns,
            },
            String::new(),
        ));
    }
    let mut places: BTreeMap<CString, usize> = nodes
        .iter()
        .enumerate()
        .map(|(i, (node, _))| (node.path.clone(), i))
        .collect();
    for (i, d) in linux.devices.iter().enumerate() {
        let node = node(i, d, in_user_ns)?;
        match node.path.to_bytes() {
            b"/dev/ptmx" => continue,
            _ => {
                let place = *places.entry(node.path.clone()).or_insert(nodes.len());
                let entry = (node, format!("/linux/devices/{i}"));
                match nodes.get_mut(place) {
                    Some(same) => *same = entry,
                    None => nodes.push(entry),
                }
            }
        }
    }
    if spec.mounts.iter().any(bound) {
        return Ok(Vec::new());
    }
    let mut steps: Vec<Step> = nodes
        .into_iter()
        .map(|(node, field)| step(Op::Device(node), field))
        .collect();
    for (target, path, replace) in LINKS {
        let c = |s| CString::new(s).expect("no NUL in a literal");
        steps.push(step(
            Op::Symlink {
                target: c(target),
                path: c(path),
                replace,
            },
            "",
        ));
    }
    Ok(steps)
}

fn node(i: usize, d: &crate::spec::Device, in_user_ns: bool) -> Result<DeviceNode> {
    let field = |name: &str| format!("/linux/devices/{i}/{name}");
    if !d.path.starts_with('/') || d.path.split('/').any(|part| part == "..") {
        return Err(Error::invalid(
            field("path"),
            format!(
                "device path \"{}\" must be absolute and without \"..\"",
                d.path
            ),
        ));
    }
    let kind = match d.r#type.as_str() {
        "c" | "u" => S_IFCHR,
        "b" => S_IFBLK,
        "p" => S_IFIFO,
        other => {
            let why = format!("unknown device type \"{other}\"");
            return Err(Error::invalid(field("type"), why).hint("the types are c, b, u and p"));
        }
    };
    let number = |name: &str, value: Option<i64>, limit: i64| match value {
        None if kind == S_IFIFO => Ok(0),
        None => Err(Error::invalid(
            field(name),
            format!("device \"{}\" needs a {name} number", d.path),
        )),
        Some(n) if (0..limit).contains(&n) => Ok(n as u32),
        Some(n) => Err(Error::invalid(
            field(name),
            format!("{name} number {n} is not between 0 and {}", limit - 1),
        )),
    };
    // The kernel keeps 12 bits of major and 20 bits of minor number.
    let device = device(
        number("major", d.major, 1 << 12)?,
        number("minor", d.minor, 1 << 20)?,
    );
    let mode = d.file_mode.unwrap_or(0o666);
    if mode & !0o177_777 != 0 {
        return Err(Error::invalid(
            field("fileMode"),
            format!("file mode {mode:#o} has unknown bits"),
        ));
    }
    let owner = (d.uid.unwrap_or(0), d.gid.unwrap_or(0));
    Ok(DeviceNode {
        path: c_string(&mounts::clean(&d.path), || field("path"))?,
        // Some engines leave the file type in: the type field decides.
        mode: kind | mode & 0o7777,
        device: if kind == S_IFIFO { 0 } else { device },
        owner: (owner != (0, 0)).then_some(owner),
        bind: in_user_ns && kind != S_IFIFO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Device;

    fn device_of(path: &str, kind: &str, major: i64, minor: i64) -> Device {
        Device {
            path: path.into(),
            r#type: kind.into(),
            major: Some(major),
            minor: Some(minor),
            ..Device::default()
        }
    }

    fn plan(devices_list: Vec<Device>) -> Result<Vec<Step>> {
        let linux = Linux {
            devices: devices_list,
            ..Linux::default()
        };
        devices(&Spec::default(), &linux, false)
    }

    #[test]
    fn a_listed_device_replaces_the_default_of_the_same_path() {
        let mut null = device_of("/dev//null", "c", 1, 3);
        null.file_mode = Some(0o20_600);
        null.uid = Some(7);
        let steps = plan(vec![
            null,
            device_of("/dev/ptmx", "c", 5, 2),
            device_of("/dev/fuse", "c", 10, 229),
        ])
        .unwrap();
        let nodes: Vec<&DeviceNode> = steps
            .iter()
            .filter_map(|s| {
                if let Op::Device(d) = &s.op {
                    Some(d)
                } else {
                    None
                }
            })
            .collect();
        assert_eq!(nodes.len(), 7);
        assert_eq!(
            (nodes[0].mode, nodes[0].owner),
            (S_IFCHR | 0o600, Some((7, 0)))
        );
        assert_eq!(nodes[6].device, device(10, 229));
        assert_eq!(steps.len(), 13);
    }

    #[test]
    fn bad_devices_are_refused_at_their_field() {
        for (d, field) in [
            (device_of("dev/x", "c", 1, 1), "path"),
            (device_of("/dev/../x", "c", 1, 1), "path"),
            (device_of("/dev/x", "z", 1, 1), "type"),
            (device_of("/dev/x", "c", -1, 1), "major"),
            (device_of("/dev/x", "c", 1, 1 << 20), "minor"),
            (
                Device {
                    major: None,
                    ..device_of("/dev/x", "b", 0, 1)
                },
                "major",
            ),
        ] {
            assert_eq!(
                plan(vec![d]).unwrap_err().pointer().unwrap(),
                format!("/linux/devices/0/{field}")
            );
        }
    }
}
