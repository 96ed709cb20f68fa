//! One value for one file of a cgroup, and which field asked for it.

use std::borrow::Cow;
use std::fmt;

/// One write(2).
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    /// Name of the file inside the cgroup's directory.
    pub file: Cow<'static, str>,
    pub value: String,
    /// JSON pointer of the field that asked for it.
    pub field: Cow<'static, str>,
    pub missing: Missing,
    /// The value is what a cgroup has that was just made: nothing to write then.
    pub is_default: bool,
}

/// What to do when the kernel has no such file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Missing {
    /// Fail: the configuration asks for something that this kernel can not do.
    Refuse,
    /// Go on: without the file, or where it is there and refuses with EOPNOTSUPP, there is nothing to limit.
    Skip,
    /// Write this instead.
    Instead(Box<Write>),
}

impl Write {
    pub fn new(
        file: impl Into<Cow<'static, str>>,
        value: impl ToString,
        field: impl Into<Cow<'static, str>>,
    ) -> Write {
        Write {
            file: file.into(),
            value: value.to_string(),
            field: field.into(),
            missing: Missing::Refuse,
            is_default: false,
        }
    }

    pub fn or(mut self, other: Write) -> Write {
        self.missing = Missing::Instead(Box::new(other));
        self
    }

    pub fn skip_if_missing(mut self) -> Write {
        self.missing = Missing::Skip;
        self
    }

    pub fn skip_if_missing_when(self, condition: bool) -> Write {
        if condition {
            self.skip_if_missing()
        } else {
            self
        }
    }

    pub fn default_when(mut self, condition: bool) -> Write {
        self.is_default = condition;
        self
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {:?}", self.file, self.value)?;
        match &self.missing {
            Missing::Instead(other) => write!(f, ", or else {other}"),
            _ => write!(f, "  ({})", self.field),
        }
    }
}
