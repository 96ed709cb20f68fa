//! features, spec, --version. features.md.

use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("documents");
    features(t);
    spec(t);
    version(t);
}

impl Context {
    /// The features document.
    pub fn features(&mut self) -> Verdict<Value> {
        let output = self.bare_command(&["features"])?.run()?.success()?;
        check_eq!(output.stderr, "", "standard error");
        Ok(serde_json::from_str(&output.stdout)?)
    }
}

fn features(t: &mut Table) {
    t.add(
        "features-versions",
        "features.md#specification-version REQUIRED: ociVersionMin and ociVersionMax",
        |c| {
            let features = c.features()?;
            for key in ["ociVersionMin", "ociVersionMax"] {
                check!(
                    features[key].as_str().is_some_and(|v| v.starts_with("1.")),
                    "{key} is {}",
                    features[key]
                );
            }
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "features-versions-accepted",
        "features.md#specification-version MUST: both values are accepted as ociVersion",
        |c| {
            let features = c.features()?;
            for key in ["ociVersionMin", "ociVersionMax"] {
                c.config["ociVersion"] = features[key].clone();
                c.inspect()?;
            }
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "features-hooks",
        "features.md#hooks: the names of all six hooks",
        |c| {
            let features = c.features()?;
            let mut names: Vec<&str> = features["hooks"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            names.sort_unstable();
            check_eq!(
                names,
                [
                    "createContainer",
                    "createRuntime",
                    "poststart",
                    "poststop",
                    "prestart",
                    "startContainer"
                ],
                "hooks"
            );
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "features-mount-options",
        "features.md#mount-options MUST: the listed options are recognized",
        |c| {
            let features = c.features()?;
            let known = [
                "defaults",
                "remount",
                "bind",
                "rbind",
                "idmap",
                "ridmap",
                "tmpcopyup",
                "acl",
                "noacl",
                "mand",
                "iversion",
            ];
            let options: Vec<String> = features["mountOptions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_string)
                .collect();
            check!(
                options.iter().any(|o| o == "ro") && options.iter().any(|o| o == "rbind"),
                "options are {options:?}"
            );
            for option in options
                .iter()
                .filter(|option| !known.contains(&option.as_str()) && !option.starts_with('r'))
            {
                crate::config::add_mount(
                    &mut c.config,
                    &format!("/t/{option}"),
                    "tmpfs",
                    "tmpfs",
                    &[option],
                );
            }
            c.inspect().map(|_| ())
        },
    )
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
    t.add(
        "features-rro",
        "engines: mountOptions has rro, by which engines know recursive read-only mounts",
        |c| {
            let features = c.features()?;
            check!(
                features["mountOptions"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|o| o == "rro")),
                "no rro"
            );
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "features-linux",
        "features-linux.md: namespaces, capabilities, cgroup, seccomp, apparmor, selinux",
        |c| {
            let features = c.features()?;
            let linux = &features["linux"];
            for name in ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"] {
                check!(
                    linux["namespaces"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|n| n == name)),
                    "no namespace {name}"
                );
            }
            check!(
                linux["capabilities"]
                    .as_array()
                    .is_some_and(|all| all.iter().any(|n| n == "CAP_SYS_ADMIN")),
                "no capabilities"
            );
            for pointer in [
                "/cgroup/v1",
                "/cgroup/v2",
                "/seccomp/enabled",
                "/apparmor/enabled",
                "/selinux/enabled",
            ] {
                check!(
                    linux.pointer(pointer).is_some_and(Value::is_boolean),
                    "{pointer} is {:?}",
                    linux.pointer(pointer)
                );
            }
            for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL"] {
                check!(
                    linux["seccomp"]["actions"]
                        .as_array()
                        .is_some_and(|all| all.iter().any(|a| a == action)),
                    "no {action}"
                );
            }
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "features-only-defined",
        "features.md#specification-version MUST NOT: properties the specification does not define",
        |c| {
            let features = c.features()?;
            let defined = [
                "ociVersionMin",
                "ociVersionMax",
                "hooks",
                "mountOptions",
                "linux",
                "annotations",
                "potentiallyUnsafeConfigAnnotations",
            ];
            for key in features
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, _)| key)
            {
                check!(defined.contains(&key.as_str()), "{key} is not defined");
            }
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
    t.add(
        "features-annotations",
        "features.md#annotations MUST: annotations are a map of strings",
        |c| {
            let features = c.features()?;
            let Some(annotations) = features.get("annotations").filter(|a| !a.is_null()) else {
                return Ok(());
            };
            let Some(map) = annotations.as_object() else {
                return fail(format!("annotations are {annotations}"));
            };
            check!(
                map.values().all(Value::is_string),
                "annotations are {annotations}"
            );
            Ok(())
        },
    )
    .newer("runtime-spec 1.1");
}

fn spec(t: &mut Table) {
    t.add("spec-runs", "engines: what spec writes can be run", |c| {
        let bundle = c.bundle();
        let _ = fs::remove_file(bundle.join("config.json"));
        c.bare_command(&["spec"])?
            .current_dir(&bundle)
            .run()?
            .success()?;
        let mut config: Value = serde_json::from_slice(&fs::read(bundle.join("config.json"))?)?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["/payload", "inspect"]);
        if c.config["linux"]["cgroupsPath"].is_string() {
            config["linux"]["cgroupsPath"] = c.config["linux"]["cgroupsPath"].clone();
        }
        c.config = config;
        let inside = c.inspect()?;
        check!(
            inside.mount("/").is_some_and(|m| m.has("ro")),
            "the root is writable"
        );
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add(
        "spec-shape",
        "engines: spec writes the example that tools edit",
        |c| {
            let dir = c.dir.join("fresh");
            fs::create_dir(&dir)?;
            c.bare_command(&["spec", "--bundle", &dir.to_string_lossy()])?
                .run()?
                .success()?;
            let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
            check_eq!(config["process"]["args"], json!(["sh"]), "args");
            check_eq!(config["process"]["terminal"], true, "terminal");
            check_eq!(config["process"]["cwd"], "/", "cwd");
            check_eq!(
                config["process"]["noNewPrivileges"],
                true,
                "noNewPrivileges"
            );
            check_eq!(config["root"]["path"], "rootfs", "root.path");
            check_eq!(config["root"]["readonly"], true, "root.readonly");
            check!(
                config["linux"]["maskedPaths"]
                    .as_array()
                    .is_some_and(|all| all.len() >= 8),
                "maskedPaths"
            );
            check!(
                config["linux"]["readonlyPaths"]
                    .as_array()
                    .is_some_and(|all| all.len() >= 5),
                "readonlyPaths"
            );
            let caps: Vec<&str> = config["process"]["capabilities"]["bounding"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            check_eq!(
                caps,
                ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
                "capabilities"
            );
            Ok(())
        },
    );
    t.add(
        "spec-rootless",
        "engines: spec --rootless has a user namespace with mappings and no network namespace",
        |c| {
            let dir = c.dir.join("fresh");
            fs::create_dir(&dir)?;
            c.bare_command(&["spec", "--rootless"])?
                .current_dir(&dir)
                .run()?
                .success()?;
            let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
            let kinds: Vec<&str> = config["linux"]["namespaces"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|n| n["type"].as_str())
                .collect();
            check!(
                kinds.contains(&"user") && !kinds.contains(&"network"),
                "namespaces are {kinds:?}"
            );
            check!(
                config["linux"]["uidMappings"][0]["size"].as_u64().is_some(),
                "no uidMappings"
            );
            check!(
                config["linux"]["gidMappings"][0]["size"].as_u64().is_some(),
                "no gidMappings"
            );
            Ok(())
        },
    );
    t.add(
        "spec-no-overwrite",
        "engines: spec does not overwrite a config.json",
        |c| {
            let dir = c.dir.join("fresh");
            fs::create_dir(&dir)?;
            fs::write(dir.join("config.json"), "mine")?;
            c.bare_command(&["spec"])?
                .current_dir(&dir)
                .run()?
                .failure()?;
            check_eq!(
                fs::read_to_string(dir.join("config.json"))?,
                "mine",
                "config.json"
            );
            Ok(())
        },
    );
}

fn version(t: &mut Table) {
    t.add(
        "version",
        "engines: --version prints a line with version, one with commit: and one with spec:",
        |c| {
            let output = c.bare_command(&["--version"])?.run()?.success()?;
            let first = output.stdout.lines().next().unwrap_or_default();
            check!(first.contains(" version "), "the first line is {first:?}");
            for prefix in ["commit: ", "spec: "] {
                check!(
                    output.stdout.lines().any(|line| line.starts_with(prefix)),
                    "{}",
                    output.describe("lacks a line")
                );
            }
            Ok(())
        },
    );
    t.add("version-short", "engines: -v is the same", |c| {
        c.bare_command(&["-v"])?.run()?.success().map(|_| ())
    });
}
