//! From the graph to instructions, last one first: a jump can only go forward,
//! so that whatever it goes to has a place already when the jump is written.

use crate::graph::{Graph, Node, NodeId, Test, Word};
use crate::{Error, Insn, Verdict};

/// `BPF_MAXINSNS` (linux/bpf_common.h).
pub(crate) const MAX_INSTRUCTIONS: usize = 4096;

// linux/bpf_common.h
pub(crate) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
pub(crate) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
pub(crate) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
pub(crate) const IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
pub(crate) const IF_AT_LEAST: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
pub(crate) const IF_ANY_BIT: u16 = 0x45; // BPF_JMP | BPF_JSET | BPF_K
pub(crate) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Writes the part of the graph that is reachable from `root`.
///
/// # Errors
/// When the program exceeds what the kernel takes.
pub(crate) fn emit(graph: &Graph, root: NodeId) -> Result<Vec<Insn>, Error> {
    let order = bottom_up(graph, root)?;
    let mut emitter = Emitter {
        graph,
        reversed: Vec::with_capacity(2 * order.len()),
        places: vec![Places::default(); graph.nodes.len()],
    };
    let loads = loads(graph, &order, root);
    for node in order {
        emitter.node(node, loads[node.0 as usize])?;
    }
    emitter.reversed.reverse();
    Ok(emitter.reversed)
}

/// Where a node can be entered: the latest copy, counted from the end.
#[derive(Clone, Copy, Default)]
struct Places {
    /// With nothing of use in the accumulator.
    cold: Option<u16>,
    /// With the node's word in the accumulator.
    warm: Option<u16>,
}

struct Emitter<'a> {
    graph: &'a Graph,
    reversed: Vec<Insn>,
    places: Vec<Places>,
}

impl Emitter<'_> {
    fn node(&mut self, node: NodeId, load: bool) -> Result<(), Error> {
        match self.graph.nodes[node.0 as usize] {
            Node::Return(verdict) => self.verdict(node, verdict)?,
            Node::Branch {
                word,
                test,
                k,
                yes,
                no,
            } => {
                let code = match test {
                    Test::Equal => IF_EQUAL,
                    Test::AtLeast => IF_AT_LEAST,
                    Test::AnyBit => IF_ANY_BIT,
                };
                // Bringing one target into reach may push the other away by one.
                self.reach(yes, word, 254)?;
                self.reach(no, word, 255)?;
                let (jt, jf) = (
                    self.distance(yes, word) as u8,
                    self.distance(no, word) as u8,
                );
                let place = self.push(Insn { code, jt, jf, k })?;
                self.places[node.0 as usize].warm = Some(place);
                if load {
                    if word.mask != u32::MAX {
                        self.push(Insn {
                            code: AND,
                            jt: 0,
                            jf: 0,
                            k: word.mask,
                        })?;
                    }
                    let load = Insn {
                        code: LOAD,
                        jt: 0,
                        jf: 0,
                        k: word.offset.into(),
                    };
                    self.places[node.0 as usize].cold = Some(self.push(load)?);
                }
            }
        }
        Ok(())
    }

    fn verdict(&mut self, node: NodeId, verdict: Verdict) -> Result<(), Error> {
        let place = self.push(Insn {
            code: RETURN,
            jt: 0,
            jf: 0,
            k: verdict.0,
        })?;
        self.places[node.0 as usize] = Places {
            cold: Some(place),
            warm: Some(place),
        };
        Ok(())
    }

    /// Makes sure that the next instruction can jump to `node`, by a jump of
    /// 32 bits on the way or, as cheap and faster, a copy of the return.
    fn reach(&mut self, node: NodeId, word: Word, limit: usize) -> Result<(), Error> {
        if self.distance(node, word) <= limit {
            return Ok(());
        }
        if let Node::Return(verdict) = self.graph.nodes[node.0 as usize] {
            return self.verdict(node, verdict);
        }
        let k = self.distance(node, word) as u32;
        let place = self.push(Insn {
            code: JUMP,
            jt: 0,
            jf: 0,
            k,
        })?;
        *self.place(node, word) = Some(place);
        Ok(())
    }

    /// Instructions between the next one and the node's entry, for a
    /// predecessor that leaves `word` in the accumulator.
    fn distance(&mut self, node: NodeId, word: Word) -> usize {
        let next = self.reversed.len();
        let place = self
            .place(node, word)
            .expect("successors are written first");
        next - usize::from(place) - 1
    }

    fn place(&mut self, node: NodeId, word: Word) -> &mut Option<u16> {
        let places = &mut self.places[node.0 as usize];
        match self.graph.nodes[node.0 as usize] {
            Node::Branch { word: own, .. } if own == word => &mut places.warm,
            _ => &mut places.cold,
        }
    }

    fn push(&mut self, insn: Insn) -> Result<u16, Error> {
        if self.reversed.len() == MAX_INSTRUCTIONS {
            return Err(too_long());
        }
        self.reversed.push(insn);
        Ok(self.reversed.len() as u16 - 1)
    }
}

fn too_long() -> Error {
    let message = format!(
        "the filter needs more than the {MAX_INSTRUCTIONS} instructions that the kernel takes"
    );
    Error::new("/syscalls", message)
}

/// The nodes that are reachable from the root, successors first.
fn bottom_up(graph: &Graph, root: NodeId) -> Result<Vec<NodeId>, Error> {
    let mut order = Vec::new();
    let mut seen = vec![false; graph.nodes.len()];
    let mut stack = vec![(root, false)];
    while let Some((node, done)) = stack.pop() {
        if done {
            order.push(node);
            if order.len() > MAX_INSTRUCTIONS {
                return Err(too_long());
            }
            continue;
        }
        if std::mem::replace(&mut seen[node.0 as usize], true) {
            continue;
        }
        stack.push((node, true));
        if let Node::Branch { yes, no, .. } = graph.nodes[node.0 as usize] {
            stack.push((no, false));
            stack.push((yes, false));
        }
    }
    Ok(order)
}

/// Which nodes must load their word: those that some way leads to without it.
fn loads(graph: &Graph, order: &[NodeId], root: NodeId) -> Vec<bool> {
    let word = |node: NodeId| match graph.nodes[node.0 as usize] {
        Node::Branch { word, .. } => Some(word),
        Node::Return(_) => None,
    };
    let mut loads = vec![false; graph.nodes.len()];
    loads[root.0 as usize] = true;
    for &node in order {
        if let Node::Branch {
            word: left,
            yes,
            no,
            ..
        } = graph.nodes[node.0 as usize]
        {
            for next in [yes, no] {
                loads[next.0 as usize] |= word(next) != Some(left);
            }
        }
    }
    loads
}
