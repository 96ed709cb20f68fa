//! Error texts that engines look for, and input that must be refused before anything happens. config.md#valid-values.

use crate::check::Verdict;
use crate::context::Context;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("errors");
    texts(t);
    refused(t);
    tolerated(t);
}

fn texts(t: &mut Table) {
    for command in ["state", "start", "delete", "pause", "resume", "ps"] {
        t.add(
            format!("unknown-{command}"),
            "engines: an unknown container: the text contains `does not exist`",
            move |c| {
                let id = c.id();
                c.call(&[command, &id])?
                    .failure()?
                    .says(&["does not exist"])
                    .map(|_| ())
            },
        );
    }
    t.add(
        "unknown-kill",
        "engines: an unknown container: the text contains `does not exist`",
        |c| {
            let id = c.id();
            c.call(&["kill", &id, "KILL"])?
                .failure()?
                .says(&["does not exist"])
                .map(|_| ())
        },
    );
    t.add(
        "unknown-exec",
        "engines: an unknown container: the text contains `does not exist`",
        |c| {
            c.try_exec(&[], &["exit", "0"])?
                .failure()?
                .says(&["does not exist"])
                .map(|_| ())
        },
    );
    t.add(
        "kill-stopped",
        "engines: a dead container: `container not running` or `no such process`",
        |c| {
            let pid = c.launch(&["exit", "0"])?;
            c.await_exit(pid)?;
            let id = c.id();
            c.call(&["kill", &id, "KILL"])?
                .failure()?
                .says(&["container not running", "no such process"])?;
            c.delete()
        },
    );
    t.add(
        "id-in-use",
        "engines: an id in use: the text contains `exist`",
        |c| {
            c.args(&["pause"]);
            c.create()?;
            c.try_create_with(&[])?
                .failure()?
                .says(&["already exist"])?;
            c.destroy()
        },
    );
    t.add("on-stderr", "engines: errors are on standard error", |c| {
        let id = c.id();
        let output = c.call(&["state", &id])?.failure()?;
        check!(
            !output.stderr.trim().is_empty(),
            "{}",
            output.describe("said nothing")
        );
        Ok(())
    });
    t.add(
        "exit-code-1",
        "engines: a command that fails exits with 1",
        |c| {
            let id = c.id();
            for args in [
                &["state", &id][..],
                &["start", &id],
                &["kill", &id, "9"],
                &["delete", &id],
            ] {
                c.call(args)?.exits(1)?;
            }
            Ok(())
        },
    );
}

