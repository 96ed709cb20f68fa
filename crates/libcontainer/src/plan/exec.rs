//! The plan of one more process in a container that is running.
//!
//! What it inherits from the container is kept beside the state in a [`Template`], with the seccomp filter compiled: `exec` does not read config.json.

use super::ending::{Ending, ending};
use super::namespaces::Namespaces;
use super::process;
use super::{Filter, Op, Plan, Program, Step, c_string, step};
use crate::error::{Error, Result};
use crate::spec::{self, Linux, MemoryPolicy, Personality, Spec};
use kernel::process::CLONE_NEWUSER;
use kernel::sched::CpuSet;
use serde::{Deserialize, Serialize};

/// What every process of a container gets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Template {
    /// The container's own process as configured.
    pub process: Box<spec::Process>,
    #[serde(skip_serializing_if = "Option::is_none")]
    personality: Option<Personality>,
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_policy: Option<MemoryPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<StoredFilter>,
    #[serde(default)]
    groups_denied: bool,
    #[serde(default)]
    keep_groups: bool,
    /// `CLONE_NEW*` of the namespaces that are not the host's.
    kinds: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyring: Option<String>,
    /// Its root directory is not that of its mount namespace.
    #[serde(default)]
    pub chrooted: bool,
}

/// A compiled filter as text: eight bytes an instruction, in hexadecimal.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct StoredFilter {
    program: String,
    flags: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    listener: Option<(String, String)>,
}

impl StoredFilter {
    fn new(filter: &Filter) -> StoredFilter {
        use std::fmt::Write;
        let program = filter.instructions.iter().fold(
            String::with_capacity(filter.instructions.len() * 16),
            |mut text, i| {
                let _ = write!(text, "{:04x}{:02x}{:02x}{:08x}", i.code, i.jt, i.jf, i.k);
                text
            },
        );
        StoredFilter {
            program,
            flags: filter.flags,
            listener: filter.listener.clone(),
        }
    }

    fn read(&self) -> Option<Filter> {
        let bytes = self.program.as_bytes();
        let number = |text: &[u8]| u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
        let instruction = |text: &[u8]| {
            Some(kernel::seccomp::Insn {
                code: number(&text[..4])? as u16,
                jt: number(&text[4..6])? as u8,
                jf: number(&text[6..8])? as u8,
                k: number(&text[8..])?,
            })
        };
        let whole = bytes.len() % 16 == 0;
        let instructions = whole.then(|| {
            bytes
                .chunks(16)
                .map(instruction)
                .collect::<Option<Vec<_>>>()
        })??;
        Some(Filter {
            instructions,
            flags: self.flags,
            listener: self.listener.clone(),
        })
    }
}

impl Template {
    /// What to keep of a container that is being made. The process moves over from the configuration.
    ///
    /// # Errors
    /// None that the plan has not found before.
    pub fn new(spec: &mut Spec, plan: &Plan, no_new_keyring: bool) -> Result<Template> {
        let default_linux = Linux::default();
        let linux = spec.linux.as_deref().unwrap_or(&default_linux);
        let ns: Namespaces = super::namespaces::namespaces(linux)?;
        Ok(Template {
            process: spec.process.take().unwrap_or_default(),
            personality: linux.personality.clone(),
            memory_policy: linux.memory_policy.clone(),
            filter: plan.program.process.seccomp.as_ref().map(StoredFilter::new),
            groups_denied: plan.id_maps.as_ref().is_some_and(|m| m.deny_setgroups),
            keep_groups: plan.annotations.keep_groups,
            kinds: ns.joins.iter().fold(ns.new, |kinds, j| kinds | j.kind),
            chrooted: plan
                .program
                .steps
                .iter()
                .any(|s| matches!(s.op, Op::Chroot)),
            keyring: (!no_new_keyring).then(|| format!("_ses.{}", plan.id)),
        })
    }
}

