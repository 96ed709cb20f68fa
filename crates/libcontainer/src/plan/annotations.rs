//! Annotations that this runtime acts on: those of other runtimes that engines and users rely on. All others are for other programs.

use super::pointer;
use crate::error::{Error, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What they ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations {
    /// `run.oci.keep_original_groups`: the caller's supplementary groups stay (podman's `--group-add keep-groups`).
    pub keep_groups: bool,
    /// `run.oci.mount_context_type`: which mount option carries `linux.mountLabel` (mount(8)), by which podman lets containers with other labels share a
    /// volume.
    pub context_type: Option<&'static str>,
    /// `run.oci.pidfd_receiver`: a socket that gets the pidfd of the first process.
    pub pidfd_receiver: Option<PathBuf>,
    /// `run.oci.seccomp.receiver`: a socket that gets the listener of a profile without `listenerPath`.
    pub seccomp_receiver: Option<String>,
    /// `run.oci.hooks.stdout` and `.stderr`: files to which the output of hooks is added.
    pub hook_output: [Option<PathBuf>; 2],
    /// `run.oci.systemd.subgroup`: a cgroup below the unit's for the container.
    pub subgroup: Option<String>,
    /// `run.oci.delegate-cgroup`: a cgroup below that, without limits, for the container to manage.
    pub delegate: Option<String>,
}

const CONTEXT_TYPES: [&str; 4] = ["context", "fscontext", "defcontext", "rootcontext"];

/// These change what is run or filtered. To pass over them would be to run something else than was asked for.
const REFUSED: [(&str, &str); 4] = [
    (
        "run.oci.handler",
        "it runs containers of Linux programs only",
    ),
    ("run.oci.seccomp.plugins", "it loads no plugins"),
    (
        "run.oci.seccomp_bpf_data",
        "it takes no filter but that of /linux/seccomp",
    ),
    (
        "run.oci.systemd.force_cgroup_v1",
        "it makes no hierarchy that the host does not have",
    ),
];

/// Reads them.
///
/// # Errors
/// A value that cannot be, or an annotation of the `run.oci.` family that asks for what this runtime does not do.
pub fn annotations(all: &BTreeMap<String, String>) -> Result<Annotations> {
    let bad =
        |key: &str, why: String| Error::invalid(format!("/annotations/{}", pointer(key)), why);
    if all.contains_key("") {
        return Err(Error::invalid(
            "/annotations/",
            "an annotation must have a key",
        ));
    }
    for (key, why) in REFUSED {
        if all.get(key).is_some_and(|v| !v.is_empty()) {
            return Err(bad(key, format!("this runtime does not have {key}: {why}")));
        }
    }
    let given = |key: &str| all.get(key).filter(|v| !v.is_empty());
    let path = |key: &str| match given(key) {
        Some(text) if !Path::new(text).is_absolute() || text.contains('\0') => {
            Err(bad(key, format!("\"{text}\" is not an absolute path")))
        }
        other => Ok(other.map(PathBuf::from)),
    };
    let context_type = |key: &str| match given(key) {
        None => Ok(None),
        Some(word) => CONTEXT_TYPES
            .into_iter()
            .find(|t| t == word)
            .map(Some)
            .ok_or_else(|| {
                bad(key, format!("unknown mount context type \"{word}\""))
                    .hint(format!("the types are {}", CONTEXT_TYPES.join(", ")))
            }),
    };
    let name = |key: &str| match given(key) {
        Some(text)
            if text.contains(['/', '\0', '\n'])
                || text == "."
                || text == ".."
                || text.len() > 255 =>
        {
            Err(bad(key, format!("{text:?} is no name of a cgroup")))
        }
        other => Ok(other.cloned()),
    };
    Ok(Annotations {
        keep_groups: given("run.oci.keep_original_groups").is_some_and(|v| v == "1"),
        context_type: context_type("run.oci.mount_context_type")?,
        pidfd_receiver: path("run.oci.pidfd_receiver")?,
        seccomp_receiver: path("run.oci.seccomp.receiver")?
            .map(|p| p.to_string_lossy().into_owned()),
        hook_output: [path("run.oci.hooks.stdout")?, path("run.oci.hooks.stderr")?],
        subgroup: given("run.oci.systemd.subgroup").cloned(),
        delegate: name("run.oci.delegate-cgroup")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &[(&str, &str)]) -> Result<Annotations> {
        annotations(
            &list
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn those_of_other_programs_and_empty_ones_ask_for_nothing() {
        let list = [
            ("org.example/x", "y"),
            ("run.oci.handler", ""),
            ("run.oci.delegate-cgroup", ""),
            ("org.criu.config", "/etc/criu.conf"),
        ];
        assert_eq!(read(&list).unwrap(), Annotations::default());
        assert!(
            !read(&[("run.oci.keep_original_groups", "0")])
                .unwrap()
                .keep_groups
        );
    }

    #[test]
    fn what_cannot_be_is_refused_at_its_key() {
        for (key, value) in [
            ("", "x"),
            ("run.oci.handler", "krun"),
            ("run.oci.seccomp_bpf_data", "AAAA"),
            ("run.oci.mount_context_type", "label"),
            ("run.oci.pidfd_receiver", "relative"),
            ("run.oci.hooks.stderr", "relative"),
            ("run.oci.seccomp.receiver", "relative"),
            ("run.oci.delegate-cgroup", "a/b"),
            ("run.oci.delegate-cgroup", ".."),
        ] {
            let error = read(&[(key, value)]).unwrap_err();
            assert_eq!(
                error.pointer(),
                Some(format!("/annotations/{key}").as_str()),
                "{error}"
            );
        }
    }
}
