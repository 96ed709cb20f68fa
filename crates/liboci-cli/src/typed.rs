//! What was typed, on its way to a type.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

/// Options and operands of one command, told apart by
/// [`scan`](crate::go_flags::scan). The last of several equal options counts,
/// unless all are asked for.
#[derive(Debug, Default)]
pub(crate) struct Typed {
    /// Options by field name, in order. A truth value that is on has no value.
    pub options: Vec<(&'static str, Option<OsString>)>,
    /// Operands that are left, in order.
    pub operands: std::vec::IntoIter<OsString>,
}

/// A value that cannot be what it should.
#[derive(Debug)]
pub(crate) struct BadValue {
    /// Field name of an option, or name of an operand in capitals.
    pub of: &'static str,
    pub value: OsString,
    pub reason: String,
}

/// Result of reading one field.
pub(crate) type Read<T> = Result<T, BadValue>;

impl Typed {
    /// Whether a truth value is on.
    pub(crate) fn is_on(&mut self, field: &'static str) -> Read<bool> {
        Ok(self.options.iter().any(|(name, _)| *name == field))
    }

    /// A path. An empty one is none, as an empty text is: engines pass such as
    /// `--lsm-mount-context=`.
    pub(crate) fn path(&mut self, field: &'static str) -> Read<Option<PathBuf>> {
        let value = self.last(field).filter(|value| !value.is_empty());
        Ok(value.map(PathBuf::from))
    }

    /// A path that is the current directory if not given.
    pub(crate) fn path_or_here(&mut self, field: &'static str) -> Read<PathBuf> {
        Ok(self.path(field)?.unwrap_or_else(|| ".".into()))
    }

    /// A text.
    pub(crate) fn text(&mut self, field: &'static str) -> Read<Option<String>> {
        let text = self.parsed(field, |text| Ok(text.to_owned()))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// A value that `parse` reads. The empty text is not none here.
    pub(crate) fn parsed<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Read<Option<T>> {
        match self.last(field) {
            Some(value) => read_as(field, value, parse).map(Some),
            None => Ok(None),
        }
    }

    /// A number.
    pub(crate) fn number<T: FromStr>(&mut self, field: &'static str) -> Read<Option<T>> {
        self.parsed(field, |text| {
            let signed = text.strip_prefix('-').unwrap_or(text);
            let plain = signed.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|_| plain);
            number.ok_or_else(|| "not a number that is possible here".to_owned())
        })
    }

    /// A number that is zero if not given.
    pub(crate) fn count(&mut self, field: &'static str) -> Read<u32> {
        Ok(self.number(field)?.unwrap_or(0))
    }

    /// Every value of an option that may be repeated.
    pub(crate) fn all<T>(
        &mut self,
        field: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Read<Vec<T>> {
        self.values(field)
            .map(|value| read_as(field, value, &parse))
            .collect()
    }

    /// Every text of an option that may be repeated; none may be empty.
    pub(crate) fn texts(&mut self, field: &'static str) -> Read<Vec<String>> {
        self.all(field, |text| match text {
            "" => Err("must not be empty".into()),
            text => Ok(text.to_owned()),
        })
    }

    /// Every value, UTF-8 or not, that passes `check`.
    pub(crate) fn all_os(
        &mut self,
        field: &'static str,
        check: impl Fn(&OsStr) -> Result<(), String>,
    ) -> Read<Vec<OsString>> {
        self.values(field)
            .map(|value| match check(value) {
                Ok(()) => Ok(value.to_owned()),
                Err(reason) => Err(bad(field, value, reason)),
            })
            .collect()
    }

    /// The next operand as text; empty if there is none, which the count of
    /// operands has ruled out where one is needed.
    pub(crate) fn operand(&mut self, name: &'static str) -> Read<String> {
        let value = self.operands.next().unwrap_or_default();
        read_as(name, &value, |text| Ok(text.to_owned()))
    }

    /// The next operand as a path.
    pub(crate) fn operand_path(&mut self, _name: &'static str) -> Read<PathBuf> {
        Ok(self.operands.next().unwrap_or_default().into())
    }

    /// All operands that are left.
    pub(crate) fn rest(&mut self, _name: &'static str) -> Read<Vec<OsString>> {
        Ok(self.operands.by_ref().collect())
    }

    /// All operands that are left, as `parse` reads them.
    pub(crate) fn rest_as<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Read<Vec<T>> {
        self.operands
            .by_ref()
            .map(|value| read_as(name, &value, &parse))
            .collect()
    }

    fn values(&self, field: &'static str) -> impl DoubleEndedIterator<Item = &OsStr> {
        self.options
            .iter()
            .filter(move |(name, _)| *name == field)
            .filter_map(|(_, value)| value.as_deref())
    }

    fn last(&self, field: &'static str) -> Option<&OsStr> {
        self.values(field).next_back()
    }
}

fn read_as<T>(
    of: &'static str,
    value: &OsStr,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Read<T> {
    let read = match value.to_str() {
        Some(text) => parse(text),
        None => Err("not UTF-8".into()),
    };
    read.map_err(|reason| bad(of, value, reason))
}

fn bad(of: &'static str, value: &OsStr, reason: String) -> BadValue {
    let value = value.to_owned();
    BadValue { of, value, reason }
}
