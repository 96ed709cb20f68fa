//! What engines rely on beyond the specification: pid files, logs, forms of arguments, listings, documents.

use crate::check::{Verdict, fail};
use crate::context::Context;
use crate::host::Need;
use crate::table::Table;
use crate::tests::state::is_rfc3339;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("engines");
    pid_file(t);
    kill(t);
    log(t);
    flags(t);
    listings(t);
    t.group("documents");
    features(t);
    spec(t);
    version(t);
}

fn pid_file(t: &mut Table) {
    t.add("pid-file", "engines: the pid file has the number and nothing else, no newline either", |c| {
        c.args(&["pause"]);
        c.create()?;
        let text = fs::read_to_string(c.pid_file())?;
        check!(!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()), "the pid file has {text:?}");
        check_eq!(c.state()?["pid"].to_string(), text, "pid");
        c.destroy()
    });
    t.add("pid-file-relative", "engines: a relative --pid-file is relative to the caller's folder", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle, dir) = (c.id(), c.bundle().to_string_lossy().into_owned(), c.dir.clone());
        c.command(&["create", "--bundle", &bundle, "--pid-file", "relative.pid", &id])?.current_dir(&dir).run()?.success()?;
        check!(dir.join("relative.pid").exists(), "relative.pid is not in the caller's folder");
        c.destroy()
    });
    t.add("pid-file-replaced", "engines: an old pid file is replaced", |c| {
        fs::write(c.pid_file(), "99999999999999")?;
        c.args(&["pause"]);
        c.create()?;
        check_eq!(c.state()?["pid"].as_i64(), Some(i64::from(c.pid()?)), "pid");
        c.destroy()
    });
    t.add("pid-file-not-on-failure", "engines: no pid file when create fails", |c| {
        c.config["process"]["args"] = json!(["/no/such/program"]);
        c.create_fails()?;
        check!(!c.pid_file().exists(), "the pid file has {:?}", fs::read_to_string(c.pid_file()));
        Ok(())
    });
    t.add("pid-file-unwritable", "engines: a pid file that cannot be written is an error and leaves no container", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.call(&["create", "--bundle", &bundle, "--pid-file", "/no/such/folder/pid", &id])?.failure()?;
        c.call(&["state", &id])?.failure().map(|_| ())
    });
}

fn kill(t: &mut Table) {
    for form in ["KILL", "SIGKILL", "9", "kill", "sigkill"] {
        t.add(format!("kill-{form}"), "engines: signals by name with or without SIG, in any case, or by number", move |c| {
            let pid = c.launch(&["pause"])?;
            c.kill(form)?;
            check_eq!(c.await_exit(pid)?, 137, "the end of the process");
            c.delete()
        });
    }
    t.add("kill-default", "engines: kill without a signal sends TERM", |c| {
        let pid = c.launch(&["await-signal"])?;
        c.await_line()?;
        let id = c.id();
        c.call(&["kill", &id])?.success()?;
        check_eq!(c.await_exit(pid)?, 0, "exit code");
        let text = fs::read_to_string(&c.container_stdout)?;
        check!(text.contains("{\"signal\":15}"), "the program printed {text:?}");
        c.delete()
    });
    for form in ["BOGUS", "SIGBOGUS", "999", "-1"] {
        t.add(format!("kill-bad-{form}"), "engines: a signal that does not exist is an error and reaches nobody", move |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            c.call(&["kill", &id, form])?.failure()?;
            check_eq!(c.status()?, "running", "status");
            c.destroy()
        });
    }
    t.add("kill-all", "engines: kill --all reaches every process of the container", |c| {
        crate::config::remove_namespace(&mut c.config, "pid");
        let pid = c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
        c.await_line()?;
        let dir = c.cgroup_dir(pid, "pids")?;
        let id = c.id();
        c.call(&["kill", "--all", &id, "KILL"])?.success()?;
        crate::context::poll_for("the end of all processes", || {
            crate::reaper::reap();
            fs::read_to_string(dir.join("cgroup.procs")).ok()?.is_empty().then_some(())
        })?;
        c.delete()
    })
    .needs(&[Need::Root]);
    t.add("kill-all-stopped", "engines: kill --all of a stopped container does no harm", |c| {
        let pid = c.launch(&["exit", "0"])?;
        c.await_exit(pid)?;
        let id = c.id();
        c.call(&["kill", "--all", &id, "9"])?;
        c.delete()
    });
    t.add("kill-number-zero", "engines: signal 0 kills nobody", |c| {
        c.launch(&["pause"])?;
        let id = c.id();
        c.call(&["kill", &id, "0"])?;
        check_eq!(c.status()?, "running", "status");
        c.destroy()
    });
}

