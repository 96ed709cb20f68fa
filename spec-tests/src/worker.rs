//! One test in a process of its own: a private mount namespace, the subreaper of everything the runtime starts.

use crate::check::{Failure, Verdict};
use crate::context::Context;
use crate::runtime::Runtime;
use crate::sentinel::Sentinel;
use crate::table::Test;
use crate::{host, view};
use serde_json::{Value, json};
use std::path::Path;

/// Where a worker finds its things, and what to call them.
pub struct Errand<'a> {
    /// The runtime under test.
    pub runtime: Runtime,
    /// Whether the systemd cgroup driver is asked for.
    pub systemd: bool,
    /// Whether races are run at full length.
    pub full: bool,
    /// The test's tag.
    pub tag: &'a str,
    /// The test's folder, which does not exist yet.
    pub dir: &'a Path,
    /// The payload.
    pub payload: &'a Path,
}

/// Runs the test and writes the verdict to `result.json` in the test's folder.
pub fn work(test: &Test, errand: Errand<'_>) -> std::io::Result<()> {
    std::fs::create_dir_all(errand.dir)?;
    let result = errand.dir.join("result.json");
    let verdict = match judge(test, errand) {
        Ok(note) => json!({"verdict": "pass", "text": note}),
        Err(Failure::Fail(text)) => json!({"verdict": "fail", "text": text}),
        Err(Failure::Skip(text)) => json!({"verdict": "skip", "text": text}),
    };
    std::fs::write(result, verdict.to_string())
}

fn judge(test: &Test, errand: Errand<'_>) -> Verdict<String> {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    if host::is_root() {
        view::enter(errand.runtime.view)?;
    }
    if let Some(reason) = test
        .needs
        .iter()
        .find_map(|need| need.missing(errand.systemd))
    {
        return Err(Failure::Skip(reason));
    }
    let mut context = Context::new(
        errand.runtime,
        errand.systemd,
        errand.tag,
        errand.dir,
        errand.payload,
    )?;
    context.full = errand.full;
    let sentinel = match test.is_in("security") {
        true => Some(Sentinel::new(&context)?),
        false => None,
    };
    let verdict = excuse((test.body)(&mut context), &context.runtime);
    remove_containers(&mut context);
    let leaks = context.leaks();
    // Whatever came of the container, and of its removal.
    let verdict = verdict.and(sentinel.map_or(Ok(()), |tree| tree.unchanged()));
    match (verdict, leaks.is_empty()) {
        (Ok(()), false) => Err(Failure::Fail(format!("left behind: {}", leaks.join(", ")))),
        (Err(Failure::Fail(text)), false) => Err(Failure::Fail(format!(
            "{text}; also left behind: {}",
            leaks.join(", ")
        ))),
        (verdict, _) => verdict.map(|()| context.note),
    }
}

/// A runtime that must do without some system calls may refuse a container when it says so. That nothing was changed is checked all the same.
fn excuse(verdict: Verdict, runtime: &Runtime) -> Verdict {
    match (verdict, &runtime.without) {
        (Err(Failure::Fail(text)), Some(without))
            if text.contains("did not succeed") && without.is_named_in(&text) =>
        {
            Ok(())
        }
        (verdict, _) => verdict,
    }
}

/// What an engine does at last with containers that are still there: `delete --force`.
fn remove_containers(context: &mut Context) {
    let Ok(entries) = std::fs::read_dir(context.state_dir()) else {
        return;
    };
    let ids: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&context.tag))
        .collect();
    for id in ids {
        let _ = context.call(&["delete", "--force", &id]);
    }
}

/// The verdict that a worker wrote, or `None` when it died before.
pub fn read_result(dir: &Path) -> Option<(String, String)> {
    let value: Value =
        serde_json::from_slice(&std::fs::read(dir.join("result.json")).ok()?).ok()?;
    Some((
        value["verdict"].as_str()?.to_string(),
        value["text"].as_str().unwrap_or_default().to_string(),
    ))
}
