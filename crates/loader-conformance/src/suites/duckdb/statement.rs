//! The statements of the test files: which files are read with which options, into what.

use super::tokens::{Token, tokens};

/// A value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Null,
    Text(String),
    Number(String),
    /// A bare word, such as `true` or a type.
    Word(String),
    List(Vec<Value>),
    Struct(Vec<(String, Value)>),
    /// What the test's loop fills in.
    Placeholder,
    /// An option that is there without a value.
    Nothing,
}

/// What becomes of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// They are returned.
    Result,
    /// A table is made of them.
    NewTable,
    /// They go into a table, into these columns or all of them.
    Table { name: String, columns: Vec<String> },
}

/// A statement that reads files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) target: Target,
    /// What is selected; nothing for all columns.
    pub(super) select: Vec<Token>,
    pub(super) files: Vec<String>,
    /// The options, by their names in lower case.
    pub(super) options: Vec<(String, Value)>,
    /// The names that the query gives the columns.
    pub(super) aliases: Vec<String>,
    /// What comes after the source: `where`, `order by`, `limit`.
    pub(super) rest: Vec<Token>,
    /// Whether it is COPY.
    pub(super) is_copy: bool,
}

/// Why a statement can't be read: what kind of statement it is.
type Parsed<T> = Result<T, &'static str>;

const NOT_A_READ: &str = "a statement that reads no file";
const OTHER_FUNCTION: &str = "a table function of DuckDB's own";
const STRANGE: &str = "a statement of a form that is not read here";

impl Statement {
    /// Reads a statement.
    ///
    /// # Errors
    /// The reason to leave it out.
    pub(super) fn parse(sql: &str) -> Parsed<Self> {
        let mut all = tokens(sql);
        while all.last().is_some_and(|token| token.is_sign(";")) {
            all.pop();
        }
        let mut reader = Reader { tokens: all, at: 0 };
        let Some(Token::Word(first)) = reader.peek().cloned() else { return Err(STRANGE) };
        match first.to_lowercase().as_str() {
            "select" | "from" => reader.query(Target::Result),
            "create" => {
                if !reader.skip_to_word("as") {
                    return Err(NOT_A_READ);
                }
                reader.query(Target::NewTable)
            }
            "insert" => {
                reader.expect_word("insert")?;
                reader.expect_word("into")?;
                let name = reader.name()?;
                let columns = reader.names()?;
                reader.query(Target::Table { name, columns })
            }
            "copy" => reader.copy(),
            _ => Err(NOT_A_READ),
        }
    }
}

