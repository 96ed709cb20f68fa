//! What went wrong, as one sentence for people and its parts for machines.

use kernel::Errno;
use std::borrow::Cow;
use std::fmt;

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// What a caller may want to tell apart. Everything else is [`Kind::Failed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The configuration asks for something wrong; nothing has been done.
    Invalid,
    /// No container of that id.
    NotFound,
    /// The id is taken.
    Exists,
    /// The container is in a state that does not allow it, such as `kill` of a stopped one.
    WrongState,
    /// Something was tried and failed.
    Failed,
}

/// One failure: what was being done to what, why it failed, which field asked for it, and what to do about it.
///
/// Prints as `step: cause (config.json: /json/pointer); hint`, with the parts that are there.
#[derive(Debug, thiserror::Error)]
pub struct Error {
    kind: Kind,
    step: Cow<'static, str>,
    cause: Option<Cow<'static, str>>,
    errno: Option<Errno>,
    field: Option<Cow<'static, str>>,
    hint: Option<Cow<'static, str>>,
}

impl Error {
    /// A failure of the given kind; `step` says what was being done, to what.
    pub fn new(kind: Kind, step: impl Into<Cow<'static, str>>) -> Error {
        Error {
            kind,
            step: step.into(),
            cause: None,
            errno: None,
            field: None,
            hint: None,
        }
    }

    /// There is no container of that id, in the words that engines look for.
    pub fn no_container(id: &str) -> Error {
        Error::new(Kind::NotFound, "container does not exist").cause(id.to_owned())
    }

    /// A configuration that is refused: `field` is its JSON pointer, `why` says what is wrong with it.
    pub fn invalid(
        field: impl Into<Cow<'static, str>>,
        why: impl Into<Cow<'static, str>>,
    ) -> Error {
        Error::new(Kind::Invalid, why).field(field)
    }

    /// A system call that failed while `step` was being done.
    pub fn os(step: impl Into<Cow<'static, str>>, errno: impl Into<Errno>) -> Error {
        Error::new(Kind::Failed, step).errno(errno.into())
    }

    /// Adds why, in words.
    pub fn cause(mut self, cause: impl Into<Cow<'static, str>>) -> Error {
        self.cause = Some(cause.into());
        self
    }

    /// Adds the error number, which is then part of the cause.
    pub fn errno(mut self, errno: Errno) -> Error {
        self.errno = Some(errno);
        self
    }

    /// Adds the JSON pointer of the field that asked for it. Empty means none.
    pub fn field(mut self, field: impl Into<Cow<'static, str>>) -> Error {
        let field = field.into();
        self.field = if field.is_empty() { None } else { Some(field) };
        self
    }

    /// Adds what the user can do about it.
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Error {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done at large in front: `outer: step`.
    pub fn within(mut self, outer: &str) -> Error {
        self.step = Cow::Owned(format!("{outer}: {}", self.step));
        self
    }

    /// What a caller may want to tell apart.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The JSON pointer of the field in config.json, if one asked for what failed.
    pub fn pointer(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The error number, if a system call failed.
    pub fn os_error(&self) -> Option<Errno> {
        self.errno
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.step)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        if let Some(errno) = self.errno {
            write!(f, ": {errno}")?;
        }
        if let Some(field) = &self.field {
            write!(f, " (config.json: {field})")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// What libcgroups says, in this crate's terms.
pub fn from_cgroups(error: libcgroups::Error) -> Error {
    let kind = if error.errno().is_some() {
        Kind::Failed
    } else {
        Kind::Invalid
    };
    let field = error.field().unwrap_or_default().to_owned();
    let mut result = Error::new(kind, error.message().to_owned()).field(field);
    result.errno = error.errno();
    result.hint = error.hint().map(|h| Cow::Owned(h.to_owned()));
    result
}

/// Gives the bare result of a system call its step.
pub trait During<T> {
    /// Fails with `step` and the error number.
    fn during(self, step: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Errno>> During<T> for std::result::Result<T, E> {
    fn during(self, step: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|errno| Error::os(step(), errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_prints_the_parts_it_has() {
        let full = Error::os("mount tmpfs on /tmp", Errno::EINVAL)
            .field("/mounts/3")
            .hint("check its options");
        assert_eq!(
            full.to_string(),
            "mount tmpfs on /tmp: invalid argument (config.json: /mounts/3); check its options"
        );
        assert_eq!(
            Error::new(Kind::NotFound, "container does not exist").to_string(),
            "container does not exist"
        );
        assert_eq!(
            full.within("create c1").to_string().split(':').next(),
            Some("create c1")
        );
    }
}
