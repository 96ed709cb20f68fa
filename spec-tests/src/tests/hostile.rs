//! Hostile bundles: hundreds of generated configurations that nobody means well with. A runtime may refuse them or do what they say inside the container. It
//! may not crash, hang, or touch anything outside; and what it refuses it should name, by JSON pointer.

use super::hostile_documents::{Case, FAMILIES, Family};
use crate::check;
use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::host::Need;
use crate::runtime::Output;
use crate::sentinel::Sentinel;
use crate::table::Table;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    documents(t);
    ids(t);
    links(t);
    surroundings(t);
}

/// What a family came to.
#[derive(Default)]
struct Sum {
    count: usize,
    refused: usize,
    slowest: Duration,
    unnamed: Vec<String>,
}

/// Everything beside the bundle and the suite's own files.
fn surroundings_of(c: &Context) -> Verdict<Vec<PathBuf>> {
    let mut names = Vec::new();
    for dir in [c.dir.clone(), c.bundle(), "/".into(), "/tmp".into()] {
        for entry in fs::read_dir(&dir)? {
            let path = entry?.path();
            // Others on the machine work in / and /tmp, too.
            if dir.starts_with(&c.dir) || path.ends_with(&c.tag) {
                names.push(path);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Fails when something new is beside the bundle, and removes what a runtime has made elsewhere on the host.
fn nothing_new(c: &Context, before: &[PathBuf], what: &str) -> Verdict {
    let now = surroundings_of(c)?;
    let new: Vec<_> = now.iter().filter(|path| !before.contains(path)).collect();
    for path in &new {
        let _ = fs::remove_file(path);
        let _ = fs::remove_dir_all(path);
    }
    check!(
        new.is_empty(),
        "{what}: beside the bundle there is now {new:?}"
    );
    Ok(())
}

/// Whether an error names the value, or an object that it is in.
fn is_named(pointer: &str, error: &str) -> bool {
    let mut pointer = pointer;
    loop {
        if error.contains(pointer) {
            return true;
        }
        match pointer.rsplit_once('/') {
            Some((object, _)) if object.matches('/').count() > 1 => pointer = object,
            _ => return false,
        }
    }
}

fn attempt(c: &mut Context, case: &Case, sum: &mut Sum) -> Verdict {
    fs::write(c.bundle().join("config.json"), &case.document)?;
    let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
    let started = Instant::now();
    let output = c.call(&["create", "--bundle", &bundle, &id])?;
    sum.slowest = sum.slowest.max(started.elapsed());
    sum.count += 1;
    let clip = String::from_utf8_lossy(&case.document)
        .chars()
        .take(120)
        .collect::<String>();
    check!(
        sane(&output),
        "{}: {}: {clip}",
        case.pointer,
        output.describe("crashed")
    );
    if output.code == Some(0) {
        c.call(&["delete", "--force", &id])?.success()?;
        check!(!case.refuse, "{} was accepted: {clip}", case.pointer);
    } else {
        sum.refused += 1;
        let withheld = c.runtime.without.as_ref();
        let withheld = withheld.is_some_and(|calls| calls.is_named_in(&output.stderr));
        if !withheld && !is_named(&case.pointer, &output.stderr) {
            sum.unnamed.push(format!(
                "{}: {}",
                case.pointer,
                output.stderr.trim().chars().take(160).collect::<String>()
            ));
        }
        check!(
            fs::read_dir(c.state_dir())?.flatten().next().is_none(),
            "{}: something is left in the state directory",
            case.pointer
        );
    }
    Ok(())
}

/// An end that the runtime meant: not by a signal, nor with a code that stands for one or for a panic.
fn sane(output: &Output) -> bool {
    output.signal.is_none()
        && output
            .code
            .is_some_and(|code| code < 126 && code != 101 && code != 2)
}

fn documents(t: &mut Table) {
    for (name, family) in FAMILIES {
        t.add(
            format!("hostile-{name}"),
            "config.md#valid-values MUST: generated configurations that mean harm: no crash, nothing outside is touched, what cannot be is refused",
            move |c| {
                let sum = all(c, family)?;
                c.note = format!("{} configurations, {} refused, the slowest took {} ms", sum.count, sum.refused, sum.slowest.as_millis());
                Ok(())
            },
        )
        .needs(&[Need::Root, Need::CgroupFs])
        .seconds(120);
        t.add(
            format!("hostile-{name}-named"),
            "the error for a configuration that is refused has the JSON pointer of what is wrong",
            move |c| {
                let sum = all(c, family)?;
                c.note = format!("{} refused", sum.refused);
                if sum.unnamed.is_empty() {
                    return Ok(());
                }
                fail(format!(
                    "{} of {} are not named: {}",
                    sum.unnamed.len(),
                    sum.refused,
                    sum.unnamed.join("; ")
                ))
            },
        )
        .needs(&[Need::Root, Need::CgroupFs])
        .seconds(120)
        .justified("other runtimes say it in words");
    }
}

fn all(c: &mut Context, family: Family) -> Verdict<Sum> {
    let sentinel = Sentinel::new(c)?;
    c.write_config()?;
    let base = c.config.clone();
    let before = surroundings_of(c)?;
    let mut sum = Sum::default();
    for case in family(&base, &c.tag.clone()) {
        attempt(c, &case, &mut sum)?;
        sentinel.unchanged()?;
        nothing_new(c, &before, &case.pointer)?;
    }
    Ok(sum)
}

fn ids(t: &mut Table) {
    t.add(
        "hostile-ids",
        "an id is never more than a name: no path, no option, no control character",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.write_config()?;
            let bundle = c.bundle().to_string_lossy().into_owned();
            let before = surroundings_of(c)?;
            let long = "x".repeat(256);
            let longer = "x".repeat(100_000);
            let ids = [
                "",
                ".",
                "..",
                "../x",
                "a/b",
                "/",
                "/x",
                "a/../b",
                "-",
                "-rf",
                "--root",
                "a b",
                "a\tb",
                "a\nb",
                "a\u{7f}b",
                "a\u{1b}[31m",
                "é",
                "a;b",
                "a$b",
                "`a`",
                "a*",
                "a?",
                "a\\b",
                "a%b",
                "a:b",
                "a,b",
                "a=b",
                "a@b",
                "a'b",
                "a\"b",
                "~",
                "\u{202e}a",
                &long,
                &longer,
            ];
            for id in ids {
                let output = c.call(&["create", "--bundle", &bundle, "--", id])?;
                check!(
                    sane(&output) || output.code == Some(2),
                    "{id:?}: {}",
                    output.describe("crashed")
                );
                check!(output.code != Some(0), "the id {id:?} was accepted");
                check!(
                    !output.stderr.contains('\u{1b}'),
                    "{id:?} reaches the terminal as it is"
                );
                nothing_new(c, &before, id)?;
                check!(
                    fs::read_dir(c.state_dir())?.flatten().next().is_none(),
                    "{id:?} left something in the state directory"
                );
                sentinel.unchanged()?;
            }
            c.note = format!("{} ids", ids.len());
            Ok(())
        },
    )
    .seconds(60)
    .justified("other runtimes take ids such as a-b:c for their own names");
}

/// Links in the place of every folder that something is mounted on or made in.
fn links(t: &mut Table) {
    t.add(
        "hostile-links",
        "links to the host in the place of every folder and file that a runtime works with: nothing is changed there",
        |c| {
            let sentinel = Sentinel::new(c)?;
            let (mut count, mut made) = (0, 0);
            let up = "../".repeat(16);
            let absolute = sentinel.path();
            let targets = [
                absolute.clone(),
                format!("{up}{}", absolute.trim_start_matches('/')),
                format!("{absolute}/sub/../../sentinel/"),
                format!("{absolute}/file"),
                format!("{absolute}/missing"),
                "/tmp/hop".to_string(),
                "/proc/1/root".to_string(),
                "/proc/self/cwd".to_string(),
            ];
            for name in ["proc", "sys", "dev", "dev/pts", "dev/shm", "dev/mqueue", "dev/console", "etc", "etc/passwd", "data", "tmp", "run", "root"] {
                for target in &targets {
                    let rootfs = c.rootfs();
                    fs::remove_dir_all(&rootfs)?;
                    c.make_rootfs(&rootfs)?;
                    let _ = fs::remove_file(rootfs.join("tmp/hop"));
                    symlink(&absolute, rootfs.join("tmp/hop"))?;
                    if name != "tmp" || target != "/tmp/hop" {
                        let place = rootfs.join(name);
                        let _ = fs::remove_dir_all(&place);
                        let _ = fs::remove_file(&place);
                        symlink(target, &place)?;
                    }
                    if name.starts_with("dev/") {
                        c.without_dev_mount();
                    }
                    c.config["process"]["cwd"] = json!("/data/sub");
                    c.config["linux"]["maskedPaths"] = json!(["/proc/kcore", "/etc/passwd", "/data/sub"]);
                    c.config["linux"]["devices"] = json!([{"path": "/dev/made", "type": "c", "major": 1, "minor": 3}, {"path": "/run/made", "type": "p"}]);
                    let output = c.run_somehow()?;
                    made += usize::from(output.code == Some(0));
                    count += 1;
                    sentinel.unchanged()?;
                }
            }
            c.note = format!("{count} configurations, {made} made");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .seconds(120);
}

/// A caller or a machine in a bad state.
fn surroundings(t: &mut Table) {
    t.add(
        "hostile-closed-streams",
        "closed standard streams: no file of the runtime's becomes the container's standard output",
        |c| {
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let state = c.state_dir().to_string_lossy().into_owned();
            let runtime = c.runtime.path.to_string_lossy().into_owned();
            let sentinel = Sentinel::new(c)?;
            for close in [
                "<&-",
                ">&-",
                "2>&-",
                "<&- >&-",
                "<&- 2>&-",
                ">&- 2>&-",
                "<&- >&- 2>&-",
            ] {
                let script =
                    format!("exec \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\" {close}");
                let output =
                    c.program("/bin/sh", &["-c", &script, &runtime, &state, &bundle, &id])?;
                check!(
                    output.signal.is_none() && output.code.is_some_and(|code| code < 126),
                    "{close}: {}",
                    output.describe("crashed")
                );
                let _ = c.call(&["delete", "--force", &id])?;
                let text = fs::read_to_string(c.bundle().join("config.json"))?;
                check!(
                    serde_json::from_str::<Value>(&text).is_ok(),
                    "{close}: config.json was written to"
                );
                sentinel.unchanged()?;
            }
            Ok(())
        },
    );
    t.add(
        "hostile-million-descriptors",
        "a limit of a million open files makes nothing slow",
        |c| {
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let state = c.state_dir().to_string_lossy().into_owned();
            let runtime = c.runtime.path.to_string_lossy().into_owned();
            let script = "ulimit -n 1048576 || exit 99; exec \"$0\" --root \"$1\" run --bundle \"$2\" \"$3\"";
            let started = Instant::now();
            let output = c.program("/bin/sh", &["-c", script, &runtime, &state, &bundle, &id])?;
            c.note = format!("{} ms", started.elapsed().as_millis());
            if output.code == Some(99) {
                return Err(crate::check::Failure::Skip("the limit cannot be raised".to_string()));
            }
            output.success().map(drop)
        },
    )
    .needs(&[Need::Root]);
    for (name, options) in [
        ("full", "size=4k,mode=700"),
        ("no-inodes", "nr_inodes=1,mode=700"),
        ("readonly", "ro,mode=700"),
    ] {
        t.add(
            format!("hostile-state-{name}"),
            "a state directory that cannot be written to: a clear error, nothing is left",
            move |c| {
                let dir = c.dir.join("small");
                fs::create_dir(&dir)?;
                let dir = dir.to_string_lossy().into_owned();
                c.program("mount", &["-t", "tmpfs", "-o", options, "tmpfs", &dir])?
                    .success()?;
                if name == "full" {
                    let _ = fs::write(format!("{dir}/filler"), [0; 4096]);
                }
                c.config["annotations"] = json!({"com.example.long": "x".repeat(20_000)});
                c.write_config()?;
                let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
                let output = c
                    .bare_command(&["--root", &dir, "create", "--bundle", &bundle, &id])?
                    .run()?;
                let left: Vec<_> = fs::read_dir(&dir)?
                    .flatten()
                    .map(|e| e.file_name())
                    .filter(|n| n != "filler")
                    .collect();
                if output.code == Some(0) {
                    c.bare_command(&["--root", &dir, "delete", "--force", &id])?
                        .run()?
                        .success()?;
                }
                c.program("umount", &["-l", &dir])?.success()?;
                let output = output.failure()?;
                check!(sane(&output), "{}", output.describe("crashed"));
                check!(left.is_empty(), "{left:?} is left in the state directory");
                let words = ["no space left", "read-only file system", "disk quota"];
                output.says(&words).map(drop)
            },
        )
        .needs(&[Need::Root]);
    }
}
