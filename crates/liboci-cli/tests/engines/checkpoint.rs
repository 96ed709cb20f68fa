//! Checkpoint and restore.

use super::*;

#[test]
fn checkpoint_and_restore_calls_of_each_engine() {
    let criu = Criu {
        image_path: some("/i"),
        work_path: some("/w"),
        parent_path: None,
        tcp_established: false,
        ext_unix_sk: false,
        shell_job: false,
        file_locks: false,
        lazy_pages: false,
        manage_cgroups_mode: None,
        network_lock: None,
        empty_ns: vec![],
        auto_dedup: false,
    };
    let checkpoint = Checkpoint {
        criu: criu.clone(),
        leave_running: false,
        pre_dump: false,
        link_remap: false,
        tcp_skip_in_flight: false,
        status_fd: None,
        page_server: None,
        id: id(),
    };
    let restore = Restore {
        criu: criu.clone(),
        bundle: "/b".into(),
        detach: true,
        pid_file: some("/p"),
        console_socket: None,
        tcp_close: false,
        no_subreaper: false,
        no_pivot: false,
        lsm_profile: None,
        lsm_mount_context: None,
        id: id(),
    };
    let everything = Criu {
        parent_path: some("../pre"),
        tcp_established: true,
        ext_unix_sk: true,
        shell_job: true,
        file_locks: true,
        empty_ns: vec!["network".into(), "network".into()],
        ..criu.clone()
    };
    let lazy = Criu {
        lazy_pages: true,
        auto_dedup: true,
        manage_cgroups_mode: Some(ManageCgroupsMode::Ignore),
        network_lock: Some(NetworkLock::Nftables),
        ..criu.clone()
    };
    let cases = [
        (
            "checkpoint --image-path /i --work-path /w --parent-path ../pre --tcp-established --ext-unix-sk \
             --shell-job --file-locks --empty-ns network --empty-ns network --leave-running c1",
            Command::Checkpoint(Checkpoint {
                criu: everything,
                leave_running: true,
                ..checkpoint.clone()
            }),
        ),
        (
            "checkpoint --image-path /i --work-path /w --lazy-pages --auto-dedup --status-fd 3 --page-server \
             [::1]:80 --manage-cgroups-mode ignore --network-lock nftables --pre-dump --link-remap \
             --tcp-skip-in-flight c1",
            Command::Checkpoint(Checkpoint {
                criu: lazy,
                status_fd: Some(3),
                page_server: Some("[::1]:80".into()),
                pre_dump: true,
                link_remap: true,
                tcp_skip_in_flight: true,
                ..checkpoint
            }),
        ),
        // containerd
        (
            "restore --image-path /i --work-path /w --detach --pid-file /p --no-pivot -no-subreaper --bundle /b c1",
            Command::Restore(Restore {
                no_pivot: true,
                no_subreaper: true,
                ..restore.clone()
            }),
        ),
        // conmon
        (
            "restore --bundle /b --pid-file /p --detach --image-path /i --work-path /w --tcp-established --tcp-close \
             --file-locks --lsm-mount-context= --lsm-profile=selinux:L c1",
            Command::Restore(Restore {
                criu: Criu {
                    tcp_established: true,
                    file_locks: true,
                    ..criu
                },
                tcp_close: true,
                lsm_profile: Some("selinux:L".into()),
                ..restore
            }),
        ),
    ];
    for (line, expected) in cases {
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(command(&line), expected, "{line}");
    }
}
