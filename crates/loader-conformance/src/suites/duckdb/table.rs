//! The tables that a test makes before it reads a file into them.

use super::tokens::{Token, tokens};
use super::type_names::in_postgres;

/// A table to read into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Its columns with their types in Postgres.
    pub(super) columns: Vec<(String, String)>,
    /// The statement that makes it in Postgres, with another name.
    pub(super) create: String,
}

/// Words that end a column's type.
const AFTER_TYPE: [&str; 8] =
    ["not", "null", "primary", "unique", "default", "check", "references", "collate"];
/// Words that begin what is no column.
const NO_COLUMN: [&str; 5] = ["primary", "unique", "check", "foreign", "constraint"];

impl Table {
    /// Finds the table in the statements before, the last of its name.
    ///
    /// # Errors
    /// The reason to leave the case out.
    pub(super) fn find(name: &str, setup: &[String], in_postgres_named: &str) -> Result<Self, &'static str> {
        setup
            .iter()
            .rev()
            .map(|sql| tokens(sql))
            .find_map(|tokens| body_of(&tokens, name).map(<[Token]>::to_vec))
            .ok_or("a table that the case does not show")
            .and_then(|body| Self::of(&body, in_postgres_named))
    }

    fn of(body: &[Token], name: &str) -> Result<Self, &'static str> {
        let mut columns = Vec::new();
        let mut parts = Vec::new();
        for part in split(body) {
            let Some((first, rest)) = part.split_first() else { continue };
            let column = match first {
                Token::Word(word) if NO_COLUMN.iter().any(|other| word.eq_ignore_ascii_case(other)) => {
                    parts.push(in_sql(part)?);
                    continue;
                }
                // Names are folded as DuckDB compares them.
                Token::Word(name) | Token::Name(name) => name.to_lowercase(),
                _ => return Err("a table of a form that is not read here"),
            };
            let end = rest
                .iter()
                .position(|token| AFTER_TYPE.iter().any(|word| token.is_word(word)))
                .unwrap_or(rest.len());
            let (of_type, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            let sql_type = in_postgres(&in_sql(of_type)?)?;
            parts.push(format!("\"{column}\" {sql_type} {}", in_sql(after)?));
            columns.push((column, sql_type));
        }
        if columns.is_empty() {
            return Err("a table of a form that is not read here");
        }
        Ok(Self { columns, create: format!("create table public.\"{name}\" ({})", parts.join(", ")) })
    }
}

/// Returns what is between the parentheses of `create table <name> (…)`.
fn body_of<'a>(tokens: &'a [Token], name: &str) -> Option<&'a [Token]> {
    if !tokens.first()?.is_word("create") {
        return None;
    }
    let open = tokens.iter().position(|token| token.is_sign("("))?;
    let close = tokens.iter().rposition(|token| token.is_sign(")"))?;
    match tokens.get(open.checked_sub(1)?)? {
        Token::Word(found) | Token::Name(found) if found.eq_ignore_ascii_case(name) => {
            tokens.get(open + 1..close)
        }
        _ => None,
    }
}

/// Cuts at the commas that are not within parentheses.
fn split(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            depth += i32::from(token.is_sign("(")) - i32::from(token.is_sign(")"));
            depth == 0 && token.is_sign(",")
        })
        .collect()
}

fn in_sql(tokens: &[Token]) -> Result<String, &'static str> {
    let words = tokens.iter().map(|token| match token {
        Token::Word(text) | Token::Number(text) => Ok(text.clone()),
        Token::Name(text) => Ok(format!("\"{}\"", text.to_lowercase())),
        Token::Text(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        Token::Sign(sign) => Ok((*sign).to_owned()),
        Token::Strange('+') => Ok("+".to_owned()),
        Token::Placeholder(_) | Token::Strange(_) => Err("a table of a form that is not read here"),
    });
    Ok(words.collect::<Result<Vec<_>, _>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_with_the_types_of_postgres() {
        let setup = [
            "CREATE TABLE x (a INT);".to_owned(),
            "create table T (Id integer NOT NULL PRIMARY KEY, p DECIMAL (8,2), c VARCHAR DEFAULT('hello'));"
                .to_owned(),
        ];
        let table = Table::find("t", &setup, "t").unwrap();
        assert_eq!(
            table.columns,
            [("id", "integer"), ("p", "numeric(8 , 2)"), ("c", "text")]
                .map(|(name, sql_type)| (name.to_owned(), sql_type.to_owned()))
        );
        assert!(table.create.contains("NOT NULL PRIMARY KEY"), "{}", table.create);
        assert!(table.create.contains("DEFAULT ( 'hello' )"), "{}", table.create);
        assert_eq!(Table::find("y", &setup, "t").unwrap_err(), "a table that the case does not show");
    }
}