impl Context {
    /// A `create` that fails, with a log; answers the log's text and what went to standard error.
    fn failing_create_with_log(&mut self, format: &str) -> Verdict<(String, String)> {
        self.config["process"]["args"] = json!(["/no/such/program"]);
        self.write_config()?;
        let log = self.dir.join("log");
        let (id, bundle) = (self.id(), self.bundle().to_string_lossy().into_owned());
        let path = log.to_string_lossy().into_owned();
        let output = self
            .command(&["--log", &path, "--log-format", format, "create", "--bundle", &bundle, &id])?
            .run()?
            .failure()?;
        Ok((fs::read_to_string(&log)?, output.stderr))
    }
}

fn log(t: &mut Table) {
    t.add("log-json", "engines: --log-format json writes one object with level, msg and an RFC 3339 time", |c| {
        let (log, _) = c.failing_create_with_log("json")?;
        let lines: Vec<&str> = log.lines().filter(|line| !line.is_empty()).collect();
        let mut errors = Vec::new();
        for line in &lines {
            let record: Value = serde_json::from_str(line)?;
            if record["level"] == "error" {
                errors.push(record);
            }
        }
        check_eq!(errors.len(), 1, "error records in {log:?}");
        let record = &errors[0];
        check!(record["msg"].as_str().is_some_and(|m| m.to_lowercase().contains("no such file or directory")), "msg is {}", record["msg"]);
        let time = record["time"].as_str().unwrap_or_default();
        check!(is_rfc3339(time), "time is {time:?}");
        Ok(())
    });
    t.add("log-json-one-object", "engines: the whole log of a failed create is one JSON object", |c| {
        let (log, _) = c.failing_create_with_log("json")?;
        let record: Value = serde_json::from_str(&log)?;
        check_eq!(record["level"], "error", "level");
        Ok(())
    });
    t.add("log-and-stderr", "engines: with --log the error is on standard error too", |c| {
        let (_, stderr) = c.failing_create_with_log("json")?;
        check!(stderr.to_lowercase().contains("no such file or directory"), "standard error has {stderr:?}");
        Ok(())
    });
    t.add("log-text", "engines: --log-format text", |c| {
        let (log, _) = c.failing_create_with_log("text")?;
        check!(log.to_lowercase().contains("no such file or directory"), "the log has {log:?}");
        Ok(())
    });
    t.add("log-appends", "engines: the log is appended to", |c| {
        fs::write(c.dir.join("log"), "before\n")?;
        let (log, _) = c.failing_create_with_log("text")?;
        check!(log.starts_with("before\n"), "the log has {log:?}");
        Ok(())
    });
    t.add("log-format-unknown", "engines: an unknown log format is an error", |c| {
        c.call(&["--log-format", "xml", "list"])?;
        let id = c.id();
        let output = c.command(&["--log-format", "xml", "state", &id])?.run()?.failure()?;
        check!(!output.stderr.is_empty(), "nothing is said");
        Ok(())
    });
    t.add("log-quiet-on-success", "engines: a create that succeeds writes no error record", |c| {
        let log = c.dir.join("log").to_string_lossy().into_owned();
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.call(&["--log", &log, "--log-format", "json", "create", "--bundle", &bundle, &id])?.success()?;
        let text = fs::read_to_string(&log).unwrap_or_default();
        check!(!text.contains("\"error\""), "the log has {text:?}");
        c.destroy()
    });
    t.add("log-hostile-text", "engines: quotes and newlines in an error are escaped in the JSON log", |c| {
        c.config["process"]["args"] = json!(["/no\"such\n{\"level\":\"error\"}\u{1}"]);
        c.write_config()?;
        let log = c.dir.join("log").to_string_lossy().into_owned();
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.call(&["--log", &log, "--log-format", "json", "create", "--bundle", &bundle, &id])?.failure()?;
        for line in fs::read_to_string(&log)?.lines().filter(|line| !line.is_empty()) {
            let record: Value = serde_json::from_str(line)?;
            check!(record["msg"].is_string(), "a record without msg: {record}");
        }
        Ok(())
    });
    t.add("delete-force-silent", "engines: delete --force prints nothing", |c| {
        c.launch(&["pause"])?;
        let id = c.id();
        let output = c.call(&["delete", "--force", &id])?.success()?;
        check_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""), "output and error");
        Ok(())
    });
}

