//! Hostile bundles: hundreds of generated configurations that nobody means well with. A runtime may refuse them or do what they say inside the container. It
//! may not crash, hang, or touch anything outside; and what it refuses it should name, by JSON pointer.

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

/// One configuration.
struct Case {
    document: Vec<u8>,
    /// What the error is about.
    pointer: String,
    /// Whether there is nothing that a runtime could do but refuse.
    refuse: bool,
}

/// Changes one value, making what is missing on the way; a minus appends to a list.
fn set(document: &mut Value, pointer: &str, value: Value) {
    let mut place = document;
    for token in pointer.split('/').skip(1) {
        if token == "-" || place.is_array() {
            if !place.is_array() {
                *place = json!([]);
            }
            let Some(list) = place.as_array_mut() else {
                return;
            };
            let at = token.parse().unwrap_or(list.len());
            if at >= list.len() {
                list.push(Value::Null);
            }
            let last = list.len() - 1;
            place = &mut list[at.min(last)];
        } else {
            if !place.is_object() {
                *place = json!({});
            }
            place = &mut place[token];
        }
    }
    *place = value;
}

fn changed(base: &Value, pointer: &str, value: Value, refuse: bool) -> Case {
    let mut document = base.clone();
    set(&mut document, pointer, value);
    Case {
        document: document.to_string().into_bytes(),
        pointer: pointer.trim_end_matches("/-").replace("/-/", "/0/"),
        refuse,
    }
}

/// Paths that climb, at every place that takes one.
fn climbing(base: &Value, tag: &str) -> Vec<Case> {
    let places = [
        (
            "/mounts/-",
            json!({"type": "tmpfs", "source": "tmpfs", "destination": 0}),
            "destination",
        ),
        (
            "/mounts/-",
            json!({"type": "bind", "source": "/etc/hostname", "options": ["bind"], "destination": 0}),
            "destination",
        ),
        (
            "/linux/devices/-",
            json!({"type": "c", "major": 1, "minor": 3, "path": 0}),
            "path",
        ),
        (
            "/linux/namespaces/-",
            json!({"type": "time", "path": 0}),
            "path",
        ),
        ("/hooks/createContainer/-", json!({"path": 0}), "path"),
    ];
    // What gets out has the tag in its name, and is found.
    let paths = [
        "..",
        "../TAG",
        "/../TAG",
        "/../../../../../../../../TAG",
        "/a/../../TAG",
        "TAG/../../..",
        "/..",
        "/data/../../../..//TAG/",
    ];
    let mut cases = Vec::new();
    for path in paths.map(|path| path.replace("TAG", tag)) {
        for (pointer, object, member) in &places {
            let mut object = object.clone();
            object[*member] = json!(path);
            cases.push(changed(base, pointer, object, false));
        }
        for pointer in [
            "/linux/cgroupsPath",
            "/process/cwd",
            "/linux/maskedPaths/-",
            "/linux/readonlyPaths/-",
            "/root/path",
        ] {
            let value = match pointer {
                "/linux/cgroupsPath" => format!("{path}/{tag}"),
                "/root/path" => format!("{path}/no-such-rootfs"),
                _ => path.to_string(),
            };
            cases.push(changed(
                base,
                pointer,
                json!(value),
                pointer == "/root/path",
            ));
        }
    }
    cases
}

/// Numbers that no kernel takes.
fn huge(base: &Value, _: &str) -> Vec<Case> {
    let ids = [
        "/process/user/uid",
        "/process/user/gid",
        "/process/user/additionalGids/-",
    ];
    let mut cases = Vec::new();
    for pointer in ids {
        for value in [
            json!(4_294_967_295u64),
            json!(4_294_967_296u64),
            json!(-1),
            json!(u64::MAX),
            json!(1e30),
            json!(0.5),
        ] {
            cases.push(changed(base, pointer, value, true));
        }
    }
    let mut with_time = base.clone();
    set(
        &mut with_time,
        "/linux/namespaces/-",
        json!({"type": "time"}),
    );
    for pointer in [
        "/process/oomScoreAdj",
        "/process/user/umask",
        "/linux/resources/memory/limit",
        "/linux/resources/memory/swappiness",
        "/linux/resources/cpu/shares",
        "/linux/resources/cpu/period",
        "/linux/resources/pids/limit",
        "/linux/resources/blockIO/weight",
        "/linux/timeOffsets/monotonic/secs",
    ] {
        for value in [
            json!(-9_223_372_036_854_775_808i64),
            json!(u64::MAX),
            json!(1e300),
            json!("1"),
            json!([[]]),
        ] {
            let signed = value == json!(-9_223_372_036_854_775_808i64);
            let fits = signed || (value == json!(u64::MAX) && pointer.contains("cpu"));
            cases.push(changed(&with_time, pointer, value, !fits));
        }
    }
    for object in [
        json!({"type": "c", "path": "/dev/x", "major": 4_294_967_296u64, "minor": 0}),
        json!({"type": "c", "path": "/dev/x", "major": -1, "minor": 0}),
        json!({"type": "c", "path": "/dev/x", "major": 1, "minor": 1, "uid": 4_294_967_296u64}),
        json!({"type": "c", "path": "/dev/x", "major": 1, "minor": 1, "fileMode": u64::MAX}),
    ] {
        cases.push(changed(base, "/linux/devices/-", object, true));
    }
    for map in [
        json!({"containerID": 0, "hostID": 0, "size": 4_294_967_296u64}),
        json!({"containerID": 4_294_967_295u64, "hostID": 0, "size": 4_294_967_295u64}),
        json!({"containerID": 0, "hostID": -1, "size": 1}),
        json!({"containerID": 0, "hostID": 0, "size": 0}),
    ] {
        let mut with_namespace = base.clone();
        set(
            &mut with_namespace,
            "/linux/namespaces/-",
            json!({"type": "user"}),
        );
        set(
            &mut with_namespace,
            "/linux/gidMappings/-",
            json!({"containerID": 0, "hostID": 0, "size": 1}),
        );
        cases.push(changed(&with_namespace, "/linux/uidMappings/-", map, true));
    }
    for limit in [
        json!({"type": "RLIMIT_NOFILE", "soft": u64::MAX, "hard": 1}),
        json!({"type": "RLIMIT_\u{0}", "soft": 1, "hard": 1}),
    ] {
        cases.push(changed(base, "/process/rlimits/-", limit, true));
    }
    cases
}

