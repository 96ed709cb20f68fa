//! Resources as properties of a unit (systemd.resource-control(5), org.freedesktop.systemd1(5)).
//!
//! What systemd has no property for is written to the cgroup's files alone. What it has one for is written there too: systemd sets its
//! properties again on every daemon-reload, so both must say the same.

use super::wire::{Property, Value};
use crate::convert;
use crate::devices::{Kind, Policy, access, letters};
use crate::error::{Error, Result};
use crate::resources::{BlockIo, Cpu, Memory, Resources};

const INFINITY: u64 = u64::MAX;
/// systemd keeps a quota as whole percents of a processor: 10 milliseconds of each second.
const QUOTA_STEP: u64 = 10_000;
const SECOND: u64 = 1_000_000;
/// What the kernel and systemd take for a period when nobody says, in microseconds.
const PERIOD: u64 = 100_000;

/// Properties for these resources. `v2`: the host has the v2 tree alone.
pub(crate) fn resources(r: &Resources, v2: bool) -> Result<Vec<Property>> {
    let mut p = Vec::new();
    if let Some(memory) = &r.memory {
        self::memory(memory, v2, &mut p)?;
    }
    if let Some(cpu) = &r.cpu {
        self::cpu(cpu, v2, &mut p)?;
    }
    if let Some(limit) = r.pids.as_ref().and_then(|p| p.limit) {
        // systemd refuses 0, which would mean the same as 1: the first process is there already.
        add(
            &mut p,
            "TasksMax",
            Value::U64(if limit < 0 {
                INFINITY
            } else {
                limit.max(1) as u64
            }),
        );
    }
    let weight = r.block_io.as_ref().and_then(|b| b.weight);
    if let Some(weight) = weight.filter(|w| !v2 && *w != 0) {
        add(&mut p, "BlockIOWeight", Value::U64(weight.into()));
    }
    for (file, value) in r.unified.iter().flatten() {
        unified(file, value, &mut p)?;
    }
    Ok(p)
}

/// Weights of I/O on v2. systemd has one number for io.cost and BFQ, and its own idea of how they compare; `bfq` tells which of the two files is ours
/// to write, and is to say afterwards what we wrote.
pub(crate) fn io(b: &BlockIo, bfq: bool) -> Vec<Property> {
    let convert = |weight: u16| match bfq {
        // systemd: up to 100 as it is, from there to 10000 in a straight line to BFQ's 1000.
        true if weight <= 100 => u64::from(weight),
        true => 100 + (u64::from(weight) - 100) * 11,
        false => convert::blkio_to_io_weight(weight),
    };
    let valid = |weight: &u16| (10..=1000).contains(weight);
    let mut p = Vec::new();
    if let Some(weight) = b.weight.filter(valid) {
        add(&mut p, "IOWeight", Value::U64(convert(weight)));
    }
    let devices = b.weight_device.iter().flatten().filter_map(|d| {
        let path = format!("/dev/block/{}:{}", d.major, d.minor);
        Some((path, convert(d.weight.filter(valid)?)))
    });
    let devices: Vec<_> = devices.collect();
    if !devices.is_empty() {
        add(&mut p, "IODeviceWeight", Value::Weights(devices));
    }
    p
}

fn add(p: &mut Vec<Property>, name: &str, value: Value) {
    p.push((name.to_owned(), value));
}

fn memory(m: &Memory, v2: bool, p: &mut Vec<Property>) -> Result<()> {
    let bytes = |n: i64| Value::U64(if n < 0 { INFINITY } else { n as u64 });
    let swap = crate::check::memory(m)?;
    if let Some(limit) = m.limit.filter(|n| *n != 0) {
        add(
            p,
            if v2 { "MemoryMax" } else { "MemoryLimit" },
            bytes(limit),
        );
    }
    if !v2 {
        return Ok(());
    }
    if let Some(n) = m.reservation.filter(|n| *n != 0) {
        add(p, "MemoryLow", bytes(n));
    }
    if let Some(swap) = swap {
        add(
            p,
            "MemorySwapMax",
            Value::U64(swap.parse().unwrap_or(INFINITY)),
        );
    }
    Ok(())
}

fn cpu(c: &Cpu, v2: bool, p: &mut Vec<Property>) -> Result<()> {
    if c.idle == Some(1) && v2 {
        // 0 is systemd's word for idle (252); a weight beside it would contradict.
        add(p, "CPUWeight", Value::U64(0));
    } else if let Some(shares) = c.shares.filter(|n| *n != 0) {
        match v2 {
            true => add(
                p,
                "CPUWeight",
                Value::U64(convert::shares_to_weight(shares).unwrap_or(100)),
            ),
            false => add(p, "CPUShares", Value::U64(shares)),
        }
    }
    let period = c.period.filter(|n| *n != 0);
    if let Some(period) = period {
        add(p, "CPUQuotaPeriodUSec", Value::U64(period));
    }
    if let Some(quota) = c.quota.filter(|q| *q != 0) {
        let per_second = if quota < 0 {
            INFINITY
        } else {
            quota_per_second(quota as u64, period.unwrap_or(PERIOD))
        };
        add(p, "CPUQuotaPerSecUSec", Value::U64(per_second));
    }
    for (name, list, field) in [
        ("AllowedCPUs", &c.cpus, "cpus"),
        ("AllowedMemoryNodes", &c.mems, "mems"),
    ] {
        if let Some(list) = list.as_deref().filter(|l| !l.is_empty()) {
            add(
                p,
                name,
                Value::Bytes(bits(list, &format!("/linux/resources/cpu/{field}"))?),
            );
        }
    }
    Ok(())
}

