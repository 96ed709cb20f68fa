//! `checkpoint` and `restore`, which CRIU carries out.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// How CRIU treats cgroups (`--manage-cgroups` of criu(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ManageCgroupsMode {
    /// Restore properties of cgroups that CRIU made.
    Soft,
    /// Restore all properties.
    Full,
    /// Restore all, and fail if a cgroup exists.
    Strict,
    /// Leave cgroups alone.
    Ignore,
}

/// How CRIU keeps connections quiet meanwhile (`--network-lock` of criu(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkLock {
    /// With iptables.
    Iptables,
    /// With nftables.
    Nftables,
    /// Not at all.
    Skip,
}

/// Options that `checkpoint` and `restore` share.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Criu {
    /// Directory of the images
    #[arg(long, value_name = "DIR")]
    pub image_path: Option<PathBuf>,
    /// Directory for logs and work files
    #[arg(long, value_name = "DIR")]
    pub work_path: Option<PathBuf>,
    /// Images of an earlier pre-dump, relative to the image directory
    #[arg(long, value_name = "DIR")]
    pub parent_path: Option<PathBuf>,
    /// Allow open TCP connections
    #[arg(long)]
    pub tcp_established: bool,
    /// Allow Unix sockets with a peer outside
    #[arg(long)]
    pub ext_unix_sk: bool,
    /// Allow a process attached to a terminal outside
    #[arg(long)]
    pub shell_job: bool,
    /// Handle file locks
    #[arg(long)]
    pub file_locks: bool,
    /// Transfer memory on demand, by userfaultfd
    #[arg(long)]
    pub lazy_pages: bool,
    /// How to treat cgroups
    #[arg(long, value_name = "MODE")]
    pub manage_cgroups_mode: Option<ManageCgroupsMode>,
    /// How to keep connections quiet meanwhile
    #[arg(long, value_name = "METHOD")]
    pub network_lock: Option<NetworkLock>,
    /// Leave the contents of a namespace (network) out; may be repeated
    #[arg(long, value_name = "NAMESPACE")]
    pub empty_ns: Vec<String>,
    /// Free the memory of earlier images that newer ones replace
    #[arg(long)]
    pub auto_dedup: bool,
}

/// `checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Checkpoint {
    /// What `restore` knows too.
    #[command(flatten)]
    pub criu: Criu,
    /// Let the container run on
    #[arg(long)]
    pub leave_running: bool,
    /// Save memory only and let the container run on
    #[arg(long)]
    pub pre_dump: bool,
    /// Allow files that were deleted while open
    #[arg(long)]
    pub link_remap: bool,
    /// Skip connections that are being set up
    #[arg(long)]
    pub tcp_skip_in_flight: bool,
    /// Descriptor that receives one zero byte when lazy pages can be served
    #[arg(long, value_name = "FD")]
    pub status_fd: Option<i32>,
    /// Send memory to this page server
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub page_server: Option<String>,
    /// Name of the container
    #[arg(value_name = "ID")]
    pub id: String,
}

/// `restore`.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Restore {
    /// What `checkpoint` knows too.
    #[command(flatten)]
    pub criu: Criu,
    /// Directory with config.json; relative paths in it start here
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub bundle: PathBuf,
    /// Return as soon as the process runs
    #[arg(short, long)]
    pub detach: bool,
    /// Write the process id, as seen by the caller, to this file
    #[arg(long, value_name = "FILE")]
    pub pid_file: Option<PathBuf>,
    /// Unix socket that receives the master end of the container's terminal
    #[arg(long, value_name = "SOCKET")]
    pub console_socket: Option<PathBuf>,
    /// Restore TCP connections as closed
    #[arg(long)]
    pub tcp_close: bool,
    /// Do not adopt the orphans of the container
    #[arg(long)]
    pub no_subreaper: bool,
    /// Change the root directory by moving the mount, not by pivot_root
    #[arg(long)]
    pub no_pivot: bool,
    /// Security profile to restore with
    #[arg(long, value_name = "TYPE:NAME")]
    pub lsm_profile: Option<String>,
    /// SELinux context of the mounts
    #[arg(long, value_name = "CONTEXT")]
    pub lsm_mount_context: Option<String>,
    /// Name of the new container
    #[arg(value_name = "ID")]
    pub id: String,
}
