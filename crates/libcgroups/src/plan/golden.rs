//! Resources in, operations out.

use super::*;
use crate::layout::V2Mount;

fn v1_mount(options: &str) -> V1Mount {
    V1Mount {
        options: options.into(),
        mountpoint: format!("/v1/{}", options.trim_start_matches("name=")).into(),
        subsystems: options.split(',').map(str::to_owned).collect(),
        own: "/".into(),
    }
}

fn v1() -> Layout {
    let all = [
        "cpuset",
        "cpu,cpuacct",
        "memory",
        "devices",
        "freezer",
        "pids",
        "blkio",
        "hugetlb",
        "net_cls,net_prio",
        "rdma",
        "name=systemd",
    ];
    Layout {
        v1: all.map(v1_mount).to_vec(),
        v2: None,
    }
}

fn v2() -> Layout {
    Layout {
        v1: Vec::new(),
        v2: Some(V2Mount {
            mountpoint: "/v2".into(),
            own: "/".into(),
            controllers: None,
            options: String::new(),
        }),
    }
}

fn hybrid() -> Layout {
    let controllers = Some(["hugetlb", "io"].map(str::to_owned).to_vec());
    let v2 = Some(V2Mount {
        mountpoint: "/v2".into(),
        own: "/".into(),
        controllers,
        options: String::new(),
    });
    Layout {
        v1: ["cpu", "memory", "devices"].map(v1_mount).to_vec(),
        v2,
    }
}

fn planned(layout: &Layout, json: &str) -> Result<Plan> {
    let resources: Resources = serde_json::from_str(json).unwrap();
    plan(
        layout,
        &Request {
            path: Some("/c"),
            id: "c",
            resources: Some(&resources),
            ..Request::default()
        },
    )
}

/// The writes as `FILE = "VALUE"`, the mount points and the pointers left out.
fn writes(layout: &Layout, json: &str) -> Vec<String> {
    let text = planned(layout, json).unwrap().to_string();
    let lines = text.lines().filter_map(|l| l.strip_prefix("write /"));
    lines
        .map(|l| {
            l.split_once("/c/")
                .unwrap()
                .1
                .split("  (")
                .next()
                .unwrap()
                .to_owned()
        })
        .collect()
}

