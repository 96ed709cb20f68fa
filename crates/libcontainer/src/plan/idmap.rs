//! Idmapped mounts: `uidMappings` and `gidMappings` of a mount, the options `idmap` and `ridmap`, and podman's form with the map in the option
//! (mount_setattr(2), "ID-mapped mounts").

use super::mounts::Context;
use super::namespaces::{check_ranges, lines};
use super::options::Options;
use super::{IdMaps, Idmap, IdmapSource};
use crate::error::{Error, Result};
use crate::spec::{self, IdMapping};
use kernel::process::CLONE_NEWUSER;

/// Decides how a mount is idmapped, if it is.
///
/// # Errors
/// A map without the other, without a source of maps, on what is no bind mount, or for somebody who is not root of the host.
pub fn idmap(
    index: usize,
    entry: &spec::Mount,
    options: &Options,
    context: &Context<'_>,
) -> Result<Option<Idmap>> {
    let field = |name: &str| format!("/mounts/{index}/{name}");
    let (uids, gids) = (&entry.uid_mappings, &entry.gid_mappings);
    let given = !uids.is_empty() || !gids.is_empty();
    let asked = if given { "uidMappings" } else { "options" };
    if !given && options.idmap.is_none() {
        return Ok(None);
    }
    if options.bind.is_none() || options.remount {
        return Err(
            Error::invalid(field(asked), "only a bind mount can be idmapped")
                .hint("add the option bind or rbind"),
        );
    }
    if !context.host.privileged {
        return Err(Error::invalid(
            field(asked),
            "the kernel lets only root of the host make idmapped mounts",
        ));
    }
    let (recursive, text) = options.idmap.clone().unwrap_or((false, None));
    let source = match text {
        Some(_) if given => {
            let why = "the mount has its id mappings twice: as uidMappings and gidMappings, and in the option";
            return Err(Error::invalid(field("options"), why));
        }
        Some(text) => {
            let (uids, gids) = in_option(&text, context).map_err(|e| e.field(field("options")))?;
            for list in [&uids, &gids] {
                check_ranges(&field("options"), list).map_err(|e| e.field(field("options")))?;
            }
            maps(&uids, &gids)
        }
        None if given => {
            for (name, other, list) in [("uidMappings", "gidMappings", uids), ("gidMappings", "uidMappings", gids)] {
                if list.is_empty() {
                    return Err(Error::invalid(field(name), format!("a mount with {other} needs {name} too")));
                }
                check_ranges(&field(name), list)?;
            }
            maps(uids, gids)
        }
        None => of_container(context).ok_or_else(|| {
            Error::invalid(field("options"), "an idmapped mount without mappings needs a user namespace of the container to take them from")
                .hint("add uidMappings and gidMappings to the mount, or a user namespace to /linux/namespaces")
        })?,
    };
    Ok(Some(Idmap { source, recursive }))
}

fn maps(uids: &[IdMapping], gids: &[IdMapping]) -> IdmapSource {
    IdmapSource::Maps(IdMaps {
        uid: lines(uids),
        gid: lines(gids),
        ..IdMaps::default()
    })
}

/// What the mapping of the container's own user namespace is: an idmapped mount copies it, so a namespace with the same maps does as well as the
/// container's, and that can be there before the container is.
fn of_container(context: &Context<'_>) -> Option<IdmapSource> {
    if context.namespaces.new & CLONE_NEWUSER != 0 {
        return Some(maps(
            &context.linux.uid_mappings,
            &context.linux.gid_mappings,
        ));
    }
    // Slots of joined namespaces come first, in the order of the list.
    context
        .namespaces
        .joins
        .iter()
        .position(|j| j.kind == CLONE_NEWUSER)
        .map(IdmapSource::Slot)
}

type Lists = (Vec<IdMapping>, Vec<IdMapping>);

