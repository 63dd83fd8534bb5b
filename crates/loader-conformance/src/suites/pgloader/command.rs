//! Reads a load command of pgloader: `LOAD CSV`, `LOAD COPY` and `LOAD FIXED`, as
//! <https://pgloader.readthedocs.io/en/latest/command.html> has them.

use super::cursor::Cursor;

/// A load command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// What the objects are.
    pub(super) format: Format,
    /// Where they are.
    pub(super) source: Source,
    /// Their encoding.
    pub(super) encoding: Option<String>,
    /// Their fields.
    pub(super) fields: Vec<Field>,
    /// The schema of the target.
    pub(super) schema: Option<String>,
    /// The target.
    pub(super) table: String,
    /// The target's columns that are loaded.
    pub(super) columns: Vec<Column>,
    /// What stands behind `WITH`.
    pub(super) options: Vec<Setting>,
    /// What stands behind `SET`.
    pub(super) settings: Vec<(String, String)>,
    /// The statements before the load.
    pub(super) before: Vec<String>,
}

/// What the objects are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// CSV.
    #[default]
    Csv,
    /// The text format of COPY.
    Copy,
    /// Fields at fixed places.
    Fixed,
}

/// Where the objects are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// Behind the command.
    #[default]
    Inline,
    /// In a file.
    File(String),
    /// In the files of a folder whose names fit.
    Matching {
        /// The regular expression.
        expression: String,
        /// The folder.
        folder: String,
    },
    /// Somewhere else.
    Elsewhere,
}

/// A field of the objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Field {
    /// Its name.
    pub(super) name: String,
    /// Its first character and its length, where it is at a fixed place.
    pub(super) place: Option<(usize, usize)>,
    /// The texts that mean NULL.
    pub(super) null: Vec<String>,
    /// Whether blanks alone mean NULL.
    pub(super) null_if_blanks: bool,
    /// Which blanks are cut: `both`, `left`, `right`.
    pub(super) trim: Option<String>,
    /// The format of its dates.
    pub(super) date_format: Option<String>,
}

/// A column of the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// Its type, if it is said.
    pub(super) sql_type: Option<String>,
    /// What it is made of, as it is written.
    pub(super) using: Option<String>,
}

/// An option: its words in small letters, and its value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Setting {
    /// Its words.
    pub(super) words: String,
    /// Its value.
    pub(super) value: Option<String>,
}

impl Command {
    /// Returns the value of an option.
    pub(super) fn option(&self, words: &str) -> Option<&str> {
        self.options.iter().find(|option| option.words == words)?.value.as_deref()
    }

    /// Whether an option is given.
    pub(super) fn has(&self, words: &str) -> bool {
        self.options.iter().any(|option| option.words == words)
    }
}

/// Reads a command, and returns what stands behind it; none if it is another one.
pub(super) fn parse(text: &str) -> Option<(Command, &str)> {
    let mut cursor = Cursor::new(text);
    let format = match () {
        () if cursor.takes_words("load csv") => Format::Csv,
        () if cursor.takes_words("load copy") => Format::Copy,
        () if cursor.takes_words("load fixed") => Format::Fixed,
        () => return None,
    };
    let mut command = Command { format, ..Command::default() };
    cursor.takes_words("from").then_some(())?;
    command.source = source(&mut cursor)?;
    if cursor.takes_words("with encoding") {
        command.encoding = Some(value(&mut cursor)?);
    }
    cursor.takes_words("having fields");
    if cursor.takes('(') {
        command.fields = list(&mut cursor, field)?;
    }
    cursor.takes_words("into").then_some(())?;
    target(&mut cursor, &mut command)?;
    loop {
        if cursor.takes_words("with") {
            command.options = options(&mut cursor)?;
        } else if cursor.takes_words("set") {
            command.settings = settings(&mut cursor)?;
        } else if cursor.takes_words("before load do") {
            command.before = statements(&mut cursor)?;
        } else if cursor.takes_words("after load do") {
            statements(&mut cursor)?;
        } else {
            break;
        }
    }
    // What ends the command may be left out at the end of the text.
    let rest = cursor.rest();
    let rest = rest.strip_prefix(';').or_else(|| rest.is_empty().then_some(rest))?;
    Some((command, rest.trim_start_matches([' ', '\r', '\n'])))
}