/// The plan for one process.
#[derive(Clone, Debug)]
pub struct ExecPlan {
    /// What the process does. Slot 0 is the pidfd of the container's init, slot 1 its root directory if it is chrooted.
    pub program: Program,
    /// CPUs of the runtime itself while it puts the process into the cgroup (`execCPUAffinity.initial`).
    pub initial_affinity: Option<CpuSet>,
    /// What was tolerated.
    pub warnings: Vec<String>,
    /// The process waits for [`super::Await::Welcome`].
    pub waits: bool,
}

impl ExecPlan {
    /// Makes the process wait until the parent has done for it what only the parent can.
    pub fn wait(&mut self) {
        if self.waits {
            return;
        }
        self.waits = true;
        self.program
            .steps
            .insert(0, step(Op::Await(super::Await::Welcome), ""));
    }
}

/// Decides about a process. `wanted` is the document of `exec --process`, or the container's own process changed by flags; `available` are the
/// capabilities that the runtime may give.
///
/// # Errors
/// The first field that cannot be what it asks for.
pub fn plan(
    template: &Template,
    wanted: &spec::Process,
    preserve_fds: u32,
    available: u64,
) -> Result<ExecPlan> {
    let wanted = inherit(template, wanted);
    let mut warnings = Vec::new();
    let mut process = process::process(&wanted, "", preserve_fds, &mut warnings)?;
    if template.kinds & CLONE_NEWUSER == 0 {
        super::capabilities::clip(&mut process.capabilities, available, &mut warnings);
    }
    process.seccomp = match &template.filter {
        None => None,
        Some(stored) => Some(stored.read().ok_or_else(|| {
            Error::new(crate::Kind::Failed, "the stored seccomp filter is damaged")
        })?),
    };
    let (initial_affinity, final_affinity) = super::scheduling::affinity(&wanted, "")?;
    let final_affinity = final_affinity.unwrap_or([!0; 16]);

    let steps = steps(template, &wanted, &process, final_affinity)?;
    let mut stage = Vec::new();
    if let Some(value) = wanted.oom_score_adj {
        let value = c_string(&value.to_string(), String::new)?;
        stage.push(step(Op::OomScoreAdj { value }, "/oomScoreAdj"));
    }
    stage.push(step(Op::JoinCgroup, ""));
    if template.kinds != 0 {
        stage.push(step(
            Op::JoinProcess {
                slot: 0,
                kinds: template.kinds,
            },
            "",
        ));
    }
    // Before the birth of the process, which must not hold a directory of the host for a moment.
    stage.push(step(
        Op::EnterRoot {
            slot: template.chrooted.then_some(1),
        },
        "",
    ));
    if template.kinds & CLONE_NEWUSER != 0 {
        stage.push(step(Op::BecomeRoot, ""));
    }
    stage.push(step(Op::Spawn { flags: 0 }, ""));
    let program = Program {
        stage,
        steps,
        process,
        slots: Vec::new(),
        trees: Vec::new(),
        clone_flags: 0,
    };
    Ok(ExecPlan {
        program,
        initial_affinity,
        warnings,
        waits: false,
    })
}

fn steps(
    template: &Template,
    wanted: &spec::Process,
    process: &super::Process,
    cpus: CpuSet,
) -> Result<Vec<Step>> {
    let mut steps = vec![
        step(
            Op::Affinity {
                cpus: Box::new(cpus),
            },
            "/execCPUAffinity/final",
        ),
        step(Op::Session, ""),
    ];
    if let Some(name) = &template.keyring {
        steps.extend(super::ending::key_label(wanted, "")?);
        steps.push(step(
            Op::Keyring {
                name: c_string(name, String::new)?,
            },
            "",
        ));
    }
    if process.terminal.is_some() {
        steps.push(step(Op::Console { mount: false }, "/terminal"));
    }
    let linux = Linux {
        personality: template.personality.clone(),
        memory_policy: template.memory_policy.clone(),
        ..Linux::default()
    };
    steps.extend(super::scheduling::domain(&linux)?);
    let end = Ending {
        base: "",
        await_start: false,
        start_hooks: false,
        groups_denied: template.groups_denied,
        keep_groups: template.keep_groups,
    };
    steps.extend(ending(wanted, process, &end)?);
    Ok(steps)
}

