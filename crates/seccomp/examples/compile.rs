//! Measures the compiler on profiles, beside libseccomp in the same run when
//! gcc and libseccomp-dev are there:
//!
//!     cargo run --release -p teu-seccomp --example compile -- PROFILE...
//!
//! Without arguments it takes the default profiles of Docker and podman from
//! the tests. Times are medians of 1001 compilations, libseccomp's of 21; the
//! path is the mean number of instructions that the kernel would run for calls
//! that programs make all the time.

#![allow(clippy::disallowed_methods, reason = "files that the caller names")]

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/common/libseccomp.rs"]
mod oracle;

use std::path::Path;
use std::time::{Duration, Instant};

use common::{Call, run};
use seccomp::{Arch, Insn, Profile, Target, compile};

const COMMON: [&str; 12] = [
    "read",
    "write",
    "openat",
    "close",
    "fstat",
    "mmap",
    "futex",
    "epoll_wait",
    "recvfrom",
    "sendto",
    "getpid",
    "clone",
];

fn main() {
    let directory = std::env::temp_dir().join(format!("teu-seccomp-{}", std::process::id()));
    std::fs::create_dir(&directory).expect("create a directory for the C program");
    measure(&directory);
    std::fs::remove_dir_all(&directory).expect("remove the C program");
}

fn measure(directory: &Path) {
    let libseccomp = oracle::Libseccomp::build("teu-libseccomp-oracle", directory)
        .map_err(|reason| println!("no libseccomp to compare with: {reason}"))
        .ok();
    let mut paths: Vec<String> = std::env::args().skip(1).collect();
    if paths.is_empty() {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
        paths = ["docker", "podman"]
            .map(|name| format!("{data}/{name}.json"))
            .to_vec();
    }
    println!(
        "{:<14} {:<22} {:>10} {:>13} {:>6}",
        "profile", "compiler", "time", "instructions", "path"
    );
    for path in paths {
        let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let profile = Profile::from_json(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
        let name = path.rsplit('/').next().unwrap_or(&path);
        ours(name, &text, &profile);
        if let Some(libseccomp) = &libseccomp {
            theirs(name, &profile, libseccomp);
        }
    }
}

fn ours(name: &str, text: &[u8], profile: &Profile) {
    let decode = median(1001, || {
        let start = Instant::now();
        std::hint::black_box(Profile::from_json(text).expect("it was read before"));
        start.elapsed()
    });
    let time = median(1001, || {
        let start = Instant::now();
        std::hint::black_box(compile(profile, Target::native()).expect("a valid profile"));
        start.elapsed()
    });
    let program = compile(profile, Target::native())
        .expect("a valid profile")
        .expect("a filter");
    line(name, "teu", time, &program.instructions);
    println!("{name:<14} {:<22} {decode:>10.1?}", "teu, JSON alone");
}

fn theirs(name: &str, profile: &Profile, libseccomp: &oracle::Libseccomp) {
    let mut archs = vec![Target::native().0];
    archs.extend(
        profile
            .architectures
            .iter()
            .filter(|arch| **arch != Target::native().0),
    );
    for optimize in [1, 2] {
        let sample = || {
            libseccomp
                .compile(std::slice::from_ref(profile), &archs, optimize)
                .remove(0)
        };
        match sample() {
            Err(error) => println!("{name:<14} libseccomp: {error}"),
            Ok(answer) => {
                let time = median(21, || {
                    Duration::from_nanos(sample().map_or(0, |answer| answer.nanoseconds))
                });
                line(
                    name,
                    &format!("libseccomp, optimize {optimize}"),
                    time,
                    &answer.instructions,
                );
            }
        }
    }
}

fn median(rounds: usize, sample: impl FnMut() -> Duration) -> Duration {
    let mut times: Vec<Duration> = std::iter::repeat_with(sample).take(rounds).collect();
    times.sort_unstable();
    times[rounds / 2]
}

fn line(name: &str, compiler: &str, time: Duration, instructions: &[Insn]) {
    let arch: Arch = Target::native().0;
    let steps: Vec<usize> = COMMON
        .iter()
        .filter_map(|name| seccomp::call_number(arch, name))
        .map(|number| {
            run(
                instructions,
                &Call {
                    arch,
                    number,
                    args: [0; 6],
                },
            )
            .1
        })
        .collect();
    let path = steps.iter().sum::<usize>() as f64 / steps.len() as f64;
    println!(
        "{name:<14} {compiler:<22} {time:>10.1?} {:>13} {path:>6.1}",
        instructions.len()
    );
}