/// NUL bytes and endless text, at every place that takes text.
fn text(base: &Value, _: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    for pointer in [
        "/process/args/-",
        "/process/env/-",
        "/process/cwd",
        "/root/path",
        "/hostname",
        "/domainname",
        "/linux/cgroupsPath",
        "/linux/maskedPaths/-",
        "/linux/readonlyPaths/-",
        "/linux/namespaces/0/path",
        "/mounts/0/destination",
        "/mounts/0/source",
        "/mounts/0/type",
        "/mounts/0/options/-",
        "/process/apparmorProfile",
        "/linux/rootfsPropagation",
        "/linux/seccomp/defaultAction",
        "/hooks/poststop/-/path",
    ] {
        let nul = if pointer == "/process/env/-" {
            "A=\u{0}b"
        } else {
            "/a\u{0}b"
        };
        // Without AppArmor in the kernel a profile has no meaning.
        let ignored = pointer == "/process/apparmorProfile";
        cases.push(changed(base, pointer, json!(nul), !ignored));
        let long = format!("/{}", "x".repeat(1 << 17));
        let fits = matches!(
            pointer,
            "/process/args/-"
                | "/process/env/-"
                | "/linux/maskedPaths/-"
                | "/linux/readonlyPaths/-"
                | "/hooks/poststop/-/path"
                | "/mounts/0/source"
        );
        cases.push(changed(base, pointer, json!(long), !fits && !ignored));
    }
    cases
}

/// Documents that are no documents.
fn syntax(base: &Value, _: &str) -> Vec<Case> {
    let whole = base.to_string();
    let raw = |document: Vec<u8>, pointer: &str, refuse: bool| Case {
        document,
        pointer: pointer.to_string(),
        refuse,
    };
    let mut cases = Vec::new();
    for cut in 0..24 {
        cases.push(raw(
            whole.as_bytes()[..whole.len() * cut / 24].to_vec(),
            "",
            true,
        ));
    }
    for text in [
        "null",
        "[]",
        "0",
        "\"x\"",
        "{}",
        "{]",
        "\u{feff}{}",
        "{\"ociVersion\": 1e999}",
        "\0",
        "[".repeat(200_000).as_str(),
    ] {
        cases.push(raw(text.as_bytes().to_vec(), "", true));
    }
    for (start, depth) in [
        ("{\"unknown\":", 100_000),
        ("{\"mounts\":", 100_000),
        ("{\"process\":{\"args\":", 100_000),
    ] {
        let text = format!("{start}{}", "[".repeat(depth));
        cases.push(raw(text.into_bytes(), "", true));
    }
    for garbage in [" {}", "x", "\0", ","] {
        cases.push(raw(format!("{whole}{garbage}").into_bytes(), "", true));
    }
    // A key that is given twice: which of the two is meant, a reader before us may have seen otherwise.
    for (key, first) in [
        ("root", json!({"path": "/"})),
        ("process", json!({})),
        ("linux", json!({})),
        ("mounts", json!([])),
    ] {
        let text = whole.replacen('{', &format!("{{\"{key}\": {first},"), 1);
        cases.push(raw(text.into_bytes(), &format!("/{key}"), false));
    }
    for key in ["hostname", "ociVersion", "process", "cwd"] {
        let mut bytes = whole.clone().into_bytes();
        let at = whole
            .find(&format!("\"{key}\":"))
            .map_or(1, |at| at + key.len() + 4);
        bytes.splice(at..at, [0xff, 0xfe, 0xc0, 0x80]);
        cases.push(raw(bytes, "", false));
    }
    cases
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

type Family = fn(&Value, &str) -> Vec<Case>;

fn documents(t: &mut Table) {
    let families: [(&str, Family); 4] = [
        ("paths", climbing),
        ("numbers", huge),
        ("text", text),
        ("syntax", syntax),
    ];
    for (name, family) in families {
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
