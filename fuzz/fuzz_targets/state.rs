//! The files of a container's state directory: damage is an error, never a panic; what is read survives being written.
#![no_main]

use libcontainer::plan::exec::{self, Template};
use libcontainer::spec::state_document::StateDocument;
use libcontainer::state::{Line, Lines, Record};
use libfuzzer_sys::fuzz_target;
use teu_fuzz::{check_error, check_steps};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = serde_json::from_slice::<Record>(bytes) {
        let line = Line::of(&record);
        // Behind another line, and before one that is torn.
        let file = [&b"{}\n"[..], line.bytes(), bytes].concat();
        let lines = Lines::of(file[..3 + line.bytes().len() + bytes.len() / 2].to_vec());
        if !bytes[..bytes.len() / 2].contains(&b'\n') {
            assert_eq!(
                (lines.first(), lines.last()),
                (&b"{}"[..], line.bytes().trim_ascii_end())
            );
        }
        let again: Record =
            serde_json::from_slice(line.bytes()).expect("what was written can be read");
        assert_eq!(Line::of(&again).bytes(), line.bytes());
        let document =
            StateDocument::new(&record.id, "running", &record.bundle, &record.annotations);
        let (before, after) = document.hook_parts();
        let whole = [&before[..], b"1", &after].concat();
        let read: StateDocument = serde_json::from_slice(&whole).expect("hooks get JSON");
        assert_eq!(
            (read.pid, read.id, read.bundle),
            (Some(1), record.id, record.bundle)
        );
    }
    if let Ok(template) = serde_json::from_slice::<Template>(bytes) {
        match exec::plan(&template, &template.process, 0, u64::MAX) {
            Ok(plan) => check_steps(&plan.program.steps),
            Err(e) => check_error(&e),
        }
    }
});
