//! The whole plan of a container: every part decided, put in order.

use super::annotations::{self, Annotations};
use super::ending::{Ending, ending};
use super::namespaces::{self, Namespaces};
use super::process;
use super::{Host, Op, Plan, Program, c_string, intel_rdt, mounts, net_devices, step};
use crate::error::{Error, Result};
use crate::spec::{self, Linux, Spec};
use kernel::process::{CLONE_NEWCGROUP, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER};
use std::ffi::CString;
use std::path::Path;

/// What the caller decides, not the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The container's id.
    pub id: &'a str,
    /// Change the root by moving its mount instead of pivot_root.
    pub no_pivot: bool,
    /// Keep the caller's session keyring.
    pub no_new_keyring: bool,
    /// Descriptors above 2 that the program inherits.
    pub preserve_fds: u32,
    /// Who makes the cgroup.
    pub cgroup_driver: libcgroups::Driver,
    /// The socket that gets the listener of a seccomp profile which names none.
    pub seccomp_receiver: Option<&'a str>,
    /// The caller is not root of the host: do without cgroups where that is possible.
    pub rootless: bool,
    /// The configuration has no process: the container can be created, and ends when it is started.
    pub no_process: bool,
}

/// The label is a quoted mount option.
fn mount_label(linux: &Linux) -> Result<()> {
    let field = || "/linux/mountLabel".to_owned();
    let label = linux.mount_label.as_deref().unwrap_or_default();
    if label.contains('"') {
        return Err(Error::invalid(field(), "a label has no quotation marks"));
    }
    c_string(label, field).map(drop)
}

/// Decides everything about a container. `bundle` is the absolute path of the bundle directory.
///
/// # Errors
/// The first thing that cannot be, with the JSON pointer of its field. Nothing has happened then.
pub fn plan(spec: &Spec, bundle: &Path, options: &Options<'_>, host: &Host) -> Result<Plan> {
    spec::version::check(&spec.oci_version)
        .map_err(|e| Error::invalid("/ociVersion", e.to_string()))?;
    let default_linux = Linux::default();
    let linux = spec.linux.as_deref().unwrap_or(&default_linux);
    let Some(wanted) = &spec.process else {
        return Err(Error::invalid("/process", "a container needs a process"));
    };
    let annotations = annotations::annotations(&spec.annotations)?;
    mount_label(linux)?;
    let rootfs = rootfs(spec, bundle)?;
    let ns = namespaces::namespaces(linux)?;
    namespaces::check_needs(spec, linux, &ns)?;
    let id_maps = namespaces::id_maps(linux, &ns, host)?;
    check_user(wanted, linux, &ns, annotations.keep_groups)?;

    let mut warnings = Vec::new();
    let cgroup = cgroup(spec, linux, &ns, options, host, &annotations)?;
    if annotations.delegate.is_some() && cgroup.v2_path().is_none() {
        return Err(Error::invalid(
            "/annotations/run.oci.delegate-cgroup",
            "delegating a cgroup needs cgroup version 2",
        ));
    }
    warnings.extend(cgroup.warnings().iter().cloned());
    let mut process = process::process(wanted, "/process", options.preserve_fds, &mut warnings)?;
    if !ns.has(CLONE_NEWUSER) {
        super::capabilities::clip(&mut process.capabilities, host.capabilities, &mut warnings);
    }
    if let Some(profile) = &linux.seccomp {
        let receiver = annotations
            .seccomp_receiver
            .as_deref()
            .or(options.seccomp_receiver);
        process.seccomp = process::filter(profile, receiver, &mut warnings)?;
    }

    let mut trees = Vec::new();
    let birth = super::birth::birth(&ns, id_maps.as_ref(), linux, &cgroup, host)?;
    let mut steps = birth.steps;
    if !options.no_new_keyring {
        steps.extend(super::ending::key_label(wanted, "/process")?);
        let name = c_string(&format!("_ses.{}", options.id), String::new)?;
        steps.push(step(Op::Keyring { name }, ""));
    }
    if ns.new & CLONE_NEWNET != 0 {
        steps.push(step(Op::LoopbackUp, "/linux/namespaces"));
    }
    let parts = super::rootfs::Parts {
        spec,
        linux,
        ns: &ns,
        host,
        cgroup: &cgroup,
        bundle,
        rootfs: &rootfs,
        options,
        annotations: &annotations,
    };
    steps.extend(parts.root_filesystem(&process, &mut trees)?);
    if let Some(name) = &spec.hostname {
        steps.push(step(
            Op::Hostname {
                name: name_of(name, "/hostname")?,
            },
            "/hostname",
        ));
    }
    if let Some(name) = &spec.domainname {
        steps.push(step(
            Op::Domainname {
                name: name_of(name, "/domainname")?,
            },
            "/domainname",
        ));
    }
    steps.extend(super::scheduling::domain(linux)?);
    let end = Ending {
        base: "/process",
        await_start: true,
        start_hooks: spec
            .hooks
            .as_ref()
            .is_some_and(|h| !h.start_container.is_empty()),
        groups_denied: id_maps.as_ref().is_some_and(|m| m.deny_setgroups),
        keep_groups: annotations.keep_groups,
    };
    match options.no_process {
        true => steps.extend(
            [Op::Ready, Op::AwaitStart, Op::Release, Op::NoProcess].map(|op| step(op, "/process")),
        ),
        false => steps.extend(ending(wanted, &process, &end)?),
    }
    Ok(Plan {
        id: options.id.to_owned(),
        mounts_on_host: !ns.has(CLONE_NEWNS),
        rootfs,
        program: Program {
            stage: birth.stage,
            steps,
            process,
            slots: ns.slots().collect(),
            trees,
            clone_flags: birth.clone_flags,
        },
        id_maps,
        annotations,
        container_root: namespaces::to_host(&linux.uid_mappings, 0).unwrap_or(0),
        oom_score_adj: oom_score_adj(wanted)?,
        net_devices: net_devices::net_devices(linux, host)?,
        intel_rdt: linux
            .intel_rdt
            .as_ref()
            .map(|rdt| intel_rdt::intel_rdt(rdt, options.id))
            .transpose()?,
        cgroup,
        warnings,
    })
}

