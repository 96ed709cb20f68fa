//! A profile checked, and its rules in the order in which they decide.

use std::cmp::Reverse;

use crate::table::Name;
use crate::{Action, Arch, Arg, Error, Operator, Profile, Target, Verdict};

/// A profile that can be compiled.
pub(crate) struct Rules<'a> {
    pub default: Verdict,
    /// The interfaces to filter, each once, those of the machine only.
    pub archs: Vec<Arch>,
    pub warnings: Vec<String>,
    named: Vec<Named<'a>>,
}

/// One name of one entry of `syscalls`.
struct Named<'a> {
    text: &'a str,
    name: Name,
    rule: usize,
    verdict: Verdict,
    args: &'a [Arg],
}

/// Conditions that must all hold for a rule to decide on one call.
#[derive(Clone, Copy)]
pub(crate) struct Clause<'a> {
    /// The call's number.
    pub number: u32,
    named: &'a Named<'a>,
    /// The condition that is a rule of its own; `None`: all of them together.
    alone: Option<u32>,
    /// The call is one of those that socketcall(2) or ipc(2) bundles: the
    /// first argument selects it and takes the place of its own.
    selector: Option<u8>,
}

/// Every clause for an interface. Their memory is used again for the next.
#[derive(Default)]
pub(crate) struct Clauses<'a> {
    all: Vec<Clause<'a>>,
    order: Vec<u32>,
}

impl<'a> Rules<'a> {
    /// Checks a profile; `None` if it asks for no filter at all.
    pub fn new(profile: &'a Profile, target: Target) -> Result<Option<Self>, Error> {
        let Some(action) = profile.default_action else {
            if profile.syscalls.is_empty() {
                return Ok(None);
            }
            return Err(Error::new(
                "/defaultAction",
                "missing, though there are rules",
            ));
        };
        if action == Action::Notify {
            let message =
                "SCMP_ACT_NOTIFY cannot be the default: the runtime could not reach the listener";
            return Err(Error::new("/defaultAction", message));
        }
        let mut warnings = Vec::new();
        let default = verdict(action, profile.default_errno_ret, || {
            "/defaultErrnoRet".into()
        })?;
        let names = profile.syscalls.iter().map(|entry| entry.names.len());
        let mut rules = Self {
            default,
            archs: archs(profile, target, &mut warnings),
            named: Vec::with_capacity(names.sum()),
            warnings,
        };
        let mut unknown = Vec::new();
        for rule in 0..profile.syscalls.len() {
            rules.add(profile, rule, &mut unknown)?;
        }
        if !unknown.is_empty() {
            let names = unknown.join(", ");
            rules.warnings.push(format!(
                "skipping system calls that no architecture has: {names}"
            ));
        }
        if profile.listener_metadata.is_some() && profile.listener_path.is_none() {
            rules
                .warnings
                .push("ignoring /listenerMetadata: there is no /listenerPath".into());
        }
        Ok(Some(rules))
    }

    fn add(
        &mut self,
        profile: &'a Profile,
        rule: usize,
        unknown: &mut Vec<&'a str>,
    ) -> Result<(), Error> {
        let entry = &profile.syscalls[rule];
        let pointer = || format!("/syscalls/{rule}/errnoRet");
        let verdict = verdict(entry.action, entry.errno_ret, pointer)?;
        if let Some(arg) = entry.args.iter().position(|arg| arg.index > 5) {
            let message = format!(
                "{} is not an argument: calls have arguments 0 to 5",
                entry.args[arg].index
            );
            return Err(Error::new(
                format!("/syscalls/{rule}/args/{arg}/index"),
                message,
            ));
        }
        if entry.action == Action::Notify {
            check_notify(profile, rule)?;
        }
        if entry.names.is_empty() {
            let pointer = format!("/syscalls/{rule}/names");
            return Err(Error::new(
                pointer,
                "a rule must name at least one system call",
            ));
        }
        let mut last = None;
        for text in &entry.names {
            match Name::find_after(last, text) {
                Some(name) => {
                    last = Some(name);
                    self.named.push(Named {
                        text,
                        name,
                        rule,
                        verdict,
                        args: &entry.args,
                    });
                }
                None => unknown.push(text),
            }
        }
        Ok(())
    }

    /// The highest number on `arch` among the calls that the profile names. A
    /// call beyond it did not exist when the profile was written: denying it as
    /// if it were forbidden would keep programs from falling back to older calls.
    /// `None` if the default lets calls pass or there is no such number.
    pub fn newest(&self, arch: Arch) -> Option<u32> {
        use Action::{Errno, Kill, KillProcess, KillThread, Trap};
        matches!(
            self.default.action(),
            Errno | Kill | KillProcess | KillThread | Trap
        )
        .then(|| {
            self.named
                .iter()
                .filter_map(|named| named.name.number(arch))
                .max()
        })
        .flatten()
    }

