//! Reads `copy … from` as the `PostgreSQL` documentation has it ("COPY", with the syntax
//! of `PostgreSQL` 7.3 and 9.0 that is still accepted).

mod tokens;

use self::tokens::{Token, tokens};

/// A statement `copy … from`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Copy {
    /// The table.
    pub(super) table: String,
    /// The columns that are named.
    pub(super) columns: Vec<String>,
    /// `format`.
    pub(super) format: Format,
    /// Whether there is a header.
    pub(super) header: Header,
    /// `delimiter`.
    pub(super) delimiter: Option<String>,
    /// `null`.
    pub(super) null: Option<String>,
    /// `quote`.
    pub(super) quote: Option<String>,
    /// `escape`.
    pub(super) escape: Option<String>,
    /// `encoding`.
    pub(super) encoding: Option<String>,
    /// `default`.
    pub(super) default: Option<String>,
    /// `force_null`.
    pub(super) force_null: Option<Columns>,
    /// `force_not_null`.
    pub(super) force_not_null: Option<Columns>,
    /// `freeze`.
    pub(super) freeze: bool,
    /// `on_error ignore`.
    pub(super) ignores_errors: bool,
    /// `reject_limit`.
    pub(super) reject_limit: Option<u64>,
    /// Whether there is a condition on the rows.
    pub(super) has_condition: bool,
}

/// A format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// The text format.
    #[default]
    Text,
    /// CSV.
    Csv,
    /// The binary format.
    Binary,
}

/// Whether there is a header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Header {
    /// There is none.
    #[default]
    None,
    /// There is a line that is skipped.
    Skipped,
    /// There is one whose names are those of the columns.
    Match,
}

/// Columns of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Columns {
    /// All of them.
    All,
    /// These.
    Named(Vec<String>),
}

/// Why a statement is none of those that load data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It writes data.
    To,
    /// It is not `copy` as it is documented, or of another version.
    Syntax,
}

/// Reads a statement.
pub(super) fn parse(statement: &str) -> Result<Copy, Unreadable> {
    let tokens = tokens(statement).ok_or(Unreadable::Syntax)?;
    let mut reader = Reader { tokens: &tokens };
    reader.expect("copy")?;
    if reader.takes(&Token::Sign('(')) {
        return Err(Unreadable::To);
    }
    let mut copy = Copy { table: reader.name()?, ..Copy::default() };
    while reader.takes(&Token::Sign('.')) {
        copy.table = reader.name()?;
    }
    if reader.takes(&Token::Sign('(')) {
        copy.columns = reader.names()?;
    }
    if reader.takes_word("to") {
        return Err(Unreadable::To);
    }
    reader.expect("from")?;
    if !reader.takes_word("stdin") {
        // A file, by its name or a variable of psql with it.
        reader.takes(&Token::Sign(':'));
        reader.text()?;
    }
    reader.takes_word("with");
    if reader.takes(&Token::Sign('(')) {
        loop {
            reader.option(&mut copy)?;
            if reader.takes(&Token::Sign(')')) {
                break;
            }
            reader.sign(',')?;
        }
    } else {
        while reader.old_option(&mut copy)? {}
    }
    copy.has_condition = reader.takes_word("where");
    Ok(copy)
}

