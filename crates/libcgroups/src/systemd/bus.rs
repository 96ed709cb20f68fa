//! A connection to a service manager: straight to its private socket, as systemctl(1) does, or through a message bus.

use super::wire::{Call, Message, Writer, decode, length};
use crate::wait::Backoff;
use kernel::{Errno, io, socket};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why a call came to nothing.
#[derive(Debug, PartialEq)]
pub(crate) enum Failure {
    /// The other side answered with an error.
    Refused { name: String, text: String },
    /// Nobody there, or gone in the middle: a manager that executes itself anew closes its connections.
    Lost(Errno),
    /// No answer before the deadline.
    Late,
}

impl From<Errno> for Failure {
    fn from(e: Errno) -> Failure {
        Failure::Lost(e)
    }
}

/// What the bus says in the place of a manager that has closed its connection with a call unanswered.
const GONE: [&str; 3] = [
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.Disconnected",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
];

type Result<T> = std::result::Result<T, Failure>;

/// How long one try to connect may take. A manager that executes itself anew leaves some without an answer, and the next is answered.
const TRY_TIME: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    stream: UnixStream,
    /// Received and not yet decoded.
    buffer: Vec<u8>,
    /// Signals that came while a reply was awaited.
    signals: Vec<(String, Vec<u8>)>,
    serial: u32,
    deadline: Instant,
}

/// Where a manager can be reached: the path of a socket, and whether a bus daemon sits behind it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    pub path: String,
    pub is_bus: bool,
}

/// The sockets to try, the best first.
pub(crate) fn addresses(
    user: bool,
    env: impl Fn(&str) -> Option<String>,
    uid: u32,
) -> Vec<Address> {
    let socket = |path: String, is_bus| Address { path, is_bus };
    if !user {
        return vec![
            socket("/run/systemd/private".into(), false),
            socket("/run/dbus/system_bus_socket".into(), true),
        ];
    }
    let runtime = env("XDG_RUNTIME_DIR")
        .filter(|d| !d.is_empty())
        .unwrap_or_else(|| format!("/run/user/{uid}"));
    let mut list = vec![socket(format!("{runtime}/systemd/private"), false)];
    // unix:path=/run/user/1000/bus,guid=...;...
    let named = env("DBUS_SESSION_BUS_ADDRESS").unwrap_or_default();
    let paths = named.split(';').filter_map(|a| {
        a.strip_prefix("unix:")?
            .split(',')
            .find_map(|kv| kv.strip_prefix("path="))
    });
    list.extend(paths.map(|p| socket(p.to_owned(), true)));
    let usual = socket(format!("{runtime}/bus"), true);
    if !list.contains(&usual) {
        list.push(usual);
    }
    list
}

impl Connection {
    /// Connects to the first address that answers, and tries again until the deadline while somebody is there but too busy.
    pub fn open(addresses: &[Address], deadline: Instant) -> Result<Connection> {
        let mut backoff = Backoff::until(deadline);
        loop {
            let mut busy = None;
            let mut last = Failure::Lost(Errno::ENOENT);
            for address in addresses {
                match Connection::try_open(address, deadline.min(Instant::now() + TRY_TIME)) {
                    Ok(mut connection) => {
                        connection.deadline = deadline;
                        return Ok(connection);
                    }
                    // Full backlog; between two lives of a manager that executes itself anew.
                    Err(Failure::Lost(
                        e
                        @ (Errno::EAGAIN | Errno::ECONNREFUSED | Errno::ECONNRESET | Errno::EPIPE),
                    )) => busy = Some(Failure::Lost(e)),
                    Err(Failure::Late) => busy = Some(Failure::Late),
                    Err(e) => last = e,
                }
            }
            match busy {
                None => return Err(last),
                Some(e) if !backoff.wait() => return Err(e),
                Some(_) => {}
            }
        }
    }

