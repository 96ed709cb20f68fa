//! Moving network devices into the container's network namespace (config-linux.md, "Network Devices").
//!
//! MAC address and MTU travel with a device. Its addresses do not, so they are read before and given again, those that are permanent and of global
//! scope. When the container does not come to be, devices go back as they were.

use crate::error::{During, Error, Kind, Result};
use crate::plan::NetDevice;
use kernel::file::{self, CWD};
use kernel::netlink::{self, F_CREATE, F_DUMP, F_REPLACE, Refusal, Request};
use kernel::process::{self, CLONE_NEWNET};
use kernel::{Errno, netlink::attributes};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

const RTM_SETLINK: u16 = 19;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_NET_NS_FD: u16 = 28;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;
const IFA_RT_PRIORITY: u16 = 9;
const IFA_F_PERMANENT: u32 = 0x80;
const RT_SCOPE_UNIVERSE: u8 = 0;
const IFF_UP: u32 = 1;
/// How often a list that changes while it is read is read again.
const TRIES: usize = 10;

/// One network namespace and its devices.
#[derive(Debug)]
struct Net {
    ns: OwnedFd,
    socket: OwnedFd,
}

/// A device as it was.
#[derive(Clone, Debug, Default)]
struct Link {
    index: u32,
    name: String,
    flags: u32,
    mtu: u32,
    addresses: Vec<Address>,
}

#[derive(Clone, Debug)]
struct Address {
    /// The start of its ifaddrmsg: family, prefix length, flags, scope.
    head: [u8; 4],
    attributes: Vec<(u16, Vec<u8>)>,
}

/// Devices that are in the container now.
#[derive(Debug)]
pub struct Moved {
    host: Net,
    container: Net,
    /// The device as it was on the host, and its number in the container.
    links: Vec<(Link, u32)>,
}

/// Moves devices to the network namespace `target`.
///
/// # Errors
/// A device that is missing, cannot leave its namespace, or whose name is taken. All devices are where they were then.
pub fn move_all(devices: &[NetDevice], target: OwnedFd) -> Result<Moved> {
    let ours = file::openat(CWD, c"/proc/thread-self/ns/net", 0, 0)
        .during(|| "open /proc/thread-self/ns/net".into())?;
    let host = Net {
        socket: netlink::route().during(|| "make a netlink socket".into())?,
        ns: ours,
    };
    // A socket belongs to the namespace in which it was made.
    let socket = process::setns(target.as_fd(), CLONE_NEWNET).and_then(|()| netlink::route());
    process::setns(host.ns.as_fd(), CLONE_NEWNET)
        .during(|| "return to the network namespace of the runtime".into())?;
    let container = Net {
        socket: socket
            .during(|| "make a netlink socket in the container's network namespace".into())?,
        ns: target,
    };
    let mut moved = Moved {
        host,
        container,
        links: Vec::with_capacity(devices.len()),
    };
    for device in devices {
        if let Err(e) = moved.add(device) {
            moved.restore();
            return Err(e.field(device.field.clone()));
        }
    }
    Ok(moved)
}

impl Moved {
    fn add(&mut self, device: &NetDevice) -> Result<()> {
        let NetDevice {
            on_host, inside, ..
        } = device;
        let what = |step: &str| format!("move network device {on_host} to the container: {step}");
        let mut link = self.host.find(on_host).map_err(|e| match e.errno {
            Errno::ENODEV => Error::os(what("find it"), e.errno)
                .hint("it must be in the network namespace of the runtime"),
            _ => refused(what("find it"), &e),
        })?;
        link.addresses = self
            .host
            .addresses(link.index)
            .map_err(|e| refused(what("read its addresses"), &e))?;
        // The kernel moves first and renames then: a name that is taken has to be noticed before.
        if !inside.contains('%') && self.container.find(inside).is_ok() {
            let why = format!("the container has a network device named {inside} already");
            return Err(Error::new(Kind::Failed, what(&why)).errno(Errno::EEXIST));
        }
        let before = self
            .container
            .indexes()
            .map_err(|e| refused(what("list the container's devices"), &e))?;
        self.host
            .send_to(link.index, &self.container, inside)
            .map_err(|e| match e.errno {
                Errno::EINVAL => refused(what("change its namespace"), &e)
                    .hint("some devices, such as lo and bridges, cannot leave their namespace"),
                _ => refused(what("change its namespace"), &e),
            })?;
        let after = self
            .container
            .indexes()
            .map_err(|e| refused(what("list the container's devices"), &e))?;
        let index = after.into_iter().find(|i| !before.contains(i));
        let index =
            index.ok_or_else(|| Error::new(Kind::Failed, what("it is gone after the move")))?;
        self.links.push((link.clone(), index));
        self.container
            .set_up(index, &link, true)
            .map_err(|e| refused(what("give it its addresses"), &e))
    }

    /// Brings all devices back. What cannot be brought back stays where it is; the error that led here is what counts.
    pub fn restore(self) {
        for (link, index) in self.links.iter().rev() {
            if self
                .container
                .send_to(*index, &self.host, &link.name)
                .is_ok()
            {
                if let Ok(back) = self.host.find(&link.name) {
                    let _ = self.host.set_up(back.index, link, link.flags & IFF_UP != 0);
                }
            }
        }
    }
}