fn rootfs(spec: &Spec, bundle: &Path) -> Result<CString> {
    let Some(root) = spec.root.as_ref().filter(|r| !r.path.is_empty()) else {
        return Err(Error::invalid(
            "/root/path",
            "a container needs a root filesystem",
        ));
    };
    let path = bundle.join(&root.path);
    // Without trailing slashes and dots: they would make a link be followed.
    let path: std::path::PathBuf = path.components().collect();
    c_string(&path.to_string_lossy(), || "/root/path".into())
}

/// Longest host or domain name (uts_namespaces(7), `__NEW_UTS_LEN`).
const UTS_LEN: usize = 64;

fn name_of(name: &str, field: &'static str) -> Result<CString> {
    if name.len() > UTS_LEN {
        return Err(Error::invalid(
            field,
            format!("\"{name}\" is longer than {UTS_LEN} bytes"),
        ));
    }
    c_string(name, || field.into())
}

fn oom_score_adj(p: &spec::Process) -> Result<Option<i64>> {
    match p.oom_score_adj {
        Some(n) if !(-1000..=1000).contains(&n) => Err(Error::invalid(
            "/process/oomScoreAdj",
            format!("{n} is not between -1000 and 1000"),
        )),
        other => Ok(other),
    }
}

fn check_user(p: &spec::Process, linux: &Linux, ns: &Namespaces, keep_groups: bool) -> Result<()> {
    if ns.new & CLONE_NEWUSER == 0 {
        return Ok(());
    }
    let check = |maps, id: u32, field: String| match namespaces::to_host(maps, id) {
        Some(_) => Ok(()),
        None => Err(Error::invalid(
            field,
            format!("id {id} is not mapped in the user namespace"),
        )),
    };
    check(&linux.uid_mappings, p.user.uid, "/process/user/uid".into())?;
    check(&linux.gid_mappings, p.user.gid, "/process/user/gid".into())?;
    let mut groups = p.user.additional_gids.iter().enumerate();
    if keep_groups {
        return Ok(());
    }
    groups.try_for_each(|(i, gid)| {
        check(
            &linux.gid_mappings,
            *gid,
            format!("/process/user/additionalGids/{i}"),
        )
    })
}

fn cgroup(
    spec: &Spec,
    linux: &Linux,
    ns: &Namespaces,
    options: &Options<'_>,
    host: &Host,
    annotations: &Annotations,
) -> Result<libcgroups::Plan> {
    const PREFIX: &str = "org.systemd.property.";
    let property = |(key, value): (&String, &String)| {
        Some((key.strip_prefix(PREFIX)?.to_owned(), value.clone()))
    };
    let properties: Vec<(String, String)> = spec.annotations.iter().filter_map(property).collect();
    let request = libcgroups::Request {
        driver: options.cgroup_driver,
        path: linux.cgroups_path.as_deref(),
        id: options.id,
        resources: linux.resources.as_deref(),
        rootless: options.rootless,
        delegate_to: delegate_to(spec, linux, ns),
        properties: &properties,
        subgroup: annotations.subgroup.as_deref(),
    };
    libcgroups::plan(&host.cgroups, &request).map_err(crate::error::from_cgroups)
}

/// Who gets the cgroup: the container's user, if it has a cgroup namespace and mounts cgroups writable (config-linux.md, "Cgroup ownership").
fn delegate_to(spec: &Spec, linux: &Linux, ns: &Namespaces) -> Option<u32> {
    if ns.new & CLONE_NEWCGROUP == 0 {
        return None;
    }
    let cgroup = |m: &&spec::Mount| {
        matches!(m.r#type.as_deref(), Some("cgroup" | "cgroup2"))
            && mounts::clean(&m.destination) == "/sys/fs/cgroup"
    };
    let writable = !spec
        .mounts
        .iter()
        .rfind(cgroup)?
        .options
        .iter()
        .any(|o| o == "ro");
    let uid = spec.process.as_ref().map_or(0, |p| p.user.uid);
    let host = if ns.new & CLONE_NEWUSER != 0 {
        namespaces::to_host(&linux.uid_mappings, uid)?
    } else {
        uid
    };
    (writable && host != 0).then_some(host)
}
