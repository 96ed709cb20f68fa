//! Handing the listener of a seccomp filter to its agent (config-linux.md, "The Container Process State").

use crate::console::{connect, silent};
use crate::error::{During, Error, Kind, Result};
use crate::plan::Filter;
use crate::spawn::Spawned;
use crate::spec::state_document::{ContainerProcessState, StateDocument};
use kernel::{process, socket};
use std::os::fd::AsFd;
use std::path::Path;

/// Takes the listener out of the process, which may no longer send it itself, and sends it to the agent with a description of the process.
///
/// # Errors
/// No agent at the path.
pub fn forward(
    from: &Spawned,
    number: i32,
    filter: Option<&Filter>,
    state: StateDocument,
) -> Result<()> {
    const FIELD: &str = "/linux/seccomp/listenerPath";
    let Some((path, metadata)) = filter.and_then(|f| f.listener.as_ref()) else {
        return Err(Error::new(
            Kind::Failed,
            "a seccomp listener came that the filter does not have",
        ));
    };
    let fd = process::pidfd_getfd(from.child.pidfd.as_fd(), number)
        .during(|| "pidfd_getfd of the seccomp listener".into())?;
    let what = || format!("send the seccomp listener to {path}");
    let message = ContainerProcessState::new(from.facts.pid, metadata, state).to_json();
    let stream = socket::unix(socket::SOCK_STREAM).during(what)?;
    connect(stream.as_fd(), Path::new(path))
        .map_err(|e| silent(e, what()).field(FIELD).hint("start the agent first"))?;
    let mut sent = socket::send(stream.as_fd(), &message, &[fd.as_fd()]).during(what)?;
    while sent < message.len() {
        sent += socket::send(stream.as_fd(), &message[sent..], &[]).during(what)?;
    }
    Ok(())
}
