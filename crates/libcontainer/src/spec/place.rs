//! From a position in a JSON text to the pointer of the value there.
//!
//! serde_json tells where an error is by line and column. Finding the value from that keeps the decoders free of the path, and the binary of a
//! second copy of each.

/// The JSON pointer (RFC 6901) of the value that ends, or of the innermost object or array that is open, where `line` and `column` (bytes, both from 1) point.
/// The text is valid JSON up to there.
///
/// An object or array of the wrong type is noticed before its first character is taken: `at_opening` says that it is about such a one.
pub(super) fn pointer(text: &str, line: usize, column: usize, at_opening: bool) -> String {
    let line_start = match line {
        0 | 1 => 0,
        n => text
            .match_indices('\n')
            .nth(n - 2)
            .map_or(text.len(), |(i, _)| i + 1),
    };
    let end = line_start + column;
    let opens = at_opening && matches!(text.as_bytes().get(end), Some(b'[' | b'{'));
    let mut walk = Walk {
        text: text.as_bytes(),
        at: 0,
        end: end + usize::from(opens),
        open: Vec::new(),
    };
    walk.run();
    walk.pointer()
}

/// An object or array that is open.
enum Open {
    /// The raw text of the key whose value comes next or has come.
    Object(Option<(usize, usize)>),
    /// How many elements came before.
    Array(usize),
}

struct Walk<'a> {
    text: &'a [u8],
    at: usize,
    /// Where the error was noticed: the first token that ends here or later is at fault.
    end: usize,
    open: Vec<Open>,
}

impl Walk<'_> {
    /// Stops with `open` as it is around the token at fault; the last entry is left out where the container itself is meant.
    fn run(&mut self) {
        while let Some(byte) = self.text.get(self.at).copied() {
            let start = self.at;
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' | b':' => {
                    self.at += 1;
                    continue;
                }
                b'"' => self.string(),
                b'{' | b'[' | b'}' | b']' | b',' => self.at += 1,
                _ => self.scalar(),
            }
            let reached = self.at >= self.end;
            match byte {
                b'{' | b'[' if reached => return,
                b'{' => self.open.push(Open::Object(None)),
                b'[' => self.open.push(Open::Array(0)),
                b'}' | b']' => {
                    self.open.pop();
                }
                b',' => {
                    match self.open.last_mut() {
                        Some(Open::Object(key)) => *key = None,
                        Some(Open::Array(index)) => *index += 1,
                        None => {}
                    }
                    if reached {
                        self.open.pop();
                    }
                }
                b'"' if matches!(self.open.last(), Some(Open::Object(None))) => {
                    if reached {
                        self.open.pop();
                    } else {
                        self.open.pop();
                        self.open.push(Open::Object(Some((start, self.at))));
                    }
                }
                _ => {}
            }
            if reached {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.at += 1;
        while let Some(byte) = self.text.get(self.at) {
            self.at += if *byte == b'\\' { 2 } else { 1 };
            if *byte == b'"' {
                return;
            }
        }
    }

    fn scalar(&mut self) {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .position(|b| b" \t\r\n,:]}{[\"".contains(b))
            .unwrap_or(rest.len());
        self.at += length.max(1);
    }

    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for open in &self.open {
            match open {
                Open::Object(None) => {}
                Open::Object(Some((start, end))) => {
                    let raw = self.text.get(*start..*end).unwrap_or_default();
                    let key = std::str::from_utf8(raw).unwrap_or_default();
                    let key: String = serde_json::from_str(key).unwrap_or_default();
                    super::decode::push(&mut pointer, &key);
                }
                Open::Array(index) => super::decode::push(&mut pointer, &index.to_string()),
            }
        }
        pointer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_leads_to_its_value() {
        let text = "{\"a\": [1, {\"b/c\": \"x\\\"y\", \"d\": 5}],\n \"e\": {}}";
        for (line, column, expected) in [
            (1, 1, ""),
            (1, 7, "/a"),
            (1, 8, "/a/0"),
            (1, 11, "/a/1"),
            (1, 24, "/a/1/b~1c"),
            (1, 32, "/a/1/d"),
            (1, 33, "/a/1"),
            (1, 34, "/a"),
            (2, 7, "/e"),
            (2, 8, "/e"),
            (2, 9, ""),
        ] {
            assert_eq!(
                pointer(text, line, column, false),
                expected,
                "{line}:{column}"
            );
        }
        assert_eq!(pointer(text, 1, 10, true), "/a/1");
    }

    #[test]
    fn a_text_that_ends_anywhere_is_no_trouble() {
        let text = "{\"a\": [1, {\"b\": \"x\\\"";
        for end in 0..=text.len() {
            pointer(&text[..end], 1, end, end % 2 == 0);
            pointer(&text[..end], 1, end + 5, end % 2 == 0);
            pointer(&text[..end], 9, 9, end % 2 == 0);
        }
    }
}
