//! Options before the command, and where options may stand.

use super::*;

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
