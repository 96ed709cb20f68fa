//! A seccomp profile, and a call in the last bytes: the filter that the profile becomes answers as reading the profile directly says.
#![no_main]

#[allow(unused_imports, reason = "shared with the tests of the crate")]
#[path = "../../crates/seccomp/tests/common/mod.rs"]
mod common;

use libfuzzer_sys::fuzz_target;
use seccomp::{Arch, Profile, Program, Target, compile, explain};

fuzz_target!(|bytes: &[u8]| {
    let (text, call) = bytes.split_at(
        bytes
            .iter()
            .rposition(|&b| b == b'}')
            .map_or(bytes.len(), |at| at + 1),
    );
    let Ok(profile) = Profile::from_json(text) else {
        return;
    };
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let Ok(Some(program)) = compile(&profile, Target(arch)) else {
            continue;
        };
        let stored = Program::from_bytes(&program.to_bytes()).expect("what was stored can be read");
        assert_eq!(stored.instructions, program.instructions);
        let _ = program.to_string();
        let byte = |at: usize| call.get(at).copied().unwrap_or(0);
        let number = u32::from_le_bytes([byte(0), byte(1) & 3, 0, 0]);
        let args = std::array::from_fn(|i| u64::from(byte(2 + i)));
        let (verdict, _) = common::run(&program.instructions, &common::Call { arch, number, args });
        let told =
            explain(&profile, Target(arch), arch, &number.to_string(), &args).expect("it compiles");
        assert_eq!(told.verdict.map(|v| v.0), Some(verdict), "{}", told.text);
    }
});
