use super::*;

fn hook(path: &str, args: &[&str], timeout: Option<i64>) -> Hook {
    let args = args.iter().map(|a| (*a).to_owned()).collect();
    prepare(
        &spec::Hook {
            path: path.into(),
            args,
            env: vec!["WHO=hook".into()],
            timeout,
        },
        "/hooks/x/0",
        "/",
        &[None, None],
    )
    .unwrap()
}

fn outcome(hook: Hook) -> String {
    let state = State {
        before: b"{\"pid\":",
        pid: Some(42),
        after: b"}",
    };
    match run_all(&[hook], state) {
        Ok(()) => String::new(),
        Err(e) => e.into_error(HookPoint::Prestart).to_string(),
    }
}

#[test]
fn a_hook_reads_the_state_and_has_only_its_own_environment() {
    let script = "read s; [ \"$s\" = '{\"pid\":42}' ] && [ \"$WHO\" = hook ] && [ -z \"$HOME\" ]";
    assert_eq!(outcome(hook("/bin/sh", &["sh", "-c", script], None)), "");
}

#[test]
fn a_failure_tells_the_status_and_what_was_printed() {
    let text = outcome(hook(
        "/bin/sh",
        &["sh", "-c", "echo out; echo err >&2; exit 3"],
        Some(10),
    ));
    assert_eq!(
        text,
        "error running prestart hook #0: exit status 3, stdout: out, stderr: err (config.json: /hooks/prestart/0)"
    );
    assert!(
        outcome(hook("/nonexistent", &[], None))
            .contains("stderr: exec /nonexistent: no such file or directory")
    );
    assert!(outcome(hook("/bin/sh", &["sh", "-c", "kill -9 $$"], None)).contains("signal 9"));
}

#[test]
fn a_hook_that_does_not_read_much_output_and_daemons_do_not_hang() {
    assert_eq!(outcome(hook("/bin/true", &[], None)), "");
    assert_eq!(
        outcome(hook(
            "/bin/sh",
            &["sh", "-c", "head -c 300000 /dev/zero"],
            Some(10)
        )),
        ""
    );
    let started = Instant::now();
    assert_eq!(
        outcome(hook("/bin/sh", &["sh", "-c", "sleep 3 & exit 0"], None)),
        ""
    );
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_timeout_ends_the_whole_group() {
    let file = std::env::temp_dir().join(format!("teu-hook-{}", std::process::id()));
    let script = format!("(sleep 2; touch {}) & sleep 5", file.display());
    let text = outcome(hook("/bin/sh", &["sh", "-c", &script], Some(1)));
    assert!(
        text.contains("hook ran past specified timeout of 1.0s"),
        "{text}"
    );
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!file.exists());
}

#[test]
fn a_timeout_beyond_the_range_of_the_clock_never_passes() {
    assert_eq!(outcome(hook("/bin/true", &[], Some(i64::MAX))), "");
}

#[test]
fn bad_hooks_are_refused() {
    for (h, field) in [
        (
            spec::Hook {
                path: "bin/x".into(),
                ..Default::default()
            },
            "/h/path",
        ),
        (
            spec::Hook {
                path: "/x".into(),
                timeout: Some(0),
                ..Default::default()
            },
            "/h/timeout",
        ),
        (
            spec::Hook {
                path: "/x".into(),
                args: vec!["\0".into()],
                ..Default::default()
            },
            "/h/args/0",
        ),
    ] {
        assert_eq!(
            prepare(&h, "/h", "/", &[None, None]).unwrap_err().pointer(),
            Some(field)
        );
    }
}
