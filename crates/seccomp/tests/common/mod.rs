//! What several test programs need: an interpreter of filters, random numbers,
//! profiles from short text, and a reader of a profile that is not the compiler.

#![allow(dead_code)] // each test program uses its own part

use seccomp::{Action, Arch, Arg, Insn, Operator, Profile, Syscall};

/// One system call as a filter sees it: `struct seccomp_data` without the
/// instruction pointer, which no profile speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    pub arch: Arch,
    pub number: u32,
    pub args: [u64; 6],
}

impl Call {
    fn word(&self, offset: u32) -> u32 {
        match offset {
            0 => self.number,
            4 => self.arch.audit(),
            16..64 if offset % 4 == 0 => {
                let arg = self.args[(offset as usize - 16) / 8];
                let second = offset % 8 == 4;
                if second == self.arch.is_big_endian() {
                    arg as u32
                } else {
                    (arg >> 32) as u32
                }
            }
            _ => panic!("load of offset {offset}"),
        }
    }
}

/// Runs a filter: what it returns, and after how many instructions. Panics on
/// whatever the kernel would refuse.
pub fn run(program: &[Insn], call: &Call) -> (u32, usize) {
    let (mut at, mut accumulator, mut steps) = (0, 0u32, 0);
    loop {
        let Insn { code, jt, jf, k } = program[at];
        at += 1;
        steps += 1;
        let branch = |holds: bool| usize::from(if holds { jt } else { jf });
        match code {
            0x20 => accumulator = call.word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => at += branch(accumulator == k),
            0x25 => at += branch(accumulator > k),
            0x35 => at += branch(accumulator >= k),
            0x45 => at += branch(accumulator & k != 0),
            0x06 => return (k, steps),
            _ => panic!("operation {code:#x}"),
        }
    }
}

/// xorshift64*: enough for tests, the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.next() as usize % bound
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

/// Values around which comparisons tend to go wrong.
pub const EDGES: [u64; 14] = [
    0,
    1,
    2,
    5,
    8,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fffe,
    0xffff_ffff,
    0x1_0000_0000,
    0x1_0000_0001,
    0x5_0000_0005,
    0xffff_ffff_0000_0000,
    u64::MAX,
];

pub fn condition(random: &mut Random, index: u32) -> Arg {
    let op = random.pick(Operator::ALL);
    let mut value = random.pick(&EDGES);
    let mut value_two = 0;
    if op == Operator::MaskedEq {
        value = random.pick(&[
            1,
            7,
            0xff,
            0x7e02_0000,
            0xffff_ffff,
            0xffff_ffff_0000_0000,
            0x1_0000_0001,
            u64::MAX,
        ]);
        value_two = random.pick(&EDGES);
    }
    Arg {
        index,
        value,
        value_two,
        op,
    }
}

/// An entry for a few names, each with a few conditions.
pub fn entry(random: &mut Random, names: &[&str], actions: &[Action], most: usize) -> Syscall {
    let action = random.pick(actions);
    let args = (0..random.below(most + 1))
        .map(|_| random.below(6) as u32)
        .collect::<Vec<_>>();
    Syscall {
        names: (0..1 + random.below(3))
            .map(|_| random.pick(names).to_owned())
            .collect(),
        action,
        errno_ret: matches!(action, Action::Errno | Action::Trace)
            .then(|| 1 + random.below(4) as u32),
        args: args
            .into_iter()
            .map(|index| condition(random, index))
            .collect(),
    }
}

/// An argument near one that the profile speaks of, so that conditions hold
/// and fail about equally often.
pub fn argument(random: &mut Random, profile: &Profile) -> u64 {
    let values: Vec<u64> = profile
        .syscalls
        .iter()
        .flat_map(|s| &s.args)
        .flat_map(|arg| [arg.value, arg.value_two])
        .collect();
    let value = if values.is_empty() || random.below(4) == 0 {
        random.pick(&EDGES)
    } else {
        random.pick(&values)
    };
    match random.below(4) {
        0 => value.wrapping_add(1),
        1 => value.wrapping_sub(1),
        _ => value,
    }
}

/// `SECCOMP_RET_*` of an action (linux/seccomp.h), written down once more.
pub fn ret(action: Action, data: Option<u32>) -> u32 {
    let data = data.unwrap_or(1);
    match action {
        Action::KillProcess => 0x8000_0000,
        Action::Kill | Action::KillThread => 0,
        Action::Trap => 0x0003_0000,
        Action::Errno => 0x0005_0000 + data,
        Action::Notify => 0x7fc0_0000,
        Action::Trace => 0x7ff0_0000 + data,
        Action::Log => 0x7ffc_0000,
        Action::Allow => 0x7fff_0000,
    }
}

/// Whether a condition holds, as the specification words it.
pub fn holds(arg: &Arg, call: &Call) -> bool {
    let width = if call.arch.is_32_bit() {
        0xffff_ffff
    } else {
        u64::MAX
    };
    let (actual, value, two) = (
        call.args[arg.index as usize] & width,
        arg.value & width,
        arg.value_two & width,
    );
    match arg.op {
        Operator::Ne => actual != value,
        Operator::Lt => actual < value,
        Operator::Le => actual <= value,
        Operator::Eq => actual == value,
        Operator::Ge => actual >= value,
        Operator::Gt => actual > value,
        Operator::MaskedEq => actual & value == two & value,
    }
}

/// Whether an entry of the profile matches a call by name and arguments.
pub fn matches(entry: &Syscall, call: &Call) -> bool {
    let named = entry
        .names
        .iter()
        .any(|name| seccomp::call_number(call.arch, name) == Some(call.number));
    let repeats =
        (0..6).any(|index| entry.args.iter().filter(|arg| arg.index == index).count() > 1);
    let mut conditions = entry.args.iter().map(|arg| holds(arg, call));
    named
        && if repeats {
            conditions.any(|holds| holds)
        } else {
            conditions.all(|holds| holds)
        }
}

pub fn default_ret(profile: &Profile) -> u32 {
    ret(
        profile
            .default_action
            .expect("test profiles have a default"),
        profile.default_errno_ret,
    )
}

/// Everything that the rules which match a call answer; the default's answer
/// if none does. More than one answer means that rules contradict each other.
pub fn answers(profile: &Profile, call: &Call) -> Vec<u32> {
    let default = default_ret(profile);
    let mut answers: Vec<u32> = profile
        .syscalls
        .iter()
        .filter(|entry| matches(entry, call))
        .map(|entry| ret(entry.action, entry.errno_ret))
        .filter(|answer| *answer != default)
        .collect();
    answers.sort_unstable();
    answers.dedup();
    if answers.is_empty() {
        vec![default]
    } else {
        answers
    }
}

/// The highest number among the profile's calls, if calls beyond it are
/// answered ENOSYS.
pub fn newest(profile: &Profile, arch: Arch) -> Option<u32> {
    let action = profile.default_action?;
    if matches!(action, Action::Allow | Action::Log | Action::Trace) {
        return None;
    }
    let names = profile.syscalls.iter().flat_map(|entry| &entry.names);
    names
        .filter_map(|name| seccomp::call_number(arch, name))
        .max()
}

pub fn data(name: &str) -> Profile {
    let path = format!("{}/tests/data/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    Profile::from_json(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}
