//! The steps that make the root filesystem the root.

use super::annotations::Annotations;
use super::assemble::Options;
use super::namespaces::Namespaces;
use super::op::{Await, HookPoint};
use super::{Host, Op, Step, Tree, devices, mounts, paths, step, sysctl};
use crate::error::{Error, Result};
use crate::spec::{Linux, Spec};
use kernel::mount::{MS_PRIVATE, MS_REC, MS_SHARED, MS_SLAVE, MS_UNBINDABLE};
use kernel::process::{CLONE_NEWNS, CLONE_NEWUSER};
use std::ffi::{CString, c_ulong};
use std::path::Path;

pub struct Parts<'a> {
    pub spec: &'a Spec,
    pub linux: &'a Linux,
    pub ns: &'a Namespaces,
    pub host: &'a Host,
    pub cgroup: &'a libcgroups::Plan,
    pub bundle: &'a Path,
    pub rootfs: &'a CString,
    pub options: &'a Options<'a>,
    pub annotations: &'a Annotations,
}

impl Parts<'_> {
    /// From the first mount to the moment when the root filesystem is the root.
    pub fn root_filesystem(
        &self,
        process: &super::Process,
        trees: &mut Vec<Tree>,
    ) -> Result<Vec<Step>> {
        let new = self.ns.new & CLONE_NEWNS != 0;
        let in_user_ns = self.ns.has(CLONE_NEWUSER);
        let propagation = propagation(self.linux)?;
        let mut steps = Vec::new();
        if new {
            steps.push(step(
                Op::Propagation {
                    flags: propagation.of_all | MS_REC,
                },
                "/linux/rootfsPropagation",
            ));
            if propagation.of_all == MS_SHARED {
                steps.push(step(
                    Op::PrivateParent {
                        path: self.rootfs.clone(),
                    },
                    "/linux/rootfsPropagation",
                ));
            }
        }
        // From a user namespace, directories of the host that lead to the rootfs may be closed.
        let tree = (in_user_ns && self.host.privileged).then(|| {
            trees.push(Tree {
                path: self.rootfs.clone(),
                recursive: true,
                nofollow: true,
                idmap: None,
                field: "/root/path".into(),
            });
            trees.len() - 1
        });
        steps.push(step(
            Op::AttachRootfs {
                path: self.rootfs.clone(),
                tree,
                private: !new,
            },
            "/root/path",
        ));

        let context = mounts::Context {
            bundle: self.bundle,
            linux: self.linux,
            namespaces: self.ns,
            host: self.host,
            cgroup: self.cgroup,
            context_type: self.annotations.context_type.unwrap_or("context"),
        };
        let mounts = mounts::mounts(&self.spec.mounts, &context, trees)?;
        steps.extend(mounts.steps);
        steps.extend(devices::devices(self.spec, self.linux, in_user_ns)?);
        if process.terminal.is_some() {
            steps.push(step(Op::Console { mount: true }, "/process/terminal"));
        }
        let mut hooks_mount = false;
        if let Some(hooks) = &self.spec.hooks {
            if !hooks.prestart.is_empty() || !hooks.create_runtime.is_empty() {
                steps.push(step(Op::Await(Await::Hooks), "/hooks"));
                hooks_mount = true;
            }
            if !hooks.create_container.is_empty() {
                steps.push(step(
                    Op::RunHooks(HookPoint::CreateContainer),
                    "/hooks/createContainer",
                ));
                hooks_mount = true;
            }
        }
        if process.cwd.as_bytes() != b"/" {
            steps.push(step(Op::MakeCwd, "/process/cwd"));
        }
        steps.extend(sysctl::sysctls(self.linux, self.ns)?);
        steps.extend(paths::restricted_paths(
            self.linux,
            &self.spec.mounts,
            hooks_mount,
        )?);
        steps.extend(mounts.last);
        if self.spec.root.as_ref().is_some_and(|r| r.readonly) {
            steps.push(step(Op::ReadOnlyRoot, "/root/readonly"));
        }
        let change = match (new, self.options.no_pivot) {
            (true, false) => Op::PivotRoot {
                old_is_shared: propagation.of_all == MS_SHARED,
            },
            (true, true) => Op::MoveRoot,
            (false, _) => Op::Chroot,
        };
        steps.push(step(change, ""));
        if let Some(flags) = propagation.of_root.filter(|_| new) {
            steps.push(step(
                Op::RootPropagation { flags },
                "/linux/rootfsPropagation",
            ));
        }
        Ok(steps)
    }
}

struct Propagation {
    /// Of every mount of the new mount namespace, first thing.
    of_all: c_ulong,
    /// Of the container's root, last thing.
    of_root: Option<c_ulong>,
}

/// `linux.rootfsPropagation`. Without it mounts of the host still arrive in the container (slave) and none goes back.
fn propagation(linux: &Linux) -> Result<Propagation> {
    let Some(word) = &linux.rootfs_propagation else {
        return Ok(Propagation {
            of_all: MS_SLAVE,
            of_root: None,
        });
    };
    let (of_all, of_root) = match word.as_str() {
        "private" | "rprivate" => (MS_PRIVATE, None),
        "slave" | "rslave" => (MS_SLAVE, Some(MS_SLAVE)),
        "shared" | "rshared" => (MS_SHARED, Some(MS_SHARED)),
        // An unbindable mount could not be taken as the root any more, so that comes last.
        "unbindable" | "runbindable" => (MS_PRIVATE, Some(MS_UNBINDABLE)),
        other => {
            let why = format!("unknown propagation \"{other}\"");
            return Err(Error::invalid("/linux/rootfsPropagation", why).hint(
                "it is one of shared, slave, private, unbindable, each also with an r in front",
            ));
        }
    };
    let recursive = if word.starts_with('r') { MS_REC } else { 0 };
    Ok(Propagation {
        of_all,
        of_root: of_root.map(|f| f | recursive),
    })
}
