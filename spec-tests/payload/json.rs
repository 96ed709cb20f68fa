//! Just enough JSON to print: the payload has no dependencies, so that it stays one small static file.

/// A value on its way out.
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// Any integer that the kernel hands out.
    Int(i64),
    /// Text; bytes that are not UTF-8 were replaced before.
    Text(String),
    /// `[...]`
    List(Vec<Json>),
    /// `{...}`, in the order in which the members were pushed.
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Text, or `null` when there is none.
    pub fn text_or_null(text: Option<String>) -> Json {
        text.map_or(Json::Null, Json::Text)
    }

    /// Appends the value to `out` as compact JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            Json::Null => out.push_str("null"),
            Json::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
            Json::Int(n) => out.push_str(&n.to_string()),
            Json::Text(text) => write_text(text, out),
            Json::List(items) => {
                out.push('[');
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Json::Object(members) => {
                out.push('{');
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    write_text(key, out);
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if (c as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
}