fn source(cursor: &mut Cursor<'_>) -> Option<Source> {
    if cursor.takes_words("inline") {
        return Some(Source::Inline);
    }
    if cursor.takes_words("all filenames matching") || cursor.takes_words("filename matching") {
        let expression = cursor.expression()?.to_owned();
        let folder = if cursor.takes_words("in directory") { cursor.quoted()? } else { String::from(".") };
        return Some(Source::Matching { expression, folder });
    }
    let path = match cursor.quoted() {
        Some(path) => path,
        None => cursor.take_while(|c| !c.is_whitespace() && c != '(')?.to_owned(),
    };
    let path = path.strip_prefix("copy://").unwrap_or(&path);
    if path.contains("://") || path.contains('{') || path.eq_ignore_ascii_case("stdin") {
        return Some(Source::Elsewhere);
    }
    Some(Source::File(path.trim_start_matches("./").to_owned()))
}

fn target(cursor: &mut Cursor<'_>, command: &mut Command) -> Option<()> {
    let address = cursor.take_while(|c| !c.is_whitespace() && c != '(')?;
    let mut name = address.split_once('?').map(|(_, name)| name.trim_start_matches("tablename=").to_owned());
    if cursor.takes_words("target table") {
        name = Some(cursor.take_while(|c| !c.is_whitespace() && c != '(')?.to_owned());
    }
    let name = name?;
    let mut parts: Vec<String> = Vec::new();
    let mut part = Cursor::new(&name);
    while part.peek().is_some() {
        let next = match part.peek() {
            Some('"') => part.quoted()?,
            _ => part.take_while(|c| c != '.' && c != '"')?.to_lowercase(),
        };
        parts.push(next);
        part.takes('.');
    }
    command.table = parts.pop()?;
    command.schema = parts.pop();
    cursor.takes_words("target columns");
    if cursor.takes('(') {
        command.columns = list(cursor, column)?;
    }
    Some(())
}

/// Reads up to the closing parenthesis.
fn list<T>(cursor: &mut Cursor<'_>, one: impl Fn(&mut Cursor<'_>) -> Option<T>) -> Option<Vec<T>> {
    let mut all = vec![one(cursor)?];
    while cursor.takes(',') {
        all.push(one(cursor)?);
    }
    cursor.takes(')').then_some(all)
}

fn field(cursor: &mut Cursor<'_>) -> Option<Field> {
    let mut field = Field { name: cursor.name()?, ..Field::default() };
    if cursor.takes_words("from") {
        let from = cursor.word()?.parse().ok()?;
        cursor.takes_words("for").then_some(())?;
        field.place = Some((from, cursor.word()?.parse().ok()?));
    }
    if cursor.takes('[') {
        loop {
            if cursor.takes_words("null if blanks") {
                field.null_if_blanks = true;
            } else if cursor.takes_words("null if") {
                field.null.push(cursor.quoted()?);
            } else if cursor.takes_words("date format") {
                field.date_format = Some(cursor.quoted()?);
            } else if cursor.takes_words("trim") {
                field.trim = Some(cursor.word()?.to_lowercase());
                cursor.takes_words("whitespace").then_some(())?;
            } else {
                return None;
            }
            if !cursor.takes(',') {
                break;
            }
        }
        cursor.takes(']').then_some(())?;
    }
    Some(field)
}

fn column(cursor: &mut Cursor<'_>) -> Option<Column> {
    let mut column = Column { name: cursor.name()?, ..Column::default() };
    if !cursor.takes_words("using") {
        column.sql_type = cursor.word().map(ToOwned::to_owned);
        if column.sql_type.is_none() || !cursor.takes_words("using") {
            return Some(column);
        }
    }
    column.using = Some(match cursor.peek()? {
        '(' => cursor.parenthesised()?.to_owned(),
        '"' => format!("\"{}\"", cursor.quoted()?),
        _ => cursor.word()?.to_owned(),
    });
    Some(column)
}

