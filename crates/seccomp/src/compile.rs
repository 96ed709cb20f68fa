//! From the profile to the program.

use crate::emit::{RETURN, emit};
use crate::graph::{Graph, NodeId, Run, Test, Word, extend};
use crate::rules::{Clause, Clauses, Rules, in_order};
use crate::table::{self, X32_BIT};
use crate::{Action, Arch, Error, Flag, Profile, Program, Target, Verdict};

/// Compiles a profile for a machine: [`Target::native`] for this one.
///
/// `None` means that the profile asks for no filter: it has neither a default
/// action nor rules.
///
/// # Errors
/// A profile that contradicts itself or that the kernel could not run, naming
/// the field.
pub fn compile(profile: &Profile, target: Target) -> Result<Option<Program>, Error> {
    let Some(mut rules) = Rules::new(profile, target)? else {
        return Ok(None);
    };
    let mut graph = Graph::new();
    let root = filter(&mut graph, &rules);
    let instructions = emit(&graph, root)?;
    let notify = instructions
        .iter()
        .any(|insn| insn.code == RETURN && Verdict(insn.k).action() == Action::Notify);
    let mut warnings = std::mem::take(&mut rules.warnings);
    let flags = flags(profile, notify, &mut warnings);
    Ok(Some(Program {
        instructions,
        flags,
        notify,
        listener_path: profile
            .listener_path
            .clone()
            .filter(|path| !path.is_empty()),
        listener_metadata: profile.listener_metadata.clone(),
        warnings,
    }))
}

/// Which interface, then which call, then which arguments.
fn filter(graph: &mut Graph, rules: &Rules) -> NodeId {
    let mut next = graph.verdict(Verdict::FOREIGN);
    let mut clauses = Clauses::default();
    // The first test is the last one built: the machine's own interface.
    for &arch in rules.archs.iter().rev() {
        let other = match arch {
            Arch::X32 if rules.archs.contains(&Arch::X86_64) => continue,
            Arch::X86_64 => rules.archs.contains(&Arch::X32).then_some(Arch::X32),
            _ => None,
        };
        let calls = calls(graph, rules, &mut clauses, arch, other);
        next = graph.branch(Word::ARCH, Test::Equal, arch.audit(), calls, next);
    }
    next
}

/// The decision for every number of an interface, and of x32 beside x86-64.
fn calls<'a>(
    graph: &mut Graph,
    rules: &'a Rules<'a>,
    clauses: &mut Clauses<'a>,
    arch: Arch,
    x32: Option<Arch>,
) -> NodeId {
    let foreign = graph.verdict(Verdict::FOREIGN);
    let default = graph.verdict(rules.default);
    let mut runs = Vec::with_capacity(512);
    let mut numbers = |runs: &mut Vec<_>, arch, base| {
        rules.clauses(arch, clauses);
        numbers(graph, rules, clauses, arch, runs, base);
    };
    match arch {
        Arch::X86_64 => {
            numbers(&mut runs, arch, 0);
            match x32 {
                Some(x32) => numbers(&mut runs, x32, X32_BIT),
                None => {
                    extend(&mut runs, X32_BIT, foreign);
                    // Not a call: what a tracer leaves that skips one.
                    extend(&mut runs, u32::MAX, default);
                }
            }
        }
        Arch::X32 => {
            extend(&mut runs, 0, foreign);
            numbers(&mut runs, arch, X32_BIT);
        }
        _ => numbers(&mut runs, arch, 0),
    }
    weigh(arch, &mut runs);
    graph.search(Word::NUMBER, &runs)
}

/// Appends the decisions for the numbers from `base` on.
fn numbers(
    graph: &mut Graph,
    rules: &Rules,
    clauses: &Clauses,
    arch: Arch,
    runs: &mut Vec<Run<u32>>,
    base: u32,
) {
    let default = graph.verdict(rules.default);
    extend(runs, base, default);
    let newest = rules.newest(arch);
    if newest.is_some() && matches!(arch, Arch::S390 | Arch::S390x) {
        // The kernel shows a number beyond its own table as 0, which is setup(2)
        // and long gone.
        let no_such_call = graph.verdict(Verdict::NO_SUCH_CALL);
        extend(runs, 0, no_such_call);
        extend(runs, 1, default);
    }
    for (first, call) in clauses.by_call() {
        let node = call_node(graph, first, call, arch, default);
        extend(runs, first.number, node);
        extend(runs, first.number + 1, default);
    }
    if let Some(newest) = newest {
        let no_such_call = graph.verdict(Verdict::NO_SUCH_CALL);
        extend(runs, newest + 1, no_such_call);
    }
}

fn call_node<'a>(
    graph: &mut Graph,
    first: Clause,
    call: impl Iterator<Item = Clause<'a>>,
    arch: Arch,
    default: NodeId,
) -> NodeId {
    // Most calls have one rule without conditions, and nothing to order.
    if first.is_plain() {
        return graph.verdict(first.verdict());
    }
    let rules: Vec<_> = in_order(call, arch)
        .into_iter()
        .map(|(clause, conditions)| (graph.verdict(clause.verdict()), conditions))
        .collect();
    graph.rules(arch, &rules, default)
}

/// Calls that programs make all the time. Kernels since 5.11 remember which
/// calls a filter always allows and run it for the others only; older ones run
/// it every time.
const COMMON: [&str; 24] = [
    "read",
    "write",
    "close",
    "openat",
    "fstat",
    "newfstatat",
    "lseek",
    "mmap",
    "munmap",
    "brk",
    "ioctl",
    "futex",
    "epoll_wait",
    "epoll_pwait",
    "epoll_ctl",
    "poll",
    "recvfrom",
    "sendto",
    "recvmsg",
    "sendmsg",
    "accept4",
    "clock_nanosleep",
    "rt_sigprocmask",
    "getpid",
];

fn weigh(arch: Arch, runs: &mut [Run<u32>]) {
    for number in COMMON.iter().filter_map(|name| table::number(arch, name)) {
        let run = runs.partition_point(|run| run.start <= number) - 1;
        runs[run].weight += 4;
    }
}

// linux/seccomp.h
const FILTER_FLAG_LOG: u64 = 1 << 1;
const FILTER_FLAG_SPEC_ALLOW: u64 = 1 << 2;
const FILTER_FLAG_NEW_LISTENER: u64 = 1 << 3;
const FILTER_FLAG_WAIT_KILLABLE_RECV: u64 = 1 << 5;

fn flags(profile: &Profile, notify: bool, warnings: &mut Vec<String>) -> u64 {
    let asked = profile.flags.as_deref().unwrap_or(&[Flag::SpecAllow]);
    let mut flags = if notify { FILTER_FLAG_NEW_LISTENER } else { 0 };
    for flag in asked {
        flags |= match flag {
            // The process that installs the filter has one thread.
            Flag::Tsync => 0,
            Flag::Log => FILTER_FLAG_LOG,
            Flag::SpecAllow => FILTER_FLAG_SPEC_ALLOW,
            Flag::WaitKillableRecv if notify => FILTER_FLAG_WAIT_KILLABLE_RECV,
            Flag::WaitKillableRecv => {
                warnings.push(format!(
                    "ignoring {flag} of /flags: no rule notifies, and the kernel would refuse it"
                ));
                0
            }
        };
    }
    flags
}
