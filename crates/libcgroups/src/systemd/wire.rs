//! D-Bus messages as bytes (D-Bus specification, "Type system" and "Message protocol"), as far as talking to systemd needs them.

use std::fmt;

/// A value with its type.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Bool(bool),
    Byte(u8),
    I32(i32),
    U32(u32),
    I64(i64),
    U64(u64),
    F64(f64),
    Str(String),
    Bytes(Vec<u8>),
    U32s(Vec<u32>),
    Strs(Vec<String>),
    /// `a(ss)`
    Pairs(Vec<(String, String)>),
    /// `a(st)`
    Weights(Vec<(String, u64)>),
}

impl Value {
    pub fn signature(&self) -> &'static str {
        match self {
            Value::Bool(_) => "b",
            Value::Byte(_) => "y",
            Value::I32(_) => "i",
            Value::U32(_) => "u",
            Value::I64(_) => "x",
            Value::U64(_) => "t",
            Value::F64(_) => "d",
            Value::Str(_) => "s",
            Value::Bytes(_) => "ay",
            Value::U32s(_) => "au",
            Value::Strs(_) => "as",
            Value::Pairs(_) => "a(ss)",
            Value::Weights(_) => "a(st)",
        }
    }
}

impl fmt::Display for Value {
    /// For people: `infinity` as systemd writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::U64(u64::MAX) => f.write_str("infinity"),
            Value::U64(n) => write!(f, "{n}"),
            Value::I64(n) => write!(f, "{n}"),
            Value::U32(n) => write!(f, "{n}"),
            Value::I32(n) => write!(f, "{n}"),
            Value::Byte(n) => write!(f, "{n}"),
            Value::F64(n) => write!(f, "{n}"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Str(s) => f.write_str(s),
            Value::Bytes(list) => write!(f, "{list:x?}"),
            Value::U32s(list) => write!(f, "{list:?}"),
            Value::Strs(list) => f.write_str(&list.join(" ")),
            Value::Pairs(list) => {
                let pairs: Vec<_> = list.iter().map(|(a, b)| format!("{a} {b}")).collect();
                f.write_str(&pairs.join(", "))
            }
            Value::Weights(list) => {
                let pairs: Vec<_> = list.iter().map(|(a, n)| format!("{a} {n}")).collect();
                f.write_str(&pairs.join(", "))
            }
        }
    }
}

/// Name and value of a unit property.
pub(crate) type Property = (String, Value);

/// The mark of this machine's byte order. Messages may come in either; both sides here are on one machine and use its own.
const BYTE_ORDER: u8 = if cfg!(target_endian = "little") {
    b'l'
} else {
    b'B'
};

/// Bytes in the making. Everything is aligned to its own size, counted from the start of the message.
#[derive(Default)]
pub(crate) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn align(&mut self, to: usize) {
        self.0.resize(self.0.len().next_multiple_of(to), 0);
    }

    pub fn u32(&mut self, n: u32) {
        self.align(4);
        self.0.extend(n.to_ne_bytes());
    }

    fn u64(&mut self, n: u64) {
        self.align(8);
        self.0.extend(n.to_ne_bytes());
    }

    pub fn str(&mut self, s: &str) {
        self.u32(s.len() as u32);
        self.0.extend(s.as_bytes());
        self.0.push(0);
    }

    pub fn signature(&mut self, s: &str) {
        self.0.push(s.len() as u8);
        self.0.extend(s.as_bytes());
        self.0.push(0);
    }

    /// An array: its length in bytes does not count the padding before the first element.
    pub fn array(&mut self, element_alignment: usize, fill: impl FnOnce(&mut Writer)) {
        self.u32(0);
        let length_at = self.0.len() - 4;
        self.align(element_alignment);
        let start = self.0.len();
        fill(self);
        let length = (self.0.len() - start) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_ne_bytes());
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Bool(b) => self.u32(u32::from(*b)),
            Value::Byte(n) => self.0.push(*n),
            Value::I32(n) => self.u32(*n as u32),
            Value::U32(n) => self.u32(*n),
            Value::I64(n) => self.u64(*n as u64),
            Value::U64(n) => self.u64(*n),
            Value::F64(n) => self.u64(n.to_bits()),
            Value::Str(s) => self.str(s),
            Value::Bytes(bytes) => self.array(1, |w| w.0.extend(bytes)),
            Value::U32s(list) => self.array(4, |w| list.iter().for_each(|n| w.u32(*n))),
            Value::Strs(list) => self.array(4, |w| list.iter().for_each(|s| w.str(s))),
            Value::Pairs(list) => self.array(8, |w| {
                for (a, b) in list {
                    w.align(8);
                    w.str(a);
                    w.str(b);
                }
            }),
            Value::Weights(list) => self.array(8, |w| {
                for (a, n) in list {
                    w.align(8);
                    w.str(a);
                    w.u64(*n);
                }
            }),
        }
    }

    pub fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        self.value(value);
    }

    /// `a(sv)`
    pub fn properties(&mut self, properties: &[Property]) {
        self.array(8, |w| {
            for (name, value) in properties {
                w.align(8);
                w.str(name);
                w.variant(value);
            }
        });
    }
}

