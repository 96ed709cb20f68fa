//! What a configuration may ask for in vain: each is taken out of it, with a warning.
//!
//! Engines and people carry configurations from host to host. A label for a security module that this kernel runs without, or filesystem options on a
//! bind mount, change nothing about what the container can do here.

use crate::plan::options;
use crate::spec::Spec;
use std::path::Path;

/// Takes out what has no effect on this host.
pub fn tolerate(spec: &mut Spec, warnings: &mut Vec<String>) {
    labels(spec, warnings);
    for (i, mount) in spec.mounts.iter_mut().enumerate() {
        let bind = mount.r#type.as_deref() == Some("bind")
            || mount.options.iter().any(|o| o == "bind" || o == "rbind");
        if bind {
            mount.options.retain(|option| {
                let known = option.split(',').all(options::is_word);
                if !known {
                    warnings.push(format!("a bind mount takes no filesystem option \"{option}\" (config.json: /mounts/{i}/options), ignoring"));
                }
                known
            });
        }
    }
}

/// Labels of modules that the kernel runs without.
fn labels(spec: &mut Spec, warnings: &mut Vec<String>) {
    let mut drop = |label: &mut Option<String>, field: &str, module: &str| {
        if let Some(label) = label.take() {
            warnings.push(format!("{module} is off in this kernel: \"{label}\" has no effect (config.json: {field}), ignoring"));
        }
    };
    let process = spec.process.as_mut();
    let wants_apparmor = process
        .as_ref()
        .is_some_and(|p| p.apparmor_profile.is_some());
    let wants_selinux = spec.linux.as_ref().is_some_and(|l| l.mount_label.is_some());
    if let Some(process) = process {
        if wants_apparmor && !apparmor() {
            drop(
                &mut process.apparmor_profile,
                "/process/apparmorProfile",
                "AppArmor",
            );
        }
    }
    if let Some(linux) = spec.linux.as_mut().filter(|_| wants_selinux && !selinux()) {
        drop(&mut linux.mount_label, "/linux/mountLabel", "SELinux");
    }
}

/// Whether the kernel runs with AppArmor (apparmor(7)).
#[allow(clippy::disallowed_methods, reason = "files of the kernel")]
pub fn apparmor() -> bool {
    std::fs::read("/sys/module/apparmor/parameters/enabled")
        .is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// Whether the kernel runs with SELinux and a policy.
#[allow(clippy::disallowed_methods, reason = "files of the kernel")]
pub fn selinux() -> bool {
    Path::new("/sys/fs/selinux/enforce").exists()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Mount;

    #[test]
    fn filesystem_options_of_bind_mounts_are_taken_out() {
        let mount = |options: &[&str]| Mount {
            destination: "/x".into(),
            options: options.iter().map(|o| (*o).into()).collect(),
            ..Mount::default()
        };
        let mut spec = Spec {
            mounts: vec![
                mount(&["rbind", "mode=755", "ro", "idmap=uids=0-1-1"]),
                mount(&["mode=755"]),
            ],
            ..Spec::default()
        };
        let mut warnings = Vec::new();
        tolerate(&mut spec, &mut warnings);
        assert_eq!(spec.mounts[0].options, ["rbind", "ro", "idmap=uids=0-1-1"]);
        assert_eq!(spec.mounts[1].options, ["mode=755"]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("/mounts/0/options"));
    }
}
