//! The words and signs of a SQL statement.

/// A token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword or a name.
    Word(String),
    /// A name in double quotes.
    Name(String),
    /// A text in single quotes.
    Text(String),
    /// A number.
    Number(String),
    /// `{name}`, which the test's loop fills in.
    Placeholder(String),
    /// Any other sign; two characters where they belong together.
    Sign(&'static str),
    /// A sign that nothing here reads.
    Strange(char),
}

const SIGNS: [&str; 22] = [
    ":=", "::", "=>", "<>", "!=", "<=", ">=", "(", ")", "[", "]", "{", "}", ",", ";", "=", "<", ">", ":",
    "*", ".", "-",
];

impl Token {
    /// Whether it is the keyword, in any case.
    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word))
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        matches!(self, Self::Sign(text) if *text == sign)
    }
}

/// Cuts a statement into tokens, without its comments.
pub(super) fn tokens(sql: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let (token, after) = if first.is_whitespace() {
            (None, rest.trim_start())
        } else if rest.starts_with("--") {
            (None, rest.find('\n').map_or("", |end| rest.get(end..).unwrap_or_default()))
        } else if rest.starts_with("/*") {
            (None, rest.split_once("*/").map_or("", |(_, after)| after))
        } else if let Some((token, after)) = text(rest).or_else(|| placeholder(rest)) {
            (Some(token), after)
        } else if first.is_ascii_digit() {
            let (number, after) = split_while(rest, |c| c.is_ascii_alphanumeric() || c == '.');
            (Some(Token::Number(number.to_owned())), after)
        } else if first.is_alphabetic() || first == '_' {
            let (word, after) = split_while(rest, |c| c.is_alphanumeric() || c == '_');
            (Some(Token::Word(word.to_owned())), after)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Some(Token::Sign(sign)), rest.get(sign.len()..).unwrap_or_default())
        } else {
            (Some(Token::Strange(first)), rest.get(first.len_utf8()..).unwrap_or_default())
        };
        tokens.extend(token);
        rest = after;
    }
    tokens
}

fn split_while(text: &str, fits: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !fits(c)).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Reads `'text'`, `E'text'` or `"name"`; a quote within is written twice.
fn text(sql: &str) -> Option<(Token, &str)> {
    let escapes = sql.starts_with("E'") || sql.starts_with("e'");
    let body = if escapes { sql.get(1..)? } else { sql };
    let quote = body.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let mut value = String::new();
    let mut characters = body.char_indices().skip(1).peekable();
    while let Some((at, c)) = characters.next() {
        if c == quote {
            if characters.peek().is_some_and(|(_, next)| *next == quote) {
                characters.next();
                value.push(quote);
                continue;
            }
            let token = if quote == '"' { Token::Name(value) } else { Token::Text(value) };
            return Some((token, body.get(at + 1..)?));
        }
        match c {
            '\\' if escapes => match characters.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

/// Reads `{name}`; a brace with anything else in it begins a struct.
fn placeholder(sql: &str) -> Option<(Token, &str)> {
    let (name, after) = sql.strip_prefix('{')?.split_once('}')?;
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_name.then(|| (Token::Placeholder(name.to_owned()), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_names_and_placeholders_are_told_apart() {
        let found =
            tokens("from read_csv('it''s', delim=E'\\t', n={i}, c={'a': 'INT'}) -- end\n /* no */ limit 5;");
        let word = |text: &str| Token::Word(text.to_owned());
        let text = |text: &str| Token::Text(text.to_owned());
        assert_eq!(
            found,
            [
                word("from"),
                word("read_csv"),
                Token::Sign("("),
                text("it's"),
                Token::Sign(","),
                word("delim"),
                Token::Sign("="),
                text("\t"),
                Token::Sign(","),
                word("n"),
                Token::Sign("="),
                Token::Placeholder("i".to_owned()),
                Token::Sign(","),
                word("c"),
                Token::Sign("="),
                Token::Sign("{"),
                text("a"),
                Token::Sign(":"),
                text("INT"),
                Token::Sign("}"),
                Token::Sign(")"),
                word("limit"),
                Token::Number("5".to_owned()),
                Token::Sign(";"),
            ]
        );
    }

    #[test]
    fn any_text_is_cut_into_tokens() {
        for sql in ["'open", "\"", "{", "é § 1.5e3", "E'\\"] {
            assert!(!tokens(sql).is_empty(), "{sql}");
        }
    }
}