    /// Every clause for `arch`.
    pub fn clauses(&'a self, arch: Arch, clauses: &mut Clauses<'a>) {
        clauses.all.clear();
        // And some for calls that are bundled, and for conditions that are rules of their own.
        clauses.all.reserve(self.named.len() + 64);
        // A rule equal to the default adds nothing, and hides no other rule.
        for named in self
            .named
            .iter()
            .filter(|named| named.verdict != self.default)
        {
            let direct = named.name.number(arch).map(|number| (number, None));
            let bundled = arch
                .bundled(named.text)
                .map(|(number, selector)| (number, Some(selector)));
            for (number, selector) in direct.into_iter().chain(bundled) {
                for alone in alternatives(named.args) {
                    clauses.all.push(Clause {
                        number,
                        named,
                        alone,
                        selector,
                    });
                }
            }
        }
        clauses.sort();
    }
}

/// Numbers that are not further apart than this are sorted by counting.
const DENSE: usize = 8192;

impl<'a> Clauses<'a> {
    /// The clauses of each call, by number: the first, and all in the order of the profile.
    pub fn by_call(&self) -> impl Iterator<Item = (Clause<'a>, impl Iterator<Item = Clause<'a>>)> {
        let clause = |at: &u32| self.all[*at as usize];
        self.order
            .chunk_by(move |left, right| clause(left).number == clause(right).number)
            .map(move |call| (clause(&call[0]), call.iter().map(clause)))
    }

    /// Those of one call.
    pub fn of_call(&self, number: u32) -> impl Iterator<Item = Clause<'a>> {
        let all = self.all.iter().copied();
        all.filter(move |clause| clause.number == number)
    }

    /// The numbers of an interface lie side by side, so as many counters as there are numbers do in one pass what comparisons do in ten; arm's
    /// private calls lie apart.
    fn sort(&mut self) {
        let least = self.all.iter().map(|clause| clause.number).min();
        let place = |clause: &Clause| (clause.number - least.unwrap_or(0)) as usize;
        let width = 1 + self.all.iter().map(place).max().unwrap_or(0);
        self.order.clear();
        self.order.extend(0..self.all.len() as u32);
        if width > DENSE {
            self.order.sort_by_key(|at| self.all[*at as usize].number);
            return;
        }
        // First how many there are of each number, then where the first of them goes.
        let mut next = vec![0u32; width];
        for clause in &self.all {
            next[place(clause)] += 1;
        }
        let mut sum = 0;
        for count in &mut next {
            sum += std::mem::replace(count, sum);
        }
        for (at, clause) in self.all.iter().enumerate() {
            let to = &mut next[place(clause)];
            self.order[*to as usize] = at as u32;
            *to += 1;
        }
    }
}

/// Orders the clauses of one call: the first one that holds decides.
///
/// Rules of one call that overlap and disagree are rare, and the specification
/// is silent on them. libseccomp's answer does not depend on the order in the
/// profile: a rule without conditions wins, then those on the higher argument,
/// equality before order, the larger value first.
pub(crate) fn in_order<'a>(
    clauses: impl Iterator<Item = Clause<'a>>,
    arch: Arch,
) -> Vec<(Clause<'a>, Vec<Condition>)> {
    let mut ordered = Vec::new();
    for clause in clauses {
        let conditions = clause.conditions(arch);
        if conditions.is_empty() {
            return vec![(clause, conditions)];
        }
        ordered.push((clause, conditions));
    }
    if ordered.len() > 1 {
        ordered.sort_by_cached_key(|(_, conditions)| {
            conditions.iter().map(Condition::rank).collect::<Vec<_>>()
        });
        ordered.dedup_by(|(_, later), (_, earlier)| later == earlier);
    }
    ordered
}

impl<'a> Clause<'a> {
    /// Index into `syscalls`.
    pub fn rule(&self) -> usize {
        self.named.rule
    }

    pub fn verdict(&self) -> Verdict {
        self.named.verdict
    }

    fn args(&self) -> &'a [Arg] {
        match self.alone {
            Some(at) => std::slice::from_ref(&self.named.args[at as usize]),
            None => self.named.args,
        }
    }

    /// Whether the clause holds whatever the arguments are; in doubt it does not.
    pub fn is_plain(&self) -> bool {
        self.named.args.is_empty() && self.selector.is_none()
    }

    /// The conditions as the registers of `arch` see them, by argument, without
    /// those that always hold.
    fn conditions(&self, arch: Arch) -> Vec<Condition> {
        let selector = self.selector.map(|selector| Condition {
            index: 0,
            op: Operator::Eq,
            mask: u64::MAX,
            value: selector.into(),
        });
        let own = self
            .args()
            .iter()
            .filter(|arg| self.selector.is_none() || arg.index != 0);
        let own = own.map(|arg| Condition::new(arg, arch));
        let mut conditions: Vec<_> = selector
            .into_iter()
            .chain(own)
            .filter(|c| c.mask != 0)
            .collect();
        conditions.sort_by_key(|condition| condition.index);
        conditions
    }
}

