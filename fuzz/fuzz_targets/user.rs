//! `--user`, and the other values of arguments; then the same bytes as a whole command line, split at newlines.
#![no_main]

use libfuzzer_sys::fuzz_target;
use liboci_cli as cli;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(user) = cli::parse_user(text) {
            // What is accepted has one spelling.
            let gid = user.gid.map_or(String::new(), |gid| format!(":{gid}"));
            assert_eq!(format!("{}{gid}", user.uid), text);
            assert!(user.uid != u32::MAX && user.gid != Some(u32::MAX));
        }
        if let Ok(sub) = cli::parse_sub_cgroup(text) {
            assert!(
                !sub.path
                    .as_os_str()
                    .as_bytes()
                    .split(|&b| b == b'/')
                    .any(|part| part == b"..")
            );
        }
        if let Ok(bytes) = cli::parse_size(text) {
            assert!(bytes >= -1);
        }
        let _ = (
            cli::parse_duration(text),
            cli::parse_argument(text),
            cli::parse_signal(text),
        );
    }
    let words = bytes
        .split(|&b| b == b'\n')
        .map(|word| OsStr::from_bytes(word).to_owned());
    let _ = cli::parse(words);
});
