//! Options as Go's flag package reads them.
//!
//! Engines are written for a runtime in Go and use its dialect: `-no-subreaper` is
//! a long option, `--detach=false` a truth value, and every option that takes a
//! value takes the next argument, whatever that looks like. This scanner also
//! knows the dialect of getopt(3): `-bDIR`, `-qf json`. Where a long name and a
//! cluster of short ones are spelt alike, the long name wins.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::values::parse_bool;

/// One option that a command knows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag<'a> {
    /// Name without dashes.
    pub long: &'a str,
    /// Whether a value follows; if not, this is a truth value.
    pub takes_value: bool,
}

/// Arguments told apart.
#[derive(Debug, Default)]
pub(crate) struct Scanned<'a> {
    /// Options that are set, in order, by long name. A truth value has no value.
    pub flags: Vec<(&'a str, Option<OsString>)>,
    /// All the rest, in order.
    pub operands: Vec<OsString>,
}

/// Why scanning ended early.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// An option asks for help.
    Help,
    /// The sentence that says what is wrong.
    Wrong(String),
}

/// Tells options and operands apart, in any order, until `operands_end` operands
/// were seen: from there on everything is an operand. So it is after `--`.
pub(crate) fn scan<'a>(
    args: impl Iterator<Item = OsString>,
    find: impl Fn(&str) -> Option<Flag<'a>>,
    operands_end: usize,
) -> Result<Scanned<'a>, Interrupted> {
    let mut scanned = Scanned::default();
    let mut args = args;
    while let Some(arg) = args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        }
        if bytes.len() < 2 || bytes[0] != b'-' {
            scanned.operands.push(arg);
            if scanned.operands.len() == operands_end {
                break;
            }
            continue;
        }
        option(&arg, &mut args, &find, &mut scanned)?;
    }
    scanned.operands.extend(args);
    Ok(scanned)
}

/// Reads one argument that begins with a dash, and the next if that is its value.
fn option<'a>(
    arg: &OsStr,
    args: &mut impl Iterator<Item = OsString>,
    find: &impl Fn(&str) -> Option<Flag<'a>>,
    scanned: &mut Scanned<'a>,
) -> Result<(), Interrupted> {
    let bytes = arg.as_bytes();
    let long_only = bytes.starts_with(b"--");
    let body = &bytes[if long_only { 2 } else { 1 }..];
    let equals = body.iter().position(|&b| b == b'=');
    let name = String::from_utf8_lossy(&body[..equals.unwrap_or(body.len())]);
    if let Some(flag) = find(&name) {
        let value = equals.map(|at| owned(&body[at + 1..]));
        return scanned.set(flag, &name, value, args);
    }
    if matches!(&*name, "h" | "help" | "?" | "usage") {
        return Err(Interrupted::Help);
    }
    if !long_only && cluster(body, find, args, scanned)? {
        return Ok(());
    }
    Err(Interrupted::Wrong(format!(
        "flag provided but not defined: -{name}"
    )))
}

/// Reads `body` as short options: truth values, then perhaps one with a value,
/// attached or in the next argument. False if it is not that.
fn cluster<'a>(
    body: &[u8],
    find: &impl Fn(&str) -> Option<Flag<'a>>,
    args: &mut impl Iterator<Item = OsString>,
    scanned: &mut Scanned<'a>,
) -> Result<bool, Interrupted> {
    let mut flags = Vec::new();
    let mut attached = None;
    for (at, &letter) in body.iter().enumerate() {
        let name = char::from(letter).to_string();
        let Some(flag) = find(&name) else {
            return Ok(false);
        };
        flags.push((flag, name));
        if flag.takes_value {
            let rest = &body[at + 1..];
            let rest = rest.strip_prefix(b"=").unwrap_or(rest);
            attached = (at + 1 < body.len()).then(|| owned(rest));
            break;
        }
    }
    for (flag, name) in flags {
        let value = attached.take_if(|_| flag.takes_value);
        scanned.set(flag, &name, value, args)?;
    }
    Ok(true)
}

impl<'a> Scanned<'a> {
    fn set(
        &mut self,
        flag: Flag<'a>,
        name: &str,
        value: Option<OsString>,
        args: &mut impl Iterator<Item = OsString>,
    ) -> Result<(), Interrupted> {
        if flag.takes_value {
            let value = value
                .or_else(|| args.next())
                .ok_or_else(|| Interrupted::Wrong(format!("flag needs an argument: -{name}")))?;
            self.flags.push((flag.long, Some(value)));
            return Ok(());
        }
        let text = value.as_deref().map(OsStr::to_string_lossy);
        let on = match text {
            None => true,
            Some(text) => parse_bool(&text).ok_or_else(|| {
                Interrupted::Wrong(format!(
                    "invalid boolean value {text:?} for -{name}: parse error"
                ))
            })?,
        };
        // The last one counts.
        self.flags.retain(|(long, _)| *long != flag.long);
        if on {
            self.flags.push((flag.long, None));
        }
        Ok(())
    }
}

fn owned(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
