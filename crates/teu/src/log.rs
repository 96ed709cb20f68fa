//! The log that engines read.
//!
//! podman reads the whole file as one JSON object when a command has failed, containerd takes the last line with level `error`. So
//! warnings are held back until the end, and a failure writes its own record alone.

use libcontainer::error::{During, Error, Kind, Result};
use liboci_cli::{Global, LogFormat, LogLevel};
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

/// Where and how to log.
pub struct Log {
    file: Option<File>,
    json: bool,
    level: LogLevel,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    msg: &'a str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno: Option<&'static str>,
}

impl Log {
    /// Opens the file, if one is named.
    #[allow(
        clippy::disallowed_methods,
        reason = "a file that the caller names, links refused"
    )]
    pub fn new(global: &Global) -> Result<Log> {
        let open = |path: &std::path::PathBuf| {
            // Neither a link that somebody laid, nor a terminal that would become ours.
            let flags = kernel::file::O_NOFOLLOW | kernel::file::O_NOCTTY;
            let file = File::options()
                .append(true)
                .create(true)
                .mode(0o644)
                .custom_flags(flags)
                .open(path);
            file.during(|| format!("open the log {}", path.display()))
                .map_err(|e| match e.os_error() {
                    Some(kernel::Errno::ELOOP) => e.hint("the log must not be a symbolic link"),
                    _ => e,
                })
        };
        Ok(Log {
            file: global.log.as_ref().map(open).transpose()?,
            json: global.log_format == LogFormat::Json,
            level: global.log_level(),
            ..Log::without_file()
        })
    }

    /// For whoever reads standard error.
    pub fn without_file() -> Log {
        Log {
            file: None,
            json: false,
            level: LogLevel::Warning,
            warnings: Vec::new(),
        }
    }

    /// Keeps warnings for the end.
    pub fn warn(&mut self, warnings: &[String]) {
        self.warnings.extend_from_slice(warnings);
    }

    /// Writes the warnings of a command that has succeeded.
    pub fn write_warnings(&mut self) {
        if self.level < LogLevel::Warning {
            return;
        }
        for text in std::mem::take(&mut self.warnings) {
            let line = self.line("warning", &shortened(text), None);
            match &mut self.file {
                Some(file) => drop(file.write_all(line.as_bytes())),
                None => say(&line),
            }
        }
    }

    /// The same while a program runs on the same standard error: only where somebody looks at a terminal, or into the log, so that a program's output stays its own.
    pub fn write_warnings_aside(&mut self) {
        use std::io::IsTerminal;
        if !self.warnings.is_empty() && (self.file.is_some() || std::io::stderr().is_terminal()) {
            self.write_warnings();
        }
        self.warnings.clear();
    }

    /// Writes the error that ends a command: one record to the log, and the sentence for whoever reads standard error.
    pub fn write_error(&mut self, error: &Error) {
        let text = shortened(error.to_string());
        let line = self.line("error", &text, Some(error));
        match &mut self.file {
            Some(file) => {
                let _ = file.write_all(line.as_bytes());
                say(&(printable(&text) + "\n"));
            }
            None if self.json => say(&line),
            None => say(&(printable(&text) + "\n")),
        }
    }

    fn line(&self, level: &'static str, msg: &str, error: Option<&Error>) -> String {
        let time = libcontainer::now_rfc3339();
        if self.json {
            let field = error.and_then(Error::pointer);
            let errno = error
                .and_then(Error::os_error)
                .and_then(kernel::Errno::name);
            let line = Line {
                level,
                msg,
                time,
                field,
                errno,
            };
            return serde_json::to_string(&line).unwrap_or_default() + "\n";
        }
        // As logrus writes it, which is what reads such files.
        format!(
            "time=\"{time}\" level={level} msg={}\n",
            serde_json::to_string(msg).unwrap_or_default()
        )
    }
}

/// A message of a length that somebody reads: what is wrong may be a path of a megabyte. The end stays, which says where it stands.
fn shortened(mut text: String) -> String {
    const LONGEST: usize = 8192;
    let cut = |text: &str, mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    if text.len() > LONGEST {
        let (from, to) = (
            cut(&text, LONGEST / 2),
            cut(&text, text.len() - LONGEST / 2),
        );
        text.replace_range(from..to, " ... ");
    }
    text
}

/// What a terminal would not show but obey, as an escape: names out of images end up in messages.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = c.is_control().then(|| c.escape_debug());
            let plain = escaped.is_none().then_some(c);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Writes to standard error, which may be closed or full: that is no reason to end otherwise than with the exit code of the error.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// An error of this binary itself.
pub fn usage(text: impl Into<String>) -> Error {
    Error::new(Kind::Invalid, text.into())
}
