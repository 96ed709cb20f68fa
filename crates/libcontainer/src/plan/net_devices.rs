//! `linux.netDevices`: which devices of the host move into the container, and what they are called there.

use super::{Host, NetDevice, pointer};
use crate::error::{Error, Result};
use crate::spec::Linux;

/// Longest name of a device, with its NUL (`IFNAMSIZ`).
const NAME_SIZE: usize = 16;

/// Decides.
///
/// # Errors
/// Names that no device can have, two devices of one name, or a caller that is not root of the host.
pub fn net_devices(linux: &Linux, host: &Host) -> Result<Vec<NetDevice>> {
    let mut list: Vec<NetDevice> = Vec::with_capacity(linux.net_devices.len());
    for (on_host, device) in &linux.net_devices {
        let field = format!("/linux/netDevices/{}", pointer(on_host));
        if !host.privileged {
            return Err(Error::invalid(
                field,
                "moving network devices takes CAP_NET_ADMIN on the host, which an ordinary user does not have",
            ));
        }
        check_name(on_host, false).map_err(|e| e.field(field.clone()))?;
        let inside = device.name.as_ref().unwrap_or(on_host);
        check_name(inside, true).map_err(|e| e.field(format!("{field}/name")))?;
        if !inside.contains('%') && list.iter().any(|other| other.inside == *inside) {
            return Err(Error::invalid(
                field,
                format!("two network devices would be named \"{inside}\" in the container"),
            ));
        }
        list.push(NetDevice {
            on_host: on_host.clone(),
            inside: inside.clone(),
            field,
        });
    }
    Ok(list)
}

/// The kernel's rule for names (`dev_valid_name`), and its one kind of template: `%d`, once.
fn check_name(name: &str, template: bool) -> Result<()> {
    let why = match name {
        "" => "a network device needs a name".to_owned(),
        "." | ".." => format!("\"{name}\" is no name of a network device"),
        _ if name.len() >= NAME_SIZE => {
            format!("\"{name}\" is longer than {} bytes", NAME_SIZE - 1)
        }
        _ if name
            .contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace()) =>
        {
            format!(
                "{name:?} is no name of a network device: it contains a slash, a colon or a space"
            )
        }
        _ if name.contains('%')
            && !(template && name.ends_with("%d") && name.matches('%').count() == 1) =>
        {
            format!(
                "\"{name}\" is no name of a network device: the only template is %d at the end of the name inside"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::invalid("", why))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec;

    fn decide(list: &[(&str, Option<&str>)], privileged: bool) -> Result<Vec<NetDevice>> {
        let net_devices = list
            .iter()
            .map(|(host, name)| {
                (
                    (*host).to_owned(),
                    spec::NetDevice {
                        name: name.map(str::to_owned),
                    },
                )
            })
            .collect();
        net_devices_of(
            Linux {
                net_devices,
                ..Linux::default()
            },
            privileged,
        )
    }

    fn net_devices_of(linux: Linux, privileged: bool) -> Result<Vec<NetDevice>> {
        net_devices(
            &linux,
            &Host::for_tests(if privileged { 0 } else { 1000 }, privileged),
        )
    }

    #[test]
    fn a_device_keeps_its_name_unless_it_gets_another() {
        let list = decide(
            &[
                ("eth1", None),
                ("eth2", Some("a%d")),
                ("eth3", Some("a%d")),
                ("eth4", Some("data")),
            ],
            true,
        )
        .unwrap();
        assert_eq!(
            list.iter().map(|d| d.inside.as_str()).collect::<Vec<_>>(),
            ["eth1", "a%d", "a%d", "data"]
        );
    }

    #[test]
    fn what_cannot_be_is_refused_at_its_field() {
        for (list, privileged, field) in [
            (&[("eth1", None)][..], false, "eth1"),
            (&[("", None)], true, ""),
            (&[("e/1", None)], true, "e~11"),
            (&[("e%d", None)], true, "e%d"),
            (&[("sixteen-bytes-ok", None)], true, "sixteen-bytes-ok"),
            (&[("eth1", Some(".."))], true, "eth1/name"),
            (&[("eth1", Some("a b"))], true, "eth1/name"),
            (&[("eth1", Some("a:b"))], true, "eth1/name"),
            (&[("eth1", Some("a\0"))], true, "eth1/name"),
            (&[("eth1", Some("a%s"))], true, "eth1/name"),
            (&[("eth1", Some("%d%d"))], true, "eth1/name"),
            (&[("eth1", Some("x")), ("eth2", Some("x"))], true, "eth2"),
        ] {
            let error = decide(list, privileged).unwrap_err();
            assert_eq!(
                error.pointer(),
                Some(format!("/linux/netDevices/{field}").as_str()),
                "{list:?}: {error}"
            );
        }
    }
}