struct Reader<'a> {
    tokens: &'a [Token],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<&Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn takes(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.first() == Some(token);
        if is_next {
            self.next();
        }
        is_next
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.tokens.first(), Some(Token::Word(next)) if next == word);
        if is_next {
            self.next();
        }
        is_next
    }

    fn expect(&mut self, word: &str) -> Result<(), Unreadable> {
        if self.takes_word(word) { Ok(()) } else { Err(Unreadable::Syntax) }
    }

    fn sign(&mut self, sign: char) -> Result<(), Unreadable> {
        if self.takes(&Token::Sign(sign)) { Ok(()) } else { Err(Unreadable::Syntax) }
    }

    fn name(&mut self) -> Result<String, Unreadable> {
        match self.next() {
            Some(Token::Word(name) | Token::Quoted(name)) => Ok(name.clone()),
            _ => Err(Unreadable::Syntax),
        }
    }

    fn text(&mut self) -> Result<String, Unreadable> {
        self.takes_word("as");
        match self.next() {
            Some(Token::Text(text) | Token::Word(text) | Token::Quoted(text)) => Ok(text.clone()),
            _ => Err(Unreadable::Syntax),
        }
    }

    /// Reads names up to the closing parenthesis.
    fn names(&mut self) -> Result<Vec<String>, Unreadable> {
        let mut names = vec![self.name()?];
        while self.takes(&Token::Sign(',')) {
            names.push(self.name()?);
        }
        self.sign(')')?;
        Ok(names)
    }

    fn columns(&mut self) -> Result<Columns, Unreadable> {
        if self.takes(&Token::Sign('*')) {
            return Ok(Columns::All);
        }
        self.sign('(')?;
        Ok(Columns::Named(self.names()?))
    }

    /// Reads whether an option is set; it is if nothing is said.
    fn is_set(&mut self) -> bool {
        let Some(Token::Word(word) | Token::Text(word)) = self.tokens.first() else { return true };
        let is_set = !matches!(word.as_str(), "false" | "off" | "0");
        self.next();
        is_set
    }

    fn option(&mut self, copy: &mut Copy) -> Result<(), Unreadable> {
        match self.name()?.as_str() {
            "format" => match self.text()?.to_lowercase().as_str() {
                "csv" => copy.format = Format::Csv,
                "text" => copy.format = Format::Text,
                "binary" => copy.format = Format::Binary,
                _ => return Err(Unreadable::Syntax),
            },
            "freeze" => copy.freeze = self.is_set(),
            "header" if self.takes_word("match") => copy.header = Header::Match,
            "header" if self.is_set() => copy.header = Header::Skipped,
            "header" => {}
            "delimiter" => copy.delimiter = Some(self.text()?),
            "null" => copy.null = Some(self.text()?),
            "default" => copy.default = Some(self.text()?),
            "quote" => copy.quote = Some(self.text()?),
            "escape" => copy.escape = Some(self.text()?),
            "encoding" => copy.encoding = Some(self.text()?),
            "force_null" => copy.force_null = Some(self.columns()?),
            "force_not_null" => copy.force_not_null = Some(self.columns()?),
            "on_error" => copy.ignores_errors = self.text()?.eq_ignore_ascii_case("ignore"),
            "reject_limit" => {
                copy.reject_limit = Some(self.text()?.parse().map_err(|_| Unreadable::Syntax)?);
            }
            "log_verbosity" => {
                self.text()?;
            }
            _ => return Err(Unreadable::Syntax),
        }
        Ok(())
    }

    /// Reads an option as releases before 9.0 had them.
    fn old_option(&mut self, copy: &mut Copy) -> Result<bool, Unreadable> {
        if self.takes_word("csv") {
            copy.format = Format::Csv;
        } else if self.takes_word("binary") {
            copy.format = Format::Binary;
        } else if self.takes_word("header") {
            copy.header = Header::Skipped;
        } else if self.takes_word("freeze") {
            copy.freeze = true;
        } else if self.takes_word("delimiter") || self.takes_word("delimiters") {
            copy.delimiter = Some(self.text()?);
        } else if self.takes_word("null") {
            copy.null = Some(self.text()?);
        } else if self.takes_word("quote") {
            copy.quote = Some(self.text()?);
        } else if self.takes_word("escape") {
            copy.escape = Some(self.text()?);
        } else if self.takes_word("encoding") {
            copy.encoding = Some(self.text()?);
        } else if self.takes_word("force") {
            let is_not = self.takes_word("not");
            self.expect("null")?;
            let mut names = vec![self.name()?];
            while self.takes(&Token::Sign(',')) {
                names.push(self.name()?);
            }
            let columns = Some(Columns::Named(names));
            if is_not {
                copy.force_not_null = columns;
            } else {
                copy.force_null = columns;
            }
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_of_all_releases_are_read() {
        let copy =
            parse("COPY x (b, c, d, e) from stdin delimiter ',' null E'\\\\X' csv quote '''';").unwrap();
        assert_eq!(copy.columns, ["b", "c", "d", "e"]);
        assert_eq!((copy.delimiter.as_deref(), copy.null.as_deref()), (Some(","), Some("\\X")));
        assert_eq!(copy.format, Format::Csv);
        assert_eq!(copy.quote.as_deref(), Some("'"));
        let copy = parse(
            "COPY public.\"T\" FROM STDIN WITH (FORMAT csv, FORCE_NOT_NULL(b), FORCE_NULL *, header match, freeze off)",
        )
        .unwrap();
        assert_eq!(copy.table, "T");
        assert_eq!(copy.force_not_null, Some(Columns::Named(vec!["b".to_owned()])));
        assert_eq!((copy.force_null, copy.header, copy.freeze), (Some(Columns::All), Header::Match, false));
        let copy = parse("COPY x from stdin (on_error ignore, reject_limit 4) WHERE a > 1;").unwrap();
        assert!(copy.ignores_errors && copy.has_condition);
        assert_eq!(copy.reject_limit, Some(4));
        assert_eq!(parse("copy t from :'filename' binary").unwrap().format, Format::Binary);
    }

    #[test]
    fn what_writes_is_told_apart() {
        assert_eq!(parse("copy (select 1) to stdout"), Err(Unreadable::To));
        assert_eq!(parse("copy t to stdout"), Err(Unreadable::To));
        assert_eq!(parse("copy t from stdin (format x)"), Err(Unreadable::Syntax));
    }
}
