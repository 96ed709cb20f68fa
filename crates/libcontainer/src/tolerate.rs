//! What a configuration may ask for in vain: each is taken out of it, with a warning.
//!
//! Engines and people carry configurations from host to host. A label for the files of mounts where no module reads labels, or filesystem options on a
//! bind mount, change nothing about what the container can do here. A profile that was to confine the process does: it is refused where nothing would.

use crate::error::{Error, Result};
use crate::plan::options;
use crate::spec::Spec;
use std::path::Path;

/// Takes out what has no effect on this host.
///
/// # Errors
/// An AppArmor profile on a kernel without AppArmor.
pub fn tolerate(spec: &mut Spec, warnings: &mut Vec<String>) -> Result<()> {
    profile(spec)?;
    mount_label(spec, warnings);
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
    Ok(())
}

/// What is not there cannot confine; and without it everything is unconfined.
fn profile(spec: &mut Spec) -> Result<()> {
    let Some(process) = spec
        .process
        .as_mut()
        .filter(|p| p.apparmor_profile.is_some())
    else {
        return Ok(());
    };
    if apparmor() {
        return Ok(());
    }
    match process.apparmor_profile.take().as_deref() {
        None | Some("" | "unconfined") => Ok(()),
        Some(profile) => {
            let why = format!(
                "AppArmor is off in this kernel and cannot confine the process by the profile \"{profile}\""
            );
            Err(Error::invalid("/process/apparmorProfile", why)
                .hint("leave the profile out, or boot with lsm=...,apparmor"))
        }
    }
}

/// A label for the files of mounts, where nothing reads it.
fn mount_label(spec: &mut Spec, warnings: &mut Vec<String>) {
    let Some(linux) = spec.linux.as_mut().filter(|l| l.mount_label.is_some()) else {
        return;
    };
    if selinux() {
        return;
    }
    if let Some(label) = linux.mount_label.take() {
        warnings.push(format!("SELinux is off in this kernel: \"{label}\" has no effect (config.json: /linux/mountLabel), ignoring"));
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
        tolerate(&mut spec, &mut warnings).unwrap();
        assert_eq!(spec.mounts[0].options, ["rbind", "ro", "idmap=uids=0-1-1"]);
        assert_eq!(spec.mounts[1].options, ["mode=755"]);
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].contains("/mounts/0/options"));
    }
}
