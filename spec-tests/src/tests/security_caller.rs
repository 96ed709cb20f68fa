//! What the caller has, and did not mean to share: its environment, the files on its standard streams, its terminal, its state directory, and what it is
//! while it works beside a hostile container.

use crate::config::{add_mount, grant, remove_namespace, set_namespace, use_user_namespace};
use crate::host::Need;
use crate::sentinel::Sentinel;
use crate::table::Table;
use crate::terminal::ConsoleSocket;
use crate::{check, check_eq};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use serde_json::json;
use std::fs;
use std::os::unix::fs::{chown, symlink};

/// Adds the group.
pub fn add(t: &mut Table) {
    t.group("security");
    streams(t);
    state(t);
    image(t);
    neighbour(t);
}

fn streams(t: &mut Table) {
    t.add(
        "caller-environment",
        "CVE-2025-23266 class: a created process does not show the environment of the runtime's caller, which the container could read",
        |c| {
            c.args(&["pause"]);
            c.write_config()?;
            let (id, bundle, pid) = (
                c.id(),
                c.bundle().to_string_lossy().into_owned(),
                c.pid_file().to_string_lossy().into_owned(),
            );
            let args = ["create", "--bundle", &bundle, "--pid-file", &pid, &id];
            let running = c
                .command(&args)?
                .env("TOKEN_OF_THE_CALLER", "secret")
                .spawn()?;
            running.wait()?.success()?;
            let environment = fs::read(format!("/proc/{}/environ", c.pid()?))?;
            let environment = String::from_utf8_lossy(&environment);
            check!(
                !environment.contains("TOKEN_OF_THE_CALLER"),
                "the created process has {environment:?}"
            );
            c.destroy()
        },
    );
    t.add(
        "stdin-file-stays-the-hosts",
        "a file that the caller opened for reading is not given to the container's user, who could then write to it",
        |c| {
            let sentinel = Sentinel::new(c)?;
            c.config["process"]["user"] = json!({"uid": 1000, "gid": 1000});
            c.args(&["exit", "0"]);
            c.write_config()?;
            let (id, bundle) = (c.id(), c.bundle().to_string_lossy().into_owned());
            let file = fs::File::open(sentinel.dir.join("file"))?;
            c.command(&["create", "--bundle", &bundle, &id])?
                .stdin(file)
                .spawn()?
                .wait()?
                .success()?;
            c.destroy()?;
            sentinel.unchanged()
        },
    )
    .needs(&[Need::Root])
    .justified("other runtimes give it away");
    t.add(
        "escape-sequences",
        "what an image or a configuration is called cannot command the terminal of who reads the error",
        |c| {
            for name in ["/bin/\u{1b}]0;title\u{7}", "\u{1b}[2J", "/\u{9b}31m"] {
                c.config["process"]["args"] = json!([name]);
                let output = c.try_run_with(&[])?.failure()?;
                check!(
                    !output.stderr.contains(['\u{1b}', '\u{7}', '\u{9b}']),
                    "{:?}",
                    output.stderr
                );
            }
            Ok(())
        },
    );
}

fn state(t: &mut Table) {
    t.add(
        "state-of-another-user",
        "a state directory that belongs to another user is not acted upon: it could name any process, cgroup and hook",
        |c| {
            let pid = c.launch(&["pause"])?;
            let (id, dir) = (c.id(), c.state_dir().join(c.id()));
            chown(&dir, Some(1234), Some(1234))?;
            let mut done = Vec::new();
            for args in [
                vec!["state", &id],
                vec!["kill", &id, "KILL"],
                vec!["delete", "--force", &id],
                vec!["exec", &id, "/payload", "exit", "0"],
            ] {
                if c.call(&args)?.code == Some(0) {
                    done.push(args[0]);
                }
            }
            let alive = fs::exists(format!("/proc/{pid}/ns"))?;
            if dir.exists() {
                chown(&dir, Some(0), Some(0))?;
            }
            check!(done.is_empty(), "did {done:?}");
            check!(alive, "the container's process is gone");
            c.destroy()
        },
    )
    .needs(&[Need::Root])
    .justified("other runtimes believe it");
    t.add(
        "state-link",
        "a link in the place of a container's state is not followed",
        |c| {
            let sentinel = Sentinel::new(c)?;
            let root = c.state_dir();
            fs::create_dir_all(&root)?;
            let id = c.id();
            symlink(&sentinel.dir, root.join(&id))?;
            for args in [vec!["state", &id], vec!["delete", "--force", &id]] {
                let _ = c.call(&args)?;
            }
            let _ = c.try_run(&["exit", "0"])?;
            let left = fs::remove_file(root.join(&id));
            sentinel.unchanged()?;
            check!(left.is_ok(), "the link is gone");
            Ok(())
        },
    );
}

