//! The document of `exec --process`: decoded or refused at a place; its plan can be told, or the refusal names a field.
#![no_main]

use libcontainer::plan::exec::{self, Template};
use libcontainer::spec;
use libfuzzer_sys::fuzz_target;
use teu_fuzz::{check_error, check_pointer, check_steps};

fuzz_target!(|bytes: &[u8]| {
    let process = match spec::decode_process(bytes) {
        Ok(process) => process,
        Err(e) => return check_pointer(&e.pointer),
    };
    let written = serde_json::to_vec(&process).expect("a process can be written");
    assert_eq!(spec::decode_process(&written).as_ref(), Ok(&process));
    match exec::plan(&Template::default(), &process, 0, u64::MAX) {
        Ok(plan) => {
            check_steps(&plan.program.stage);
            check_steps(&plan.program.steps);
        }
        Err(e) => check_error(&e),
    }
});
