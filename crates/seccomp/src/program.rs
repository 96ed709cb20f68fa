//! The compiled filter.

use crate::Error;
use crate::emit::MAX_INSTRUCTIONS;

/// One instruction of classic BPF: `struct sock_filter` (linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct Insn {
    /// Operation.
    pub code: u16,
    /// Instructions to skip if the comparison holds.
    pub jt: u8,
    /// Instructions to skip if it does not.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// A filter ready for seccomp(2), and what its installer must know.
///
/// `Display` shows it one instruction a line, calls by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// At most 4096 instructions.
    pub instructions: Vec<Insn>,
    /// `SECCOMP_FILTER_FLAG_*` for the `flags` argument of seccomp(2).
    /// Contains NEW_LISTENER exactly if `notify` is set.
    pub flags: u64,
    /// Whether some call is answered by NOTIFY: seccomp(2) returns a listener
    /// that must be sent to `listener_path`.
    pub notify: bool,
    /// The socket that wants the listener; set whenever `notify` is.
    pub listener_path: Option<String>,
    /// Opaque text to send with the listener.
    pub listener_metadata: Option<String>,
    /// What was tolerated: one sentence each, for the log. Not stored by
    /// [`Program::to_bytes`].
    pub warnings: Vec<String>,
}

/// Begins what `to_bytes` writes; the last byte is the version of the form.
const MAGIC: &[u8; 8] = b"seccomp\x01";
/// Stands for the length of a text that is absent.
const NO_TEXT: u32 = u32::MAX;

impl Program {
    /// The program in a form to store beside the container's state. All
    /// numbers are little endian.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64 + 8 * self.instructions.len());
        bytes.extend(MAGIC);
        bytes.extend(self.flags.to_le_bytes());
        bytes.push(self.notify.into());
        for text in [&self.listener_path, &self.listener_metadata] {
            let length = text.as_ref().map_or(NO_TEXT, |text| text.len() as u32);
            bytes.extend(length.to_le_bytes());
            bytes.extend(text.iter().flat_map(|text| text.bytes()));
        }
        bytes.extend((self.instructions.len() as u32).to_le_bytes());
        for insn in &self.instructions {
            bytes.extend(insn.code.to_le_bytes());
            bytes.extend([insn.jt, insn.jf]);
            bytes.extend(insn.k.to_le_bytes());
        }
        bytes
    }

    /// Reads what [`Program::to_bytes`] wrote.
    ///
    /// # Errors
    /// Bytes that it cannot have written. Whether the instructions make sense
    /// is for the kernel to check.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader(bytes);
        let program = reader.program().filter(|_| reader.0.is_empty());
        program.ok_or_else(|| Error::new("", "not a stored seccomp program"))
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn program(&mut self) -> Option<Program> {
        if self.take(MAGIC.len())? != MAGIC {
            return None;
        }
        let flags = u64::from_le_bytes(self.array()?);
        let notify = match self.array()? {
            [0] => false,
            [1] => true,
            _ => return None,
        };
        let listener_path = self.text()?;
        let listener_metadata = self.text()?;
        let length = u32::from_le_bytes(self.array()?) as usize;
        if length > MAX_INSTRUCTIONS {
            return None;
        }
        let instructions = (0..length).map(|_| self.insn()).collect::<Option<_>>()?;
        Some(Program {
            instructions,
            flags,
            notify,
            listener_path,
            listener_metadata,
            warnings: Vec::new(),
        })
    }

    fn insn(&mut self) -> Option<Insn> {
        let code = u16::from_le_bytes(self.array()?);
        let [jt, jf] = self.array()?;
        let k = u32::from_le_bytes(self.array()?);
        Some(Insn { code, jt, jf, k })
    }

    fn text(&mut self) -> Option<Option<String>> {
        match u32::from_le_bytes(self.array()?) {
            NO_TEXT => Some(None),
            length => String::from_utf8(self.take(length as usize)?.to_vec())
                .ok()
                .map(Some),
        }
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
