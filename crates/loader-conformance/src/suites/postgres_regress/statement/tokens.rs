//! The words of a statement.

use std::iter::Peekable;
use std::str::Chars;

/// A word of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// A keyword, a name without quotes, or a number, in small letters.
    Word(String),
    /// A name in quotes.
    Quoted(String),
    /// A text.
    Text(String),
    /// Anything else.
    Sign(char),
}

/// Splits a statement into its words; none if a quote does not end.
pub(super) fn tokens(statement: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = statement.trim_end().trim_end_matches(';').chars().peekable();
    while let Some(first) = rest.next() {
        match first {
            _ if first.is_whitespace() => {}
            '-' if rest.peek() == Some(&'-') => while rest.next().is_some_and(|c| c != '\n') {},
            '\'' => tokens.push(Token::Text(until(&mut rest, '\'', false)?)),
            '"' => tokens.push(Token::Quoted(until(&mut rest, '"', false)?)),
            'e' | 'E' if rest.peek() == Some(&'\'') => {
                rest.next();
                tokens.push(Token::Text(until(&mut rest, '\'', true)?));
            }
            _ if is_of_word(first) => {
                let mut word = String::from(first);
                while let Some(next) = rest.next_if(|next| is_of_word(*next)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word.to_lowercase()));
            }
            sign => tokens.push(Token::Sign(sign)),
        }
    }
    Some(tokens)
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Reads up to a quote; two of them are one. In a text that begins with `E` a backslash
/// gives the next letter its meaning.
fn until(rest: &mut Peekable<Chars<'_>>, quote: char, escapes: bool) -> Option<String> {
    let mut text = String::new();
    loop {
        match rest.next()? {
            '\\' if escapes => text.push(match rest.next()? {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\u{8}',
                other => other,
            }),
            c if c == quote => {
                if rest.peek() != Some(&quote) {
                    return Some(text);
                }
                rest.next();
                text.push(quote);
            }
            c => text.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_names_and_signs_are_told_apart() {
        assert_eq!(
            tokens("Copy \"A\"\"b\" (x) E'\\t\\\\' 'it''s' -- no\n :'f';").unwrap(),
            [
                Token::Word("copy".to_owned()),
                Token::Quoted("A\"b".to_owned()),
                Token::Sign('('),
                Token::Word("x".to_owned()),
                Token::Sign(')'),
                Token::Text("\t\\".to_owned()),
                Token::Text("it's".to_owned()),
                Token::Sign(':'),
                Token::Text("f".to_owned()),
            ]
        );
        assert_eq!(tokens("'open"), None);
    }
}
