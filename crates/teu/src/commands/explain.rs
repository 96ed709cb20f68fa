//! `explain`: prints the plan of a container without making it.

use super::create::{detached_console, options};
use super::print;
use crate::context;
use libcontainer::Result;
use liboci_cli::{Create, Global};
use std::fmt::Write;

/// Runs the command.
#[inline(never)]
pub fn run(global: &Global, command: &Create) -> Result<i32> {
    let state_root = context::state_root(global)?;
    let (_, plan, _) = libcontainer::create::decide(&options(
        global,
        command,
        &state_root,
        detached_console(command),
    ))?;
    let mut text = String::new();
    for line in plan.cgroup.to_string().lines() {
        let _ = writeln!(text, "parent  {line}");
    }
    let kinds = libcontainer::plan::namespaces::names(plan.program.clone_flags);
    let _ = writeln!(text, "parent  clone3 with new namespaces ({kinds})");
    if let Some(maps) = &plan.id_maps {
        let _ = writeln!(
            text,
            "parent  map users {:?} and groups {:?}",
            maps.uid.trim_end(),
            maps.gid.trim_end()
        );
    }
    for (who, steps) in [
        ("stage", &plan.program.stage),
        ("child", &plan.program.steps),
    ] {
        for step in steps {
            let field = if step.field.is_empty() {
                String::new()
            } else {
                format!("  <- {}", step.field)
            };
            let _ = writeln!(text, "{who:7} {}{field}", step.op);
        }
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "warning {warning}");
    }
    print(text.as_bytes())
}