/// `argument & mask OP value`; the mask is all ones but for MASKED_EQ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    pub index: u8,
    pub op: Operator,
    pub mask: u64,
    pub value: u64,
}

impl Condition {
    fn new(arg: &Arg, arch: Arch) -> Self {
        let register = if arch.is_32_bit() {
            u32::MAX.into()
        } else {
            u64::MAX
        };
        let (mask, value) = match arg.op {
            Operator::MaskedEq => (arg.value, arg.value_two & arg.value),
            _ => (u64::MAX, arg.value),
        };
        Self {
            index: arg.index as u8,
            op: arg.op,
            // A 32-bit call has no high half to compare.
            mask: if mask == u64::MAX {
                mask
            } else {
                mask & register
            },
            value: value & register,
        }
    }

    /// Whether the condition holds for an argument of `arch`.
    pub fn holds(&self, argument: u64, arch: Arch) -> bool {
        let argument = if arch.is_32_bit() {
            argument & 0xffff_ffff
        } else {
            argument
        };
        match self.op {
            Operator::Ne => argument != self.value,
            Operator::Lt => argument < self.value,
            Operator::Le => argument <= self.value,
            Operator::Eq => argument == self.value,
            Operator::Ge => argument >= self.value,
            Operator::Gt => argument > self.value,
            Operator::MaskedEq => argument & self.mask == self.value,
        }
    }

    fn rank(&self) -> impl Ord + use<> {
        let (order, strict) = match self.op {
            Operator::Eq | Operator::Ne | Operator::MaskedEq => (0, 0),
            Operator::Gt | Operator::Le => (1, 1),
            Operator::Ge | Operator::Lt => (1, 2),
        };
        (
            Reverse(self.index),
            order,
            Reverse(self.value >> 32),
            strict,
            Reverse(self.value as u32),
        )
    }
}

/// The conditions of an entry hold together, unless two of them name the same
/// argument: then each is a rule of its own.
fn alternatives(args: &[Arg]) -> impl Iterator<Item = Option<u32>> + use<> {
    let repeats = args
        .iter()
        .enumerate()
        .any(|(at, arg)| args[..at].iter().any(|other| other.index == arg.index));
    let each = if repeats { args.len() } else { 0 };
    (0..each as u32).map(Some).chain((!repeats).then_some(None))
}

fn archs(profile: &Profile, target: Target, warnings: &mut Vec<String>) -> Vec<Arch> {
    let mut archs = vec![target.0];
    for &arch in &profile.architectures {
        if !target.serves(arch) {
            warnings.push(format!(
                "ignoring {arch} of /architectures: this machine has no such calls"
            ));
        } else if !archs.contains(&arch) {
            archs.push(arch);
        }
    }
    archs
}

/// MAX_ERRNO (linux/err.h): the kernel would lower a greater errno to this one.
const MAX_ERRNO: u32 = 4095;

fn verdict(
    action: Action,
    data: Option<u32>,
    pointer: impl Fn() -> String,
) -> Result<Verdict, Error> {
    let limit = match action {
        Action::Errno => MAX_ERRNO,
        Action::Trace => u16::MAX.into(),
        _ => {
            // config-linux.md: "When the action doesn't support an errno, the runtime MUST print an error and fail".
            return match data {
                Some(_) => Err(Error::new(pointer(), format!("{action} returns no errno"))),
                None => Ok(Verdict::new(action, 0)),
            };
        }
    };
    match data.unwrap_or(Verdict::DEFAULT_DATA) {
        data if data > limit => Err(Error::new(
            pointer(),
            format!("{data} is too large: {action} takes at most {limit}"),
        )),
        data => Ok(Verdict::new(action, data)),
    }
}

fn check_notify(profile: &Profile, rule: usize) -> Result<(), Error> {
    if let Some(name) = profile.syscalls[rule]
        .names
        .iter()
        .position(|name| name == "write")
    {
        let message = "write cannot be notified: the runtime needs it to hand over the listener";
        return Err(Error::new(
            format!("/syscalls/{rule}/names/{name}"),
            message,
        ));
    }
    match profile.listener_path.as_deref() {
        None | Some("") => {
            let message = format!(
                "missing, though /syscalls/{rule} asks for {}",
                Action::Notify
            );
            Err(Error::new("/listenerPath", message))
        }
        Some(_) => Ok(()),
    }
}
