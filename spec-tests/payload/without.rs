//! Runs a program as on an older kernel, or inside a container whose seccomp profile is older than the kernel: some
//! system calls fail.

use crate::syscall::{self, call};
use std::os::unix::process::CommandExt;

/// Calls that came with Linux 5.2 or later. Their numbers are the same on every architecture.
const CALLS: [(&str, u32); 13] = [
    ("open_tree", 428),
    ("move_mount", 429),
    ("fsopen", 430),
    ("fsconfig", 431),
    ("fsmount", 432),
    ("fspick", 433),
    ("pidfd_open", 434),
    ("clone3", 435),
    ("close_range", 436),
    ("openat2", 437),
    ("pidfd_getfd", 438),
    ("faccessat2", 439),
    ("mount_setattr", 442),
];

/// One instruction of classic BPF (linux/filter.h).
#[repr(C)]
struct Instruction {
    code: u16,
    jt: u8,
    jf: u8,
    k: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

/// `without ENOSYS|EPERM NAME+NAME... PROGRAM ARGS`
pub fn run(args: &[String]) -> ! {
    let [errno, names, program, args @ ..] = args else {
        std::process::exit(98)
    };
    if let Err(error) = install(errno, names) {
        eprintln!("payload: without {errno} {names}: {error}");
        std::process::exit(97)
    }
    let error = std::process::Command::new(program).args(args).exec();
    eprintln!("payload: {program}: {error}");
    std::process::exit(97)
}

fn install(errno: &str, names: &str) -> Result<(), String> {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const RET_ALLOW: u32 = 0x7fff_0000;
    const RET_ERRNO: u32 = 0x0005_0000;
    const SET_MODE_FILTER: usize = 1;
    let errno = match errno {
        "ENOSYS" => 38,
        "EPERM" => 1,
        other => return Err(format!("{other} is neither ENOSYS nor EPERM")),
    };
    let numbers = names
        .split('+')
        .map(|name| {
            let found = CALLS.iter().find(|(known, _)| *known == name);
            found
                .map(|(_, number)| *number)
                .ok_or(format!("no call {name}"))
        })
        .collect::<Result<Vec<u32>, String>>()?;
    let one = |code, jt, k| Instruction { code, jt, jf: 0, k };
    let mut filter = vec![one(LOAD_NUMBER, 0, 0)];
    for (i, number) in numbers.iter().enumerate() {
        // Past the other comparisons and the return that allows.
        filter.push(one(JUMP_EQUAL, (numbers.len() - i) as u8, *number));
    }
    filter.push(one(RETURN, 0, RET_ALLOW));
    filter.push(one(RETURN, 0, RET_ERRNO | errno));
    let program = Program {
        length: filter.len() as u16,
        instructions: filter.as_ptr(),
    };
    let args = [SET_MODE_FILTER, 0, std::ptr::from_ref(&program) as usize];
    call(syscall::SECCOMP, &args)
        .map(drop)
        .map_err(|errno| format!("seccomp: errno {errno}"))
}