fn quota_per_second(quota: u64, period: u64) -> u64 {
    (u128::from(quota) * u128::from(SECOND))
        .div_ceil(u128::from(period))
        .min(u128::from(INFINITY / 2))
        .next_multiple_of(u128::from(QUOTA_STEP)) as u64
}

/// Makes the quota the one that systemd will end up with, for the file to say the same.
pub(crate) fn round(r: &mut Resources) {
    if let Some(cpu) = &mut r.cpu {
        let period = cpu.period.filter(|n| *n != 0).unwrap_or(PERIOD);
        cpu.quota = cpu.quota.map(|quota| rounded(quota, period));
    }
    let files = r.unified.as_mut();
    if let Some(max) = files.and_then(|files| files.get_mut("cpu.max")) {
        let mut words = max.split_whitespace().map(str::parse::<u64>);
        if let (Some(Ok(quota)), Ok(period)) = (words.next(), words.next().unwrap_or(Ok(PERIOD))) {
            if let Some(quota) = i64::try_from(quota).ok().filter(|_| period != 0) {
                *max = format!("{} {period}", rounded(quota, period));
            }
        }
    }
}

fn rounded(quota: i64, period: u64) -> i64 {
    if quota <= 0 {
        return quota;
    }
    let exact = u128::from(quota_per_second(quota as u64, period)) * u128::from(period)
        / u128::from(SECOND);
    i64::try_from(exact).unwrap_or(quota)
}

/// `0-2,8` as a bit mask, the lowest numbers first.
fn bits(list: &str, field: &str) -> Result<Vec<u8>> {
    let invalid = || {
        Error::refuse(
            field.to_owned(),
            format!("{list:?} is not a list of numbers such as 0-3,5"),
        )
    };
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to): (usize, usize) = (
            from.parse().map_err(|_| invalid())?,
            to.parse().map_err(|_| invalid())?,
        );
        if from > to || to >= 65536 {
            return Err(invalid());
        }
        mask.resize(mask.len().max(to / 8 + 1), 0);
        (from..=to).for_each(|n| mask[n / 8] |= 1 << (n % 8));
    }
    Ok(mask)
}

/// Files that the configuration names itself, where systemd has a property for them.
fn unified(file: &str, value: &str, p: &mut Vec<Property>) -> Result<()> {
    let field = format!("/linux/resources/unified/{file}");
    let value = value.trim();
    let invalid = |n: &str| {
        Error::refuse(
            field.clone(),
            format!("{n:?} is neither a number nor \"max\""),
        )
    };
    let number = || match value {
        "max" => Ok(INFINITY),
        n if file.starts_with("memory.") => convert::memparse(n).ok_or_else(|| invalid(n)),
        n => n.parse::<u64>().map_err(|_| invalid(n)),
    };
    let name =
        match file {
            "memory.high" => "MemoryHigh",
            "memory.low" => "MemoryLow",
            "memory.min" => "MemoryMin",
            "memory.max" => "MemoryMax",
            "memory.swap.max" => "MemorySwapMax",
            "memory.zswap.max" => "MemoryZSwapMax",
            "pids.max" => "TasksMax",
            "cpu.weight" => "CPUWeight",
            "cpu.idle" => {
                if value == "1" {
                    add(p, "CPUWeight", Value::U64(0));
                }
                return Ok(());
            }
            "cpuset.cpus" | "cpuset.mems" => {
                let name = if file == "cpuset.cpus" {
                    "AllowedCPUs"
                } else {
                    "AllowedMemoryNodes"
                };
                add(p, name, Value::Bytes(bits(value, &field)?));
                return Ok(());
            }
            "cpu.max" => {
                let mut words = value.split_whitespace();
                let quota = words.next().map_or(Some(-1), |q| {
                    if q == "max" { Some(-1) } else { q.parse().ok() }
                });
                let period = words
                    .next()
                    .map_or(Some(None), |w| w.parse().ok().map(Some));
                let (Some(quota), Some(period)) = (quota, period) else {
                    return Err(Error::refuse(
                        field,
                        format!("{value:?} is not a quota and a period"),
                    ));
                };
                return cpu(
                    &Cpu {
                        quota: Some(quota),
                        period,
                        ..Cpu::default()
                    },
                    true,
                    p,
                );
            }
            _ => return Ok(()),
        };
    add(p, name, Value::U64(number()?));
    Ok(())
}

/// Device access: systemd knows lists of what is allowed, nothing else. Where the policy denies inside what it allows, the unit allows a
/// little more, and our own program beside systemd's, both of which must agree, denies it.
pub(crate) fn devices(policy: &Policy) -> Vec<Property> {
    let mut p = Vec::new();
    // An empty list first: setting the property adds to what is there.
    add(&mut p, "DeviceAllow", Value::Pairs(Vec::new()));
    if policy.allows_everything() {
        add(&mut p, "DevicePolicy", Value::Str("auto".into()));
        return p;
    }
    add(&mut p, "DevicePolicy", Value::Str("strict".into()));
    let mut list: Vec<(String, String)> = Vec::new();
    for e in policy
        .entries()
        .iter()
        .filter(|e| e.access & access::ALL != 0)
    {
        let kind = if e.key.kind == Kind::Char {
            "char"
        } else {
            "block"
        };
        let node = match (e.key.major, e.key.minor) {
            (Some(major), Some(minor)) => format!("/dev/{kind}/{major}:{minor}"),
            (Some(major), None) => format!("{kind}-{major}"),
            // Every major of one minor can not be said: all of the kind.
            (None, _) => format!("{kind}-*"),
        };
        list.push((node, letters(e.access)));
    }
    add(&mut p, "DeviceAllow", Value::Pairs(list));
    p
}

#[cfg(test)]
mod tests;
