//! config.json: decoded or refused at a place; what is decoded survives being written; its plan can be told, or the refusal names a field.
#![no_main]

use libcontainer::spec;
use libfuzzer_sys::fuzz_target;
use teu_fuzz::{check_error, check_pointer, check_steps, decide};

fuzz_target!(|bytes: &[u8]| {
    let decoded = match spec::decode(bytes) {
        Ok(decoded) => decoded,
        Err(e) => {
            check_pointer(&e.pointer);
            assert!(!e.message.is_empty());
            return;
        }
    };
    let written = serde_json::to_vec(&decoded).expect("a configuration can be written");
    assert_eq!(spec::decode(&written).as_ref(), Ok(&decoded));
    match decide(&decoded) {
        Ok(plan) => {
            assert!(!plan.to_string().is_empty());
            check_steps(&plan.program.stage);
            check_steps(&plan.program.steps);
        }
        Err(e) => check_error(&e),
    }
});
