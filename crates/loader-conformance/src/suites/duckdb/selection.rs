//! What a statement asks of the rows, as a query over the live table.

use loader_core::identifier::Identifier;

use super::tokens::Token;
use crate::suites::duckdb::TABLE;

/// The columns of the table, as far as they are known.
pub(super) struct Columns<'a> {
    /// Their names; none where they are inferred from the objects' headers.
    pub(super) known: Option<&'a [String]>,
    /// Whether a column of file names is there.
    pub(super) file_name: bool,
    /// The first line, which may have names.
    pub(super) header: &'a str,
    /// Columns that are parts of the keys.
    pub(super) key_parts: &'a [String],
}

const KEYWORDS: [&str; 30] = [
    "as", "and", "or", "not", "like", "is", "null", "asc", "desc", "nulls", "first", "last", "where",
    "group", "order", "by", "limit", "offset", "having", "distinct", "in", "between", "true", "false",
    "case", "when", "then", "else", "end", "all",
];

/// Functions that Postgres has too, with its names for them.
const FUNCTIONS: [(&str, &str); 12] = [
    ("count", "count"),
    ("sum", "sum"),
    ("min", "min"),
    ("max", "max"),
    ("avg", "avg"),
    ("len", "length"),
    ("length", "length"),
    ("lower", "lower"),
    ("upper", "upper"),
    ("abs", "abs"),
    ("round", "round"),
    ("trim", "trim"),
];

const TYPES: &str = "the types of columns, as DuckDB names them";
const FUNCTION: &str = "a function of DuckDB's own";
const FORM: &str = "a query of a form that is not read here";
const FIRST_NAMES: &str = "names for the first columns only";

/// Writes a query for Postgres; none where all columns of the table are meant.
///
/// # Errors
/// The reason to leave the case out.
pub(super) fn query(
    select: &[Token],
    rest: &[Token],
    width: usize,
    columns: &Columns<'_>,
) -> Result<Option<String>, &'static str> {
    if select.is_empty() && rest.is_empty() {
        return Ok(None);
    }
    let list = if select.is_empty() { "*".to_owned() } else { in_sql(select, columns)? };
    let mut tail = rest.to_vec();
    // `order by all` is by the columns of the result, in their order.
    if let Some(at) =
        tail.windows(2).position(|pair| matches!(pair, [by, all] if by.is_word("by") && all.is_word("all")))
    {
        let numbers = (1..=width).flat_map(|number| {
            let comma = (number > 1).then_some(Token::Sign(","));
            comma.into_iter().chain([Token::Number(number.to_string())])
        });
        tail.splice(at + 1..at + 2, numbers.collect::<Vec<_>>());
    }
    Ok(Some(format!("select {list} from public.\"{TABLE}\" {}", in_sql(&tail, columns)?)))
}

fn in_sql(tokens: &[Token], columns: &Columns<'_>) -> Result<String, &'static str> {
    let mut sql = String::new();
    let mut names_a_result = false;
    let mut index = 0;
    while let Some(token) = tokens.get(index) {
        let calls = tokens.get(index + 1).is_some_and(|next| next.is_sign("("));
        let part = match token {
            Token::Word(word) if names_a_result => format!("\"{}\"", word.to_lowercase()),
            Token::Word(word) if calls && !is_keyword(word) => {
                let word = word.to_lowercase();
                if word == "typeof" {
                    return Err(TYPES);
                }
                if word == "parse_filename" {
                    // Whatever the test calls the column.
                    index += 3;
                    "regexp_replace(\"_object\", '^.*/', '')".to_owned()
                } else {
                    let known = FUNCTIONS.iter().find(|(theirs, _)| *theirs == word);
                    known.ok_or(FUNCTION)?.1.to_owned()
                }
            }
            Token::Word(word) if is_keyword(word) => word.to_lowercase(),
            Token::Word(name) | Token::Name(name) => column(name, columns)?,
            Token::Text(text) => {
                let text = text.replace("{DATA_DIR}/csv/", &format!("{TABLE}/"));
                format!("'{}'", text.replace('\'', "''"))
            }
            Token::Number(number) => number.clone(),
            Token::Sign(
                sign @ ("(" | ")" | "," | "*" | "=" | "<" | ">" | "<=" | ">=" | "<>" | "!=" | "-"),
            ) => (*sign).to_owned(),
            Token::Sign(_) | Token::Placeholder(_) | Token::Strange(_) => return Err(FORM),
        };
        names_a_result = token.is_word("as") || token.is_sign(")") && !is_last_of_list(tokens.get(index + 1));
        sql.push_str(&part);
        sql.push(' ');
        index += 1;
    }
    Ok(sql)
}

/// Whether nothing that could be a result's name follows.
fn is_last_of_list(next: Option<&Token>) -> bool {
    !matches!(next, Some(Token::Word(word)) if !is_keyword(word))
}

fn is_keyword(word: &str) -> bool {
    KEYWORDS.iter().any(|keyword| word.eq_ignore_ascii_case(keyword))
}

/// Returns a column's quoted name in the live table.
fn column(name: &str, columns: &Columns<'_>) -> Result<String, &'static str> {
    if columns.file_name && name.eq_ignore_ascii_case("filename") {
        return Ok("\"_object\"".to_owned());
    }
    if let Some(part) = columns.key_parts.iter().find(|part| part.eq_ignore_ascii_case(name)) {
        return Ok(quoted(part));
    }
    if let Some(known) = columns.known {
        let found = known.iter().find(|column| column.eq_ignore_ascii_case(name));
        return found.map(|column| quoted(column)).ok_or(FIRST_NAMES);
    }
    // `DuckDB` calls columns without a header column0, column1 or column00, column01.
    let is_named = columns.header.to_lowercase().contains(&name.to_lowercase());
    let number = (!is_named)
        .then(|| name.strip_prefix("column"))
        .flatten()
        .and_then(|number| number.parse::<usize>().ok());
    Ok(number.map_or_else(
        || quoted(Identifier::from_header(name, 1).as_str()),
        |number| format!("\"column_{}\"", number + 1),
    ))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suites::duckdb::tokens::tokens;

    fn written(select: &str, rest: &str, known: Option<&[String]>) -> Result<Option<String>, &'static str> {
        let columns = Columns { known, file_name: true, key_parts: &[], header: "" };
        query(&tokens(select), &tokens(rest), 2, &columns)
    }

    #[test]
    fn names_are_those_of_the_live_table() {
        let known = ["rsID".to_owned(), "b".to_owned()];
        assert_eq!(
            written("RSID, count(*) cnt", "where b = 'x' group by rsid order by all", Some(&known))
                .unwrap()
                .unwrap(),
            "select \"rsID\" , count ( * ) \"cnt\"  from public.\"t\" where \"b\" = 'x' group by \"rsID\" order by 1 , 2 "
        );
        assert_eq!(
            written("column01, parse_filename(filename)", "", None).unwrap().unwrap(),
            "select \"column_2\" , regexp_replace(\"_object\", '^.*/', '')  from public.\"t\" "
        );
        assert_eq!(written("", "", None), Ok(None));
    }

    #[test]
    fn what_only_duckdb_has_is_left_out() {
        assert_eq!(written("typeof(a)", "", None), Err(TYPES));
        assert_eq!(written("hamming(a, b)", "", None), Err(FUNCTION));
        assert_eq!(written("a::int", "", None), Err(FORM));
        assert_eq!(written("c", "", Some(&["a".to_owned()])), Err(FIRST_NAMES));
    }
}
