//! From bytes to types, and from a failure to the place and the sentence that a person needs.
//!
//! Decoding runs without keeping track of where it is. Only when it fails is the place found, from
//! its line and column, so a good document pays nothing for the errors of a bad one.

use std::fmt;

use serde::de::DeserializeOwned;

use super::strict::Strict;
use super::{Process, Spec};

/// Largest document that is decoded, in bytes.
pub const MAX_SIZE: usize = 32 << 20;

/// Decodes `config.json`.
pub fn decode(bytes: &[u8]) -> Result<Spec, DecodeError> {
    decode_json(bytes)
}

/// Decodes the document of `exec --process`: a `process` object on its own.
pub fn decode_process(bytes: &[u8]) -> Result<Process, DecodeError> {
    decode_json(bytes)
}

/// Decodes any document, with the same strictness and the same errors.
///
/// A document is one JSON value in UTF-8, at most [`MAX_SIZE`] bytes and 128 levels deep.
pub fn decode_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let text = text(bytes)?;
    let mut json = serde_json::Deserializer::from_str(text);
    let value = T::deserialize(Strict(&mut json));
    match value.and_then(|value| json.end().map(|()| value)) {
        Ok(value) => Ok(value),
        Err(error) => {
            let message = error.to_string();
            let at_opening = ["invalid type: map", "invalid type: sequence"]
                .iter()
                .any(|start| message.starts_with(start));
            let pointer = super::place::pointer(text, error.line(), error.column(), at_opening);
            Err(DecodeError::new(&pointer, &error))
        }
    }
}

/// The document as text, if it can be one at all.
fn text(bytes: &[u8]) -> Result<&str, DecodeError> {
    let whole = |message: String| DecodeError {
        pointer: String::new(),
        line: 0,
        column: 0,
        message,
    };
    if bytes.len() > MAX_SIZE {
        return Err(whole(format!(
            "the document has {} bytes, more than {MAX_SIZE}",
            bytes.len()
        )));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(whole("the document is empty".into()));
    }
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(whole("the document starts with a byte order mark".into()));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let before = &bytes[..error.valid_up_to()];
        let line_start = before
            .iter()
            .rposition(|&byte| byte == b'\n')
            .map_or(0, |newline| newline + 1);
        DecodeError {
            pointer: String::new(),
            line: before.iter().filter(|&&byte| byte == b'\n').count() + 1,
            column: before.len() - line_start + 1,
            message: format!(
                "the document is not UTF-8: byte 0x{:02x}",
                bytes[before.len()]
            ),
        }
    })
}

/// Appends one reference token.
pub(super) fn push(pointer: &mut String, token: &str) {
    pointer.push('/');
    pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
}

/// Why a document was not decoded, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// JSON pointer (RFC 6901) of the value at fault; of the field itself when it is missing or
    /// given twice; empty for the document.
    pub pointer: String,
    /// Line of the document, from 1; 0 when there is none to name.
    pub line: usize,
    /// Column in bytes, from 1 and near the end of the value; 0 when there is none to name.
    pub column: usize,
    /// What is wrong, such as "expected a string, found the number 5".
    pub message: String,
}

impl DecodeError {
    /// Rewords an error of serde_json, which was met at `pointer`.
    fn new(pointer: &str, error: &serde_json::Error) -> DecodeError {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let position = format!(" at line {line} column {column}");
        let text = text.strip_suffix(&position).unwrap_or(&text);
        let mut pointer = pointer.to_owned();
        let message = match at_field(text) {
            Some((field, message)) => {
                push(&mut pointer, field);
                message.to_owned()
            }
            None => reword(text),
        };
        DecodeError {
            pointer,
            line,
            column,
            message,
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.pointer.is_empty() {
            write!(f, "{}: ", self.pointer)?;
        }
        f.write_str(&self.message)?;
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}

/// The errors that serde reports at an object although they are about one field of it.
fn at_field(text: &str) -> Option<(&str, &'static str)> {
    let name = |prefix: &str| {
        text.strip_prefix(prefix)?
            .strip_prefix('`')?
            .strip_suffix('`')
    };
    let missing = name("missing field ").map(|field| (field, "required, but missing"));
    missing.or_else(|| name("duplicate field ").map(|field| (field, "given twice")))
}

/// serde's words, in the words of JSON.
fn reword(text: &str) -> String {
    let mismatch = text
        .strip_prefix("invalid type: ")
        .or_else(|| text.strip_prefix("invalid value: "));
    match mismatch.and_then(|rest| rest.rsplit_once(", expected ")) {
        Some((found, expected)) => format!("expected {}, found {}", kind(expected), value(found)),
        None => match text {
            "EOF while parsing a value"
            | "EOF while parsing an object"
            | "EOF while parsing a list"
            | "EOF while parsing a string" => "the document ends too early".into(),
            "trailing characters" => "something follows the document".into(),
            "recursion limit exceeded" => "nested more than 128 levels deep".into(),
            other => other.into(),
        },
    }
}

/// What a Rust type accepts.
fn kind(expected: &str) -> &str {
    match expected {
        "a boolean" => "true or false",
        "a sequence" => "an array",
        "a map" => "an object",
        "u16" => "an integer from 0 to 65535",
        "u32" => "an integer from 0 to 4294967295",
        "u64" | "usize" => "an integer from 0 to 18446744073709551615",
        "i32" => "an integer from -2147483648 to 2147483647",
        "i64" | "isize" => "an integer of 64 bits",
        other if other.starts_with("struct ") => "an object",
        other => other,
    }
}

/// What was found instead, shortened when it is long.
fn value(found: &str) -> String {
    let number = found
        .strip_prefix("integer ")
        .or_else(|| found.strip_prefix("floating point "));
    let text = match (found, number) {
        (_, Some(number)) => format!("the number {}", number.trim_matches('`')),
        ("map", _) => "an object".into(),
        ("sequence", _) => "an array".into(),
        ("boolean `true`", _) => "true".into(),
        ("boolean `false`", _) => "false".into(),
        _ if found.starts_with("string ") => format!("the {found}"),
        _ => found.into(),
    };
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
