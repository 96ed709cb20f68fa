//! Options that stand before the command.

use std::path::PathBuf;

use crate::table::{Flag, choices, command_line, flag, option};
use crate::typed::{Read, Typed};
use crate::values::parse_bool;

command_line! {
    /// What holds for every command.
    #[derive(Default)]
    pub struct Global;
    options {
        /// Directory with the state of all containers, best on a tmpfs; default /run/teu, or $XDG_RUNTIME_DIR/teu of an ordinary user
        root: Option<PathBuf> = option("DIR").short('r'), Typed::path;
        /// Append the log to this file; errors are also said on stderr
        log: Option<PathBuf> = option("FILE").short('l'), Typed::path;
        /// Form of the log
        log_format: LogFormat = option("FORMAT").choices(LogFormat::NAMES).default("text"), log_format;
        /// Least important records that are logged
        log_level: Option<LogLevel> = option("LEVEL").choices(LogLevel::NAMES).default("info"), log_level;
        /// Log everything
        debug: bool = flag(), Typed::is_on;
        /// Have systemd make the cgroup; cgroupsPath is then slice:prefix:name
        systemd_cgroup: bool = flag().short('s'), Typed::is_on;
        /// Who makes the cgroup; goes before --systemd-cgroup
        cgroup_manager: Option<CgroupManager> = option("MANAGER").choices(CgroupManager::NAMES), cgroup_manager;
        /// Whether cgroups that cannot be written to are tolerated
        rootless: Option<bool> = option("WHEN").choices(&["true", "false", "auto"]).default("auto"), rootless;
    }
    operands {}
}

/// The option that replaces a command.
pub(crate) static VERSION: [Flag; 1] = [flag()
    .short('v')
    .hidden_short('V')
    .named("version", "Print the version")];

choices! {
    /// Form of a log record.
    #[derive(Default)]
    pub enum LogFormat {
        /// `time="..." level=... msg="..."`.
        #[default]
        Text = "text",
        /// One JSON object on a line.
        Json = "json",
    }
}

choices! {
    /// Least important record that is logged.
    #[derive(PartialOrd, Ord)]
    pub enum LogLevel {
        /// What went wrong.
        Error = "error",
        /// And what was tolerated.
        Warning = "warning",
        /// And what was done.
        Info = "info",
        /// And how.
        Debug = "debug",
    }
}

choices! {
    /// Who makes cgroups.
    pub enum CgroupManager {
        /// systemd, asked over D-Bus.
        Systemd = "systemd",
        /// The runtime, in the cgroup file system.
        Cgroupfs = "cgroupfs",
        /// Nobody: the container stays in the caller's cgroup.
        Disabled = "disabled",
    }
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

    /// The log level asked for: `--debug` goes before `--log-level`; the default is info.
    pub fn log_level(&self) -> LogLevel {
        if self.debug {
            return LogLevel::Debug;
        }
        self.log_level.unwrap_or(LogLevel::Info)
    }
}

fn log_format(typed: &mut Typed, field: &'static str) -> Read<LogFormat> {
    let format = typed.parsed(field, or_none(LogFormat::from_name))?;
    Ok(format.flatten().unwrap_or_default())
}

fn log_level(typed: &mut Typed, field: &'static str) -> Read<Option<LogLevel>> {
    let level = typed.parsed(field, or_none(LogLevel::from_name))?;
    Ok(level.flatten())
}

fn cgroup_manager(typed: &mut Typed, field: &'static str) -> Read<Option<CgroupManager>> {
    let manager = typed.parsed(field, or_none(CgroupManager::from_name))?;
    Ok(manager.flatten())
}

fn rootless(typed: &mut Typed, field: &'static str) -> Read<Option<bool>> {
    let rootless = typed.parsed(field, |text| match (text, parse_bool(text)) {
        ("" | "auto", _) => Ok(None),
        (_, Some(value)) => Ok(Some(value)),
        _ => Err("must be true, false or auto".into()),
    })?;
    Ok(rootless.flatten())
}

/// Reads the empty text as none.
fn or_none<T>(
    parse: impl Fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Option<T>, String> {
    move |text| match text {
        "" => Ok(None),
        text => parse(text).map(Some),
    }
}
