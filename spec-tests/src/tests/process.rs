//! What the process is given: arguments, environment, folder, program lookup. config.md#process.

use crate::context::Context;
use crate::table::Table;
use crate::{check, check_eq};
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("process");
    args(t);
    environment(t);
    home(t);
    cwd(t);
    lookup(t);
}

fn args(t: &mut Table) {
    t.add(
        "args-exact",
        "config.md#process: args are argv, byte for byte",
        |c| {
            let args = [
                "/payload",
                "inspect",
                ";",
                "exit",
                "0",
                ";",
                "",
                "a b",
                "ü",
                "tab\there",
                "\"quoted\"",
                "$HOME",
            ];
            c.config["process"]["args"] = json!(args);
            let output = c.try_run_with(&[])?.success()?;
            let seen = crate::context::json_line(&output)?["args"].clone();
            check_eq!(seen, json!(args), "argv");
            Ok(())
        },
    );
    t.add(
        "args-empty",
        "config.md#process REQUIRED: at least one entry in args",
        |c| {
            c.config["process"]["args"] = json!([]);
            c.try_run_with(&[])?.failure().map(|_| ())
        },
    );
    t.add(
        "args-missing",
        "config.md#process REQUIRED: args must be there",
        |c| {
            if let Some(process) = c.config["process"].as_object_mut() {
                process.remove("args");
            }
            c.try_run_with(&[])?.failure().map(|_| ())
        },
    );
    t.add(
        "args-many",
        "config.md#process: thousands of arguments pass through",
        |c| {
            let mut args = vec![
                "/payload".to_string(),
                "inspect".to_string(),
                ";".to_string(),
            ];
            args.extend((0..5000).map(|i| format!("argument-{i}")));
            args[2] = ";".to_string();
            args.insert(3, "exit".to_string());
            args.insert(4, "0".to_string());
            c.config["process"]["args"] = json!(args);
            let output = c.try_run_with(&[])?.success()?;
            let seen = crate::context::json_line(&output)?;
            check_eq!(
                seen["args"].as_array().map(Vec::len),
                Some(args.len()),
                "argc"
            );
            Ok(())
        },
    );
}

