//! Documents that are refused, each with the place and the sentence; and oddities that are
//! accepted.

use libcontainer::spec::{self, DecodeError, MAX_SIZE};

fn refusal(document: &[u8]) -> DecodeError {
    spec::decode(document).expect_err("the document is refused")
}

/// A minimal configuration with `body` for the rest of its fields.
fn config(body: &str) -> String {
    format!(
        "{{\"ociVersion\":\"1.3.0\"{}{body}}}",
        if body.is_empty() { "" } else { "," }
    )
}

#[test]
fn bad_values_are_named_by_pointer() {
    let cases = [
        // types
        (
            r#""hostname":5"#,
            "/hostname",
            "expected a string, found the number 5",
        ),
        (
            r#""hostname":-5.5"#,
            "/hostname",
            "expected a string, found the number -5.5",
        ),
        (
            r#""hostname":true"#,
            "/hostname",
            "expected a string, found true",
        ),
        (
            r#""hostname":["a"]"#,
            "/hostname",
            "expected a string, found an array",
        ),
        (
            r#""hostname":{"a":1}"#,
            "/hostname",
            "expected a string, found an object",
        ),
        (
            r#""process":{"cwd":"/","args":"sh"}"#,
            "/process/args",
            "expected an array, found the string \"sh\"",
        ),
        (
            r#""process":{"cwd":"/","args":["sh",null]}"#,
            "/process/args/1",
            "expected a string, found null",
        ),
        (
            r#""process":{"cwd":null}"#,
            "/process/cwd",
            "expected a string, found null",
        ),
        (
            r#""process":{"cwd":"/","terminal":"yes"}"#,
            "/process/terminal",
            "expected true or false, found the string \"yes\"",
        ),
        (
            r#""root":"rootfs""#,
            "/root",
            "expected an object, found the string \"rootfs\"",
        ),
        (
            r#""annotations":[]"#,
            "/annotations",
            "expected an object, found an array",
        ),
        (
            r#""annotations":{"a/b~c":1}"#,
            "/annotations/a~1b~0c",
            "expected a string, found the number 1",
        ),
        (
            r#""mounts":[{"destination":"/a"},{"destination":"/b","options":[1]}]"#,
            "/mounts/1/options/0",
            "expected a string, found the number 1",
        ),
        // an array is no object, whatever is in it
        (
            r#""linux":[]"#,
            "/linux",
            "expected an object, found an array",
        ),
        (
            r#""root":["rootfs",true]"#,
            "/root",
            "expected an object, found an array",
        ),
        (
            r#""linux":{"resources":[]}"#,
            "/linux/resources",
            "expected an object, found an array",
        ),
        (
            r#""linux":{"seccomp":{"syscalls":[["a"]]}}"#,
            "/linux/seccomp/syscalls/0",
            "expected an object, found an array",
        ),
        // numbers
        (
            r#""process":{"cwd":"/","user":{"uid":-1}}"#,
            "/process/user/uid",
            "expected an integer from 0 to 4294967295, found the number -1",
        ),
        (
            r#""process":{"cwd":"/","user":{"gid":4294967296}}"#,
            "/process/user/gid",
            "expected an integer from 0 to 4294967295, found the number 4294967296",
        ),
        (
            r#""process":{"cwd":"/","user":{"uid":1.0}}"#,
            "/process/user/uid",
            "expected an integer from 0 to 4294967295, found the number 1.0",
        ),
        (
            r#""process":{"cwd":"/","user":{"uid":1e3}}"#,
            "/process/user/uid",
            "expected an integer from 0 to 4294967295, found the number 1000.0",
        ),
        (
            r#""process":{"cwd":"/","user":{"uid":"0"}}"#,
            "/process/user/uid",
            "expected an integer from 0 to 4294967295, found the string \"0\"",
        ),
        // required fields
        (r#""process":{}"#, "/process/cwd", "required, but missing"),
        (
            r#""root":{"readonly":true}"#,
            "/root/path",
            "required, but missing",
        ),
        (
            r#""linux":{"namespaces":[{"path":"/x"}]}"#,
            "/linux/namespaces/0/type",
            "required, but missing",
        ),
        // keys given twice
        (
            r#""hostname":"a","hostname":"a""#,
            "/hostname",
            "given twice",
        ),
        (
            r#""annotations":{"a`/b":"1","a`/b":"1"}"#,
            "/annotations/a`~1b",
            "given twice",
        ),
        (
            r#""linux":{"sysctl":{"a":"1","\u0061":"2"}}"#,
            "/linux/sysctl/a",
            "given twice",
        ),
        (
            r#""linux":{"resources":{"unified":{"a":"1","a":"2"}}}"#,
            "/linux/resources/unified/a",
            "given twice",
        ),
        // the second time as null, which else means absence
        (
            r#""process":{"cwd":"/"},"process":null"#,
            "/process",
            "given twice",
        ),
    ];
    for (body, pointer, message) in cases {
        let error = refusal(config(body).as_bytes());
        assert_eq!(
            (error.pointer.as_str(), error.message.as_str()),
            (pointer, message),
            "{body}"
        );
        assert_eq!(error.line, 1, "{body}");
        assert!(error.column > 0, "{body}");
    }
}

#[test]
fn documents_that_are_not_one_json_object() {
    let deep = format!("{{\"process\":{}", "[".repeat(200));
    let deep_known = config(&format!(
        "\"linux\":{{\"seccomp\":{}1{}}}",
        "{\"seccomp\":".repeat(10),
        "}".repeat(10)
    ));
    let cases: [(&[u8], &str); 14] = [
        (b"", "the document is empty"),
        (b" \n\t", "the document is empty"),
        (
            b"{\"ociVersion\":\"1.0.0\"} x",
            "something follows the document",
        ),
        (
            b"{\"ociVersion\":\"1.0.0\"}{}",
            "something follows the document",
        ),
        (b"{\"ociVersion\":\"1.0", "the document ends too early"),
        (b"{\"ociVersion\":\"1.0.0\"", "the document ends too early"),
        (b"{\"ociVersion\":\"1.0.0\",}", "trailing comma"),
        (b"{'ociVersion':\"1.0.0\"}", "key must be a string"),
        (b"[]", "expected an object, found an array"),
        (b"null", "expected an object, found null"),
        (
            b"\"config\"",
            "expected an object, found the string \"config\"",
        ),
        (
            b"\xef\xbb\xbf{}",
            "the document starts with a byte order mark",
        ),
        (
            b"{\"ociVersion\":\"1.0.0\n\"}",
            "control character (\\u0000-\\u001F) found while parsing a string",
        ),
        (deep.as_bytes(), "expected an object, found an array"),
    ];
    for (document, message) in cases {
        let error = refusal(document);
        assert_eq!(
            error.message,
            message,
            "{}",
            String::from_utf8_lossy(document)
        );
    }
    assert_eq!(refusal(b"").pointer, "");
    // Fields that are not known are skipped however deep they are.
    spec::decode(deep_known.as_bytes()).expect("unknown fields are skipped");
    let process = format!("\"x\":{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    spec::decode(config(&process).as_bytes()).expect("skipping does not recurse");
}

#[test]
fn depth_is_limited_where_values_are_kept() {
    let document = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let error = spec::decode_json::<serde_json::Value>(document.as_bytes()).unwrap_err();
    assert_eq!(error.message, "nested more than 128 levels deep");
}

#[test]
fn bytes_that_are_not_text_are_placed() {
    let error = refusal(b"{\n  \"ociVersion\": \"1.3.0\",\n  \"x\": \"\xff\"}");
    assert_eq!((error.line, error.column), (3, 9));
    assert_eq!(error.message, "the document is not UTF-8: byte 0xff");
    // An overlong slash, half a surrogate pair, a character cut short.
    for bytes in [&b"\"\xc0\xaf\""[..], b"\"\xed\xa0\x80\"", b"\"\xe2\x82"] {
        assert!(
            refusal(bytes)
                .message
                .starts_with("the document is not UTF-8")
        );
    }
}

#[test]
fn too_large_a_document_is_not_looked_at() {
    let document = vec![b' '; MAX_SIZE + 1];
    assert_eq!(
        refusal(&document).message,
        format!(
            "the document has {} bytes, more than {MAX_SIZE}",
            MAX_SIZE + 1
        )
    );
}

#[test]
fn an_error_reads_as_a_sentence() {
    let document =
        "{\n\t\"ociVersion\": \"1.3.0\",\n\t\"process\": {\n\t\t\"args\": [\"sh\", 5]\n\t}\n}";
    assert_eq!(
        refusal(document.as_bytes()).to_string(),
        "/process/args/1: expected a string, found the number 5 (line 4, column 18)"
    );
    let long = config(&format!("\"root\":\"{}\"", "\u{e4}".repeat(1000)));
    assert!(refusal(long.as_bytes()).message.len() < 200);
}

#[test]
fn process_documents_point_from_their_own_root() {
    let error = spec::decode_process(br#"{"cwd":"/","env":["A=1",2]}"#).unwrap_err();
    assert_eq!(error.pointer, "/env/1");
    let process =
        spec::decode_process(br#"{"cwd":"/","args":null,"capabilities":null,"user":null}"#)
            .unwrap();
    assert_eq!(
        process,
        spec::Process {
            cwd: "/".into(),
            ..Default::default()
        }
    );
}

#[test]
fn what_is_not_for_linux_or_not_known_is_skipped() {
    let body = r#""windows":{"layerFolders":["a"]},"solaris":[],"vm":1,"zos":"z","freebsd":null,"Hostname":"upper","x-new":{"a":[1,{}]}"#;
    let spec = spec::decode(config(body).as_bytes()).expect("unknown fields are skipped");
    assert_eq!(spec, spec::decode(config("").as_bytes()).unwrap());
}

#[test]
fn empty_strings_and_lists_are_absent() {
    let body = r#""hostname":"","mounts":[],"annotations":{},"linux":{"cgroupsPath":"","namespaces":[{"type":"pid","path":""}]}"#;
    let spec = spec::decode(config(body).as_bytes()).unwrap();
    assert_eq!(spec.hostname, None);
    let linux = spec.linux.unwrap();
    assert_eq!(linux.cgroups_path, None);
    assert_eq!(linux.namespaces[0].path, None);
}

#[test]
fn no_capabilities_differ_from_none_given() {
    let process = |text: &str| spec::decode_process(text.as_bytes()).unwrap().capabilities;
    assert_eq!(process(r#"{"cwd":"/"}"#), None);
    assert_eq!(
        process(r#"{"cwd":"/","capabilities":{}}"#),
        Some(spec::Capabilities::default())
    );
}

#[test]
fn long_lists_take_no_more_than_their_share() {
    let env: Vec<String> = (0..100_000)
        .map(|i| format!("\"VARIABLE_{i}=value\""))
        .collect();
    let mounts: Vec<String> = (0..5_000)
        .map(|i| format!("{{\"destination\":\"/m{i}\",\"options\":[\"bind\"]}}"))
        .collect();
    let annotations: Vec<String> = (0..100_000)
        .map(|i| format!("\"key{i}\":\"value\""))
        .collect();
    let (env, mounts, annotations) = (env.join(","), mounts.join(","), annotations.join(","));
    let process = format!("\"process\":{{\"cwd\":\"/\",\"env\":[{env}]}}");
    let document = config(&format!(
        "{process},\"mounts\":[{mounts}],\"annotations\":{{{annotations}}}"
    ));

    let started = std::time::Instant::now();
    let spec = spec::decode(document.as_bytes()).unwrap();
    // Comparing each with each would be ten thousand million comparisons.
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
    assert_eq!(spec.process.unwrap().env.len(), 100_000);
    assert_eq!(
        (spec.mounts.len(), spec.annotations.len()),
        (5_000, 100_000)
    );
}