/// A change of the configuration, and what it is called.
type Change = (&'static str, fn(&mut Value));

const REFUSED: [Change; 26] = [
    ("version-missing", |c| {
        drop(c.as_object_mut().and_then(|c| c.remove("ociVersion")))
    }),
    ("version-not-semver", |c| c["ociVersion"] = json!("one")),
    ("version-future-major", |c| c["ociVersion"] = json!("2.0.0")),
    ("version-number", |c| c["ociVersion"] = json!(1)),
    ("process-list", |c| c["process"] = json!([])),
    ("args-text", |c| c["process"]["args"] = json!("/payload")),
    ("args-numbers", |c| c["process"]["args"] = json!([1, 2])),
    ("args-nul", |c| {
        c["process"]["args"] = json!(["/payload", "a\u{0}b"])
    }),
    ("env-nul", |c| c["process"]["env"] = json!(["A=a\u{0}b"])),
    ("cwd-missing", |c| {
        drop(c["process"].as_object_mut().and_then(|p| p.remove("cwd")))
    }),
    ("cwd-empty", |c| c["process"]["cwd"] = json!("")),
    ("cwd-nul", |c| c["process"]["cwd"] = json!("/a\u{0}b")),
    ("terminal-text", |c| c["process"]["terminal"] = json!("yes")),
    ("uid-too-large", |c| {
        c["process"]["user"]["uid"] = json!(4_294_967_296_u64)
    }),
    ("umask-negative", |c| {
        c["process"]["user"]["umask"] = json!(-1)
    }),
    (
        "rlimit-negative",
        |c| c["process"]["rlimits"] = json!([{"type": "RLIMIT_NOFILE", "soft": -1, "hard": 1024}]),
    ),
    ("oom-score-range", |c| {
        c["process"]["oomScoreAdj"] = json!(1001)
    }),
    ("capabilities-list", |c| {
        c["process"]["capabilities"] = json!(["CAP_KILL"])
    }),
    ("root-path-empty", |c| c["root"]["path"] = json!("")),
    ("root-path-nul", |c| {
        c["root"]["path"] = json!("root\u{0}fs")
    }),
    ("mounts-object", |c| c["mounts"] = json!({})),
    ("mount-options-text", |c| {
        c["mounts"][0]["options"] = json!("ro")
    }),
    ("hooks-list", |c| c["hooks"] = json!([])),
    ("annotations-number", |c| c["annotations"] = json!({"a": 1})),
    ("namespaces-object", |c| {
        c["linux"]["namespaces"] = json!({})
    }),
    ("memory-limit-text", |c| {
        c["linux"]["resources"]["memory"]["limit"] = json!("64M")
    }),
];

fn refused(t: &mut Table) {
    for (name, change) in REFUSED {
        let test = t.add(
            format!("refused-{name}"),
            "config.md#valid-values MUST: invalid values are errors",
            move |c| {
                change(&mut c.config);
                c.args_kept_create_fails()
            },
        );
        if matches!(
            name,
            "version-missing" | "version-not-semver" | "version-future-major"
        ) {
            test.justified(
                "ociVersion MUST be a version that the runtime knows; runc does not look",
            );
        }
        if name == "args-nul" {
            test.justified(
                "no program can be given such an argument; runc notices at start, crun cuts it off",
            );
        }
    }
    t.add(
        "refused-annotation-empty-key",
        "config.md#annotations MUST NOT: a key is empty",
        |c| {
            c.config["annotations"] = json!({"": "x"});
            c.create_fails().map(|_| ())
        },
    )
    .justified("the sentence is plain; both runtimes let it pass");
    t.add(
        "refused-deep-nesting",
        "config.md#valid-values: a hundred thousand nested lists do not crash the runtime",
        |c| {
            let text = serde_json::to_string(&c.config)?;
            let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
            let text = format!(
                "{},\"x\":{deep}}}",
                text.trim_end_matches('}').to_string()
                    + &"}".repeat(text.len() - text.trim_end_matches('}').len() - 1)
            );
            fs::write(c.bundle().join("config.json"), text)?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let output = c.call(&["run", "--bundle", &bundle, &id])?;
            check!(
                output.signal.is_none() && output.code.is_some_and(|code| code < 128),
                "{}",
                output.describe("crashed")
            );
            Ok(())
        },
    );
    t.add(
        "refused-invalid-utf8",
        "config.md: config.json that is not UTF-8 is an error or is replaced, no crash",
        |c| {
            let mut bytes = serde_json::to_vec(&c.config)?;
            bytes.pop();
            bytes.extend_from_slice(b",\"x\":\"\xff\xfe\"}");
            fs::write(c.bundle().join("config.json"), bytes)?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let output = c.call(&["run", "--bundle", &bundle, &id])?;
            check!(
                output.signal.is_none() && output.code.is_some_and(|code| code < 128),
                "{}",
                output.describe("crashed")
            );
            Ok(())
        },
    );
    t.add(
        "no-side-effect",
        "runtime.md#errors MUST: a refused configuration touches neither rootfs nor state",
        |c| {
            c.config["mounts"][0]["destination"] = json!("/made/by/mistake");
            c.config["linux"]["namespaces"] = json!([{"type": "bogus"}]);
            c.create_fails()?;
            check!(!c.rootfs().join("made").exists(), "/made is there");
            check_eq!(
                fs::read_dir(c.state_dir())?
                    .flatten()
                    .filter(|e| e.file_name().to_string_lossy().starts_with(&c.tag))
                    .count(),
                0,
                "state entries"
            );
            Ok(())
        },
    );
}

impl Context {
    fn args_kept_create_fails(&mut self) -> Verdict {
        self.create_fails().map(|_| ())
    }
}

fn tolerated(t: &mut Table) {
    t.add(
        "unknown-properties",
        "config.md#extensibility MUST: unknown properties are ignored",
        |c| {
            c.config["unknown"] = json!({"deep": [1, 2, {"x": null}]});
            c.config["process"]["unknown"] = json!("x");
            c.config["linux"]["unknown"] = json!([]);
            c.config["mounts"][0]["unknown"] = json!(1);
            c.config["root"]["unknown"] = json!(true);
            c.inspect().map(|_| ())
        },
    );
    t.add("unknown-annotations", "config.md#annotations MUST: unknown annotation \
             keys are handled like unknown properties", |c| {
        c.config["annotations"] = json!({"org.opencontainers.image.unknown": "x", "no-dots": "", "com.example/slash": "y"});
        c.inspect().map(|_| ())
    });
    t.add(
        "other-platforms",
        "config.md#platform-specific-configuration: sections for windows, solaris, vm, zos and freebsd are ignored",
        |c| {
            c.config["windows"] = json!({"layerFolders": ["C:\\x"]});
            c.config["solaris"] = json!({"milestone": "x"});
            c.config["vm"] = json!({"kernel": {"path": "/x"}});
            c.config["zos"] = json!({"namespaces": [{"type": "x"}]});
            c.config["freebsd"] = json!({"jail": {"vnet": "new"}});
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "null-values",
        "config.md: null is the same as absent for optional properties",
        |c| {
            for key in ["hooks", "annotations", "hostname"] {
                c.config[key] = Value::Null;
            }
            for key in ["resources", "devices", "sysctl", "seccomp", "cgroupsPath"] {
                if key != "cgroupsPath" {
                    c.config["linux"][key] = Value::Null;
                }
            }
            c.config["process"]["rlimits"] = Value::Null;
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "large-config",
        "config.md: a megabyte of annotations",
        |c| {
            for i in 0..1000 {
                c.config["annotations"][format!("com.example.{i}")] = json!("x".repeat(1000));
            }
            c.inspect().map(|_| ())
        },
    );
    t.add(
        "minor-version",
        "config.md#specification-version: a newer minor version of 1.x is accepted",
        |c| {
            c.config["ociVersion"] = json!("1.0.2");
            c.inspect()?;
            c.config["ociVersion"] = json!("1.99.0");
            c.inspect().map(|_| ())
        },
    )
    .newer("runc 1.2");
}
