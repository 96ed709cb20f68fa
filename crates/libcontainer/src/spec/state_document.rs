//! What the runtime tells others about a container: hooks on their standard input, seccomp agents,
//! and whoever asks for `state`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SPEC_VERSION;
use super::absent::{is_default, nullable};

/// The state of the specification's runtime.md, which hooks read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateDocument {
    /// Version of the specification that the runtime implements.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// `creating`, `created`, `running` or `stopped`.
    pub status: String,
    /// Process id of the container's first process as the host sees it; absent once it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Absolute path of the bundle.
    pub bundle: String,
    /// The configuration's annotations.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl StateDocument {
    /// The state of a container without a process.
    pub fn new(
        id: &str,
        status: &str,
        bundle: &str,
        annotations: &BTreeMap<String, String>,
    ) -> StateDocument {
        StateDocument {
            oci_version: SPEC_VERSION.into(),
            id: id.into(),
            status: status.into(),
            pid: None,
            bundle: bundle.into(),
            annotations: annotations.clone(),
        }
    }

    /// The document on one line.
    pub fn to_json(&self) -> Vec<u8> {
        to_vec(self)
    }

    /// The document in two halves, between which the process id goes in decimal, whatever `pid`
    /// says.
    ///
    /// The parent renders them before the process exists; the child, which must not allocate,
    /// writes first half, number, second half.
    pub fn hook_parts(&self) -> (Vec<u8>, Vec<u8>) {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Before<'a> {
            oci_version: &'a str,
            id: &'a str,
            status: &'a str,
        }
        #[derive(Serialize)]
        struct After<'a> {
            bundle: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            annotations: Option<&'a BTreeMap<String, String>>,
        }
        let mut before = to_vec(&Before {
            oci_version: &self.oci_version,
            id: &self.id,
            status: &self.status,
        });
        let closing = before.pop();
        debug_assert_eq!(closing, Some(b'}'));
        before.extend_from_slice(b",\"pid\":");
        let annotations = Some(&self.annotations).filter(|map| !map.is_empty());
        let mut after = to_vec(&After {
            bundle: &self.bundle,
            annotations,
        });
        after[0] = b',';
        (before, after)
    }
}

/// What `state` prints and what `list --format json` prints an array of: the state, and what
/// engines of runc's time look for besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateOutput {
    /// Version of the specification that the runtime implements.
    pub oci_version: String,
    /// The container's id.
    pub id: String,
    /// Process id of the container's first process; 0 when the container is stopped.
    pub pid: i32,
    /// As in [`StateDocument`], or `paused`.
    pub status: String,
    /// Absolute path of the bundle.
    pub bundle: String,
    /// Absolute path of the root filesystem.
    pub rootfs: String,
    /// When the container was created: RFC 3339 in UTC, with up to nine digits after the second.
    pub created: String,
    /// The configuration's annotations.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub annotations: BTreeMap<String, String>,
    /// Name of the user who owns the state directory; only `list` fills it in.
    pub owner: String,
}

impl StateOutput {
    /// The document as `state` prints it: indented by two spaces, no newline at the end.
    pub fn to_json_pretty(&self) -> Vec<u8> {
        let mut json = Vec::with_capacity(512);
        let indented = &mut serde_json::Serializer::pretty(&mut json);
        self.serialize(indented).expect(INFALLIBLE);
        json
    }
}

/// What a seccomp agent reads from `listenerPath`, with the descriptors named in `fds` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerProcessState {
    /// Version of the specification that the runtime implements.
    pub oci_version: String,
    /// Names of the descriptors sent along, in their order: `seccompFd`.
    pub fds: Vec<String>,
    /// The process that the filter is on, as the runtime sees it.
    pub pid: i32,
    /// `listenerMetadata` of the profile.
    #[serde(
        default,
        deserialize_with = "nullable",
        skip_serializing_if = "is_default"
    )]
    pub metadata: String,
    /// The container it belongs to.
    pub state: StateDocument,
}

impl ContainerProcessState {
    /// The message for one seccomp descriptor.
    pub fn new(pid: i32, metadata: &str, state: StateDocument) -> ContainerProcessState {
        ContainerProcessState {
            oci_version: SPEC_VERSION.into(),
            fds: vec!["seccompFd".into()],
            pid,
            metadata: metadata.into(),
            state,
        }
    }

    /// The document on one line.
    pub fn to_json(&self) -> Vec<u8> {
        to_vec(self)
    }
}

const INFALLIBLE: &str = "strings and numbers always serialise to memory";

fn to_vec<T: Serialize>(document: &T) -> Vec<u8> {
    serde_json::to_vec(document).expect(INFALLIBLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(annotations: &[(&str, &str)]) -> StateDocument {
        let annotations = annotations
            .iter()
            .map(|&(key, value)| (key.into(), value.into()))
            .collect();
        StateDocument::new("id\"1", "creating", "/b\u{e4}", &annotations)
    }

    #[test]
    fn the_halves_and_a_pid_make_the_document() {
        for annotations in [&[][..], &[("a", "1"), ("b\n", "")]] {
            let mut state = state(annotations);
            let (before, after) = state.hook_parts();
            state.pid = Some(4711);
            assert_eq!([&before[..], b"4711", &after].concat(), state.to_json());
        }
    }

    #[test]
    fn a_stopped_container_has_no_pid() {
        let expected = r#"{"ociVersion":"1.3.0","id":"id\"1","status":"creating","bundle":"/bä"}"#;
        assert_eq!(String::from_utf8(state(&[]).to_json()).unwrap(), expected);
    }

    #[test]
    fn state_prints_what_engines_expect() {
        let output = StateOutput {
            oci_version: SPEC_VERSION.into(),
            id: "c1".into(),
            pid: 0,
            status: "stopped".into(),
            bundle: "/b".into(),
            rootfs: "/b/rootfs".into(),
            created: "2026-01-02T03:04:05.678901234Z".into(),
            annotations: BTreeMap::new(),
            owner: String::new(),
        };
        let expected = r#"{
  "ociVersion": "1.3.0",
  "id": "c1",
  "pid": 0,
  "status": "stopped",
  "bundle": "/b",
  "rootfs": "/b/rootfs",
  "created": "2026-01-02T03:04:05.678901234Z",
  "owner": ""
}"#;
        assert_eq!(
            String::from_utf8(output.to_json_pretty()).unwrap(),
            expected
        );
    }

    #[test]
    fn a_seccomp_agent_reads_the_process_and_its_container() {
        let message = ContainerProcessState::new(42, "meta", state(&[])).to_json();
        let expected = r#"{"ociVersion":"1.3.0","fds":["seccompFd"],"pid":42,"metadata":"meta","state":{"ociVersion":"1.3.0","id":"id\"1","status":"creating","bundle":"/bä"}}"#;
        assert_eq!(String::from_utf8(message).unwrap(), expected);
    }
}
