//! What must hold of the readers of configured text for any text: checked with random ones, the same in every run, near the ones that are meant.

use libcontainer::plan::{self, Host, Options, capabilities, namespaces, options};
use libcontainer::spec::{self, IdMapping, Spec};
use serde_json::{Value, json};
use std::path::Path;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    /// Up to `most` pieces, one after the other.
    fn text(&mut self, pieces: &[&str], most: usize) -> String {
        (0..self.below(most + 1))
            .map(|_| self.pick(pieces))
            .collect()
    }

    /// Small numbers, and those around which sums overflow.
    fn id(&mut self) -> u32 {
        match self.below(4) {
            0 => u32::MAX - self.below(3) as u32,
            _ => self.below(40) as u32,
        }
    }
}

const ROUNDS: usize = 20_000;

fn decide(document: &Value) -> libcontainer::Result<plan::Plan> {
    let spec: Spec = spec::decode(document.to_string().as_bytes()).expect("of the right types");
    let host = Host {
        euid: 0,
        egid: 0,
        privileged: true,
        capabilities: u64::MAX,
        cgroups: libcgroups::Layout::unified(Path::new("/sys/fs/cgroup"), "/own"),
    };
    let options = Options {
        id: "properties",
        ..Options::default()
    };
    plan::plan(&spec, Path::new("/bundle"), &options, &host)
}

fn with_linux(linux: Value) -> Value {
    json!({"ociVersion": "1.3.0", "root": {"path": "rootfs"}, "process": {"cwd": "/", "args": ["sh"]}, "linux": linux})
}

#[test]
fn mount_options_say_each_thing_once_and_the_last_one_wins() {
    let words: Vec<&str> = options::words()
        .chain(["size=1", "x", "", "idmap=uids=0-1-2"])
        .collect();
    let mut random = Random(1);
    for _ in 0..ROUNDS {
        let list: Vec<String> = (0..random.below(6))
            .map(|_| random.pick(&words).to_owned())
            .collect();
        let once = options::parse(&list);
        assert_eq!(once.flags & once.cleared, 0, "{list:?}");
        let recursive = &once.then.recursive;
        assert_eq!(
            recursive.set & recursive.clear & !kernel::mount::MOUNT_ATTR__ATIME,
            0,
            "{list:?}"
        );
        assert!(
            once.data.iter().all(|word| !options::is_word(word)),
            "{list:?}"
        );
        // One string with commas is the same as many strings, and saying all of it again changes no flag.
        assert_eq!(options::parse(&[list.join(",")]), once);
        let twice = options::parse(&[list.clone(), list.clone()].concat());
        assert_eq!(
            (twice.flags, twice.cleared, twice.bind),
            (once.flags, once.cleared, once.bind),
            "{list:?}"
        );
    }
}

#[test]
fn an_accepted_id_map_is_one_to_one() {
    let mut random = Random(2);
    let mut accepted = 0;
    for _ in 0..ROUNDS {
        let list: Vec<IdMapping> = (0..1 + random.below(4))
            .map(|_| IdMapping {
                container_id: random.id(),
                host_id: random.id(),
                size: random.id() % 12,
            })
            .collect();
        if namespaces::check_ranges("/x", &list).is_err() {
            continue;
        }
        accepted += 1;
        let mut seen = std::collections::BTreeSet::new();
        for m in &list {
            for n in 0..m.size {
                let host = namespaces::to_host(&list, m.container_id + n);
                assert_eq!(host, Some(m.host_id + n), "{list:?}");
                assert!(seen.insert(host), "{list:?}");
            }
        }
        assert_eq!(namespaces::lines(&list).lines().count(), list.len());
    }
    assert!(accepted > ROUNDS / 20, "{accepted}");
}

#[test]
fn a_capability_name_is_its_bit_in_any_spelling() {
    let mut random = Random(3);
    for name in capabilities::names(u64::MAX) {
        let bit = capabilities::bit(&name).expect("a known name");
        assert_eq!(capabilities::names(bit), std::slice::from_ref(&name));
        let mixed: String = name
            .chars()
            .map(|c| {
                if random.below(2) == 0 {
                    c.to_ascii_lowercase()
                } else {
                    c
                }
            })
            .collect();
        assert_eq!(capabilities::bit(&mixed), Some(bit), "{mixed}");
        assert_eq!(
            capabilities::bit(name.trim_start_matches("CAP_")),
            Some(bit)
        );
        assert_eq!(
            capabilities::bit(&(name + random.pick(&["X", " ", "\0", "_"]))),
            None
        );
    }
}

#[test]
fn an_escaped_key_leads_back_to_its_value() {
    let mut random = Random(4);
    for _ in 0..ROUNDS {
        let key = random.text(&["~", "/", "0", "1", "a", "", "~0", "~1", "\u{e9}", " "], 6);
        let document = json!({ &key: 1, "other": 2 });
        if key == "other" {
            continue;
        }
        assert_eq!(
            document.pointer(&format!("/{}", plan::pointer(&key))),
            Some(&json!(1)),
            "{key:?}"
        );
    }
}

#[test]
fn a_sysctl_stays_in_the_namespaces_of_the_container_and_below_proc_sys() {
    let pieces = [
        "net", "kernel", "fs", "mqueue", "shmmax", "vm", "ipv4", ".", "/", ".", "/", "..", "user",
        "a b", "\n",
    ];
    let mut random = Random(5);
    let mut accepted = 0;
    for _ in 0..ROUNDS / 4 {
        let name = random.text(&pieces, 7);
        let document = with_linux(
            json!({"namespaces": [{"type": "mount"}, {"type": "network"}], "sysctl": {&name: "1"}}),
        );
        match decide(&document) {
            Ok(plan) => {
                accepted += 1;
                let path = plan.program.steps.iter().find_map(|step| match &step.op {
                    plan::Op::Sysctl { path, .. } => path.to_str().ok(),
                    _ => None,
                });
                let path = path.expect("a step");
                assert!(path.starts_with("net/"), "{name:?}: {path}");
                assert!(
                    path.split('/').all(|part| !matches!(part, "" | "." | "..")),
                    "{name:?}: {path}"
                );
            }
            Err(e) => assert_eq!(
                e.pointer(),
                Some(format!("/linux/sysctl/{}", plan::pointer(&name)).as_str()),
                "{name:?}"
            ),
        }
    }
    assert!(accepted > 20, "{accepted}");
}

#[test]
fn a_cgroups_path_leads_below_the_mount_or_is_refused_by_its_name() {
    let pieces = [
        "a", "b.slice", "/", "/", ".", "..", "...", ":", " ", "%", "\n",
    ];
    let mut random = Random(6);
    for _ in 0..ROUNDS / 4 {
        let path = random.text(&pieces, 8);
        match decide(&with_linux(
            json!({"namespaces": [{"type": "mount"}], "cgroupsPath": path}),
        )) {
            Ok(plan) => {
                let full = plan.cgroup.v2_path().expect("a place on version 2");
                let below = full
                    .strip_prefix("/sys/fs/cgroup")
                    .expect("below the mount")
                    .to_owned();
                assert!(
                    below
                        .components()
                        .all(|c| matches!(c, std::path::Component::Normal(_))),
                    "{path:?}: {full:?}"
                );
                assert!(below.components().next().is_some(), "{path:?}");
            }
            Err(e) => assert_eq!(e.pointer(), Some("/linux/cgroupsPath"), "{path:?}"),
        }
    }
}
