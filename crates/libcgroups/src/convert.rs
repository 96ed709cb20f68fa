//! From the specification's numbers, which are those of cgroup v1, to those of v2.

/// CPU shares (2 to 262144) as `cpu.weight` (1 to 10000); `None` for 0, which means unset.
///
/// A quadratic curve through (2, 1), (1024, 100) and (262144, 10000): both defaults meet, which the linear formula of earlier years missed,
/// giving a default container 39 where its neighbours had 100.
pub(crate) fn shares_to_weight(shares: u64) -> Option<u64> {
    match shares {
        0 => None,
        1..=2 => Some(1),
        262144.. => Some(10000),
        _ => {
            let l = (shares as f64).log2();
            let exponent = (l * l + 125.0 * l) / 612.0 - 7.0 / 34.0;
            Some(10f64.powf(exponent).ceil() as u64)
        }
    }
}

/// blkio weight (10 to 1000) as `io.weight` (1 to 10000).
pub(crate) fn blkio_to_io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight) - 10) * 9999 / 990
}

/// The limit of memory and swap together as a limit of swap alone, as `memory.swap.max` wants it: `None` means leave it.
///
/// `memory` and `swap` are the specification's numbers: 0 unset, -1 unlimited, else bytes.
pub(crate) fn swap_max(memory: i64, swap: i64) -> Result<Option<String>, &'static str> {
    match (memory, swap) {
        // Unlimited memory with nothing said of swap would leave an older, now pointless limit of swap behind.
        (-1, 0) => Ok(Some("max".into())),
        (_, 0) => Ok(None),
        (_, -1) => Ok(Some("max".into())),
        (-1, s) => Ok(Some(s.to_string())),
        (0, _) => Err("unable to set swap limit without memory limit"),
        (m, s) if s < m => Err("memory+swap limit should be >= memory limit"),
        (m, s) => Ok(Some((s - m).to_string())),
    }
}

/// A byte count as v2 writes it: -1 is `max`.
pub(crate) fn bytes_or_max(n: i64) -> String {
    if n == -1 { "max".into() } else { n.to_string() }
}

/// A number of bytes as the kernel reads it (memparse): with K, M, G, T, P or E behind it for powers of 1024.
pub(crate) fn memparse(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        "P" => 50,
        "E" => 60,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_curve_through_both_defaults() {
        let table = [
            (0, None),
            (1, Some(1)),
            (2, Some(1)),
            (1024, Some(100)),
            (262_144, Some(10_000)),
            (u64::MAX, Some(10_000)),
        ];
        for (shares, weight) in table {
            assert_eq!(shares_to_weight(shares), weight, "{shares}");
        }
        let curve: Vec<_> = (1..=262_144)
            .map(|s| shares_to_weight(s).unwrap())
            .collect();
        assert!(
            curve.windows(2).all(|w| w[0] <= w[1]),
            "more shares never give less weight"
        );
    }

    #[test]
    fn blkio_weights_keep_their_ends() {
        assert_eq!([10, 505, 1000].map(blkio_to_io_weight), [1, 5000, 10_000]);
    }

    #[test]
    fn swap_is_what_is_left_above_memory() {
        let table = [
            ((0, 0), Ok(None)),
            ((100, 0), Ok(None)),
            ((100, -1), Ok(Some("max"))),
            ((-1, 0), Ok(Some("max"))),
            ((-1, 50), Ok(Some("50"))),
            ((100, 100), Ok(Some("0"))),
            ((100, 150), Ok(Some("50"))),
            (
                (0, 50),
                Err("unable to set swap limit without memory limit"),
            ),
            (
                (100, 50),
                Err("memory+swap limit should be >= memory limit"),
            ),
        ];
        for ((memory, swap), want) in table {
            assert_eq!(
                swap_max(memory, swap),
                want.map(|v| v.map(str::to_owned)),
                "{memory} {swap}"
            );
        }
    }

    #[test]
    fn bytes_as_the_kernel_reads_them() {
        let table = [
            ("4096", Some(4096)),
            ("64K", Some(65536)),
            ("2m", Some(2 << 20)),
            ("1E", Some(1 << 60)),
            ("16E", None),
            ("99999999999E", None),
            ("max", None),
            ("1KB", None),
            ("", None),
        ];
        for (text, want) in table {
            assert_eq!(memparse(text), want, "{text:?}");
        }
    }
}