    fn try_open(address: &Address, deadline: Instant) -> Result<Connection> {
        // Without waiting: connect(2) knows no deadline, and a manager that accepts nobody lets the backlog fill up.
        let socket = socket::unix(socket::SOCK_STREAM)?;
        io::set_nonblocking(socket.as_fd(), true)?;
        socket::connect(socket.as_fd(), Path::new(&address.path))?;
        io::set_nonblocking(socket.as_fd(), false)?;
        let stream = UnixStream::from(socket);
        let mut connection = Connection {
            stream,
            buffer: Vec::new(),
            signals: Vec::new(),
            serial: 0,
            deadline,
        };
        // An empty identity stands for whoever the kernel says we are: inside a user namespace our own idea of the uid would be wrong.
        connection.send(b"\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n")?;
        loop {
            match connection.line()?.as_str() {
                "DATA" => {}
                line if line.starts_with("OK") => break,
                _ => return Err(Failure::Lost(Errno::EACCES)),
            }
        }
        if address.is_bus {
            connection.call_bus("Hello", "", &[])?;
            connection.call_bus(
                "AddMatch",
                "s",
                &["type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"],
            )?;
            // Without subscribers on the bus, the manager sends it no signals.
            let body = Vec::new();
            let subscribe = Call {
                signature: "",
                body,
                ..manager("Subscribe")
            };
            match connection.call(&subscribe) {
                Ok(_) | Err(Failure::Refused { .. }) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(connection)
    }

    fn call_bus(&mut self, member: &str, signature: &str, args: &[&str]) -> Result<()> {
        let mut body = Writer::default();
        args.iter().for_each(|a| body.str(a));
        let name = "org.freedesktop.DBus";
        self.call(&Call {
            destination: name,
            path: "/org/freedesktop/DBus",
            interface: name,
            member,
            signature,
            body: body.0,
        })
        .map(drop)
    }

    /// Calls a method and waits for its answer's body.
    pub fn call(&mut self, call: &Call<'_>) -> Result<Vec<u8>> {
        self.serial += 1;
        let serial = self.serial;
        self.send(&call.encode(serial))?;
        loop {
            match self.message()? {
                Message::Return { to, body } if to == serial => return Ok(body),
                Message::Error { to, name, .. }
                    if to == serial && GONE.contains(&name.as_str()) =>
                {
                    return Err(Failure::Lost(Errno::ECONNRESET));
                }
                Message::Error { to, name, text } if to == serial => {
                    return Err(Failure::Refused { name, text });
                }
                Message::Signal { member, body } => self.signals.push((member, body)),
                _ => {}
            }
        }
    }

    /// The next signal, also one that has come already.
    pub fn signal(&mut self) -> Result<(String, Vec<u8>)> {
        if !self.signals.is_empty() {
            return Ok(self.signals.remove(0));
        }
        loop {
            if let Message::Signal { member, body } = self.message()? {
                return Ok((member, body));
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failure::Late);
        }
        let io = |e: std::io::Error| match e.kind() {
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => Failure::Late,
            _ => Failure::Lost(e.into()),
        };
        self.stream
            .set_write_timeout(Some(left))
            .and_then(|()| self.stream.write_all(bytes))
            .map_err(io)
    }

    /// Reads whatever has come, waiting until something has.
    fn fill(&mut self) -> Result<()> {
        if !io::wait_readable(self.stream.as_fd(), Some(self.deadline))? {
            return Err(Failure::Late);
        }
        let mut chunk = [0; 4096];
        match io::read(self.stream.as_fd(), &mut chunk)? {
            0 => Err(Failure::Lost(Errno::ECONNRESET)),
            n => {
                self.buffer.extend(&chunk[..n]);
                Ok(())
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|w| w == b"\r\n") {
                let line = String::from_utf8_lossy(&self.buffer[..end]).into_owned();
                self.buffer.drain(..end + 2);
                return Ok(line);
            }
            if self.buffer.len() > 4096 {
                return Err(Failure::Lost(Errno::EPROTO));
            }
            self.fill()?;
        }
    }

    fn message(&mut self) -> Result<Message> {
        loop {
            if let Some(start) = self.buffer.first_chunk() {
                let length = length(start).ok_or(Failure::Lost(Errno::EPROTO))?;
                if self.buffer.len() >= length {
                    let message =
                        decode(&self.buffer[..length]).ok_or(Failure::Lost(Errno::EPROTO));
                    self.buffer.drain(..length);
                    return message;
                }
            }
            self.fill()?;
        }
    }
}

/// A call of the manager's main interface; body and signature are to be filled in.
pub(crate) fn manager(member: &str) -> Call<'_> {
    Call {
        destination: "org.freedesktop.systemd1",
        path: "/org/freedesktop/systemd1",
        interface: "org.freedesktop.systemd1.Manager",
        member,
        signature: "",
        body: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_by_environment() {
        let paths = |user, env: &[(&str, &str)]| -> Vec<String> {
            let get = |name: &str| {
                env.iter()
                    .find(|(n, _)| *n == name)
                    .map(|(_, v)| v.to_string())
            };
            addresses(user, get, 7)
                .into_iter()
                .map(|a| a.path)
                .collect()
        };
        assert_eq!(
            paths(false, &[]),
            ["/run/systemd/private", "/run/dbus/system_bus_socket"]
        );
        assert_eq!(
            paths(true, &[]),
            ["/run/user/7/systemd/private", "/run/user/7/bus"]
        );
        let env = [
            ("XDG_RUNTIME_DIR", "/x"),
            (
                "DBUS_SESSION_BUS_ADDRESS",
                "tcp:host=a;unix:abstract=b;unix:path=/y/bus,guid=1",
            ),
        ];
        assert_eq!(
            paths(true, &env),
            ["/x/systemd/private", "/y/bus", "/x/bus"]
        );
    }

    #[test]
    fn nobody_there_is_told_at_once_and_silence_at_the_deadline() {
        let dir = std::env::temp_dir().join(format!("teu-bus-{}", std::process::id()));
        std::fs::create_dir(&dir).unwrap();
        let path = dir.join("socket");
        let address = [Address {
            path: path.display().to_string(),
            is_bus: false,
        }];
        let deadline = || Instant::now() + std::time::Duration::from_millis(50);
        assert_eq!(
            Connection::open(&address, deadline()).err(),
            Some(Failure::Lost(Errno::ENOENT))
        );
        let silent = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let start = Instant::now();
        assert_eq!(
            Connection::open(&address, deadline()).err(),
            Some(Failure::Late)
        );
        // Connections that nobody accepts, until there is no room for one more.
        let mut waiting = Vec::new();
        let full = loop {
            let client = socket::unix(socket::SOCK_STREAM).unwrap();
            io::set_nonblocking(client.as_fd(), true).unwrap();
            match socket::connect(client.as_fd(), &path) {
                Ok(()) => waiting.push(client),
                Err(e) => break e,
            }
        };
        assert_eq!(full, Errno::EAGAIN);
        assert_eq!(
            Connection::open(&address, deadline()).err(),
            Some(Failure::Lost(Errno::EAGAIN))
        );
        assert!(start.elapsed().as_millis() < 1000);
        drop(silent);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
