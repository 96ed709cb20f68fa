//! Every action on the real kernel. A filter stays with its process for life,
//! so each case runs in a process of its own: this program once more, or a
//! small C program for what Rust's library cannot do.

#![allow(clippy::disallowed_methods, reason = "the test's own files")]

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output, exit};
use std::sync::mpsc;
use std::time::Duration;

use kernel::Errno;
use kernel::seccomp::{Answer, answer, receive, set_mode_filter};
use seccomp::{Arch, Profile, Program, Target, call_number, compile};

const SIGSYS: i32 = 31;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("--case") => case(&args[2], &args[3..]),
        Some("--list") => {}
        _ => parent(),
    }
}

// The parent: starts each case and looks at how it ended.

fn parent() {
    let directory = std::env::temp_dir().join(format!("teu-seccomp-{}", std::process::id()));
    fs::create_dir(&directory).expect("create a directory for the cases");
    let scratch = directory.join("made").to_str().expect("UTF-8").to_owned();
    for name in [
        "errno",
        "trace",
        "log",
        "argument",
        "kill",
        "kill_thread",
        "notify",
    ] {
        let output = start(name, &[&scratch]);
        report(name, output.status.success(), &output);
    }
    for name in ["kill_process", "kill_alone"] {
        let output = start(name, &[&scratch]);
        report(name, output.status.signal() == Some(SIGSYS), &output);
    }
    match probe(&directory) {
        Err(reason) => println!("skipped, no C program to make calls with: {reason}"),
        Ok(probe) => probed(&probe),
    }
    fs::remove_dir_all(&directory).expect("remove the directory of the cases");
}

fn probed(probe: &str) {
    let number = |name| call_number(Target::native().0, name).unwrap().to_string();
    let trapped = start("trap", &[probe, "trap", &number("mount")]);
    let expected = format!("{} {:x}\n", number("mount"), Target::native().0.audit());
    report("trap", trapped.stdout == expected.as_bytes(), &trapped);

    let newer = start("newer", &[probe, "call", &number("openat2")]);
    report(
        "newer than the profile: ENOSYS",
        newer.status.code() == Some(38),
        &newer,
    );
    let denied = start("newer", &[probe, "call", &number("mount")]);
    report(
        "older than the newest: EPERM",
        denied.status.code() == Some(1),
        &denied,
    );

    if Target::native() != Target(Arch::X86_64) {
        return println!("skipped, 32-bit calls: this machine is not x86-64");
    }
    let getpid = call_number(Arch::X86, "getpid").unwrap().to_string();
    let unfiltered = Command::new(probe)
        .args(["int80", &getpid])
        .output()
        .expect("start the probe");
    if !unfiltered.status.success() {
        return println!("skipped, 32-bit calls: this kernel does not serve them");
    }
    let mkdir = call_number(Arch::X86, "mkdir").unwrap().to_string();
    let listed = start("x86", &[probe, "int80", &mkdir, "0"]);
    report(
        "32-bit call, listed",
        listed.status.code() == Some(33),
        &listed,
    );
    // 39 is mkdir for i386 and getpid for x86-64: no mixing them up.
    let native = start("x86", &[probe, "call", &mkdir]);
    report(
        "64-bit call of the same number",
        native.status.code() == Some(0),
        &native,
    );
    let foreign = start("foreign", &[probe, "int80", &getpid]);
    report(
        "32-bit call, not listed",
        foreign.status.signal() == Some(SIGSYS),
        &foreign,
    );
}

fn start(case: &str, args: &[&str]) -> Output {
    let own = std::env::current_exe().expect("the path of this program");
    Command::new(own)
        .args(["--case", case])
        .args(args)
        .output()
        .expect("start a case")
}

fn report(name: &str, passed: bool, output: &Output) {
    println!("{name} ... {}", if passed { "ok" } else { "FAILED" });
    assert!(passed, "{name}: {output:?}");
}

fn probe(directory: &Path) -> Result<String, String> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracle/probe.c");
    let program = directory.join("probe").to_str().expect("UTF-8").to_owned();
    let compiler = Command::new("gcc")
        .args(["-O2", "-static", "-o", &program, source])
        .output();
    match compiler {
        Err(error) => Err(format!("gcc: {error}")),
        Ok(output) if !output.status.success() => {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
        Ok(_) => Ok(program),
    }
}

// A case: installs its filter, then makes the call.

