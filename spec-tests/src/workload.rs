//! Containers that run the payload, and what it answers.

use crate::check::{Verdict, fail};
use crate::context::{Context, json_line, json_lines, poll_for};
use crate::inside::Inside;
use crate::runtime::Output;
use serde_json::Value;
use std::fs;

impl Context {
    /// `run` in the foreground with the payload's arguments, whatever comes of it.
    pub fn try_run(&mut self, args: &[&str]) -> Verdict<Output> {
        self.args(args);
        self.try_run_with(&[])
    }

    /// `run` with `flags` and the arguments that the config has.
    pub fn try_run_with(&mut self, flags: &[&str]) -> Verdict<Output> {
        self.write_config()?;
        let (id, bundle) = (self.id(), self.bundle().to_string_lossy().into_owned());
        let mut all = vec!["run", "--bundle", &bundle];
        all.extend_from_slice(flags);
        all.push(&id);
        self.call(&all)
    }

    /// `run` in the foreground, which must exit with 0.
    pub fn run(&mut self, args: &[&str]) -> Verdict<Output> {
        self.try_run(args)?.success()
    }

    /// Runs the payload's `inspect` and answers what it saw.
    pub fn inspect(&mut self) -> Verdict<Inside> {
        let output = self.run(&["inspect"])?;
        Ok(Inside(json_line(&output)?))
    }

    /// Runs one attempt of the payload and answers its line.
    pub fn attempt(&mut self, args: &[&str]) -> Verdict<Value> {
        json_line(&self.run(args)?)
    }

    /// Runs attempts separated by `;` and answers their lines, one each.
    pub fn attempts(&mut self, args: &[&str]) -> Verdict<Vec<Value>> {
        let output = self.run(args)?;
        let lines = json_lines(&output)?;
        let wanted = args
            .split(|arg| *arg == ";")
            .filter(|one| !one.is_empty())
            .count();
        if lines.len() == wanted {
            Ok(lines)
        } else {
            fail(output.describe("printed too few lines"))
        }
    }

    /// `exec FLAGS ID /payload ARGS`, whatever comes of it.
    pub fn try_exec(&mut self, flags: &[&str], args: &[&str]) -> Verdict<Output> {
        let id = self.id();
        let mut all = vec!["exec"];
        all.extend_from_slice(flags);
        all.extend_from_slice(&[&id, "/payload"]);
        all.extend_from_slice(args);
        self.call(&all)
    }

    /// What an exec'd `inspect` sees.
    pub fn exec_inspect(&mut self, flags: &[&str]) -> Verdict<Inside> {
        let output = self.try_exec(flags, &["inspect"])?.success()?;
        Ok(Inside(json_line(&output)?))
    }

    /// `exec --process FILE ID` with the given process.
    pub fn exec_process(&mut self, flags: &[&str], process: &Value) -> Verdict<Output> {
        let file = self.dir.join("process.json");
        fs::write(&file, serde_json::to_vec(process)?)?;
        let (id, file) = (self.id(), file.to_string_lossy().into_owned());
        let mut all = vec!["exec", "--process", &file];
        all.extend_from_slice(flags);
        all.push(&id);
        self.call(&all)
    }

    /// Polls the container's standard output until `wanted` finds what it looks for.
    pub fn await_output<T>(&self, what: &str, wanted: impl Fn(&str) -> Option<T>) -> Verdict<T> {
        let path = self.container_stdout.clone();
        poll_for(what, || wanted(&fs::read_to_string(&path).ok()?))
    }

    /// Waits for the first whole JSON line on the container's standard output.
    pub fn await_line(&self) -> Verdict<Value> {
        self.await_output("a line from the container", |text| {
            let (line, _) = text.split_once('\n')?;
            serde_json::from_str(line).ok()
        })
    }
}
