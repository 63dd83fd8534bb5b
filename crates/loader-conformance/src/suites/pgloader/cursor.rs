//! Walks through the text of a load command.

/// A place in a text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Begins at the first word of a text.
    pub(super) fn new(text: &'a str) -> Self {
        let mut cursor = Self { rest: text };
        cursor.skip_blanks();
        cursor
    }

    /// Returns all that is left.
    pub(super) const fn rest(self) -> &'a str {
        self.rest
    }

    /// Returns the next character.
    pub(super) fn peek(self) -> Option<char> {
        self.rest.chars().next()
    }

    /// Takes a sign, if it is the next.
    pub(super) fn takes(&mut self, sign: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(sign) else { return false };
        self.rest = rest;
        self.skip_blanks();
        true
    }

    /// Takes words, in any case of their letters, if they are the next.
    pub(super) fn takes_words(&mut self, words: &str) -> bool {
        let mut ahead = *self;
        for word in words.split(' ') {
            if !ahead.word().is_some_and(|found| found.eq_ignore_ascii_case(word)) {
                return false;
            }
        }
        *self = ahead;
        true
    }

    /// Takes a word: letters, digits, `_`, `$`, `-` and `.`.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        self.take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '.'))
    }

    /// Takes a text in single or double quotes.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let quote = self.peek().filter(|c| matches!(c, '\'' | '"'))?;
        let rest = self.rest.strip_prefix(quote)?;
        let (text, after) = rest.split_once(quote)?;
        self.rest = after;
        self.skip_blanks();
        Some(text.to_owned())
    }

    /// Takes a name: in double quotes as it is, else in small letters.
    pub(super) fn name(&mut self) -> Option<String> {
        match self.peek()? {
            '"' => self.quoted(),
            _ => self.word().map(str::to_lowercase),
        }
    }

    /// Takes what stands between two dollar signs and two more.
    pub(super) fn dollar_quoted(&mut self) -> Option<&'a str> {
        let (text, after) = self.rest.strip_prefix("$$")?.split_once("$$")?;
        self.rest = after;
        self.skip_blanks();
        Some(text.trim())
    }

    /// Takes what stands in parentheses, with them.
    pub(super) fn parenthesised(&mut self) -> Option<&'a str> {
        let mut depth = 0_usize;
        let mut in_text = false;
        let mut after_backslash = false;
        for (at, c) in self.rest.char_indices() {
            match c {
                _ if after_backslash => after_backslash = false,
                '\\' => after_backslash = true,
                '"' => in_text = !in_text,
                '(' if !in_text => depth += 1,
                ')' if !in_text => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        let (text, after) = self.rest.split_at(at + 1);
                        self.rest = after;
                        self.skip_blanks();
                        return Some(text);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Takes characters while they fit, if there are any.
    pub(super) fn take_while(&mut self, fits: impl Fn(char) -> bool) -> Option<&'a str> {
        let end = self.rest.find(|c| !fits(c)).unwrap_or(self.rest.len());
        let (text, after) = self.rest.split_at(end);
        if text.is_empty() {
            return None;
        }
        self.rest = after;
        self.skip_blanks();
        Some(text)
    }

    /// Takes a regular expression: `~/…/`, `~<…>`.
    pub(super) fn expression(&mut self) -> Option<&'a str> {
        let mut rest = self.rest.strip_prefix('~')?.chars();
        let close = match rest.next()? {
            '<' => '>',
            '{' => '}',
            '[' => ']',
            '(' => ')',
            same => same,
        };
        let (text, after) = rest.as_str().split_once(close)?;
        self.rest = after;
        self.skip_blanks();
        Some(text)
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start();
            if let Some(comment) = self.rest.strip_prefix("--") {
                self.rest = comment.find('\n').map_or("", |end| comment.split_at(end).1);
            } else if let Some((_, after)) =
                self.rest.strip_prefix("/*").and_then(|comment| comment.split_once("*/"))
            {
                self.rest = after;
            } else {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_texts_and_comments_are_told_apart() {
        let mut cursor = Cursor::new("/* a */ LOAD -- b\n Csv 'x;' \"Y\" (f \"(\" (g)) $$ c $$ ~<m.*$> ;");
        assert!(cursor.takes_words("load csv"));
        assert_eq!(cursor.quoted().unwrap(), "x;");
        assert_eq!(cursor.name().unwrap(), "Y");
        assert_eq!(cursor.parenthesised().unwrap(), "(f \"(\" (g))");
        assert_eq!(cursor.dollar_quoted().unwrap(), "c");
        assert_eq!(cursor.expression().unwrap(), "m.*$");
        assert!(cursor.takes(';'));
        assert_eq!(cursor.rest(), "");
    }
}