fn image(t: &mut Table) {
    for name in ["proc", "sys"] {
        t.add(
            format!("cve-2023-27561-bind-{name}"),
            "CVE-2023-27561, CVE-2019-19921: also a host's /proc or /sys that is bound goes on no link, behind which somebody could exchange it",
            move |c| {
                let volume = c.dir.join("shared");
                fs::create_dir_all(volume.join("fake"))?;
                let destination = format!("/{name}");
                if let Some(mounts) = c.config["mounts"].as_array_mut() {
                    mounts.retain(|m| {
                        m["destination"]
                            .as_str()
                            .is_none_or(|d| d != destination && !d.starts_with(&format!("{destination}/")))
                    });
                }
                add_mount(
                    &mut c.config,
                    "/data",
                    "bind",
                    &volume.to_string_lossy(),
                    &["rbind"],
                );
                add_mount(&mut c.config, &destination, "bind", &destination, &["rbind"]);
                let path = c.rootfs().join(name);
                let _ = fs::remove_dir(&path);
                symlink("/data/fake", &path)?;
                c.args(&["exit", "0"]);
                c.create_fails().map(|_| ())
            },
        )
        .needs(&[Need::Root])
        .justified("other runtimes follow it");
    }
    t.add(
        "cve-2025-52565-fake-devpts",
        "CVE-2025-52565 class: what an image has in the place of the terminal's master is not even opened, which can have effects",
        |c| {
            c.without_dev_mount();
            let folder = c.rootfs().join("dev/pts");
            fs::create_dir_all(&folder)?;
            let fifo = folder.join("ptmx");
            let mode = rustix::fs::Mode::from_raw_mode(0o666);
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &fifo,
                rustix::fs::FileType::Fifo,
                mode,
                0,
            )?;
            let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            inotify::add_watch(&watch, &fifo, WatchFlags::OPEN)?;
            c.config["process"]["terminal"] = json!(true);
            c.args(&["exit", "0"]);
            let socket = ConsoleSocket::bind(&c.dir)?;
            let path = socket.path.to_string_lossy().into_owned();
            let output = c.try_create_with(&["--console-socket", &path])?;
            check!(output.code != Some(0), "a pipe was taken for a terminal");
            let mut events = [0; 256];
            let opened = rustix::io::read(&watch, &mut events).is_ok();
            check!(!opened, "the pipe was opened");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .justified("other runtimes open it");
}

fn neighbour(t: &mut Table) {
    t.add(
        "cve-2016-9962-shared-pids",
        "CVE-2016-9962: root of a user namespace that may trace finds no way to the host in what is made in its pid namespace",
        |c| {
            // The owner of the processes is the same inside and outside, as for an ordinary user: only "not dumpable" is between them.
            use_user_namespace(&mut c.config, 0);
            grant(&mut c.config, &["CAP_SYS_PTRACE"]);
            let target = c.dir.join("sentinel/file");
            let pid = c.launch(&["prey", &target.to_string_lossy(), "/data/stop"])?;
            let second = c.dir.join("second");
            let state = c.state_dir();
            for kind in ["user", "pid"] {
                set_namespace(&mut c.config, kind, Some(&format!("/proc/{pid}/ns/{kind}")));
            }
            if let Some(linux) = c.config["linux"].as_object_mut() {
                linux.remove("uidMappings");
                linux.remove("gidMappings");
            }
            remove_namespace(&mut c.config, "network");
            c.config["linux"]["cgroupsPath"] = json!(format!("/spectest-second-{}", c.id()));
            c.config["process"]["args"] = json!(["/payload", "exit", "0"]);
            fs::create_dir_all(&second)?;
            c.config["root"]["path"] = json!(c.rootfs());
            fs::write(second.join("config.json"), c.config.to_string())?;
            let (bundle, state) = (
                second.to_string_lossy().into_owned(),
                state.to_string_lossy().into_owned(),
            );
            let id = format!("{}-second", c.id());
            let (mut made, mut last) = (0, String::new());
            for _ in 0..if c.full { 200 } else { 40 } {
                // Held for a moment it may be slow, and a debugger may end it.
                let output = c.bare_command(&["--root", &state, "run", "--bundle", &bundle, &id])?.run()?;
                made += usize::from(output.code == Some(0));
                last = output.stderr;
                let _ = c.call(&["delete", "--force", &id])?;
            }
            let report = super::security_attack::report(c)?;
            check!(made > 0, "no second container could be made: {last}");
            check_eq!(report["hits"], json!([]), "ways to the host");
            Ok(())
        },
    )
    .needs(&[Need::Root])
    .seconds(120);
}