fn options(cursor: &mut Cursor<'_>) -> Option<Vec<Setting>> {
    let mut options = Vec::new();
    loop {
        let mut words: Vec<String> = Vec::new();
        let mut value = None;
        loop {
            match cursor.peek() {
                Some('\'' | '"') => value = cursor.quoted(),
                Some('=') => {
                    cursor.takes('=');
                    value = Some(cursor.word()?.to_owned());
                    for unit in ["kb", "mb", "gb"] {
                        cursor.takes_words(unit);
                    }
                }
                Some(c) if c.is_alphanumeric() => {
                    let before = *cursor;
                    let word = cursor.word()?.to_lowercase();
                    let begins_clause =
                        !words.is_empty() && matches!(word.as_str(), "set" | "before" | "after" | "with");
                    if begins_clause {
                        *cursor = before;
                        break;
                    }
                    words.push(word);
                }
                _ => break,
            }
        }
        // What escapes a quote may be a word.
        if words.last().is_some_and(|word| word == "double-quote" || word == "backslash-quote") {
            value = words.pop();
        }
        options.push(Setting { words: words.join(" "), value });
        if !cursor.takes(',') {
            return Some(options);
        }
    }
}

fn settings(cursor: &mut Cursor<'_>) -> Option<Vec<(String, String)>> {
    let mut settings = Vec::new();
    loop {
        let name = cursor.word()?.to_lowercase();
        if !cursor.takes_words("to") {
            cursor.takes('=').then_some(())?;
        }
        settings.push((name, value(cursor)?));
        if !cursor.takes(',') {
            return Some(settings);
        }
    }
}

fn statements(cursor: &mut Cursor<'_>) -> Option<Vec<String>> {
    let mut statements = vec![cursor.dollar_quoted()?.to_owned()];
    while cursor.takes(',') {
        statements.push(cursor.dollar_quoted()?.to_owned());
    }
    Some(statements)
}

fn value(cursor: &mut Cursor<'_>) -> Option<String> {
    match cursor.peek()? {
        '\'' | '"' => cursor.quoted(),
        _ => cursor.word().map(ToOwned::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMAND: &str = r#"
        LOAD CSV
        FROM inline WITH ENCODING latin1 (d, "B b" [null if ' ', null if blanks], x [date format 'HH24:MI'])
        INTO postgresql:///pgloader?csv.udc (b, c text using "constant value", d point using (f nil "(~a)" d))
        WITH fields optionally enclosed by '"', fields escaped by double-quote, truncate,
             batch size = 1024 kB, skip header = 2, lines terminated by '|'
        SET client_encoding to 'latin1', work_mem to '12MB'
        BEFORE LOAD DO $$ create table udc (b int); $$, $$ select 1; $$
        ;
        1|2
    "#;

    #[test]
    fn a_command_is_read_up_to_its_data() {
        let (command, rest) = parse(COMMAND).unwrap();
        assert!(rest.starts_with("1|2"), "{rest}");
        assert_eq!((command.schema.as_deref(), command.table.as_str()), (Some("csv"), "udc"));
        assert_eq!(command.encoding.as_deref(), Some("latin1"));
        assert_eq!(command.fields[1].name, "B b");
        assert!(command.fields[1].null_if_blanks);
        assert_eq!(command.fields[2].date_format.as_deref(), Some("HH24:MI"));
        assert_eq!(command.columns[1].using.as_deref(), Some("\"constant value\""));
        assert_eq!(command.columns[2].using.as_deref(), Some("(f nil \"(~a)\" d)"));
        assert_eq!(command.columns[2].sql_type.as_deref(), Some("point"));
        assert_eq!(command.option("skip header"), Some("2"));
        assert_eq!(command.option("fields escaped by"), Some("double-quote"));
        assert!(command.has("truncate"));
        assert_eq!(command.settings.len(), 2);
        assert_eq!(command.before.len(), 2);
    }

    #[test]
    fn files_are_found_by_their_names() {
        let command =
            "load csv from all filenames matching ~<m.*csv$> in directory 'data' into p:///x target table t";
        let (command, _) = parse(command).unwrap();
        let expected = Source::Matching { expression: "m.*csv$".to_owned(), folder: "data".to_owned() };
        assert_eq!((command.source, command.table.as_str()), (expected, "t"));
        assert_eq!(parse("load archive from x"), None);
    }
}