/// Files, and the options with which they are read.
type Source = (Vec<String>, Vec<(String, Value)>);

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn takes_sign(&mut self, sign: &str) -> bool {
        let is_there = self.peek().is_some_and(|token| token.is_sign(sign));
        self.at += usize::from(is_there);
        is_there
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_there = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(is_there);
        is_there
    }

    fn expect_word(&mut self, word: &str) -> Parsed<()> {
        if self.takes_word(word) { Ok(()) } else { Err(STRANGE) }
    }

    fn expect_sign(&mut self, sign: &str) -> Parsed<()> {
        if self.takes_sign(sign) { Ok(()) } else { Err(STRANGE) }
    }

    fn skip_to_word(&mut self, word: &str) -> bool {
        while let Some(token) = self.next() {
            if token.is_word(word) {
                return true;
            }
        }
        false
    }

    fn name(&mut self) -> Parsed<String> {
        match self.next() {
            Some(Token::Word(name) | Token::Name(name)) => Ok(name),
            _ => Err(STRANGE),
        }
    }

    /// Reads `(a, b)`, if it is there.
    fn names(&mut self) -> Parsed<Vec<String>> {
        let mut names = Vec::new();
        if self.takes_sign("(") {
            loop {
                names.push(self.name()?);
                if self.takes_sign(")") {
                    break;
                }
                self.expect_sign(",")?;
            }
        }
        Ok(names)
    }

    fn query(&mut self, target: Target) -> Parsed<Statement> {
        let mut select = Vec::new();
        if self.takes_word("select") {
            let mut depth = 0_i32;
            loop {
                let token = self.peek().ok_or(NOT_A_READ)?.clone();
                if depth == 0 && token.is_word("from") {
                    break;
                }
                depth += i32::from(token.is_sign("(")) - i32::from(token.is_sign(")"));
                select.push(token);
                self.at += 1;
            }
        }
        if select.len() == 1 && select.first().is_some_and(|token| token.is_sign("*")) {
            select.clear();
        }
        self.expect_word("from")?;
        let (files, options) = self.source()?;
        let _ = self.takes_word("as");
        let mut aliases = Vec::new();
        if let Some(Token::Word(word)) = self.peek()
            && !["where", "order", "limit", "group", "having", "offset"]
                .contains(&word.to_lowercase().as_str())
        {
            self.name()?;
            aliases = self.names()?;
        }
        let rest = self.tokens.split_off(self.at.min(self.tokens.len()));
        Ok(Statement { target, select, files, options, aliases, rest, is_copy: false })
    }

    fn source(&mut self) -> Parsed<Source> {
        match self.next() {
            Some(Token::Text(file)) => Ok((vec![file], Vec::new())),
            Some(Token::Word(function)) => {
                match function.to_lowercase().as_str() {
                    "read_csv" | "read_csv_auto" => {}
                    "sniff_csv" => return Err("what DuckDB's sniffer says of a file, in its own words"),
                    _ => return Err(OTHER_FUNCTION),
                }
                self.expect_sign("(")?;
                let files = match self.value()? {
                    Value::Text(file) | Value::Word(file) => vec![file],
                    Value::List(files) => files
                        .into_iter()
                        .map(|file| match file {
                            Value::Text(file) => Ok(file),
                            _ => Err(STRANGE),
                        })
                        .collect::<Parsed<_>>()?,
                    _ => return Err(STRANGE),
                };
                let mut options = Vec::new();
                while self.takes_sign(",") {
                    if self.peek().is_some_and(|token| token.is_sign(")")) {
                        break;
                    }
                    let name = match self.next() {
                        Some(Token::Word(name) | Token::Name(name)) => name.to_lowercase(),
                        Some(Token::Placeholder(_)) => return Err("an option that the test's loop names"),
                        _ => return Err(STRANGE),
                    };
                    if !["=", ":=", "=>"].iter().any(|sign| self.takes_sign(sign)) {
                        return Err(STRANGE);
                    }
                    options.push((name, self.value()?));
                }
                self.expect_sign(")")?;
                Ok((files, options))
            }
            Some(token) if token.is_sign("(") => Err("a query within a query"),
            _ => Err(STRANGE),
        }
    }

    fn value(&mut self) -> Parsed<Value> {
        match self.next().ok_or(STRANGE)? {
            Token::Text(text) => Ok(Value::Text(text)),
            Token::Number(number) => Ok(Value::Number(number)),
            Token::Sign("-") => match self.next() {
                Some(Token::Number(number)) => Ok(Value::Number(format!("-{number}"))),
                _ => Err(STRANGE),
            },
            Token::Placeholder(_) => Ok(Value::Placeholder),
            Token::Name(name) => Ok(Value::Text(name)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(Value::Null),
            Token::Word(word) if self.peek().is_some_and(|token| token.is_sign("(")) => {
                if word.eq_ignore_ascii_case("struct_pack") {
                    self.at += 1;
                    return self.fields(")").map(Value::Struct);
                }
                // A type, such as `decimal(18, 3)`.
                let mut text = word;
                while let Some(token) = self.next() {
                    match token {
                        Token::Number(number) => text.push_str(&number),
                        Token::Sign(sign) => text.push_str(sign),
                        _ => return Err(STRANGE),
                    }
                    if text.ends_with(')') {
                        return Ok(Value::Word(text));
                    }
                }
                Err(STRANGE)
            }
            Token::Word(word) => Ok(Value::Word(word)),
            Token::Sign("[") => {
                let mut values = Vec::new();
                while !self.takes_sign("]") {
                    values.push(self.value()?);
                    let _ = self.takes_sign(",");
                }
                Ok(Value::List(values))
            }
            Token::Sign("{") => self.fields("}").map(Value::Struct),
            Token::Sign(_) | Token::Strange(_) => Err(STRANGE),
        }
    }

    /// Reads `'a': 'INT', b := 'INT'` up to the closing sign.
    fn fields(&mut self, end: &str) -> Parsed<Vec<(String, Value)>> {
        let mut fields = Vec::new();
        while !self.takes_sign(end) {
            let Some(Token::Text(name) | Token::Word(name) | Token::Name(name)) = self.next() else {
                return Err(STRANGE);
            };
            if !["=", ":=", "=>", ":"].iter().any(|sign| self.takes_sign(sign)) {
                return Err(STRANGE);
            }
            fields.push((name, self.value()?));
            let _ = self.takes_sign(",");
        }
        Ok(fields)
    }

    fn copy(&mut self) -> Parsed<Statement> {
        self.expect_word("copy")?;
        let name = self.name()?;
        let columns = self.names()?;
        if !self.takes_word("from") {
            return Err("a statement that writes a file");
        }
        let Some(Token::Text(file)) = self.next() else { return Err(STRANGE) };
        let mut options = Vec::new();
        let _ = self.takes_word("with");
        let in_parentheses = self.takes_sign("(");
        while let Some(token) = self.next() {
            match token {
                Token::Word(name) => {
                    let has_value = self.peek().is_some_and(|token| {
                        !token.is_sign(",")
                            && !token.is_sign(")")
                            && (in_parentheses || !matches!(token, Token::Word(_)))
                    });
                    let value = if has_value { self.value()? } else { Value::Nothing };
                    options.push((name.to_lowercase(), value));
                }
                Token::Sign("," | ")") => {}
                _ => return Err(STRANGE),
            }
        }
        let target = Target::Table { name, columns };
        let (select, aliases, rest) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Statement { target, select, files: vec![file], options, aliases, rest, is_copy: true })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn a_query_is_its_files_its_options_and_what_is_asked_of_them() {
        let found = Statement::parse(
            "SELECT a, count(*) FROM read_csv_auto(['x.csv', 'y.csv'], HEADER=1, columns=STRUCT_PACK(d := 'INT'),
             sample_size = -1) t(i, j) WHERE a = 1 limit 5;",
        )
        .unwrap();
        assert_eq!(found.files, ["x.csv", "y.csv"]);
        assert_eq!(
            found.options,
            [
                ("header".to_owned(), Value::Number("1".to_owned())),
                ("columns".to_owned(), Value::Struct(vec![("d".to_owned(), text("INT"))])),
                ("sample_size".to_owned(), Value::Number("-1".to_owned())),
            ]
        );
        assert_eq!((found.aliases.len(), found.rest.len(), found.select.len()), (2, 6, 6));
    }

    #[test]
    fn copy_has_options_in_parentheses_or_without() {
        let found = Statement::parse("COPY t(a) FROM 'x' (HEADER, NULL 'n', nullstr ['a', ''])").unwrap();
        assert_eq!(found.target, Target::Table { name: "t".to_owned(), columns: vec!["a".to_owned()] });
        assert_eq!(
            found.options,
            [
                ("header".to_owned(), Value::Nothing),
                ("null".to_owned(), text("n")),
                ("nullstr".to_owned(), Value::List(vec![text("a"), text("")])),
            ]
        );
        let found = Statement::parse("copy m from 'x' DELIMITER ',' ESCAPE '\\'").unwrap();
        assert_eq!(found.options.len(), 2);
    }

    #[test]
    fn what_reads_no_file_is_left_out_with_the_reason() {
        for sql in [
            "select 1",
            "set x = 1",
            "copy t to 'x'",
            "select columns from sniff_csv('x')",
            "from (from 'x')",
        ] {
            assert!(Statement::parse(sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn a_table_made_of_a_query_is_a_new_one() {
        let found =
            Statement::parse("CREATE OR REPLACE TABLE T AS from read_csv('h.csv', types = ['INTEGER'])");
        assert_eq!(found.unwrap().target, Target::NewTable);
    }
}
