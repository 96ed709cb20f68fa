use super::*;

fn names(json: &str, v2: bool) -> String {
    let r: Resources = serde_json::from_str(json).unwrap();
    let show = |(name, value): &Property| match value {
        Value::U64(n) if *n == INFINITY => format!("{name}=infinity"),
        Value::U64(n) => format!("{name}={n}"),
        other => format!("{name}={other:?}"),
    };
    resources(&r, v2)
        .unwrap()
        .iter()
        .map(show)
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn golden() {
    let table = [
        (
            r#"{"memory":{"limit":1000,"swap":1500,"reservation":7}}"#,
            true,
            "MemoryMax=1000 MemoryLow=7 MemorySwapMax=500",
        ),
        (
            r#"{"memory":{"limit":1000,"swap":1500,"reservation":7}}"#,
            false,
            "MemoryLimit=1000",
        ),
        (
            r#"{"memory":{"limit":-1}}"#,
            true,
            "MemoryMax=infinity MemorySwapMax=infinity",
        ),
        (
            r#"{"cpu":{"shares":1024,"quota":20001,"period":50000}}"#,
            true,
            "CPUWeight=100 CPUQuotaPeriodUSec=50000 CPUQuotaPerSecUSec=410000",
        ),
        (r#"{"cpu":{"shares":1024}}"#, false, "CPUShares=1024"),
        (
            r#"{"cpu":{"shares":1024,"idle":1,"quota":-1}}"#,
            true,
            "CPUWeight=0 CPUQuotaPerSecUSec=infinity",
        ),
        (
            r#"{"cpu":{"cpus":"0-2,8"}}"#,
            true,
            "AllowedCPUs=Bytes([7, 1])",
        ),
        (r#"{"pids":{"limit":0}}"#, true, "TasksMax=1"),
        (r#"{"pids":{"limit":-1}}"#, true, "TasksMax=infinity"),
        (
            r#"{"unified":{"memory.high":"max","cpu.max":"max 20000","io.latency":"x"}}"#,
            true,
            "CPUQuotaPeriodUSec=20000 CPUQuotaPerSecUSec=infinity MemoryHigh=infinity",
        ),
    ];
    for (json, v2, want) in table {
        assert_eq!(names(json, v2), want, "{json}");
    }
}

#[test]
fn a_quota_is_rounded_up_to_what_systemd_keeps() {
    for (quota, period, want) in [
        (20_001, None, 21_000),
        (20_000, None, 20_000),
        (1, Some(50_000), 500),
        (20_001, Some(50_000), 20_500),
        (-1, None, -1),
    ] {
        let cpu = Cpu {
            quota: Some(quota),
            period,
            ..Cpu::default()
        };
        let mut r = Resources {
            cpu: Some(cpu),
            ..Resources::default()
        };
        round(&mut r);
        assert_eq!(r.cpu.unwrap().quota, Some(want), "{quota}");
    }
}

#[test]
fn device_lists() {
    let policy = crate::devices::policy(&[]).unwrap();
    let p = devices(&policy);
    assert_eq!(p[1], ("DevicePolicy".into(), Value::Str("strict".into())));
    let Value::Pairs(list) = &p[2].1 else {
        panic!("{p:?}")
    };
    for pair in [
        ("/dev/char/1:3", "rwm"),
        ("char-136", "rwm"),
        ("char-*", "m"),
        ("block-*", "m"),
    ] {
        assert!(
            list.contains(&(pair.0.into(), pair.1.into())),
            "{pair:?} in {list:?}"
        );
    }
}

#[test]
fn weights_come_out_of_systemd_as_they_went_in() {
    // What systemd makes of its weight for BFQ (BFQ_WEIGHT in its cgroup.h).
    let bfq = |io: u64| match io {
        ..=100 => io,
        _ => 100 + (io - 100) * 900 / 9900,
    };
    for weight in 10..=1000 {
        let device = crate::resources::WeightDevice {
            major: 7,
            minor: 1,
            weight: Some(weight),
            leaf_weight: None,
        };
        let b = BlockIo {
            weight: Some(weight),
            weight_device: Some(vec![device]),
            ..BlockIo::default()
        };
        let Value::U64(n) = io(&b, true)[0].1 else {
            panic!()
        };
        assert_eq!(bfq(n), u64::from(weight));
        let plain = convert::blkio_to_io_weight(weight);
        let want = [
            ("IOWeight".to_owned(), Value::U64(plain)),
            (
                "IODeviceWeight".to_owned(),
                Value::Weights(vec![("/dev/block/7:1".to_owned(), plain)]),
            ),
        ];
        assert_eq!(io(&b, false), want);
    }
}