fn case(name: &str, args: &[String]) {
    let mkdir = |action: &str| {
        profile(
            "ALLOW",
            &format!(r#"{{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_{action}"}}"#),
        )
    };
    let path = Path::new(&args[0]);
    match name {
        "errno" => {
            install(&profile(
                "ALLOW",
                r#"{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":77}"#,
            ));
            assert_eq!(fs::create_dir(path).unwrap_err().raw_os_error(), Some(77));
        }
        "trace" => {
            install(&mkdir("TRACE"));
            assert_eq!(
                fs::create_dir(path).unwrap_err().raw_os_error(),
                Some(38),
                "no tracer: ENOSYS"
            );
        }
        "log" => {
            install(&mkdir("LOG"));
            made(path);
        }
        "argument" => {
            install(&profile(
                "ALLOW",
                r#"{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":78,"args":[{"index":1,"value":448,"op":"SCMP_CMP_EQ"}]},
                   {"names":["mkdirat"],"action":"SCMP_ACT_ERRNO","errnoRet":78,"args":[{"index":2,"value":448,"op":"SCMP_CMP_EQ"}]}"#,
            ));
            let denied = fs::DirBuilder::new().mode(0o700).create(path);
            assert_eq!(denied.unwrap_err().raw_os_error(), Some(78));
            made(path);
        }
        "kill" => killed_thread(&mkdir("KILL"), path),
        "kill_thread" => killed_thread(&mkdir("KILL_THREAD"), path),
        "kill_alone" => {
            install(&mkdir("KILL_THREAD"));
            made(path);
        }
        "kill_process" => {
            install(&mkdir("KILL_PROCESS"));
            start_thread(path);
            std::thread::sleep(Duration::from_secs(5));
        }
        "notify" => notify(path),
        "trap" => under(
            &profile("ALLOW", r#"{"names":["mount"],"action":"SCMP_ACT_TRAP"}"#),
            args,
        ),
        "newer" => under(&as_of_linux_5_1(), args),
        "x86" => under(
            &Profile {
                architectures: vec![Arch::X86],
                ..profile(
                    "ALLOW",
                    r#"{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":33}"#,
                )
            },
            args,
        ),
        "foreign" => under(&profile("ALLOW", ""), args),
        _ => panic!("no case {name}"),
    }
}

fn profile(default: &str, rules: &str) -> Profile {
    let json = format!(
        r#"{{"defaultAction":"SCMP_ACT_{default}","listenerPath":"/l","syscalls":[{rules}]}}"#
    );
    Profile::from_json(json.as_bytes()).unwrap()
}

/// Docker's profile without the calls that came after io_uring.
fn as_of_linux_5_1() -> Profile {
    let text = include_bytes!("data/docker.json");
    let mut profile = Profile::from_json(text).unwrap();
    for entry in &mut profile.syscalls {
        entry.names.retain(|name| {
            call_number(Target::native().0, name).is_some_and(|number| number <= 427)
        });
    }
    profile.syscalls.retain(|entry| !entry.names.is_empty());
    profile
}

fn compiled(profile: &Profile) -> Program {
    compile(profile, Target::native()).unwrap().unwrap()
}

fn install(profile: &Profile) -> Option<std::os::fd::OwnedFd> {
    let program = compiled(profile);
    let instructions: Vec<_> = program
        .instructions
        .iter()
        .map(|insn| kernel::seccomp::Insn {
            code: insn.code,
            jt: insn.jt,
            jf: insn.jf,
            k: insn.k,
        })
        .collect();
    kernel::process::set_no_new_privs().expect("set no_new_privs");
    set_mode_filter(program.flags, &instructions).expect("install the filter")
}

fn under(profile: &Profile, command: &[String]) {
    install(profile);
    let error = Command::new(&command[0]).args(&command[1..]).exec();
    panic!("{}: {error}", command[0]);
}

fn made(path: &Path) {
    fs::create_dir(path).expect("make the directory");
    fs::remove_dir(path).expect("remove the directory");
}

fn start_thread(path: &Path) {
    let path = path.to_owned();
    std::thread::spawn(move || made(&path));
}

/// The thread that makes the call is gone; this one goes on.
fn killed_thread(profile: &Profile, path: &Path) {
    install(profile);
    start_thread(path);
    std::thread::sleep(Duration::from_millis(300));
    assert!(!path.exists());
    assert_eq!(fs::read_dir("/proc/self/task").unwrap().count(), 1);
    exit(0);
}

/// One thread is filtered and makes calls; this one answers them.
fn notify(path: &Path) {
    let (send, listener) = mpsc::channel();
    let path = path.to_owned();
    let filtered = std::thread::spawn(move || {
        let rule = r#"{"names":["mkdir","mkdirat"],"action":"SCMP_ACT_NOTIFY"}"#;
        send.send(install(&profile("ALLOW", rule)).expect("a listener"))
            .unwrap();
        let failed = fs::create_dir(&path).unwrap_err();
        assert_eq!(failed.raw_os_error(), Some(71), "answered with an error");
        fs::create_dir(&path).expect("answered with a value");
        assert!(!path.exists(), "and not made");
        made(&path);
    });
    let listener = listener.recv().unwrap();
    let answers = [
        Answer::Fail(Errno::EPROTO),
        Answer::Return(0),
        Answer::Continue,
    ];
    for each in answers {
        let notification = receive(listener.as_fd()).expect("a notification");
        let name = seccomp::call_name(Target::native().0, notification.data.nr as u32);
        assert!(matches!(name, Some("mkdir" | "mkdirat")), "{name:?}");
        answer(listener.as_fd(), notification.id, each).expect("answer");
    }
    filtered.join().unwrap();
}
