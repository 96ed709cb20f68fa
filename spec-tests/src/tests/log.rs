//! What is logged and said.

use crate::check::Verdict;
use crate::context::Context;
use crate::table::Table;
use crate::tests::state::is_rfc3339;
use crate::{check, check_eq};
use serde_json::{Value, json};
use std::fs;

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("engines");
    log(t);
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
            .command(&[
                "--log",
                &path,
                "--log-format",
                format,
                "create",
                "--bundle",
                &bundle,
                &id,
            ])?
            .run()?
            .failure()?;
        Ok((fs::read_to_string(&log)?, output.stderr))
    }
}

fn log(t: &mut Table) {
    t.add(
        "log-json",
        "engines: --log-format json writes one object with level, msg and an RFC 3339 time",
        |c| {
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
            check!(
                record["msg"]
                    .as_str()
                    .is_some_and(|m| m.to_lowercase().contains("no such file or directory")),
                "msg is {}",
                record["msg"]
            );
            let time = record["time"].as_str().unwrap_or_default();
            check!(is_rfc3339(time), "time is {time:?}");
            Ok(())
        },
    );
    t.add(
        "log-json-one-object",
        "engines: the whole log of a failed create is one JSON object",
        |c| {
            let (log, _) = c.failing_create_with_log("json")?;
            let record: Value = serde_json::from_str(&log)?;
            check_eq!(record["level"], "error", "level");
            Ok(())
        },
    );
    t.add(
        "log-and-stderr",
        "engines: with --log the error is on standard error too",
        |c| {
            let (_, stderr) = c.failing_create_with_log("json")?;
            check!(
                stderr.to_lowercase().contains("no such file or directory"),
                "standard error has {stderr:?}"
            );
            Ok(())
        },
    );
    t.add("log-text", "engines: --log-format text", |c| {
        let (log, _) = c.failing_create_with_log("text")?;
        check!(
            log.to_lowercase().contains("no such file or directory"),
            "the log has {log:?}"
        );
        Ok(())
    });
    t.add("log-appends", "engines: the log is appended to", |c| {
        fs::write(c.dir.join("log"), "before\n")?;
        let (log, _) = c.failing_create_with_log("text")?;
        check!(log.starts_with("before\n"), "the log has {log:?}");
        Ok(())
    });
    t.add(
        "log-format-unknown",
        "engines: an unknown log format is an error",
        |c| {
            c.call(&["--log-format", "xml", "list"])?;
            let id = c.id();
            let output = c
                .command(&["--log-format", "xml", "state", &id])?
                .run()?
                .failure()?;
            check!(!output.stderr.is_empty(), "nothing is said");
            Ok(())
        },
    );
    t.add(
        "log-quiet-on-success",
        "engines: a create that succeeds writes no error record",
        |c| {
            let log = c.dir.join("log").to_string_lossy().into_owned();
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            c.call(&[
                "--log",
                &log,
                "--log-format",
                "json",
                "create",
                "--bundle",
                &bundle,
                &id,
            ])?
            .success()?;
            let text = fs::read_to_string(&log).unwrap_or_default();
            check!(!text.contains("\"error\""), "the log has {text:?}");
            c.destroy()
        },
    );
    t.add(
        "log-hostile-text",
        "engines: quotes and newlines in an error are escaped in the JSON log",
        |c| {
            c.config["process"]["args"] = json!(["/no\"such\n{\"level\":\"error\"}\u{1}"]);
            c.write_config()?;
            let log = c.dir.join("log").to_string_lossy().into_owned();
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            c.call(&[
                "--log",
                &log,
                "--log-format",
                "json",
                "create",
                "--bundle",
                &bundle,
                &id,
            ])?
            .failure()?;
            for line in fs::read_to_string(&log)?
                .lines()
                .filter(|line| !line.is_empty())
            {
                let record: Value = serde_json::from_str(line)?;
                check!(record["msg"].is_string(), "a record without msg: {record}");
            }
            Ok(())
        },
    );
    t.add(
        "log-line-length",
        "an error about a value of a megabyte is a line that can be read, and still tells the field",
        |c| {
            c.config["root"]["path"] = json!("x".repeat(1 << 20));
            let output = c.create_fails()?;
            check!(
                output.stderr.len() < 20_000,
                "{} bytes of error",
                output.stderr.len()
            );
            output.says(&["/root/path"]).map(|_| ())
        },
    )
    .justified("other runtimes name no field");
    t.add(
        "delete-force-silent",
        "engines: delete --force prints nothing",
        |c| {
            c.launch(&["pause"])?;
            let id = c.id();
            let output = c.call(&["delete", "--force", &id])?.success()?;
            check_eq!(
                (output.stdout.as_str(), output.stderr.as_str()),
                ("", ""),
                "output and error"
            );
            Ok(())
        },
    );
}