/// A method to call.
pub(crate) struct Call<'a> {
    pub destination: &'a str,
    pub path: &'a str,
    pub interface: &'a str,
    pub member: &'a str,
    pub signature: &'a str,
    pub body: Vec<u8>,
}

const METHOD_CALL: u8 = 1;
const METHOD_RETURN: u8 = 2;
const ERROR: u8 = 3;
const SIGNAL: u8 = 4;

impl Call<'_> {
    pub fn encode(&self, serial: u32) -> Vec<u8> {
        let mut w = Writer::default();
        w.0.extend([BYTE_ORDER, METHOD_CALL, 0, 1]);
        w.u32(self.body.len() as u32);
        w.u32(serial);
        w.array(8, |w| {
            let mut field = |code: u8, kind: &str, text: &str| {
                w.align(8);
                w.0.push(code);
                w.signature(kind);
                if kind == "g" {
                    w.signature(text)
                } else {
                    w.str(text)
                }
            };
            field(1, "o", self.path);
            field(2, "s", self.interface);
            field(3, "s", self.member);
            field(6, "s", self.destination);
            if !self.signature.is_empty() {
                field(8, "g", self.signature);
            }
        });
        w.align(8);
        w.0.extend(&self.body);
        w.0
    }
}

/// What came in.
#[derive(Debug, PartialEq)]
pub(crate) enum Message {
    Return { to: u32, body: Vec<u8> },
    Error { to: u32, name: String, text: String },
    Signal { member: String, body: Vec<u8> },
    Other,
}

/// Bytes that have come in. Every read is checked: whatever is on the other side, a short or wrong message is an error, not a panic.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, at: 0 }
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(taken)
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    pub fn u8(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    pub fn u32(&mut self) -> Option<u32> {
        self.align(4);
        self.take(4)
            .map(|b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
    }

    pub fn str(&mut self) -> Option<&'a str> {
        let n = self.u32()? as usize;
        let text = self.take(n)?;
        self.take(1)?;
        std::str::from_utf8(text).ok()
    }

    pub fn signature(&mut self) -> Option<&'a str> {
        let n = usize::from(self.u8()?);
        let text = self.take(n)?;
        self.take(1)?;
        std::str::from_utf8(text).ok()
    }
}

/// No message of systemd that we ask for is anywhere near as long.
const LONGEST: usize = 1 << 20;

/// How long the message is that begins with these bytes, once the first 16 are there. None for what cannot be a message.
pub(crate) fn length(start: &[u8; 16]) -> Option<usize> {
    let word = |at: usize| {
        u32::from_ne_bytes([start[at], start[at + 1], start[at + 2], start[at + 3]]) as usize
    };
    if start[0] != BYTE_ORDER || word(4) > LONGEST || word(12) > LONGEST {
        return None;
    }
    Some((16 + word(12)).next_multiple_of(8) + word(4))
}

