//! From create to delete, and exec.

use super::*;

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
