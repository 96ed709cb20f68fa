//! What can be refused before anything is written.

use crate::convert;
use crate::error::{Error, Result};
use crate::resources::{Cpu, Memory};

/// Refuses numbers that no kernel takes; returns what `memory.swap.max` is to be, if anything.
pub(crate) fn memory(m: &Memory) -> Result<Option<String>> {
    let numbers = [
        ("limit", m.limit),
        ("reservation", m.reservation),
        ("swap", m.swap),
        ("kernel", m.kernel),
        ("kernelTCP", m.kernel_tcp),
    ];
    for (name, value) in numbers {
        if let Some(n) = value.filter(|n| *n < -1) {
            return Err(Error::refuse(
                format!("/linux/resources/memory/{name}"),
                format!("{n} is not a number of bytes, nor -1 for unlimited"),
            ));
        }
    }
    if let Some(n) = m.swappiness.filter(|n| *n > 100) {
        return Err(Error::refuse(
            "/linux/resources/memory/swappiness",
            format!("{n} is not between 0 and 100"),
        ));
    }
    convert::swap_max(m.limit.unwrap_or(0), m.swap.unwrap_or(0))
        .map_err(|e| Error::refuse("/linux/resources/memory/swap", e))
}

pub(crate) fn cpu(c: &Cpu) -> Result<()> {
    if let Some(n) = c.idle.filter(|n| *n != 0 && *n != 1) {
        return Err(Error::refuse(
            "/linux/resources/cpu/idle",
            format!("{n} is neither 0 nor 1"),
        ));
    }
    for (name, list) in [("cpus", &c.cpus), ("mems", &c.mems)] {
        let plain = |b: u8| b.is_ascii_digit() || matches!(b, b',' | b'-' | b':' | b'/' | b' ');
        if let Some(list) = list.as_deref().filter(|l| !l.bytes().all(plain)) {
            return Err(Error::refuse(
                format!("/linux/resources/cpu/{name}"),
                format!("{list:?} is not a list of numbers such as 0-3,5"),
            ));
        }
    }
    Ok(())
}

/// 0 means unset.
pub(crate) fn weight(weight: Option<u16>, field: &str) -> Result<Option<u16>> {
    match weight {
        None | Some(0) => Ok(None),
        Some(n @ 10..=1000) => Ok(Some(n)),
        Some(n) => Err(Error::refuse(
            field,
            format!("weight {n} is not between 10 and 1000"),
        )),
    }
}

/// `major:minor` of a block device.
pub(crate) fn device(major: i64, minor: i64, field: &str) -> Result<String> {
    match (u32::try_from(major), u32::try_from(minor)) {
        (Ok(major), Ok(minor)) => Ok(format!("{major}:{minor}")),
        _ => Err(Error::refuse(
            field,
            format!("{major}:{minor} is not a device number"),
        )),
    }
}
