//! The strict readers of values.

use std::time::Duration;

use liboci_cli::*;

/// A small generator (xorshift), so that the loops below try the same values each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[test]
fn users_are_plain_decimal_numbers() {
    let user = |uid, gid| Ok(User { uid, gid });
    for (text, expected) in [
        ("0", user(0, None)),
        ("0:0", user(0, Some(0))),
        ("1000:100", user(1000, Some(100))),
        ("4294967294:4294967294", user(4294967294, Some(4294967294))),
    ] {
        assert_eq!(parse_user(text), expected, "{text}");
    }
    for text in [
        "-1",
        "+1",
        "01",
        "00",
        "",
        " 1",
        "1 ",
        "1:",
        ":1",
        ":",
        "1:1:1",
        "4294967295",
        "4294967296",
        "1:4294967295",
        "18446744073709551616",
        "1e3",
        "0x0",
        "1_0",
        "1.0",
        "root",
        "0:root",
        "-0",
        "1:-1",
        "1:01",
        "\u{661}",
        "1\n",
        "1\0",
    ] {
        assert!(parse_user(text).is_err(), "{text:?}");
    }
}

/// Whatever is accepted is written back letter by letter.
#[test]
fn accepted_ids_have_one_spelling() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let alphabet = b"0123456789:+- ex\n";
    let mut accepted = 0;
    for _ in 0..200_000 {
        let length = random.next() % 5;
        let text: String = (0..length)
            .map(|_| char::from(alphabet[random.next() as usize % alphabet.len()]))
            .collect();
        let Ok(User { uid, gid }) = parse_user(&text) else {
            continue;
        };
        let back = gid.map_or(uid.to_string(), |gid| format!("{uid}:{gid}"));
        assert_eq!(back, text);
        accepted += 1;
    }
    assert!(accepted > 1000, "{accepted}");
    for _ in 0..10_000 {
        let number = random.next() >> (random.next() % 48);
        let expected = u32::try_from(number).ok().filter(|id| *id != u32::MAX);
        assert_eq!(parse_id(&number.to_string()).ok(), expected, "{number}");
    }
}

#[test]
fn signals_have_names_and_numbers() {
    for (text, number) in [
        ("TERM", 15),
        ("SIGTERM", 15),
        ("sigwinch", 28),
        ("Kill", 9),
        ("hup", 1),
        ("SYS", 31),
        ("IO", 29),
        ("POLL", 29),
        ("IOT", 6),
        ("CLD", 17),
        ("0", 0),
        ("9", 9),
        ("64", 64),
        ("RTMIN", 34),
        ("SIGRTMIN+3", 37),
        ("rtmin+30", 64),
        ("RTMAX", 64),
        ("sigrtmax-30", 34),
        ("RTMAX-0", 64),
    ] {
        assert_eq!(parse_signal(text), Ok(number), "{text}");
    }
    for text in [
        "",
        "FOO",
        "SIG",
        "SIGSIGTERM",
        "-1",
        "-9",
        "+9",
        " 9",
        "0x9",
        "65",
        "999",
        "RTMIN-1",
        "RTMAX+1",
        "RTMIN+31",
        "RTMAX-31",
        "RTMIN+",
        "RTMIN+-1",
        "RTMIN++1",
        "RTMIN+256",
        "TERM ",
    ] {
        let error = parse_signal(text).expect_err(text);
        assert_eq!(error.to_string(), format!("unknown signal {text:?}"));
    }
    for number in 1..=64 {
        assert_eq!(parse_signal(&number.to_string()), Ok(number));
    }
}

#[test]
fn sizes_have_units_of_1024() {
    for (text, bytes) in [
        ("0", 0),
        ("-1", -1),
        ("4096", 4096),
        ("1b", 1),
        ("2k", 2 << 10),
        ("64M", 64 << 20),
        ("64mb", 64 << 20),
        ("10mib", 10 << 20),
        ("1.5G", 3 << 29),
        (".5k", 512),
        ("1.k", 1024),
        ("0.0001k", 0),
        ("1T", 1 << 40),
        ("1PiB", 1 << 50),
        ("9223372036854775807", i64::MAX),
        ("0.99999999999999999999999k", 1023),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "M",
        ".",
        ".k",
        "64Q",
        "-2",
        "-64M",
        "+1",
        "1 M",
        " 1",
        "1ib",
        "1kk",
        "0x10",
        "1e3",
        "1..5k",
        "1.2.3",
        "9223372036854775808",
        "8192p",
        "99999999999999999999",
    ] {
        assert_eq!(parse_size(text), Err(format!("invalid size: '{text}'")));
    }
}

