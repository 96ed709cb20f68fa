//! Options of a bind mount, split at newlines: no flag is both on and off, and the plan of a container with them is made or refused at a field.
#![no_main]

use libcontainer::plan::options;
use libcontainer::spec::{Linux, Mount, Namespace, Process, Root, SPEC_VERSION, Spec};
use libfuzzer_sys::fuzz_target;
use teu_fuzz::{check_error, check_steps, decide};

fn spec(options: Vec<String>) -> Spec {
    Spec {
        oci_version: SPEC_VERSION.into(),
        root: Some(Root {
            path: "rootfs".into(),
            readonly: false,
        }),
        process: Some(Box::new(Process {
            cwd: "/".into(),
            args: vec!["/bin/true".into()],
            ..Process::default()
        })),
        mounts: vec![Mount {
            destination: "/mnt".into(),
            r#type: Some("tmpfs".into()),
            source: Some("/source".into()),
            options,
            ..Mount::default()
        }],
        linux: Some(Box::new(Linux {
            namespaces: vec![Namespace {
                r#type: "mount".into(),
                ..Namespace::default()
            }],
            ..Linux::default()
        })),
        ..Spec::default()
    }
}

fuzz_target!(|text: &str| {
    let list: Vec<String> = text.lines().map(str::to_owned).collect();
    let parsed = options::parse(&list);
    assert_eq!(parsed.flags & parsed.cleared, 0);
    let recursive = &parsed.then.recursive;
    // Access time is one setting of several bits: cleared as a whole, then set.
    assert_eq!(
        recursive.set & recursive.clear & !kernel::mount::MOUNT_ATTR__ATIME,
        0
    );
    assert!(parsed.data.iter().all(|word| !options::is_word(word)));
    match decide(&spec(list)) {
        Ok(plan) => check_steps(&plan.program.steps),
        Err(e) => check_error(&e),
    }
});
