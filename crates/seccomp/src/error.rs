use std::fmt;

/// Why a profile cannot be compiled, and which field is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// JSON pointer (RFC 6901) relative to the profile, that is to
    /// `/linux/seccomp` of a `config.json`: `/syscalls/3/args/0/op`.
    /// Empty when the profile as a whole is to blame.
    pub pointer: String,
    /// What is wrong, in lower case, without the field.
    pub message: String,
}

impl Error {
    pub(crate) fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pointer.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.pointer, self.message)
        }
    }
}

impl std::error::Error for Error {}