#[test]
fn durations_are_written_as_in_go() {
    for (text, nanoseconds) in [
        ("5s", 5_000_000_000),
        ("100ms", 100_000_000),
        ("1m30s", 90_000_000_000),
        ("1.5h", 5_400_000_000_000),
        ("1h1m1s1ms1us1ns", 3_661_001_001_001),
        ("2\u{b5}s", 2_000),
        ("2\u{3bc}s", 2_000),
        (".5s", 500_000_000),
        ("+1s", 1_000_000_000),
        ("0", 0),
        ("0s", 0),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_nanos(nanoseconds)),
            "{text}"
        );
    }
    for text in [
        "",
        "5",
        "s",
        "-5s",
        "5 s",
        "1d",
        "5sec",
        "1s2",
        ".s",
        "+",
        "++1s",
        "1.2.3s",
        "99999999999h",
        "5S",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
    assert!(parse_interval("0s").is_err());
    assert!(parse_interval("0.1ns").is_err());
    assert_eq!(parse_interval("1ns"), Ok(Duration::from_nanos(1)));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..10_000 {
        let (h, m, s, ms) = (
            random.next() % 99,
            random.next() % 60,
            random.next() % 60,
            random.next() % 1000,
        );
        let expected = Duration::from_millis(((h * 60 + m) * 60 + s) * 1000 + ms);
        assert_eq!(parse_duration(&format!("{h}h{m}m{s}s{ms}ms")), Ok(expected));
        let seconds = (h * 60 + m) * 60 + s;
        assert_eq!(parse_duration(&format!("{seconds}.{ms:03}s")), Ok(expected));
    }
}

#[test]
fn sub_cgroups_stay_below() {
    let cgroup = |controllers: &[&str], path: &str| {
        let controllers = controllers.iter().map(|c| c.to_string()).collect();
        Ok(SubCgroup {
            controllers,
            path: path.into(),
        })
    };
    for (text, expected) in [
        ("sub", cgroup(&[], "sub")),
        ("/sub/x", cgroup(&[], "/sub/x")),
        ("memory:/sub", cgroup(&["memory"], "/sub")),
        ("cpu,cpuacct:sub", cgroup(&["cpu", "cpuacct"], "sub")),
        ("name=systemd:/x", cgroup(&["name=systemd"], "/x")),
        ("/a:b", cgroup(&[], "/a:b")),
        ("cpu:/a:b", cgroup(&["cpu"], "/a:b")),
        ("a..b", cgroup(&[], "a..b")),
    ] {
        assert_eq!(parse_sub_cgroup(text), expected, "{text}");
    }
    for text in [
        "",
        "cpu:",
        ":/x",
        "cpu,:/x",
        "..",
        "../x",
        "/x/../..",
        "cpu:/x/..",
        "/..",
    ] {
        assert!(parse_sub_cgroup(text).is_err(), "{text}");
    }
}

#[test]
fn arguments_of_system_calls_are_64_bits() {
    for (text, number) in [
        ("0", 0),
        ("0x10000000", 0x1000_0000),
        ("-1", u64::MAX),
        ("18446744073709551615", u64::MAX),
        ("-9223372036854775808", 1 << 63),
    ] {
        assert_eq!(parse_argument(text), Ok(number), "{text}");
    }
    for text in [
        "",
        "-",
        "0x",
        "x",
        "+1",
        "0x+1",
        "0x-1",
        "-0x1",
        "-+1",
        "--1",
        "18446744073709551616",
        "1.0",
    ] {
        assert!(parse_argument(text).is_err(), "{text}");
    }
}
