//! Measures what a filter costs the calls that pass it, and how long the kernel
//! takes to install it: no filter, ours, libseccomp's, in one run.
//!
//!     cargo run --release -p teu-seccomp --example overhead [-- PROFILE]
//!
//! Each filter lives in a thread of its own. Rounds of all filters alternate,
//! the figures are medians.

#![allow(clippy::disallowed_methods, reason = "files that the caller names")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/libseccomp.rs"]
mod oracle;

use std::fs::File;
use std::hint::black_box;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use seccomp::{Insn, Profile, Target, compile};

const ROUNDS: usize = 51;
const CALLS: u32 = 20_000;

/// What is timed: a name, how often, and the call.
type Work = (&'static str, u32, fn());

const WORK: [Work; 3] = [
    ("getppid", CALLS, || {
        _ = black_box(std::os::unix::process::parent_id())
    }),
    ("openat + close", CALLS / 4, || {
        _ = black_box(File::open("/dev/null"))
    }),
    // Its flags are compared: not a call that the kernel can remember.
    ("clone (thread)", CALLS / 200, || {
        _ = std::thread::spawn(|| ()).join()
    }),
];

fn main() {
    let docker = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/docker.json");
    let path = std::env::args().nth(1).unwrap_or_else(|| docker.to_owned());
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let profile = Profile::from_json(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let ours = compile(&profile, Target::native())
        .expect("a valid profile")
        .expect("a filter");

    let mut filters = vec![("no filter", None), ("teu", Some(ours.instructions))];
    let directory = std::env::temp_dir().join(format!("teu-seccomp-{}", std::process::id()));
    std::fs::create_dir(&directory).expect("create a directory for the C program");
    match oracle::Libseccomp::build("oracle", &directory) {
        Err(reason) => println!("no libseccomp to compare with: {reason}"),
        Ok(libseccomp) => {
            let mut archs = vec![Target::native().0];
            archs.extend(
                profile
                    .architectures
                    .iter()
                    .filter(|arch| **arch != Target::native().0),
            );
            for (name, optimize) in [("libseccomp", 1), ("libseccomp, tree", 2)] {
                let answer = libseccomp
                    .compile(std::slice::from_ref(&profile), &archs, optimize)
                    .remove(0);
                filters.push((name, Some(answer.expect("a filter").instructions)));
            }
        }
    }
    std::fs::remove_dir_all(&directory).expect("remove the C program");
    measure(filters);
}

fn measure(filters: Vec<(&'static str, Option<Vec<Insn>>)>) {
    let workers: Vec<_> = filters
        .into_iter()
        .map(|(name, filter)| {
            let (requests, inbox) = channel::<(Work, Sender<Duration>)>();
            let (report, installed) = channel();
            std::thread::spawn(move || {
                report.send(install(filter)).expect("the main thread waits");
                for ((_, times, call), reply) in inbox {
                    let start = Instant::now();
                    (0..times).for_each(|_| call());
                    reply
                        .send(start.elapsed() / times)
                        .expect("the main thread waits");
                }
            });
            (
                name,
                requests,
                installed.recv().expect("the thread reports"),
            )
        })
        .collect();
    for (name, _, installed) in &workers {
        println!("{name:<18} install {installed:>10.1?}");
    }
    for work in WORK {
        let mut times = vec![Vec::new(); workers.len()];
        for _ in 0..ROUNDS {
            for (at, (_, requests, _)) in workers.iter().enumerate() {
                let (reply, answer) = channel();
                requests.send((work, reply)).expect("the thread listens");
                times[at].push(answer.recv().expect("the thread answers"));
            }
        }
        for ((name, ..), times) in workers.iter().zip(&mut times) {
            times.sort_unstable();
            println!("{name:<18} {:<15} {:>10.1?}", work.0, times[ROUNDS / 2]);
        }
    }
}

fn install(filter: Option<Vec<Insn>>) -> Duration {
    let Some(filter) = filter else {
        return Duration::ZERO;
    };
    let instructions: Vec<_> = filter
        .iter()
        .map(|insn| kernel::seccomp::Insn {
            code: insn.code,
            jt: insn.jt,
            jf: insn.jf,
            k: insn.k,
        })
        .collect();
    kernel::process::set_no_new_privs().expect("set no_new_privs");
    let start = Instant::now();
    // SPEC_ALLOW, as by default in containers.
    kernel::seccomp::set_mode_filter(1 << 2, &instructions).expect("install the filter");
    start.elapsed()
}