fn environment(t: &mut Table) {
    t.add(
        "env-exact",
        "config.md#process: env is the environment, nothing of the runtime's",
        |c| {
            c.config["process"]["env"] = json!([
                "PATH=/bin",
                "HOME=/root",
                "EMPTY=",
                "EQUALS=a=b=c",
                "SPACE= x ",
                "U=ü"
            ]);
            c.args(&["inspect"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let invocation = c.command(&["run", "--bundle", &bundle, &id])?;
            let output = invocation
                .env("SPECTEST_SECRET", "leaked")
                .env("XDG_RUNTIME_DIR", "/tmp")
                .run()?
                .success()?;
            let inside = crate::inside::Inside(crate::context::json_line(&output)?);
            let mut seen = inside.environment();
            seen.sort();
            let mut expected = vec![
                "PATH=/bin",
                "HOME=/root",
                "EMPTY=",
                "EQUALS=a=b=c",
                "SPACE= x ",
                "U=ü",
            ];
            expected.sort_unstable();
            check_eq!(seen, expected, "environment");
            Ok(())
        },
    );
    t.add("env-absent", "config.md#process: env is optional", |c| {
        if let Some(process) = c.config["process"].as_object_mut() {
            process.remove("env");
        }
        let seen = c.inspect()?.environment();
        check!(
            seen.iter().all(|e| e.starts_with("HOME=")),
            "environment is {seen:?}"
        );
        Ok(())
    });
    t.add(
        "env-duplicate",
        "engines: of a variable given twice the last value counts",
        |c| {
            c.config["process"]["env"] = json!(["TWICE=first", "PATH=/bin", "TWICE=second"]);
            let seen = c.inspect()?;
            let values: Vec<String> = seen
                .environment()
                .into_iter()
                .filter(|e| e.starts_with("TWICE="))
                .collect();
            check_eq!(
                values.last().map(String::as_str),
                Some("TWICE=second"),
                "the last value"
            );
            check_eq!(values, ["TWICE=second"], "what the program gets");
            Ok(())
        },
    )
    .newer("runc 1.2");
    t.add(
        "env-bad",
        "config.md#process MUST: an entry without = is not an environment variable",
        |c| {
            c.config["process"]["env"] = json!(["PATH=/bin", "NOEQUALS"]);
            c.args(&["inspect"]);
            let output = c.try_run_with(&[])?;
            if output.code == Some(0) {
                let inside = crate::inside::Inside(crate::context::json_line(&output)?);
                check!(
                    inside.variable("NOEQUALS").is_none(),
                    "NOEQUALS was given a value"
                );
            }
            Ok(())
        },
    );
    t.add(
        "env-large",
        "config.md#process: an environment of 100 kB passes through",
        |c| {
            c.config["process"]["env"] =
                json!([format!("BIG={}", "x".repeat(100_000)), "PATH=/bin"]);
            let seen = c.inspect()?;
            check_eq!(
                seen.variable("BIG").map(|value| value.len()),
                Some(100_000),
                "length"
            );
            Ok(())
        },
    );
}

fn home(t: &mut Table) {
    t.add(
        "home-from-passwd",
        "engines: HOME comes from the container's /etc/passwd when env has none",
        |c| {
            for (uid, home) in [(0, "/root"), (1000, "/home/user"), (4242, "/")] {
                if !crate::host::is_root() && uid != 0 {
                    continue;
                }
                c.config["process"]["user"] = json!({"uid": uid, "gid": 0});
                check_eq!(
                    c.inspect()?.variable("HOME").as_deref(),
                    Some(home),
                    "HOME of uid {uid}"
                );
            }
            Ok(())
        },
    );
    t.add(
        "home-given",
        "config.md#process: a HOME in env stays",
        |c| {
            c.config["process"]["env"] = json!(["PATH=/bin", "HOME=/somewhere"]);
            check_eq!(
                c.inspect()?.variable("HOME").as_deref(),
                Some("/somewhere"),
                "HOME"
            );
            Ok(())
        },
    );
    t.add(
        "home-without-passwd",
        "engines: without /etc/passwd HOME is /",
        |c| {
            fs::remove_file(c.rootfs().join("etc/passwd"))?;
            check_eq!(c.inspect()?.variable("HOME").as_deref(), Some("/"), "HOME");
            Ok(())
        },
    );
    t.add("home-passwd-odd", "engines: a damaged /etc/passwd of \
             the image does not stop the container", |c| {
        let text = "\n:::::\nroot\nbad:x:notanumber:0::/bad:\n\u{0}\u{1}\nroot:x:0:0:root:/root:/bin/sh\n";
        fs::write(c.rootfs().join("etc/passwd"), text)?;
        check_eq!(c.inspect()?.variable("HOME").as_deref(), Some("/root"), "HOME");
        Ok(())
    });
}

fn cwd(t: &mut Table) {
    t.add("cwd", "config.md#process: cwd is the working folder", |c| {
        c.config["process"]["cwd"] = json!("/home/user");
        let seen = c.inspect()?;
        check_eq!(seen.0["getcwd"], "/home/user", "cwd");
        Ok(())
    });
    t.add(
        "cwd-relative",
        "config.md#process MUST: cwd is an absolute path",
        |c| {
            c.config["process"]["cwd"] = json!("home/user");
            c.args(&["exit", "0"]);
            c.try_run_with(&[])?.failure().map(|_| ())
        },
    );
    t.add(
        "cwd-missing-is-made",
        "engines: a missing cwd is made",
        |c| {
            c.config["process"]["cwd"] = json!("/made/for/me");
            check_eq!(c.inspect()?.0["getcwd"], "/made/for/me", "cwd");
            let mode = fs::metadata(c.rootfs().join("made/for/me"))?
                .permissions()
                .mode()
                & 0o777;
            check_eq!(mode, 0o755, "mode");
            Ok(())
        },
    );
    t.add(
        "cwd-is-file",
        "config.md#process: a cwd that is a file is an error",
        |c| {
            c.config["process"]["cwd"] = json!("/etc/passwd");
            c.create_fails()?.says(&["not a directory"]).map(|_| ())
        },
    );
    t.add(
        "cwd-in-mount",
        "config.md#process: cwd may lie in a mount",
        |c| {
            crate::config::add_mount(&mut c.config, "/volume", "tmpfs", "tmpfs", &["mode=755"]);
            c.config["process"]["cwd"] = json!("/volume");
            check_eq!(c.inspect()?.0["getcwd"], "/volume", "cwd");
            Ok(())
        },
    );
    t.add(
        "cwd-of-user",
        "engines: a cwd that only the container's user may enter",
        |c| {
            let dir = c.rootfs().join("home/private");
            fs::create_dir(&dir)?;
            std::os::unix::fs::chown(&dir, Some(1000), Some(1000))?;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            c.config["process"]["cwd"] = json!("/home/private");
            check_eq!(c.inspect()?.0["getcwd"], "/home/private", "cwd");
            Ok(())
        },
    )
    .needs(&[crate::host::Need::Root]);
}

fn lookup(t: &mut Table) {
    t.add(
        "path-lookup",
        "config.md#process: args[0] without a slash is sought in the container's PATH",
        |c| {
            fs::hard_link(c.rootfs().join("payload"), c.rootfs().join("bin/tool"))?;
            c.config["process"]["env"] = json!(["PATH=/nowhere:/bin"]);
            c.config["process"]["args"] = json!(["tool", "echo", "found"]);
            let output = c.try_run_with(&[])?.success()?;
            check_eq!(output.stdout, "found\n", "output");
            Ok(())
        },
    );
    t.add(
        "path-lookup-skips-folders",
        "config.md#process: as execvp, what is no executable file is passed over",
        |c| {
            fs::create_dir_all(c.rootfs().join("first/tool"))?;
            fs::create_dir_all(c.rootfs().join("second"))?;
            fs::write(c.rootfs().join("second/tool"), "not executable")?;
            fs::hard_link(c.rootfs().join("payload"), c.rootfs().join("bin/tool"))?;
            c.config["process"]["env"] = json!(["PATH=/first:/second:/bin"]);
            c.config["process"]["args"] = json!(["tool", "echo", "found"]);
            let output = c.try_run_with(&[])?.success()?;
            check_eq!(output.stdout, "found\n", "output");
            Ok(())
        },
    );
    t.add(
        "relative-program",
        "config.md#process: args[0] with a slash is relative to cwd",
        |c| {
            fs::hard_link(c.rootfs().join("payload"), c.rootfs().join("bin/tool"))?;
            c.config["process"]["cwd"] = json!("/bin");
            c.config["process"]["args"] = json!(["./tool", "echo", "found"]);
            let output = c.try_run_with(&[])?.success()?;
            check_eq!(output.stdout, "found\n", "output");
            Ok(())
        },
    );
    missing_program(
        t,
        "program-not-in-path",
        json!(["nosuchtool"]),
        &["executable file not found in $path", "not found in $path"],
    );
    missing_program(
        t,
        "program-missing",
        json!(["/no/such/program"]),
        &["no such file or directory"],
    );
    missing_program(
        t,
        "program-is-directory",
        json!(["/etc"]),
        &["is a directory", "permission denied", "not a regular file"],
    );
    missing_program(
        t,
        "program-not-executable",
        json!(["/etc/passwd"]),
        &["permission denied", "not executable"],
    );
    missing_program(
        t,
        "program-empty",
        json!([""]),
        &["no such file", "not found", "cannot find", "empty"],
    );
    t.add(
        "program-script",
        "config.md#process: a script is started by its interpreter",
        |c| {
            let script = c.rootfs().join("bin/script");
            fs::write(&script, "#!/payload echo\n")?;
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
            c.config["process"]["args"] = json!(["/bin/script"]);
            let output = c.try_run_with(&[])?.success()?;
            check!(
                output.stdout == "/bin/script\n",
                "{}",
                output.describe("printed something else")
            );
            Ok(())
        },
    );
    t.add(
        "program-link",
        "config.md#process: the program may be a link within the root filesystem",
        |c: &mut Context| {
            std::os::unix::fs::symlink("/payload", c.rootfs().join("bin/tool"))?;
            c.config["process"]["args"] = json!(["/bin/tool", "echo", "found"]);
            let output = c.try_run_with(&[])?.success()?;
            check_eq!(output.stdout, "found\n", "output");
            Ok(())
        },
    );
}

/// The sentence of `create` decides which exit code the engines give their users, see 126 and 127 of the shell.
fn missing_program(
    t: &mut Table,
    name: &str,
    args: serde_json::Value,
    texts: &'static [&'static str],
) {
    let requirement = format!("engines: create fails for args {args} and says one of {texts:?}");
    t.add(name, requirement, move |c| {
        c.config["process"]["args"] = args.clone();
        c.create_fails()?.says(texts).map(|_| ())
    });
}