#[test]
fn every_resource() {
    let table: &[(&str, &[&str], &[&str])] = &[
        (
            r#"{"memory":{"limit":1000,"swap":1500,"reservation":700,"kernelTCP":5,"swappiness":60,"disableOOMKiller":true,"useHierarchy":true}}"#,
            &[
                r#"memory.use_hierarchy = "1""#,
                r#"memory.limit_in_bytes = "1000""#,
                r#"memory.memsw.limit_in_bytes = "1500""#,
                r#"memory.soft_limit_in_bytes = "700""#,
                r#"memory.kmem.tcp.limit_in_bytes = "5""#,
                r#"memory.swappiness = "60""#,
                r#"memory.oom_control = "1""#,
            ],
            &[
                r#"memory.swap.max = "500""#,
                r#"memory.max = "1000""#,
                r#"memory.low = "700""#,
            ],
        ),
        (
            r#"{"memory":{"limit":-1}}"#,
            &[
                r#"memory.limit_in_bytes = "-1""#,
                r#"memory.memsw.limit_in_bytes = "-1""#,
            ],
            &[r#"memory.swap.max = "max""#, r#"memory.max = "max""#],
        ),
        (r#"{"memory":{"limit":0,"swap":0}}"#, &[], &[]),
        (
            r#"{"cpu":{"shares":2048,"quota":50000,"period":200000,"burst":1000,"cpus":"0-1","mems":"0"}}"#,
            &[
                r#"cpuset.cpus = "0-1""#,
                r#"cpuset.mems = "0""#,
                r#"cpu.shares = "2048""#,
                r#"cpu.cfs_period_us = "200000""#,
                r#"cpu.cfs_quota_us = "50000""#,
                r#"cpu.cfs_burst_us = "1000""#,
            ],
            &[
                r#"cpuset.cpus = "0-1""#,
                r#"cpuset.mems = "0""#,
                r#"cpu.weight = "174""#,
                r#"cpu.max = "50000 200000""#,
                r#"cpu.max.burst = "1000""#,
            ],
        ),
        (
            r#"{"cpu":{"quota":-1}}"#,
            &[r#"cpu.cfs_quota_us = "-1""#],
            &[r#"cpu.max = "max""#],
        ),
        (
            r#"{"cpu":{"period":50000}}"#,
            &[r#"cpu.cfs_period_us = "50000""#],
            &[r#"cpu.max = "max 50000""#],
        ),
        (
            r#"{"cpu":{"idle":1,"shares":2048}}"#,
            &[r#"cpu.idle = "1""#],
            &[r#"cpu.idle = "1""#],
        ),
        (
            r#"{"pids":{"limit":0}}"#,
            &[r#"pids.max = "1""#],
            &[r#"pids.max = "1""#],
        ),
        (
            r#"{"pids":{"limit":-7}}"#,
            &[r#"pids.max = "max""#],
            &[r#"pids.max = "max""#],
        ),
        (
            r#"{"blockIO":{"weight":10,"weightDevice":[{"major":8,"minor":0,"weight":1000}],"throttleReadBpsDevice":[{"major":8,"minor":0,"rate":5}],"throttleWriteIOPSDevice":[{"major":8,"minor":16,"rate":0}]}}"#,
            &[
                r#"blkio.weight = "10", or else blkio.bfq.weight = "10""#,
                r#"blkio.weight_device = "8:0 1000", or else blkio.bfq.weight_device = "8:0 1000""#,
                r#"blkio.throttle.read_bps_device = "8:0 5""#,
                r#"blkio.throttle.write_iops_device = "8:16 0""#,
            ],
            &[
                r#"io.bfq.weight = "10", or else io.weight = "default 1""#,
                r#"io.bfq.weight = "8:0 1000", or else io.weight = "8:0 10000""#,
                r#"io.max = "8:0 rbps=5""#,
                r#"io.max = "8:16 wiops=max""#,
            ],
        ),
        (
            r#"{"hugepageLimits":[{"pageSize":"2MB","limit":4194304}]}"#,
            &[
                r#"hugetlb.2MB.limit_in_bytes = "4194304""#,
                r#"hugetlb.2MB.rsvd.limit_in_bytes = "4194304""#,
            ],
            &[
                r#"hugetlb.2MB.max = "4194304""#,
                r#"hugetlb.2MB.rsvd.max = "4194304""#,
            ],
        ),
        (
            r#"{"rdma":{"mlx5_1":{"hcaHandles":3,"hcaObjects":10000},"mlx4_0":{"hcaObjects":5},"none":{}}}"#,
            &[
                r#"rdma.max = "mlx4_0 hca_object=5""#,
                r#"rdma.max = "mlx5_1 hca_handle=3 hca_object=10000""#,
            ],
            &[
                r#"rdma.max = "mlx4_0 hca_object=5""#,
                r#"rdma.max = "mlx5_1 hca_handle=3 hca_object=10000""#,
            ],
        ),
    ];
    for (json, on_v1, on_v2) in table {
        assert_eq!(writes(&v1(), json), *on_v1, "v1: {json}");
        assert_eq!(writes(&v2(), json), *on_v2, "v2: {json}");
    }
}

#[test]
fn what_one_version_alone_has() {
    let network = r#"{"network":{"classID":1048577,"priorities":[{"name":"eth0","priority":5}]},"cpu":{"realtimeRuntime":950,"realtimePeriod":1000}}"#;
    let want = [
        r#"cpu.rt_period_us = "1000""#,
        r#"cpu.rt_runtime_us = "950""#,
        r#"net_cls.classid = "1048577""#,
        r#"net_prio.ifpriomap = "eth0 5""#,
    ];
    assert_eq!(writes(&v1(), network), want);
    let unified =
        r#"{"unified":{"io.max":"8:0 rbps=1\n8:16 rbps=2\n","misc.max":"res_a 3","pids.max":"9"}}"#;
    let want = [
        r#"io.max = "8:0 rbps=1""#,
        r#"io.max = "8:16 rbps=2""#,
        r#"misc.max = "res_a 3""#,
        r#"pids.max = "9""#,
    ];
    assert_eq!(writes(&v2(), unified), want);
}

#[test]
fn a_hybrid_host_has_each_resource_where_its_controller_is() {
    let plan = planned(&hybrid(), r#"{"memory":{"limit":1000},"hugepageLimits":[{"pageSize":"2MB","limit":0}],"blockIO":{"weight":100}}"#).unwrap();
    let text = plan.to_string();
    for line in [
        "write /v1/memory/c/memory.limit_in_bytes",
        "write /v2/c/hugetlb.2MB.max",
        "write /v2/c/io.bfq.weight",
        "devices at /v1/devices/c by devices.deny",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
    assert!(!text.contains("eBPF"));
    assert_eq!(plan.entry(), EntryKind::IntoAndTasks);
    let e = planned(&hybrid(), r#"{"pids":{"limit":5}}"#).unwrap_err();
    assert_eq!(
        e.to_string(),
        "this host has no pids cgroup controller (asked for by /linux/resources/pids/limit)"
    );
}

#[test]
fn refusals_name_their_field() {
    let both = [
        (r#"{"memory":{"swap":5}}"#, "/linux/resources/memory/swap"),
        (
            r#"{"memory":{"limit":10,"swap":5}}"#,
            "/linux/resources/memory/swap",
        ),
        (
            r#"{"memory":{"limit":-2}}"#,
            "/linux/resources/memory/limit",
        ),
        (
            r#"{"memory":{"swappiness":101}}"#,
            "/linux/resources/memory/swappiness",
        ),
        (r#"{"cpu":{"cpus":"0;1"}}"#, "/linux/resources/cpu/cpus"),
        (r#"{"cpu":{"idle":2}}"#, "/linux/resources/cpu/idle"),
        (
            r#"{"blockIO":{"weight":5}}"#,
            "/linux/resources/blockIO/weight",
        ),
        (
            r#"{"blockIO":{"weightDevice":[{"major":-1,"minor":0,"weight":10}]}}"#,
            "/linux/resources/blockIO/weightDevice/0",
        ),
        (
            r#"{"hugepageLimits":[{"pageSize":"2MB","limit":1},{"pageSize":"../x","limit":1}]}"#,
            "/linux/resources/hugepageLimits/1/pageSize",
        ),
        (
            r#"{"rdma":{"a b":{"hcaHandles":1}}}"#,
            "/linux/resources/rdma/a b",
        ),
        (
            r#"{"devices":[{"allow":true,"access":"rx"}]}"#,
            "/linux/resources/devices/0/access",
        ),
        (
            r#"{"devices":[{"allow":true,"type":"p"}]}"#,
            "/linux/resources/devices/0/type",
        ),
        (
            r#"{"devices":[{"allow":true,"major":4294967296}]}"#,
            "/linux/resources/devices/0/major",
        ),
    ];
    let v2_alone = [
        (
            r#"{"unified":{"../cgroup.procs":"1"}}"#,
            "/linux/resources/unified/..~1cgroup.procs",
        ),
        (
            r#"{"unified":{"cgroup.procs":"1"}}"#,
            "/linux/resources/unified/cgroup.procs",
        ),
        (
            r#"{"cpu":{"realtimeRuntime":5}}"#,
            "/linux/resources/cpu/realtimeRuntime",
        ),
        (
            r#"{"network":{"classID":5}}"#,
            "/linux/resources/network/classID",
        ),
    ];
    for (json, field) in both {
        assert_eq!(
            planned(&v1(), json).unwrap_err().field(),
            Some(field),
            "v1: {json}"
        );
    }
    for (json, field) in both.into_iter().chain(v2_alone) {
        assert_eq!(
            planned(&v2(), json).unwrap_err().field(),
            Some(field),
            "v2: {json}"
        );
    }
    let e = planned(&v1(), r#"{"unified":{"pids.max":"1"}}"#).unwrap_err();
    assert_eq!(e.field(), Some("/linux/resources/unified"));
}

#[test]
fn warnings() {
    let json =
        r#"{"memory":{"kernel":5,"kernelTCP":5,"swappiness":1},"blockIO":{"leafWeight":10}}"#;
    let on_v1 = planned(&v1(), json).unwrap();
    assert!(
        on_v1.warnings().len() == 1 && on_v1.warnings()[0].contains("memory/kernel"),
        "{:?}",
        on_v1.warnings()
    );
    assert_eq!(planned(&v2(), json).unwrap().warnings().len(), 4);
}

#[test]
fn a_whole_plan() {
    let json = r#"{"pids":{"limit":5},"devices":[{"allow":false,"access":"rwm"}]}"#;
    let text = planned(&v2(), json).unwrap().to_string();
    let want = "mkdir /v2/c\n\
        write /v2/c/pids.max = \"5\"  (/linux/resources/pids/limit)\n\
        devices at /v2/c by an eBPF program: none but b *:* m, c 1:3 rwm, c 1:5 rwm, c 1:7 rwm, c 1:8 rwm, c 1:9 rwm, c 5:0 rwm, c 5:2 rwm, \
        c 10:200 rwm, c 136:* rwm, c *:* m\n";
    assert_eq!(text, want);
    assert!(
        !planned(&v2(), r#"{"devices":[{"allow":true}]}"#)
            .unwrap()
            .to_string()
            .contains("devices")
    );
}

#[test]
fn a_record_survives_json() {
    let resources = Resources::default();
    let request = Request {
        driver: Driver::Systemd,
        path: Some("a-b.slice:p:n"),
        id: "n",
        resources: Some(&resources),
        subgroup: Some("x"),
        ..Request::default()
    };
    let record = plan(&v2(), &request).unwrap().record();
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<Record>(&json).unwrap(), record);
    assert!(
        json.contains(r#""path":"/a.slice/a-b.slice/p-n.scope/x""#),
        "{json}"
    );
}
