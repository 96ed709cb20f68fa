//! Why parsing ended without a command to run.

use std::fmt;

/// What the caller does instead of running a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Print this text on stdout and exit 0.
    Help(String),
    /// Print the version text, which only the binary knows, on stdout and exit 0.
    Version,
    /// Report the error.
    Error(UsageError),
}

/// A command line that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageError {
    /// One sentence, in the words that runc uses where engines know them.
    pub message: String,
    /// Exit status: 1, or 255 for a bad value given to `exec`, whose callers
    /// read every other status as that of the program inside the container.
    pub exit_code: u8,
    /// Text for stdout, as runc prints it: `Incorrect Usage.` and the help of
    /// the command. `None` where the message says enough.
    pub help: Option<String>,
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for UsageError {}

impl From<UsageError> for Stop {
    fn from(error: UsageError) -> Stop {
        Stop::Error(error)
    }
}
