//! Property values in GVariant text format (GLib, "GVariant Text Format"), as far as unit properties use it:
//! `'text'`, `true`, `5`, `uint64 5`, `1.5`, `['a', 'b']`.

use super::wire::{Property, Value};

/// A property as an annotation gives it. `...Sec` becomes `...USec`: systemd's interface knows microseconds alone.
pub(crate) fn property(name: &str, text: &str) -> Result<Property, String> {
    if name.len() < 3 || !name.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Err(format!("{name:?} is not the name of a unit property"));
    }
    let value = parse(text).ok_or_else(|| {
        format!("value {text:?} of unit property {name} is not in GVariant text format")
    })?;
    match name.strip_suffix("Sec").filter(|stem| !stem.ends_with('U')) {
        None => Ok((name.to_owned(), value)),
        Some(stem) => {
            let micros = micros(&value).ok_or_else(|| {
                format!("value {text:?} of unit property {name} is not a number of seconds")
            })?;
            Ok((format!("{stem}USec"), Value::U64(micros)))
        }
    }
}

fn micros(value: &Value) -> Option<u64> {
    let whole = |n: i128| u64::try_from(n.checked_mul(1_000_000)?).ok();
    match *value {
        Value::I32(n) => whole(n.into()),
        Value::U32(n) => whole(n.into()),
        Value::I64(n) => whole(n.into()),
        Value::U64(u64::MAX) => Some(u64::MAX),
        Value::U64(n) => whole(n.into()),
        Value::F64(n) if (0.0..1e12).contains(&n) => Some((n * 1e6) as u64),
        _ => None,
    }
}

fn parse(text: &str) -> Option<Value> {
    let text = text.trim();
    if let Some(list) = text
        .strip_prefix("@as")
        .map_or(text, str::trim)
        .strip_prefix('[')
    {
        return strings(list.strip_suffix(']')?).map(Value::Strs);
    }
    if text.starts_with(['\'', '"']) {
        return quoted(text)
            .filter(|(_, rest)| rest.is_empty())
            .map(|(s, _)| Value::Str(s));
    }
    let (kind, number) = text
        .split_once(' ')
        .map_or(("", text), |(kind, number)| (kind, number.trim()));
    match (kind, number) {
        ("" | "boolean", "true") => Some(Value::Bool(true)),
        ("" | "boolean", "false") => Some(Value::Bool(false)),
        ("" | "int32", n) if int(n).is_some() => int(n)?.try_into().ok().map(Value::I32),
        ("byte", n) => int(n)?.try_into().ok().map(Value::Byte),
        ("uint32", n) => int(n)?.try_into().ok().map(Value::U32),
        ("int64", n) => int(n)?.try_into().ok().map(Value::I64),
        ("uint64", n) => int(n)?.try_into().ok().map(Value::U64),
        ("" | "double", n) => n
            .parse()
            .ok()
            .filter(|n: &f64| n.is_finite())
            .map(Value::F64),
        _ => None,
    }
}

fn int(text: &str) -> Option<i128> {
    match text.strip_prefix("0x") {
        Some(hex) => i128::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// A quoted string at the start, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut chars = text.char_indices();
    let (_, quote) = chars.next()?;
    let mut s = String::new();
    while let Some((at, c)) = chars.next() {
        match c {
            c if c == quote => return Some((s, &text[at + 1..])),
            '\0' => return None,
            '\\' => s.push(match chars.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                c @ ('\\' | '\'' | '"') => c,
                _ => return None,
            }),
            c => s.push(c),
        }
    }
    None
}

/// Strings with commas between.
fn strings(mut text: &str) -> Option<Vec<String>> {
    let mut list = Vec::new();
    text = text.trim();
    while !text.is_empty() {
        if !text.starts_with(['\'', '"']) {
            return None;
        }
        let (s, rest) = quoted(text)?;
        list.push(s);
        let rest = rest.trim_start();
        text = match rest.strip_prefix(',') {
            Some(more) => more.trim_start(),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let s = |s: &str| Value::Str(s.to_owned());
        let table = [
            ("'inactive-or-failed'", s("inactive-or-failed")),
            (r#""a\"b\\c""#, s("a\"b\\c")),
            ("true", Value::Bool(true)),
            ("5", Value::I32(5)),
            ("-5", Value::I32(-5)),
            ("uint64 18446744073709551615", Value::U64(u64::MAX)),
            ("byte 0x1f", Value::Byte(31)),
            ("1.5", Value::F64(1.5)),
            (
                "['a', 'b, c']",
                Value::Strs(vec!["a".into(), "b, c".into()]),
            ),
            ("@as []", Value::Strs(vec![])),
        ];
        for (text, want) in table {
            assert_eq!(parse(text), Some(want), "{text}");
        }
        for text in [
            "",
            "'a",
            "'a'b",
            "['a'",
            "['a' 'b']",
            "uint32 -1",
            "byte 256",
            "nonsense",
            "99999999999",
            "uint64 x",
            "[1]",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn seconds_become_microseconds() {
        assert_eq!(
            property("TimeoutStopSec", "uint64 5"),
            Ok(("TimeoutStopUSec".into(), Value::U64(5_000_000)))
        );
        assert_eq!(
            property("RuntimeMaxSec", "1.5"),
            Ok(("RuntimeMaxUSec".into(), Value::U64(1_500_000)))
        );
        assert_eq!(
            property("TimeoutStopUSec", "uint64 5"),
            Ok(("TimeoutStopUSec".into(), Value::U64(5)))
        );
        for (name, value) in [
            ("TimeoutStopSec", "'x'"),
            ("TimeoutStopSec", "-1"),
            ("ab", "true"),
            ("Exec-Start", "true"),
            ("", "true"),
        ] {
            assert!(property(name, value).is_err(), "{name}");
        }
    }
}
