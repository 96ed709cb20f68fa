//! `exec`: one more process in a container.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::table::{command_line, flag, option};
use crate::typed::Typed;
use crate::values::{self, SubCgroup, User};

command_line! {
    /// `exec`. Either `process` names a file, or `command` is what to run; the
    /// parser refuses a line with neither.
    pub struct Exec;
    options {
        /// File with the process as JSON, as in config.json, instead of a command
        process: Option<PathBuf> = option("FILE").short('p'), Typed::path;
        /// Working directory in the container
        cwd: Option<PathBuf> = option("DIR"), Typed::path;
        /// Add NAME=VALUE to the environment; may be repeated
        env: Vec<OsString> = option("NAME=VALUE").short('e'), |t: &mut Typed, f| t.all_os(f, values::check_env);
        /// Give the process a terminal
        tty: bool = flag().short('t'), Typed::is_on;
        /// Numeric user, and group, to run as
        user: Option<User> = option("UID[:GID]").short('u'), |t: &mut Typed, f| t.parsed(f, values::parse_user);
        /// Add a supplementary group; may be repeated
        additional_gids: Vec<u32> = option("GID").short('g'), |t: &mut Typed, f| t.all(f, values::parse_id);
        /// Return as soon as the process runs
        detach: bool = flag().short('d'), Typed::is_on;
        /// Write the process id, as seen by the caller, to this file
        pid_file: Option<PathBuf> = option("FILE"), Typed::path;
        /// Unix socket that receives the master end of the process' terminal
        console_socket: Option<PathBuf> = option("SOCKET"), Typed::path;
        /// Unix socket that receives a pidfd of the process
        pidfd_socket: Option<PathBuf> = option("SOCKET"), Typed::path;
        /// SELinux label of the process
        process_label: Option<String> = option("LABEL"), Typed::text;
        /// AppArmor profile of the process
        apparmor: Option<String> = option("PROFILE"), Typed::text;
        /// Set no_new_privs
        no_new_privs: bool = flag(), Typed::is_on;
        /// Add a capability; may be repeated
        cap: Vec<String> = option("CAP").short('c'), Typed::texts;
        /// Pass descriptors 3 to 2+N on, after those announced by LISTEN_FDS
        preserve_fds: u32 = option("N").default("0"), Typed::count;
        /// Existing cgroup below the container's; on cgroup v1 may be repeated per controller
        cgroup: Vec<SubCgroup> = option("[CONTROLLER[,..]:]PATH"), |t: &mut Typed, f| t.all(f, values::parse_sub_cgroup);
        /// Run in a paused container: the process waits for `resume`
        ignore_paused: bool = flag(), Typed::is_on;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
        /// Program and its arguments; everything after ID belongs to it
        command: Vec<OsString> = "COMMAND", Typed::rest;
    }
}
