//! The command lines that engines use, word for word.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use liboci_cli::*;

fn parsed(line: &str) -> Invocation {
    let args = std::iter::once("teu")
        .chain(line.split(' '))
        .map(OsString::from);
    parse(args).unwrap_or_else(|stop| panic!("{line}: {stop:?}"))
}

fn command(line: &str) -> Command {
    parsed(line).command
}

fn some(path: &str) -> Option<PathBuf> {
    Some(path.into())
}

fn create() -> Create {
    Create {
        bundle: ".".into(),
        config: None,
        console_socket: None,
        pid_file: None,
        pidfd_socket: None,
        no_pivot: false,
        no_new_keyring: false,
        no_subreaper: false,
        preserve_fds: 0,
        id: "c1".into(),
    }
}

fn exec() -> Exec {
    Exec {
        process: None,
        cwd: None,
        env: Vec::new(),
        tty: false,
        user: None,
        additional_gids: Vec::new(),
        detach: false,
        pid_file: None,
        console_socket: None,
        pidfd_socket: None,
        process_label: None,
        apparmor: None,
        no_new_privs: false,
        cap: Vec::new(),
        preserve_fds: 0,
        cgroup: Vec::new(),
        ignore_paused: false,
        id: "c1".into(),
        command: Vec::new(),
    }
}

fn kill(all: bool, signal: &str) -> Command {
    let signal = signal.into();
    Command::Kill(Kill {
        all,
        regex: false,
        id: "c1".into(),
        signal,
    })
}

fn delete(force: bool) -> Command {
    Command::Delete(Delete {
        force,
        regex: false,
        id: "c1".into(),
    })
}

fn id() -> String {
    "c1".into()
}

#[test]
fn global_options_of_each_engine() {
    let json = Global {
        log_format: LogFormat::Json,
        ..Global::default()
    };
    let disabled = Some(CgroupManager::Disabled);
    let cases = [
        // containerd
        (
            "--root /run/containerd/runc/k8s.io --log /b/log.json --log-format json --systemd-cgroup state c1",
            Global {
                root: some("/run/containerd/runc/k8s.io"),
                log: some("/b/log.json"),
                systemd_cgroup: true,
                ..json.clone()
            },
        ),
        (
            "--debug --rootless=true state c1",
            Global {
                debug: true,
                rootless: Some(true),
                ..Global::default()
            },
        ),
        // buildkit
        (
            "--log /r/runc-log.json --log-format json state c1",
            Global {
                log: some("/r/runc-log.json"),
                ..json.clone()
            },
        ),
        // podman, through conmon
        (
            "--log-format=json --log --log=/r/oci-log --cgroup-manager disabled state c1",
            Global {
                log: some("--log=/r/oci-log"),
                cgroup_manager: disabled,
                ..json.clone()
            },
        ),
        (
            "--log-format=json --log /r/oci-log --cgroup-manager disabled state c1",
            Global {
                log: some("/r/oci-log"),
                cgroup_manager: disabled,
                ..json.clone()
            },
        ),
        // CRI-O
        (
            "--root /run/runc --systemd-cgroup state c1",
            Global {
                root: some("/run/runc"),
                systemd_cgroup: true,
                ..Global::default()
            },
        ),
        // Go style, and the last one counts
        (
            "-root /a -systemd-cgroup=1 --root=/b -debug=true --debug=F --rootless auto --log-level warning state c1",
            Global {
                root: some("/b"),
                systemd_cgroup: true,
                log_level: Some(LogLevel::Warning),
                ..Global::default()
            },
        ),
        (
            "--root= --log-format= --rootless= --cgroup-manager= state c1",
            Global::default(),
        ),
        (
            "-s -r /x -l /y state c1",
            Global {
                root: some("/x"),
                log: some("/y"),
                systemd_cgroup: true,
                ..Global::default()
            },
        ),
    ];
    for (line, expected) in cases {
        let invocation = parsed(line);
        assert_eq!(invocation.global, expected, "{line}");
        assert_eq!(invocation.command, Command::State { id: id() }, "{line}");
    }
}