fn refused(step: String, refusal: &Refused) -> Error {
    let error = Error::os(step, refusal.errno);
    if refusal.text.is_empty() {
        error
    } else {
        error.cause(refusal.text.clone())
    }
}

/// What the kernel said.
#[derive(Debug)]
struct Refused {
    errno: Errno,
    text: String,
}

impl From<Refusal<'_>> for Refused {
    fn from(refusal: Refusal<'_>) -> Self {
        Refused {
            errno: refusal.errno,
            text: String::from_utf8_lossy(refusal.text).into_owned(),
        }
    }
}

impl From<Errno> for Refused {
    fn from(errno: Errno) -> Self {
        Refused {
            errno,
            text: String::new(),
        }
    }
}

fn named(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

/// An ifinfomsg: which device, and which of its flags become what.
fn ifinfo(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut body = [0; 16];
    body[4..8].copy_from_slice(&index.to_ne_bytes());
    body[8..12].copy_from_slice(&flags.to_ne_bytes());
    body[12..16].copy_from_slice(&change.to_ne_bytes());
    body
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_ne_bytes)
}

impl Net {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn ask(
        &self,
        request: &Request,
        mut each: impl FnMut(&[u8]),
    ) -> std::result::Result<(), Refused> {
        let mut buf = vec![0; 64 << 10];
        netlink::ask(self.socket(), request, &mut buf, |_, content| each(content))
            .map_err(Refused::from)
    }

    /// Reads a list, again if it changes meanwhile.
    fn list<T>(
        &self,
        request: &Request,
        each: impl Fn(&[u8]) -> Option<T>,
    ) -> std::result::Result<Vec<T>, Refused> {
        for _ in 0..TRIES {
            let mut list = Vec::new();
            match self.ask(request, |content| list.extend(each(content))) {
                Err(e) if e.errno == Errno::EINTR => {}
                other => return other.map(|()| list),
            }
        }
        Err(Errno::EINTR.into())
    }

    fn find(&self, name: &str) -> std::result::Result<Link, Refused> {
        let mut request = Request::new(RTM_GETLINK, 0, &ifinfo(0, 0, 0));
        request.attribute(IFLA_IFNAME, &named(name))?;
        let mut link = Link {
            name: name.to_owned(),
            ..Link::default()
        };
        self.ask(&request, |content| {
            (link.index, link.flags) = (word(content, 4), word(content, 8));
            let mtu = attributes(content.get(16..).unwrap_or_default())
                .find(|(kind, _)| *kind == IFLA_MTU);
            link.mtu = mtu.map_or(0, |(_, value)| word(value, 0));
        })?;
        if link.index == 0 {
            Err(Errno::ENODEV.into())
        } else {
            Ok(link)
        }
    }

    fn indexes(&self) -> std::result::Result<Vec<u32>, Refused> {
        self.list(
            &Request::new(RTM_GETLINK, F_DUMP, &ifinfo(0, 0, 0)),
            |content| Some(word(content, 4)),
        )
    }

    fn addresses(&self, index: u32) -> std::result::Result<Vec<Address>, Refused> {
        self.list(&Request::new(RTM_GETADDR, F_DUMP, &[0; 8]), |content| {
            let head: [u8; 4] = content.get(..4)?.try_into().ok()?;
            let list = || attributes(content.get(8..).unwrap_or_default());
            // The byte holds the lower flags only; the attribute has them all.
            let flags = list()
                .find(|(kind, _)| *kind == IFA_FLAGS)
                .map_or(u32::from(head[2]), |(_, value)| word(value, 0));
            if word(content, 4) != index
                || flags & IFA_F_PERMANENT == 0
                || head[3] != RT_SCOPE_UNIVERSE
            {
                return None;
            }
            let kept = |kind: &u16| {
                matches!(
                    *kind,
                    IFA_ADDRESS | IFA_LOCAL | IFA_BROADCAST | IFA_FLAGS | IFA_RT_PRIORITY
                )
            };
            let attributes = list()
                .filter(|(kind, _)| kept(kind))
                .map(|(kind, value)| (kind, value.to_vec()))
                .collect();
            Some(Address { head, attributes })
        })
    }

    fn send_to(&self, index: u32, other: &Net, name: &str) -> std::result::Result<(), Refused> {
        let mut request = Request::new(RTM_SETLINK, 0, &ifinfo(index, 0, 0));
        request.attribute(IFLA_NET_NS_FD, &other.ns.as_raw_fd().to_ne_bytes())?;
        request.attribute(IFLA_IFNAME, &named(name))?;
        self.ask(&request, |_| ())
    }

    fn set_up(&self, index: u32, link: &Link, up: bool) -> std::result::Result<(), Refused> {
        for address in &link.addresses {
            let mut body = [0; 8];
            body[..4].copy_from_slice(&address.head);
            body[4..].copy_from_slice(&index.to_ne_bytes());
            let mut request = Request::new(RTM_NEWADDR, F_CREATE | F_REPLACE, &body);
            for (kind, value) in &address.attributes {
                request.attribute(*kind, value)?;
            }
            self.ask(&request, |_| ())?;
        }
        let mut request = Request::new(
            RTM_SETLINK,
            0,
            &ifinfo(index, if up { IFF_UP } else { 0 }, IFF_UP),
        );
        if link.mtu != 0 {
            request.attribute(IFLA_MTU, &link.mtu.to_ne_bytes())?;
        }
        self.ask(&request, |_| ())
    }
}
