//! Configurations that nobody means well with, generated: what `hostile` gives to a runtime.

use serde_json::{Value, json};

/// One configuration.
pub struct Case {
    /// The bytes of config.json.
    pub document: Vec<u8>,
    /// What the error is about.
    pub pointer: String,
    /// Whether there is nothing that a runtime could do but refuse.
    pub refuse: bool,
}

/// Makes configurations out of a good one and the test's tag.
pub type Family = fn(&Value, &str) -> Vec<Case>;

/// The families, with their names.
pub const FAMILIES: [(&str, Family); 4] = [
    ("paths", climbing),
    ("numbers", huge),
    ("text", text),
    ("syntax", syntax),
];

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
