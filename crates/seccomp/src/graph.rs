//! The filter as a graph of decisions, between the rules and the instructions.
//!
//! A node either returns a verdict or compares one 32-bit word of the call's
//! data with a constant and goes on to one of two nodes. Equal nodes exist
//! once, so that rules with a common tail share it.

use std::collections::BTreeMap;

use crate::rules::Condition;
use crate::{Arch, Operator, Verdict};

/// A node of the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NodeId(pub u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Return(Verdict),
    /// `word TEST k`, then one node or the other.
    Branch {
        word: Word,
        test: Test,
        k: u32,
        yes: NodeId,
        no: NodeId,
    },
}

/// A word of `struct seccomp_data` (linux/seccomp.h), or some bits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Word {
    pub offset: u8,
    pub mask: u32,
}

impl Word {
    pub const NUMBER: Self = Self {
        offset: 0,
        mask: u32::MAX,
    };
    pub const ARCH: Self = Self {
        offset: 4,
        mask: u32::MAX,
    };

    const fn low(arch: Arch, index: u8) -> Self {
        let half = if arch.is_big_endian() { 4 } else { 0 };
        Self {
            offset: 16 + 8 * index + half,
            mask: u32::MAX,
        }
    }

    const fn high(arch: Arch, index: u8) -> Self {
        let half = if arch.is_big_endian() { 0 } else { 4 };
        Self {
            offset: 16 + 8 * index + half,
            mask: u32::MAX,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Test {
    /// word == k
    Equal,
    /// word >= k
    AtLeast,
    /// word & k != 0
    AnyBit,
}

/// Where a run of numbers with one decision begins; it ends before the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run<T> {
    pub start: T,
    pub node: NodeId,
    /// How often calls are expected here, relative to other runs; at least 1.
    pub weight: u32,
}

pub(crate) struct Graph {
    pub nodes: Vec<Node>,
    /// Sorted by verdict: few, and asked for at every call.
    verdicts: Vec<(Verdict, NodeId)>,
    known: BTreeMap<Node, NodeId>,
}

impl Graph {
    pub fn new() -> Graph {
        Graph {
            // Enough for what engines ask for.
            nodes: Vec::with_capacity(512),
            verdicts: Vec::new(),
            known: BTreeMap::new(),
        }
    }

    pub fn verdict(&mut self, verdict: Verdict) -> NodeId {
        match self
            .verdicts
            .binary_search_by_key(&verdict, |known| known.0)
        {
            Ok(at) => self.verdicts[at].1,
            Err(at) => {
                let node = self.push(Node::Return(verdict));
                self.verdicts.insert(at, (verdict, node));
                node
            }
        }
    }

    /// A comparison, unless both answers lead to the same node.
    pub fn branch(&mut self, word: Word, test: Test, k: u32, yes: NodeId, no: NodeId) -> NodeId {
        let node = Node::Branch {
            word,
            test,
            k,
            yes,
            no,
        };
        if yes == no {
            yes
        } else if word == Word::NUMBER {
            // Nothing before the number is shared, so these are never equal.
            self.push(node)
        } else if let Some(&known) = self.known.get(&node) {
            known
        } else {
            let new = self.push(node);
            self.known.insert(node, new);
            new
        }
    }

    fn push(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        NodeId(self.nodes.len() as u32 - 1)
    }

    /// A search for the run that holds a word, halving the weight at each step.
    /// The first run starts at 0; neighbours differ.
    pub fn search(&mut self, word: Word, runs: &[Run<u32>]) -> NodeId {
        let mut sum = 0;
        let before: Vec<u32> = std::iter::once(0)
            .chain(runs.iter().map(|run| {
                sum += run.weight;
                sum
            }))
            .collect();
        self.divide(word, runs, &before)
    }

    /// `before[i]` is what all runs before the one at `i` weigh, counted from anywhere; its last element stands behind the last run.
    fn divide(&mut self, word: Word, runs: &[Run<u32>], before: &[u32]) -> NodeId {
        match runs {
            [only] => only.node,
            // One number apart from its surroundings: one comparison, not two.
            [below, one, above] if below.node == above.node && above.start - one.start == 1 => {
                self.branch(word, Test::Equal, one.start, one.node, below.node)
            }
            _ => {
                let at = halfway(before);
                let (below, above) = runs.split_at(at);
                let low = self.divide(word, below, &before[..=at]);
                let high = self.divide(word, above, &before[at..]);
                self.branch(word, Test::AtLeast, above[0].start, high, low)
            }
        }
    }

    /// A search over all 64 bits of an argument, high half first.
    fn search_argument(&mut self, arch: Arch, index: u8, runs: &[Run<u64>]) -> NodeId {
        let mut high_runs: Vec<Run<u32>> = Vec::new();
        let mut rest = runs;
        let mut current = runs[0].node;
        while let [first, ..] = rest {
            let high = (first.start >> 32) as u32;
            let same = rest.partition_point(|run| (run.start >> 32) as u32 == high);
            let (inside, after) = rest.split_at(same);
            let mut low_runs = Vec::with_capacity(same + 1);
            extend(&mut low_runs, 0, current);
            for run in inside {
                extend(&mut low_runs, run.start as u32, run.node);
            }
            let node = self.search(Word::low(arch, index), &low_runs);
            extend(&mut high_runs, high, node);
            current = inside[same - 1].node;
            if let Some(next) = high.checked_add(1) {
                extend(&mut high_runs, next, current);
            }
            rest = after;
        }
        if arch.is_32_bit() {
            return high_runs[0].node;
        }
        self.search(Word::high(arch, index), &high_runs)
    }

    /// The node that decides a call by its rules, of which the first that
    /// holds wins; `otherwise` if none does.
    pub fn rules(
        &mut self,
        arch: Arch,
        rules: &[(NodeId, Vec<Condition>)],
        otherwise: NodeId,
    ) -> NodeId {
        let mut next = otherwise;
        let mut end = rules.len();
        while end > 0 {
            // Neighbours that compare the same argument become one search.
            let plain = |(_, conditions): &(NodeId, Vec<Condition>)| match conditions[..] {
                [only] if only.op != Operator::MaskedEq => Some(only.index),
                _ => None,
            };
            let argument = plain(&rules[end - 1]);
            let start = match argument {
                Some(_) => {
                    end - rules[..end]
                        .iter()
                        .rev()
                        .take_while(|rule| plain(rule) == argument)
                        .count()
                }
                None => end - 1,
            };
            next = match argument {
                Some(index) => {
                    let ranges: Vec<_> = rules[start..end]
                        .iter()
                        .map(|(node, c)| (*node, c[0]))
                        .collect();
                    let runs = intervals(arch, &ranges, next);
                    self.search_argument(arch, index, &runs)
                }
                None => {
                    let (node, conditions) = &rules[start];
                    conditions.iter().rev().fold(*node, |yes, condition| {
                        self.condition(arch, condition, yes, next)
                    })
                }
            };
            end = start;
        }
        next
    }

    fn condition(&mut self, arch: Arch, condition: &Condition, yes: NodeId, no: NodeId) -> NodeId {
        if condition.op != Operator::MaskedEq {
            let runs = intervals(arch, &[(yes, *condition)], no);
            return self.search_argument(arch, condition.index, &runs);
        }
        let low = self.masked(
            Word::low(arch, condition.index),
            condition.mask as u32,
            condition.value as u32,
            yes,
            no,
        );
        if arch.is_32_bit() {
            return low;
        }
        let high = Word::high(arch, condition.index);
        self.masked(
            high,
            (condition.mask >> 32) as u32,
            (condition.value >> 32) as u32,
            low,
            no,
        )
    }

    fn masked(&mut self, word: Word, mask: u32, value: u32, yes: NodeId, no: NodeId) -> NodeId {
        match (mask, value) {
            (0, _) => yes,
            (u32::MAX, _) => self.branch(word, Test::Equal, value, yes, no),
            (_, 0) => self.branch(word, Test::AnyBit, mask, no, yes),
            _ if mask == value && mask.is_power_of_two() => {
                self.branch(word, Test::AnyBit, mask, yes, no)
            }
            _ => self.branch(Word { mask, ..word }, Test::Equal, value, yes, no),
        }
    }
}

/// Appends a run; one that starts where the last one does replaces it, one that
/// goes on like the last one extends it.
pub(crate) fn extend<T: PartialEq>(runs: &mut Vec<Run<T>>, start: T, node: NodeId) {
    if runs.last().is_some_and(|last| last.start == start) {
        runs.pop();
    }
    if runs.last().map(|last| last.node) != Some(node) {
        runs.push(Run {
            start,
            node,
            weight: 1,
        });
    }
}

/// Where to split so that both sides weigh about the same.
fn halfway(before: &[u32]) -> usize {
    let middle = before[0] + before[before.len() - 1];
    let (mut low, mut high) = (0, before.len() - 2);
    while low < high {
        let at = usize::midpoint(low, high);
        // Cut before or after this run, whichever is nearer to the middle.
        if before[at] + before[at + 1] >= middle {
            high = at;
        } else {
            low = at + 1;
        }
    }
    low.max(1)
}

/// The decision for every value of an argument, by the first rule that holds.
fn intervals(arch: Arch, rules: &[(NodeId, Condition)], otherwise: NodeId) -> Vec<Run<u64>> {
    let max = if arch.is_32_bit() {
        u32::MAX.into()
    } else {
        u64::MAX
    };
    // Where each rule begins and ceases to hold.
    let mut edges: Vec<(u64, usize, bool)> = Vec::with_capacity(2 * rules.len());
    for (rule, (_, condition)) in rules.iter().enumerate() {
        for (first, last) in ranges(condition, max).into_iter().flatten() {
            edges.push((first, rule, true));
            if last < max {
                edges.push((last + 1, rule, false));
            }
        }
    }
    edges.sort_unstable();
    let mut holding = std::collections::BTreeSet::new();
    let mut runs = vec![Run {
        start: 0,
        node: otherwise,
        weight: 1,
    }];
    for (at, &(start, rule, begins)) in edges.iter().enumerate() {
        if begins {
            holding.insert(rule);
        } else {
            holding.remove(&rule);
        }
        if edges.get(at + 1).is_some_and(|next| next.0 == start) {
            continue;
        }
        let node = holding.first().map_or(otherwise, |&rule| rules[rule].0);
        extend(&mut runs, start, node);
    }
    runs
}

/// The values for which a condition without mask holds: at most two ranges.
fn ranges(condition: &Condition, max: u64) -> [Option<(u64, u64)>; 2] {
    let value = condition.value;
    let below = value.checked_sub(1).map(|last| (0, last));
    let above = (value < max).then(|| (value + 1, max));
    match condition.op {
        Operator::Ne => [below, above],
        Operator::Lt => [below, None],
        Operator::Le => [Some((0, value)), None],
        Operator::Eq | Operator::MaskedEq => [Some((value, value)), None],
        Operator::Ge => [Some((value, max)), None],
        Operator::Gt => [above, None],
    }
}
