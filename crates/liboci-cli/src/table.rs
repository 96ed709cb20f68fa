//! The table behind the command line: what parsing, help, completions and manual
//! pages know about options and commands.

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Flag {
    /// Name of the field it is stored in. See [`Flag::long`].
    pub(crate) field: &'static str,
    /// Letter of the short form.
    pub short: Option<char>,
    /// Letter that is accepted too, but not shown.
    pub hidden_short: Option<char>,
    /// What the value is called in help; `None` for a truth value, which needs none.
    pub value_name: Option<&'static str>,
    /// The values there are, where they can be listed.
    pub choices: &'static [&'static str],
    /// Value when the option is absent, as text for help.
    pub default: Option<&'static str>,
    /// One line.
    pub(crate) help: &'static str,
    /// Accepted, but not shown.
    pub hidden: bool,
}

/// One argument that is no option.
#[derive(Debug, Clone, Copy)]
pub struct Operand {
    /// What help calls it, in capitals.
    pub name: &'static str,
    pub(crate) help: &'static str,
}

impl Operand {
    /// What it is, in one line.
    pub fn help(&self) -> &'static str {
        self.help.trim()
    }
}

/// A truth value, absent or present.
pub(crate) const fn flag() -> Flag {
    Flag {
        field: "",
        short: None,
        hidden_short: None,
        value_name: None,
        choices: &[],
        default: None,
        help: "",
        hidden: false,
    }
}

/// An option with a value.
pub(crate) const fn option(value_name: &'static str) -> Flag {
    Flag {
        value_name: Some(value_name),
        ..flag()
    }
}

impl Flag {
    /// The long name without dashes.
    pub fn long(&self) -> String {
        self.field.replace('_', "-")
    }

    /// What it does, in one line.
    pub fn help(&self) -> &'static str {
        self.help.trim()
    }

    /// Whether `name`, as typed and without dashes, is the long name or a short one.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let mut chars = name.chars();
        match (chars.next(), chars.next()) {
            (letter @ Some(_), None) => letter == self.short || letter == self.hidden_short,
            _ => {
                let field = self.field.bytes().map(|b| if b == b'_' { b'-' } else { b });
                name.len() == self.field.len() && name.bytes().eq(field)
            }
        }
    }

    pub(crate) const fn short(mut self, short: char) -> Flag {
        self.short = Some(short);
        self
    }

    pub(crate) const fn hidden_short(mut self, short: char) -> Flag {
        self.hidden_short = Some(short);
        self
    }

    pub(crate) const fn choices(mut self, choices: &'static [&'static str]) -> Flag {
        self.choices = choices;
        self
    }

    pub(crate) const fn default(mut self, default: &'static str) -> Flag {
        self.default = Some(default);
        self
    }

    pub(crate) const fn hidden(mut self) -> Flag {
        self.hidden = true;
        self
    }

    pub(crate) const fn named(mut self, field: &'static str, help: &'static str) -> Flag {
        self.field = field;
        self.help = help;
        self
    }
}

/// Declares the options of a command once: as a type with public fields, as rows of the
/// table (`FLAGS`), and as the function that fills the type from what was typed (`read`).
///
/// The doc comment of a field is its help. `options` have a name, `operands` have none,
/// and `parts` are other types declared this way.
macro_rules! command_line {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident;
        options {
            $(
                $(#[doc = $help:literal])+
                $field:ident: $type:ty = $flag:expr, $read:expr;
            )*
        }
        $(parts {
            $(
                $(#[$part_attribute:meta])*
                $part:ident: $part_type:ident;
            )*
        })?
        operands {
            $(
                $(#[doc = $operand_help:literal])+
                $operand:ident: $operand_type:ty = $operand_name:literal, $operand_read:expr;
            )*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $help])+ pub $field: $type, )*
            $( $( $(#[$part_attribute])* pub $part: $part_type, )* )?
            $( $(#[doc = $operand_help])+ pub $operand: $operand_type, )*
        }

        // Some types have no options or no operands.
        #[allow(dead_code)]
        impl $name {
            pub(crate) const FLAGS: &'static [$crate::table::Flag] = &[
                $( $flag.named(stringify!($field), concat!($($help),+)), )*
            ];

            pub(crate) const OPERANDS: &'static [$crate::table::Operand] = &[
                $( $crate::table::Operand {
                    name: $operand_name,
                    help: concat!($($operand_help),+),
                }, )*
            ];

            pub(crate) fn read(
                typed: &mut $crate::typed::Typed,
            ) -> Result<$name, $crate::typed::BadValue> {
                Ok($name {
                    $( $field: ($read)(typed, stringify!($field))?, )*
                    $( $( $part: $part_type::read(typed)?, )* )?
                    $( $operand: ($operand_read)(typed, $operand_name)?, )*
                })
            }
        }
    };
}

/// Declares an enum whose variants have names on the command line.
macro_rules! choices {
    (
        $(#[$attribute:meta])*
        pub enum $name:ident {
            $( $(#[$variant_attribute:meta])* $variant:ident = $text:literal, )+
        }
    ) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $( $(#[$variant_attribute])* $variant, )+
        }

        impl $name {
            /// The names, as they are typed.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The value with this name.
            pub fn from_name(name: &str) -> Result<$name, String> {
                match name {
                    $( $text => Ok($name::$variant), )+
                    _ => Err(format!("must be one of {}", $name::NAMES.join(", "))),
                }
            }
        }
    };
}

pub(crate) use {choices, command_line};
