//! The one error of this crate.

use kernel::Errno;
use std::fmt;

/// What went wrong: what was being done to what, why it failed, which field of the configuration asked for it, and what can be done about it.
///
/// Prints as one sentence in Go's wording of error numbers, such as
/// `write "10" to /sys/fs/cgroup/pids/c1/pids.max: invalid argument (asked for by /linux/resources/pids/limit)`.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    message: String,
    errno: Option<Errno>,
    field: Option<String>,
    hint: Option<String>,
}

/// What the fallible functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that no system call reported.
    pub(crate) fn new(message: impl Into<String>) -> Error {
        Error(Box::new(Inner {
            message: message.into(),
            errno: None,
            field: None,
            hint: None,
        }))
    }

    /// A failed system call; `message` names the operation, the object and the value.
    pub(crate) fn sys(message: impl Into<String>, errno: Errno) -> Error {
        Error(Box::new(Inner {
            message: message.into(),
            errno: Some(errno),
            field: None,
            hint: None,
        }))
    }

    /// A refusal of what the field at `pointer` says.
    pub(crate) fn refuse(pointer: impl Into<String>, message: impl Into<String>) -> Error {
        Error::new(message).with_field(pointer)
    }

    pub(crate) fn with_field(mut self, pointer: impl Into<String>) -> Error {
        self.0.field.get_or_insert_with(|| pointer.into());
        self
    }

    /// The field that asks instead, or none.
    pub(crate) fn asked_by(mut self, pointer: Option<&str>) -> Error {
        self.0.field = pointer.map(str::to_owned);
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hint = Some(hint.into());
        self
    }

    /// What was being done, without the reason: `write "10" to /sys/fs/cgroup/pids/c1/pids.max`.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The error number, when a system call failed.
    pub fn errno(&self) -> Option<Errno> {
        self.0.errno
    }

    /// The JSON pointer of the configuration field that asked for what failed, such as `/linux/resources/memory/limit`.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// What the user can do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        if let Some(errno) = self.0.errno {
            write!(f, ": {errno}")?;
        }
        if let Some(field) = &self.0.field {
            write!(f, " (asked for by {field})")?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_operation_reason_field_and_hint() {
        let e = Error::sys("write \"10\" to /x/pids.max", Errno::EINVAL)
            .with_field("/linux/resources/pids/limit")
            .with_hint("try 11");
        assert_eq!(
            e.to_string(),
            "write \"10\" to /x/pids.max: invalid argument (asked for by /linux/resources/pids/limit); try 11"
        );
    }
}
