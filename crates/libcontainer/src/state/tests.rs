//! The state directory, on the real file system.

use super::*;

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("teu-state-{name}-{}", std::process::id()))
}

/// A container about to be made, below a root of its own.
fn making(name: &str) -> (PathBuf, StateDir, Record) {
    let root = scratch(name);
    let dir = StateDir::create(&root, "c").unwrap();
    (root, dir, Record::new("c", Path::new("/b"), c"/b/rootfs"))
}

#[test]
fn ids_are_checked() {
    for good in ["a", "A_b+c-d.e", "0", &"x".repeat(255)] {
        check_id(good).unwrap();
    }
    for bad in [
        "",
        ".",
        "..",
        ".a",
        "-rf",
        "a/b",
        "a b",
        "ä",
        "a\0",
        &"x".repeat(256),
    ] {
        assert_eq!(check_id(bad).unwrap_err().kind(), Kind::Invalid, "{bad:?}");
    }
}

#[test]
fn a_record_is_kept_until_removed() {
    let root = scratch("record").join("deep");
    assert_eq!(ids(&root).unwrap(), Vec::<String>::new());
    let mut dir = StateDir::create(&root, "c1").unwrap();
    let mut record = Record::new("c1", Path::new("/b"), c"/b/rootfs");
    dir.intend(&record).unwrap();
    assert_eq!(dir.load().unwrap().phase, Phase::Creating);
    record.phase = Phase::Created;
    record.pid = 7;
    assert!(!dir.is_complete().unwrap());
    dir.complete(&Line::of(&record)).unwrap();
    assert!(dir.is_complete().unwrap());
    assert_eq!(
        StateDir::create(&root, "c1").unwrap_err().kind(),
        Kind::Exists
    );
    assert_eq!(ids(&root).unwrap(), ["c1"]);
    let mut other = StateDir::open(&root, "c1").unwrap();
    assert_eq!(other.load().unwrap().pid, 7);
    assert_eq!(other.intent().unwrap().pid, 0);
    other.complete(&Line::of(&record)).unwrap_err();
    assert!(!other.try_lock(false).unwrap());
    assert_eq!(
        other.lock(true, Instant::now()).unwrap_err().kind(),
        Kind::WrongState
    );
    dir.unlock();
    assert!(other.try_lock(true).unwrap());
    dir.remove().unwrap();
    assert_eq!(
        StateDir::open(&root, "c1").unwrap_err().kind(),
        Kind::NotFound
    );
    std::fs::remove_dir_all(scratch("record")).unwrap();
}

#[test]
fn a_line_counts_when_it_is_complete() {
    let (root, mut dir, mut record) = making("torn");
    dir.intend(&record).unwrap();
    let file = dir.path().join("state.json");
    let first = std::fs::read(&file).unwrap();
    record.pid = 7;
    record.phase = Phase::Created;
    let line = Line::of(&record);
    let torn = [&first[..], &line.bytes()[..20]].concat();
    std::fs::write(&file, &torn).unwrap();
    assert_eq!(dir.load().unwrap().phase, Phase::Creating);
    std::fs::write(&file, &first).unwrap();
    dir.complete(&line).unwrap();
    assert_eq!(dir.load().unwrap().pid, 7);
    // Cut behind the first line, in the second, in the first.
    for content in [&first[..], &torn, &first[..20]] {
        std::fs::write(&file, content).unwrap();
        dir.load().unwrap_err();
    }
    assert!(dir.is_complete().unwrap());
    dir.remove().unwrap();
    std::fs::remove_dir(root).unwrap();
}

#[test]
fn what_is_being_written_is_no_container_yet() {
    let (root, dir, _) = making("blank");
    let kind = || {
        crate::lifecycle::Container::open(&root, "c")
            .map(|_| ())
            .map_err(|e| e.kind())
    };
    let file = dir.path().join("state.json");
    assert_eq!(kind(), Err(Kind::NotFound));
    for torn in ["", "{"] {
        std::fs::write(&file, torn).unwrap();
        assert_eq!(kind(), Err(Kind::NotFound), "{torn:?}");
    }
    // Nobody is writing any more.
    dir.unlock();
    assert_eq!(kind(), Err(Kind::Failed));
    assert!(dir.try_lock(true).unwrap());
    dir.remove().unwrap();
    std::fs::remove_dir(root).unwrap();
}

#[test]
fn a_record_that_is_too_large_to_be_read_is_not_written() {
    let (root, mut dir, mut record) = making("large");
    record
        .annotations
        .insert("a".into(), "x".repeat(spec::MAX_SIZE));
    assert_eq!(dir.intend(&record).unwrap_err().kind(), Kind::Invalid);
    assert!(!dir.path().join("state.json").exists());
    dir.remove().unwrap();
    std::fs::remove_dir(root).unwrap();
}

#[test]
fn a_damaged_or_newer_record_is_an_error_not_a_crash() {
    let root = scratch("damaged");
    let mut dir = StateDir::create(&root, "c").unwrap();
    for content in [
        &b""[..],
        b"{}",
        b"\n",
        b"{\n",
        b"7\n",
        b"{\"pid\":\"x\"}\n",
        b"{}\n{\"version\":99}\n",
        &[0xff; 10],
    ] {
        std::fs::write(dir.path().join("state.json"), content).unwrap();
        dir.load().unwrap_err();
    }
    std::fs::remove_dir_all(root).unwrap();
}