fn flags(t: &mut Table) {
    t.add("flags-after-id", "engines: options may follow the id", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.call(&["create", &id, "--bundle", &bundle])?.success()?;
        c.call(&["delete", &id, "--force"])?.success().map(|_| ())
    });
    t.add("flags-equals", "engines: options as --x=v", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), format!("--bundle={}", c.bundle().display()));
        c.call(&["create", &bundle, &id])?.success()?;
        c.destroy()
    });
    t.add("flags-short", "engines: -b and -f", |c| {
        c.args(&["pause"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.call(&["create", "-b", &bundle, &id])?.success()?;
        c.call(&["delete", "-f", &id])?.success().map(|_| ())
    });
    t.add("unknown-command", "engines: an unknown command is an error", |c| c.call(&["no-such-command"])?.failure().map(|_| ()));
    t.add("unknown-flag", "engines: an unknown option is an error", |c| {
        let id = c.id();
        c.call(&["state", "--no-such-option", &id])?.failure().map(|_| ())
    });
    t.add("too-many-arguments", "engines: an argument too many is an error", |c| {
        let id = c.id();
        c.call(&["state", &id, "another"])?.failure().map(|_| ())
    });
    t.add("single-dash-long", "engines: restore is called with -no-subreaper, one dash", |c| {
        let id = c.id();
        let dir = c.dir.to_string_lossy().into_owned();
        let output = c.call(&["run", "-no-subreaper", "--bundle", &dir, &id])?.failure()?;
        let text = format!("{}{}", output.stdout, output.stderr).to_lowercase();
        check!(!text.contains("not defined") && !text.contains("unrecognized") && !text.contains("invalid option") && !text.contains("unknown"), "{}", output.describe("does not know the option"));
        Ok(())
    });
    t.add("rootless-flag", "engines: --rootless=false is accepted", |c| {
        let output = c.command(&["--rootless=false", "list"])?.run()?;
        output.success().map(|_| ())
    });
    t.add("debug-flag", "engines: --debug changes nothing but the log", |c| {
        c.args(&["echo", "hello"]);
        c.write_config()?;
        let (id, bundle, log) = (c.id(), c.bundle().to_string_lossy().into_owned(), c.dir.join("log"));
        let output = c.call(&["--debug", "--log", &log.to_string_lossy(), "run", "--bundle", &bundle, &id])?.success()?;
        check_eq!(output.stdout, "hello\n", "output");
        Ok(())
    });
    t.add("root-not-made-by-readers", "engines: commands that only read do not make --root", |c| {
        let root = c.dir.join("never").to_string_lossy().into_owned();
        c.bare_command(&["--root", &root, "list"])?.run()?.success()?;
        c.bare_command(&["--root", &root, "state", "nobody"])?.run()?.failure()?;
        check!(!c.dir.join("never").exists(), "{root} was made");
        Ok(())
    })
    .newer("runc 1.2");
    t.add("root-made-private", "engines: a missing --root is made, for its owner only", |c| {
        use std::os::unix::fs::PermissionsExt;
        let root = c.dir.join("made/deep");
        c.args(&["exit", "0"]);
        c.write_config()?;
        let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
        c.bare_command(&["--root", &root.to_string_lossy(), "run", "--bundle", &bundle, &id])?.run()?.success()?;
        let mode = fs::metadata(&root)?.permissions().mode() & 0o777;
        check_eq!(mode, 0o700, "mode");
        Ok(())
    });
    t.add("roots-are-separate", "engines: containers of different roots do not know each other", |c| {
        c.launch(&["pause"])?;
        let (id, root) = (c.id(), c.dir.join("other").to_string_lossy().into_owned());
        c.bare_command(&["--root", &root, "state", &id])?.run()?.failure()?;
        c.destroy()
    });
    t.add("help", "engines: --help and COMMAND --help succeed", |c| {
        c.bare_command(&["--help"])?.run()?.success()?;
        c.bare_command(&["create", "--help"])?.run()?.success().map(|_| ())
    });
    t.add("checkpoint-help", "engines: checkpoint --help succeeds where checkpoints are supported; podman asks so", |c| {
        let output = c.bare_command(&["checkpoint", "--help"])?.run()?;
        check!(output.signal.is_none(), "{}", output.describe("crashed"));
        Ok(())
    });
}

fn listings(t: &mut Table) {
    t.add("list-empty", "engines: list without containers prints nothing but a header", |c| {
        let output = c.call(&["list"])?.success()?;
        check!(output.stdout.lines().count() <= 1, "{}", output.describe("lists something"));
        Ok(())
    });
    t.add("list-json", "engines: list --format json", |c| {
        c.config["annotations"] = json!({"com.example.a": "b"});
        let pid = c.launch(&["pause"])?;
        let output = c.call(&["list", "--format", "json"])?.success()?;
        let list: Value = serde_json::from_str(&output.stdout)?;
        check_eq!(list.as_array().map(Vec::len), Some(1), "entries");
        let entry = &list[0];
        check_eq!(entry["id"].as_str(), Some(c.id().as_str()), "id");
        check_eq!(entry["pid"].as_i64(), Some(i64::from(pid)), "pid");
        check_eq!(entry["status"], "running", "status");
        check_eq!(entry["bundle"].as_str(), Some(&*c.bundle().to_string_lossy()), "bundle");
        check!(is_rfc3339(entry["created"].as_str().unwrap_or_default()), "created is {}", entry["created"]);
        c.destroy()
    });
    t.add("list-json-empty", "engines: list --format json without containers is a JSON list or null", |c| {
        let output = c.call(&["list", "--format", "json"])?.success()?;
        let list: Value = serde_json::from_str(output.stdout.trim())?;
        check!(list.is_null() || list.as_array().is_some_and(Vec::is_empty), "it is {list}");
        Ok(())
    });
    t.add("list-table", "engines: list prints a table with ID, PID, STATUS, BUNDLE and CREATED", |c| {
        c.launch(&["pause"])?;
        let output = c.call(&["list"])?.success()?;
        let header = output.stdout.lines().next().unwrap_or_default();
        for column in ["PID", "STATUS", "BUNDLE", "CREATED"] {
            check!(header.contains(column), "the header is {header:?}");
        }
        check!(output.stdout.contains(&c.id()), "{}", output.describe("does not list the container"));
        c.destroy()
    });
    t.add("list-quiet", "engines: list --quiet prints ids", |c| {
        c.launch(&["pause"])?;
        let output = c.call(&["list", "--quiet"])?.success()?;
        check_eq!(output.stdout.trim(), c.id(), "output");
        c.destroy()
    });
    t.add("ps-json", "engines: ps --format json prints a list of pids", |c| {
        let pid = c.launch(&["background", "pause", ";", "echo", "{}", ";", "pause"])?;
        c.await_line()?;
        let id = c.id();
        let output = c.call(&["ps", "--format", "json", &id])?.success()?;
        let pids: Vec<i64> = serde_json::from_str(&output.stdout)?;
        check_eq!(pids.len(), 2, "processes");
        check!(pids.contains(&i64::from(pid)), "{pids:?} lacks {pid}");
        c.destroy()
    })
    .needs(&[Need::Root]);
    t.add("ps-table", "engines: ps prints the table of ps(1) for the container's processes", |c| {
        let pid = c.launch(&["pause"])?;
        let id = c.id();
        let output = c.call(&["ps", &id])?.success()?;
        check!(output.stdout.lines().next().is_some_and(|l| l.contains("PID")), "{}", output.describe("has no header"));
        check_eq!(output.stdout.lines().count(), 2, "lines");
        check!(output.stdout.contains(&pid.to_string()), "{}", output.describe("lacks the process"));
        c.destroy()
    })
    .needs(&[Need::Root, Need::Program("ps")]);
    t.add("ps-arguments", "engines: ps passes arguments after the id to ps(1)", |c| {
        c.launch(&["pause"])?;
        let id = c.id();
        let output = c.call(&["ps", &id, "-e", "-o", "pid,comm"])?.success()?;
        check!(output.stdout.contains("payload"), "{}", output.describe("lacks the process"));
        check_eq!(output.stdout.lines().count(), 2, "lines");
        c.destroy()
    })
    .needs(&[Need::Root, Need::Program("ps")]);
}

impl Context {
    fn features(&mut self) -> Verdict<Value> {
        let output = self.bare_command(&["features"])?.run()?.success()?;
        check_eq!(output.stderr, "", "standard error");
        Ok(serde_json::from_str(&output.stdout)?)
    }
}

fn features(t: &mut Table) {
    t.add("features-versions", "features.md#specification-version REQUIRED: ociVersionMin and ociVersionMax", |c| {
        let features = c.features()?;
        for key in ["ociVersionMin", "ociVersionMax"] {
            check!(features[key].as_str().is_some_and(|v| v.starts_with("1.")), "{key} is {}", features[key]);
        }
        Ok(())
    })
    .newer("runtime-spec 1.1");
    t.add("features-versions-accepted", "features.md#specification-version MUST: both values are accepted as ociVersion", |c| {
        let features = c.features()?;
        for key in ["ociVersionMin", "ociVersionMax"] {
            c.config["ociVersion"] = features[key].clone();
            c.inspect()?;
        }
        Ok(())
    })
    .newer("runtime-spec 1.1");
    t.add("features-hooks", "features.md#hooks: the names of all six hooks", |c| {
        let features = c.features()?;
        let mut names: Vec<&str> = features["hooks"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        names.sort_unstable();
        check_eq!(names, ["createContainer", "createRuntime", "poststart", "poststop", "prestart", "startContainer"], "hooks");
        Ok(())
    })
    .newer("runtime-spec 1.1");
    t.add("features-mount-options", "features.md#mount-options MUST: the listed options are recognized", |c| {
        let features = c.features()?;
        let known = ["defaults", "remount", "bind", "rbind", "idmap", "ridmap", "tmpcopyup", "acl", "noacl", "mand", "iversion"];
        let options: Vec<String> =
            features["mountOptions"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect();
        check!(options.iter().any(|o| o == "ro") && options.iter().any(|o| o == "rbind"), "options are {options:?}");
        for option in options.iter().filter(|option| !known.contains(&option.as_str()) && !option.starts_with('r')) {
            crate::config::add_mount(&mut c.config, &format!("/t/{option}"), "tmpfs", "tmpfs", &[option]);
        }
        c.inspect().map(|_| ())
    })
    .needs(&[Need::Root])
    .newer("runtime-spec 1.1");
    t.add("features-rro", "engines: mountOptions has rro, by which engines know recursive read-only mounts", |c| {
        let features = c.features()?;
        check!(features["mountOptions"].as_array().is_some_and(|all| all.iter().any(|o| o == "rro")), "no rro");
        Ok(())
    })
    .newer("runtime-spec 1.1");
    t.add("features-linux", "features-linux.md: namespaces, capabilities, cgroup, seccomp, apparmor, selinux", |c| {
        let features = c.features()?;
        let linux = &features["linux"];
        for name in ["pid", "network", "mount", "ipc", "uts", "user", "cgroup"] {
            check!(linux["namespaces"].as_array().is_some_and(|all| all.iter().any(|n| n == name)), "no namespace {name}");
        }
        check!(linux["capabilities"].as_array().is_some_and(|all| all.iter().any(|n| n == "CAP_SYS_ADMIN")), "no capabilities");
        for pointer in ["/cgroup/v1", "/cgroup/v2", "/seccomp/enabled", "/apparmor/enabled", "/selinux/enabled"] {
            check!(linux.pointer(pointer).is_some_and(Value::is_boolean), "{pointer} is {:?}", linux.pointer(pointer));
        }
        for action in ["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL"] {
            check!(linux["seccomp"]["actions"].as_array().is_some_and(|all| all.iter().any(|a| a == action)), "no {action}");
        }
        Ok(())
    })
    .newer("runtime-spec 1.1");
    t.add("features-only-defined", "features.md#specification-version MUST NOT: properties the specification does not define", |c| {
        let features = c.features()?;
        let defined =
            ["ociVersionMin", "ociVersionMax", "hooks", "mountOptions", "linux", "annotations", "potentiallyUnsafeConfigAnnotations"];
        for key in features.as_object().into_iter().flatten().map(|(key, _)| key) {
            check!(defined.contains(&key.as_str()), "{key} is not defined");
        }
        Ok(())
    })
    .newer("runtime-spec 1.1");
    t.add("features-annotations", "features.md#annotations MUST: annotations are a map of strings", |c| {
        let features = c.features()?;
        let Some(annotations) = features.get("annotations").filter(|a| !a.is_null()) else { return Ok(()) };
        let Some(map) = annotations.as_object() else { return fail(format!("annotations are {annotations}")) };
        check!(map.values().all(Value::is_string), "annotations are {annotations}");
        Ok(())
    })
    .newer("runtime-spec 1.1");
}

fn spec(t: &mut Table) {
    t.add("spec-runs", "engines: what spec writes can be run", |c| {
        let bundle = c.bundle();
        let _ = fs::remove_file(bundle.join("config.json"));
        c.bare_command(&["spec"])?.current_dir(&bundle).run()?.success()?;
        let mut config: Value = serde_json::from_slice(&fs::read(bundle.join("config.json"))?)?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(["/payload", "inspect"]);
        if c.config["linux"]["cgroupsPath"].is_string() {
            config["linux"]["cgroupsPath"] = c.config["linux"]["cgroupsPath"].clone();
        }
        c.config = config;
        let inside = c.inspect()?;
        check!(inside.mount("/").is_some_and(|m| m.has("ro")), "the root is writable");
        Ok(())
    })
    .needs(&[Need::Root]);
    t.add("spec-shape", "engines: spec writes the example that tools edit", |c| {
        let dir = c.dir.join("fresh");
        fs::create_dir(&dir)?;
        c.bare_command(&["spec", "--bundle", &dir.to_string_lossy()])?.run()?.success()?;
        let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
        check_eq!(config["process"]["args"], json!(["sh"]), "args");
        check_eq!(config["process"]["terminal"], true, "terminal");
        check_eq!(config["process"]["cwd"], "/", "cwd");
        check_eq!(config["process"]["noNewPrivileges"], true, "noNewPrivileges");
        check_eq!(config["root"]["path"], "rootfs", "root.path");
        check_eq!(config["root"]["readonly"], true, "root.readonly");
        check!(config["linux"]["maskedPaths"].as_array().is_some_and(|all| all.len() >= 8), "maskedPaths");
        check!(config["linux"]["readonlyPaths"].as_array().is_some_and(|all| all.len() >= 5), "readonlyPaths");
        let caps: Vec<&str> = config["process"]["capabilities"]["bounding"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        check_eq!(caps, ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"], "capabilities");
        Ok(())
    });
    t.add("spec-rootless", "engines: spec --rootless has a user namespace with mappings and no network namespace", |c| {
        let dir = c.dir.join("fresh");
        fs::create_dir(&dir)?;
        c.bare_command(&["spec", "--rootless"])?.current_dir(&dir).run()?.success()?;
        let config: Value = serde_json::from_slice(&fs::read(dir.join("config.json"))?)?;
        let kinds: Vec<&str> = config["linux"]["namespaces"].as_array().into_iter().flatten().filter_map(|n| n["type"].as_str()).collect();
        check!(kinds.contains(&"user") && !kinds.contains(&"network"), "namespaces are {kinds:?}");
        check!(config["linux"]["uidMappings"][0]["size"].as_u64().is_some(), "no uidMappings");
        check!(config["linux"]["gidMappings"][0]["size"].as_u64().is_some(), "no gidMappings");
        Ok(())
    });
    t.add("spec-no-overwrite", "engines: spec does not overwrite a config.json", |c| {
        let dir = c.dir.join("fresh");
        fs::create_dir(&dir)?;
        fs::write(dir.join("config.json"), "mine")?;
        c.bare_command(&["spec"])?.current_dir(&dir).run()?.failure()?;
        check_eq!(fs::read_to_string(dir.join("config.json"))?, "mine", "config.json");
        Ok(())
    });
}

fn version(t: &mut Table) {
    t.add("version", "engines: --version prints a line with version, one with commit: and one with spec:", |c| {
        let output = c.bare_command(&["--version"])?.run()?.success()?;
        let first = output.stdout.lines().next().unwrap_or_default();
        check!(first.contains(" version "), "the first line is {first:?}");
        for prefix in ["commit: ", "spec: "] {
            check!(output.stdout.lines().any(|line| line.starts_with(prefix)), "{}", output.describe("lacks a line"));
        }
        Ok(())
    });
    t.add("version-short", "engines: -v is the same", |c| c.bare_command(&["-v"])?.run()?.success().map(|_| ()));
}
