//! How a test says what it found: a verdict, and the two macros that make one.

use std::fmt;

/// Why a test did not pass.
#[derive(Debug)]
pub enum Failure {
    /// The runtime does not do what the requirement says; the text tells what was seen.
    Fail(String),
    /// The test could not be made here; the text tells why.
    Skip(String),
}

/// What a test returns.
pub type Verdict<T = ()> = Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Fail(text) | Failure::Skip(text) => f.write_str(text),
        }
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::Fail(error.to_string())
    }
}

/// A failure with a text.
pub fn fail<T>(text: impl Into<String>) -> Verdict<T> {
    Err(Failure::Fail(text.into()))
}

/// A skip with a reason.
pub fn skip<T>(reason: impl Into<String>) -> Verdict<T> {
    Err(Failure::Skip(reason.into()))
}

/// Fails the test with the given text unless the condition holds.
#[macro_export]
macro_rules! check {
    ($condition:expr, $($text:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return $crate::check::fail(format!($($text)+));
        }
    };
}

/// Fails the test unless both sides are equal; the text names what was compared.
#[macro_export]
macro_rules! check_eq {
    ($seen:expr, $expected:expr, $($text:tt)+) => {
        // `match` keeps temporaries of both sides alive.
        match (&$seen, &$expected) {
            (seen, expected) => {
                if *seen != *expected {
                    return $crate::check::fail(format!("{}: {:?}, expected {:?}", format!($($text)+), seen, expected));
                }
            }
        }
    };
}