/// Reads one whole message.
pub(crate) fn decode(bytes: &[u8]) -> Option<Message> {
    let mut r = Reader::new(bytes);
    let kind = *bytes.get(1)?;
    r.at = 12;
    let end = r.u32()? as usize + 16;
    let (mut reply_to, mut member, mut error, mut signature) = (None, None, None, "");
    while r.at < end {
        r.align(8);
        let code = r.u8()?;
        match (code, r.signature()?) {
            (5, "u") => reply_to = Some(r.u32()?),
            (3, "s") => member = Some(r.str()?),
            (4, "s") => error = Some(r.str()?),
            (8, "g") => signature = r.signature()?,
            (_, "s" | "o") => drop(r.str()?),
            (_, "g") => drop(r.signature()?),
            (_, "u") => drop(r.u32()?),
            _ => return None,
        }
    }
    r.align(8);
    let body = bytes.get(r.at..)?.to_vec();
    Some(match kind {
        METHOD_RETURN => Message::Return {
            to: reply_to?,
            body,
        },
        ERROR => {
            let text = if signature.starts_with('s') {
                Reader::new(&body).str().unwrap_or("")
            } else {
                ""
            };
            Message::Error {
                to: reply_to?,
                name: error?.to_owned(),
                text: text.to_owned(),
            }
        }
        SIGNAL => Message::Signal {
            member: member?.to_owned(),
            body,
        },
        _ => Message::Other,
    })
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_the_bytes_that_the_specification_gives() {
        let mut body = Writer::default();
        body.str("u.scope");
        let call = Call {
            destination: "d.d",
            path: "/p",
            interface: "i.i",
            member: "M",
            signature: "s",
            body: body.0,
        };
        let bytes = call.encode(7);
        assert_eq!(
            &bytes[..16],
            &[b'l', 1, 0, 1, 12, 0, 0, 0, 7, 0, 0, 0, 71, 0, 0, 0]
        );
        assert_eq!(&bytes[16..27], b"\x01\x01o\0\x02\0\0\0/p\0");
        assert_eq!(length(bytes[..16].try_into().unwrap()), Some(bytes.len()));
        assert_eq!(&bytes[bytes.len() - 12..], b"\x07\0\0\0u.scope\0");
        assert_eq!(decode(&bytes), Some(Message::Other));
    }

    #[test]
    fn structures_and_variants_are_aligned() {
        let mut w = Writer::default();
        w.properties(&[
            ("A".into(), Value::Bool(true)),
            ("B".into(), Value::Pairs(vec![("x".into(), "y".into())])),
        ]);
        let want = b"\x2e\0\0\0\0\0\0\0\x01\0\0\0A\0\x01b\0\0\0\0\x01\0\0\0\x01\0\0\0B\0\x05a(ss)\0\0\0\0\x0e\0\0\0\0\0\0\0\x01\0\0\0x\0\0\0\x01\0\0\0y\0";
        // Lengths: the outer array counts from its first structure; the inner one likewise.
        assert_eq!(w.0[4..], want[4..]);
        assert_eq!(
            u32::from_ne_bytes(w.0[..4].try_into().unwrap()) as usize,
            w.0.len() - 8
        );
    }

    #[test]
    fn damaged_messages_are_refused() {
        let call = Call {
            destination: "d.d",
            path: "/p",
            interface: "i.i",
            member: "M",
            signature: "",
            body: Vec::new(),
        };
        let mut bytes = call.encode(1);
        bytes[1] = METHOD_RETURN;
        assert_eq!(decode(&bytes), None, "a return must say to what");
        for cut in 0..bytes.len() {
            let _ = decode(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] = 0xff;
            let _ = decode(&damaged);
        }
        assert_eq!(length(b"B\x01\0\x01\0\0\0\0\0\0\0\0\0\0\0\0"), None);
        assert_eq!(length(b"l\x01\0\x01\xff\xff\xff\xff\0\0\0\0\0\0\0\0"), None);
    }
}