/// `uids=0-1000-10#10-2000-5;gids=@0-1-10`: ranges as first id in the filesystem, first id that it becomes, number. After `@` the second is an id inside
/// the container.
fn in_option(text: &str, context: &Context<'_>) -> Result<Lists> {
    let form = "the form is uids=FROM-TO-COUNT[#...];gids=FROM-TO-COUNT[#...]";
    let (mut uids, mut gids) = (Vec::new(), Vec::new());
    for part in text.split(';').filter(|p| !p.is_empty()) {
        let (list, own, ranges) = match part.split_once('=') {
            Some(("uids", ranges)) => (&mut uids, &context.linux.uid_mappings, ranges),
            Some(("gids", ranges)) => (&mut gids, &context.linux.gid_mappings, ranges),
            _ => {
                return Err(Error::invalid(
                    "",
                    format!("unknown part \"{part}\" in an idmap option"),
                )
                .hint(form));
            }
        };
        // The sign counts for all ranges that follow it in the list.
        let (relative, ranges) = ranges
            .strip_prefix('@')
            .map_or((false, ranges), |r| (true, r));
        for word in ranges.split('#') {
            let (relative, word) = word
                .strip_prefix('@')
                .map_or((relative, word), |w| (true, w));
            let range = range(word).ok_or_else(|| {
                Error::invalid("", format!("\"{word}\" is no range of ids")).hint(form)
            })?;
            if relative {
                list.extend(to_host(range, own)?);
            } else {
                list.push(range);
            }
        }
    }
    if uids.is_empty() || gids.is_empty() {
        return Err(Error::invalid("", "an idmap option needs both uids and gids").hint(form));
    }
    Ok((uids, gids))
}

fn range(word: &str) -> Option<IdMapping> {
    let mut numbers = word.split('-').map(|n| n.parse::<u32>().ok());
    let range = IdMapping {
        container_id: numbers.next()??,
        host_id: numbers.next()??,
        size: numbers.next()??,
    };
    numbers.next().is_none().then_some(range)
}