/// What the document leaves open comes from the container.
fn inherit(template: &Template, wanted: &spec::Process) -> spec::Process {
    let base = &template.process;
    let mut p = wanted.clone();
    p.capabilities = p.capabilities.or_else(|| base.capabilities.clone());
    if p.rlimits.is_empty() {
        p.rlimits.clone_from(&base.rlimits);
    }
    p.apparmor_profile = p.apparmor_profile.or_else(|| base.apparmor_profile.clone());
    p.selinux_label = p.selinux_label.or_else(|| base.selinux_label.clone());
    p.scheduler = p.scheduler.or_else(|| base.scheduler.clone());
    p.io_priority = p.io_priority.or_else(|| base.io_priority.clone());
    p.exec_cpu_affinity = p
        .exec_cpu_affinity
        .or_else(|| base.exec_cpu_affinity.clone());
    p.oom_score_adj = p.oom_score_adj.or(base.oom_score_adj);
    p.user.umask = p.user.umask.or(base.user.umask);
    p
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_survives_being_stored() {
        let insn = |code, jt, jf, k| kernel::seccomp::Insn { code, jt, jf, k };
        let filter = Filter {
            instructions: vec![
                insn(0x20, 0, 0, 4),
                insn(0x15, 1, 255, 0xc000_003e),
                insn(6, 0, 0, u32::MAX),
            ],
            flags: 4,
            listener: None,
        };
        let stored = StoredFilter::new(&filter);
        let read = stored.read().unwrap();
        let plain = |f: &Filter| {
            f.instructions
                .iter()
                .map(|i| (i.code, i.jt, i.jf, i.k))
                .collect::<Vec<_>>()
        };
        assert_eq!(plain(&read), plain(&filter));
        assert!(
            StoredFilter {
                program: "00zz000000000000".into(),
                ..stored.clone()
            }
            .read()
            .is_none()
        );
        assert!(
            StoredFilter {
                program: "0000".into(),
                ..stored
            }
            .read()
            .is_none()
        );
    }

    #[test]
    fn what_the_document_leaves_open_comes_from_the_container() {
        let caps = spec::Capabilities {
            bounding: vec!["CAP_KILL".into()],
            ..Default::default()
        };
        let base = spec::Process {
            capabilities: Some(caps),
            oom_score_adj: Some(5),
            no_new_privileges: true,
            ..Default::default()
        };
        let template = Template {
            process: Box::new(base),
            ..Template::default()
        };
        let wanted = spec::Process {
            args: vec!["true".into()],
            cwd: "/".into(),
            ..Default::default()
        };
        let got = inherit(&template, &wanted);
        assert_eq!(got.capabilities, template.process.capabilities);
        assert_eq!((got.oom_score_adj, got.no_new_privileges), (Some(5), false));
        assert_eq!(
            plan(
                &template,
                &spec::Process {
                    cwd: "x".into(),
                    ..wanted
                },
                0,
                u64::MAX
            )
            .unwrap_err()
            .pointer(),
            Some("/cwd")
        );
    }

    #[test]
    fn the_stage_runs_in_place_unless_it_changes_what_one_memory_shares() {
        let in_place = |kinds, oom_score_adj| {
            let template = Template {
                kinds,
                ..Template::default()
            };
            let wanted = spec::Process {
                args: vec!["true".into()],
                cwd: "/".into(),
                oom_score_adj,
                ..Default::default()
            };
            let plan = plan(&template, &wanted, 0, u64::MAX).unwrap();
            plan.program.stage_in_place()
        };
        let usual = kernel::process::CLONE_NEWNS | kernel::process::CLONE_NEWPID;
        assert!(in_place(usual, None));
        assert!(in_place(usual | CLONE_NEWUSER, None));
        assert!(!in_place(usual | kernel::process::CLONE_NEWTIME, None));
        assert!(!in_place(usual, Some(5)));
    }
}
