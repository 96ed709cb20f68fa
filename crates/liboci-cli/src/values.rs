//! Values inside arguments: ids, sizes, durations. Pure and strict.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, PathBuf};
use std::time::Duration;

/// `exec --user UID[:GID]`. Without a group the caller keeps the container's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// User id inside the container.
    pub uid: u32,
    /// Group id inside the container.
    pub gid: Option<u32>,
}

/// `exec --cgroup [CONTROLLER[,CONTROLLER]:]PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubCgroup {
    /// Controllers of cgroup v1 that this is for; none named means all.
    pub controllers: Vec<String>,
    /// Cgroup below that of the container. Never has a `..` component, but
    /// may be written with a leading `/`.
    pub path: PathBuf,
}

/// Reads a user or group id: decimal digits alone, 0 to 4294967294.
///
/// Names, signs, spaces and leading zeros are errors. 4294967295 is one too:
/// it is -1 to setresuid(2), which then changes nothing, so a process meant to
/// lose its privileges would keep them.
pub fn parse_id(text: &str) -> Result<u32, String> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(id) if plain && id != u32::MAX => Ok(id),
        _ => Err("must be a number from 0 to 4294967294, in plain decimal".into()),
    }
}

/// Reads `UID[:GID]`, each as [`parse_id`] does.
pub fn parse_user(text: &str) -> Result<User, String> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    Ok(User {
        uid: parse_id(uid)?,
        gid: gid.map(parse_id).transpose()?,
    })
}

/// Checks `NAME=VALUE`; the value may be empty and need not be UTF-8.
pub fn check_env(variable: &OsStr) -> Result<(), String> {
    match variable.as_bytes().iter().position(|&b| b == b'=') {
        None => Err("invalid environment variable".into()),
        Some(0) => Err("environment variable name can't be empty".into()),
        Some(_) => Ok(()),
    }
}

/// Reads `[CONTROLLER[,CONTROLLER]:]PATH`. A colon after a slash belongs to the path.
pub fn parse_sub_cgroup(text: &str) -> Result<SubCgroup, String> {
    let (controllers, path) = match text.split_once(':') {
        Some((list, path)) if !list.contains('/') => {
            (list.split(',').map(String::from).collect(), path)
        }
        _ => (Vec::new(), text),
    };
    let path = PathBuf::from(path);
    if controllers.iter().any(String::is_empty) {
        return Err("empty controller name".into());
    }
    if path.as_os_str().is_empty() {
        return Err("empty cgroup path".into());
    }
    if path.components().any(|c| c == Component::ParentDir) {
        return Err("a cgroup below the container's cannot be reached by \"..\"".into());
    }
    Ok(SubCgroup { controllers, path })
}

/// Reads a number of bytes: `1048576`, `64M`, `1.5GiB`, or `-1` for no limit.
///
/// Units are powers of 1024 in any case: `b`, `k`, `m`, `g`, `t`, `p`, the last five
/// also with `b` or `ib`.
pub fn parse_size(text: &str) -> Result<i64, String> {
    if text == "-1" {
        return Ok(-1);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => Some(0),
        "k" | "kb" | "kib" => Some(10),
        "m" | "mb" | "mib" => Some(20),
        "g" | "gb" | "gib" => Some(30),
        "t" | "tb" | "tib" => Some(40),
        "p" | "pb" | "pib" => Some(50),
        _ => None,
    };
    shift
        .and_then(|shift| scaled(number, 1 << shift))
        .and_then(|bytes| i64::try_from(bytes).ok())
        .ok_or_else(|| format!("invalid size: '{text}'"))
}

/// Reads a duration as Go writes it: `5s`, `100ms`, `1m30s`, `1.5h`, `0`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let error = || "must be a duration such as 5s, 100ms or 1m30s".to_owned();
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(error());
    }
    let mut nanoseconds: u64 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(error)?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let unit: u64 = match unit {
            "ns" => 1,
            // The micro sign and the Greek letter.
            "us" | "\u{b5}s" | "\u{3bc}s" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return Err(error()),
        };
        let part = scaled(number, unit).ok_or_else(error)?;
        nanoseconds = nanoseconds.checked_add(part).ok_or_else(error)?;
        rest = tail;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// Reads the interval of `events`: a duration above zero.
pub fn parse_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval.is_zero() {
        return Err("duration interval must be greater than 0".into());
    }
    Ok(interval)
}

/// Reads an argument of a system call: decimal, `0x` hexadecimal, or negative,
/// which stands for its 64-bit two's complement.
pub fn parse_argument(text: &str) -> Result<u64, String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (digits, radix) = match digits.strip_prefix("0x") {
        Some(hex) if sign.is_empty() => (hex, 16),
        _ => (digits, 10),
    };
    // Rust's own readers would take a sign here.
    let plain = digits.starts_with(|c: char| c.is_ascii_hexdigit());
    let number = match sign {
        "-" => text.parse().ok().map(|n: i64| n as u64),
        _ => u64::from_str_radix(digits, radix).ok(),
    }
    .filter(|_| plain);
    number.ok_or_else(|| "must be a 64-bit number".into())
}

/// Reads a truth value as Go's flags do.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// `number`, a decimal with an optional fraction, times `unit`, rounded down.
fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    let mut total = match whole {
        "" => 0,
        whole => whole.parse::<u64>().ok()?.checked_mul(unit)?,
    };
    // 18 digits are more than any unit resolves and keep the product below 2^128.
    let fraction = &fraction[..fraction.len().min(18)];
    if !fraction.is_empty() {
        let digits: u128 = fraction.parse().ok()?;
        let part = digits * u128::from(unit) / 10u128.pow(fraction.len() as u32);
        total = total.checked_add(u64::try_from(part).ok()?)?;
    }
    Some(total)
}