/// A range whose second id is inside the container, with the host's ids there; in pieces where the container's own map is.
fn to_host(range: IdMapping, own: &[IdMapping]) -> Result<Vec<IdMapping>> {
    let mut pieces = Vec::new();
    let mut done = 0;
    while done < range.size {
        let unmapped = || {
            let why = format!(
                "{} ids from {} are not all mapped in the container's user namespace",
                range.size, range.host_id
            );
            Error::invalid("", why).hint("without the @, the second number is an id of the host")
        };
        let inside = range.host_id.checked_add(done).ok_or_else(unmapped)?;
        let m = own
            .iter()
            .find(|m| inside >= m.container_id && inside - m.container_id < m.size)
            .ok_or_else(unmapped)?;
        let offset = inside - m.container_id;
        let size = (m.size - offset).min(range.size - done);
        let container_id = range.container_id.checked_add(done).ok_or_else(unmapped)?;
        pieces.push(IdMapping {
            container_id,
            host_id: m.host_id + offset,
            size,
        });
        done += size;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::super::{Host, namespaces};
    use super::*;
    use crate::plan::options;
    use crate::spec::{Linux, Mount, Namespace};

    fn map(container_id: u32, host_id: u32, size: u32) -> IdMapping {
        IdMapping {
            container_id,
            host_id,
            size,
        }
    }

    fn decide(
        words: &[&str],
        uids: &[IdMapping],
        gids: &[IdMapping],
        user: bool,
        privileged: bool,
    ) -> Result<Option<Idmap>> {
        let own = if user {
            vec![map(0, 0, 1), map(1, 2, 1000)]
        } else {
            Vec::new()
        };
        let linux = Linux {
            namespaces: if user {
                vec![Namespace {
                    r#type: "user".into(),
                    path: None,
                }]
            } else {
                Vec::new()
            },
            uid_mappings: own.clone(),
            gid_mappings: own,
            ..Linux::default()
        };
        let host = Host::for_tests(if privileged { 0 } else { 1000 }, privileged);
        let request = libcgroups::Request {
            id: "x",
            path: Some("/x"),
            ..Default::default()
        };
        let context = Context {
            bundle: std::path::Path::new("/b"),
            linux: &linux,
            namespaces: &namespaces::namespaces(&linux).unwrap(),
            host: &host,
            cgroup: &libcgroups::plan(&host.cgroups, &request).unwrap(),
            context_type: "context",
        };
        let entry = Mount {
            uid_mappings: uids.to_vec(),
            gid_mappings: gids.to_vec(),
            ..Mount::default()
        };
        let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
        idmap(3, &entry, &options::parse(&words), &context)
    }

    fn maps_of(idmap: Result<Option<Idmap>>) -> (String, String, bool) {
        match idmap.unwrap().unwrap() {
            Idmap {
                source: IdmapSource::Maps(m),
                recursive,
            } => (m.uid, m.gid, recursive),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn maps_come_from_the_mount_the_option_or_the_container() {
        let both = [map(0, 1000, 10)];
        assert_eq!(decide(&["rbind"], &[], &[], true, true).unwrap(), None);
        assert_eq!(
            maps_of(decide(&["bind"], &both, &both, false, true)),
            ("0 1000 10\n".into(), "0 1000 10\n".into(), false)
        );
        assert!(maps_of(decide(&["rbind", "ridmap"], &both, &both, false, true)).2);
        assert_eq!(
            maps_of(decide(&["bind", "idmap"], &[], &[], true, true)).0,
            "0 0 1\n1 2 1000\n"
        );
        let (uid, gid, _) = maps_of(decide(
            &["bind", "idmap=uids=0-1-10#10-11-10;gids=0-100-10"],
            &[],
            &[],
            false,
            true,
        ));
        assert_eq!(
            (uid.as_str(), gid.as_str()),
            ("0 1 10\n10 11 10\n", "0 100 10\n")
        );
        let (uid, gid, recursive) = maps_of(decide(
            &["bind", "ridmap=uids=@1-3-10;gids=@0-0-3"],
            &[],
            &[],
            true,
            true,
        ));
        assert_eq!(
            (uid.as_str(), gid.as_str(), recursive),
            ("1 4 10\n", "0 0 1\n1 2 2\n", true)
        );
    }

    #[test]
    fn what_cannot_be_is_refused_at_its_field() {
        let one = &[map(0, 1000, 10)][..];
        let none = &[][..];
        for (words, uids, gids, user, privileged, field) in [
            (&["idmap"][..], one, one, false, true, "uidMappings"),
            (&["bind", "idmap"], one, none, false, true, "gidMappings"),
            (&["bind", "idmap"], none, one, false, true, "uidMappings"),
            (&["bind", "idmap"], none, none, false, true, "options"),
            (&["bind", "idmap"], one, one, false, false, "uidMappings"),
            (
                &["bind"],
                &[map(0, 0, 0)],
                one,
                false,
                true,
                "uidMappings/0",
            ),
            (
                &["bind"],
                one,
                &[map(0, 0, 2), map(1, 5, 1)],
                false,
                true,
                "gidMappings/1",
            ),
            (
                &["bind", "idmap=uids=0-0-1"],
                none,
                none,
                true,
                true,
                "options",
            ),
            (
                &["bind", "idmap=uids=0-0;gids=0-0-1"],
                none,
                none,
                true,
                true,
                "options",
            ),
            (
                &["bind", "idmap=users=0-0-1"],
                none,
                none,
                true,
                true,
                "options",
            ),
            (
                &["bind", "idmap=uids=@0-1000-2;gids=0-0-1"],
                none,
                none,
                true,
                true,
                "options",
            ),
            (
                &["bind", "idmap=uids=@4294967295-1-2;gids=0-0-1"],
                none,
                none,
                true,
                true,
                "options",
            ),
            (
                &["bind", "idmap=uids=0-0-1;gids=0-0-1"],
                one,
                one,
                true,
                true,
                "options",
            ),
        ] {
            let error = decide(words, uids, gids, user, privileged).unwrap_err();
            assert_eq!(
                error.pointer(),
                Some(format!("/mounts/3/{field}").as_str()),
                "{words:?}: {error}"
            );
        }
    }
}
