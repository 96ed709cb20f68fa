//! `ociVersion`: the version of the specification.

use std::fmt;

/// The version of the specification that is implemented, and written into state documents and
/// example configurations.
pub const SPEC_VERSION: &str = "1.3.0";

/// Checks that a configuration of this version can be understood: any SemVer 2.0.0 version with the
/// major number 1.
///
/// Minor versions only add optional fields, so newer ones are accepted, and so are pre-releases and
/// builds such as `1.0.2-dev` or `1.3.0+dev`.
pub fn check(version: &str) -> Result<(), VersionError> {
    let error = |problem| VersionError {
        version: version.to_owned(),
        problem,
    };
    match major(version) {
        Some("1") => Ok(()),
        Some(_) => Err(error(Problem::Major)),
        None => Err(error(Problem::Syntax)),
    }
}

/// The major number of a well-formed version.
fn major(version: &str) -> Option<&str> {
    let (version, build) = split_suffix(version, '+');
    let (version, pre_release) = split_suffix(version, '-');
    let mut numbers = version.split('.');
    let (major, minor, patch) = (numbers.next()?, numbers.next()?, numbers.next()?);
    let well_formed = numbers.next().is_none()
        && [major, minor, patch].into_iter().all(is_number)
        && build.is_none_or(|text| text.split('.').all(is_identifier))
        && pre_release.is_none_or(|text| {
            // Numbers have no leading zeros here; in the build part they may.
            text.split('.')
                .all(|part| is_identifier(part) && (!is_digits(part) || is_number(part)))
        });
    well_formed.then_some(major)
}

fn split_suffix(text: &str, separator: char) -> (&str, Option<&str>) {
    match text.split_once(separator) {
        Some((front, suffix)) => (front, Some(suffix)),
        None => (text, None),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_number(text: &str) -> bool {
    is_digits(text) && (text.len() == 1 || !text.starts_with('0'))
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A version that is not understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionError {
    version: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Syntax,
    Major,
}

impl fmt::Display for VersionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = &self.version;
        match self.problem {
            Problem::Syntax => write!(f, "{version:?} is not a version such as {SPEC_VERSION}"),
            Problem::Major => write!(f, "version {version} is not supported, only 1.x"),
        }
    }
}

impl std::error::Error for VersionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_1_x_is_accepted() {
        for version in [
            "1.0.0",
            "1.3.0",
            "1.99.7",
            "1.0.2-dev",
            "1.0.0-rc5-dev",
            "1.3.0+dev",
            "1.0.0-rc.1+g00f.007",
        ] {
            assert_eq!(check(version), Ok(()), "{version}");
        }
    }

    #[test]
    fn other_majors_are_named_as_such() {
        for version in ["0.6.0-dev", "2.0.0", "10.0.0"] {
            assert_eq!(
                check(version).unwrap_err().problem,
                Problem::Major,
                "{version}"
            );
        }
    }

    #[test]
    fn everything_else_is_no_version() {
        for version in [
            "",
            "1",
            "1.0",
            "1.0.0.0",
            "v1.0.0",
            "1.0.x",
            "01.0.0",
            "1.0.00",
            "1.0.0-",
            "1.0.0+",
            "1.0.0-a..b",
            "1.0.0-01",
            "1.0.0 ",
            "1.0.0-ä",
            "+1.0.0",
            "-1.0.0",
            "1.0.0+a+b",
        ] {
            assert_eq!(
                check(version).unwrap_err().problem,
                Problem::Syntax,
                "{version}"
            );
        }
    }
}