#[test]
fn cgroup_manager_and_log_level_resolve() {
    let of = |line: &str| parsed(line).global;
    assert_eq!(of("state c1").cgroup_manager(), CgroupManager::Cgroupfs);
    assert_eq!(
        of("--systemd-cgroup state c1").cgroup_manager(),
        CgroupManager::Systemd
    );
    assert_eq!(
        of("--systemd-cgroup --cgroup-manager cgroupfs state c1").cgroup_manager(),
        CgroupManager::Cgroupfs
    );
    assert_eq!(of("state c1").log_level(), LogLevel::Info);
    assert_eq!(
        of("--log-level error state c1").log_level(),
        LogLevel::Error
    );
    assert_eq!(
        of("--log-level error --debug state c1").log_level(),
        LogLevel::Debug
    );
}

#[test]
fn lifecycle_calls_of_each_engine() {
    let containerd = Create {
        bundle: "/b".into(),
        pid_file: some("/b/init.pid"),
        console_socket: some("/s"),
        no_pivot: true,
        no_new_keyring: true,
        ..create()
    };
    let buildkit = Run {
        create: Create {
            bundle: "/b".into(),
            no_pivot: true,
            ..create()
        },
        detach: false,
        keep: true,
    };
    let buildah = Create {
        bundle: "/b".into(),
        pid_file: some("/b/pid"),
        no_new_keyring: true,
        ..create()
    };
    let cases = [
        (
            "create --bundle /b --pid-file /b/init.pid --console-socket /s --no-pivot --no-new-keyring c1",
            Command::Create(containerd),
        ),
        (
            "create --preserve-fds 2 --pidfd-socket /p c1",
            Command::Create(Create {
                preserve_fds: 2,
                pidfd_socket: some("/p"),
                ..create()
            }),
        ),
        (
            "run --bundle /b --no-pivot --keep c1",
            Command::Run(buildkit),
        ),
        (
            "create --bundle /b --pid-file /b/pid --no-new-keyring c1",
            Command::Create(buildah),
        ),
        (
            "explain -f other.json c1",
            Command::Explain(Create {
                config: some("other.json"),
                ..create()
            }),
        ),
        ("start c1", Command::Start { id: id() }),
        ("pause c1", Command::Pause { id: id() }),
        ("resume c1", Command::Resume { id: id() }),
        ("kill --all c1 9", kill(true, "9")),
        ("kill c1 9", kill(false, "9")),
        ("kill c1 KILL", kill(false, "KILL")),
        ("kill c1", kill(false, "TERM")),
        ("delete c1", delete(false)),
        ("delete --force c1", delete(true)),
        ("features", Command::Features),
    ];
    for (line, expected) in cases {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn exec_calls_of_each_engine() {
    let detached = Exec {
        detach: true,
        pid_file: some("/b/e.pid"),
        process: some("/tmp/p"),
        ..exec()
    };
    let cases = [
        // containerd; conmon puts --pid-file first
        (
            "exec --process /tmp/p --detach --pid-file /b/e.pid c1",
            detached.clone(),
        ),
        (
            "exec --pid-file /b/e.pid --process /tmp/p --detach c1",
            detached.clone(),
        ),
        (
            "exec --process /tmp/p --console-socket /s --detach --pid-file /b/e.pid c1",
            Exec {
                console_socket: some("/s"),
                ..detached.clone()
            },
        ),
        (
            "exec --pid-file /b/e.pid --process /tmp/p --detach --preserve-fds 1 c1",
            Exec {
                preserve_fds: 1,
                ..detached
            },
        ),
        // buildkit, CRI-O
        (
            "exec --process /tmp/p --pid-file /p c1",
            Exec {
                process: some("/tmp/p"),
                pid_file: some("/p"),
                ..exec()
            },
        ),
        (
            "exec --process /tmp/p c1",
            Exec {
                process: some("/tmp/p"),
                ..exec()
            },
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(command(line), Command::Exec(expected), "{line}");
    }
}

#[test]
fn exec_by_hand_takes_every_option() {
    let line = "exec -t -u 1000:100 -e A=b --env C= -g 5 --additional-gids 6 --cwd /w --cap CAP_CHOWN \
                -c CAP_KILL --apparmor a --process-label l --no-new-privs --ignore-paused --cgroup \
                cpu,memory:/x --cgroup y --pidfd-socket /pidfd c1 sh -c id";
    let expected = Exec {
        tty: true,
        user: Some(User {
            uid: 1000,
            gid: Some(100),
        }),
        env: vec!["A=b".into(), "C=".into()],
        additional_gids: vec![5, 6],
        cwd: some("/w"),
        cap: vec!["CAP_CHOWN".into(), "CAP_KILL".into()],
        apparmor: Some("a".into()),
        process_label: Some("l".into()),
        no_new_privs: true,
        ignore_paused: true,
        cgroup: vec![
            SubCgroup {
                controllers: vec!["cpu".into(), "memory".into()],
                path: "/x".into(),
            },
            SubCgroup {
                controllers: vec![],
                path: "y".into(),
            },
        ],
        pidfd_socket: some("/pidfd"),
        command: vec!["sh".into(), "-c".into(), "id".into()],
        ..exec()
    };
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(command(&line), Command::Exec(expected));
}

#[test]
fn a_command_line_after_the_id_is_left_alone() {
    let cases = [
        ("exec c1 ls -l", vec!["ls", "-l"]),
        ("exec c1 echo -t --help", vec!["echo", "-t", "--help"]),
        ("exec c1 -- echo", vec!["--", "echo"]),
        ("exec -- c1 echo --", vec!["echo", "--"]),
        ("exec c1 --user=0 id", vec!["--user=0", "id"]),
    ];
    for (line, expected) in cases {
        let expected = expected.into_iter().map(OsString::from).collect();
        assert_eq!(
            command(line),
            Command::Exec(Exec {
                command: expected,
                ..exec()
            }),
            "{line}"
        );
    }
    for (line, args) in [
        ("ps c1", vec![]),
        ("ps c1 -ef", vec!["-ef"]),
        ("ps c1 -- -h", vec!["--", "-h"]),
    ] {
        let args = args.into_iter().map(OsString::from).collect();
        assert_eq!(
            command(line),
            Command::Ps(Ps {
                format: Format::Table,
                id: id(),
                args
            }),
            "{line}"
        );
    }
}

#[test]
fn queries_of_each_engine() {
    let events = |seconds, stats| {
        Command::Events(Events {
            interval: std::time::Duration::from_secs(seconds),
            stats,
            id: id(),
        })
    };
    let list = |format, quiet| Command::List(List { format, quiet });
    let cases = [
        (
            "ps --format json c1",
            Command::Ps(Ps {
                format: Format::Json,
                id: id(),
                args: vec![],
            }),
        ),
        (
            "ps --format table c1 -o pid",
            Command::Ps(Ps {
                format: Format::Table,
                id: id(),
                args: vec!["-o".into(), "pid".into()],
            }),
        ),
        ("list --format=json", list(Format::Json, false)),
        ("list", list(Format::Table, false)),
        ("list -qf json", list(Format::Json, true)),
        ("list -fjson -q=true", list(Format::Json, true)),
        ("events --interval=1m30s c1", events(90, false)),
        ("events --stats c1", events(5, true)),
        (
            "spec --rootless -b /b",
            Command::Spec(Spec {
                bundle: "/b".into(),
                file: None,
                rootless: true,
            }),
        ),
        (
            "spec -f x.json",
            Command::Spec(Spec {
                bundle: ".".into(),
                file: some("x.json"),
                rootless: false,
            }),
        ),
        (
            "seccomp explain p.json clone 0x10 -1",
            Command::SeccompExplain(SeccompExplain {
                profile: "p.json".into(),
                syscall: "clone".into(),
                args: vec![16, u64::MAX],
            }),
        ),
        (
            "seccomp compile p.json",
            Command::SeccompCompile(SeccompCompile {
                profile: "p.json".into(),
            }),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn updates_read_their_resources_from_a_file_or_stdin() {
    for (line, expected) in [
        ("update --resources=- c1", "-"),
        ("update --resources - c1", "-"),
        ("update -r /r.json c1", "/r.json"),
        ("update c1 --resources=/tmp/r", "/tmp/r"),
    ] {
        let Command::Update(update) = command(line) else {
            panic!("{line}")
        };
        assert_eq!(
            update.resources.as_deref(),
            Some(Path::new(expected)),
            "{line}"
        );
    }
}

#[test]
fn updates_take_every_limit() {
    let line = "update c1 --blkio-weight 500 --cpu-period 100000 --cpu-quota -1 --cpu-burst 10 --cpu-share 2 \
                --cpu-rt-period 3 --cpu-rt-runtime 4 --cpu-idle 1 --cpuset-cpus 0-1 --cpuset-mems 0 --memory 64M \
                --memory-reservation 32m --memory-swap -1 --kernel-memory 1g --kernel-memory-tcp=1 --pids-limit -1 \
                --l3-cache-schema L3:0=f --mem-bw-schema MB:0=20";
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = Update {
        resources: None,
        blkio_weight: Some(500),
        cpu_period: Some(100_000),
        cpu_quota: Some(-1),
        cpu_burst: Some(10),
        cpu_share: Some(2),
        cpu_rt_period: Some(3),
        cpu_rt_runtime: Some(4),
        cpu_idle: Some(1),
        cpuset_cpus: Some("0-1".into()),
        cpuset_mems: Some("0".into()),
        memory: Some(64 << 20),
        memory_reservation: Some(32 << 20),
        memory_swap: Some(-1),
        kernel_memory: Some(1 << 30),
        kernel_memory_tcp: Some(1),
        pids_limit: Some(-1),
        l3_cache_schema: Some("L3:0=f".into()),
        mem_bw_schema: Some("MB:0=20".into()),
        id: id(),
    };
    assert_eq!(command(&line), Command::Update(expected));
}

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

/// Every way to order and spell one meaning.
#[test]
fn options_stand_anywhere_in_any_dialect() {
    let expected = Command::Run(Run {
        create: Create {
            bundle: "/b".into(),
            pid_file: some("/p"),
            no_subreaper: true,
            ..create()
        },
        detach: true,
        keep: false,
    });
    for line in [
        "run --bundle /b --pid-file /p --no-subreaper --detach c1",
        "run c1 --bundle /b --pid-file /p --no-subreaper --detach",
        "run --bundle /b c1 -d --pid-file=/p -no-subreaper",
        "run -bundle /b -pid-file=/p -no-subreaper=true -detach c1",
        "run -b/b -p /p -d --no-subreaper -- c1",
        "run -db /b -p=/p --no-subreaper=T c1",
        "run -db=/b c1 -p/p --no-subreaper=1 --keep --keep=false",
        "run --detach=false --bundle /x --bundle /b --detach --pid-file /p --no-subreaper c1",
        "run -b=/b --pid-file /p --no-subreaper -d=1 c1 --console-socket= --config=",
    ] {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn paths_and_arguments_need_not_be_utf8() {
    use std::os::unix::ffi::OsStringExt;
    let raw = OsString::from_vec(vec![b'/', 0xff]);
    let mut args: Vec<OsString> = ["teu", "exec", "--cwd"].map(OsString::from).into();
    args.extend([raw.clone(), "c1".into(), raw.clone()]);
    let Ok(Invocation {
        command: Command::Exec(exec),
        ..
    }) = parse(args)
    else {
        panic!()
    };
    assert_eq!(exec.cwd, Some(PathBuf::from(&raw)));
    assert_eq!(exec.command, [raw]);
}
