//! Options as Go's flag package reads them.
//!
//! Engines are written for a runtime in Go and use its dialect: `-no-subreaper` is
//! a long option, `--detach=false` a truth value, and every option that takes a
//! value takes the next argument, whatever that looks like. This scanner also
//! knows the dialect of getopt(3): `-bDIR`, `-qf json`. Where a long name and a
//! cluster of short ones are spelt alike, the long name wins.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::table::Flag;
use crate::typed::Typed;
use crate::values::parse_bool;

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
pub(crate) fn scan(
    args: impl Iterator<Item = OsString>,
    flags: &[&'static [Flag]],
    operands_end: usize,
) -> Result<Typed, Interrupted> {
    let mut scanner = Scanner {
        args,
        flags,
        options: Vec::new(),
    };
    let mut operands = Vec::new();
    while let Some(arg) = scanner.args.next() {
        let bytes = arg.as_bytes();
        if bytes == b"--" {
            break;
        }
        if bytes.len() >= 2 && bytes[0] == b'-' {
            scanner.option(bytes)?;
            continue;
        }
        operands.push(arg);
        if operands.len() == operands_end {
            break;
        }
    }
    operands.extend(scanner.args);
    Ok(Typed {
        options: scanner.options,
        operands: operands.into_iter(),
    })
}

struct Scanner<'f, A> {
    args: A,
    flags: &'f [&'static [Flag]],
    options: Vec<(&'static str, Option<OsString>)>,
}

impl<A: Iterator<Item = OsString>> Scanner<'_, A> {
    /// Reads one argument that begins with a dash, and the next if that is its value.
    fn option(&mut self, arg: &[u8]) -> Result<(), Interrupted> {
        let long_only = arg.starts_with(b"--");
        let body = &arg[if long_only { 2 } else { 1 }..];
        let equals = body.iter().position(|&b| b == b'=');
        let name = String::from_utf8_lossy(&body[..equals.unwrap_or(body.len())]);
        if let Some(flag) = self.find(&name) {
            let value = equals.map(|at| owned(&body[at + 1..]));
            return self.set(flag, &name, value);
        }
        if matches!(&*name, "h" | "help" | "?" | "usage") {
            return Err(Interrupted::Help);
        }
        if !long_only && self.cluster(body)? {
            return Ok(());
        }
        Err(Interrupted::Wrong(format!(
            "flag provided but not defined: -{name}"
        )))
    }

    /// Reads `body` as short options: truth values, then perhaps one with a value,
    /// attached or in the next argument. False if it is not that.
    fn cluster(&mut self, body: &[u8]) -> Result<bool, Interrupted> {
        let mut letters = Vec::new();
        let mut attached = None;
        for (at, &letter) in body.iter().enumerate() {
            let name = char::from(letter).to_string();
            let Some(flag) = self.find(&name) else {
                return Ok(false);
            };
            letters.push((flag, name));
            if flag.value_name.is_some() {
                let rest = &body[at + 1..];
                attached =
                    (!rest.is_empty()).then(|| owned(rest.strip_prefix(b"=").unwrap_or(rest)));
                break;
            }
        }
        for (flag, name) in letters {
            let value = attached.take_if(|_| flag.value_name.is_some());
            self.set(flag, &name, value)?;
        }
        Ok(true)
    }

    fn find(&self, name: &str) -> Option<&'static Flag> {
        let mut flags = self.flags.iter().copied().flatten();
        flags.find(|flag| flag.is_called(name))
    }

    fn set(
        &mut self,
        flag: &'static Flag,
        name: &str,
        value: Option<OsString>,
    ) -> Result<(), Interrupted> {
        let field = flag.field;
        if flag.value_name.is_some() {
            let missing = || Interrupted::Wrong(format!("flag needs an argument: -{name}"));
            let value = value.or_else(|| self.args.next()).ok_or_else(missing)?;
            self.options.push((field, Some(value)));
            return Ok(());
        }
        let on = match value.as_deref().map(OsStr::to_string_lossy) {
            None => true,
            Some(text) => parse_bool(&text).ok_or_else(|| {
                Interrupted::Wrong(format!(
                    "invalid boolean value {text:?} for -{name}: parse error"
                ))
            })?,
        };
        // The last one counts.
        self.options.retain(|(other, _)| *other != field);
        if on {
            self.options.push((field, None));
        }
        Ok(())
    }
}

fn owned(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}
