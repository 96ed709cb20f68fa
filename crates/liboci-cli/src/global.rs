//! Options that stand before the command.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ValueEnum};

use crate::go_flags::Flag;
use crate::values::parse_bool;

/// What holds for every command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Global {
    /// `--root`: directory with the state of all containers; `None` for the default.
    pub root: Option<PathBuf>,
    /// `--log`: file that the log is appended to; `None` for stderr.
    pub log: Option<PathBuf>,
    /// `--log-format`.
    pub log_format: LogFormat,
    /// `--log-level`, as given; see [`Global::log_level`].
    pub log_level: Option<LogLevel>,
    /// `--debug`.
    pub debug: bool,
    /// `--systemd-cgroup`.
    pub systemd_cgroup: bool,
    /// `--cgroup-manager`, as given; see [`Global::cgroup_manager`].
    pub cgroup_manager: Option<CgroupManager>,
    /// `--rootless`: whether to ignore that cgroups may not be written to; `None` to find out.
    pub rootless: Option<bool>,
}

/// Form of a log record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// `time="..." level=... msg="..."`.
    #[default]
    Text,
    /// One JSON object on a line.
    Json,
}

/// Least important record that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what was tolerated.
    Warning,
    /// And what was done.
    Info,
    /// And how.
    Debug,
}

/// Who makes cgroups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CgroupManager {
    /// systemd, asked over D-Bus.
    Systemd,
    /// The runtime, in the cgroup file system.
    Cgroupfs,
    /// Nobody: the container stays in the caller's cgroup.
    Disabled,
}

impl Global {
    /// The cgroup manager asked for: `--cgroup-manager` goes before
    /// `--systemd-cgroup`, and cgroupfs is the default.
    pub fn cgroup_manager(&self) -> CgroupManager {
        self.cgroup_manager.unwrap_or(if self.systemd_cgroup {
            CgroupManager::Systemd
        } else {
            CgroupManager::Cgroupfs
        })
    }

    /// The log level asked for: `--debug` raises what `--log-level` says; the default is info.
    pub fn log_level(&self) -> LogLevel {
        if self.debug {
            return LogLevel::Debug;
        }
        self.log_level.unwrap_or(LogLevel::Info)
    }

    /// Stores one option; the error is the whole sentence.
    pub(crate) fn set(
        &mut self,
        name: &str,
        value: Option<std::ffi::OsString>,
    ) -> Result<(), String> {
        let Some(value) = value else {
            match name {
                "debug" => self.debug = true,
                _ => self.systemd_cgroup = true,
            }
            return Ok(());
        };
        // Go's flags know no difference between an empty value and none.
        let path = (!value.is_empty()).then(|| PathBuf::from(&value));
        let text = value.to_string_lossy();
        match name {
            "root" => self.root = path,
            "log" => self.log = path,
            "log-format" => self.log_format = choice(name, &text)?.unwrap_or_default(),
            "log-level" => self.log_level = choice(name, &text)?,
            "cgroup-manager" => self.cgroup_manager = choice(name, &text)?,
            _ => self.rootless = rootless(&text)?,
        }
        Ok(())
    }
}

fn choice<T: ValueEnum>(name: &str, text: &str) -> Result<Option<T>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    match T::from_str(text, false) {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(format!("invalid {name}: {text}")),
    }
}

fn rootless(text: &str) -> Result<Option<bool>, String> {
    match (text, parse_bool(text)) {
        ("" | "auto", _) => Ok(None),
        (_, Some(value)) => Ok(Some(value)),
        _ => Err(format!("invalid rootless: {text} (true, false or auto)")),
    }
}

/// One global option, for the scanner and for help alike.
pub(crate) struct GlobalFlag {
    pub flag: Flag<'static>,
    short: Option<char>,
    value_name: &'static str,
    values: &'static [&'static str],
    help: &'static str,
}

const fn flag(long: &'static str, short: Option<char>, help: &'static str) -> GlobalFlag {
    let flag = Flag {
        long,
        takes_value: false,
    };
    GlobalFlag {
        flag,
        short,
        value_name: "",
        values: &[],
        help,
    }
}

const fn option(
    long: &'static str,
    short: Option<char>,
    value_name: &'static str,
    values: &'static [&'static str],
    help: &'static str,
) -> GlobalFlag {
    let flag = Flag {
        long,
        takes_value: true,
    };
    GlobalFlag {
        flag,
        short,
        value_name,
        values,
        help,
    }
}

pub(crate) static GLOBALS: [GlobalFlag; 9] = [
    option(
        "root",
        Some('r'),
        "DIR",
        &[],
        "Directory with the state of all containers, best on a tmpfs",
    ),
    option(
        "log",
        Some('l'),
        "FILE",
        &[],
        "Append the log to this file instead of stderr",
    ),
    option(
        "log-format",
        None,
        "FORMAT",
        &["text", "json"],
        "Form of the log",
    ),
    option(
        "log-level",
        None,
        "LEVEL",
        &["error", "warning", "info", "debug"],
        "What to log",
    ),
    flag("debug", None, "Log everything"),
    flag(
        "systemd-cgroup",
        Some('s'),
        "Have systemd make the cgroup; cgroupsPath is then slice:prefix:name",
    ),
    option(
        "cgroup-manager",
        None,
        "MANAGER",
        &["systemd", "cgroupfs", "disabled"],
        "Who makes the cgroup",
    ),
    option(
        "rootless",
        None,
        "WHEN",
        &["true", "false", "auto"],
        "Whether cgroups that cannot be written to are ignored",
    ),
    flag("version", Some('v'), "Print the version"),
];

impl GlobalFlag {
    /// Finds a global option by its long or short name.
    pub(crate) fn find(name: &str) -> Option<Flag<'static>> {
        let mut chars = name.chars();
        let short = match (chars.next(), chars.next()) {
            (Some('V'), None) => Some('v'),
            (letter, None) => letter,
            _ => None,
        };
        GLOBALS
            .iter()
            .find(|g| g.flag.long == name || short.is_some() && g.short == short)
            .map(|g| g.flag)
    }

    /// The same for clap: help, completions and manual pages.
    pub(crate) fn to_arg(&self) -> Arg {
        let arg = Arg::new(self.flag.long)
            .long(self.flag.long)
            .help(self.help);
        let arg = match self.short {
            Some(short) => arg.short(short),
            None => arg,
        };
        if !self.flag.takes_value {
            return arg.action(ArgAction::SetTrue);
        }
        let arg = arg.value_name(self.value_name);
        if self.values.is_empty() {
            return arg.value_hint(clap::ValueHint::AnyPath);
        }
        arg.value_parser(self.values.to_vec())
    }
}
