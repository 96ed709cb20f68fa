//! What asks or changes limits: state, list, events, update.

use super::*;

#[test]
fn queries_of_each_engine() {
    let events = |seconds, stats| {
        Command::Events(Events {
            interval: std::time::Duration::from_secs(seconds),
            stats,
            id: id(),
        })
    };
    let list = |format, quiet| Command::List(List { format, quiet });
    let cases = [
        (
            "ps --format json c1",
            Command::Ps(Ps {
                format: Format::Json,
                id: id(),
                args: vec![],
            }),
        ),
        (
            "ps --format table c1 -o pid",
            Command::Ps(Ps {
                format: Format::Table,
                id: id(),
                args: vec!["-o".into(), "pid".into()],
            }),
        ),
        ("list --format=json", list(Format::Json, false)),
        ("list", list(Format::Table, false)),
        ("list -qf json", list(Format::Json, true)),
        ("list -fjson -q=true", list(Format::Json, true)),
        ("events --interval=1m30s c1", events(90, false)),
        ("events --stats c1", events(5, true)),
        (
            "spec --rootless -b /b",
            Command::Spec(Spec {
                bundle: "/b".into(),
                file: None,
                rootless: true,
            }),
        ),
        (
            "spec -f x.json",
            Command::Spec(Spec {
                bundle: ".".into(),
                file: some("x.json"),
                rootless: false,
            }),
        ),
        (
            "seccomp explain p.json clone 0x10 -1",
            Command::SeccompExplain(SeccompExplain {
                profile: "p.json".into(),
                syscall: "clone".into(),
                args: vec![16, u64::MAX],
            }),
        ),
        (
            "seccomp compile p.json",
            Command::SeccompCompile(SeccompCompile {
                profile: "p.json".into(),
            }),
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(command(line), expected, "{line}");
    }
}

#[test]
fn updates_read_their_resources_from_a_file_or_stdin() {
    for (line, expected) in [
        ("update --resources=- c1", "-"),
        ("update --resources - c1", "-"),
        ("update -r /r.json c1", "/r.json"),
        ("update c1 --resources=/tmp/r", "/tmp/r"),
    ] {
        let Command::Update(update) = command(line) else {
            panic!("{line}")
        };
        assert_eq!(
            update.resources.as_deref(),
            Some(Path::new(expected)),
            "{line}"
        );
    }
}

#[test]
fn updates_take_every_limit() {
    let line = "update c1 --blkio-weight 500 --cpu-period 100000 --cpu-quota -1 --cpu-burst 10 --cpu-share 2 \
                --cpu-rt-period 3 --cpu-rt-runtime 4 --cpu-idle 1 --cpuset-cpus 0-1 --cpuset-mems 0 --memory 64M \
                --memory-reservation 32m --memory-swap -1 --kernel-memory 1g --kernel-memory-tcp=1 --pids-limit -1 \
                --l3-cache-schema L3:0=f --mem-bw-schema MB:0=20";
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    let expected = Update {
        resources: None,
        blkio_weight: Some(500),
        cpu_period: Some(100_000),
        cpu_quota: Some(-1),
        cpu_burst: Some(10),
        cpu_share: Some(2),
        cpu_rt_period: Some(3),
        cpu_rt_runtime: Some(4),
        cpu_idle: Some(1),
        cpuset_cpus: Some("0-1".into()),
        cpuset_mems: Some("0".into()),
        memory: Some(64 << 20),
        memory_reservation: Some(32 << 20),
        memory_swap: Some(-1),
        kernel_memory: Some(1 << 30),
        kernel_memory_tcp: Some(1),
        pids_limit: Some(-1),
        l3_cache_schema: Some("L3:0=f".into()),
        mem_bw_schema: Some("MB:0=20".into()),
        id: id(),
    };
    assert_eq!(command(&line), Command::Update(expected));
}
