//! `checkpoint` and `restore`, which CRIU carries out.

use std::path::PathBuf;

use crate::table::{choices, command_line, flag, option};
use crate::typed::Typed;

choices! {
    /// How CRIU treats cgroups (`--manage-cgroups` of criu(8)).
    pub enum ManageCgroupsMode {
        /// Restore properties of cgroups that CRIU made.
        Soft = "soft",
        /// Restore all properties.
        Full = "full",
        /// Restore all, and fail if a cgroup exists.
        Strict = "strict",
        /// Leave cgroups alone.
        Ignore = "ignore",
    }
}

choices! {
    /// How CRIU keeps connections quiet meanwhile (`--network-lock` of criu(8)).
    pub enum NetworkLock {
        /// With iptables.
        Iptables = "iptables",
        /// With nftables.
        Nftables = "nftables",
        /// Not at all.
        Skip = "skip",
    }
}

command_line! {
    /// Options that `checkpoint` and `restore` share.
    pub struct Criu;
    options {
        /// Directory of the images
        image_path: Option<PathBuf> = option("DIR"), Typed::path;
        /// Directory for logs and work files
        work_path: Option<PathBuf> = option("DIR"), Typed::path;
        /// Images of an earlier pre-dump, relative to the image directory
        parent_path: Option<PathBuf> = option("DIR"), Typed::path;
        /// Allow open TCP connections
        tcp_established: bool = flag(), Typed::is_on;
        /// Allow Unix sockets with a peer outside
        ext_unix_sk: bool = flag(), Typed::is_on;
        /// Allow a process attached to a terminal outside
        shell_job: bool = flag(), Typed::is_on;
        /// Handle file locks
        file_locks: bool = flag(), Typed::is_on;
        /// Transfer memory on demand, by userfaultfd
        lazy_pages: bool = flag(), Typed::is_on;
        /// How to treat cgroups
        manage_cgroups_mode: Option<ManageCgroupsMode> = option("MODE").choices(ManageCgroupsMode::NAMES), |t: &mut Typed, f| t.parsed(f, ManageCgroupsMode::from_name);
        /// How to keep connections quiet meanwhile
        network_lock: Option<NetworkLock> = option("METHOD").choices(NetworkLock::NAMES), |t: &mut Typed, f| t.parsed(f, NetworkLock::from_name);
        /// Leave the contents of a namespace (network) out; may be repeated
        empty_ns: Vec<String> = option("NAMESPACE"), Typed::texts;
        /// Free the memory of earlier images that newer ones replace
        auto_dedup: bool = flag(), Typed::is_on;
    }
    operands {}
}

command_line! {
    /// `checkpoint`.
    pub struct Checkpoint;
    options {
        /// Let the container run on
        leave_running: bool = flag(), Typed::is_on;
        /// Save memory only and let the container run on
        pre_dump: bool = flag(), Typed::is_on;
        /// Allow files that were deleted while open
        link_remap: bool = flag(), Typed::is_on;
        /// Skip connections that are being set up
        tcp_skip_in_flight: bool = flag(), Typed::is_on;
        /// Descriptor that receives one zero byte when lazy pages can be served
        status_fd: Option<i32> = option("FD"), Typed::number;
        /// Send memory to this page server
        page_server: Option<String> = option("ADDRESS:PORT"), Typed::text;
    }
    parts {
        /// What `restore` knows too.
        criu: Criu;
    }
    operands {
        /// Name of the container
        id: String = "ID", Typed::operand;
    }
}

command_line! {
    /// `restore`.
    pub struct Restore;
    options {
        /// Directory with config.json; relative paths in it start here
        bundle: PathBuf = option("DIR").short('b').default("."), Typed::path_or_here;
        /// Return as soon as the process runs
        detach: bool = flag().short('d'), Typed::is_on;
        /// Write the process id, as seen by the caller, to this file
        pid_file: Option<PathBuf> = option("FILE"), Typed::path;
        /// Unix socket that receives the master end of the container's terminal
        console_socket: Option<PathBuf> = option("SOCKET"), Typed::path;
        /// Restore TCP connections as closed
        tcp_close: bool = flag(), Typed::is_on;
        /// Do not adopt the orphans of the container
        no_subreaper: bool = flag(), Typed::is_on;
        /// Move the root mount instead of using pivot_root(2), which fails on an initramfs
        no_pivot: bool = flag(), Typed::is_on;
        /// Security profile to restore with
        lsm_profile: Option<String> = option("TYPE:NAME"), Typed::text;
        /// SELinux context of the mounts
        lsm_mount_context: Option<String> = option("CONTEXT"), Typed::text;
    }
    parts {
        /// What `checkpoint` knows too.
        criu: Criu;
    }
    operands {
        /// Name of the new container
        id: String = "ID", Typed::operand;
    }
}
