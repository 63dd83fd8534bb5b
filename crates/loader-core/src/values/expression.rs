//! The statement with which rows go through SQL expressions.
//!
//! The texts of a chunk are sent as one array for each field, and become columns of a
//! row source named `record`. An expression knows them by name; its own field is
//! `value`, in a row source of its own, so that no field of that name is in its way.

use crate::identifier::{Identifier, QualifiedName};
use crate::record::mapping::{From, MappedColumn, Mapping};

/// Writes the statement that inserts rows. Its parameters are arrays of text, one for
/// each of [`Mapping::carried`], in that order.
///
/// A text is cast to the column's type without modifiers, and the insert assigns it: an
/// explicit cast to `varchar(4)` cuts in silence, an assignment refuses (`PostgreSQL`
/// documentation, "Character Types").
///
/// Each expression is a query of its own within a lateral one. So a function that
/// returns no row makes NULL of it and does not drop the record, one that returns two
/// fails, and an aggregate over the records is refused by the database.
#[must_use]
pub fn insert(into: &QualifiedName, mapping: &Mapping) -> String {
    write(into, mapping, &parameters(mapping), &[], |_| true)
}

/// Writes the same statement for one of the columns.
#[must_use]
pub(crate) fn only(into: &QualifiedName, mapping: &Mapping, column: &Identifier) -> String {
    write(into, mapping, &parameters(mapping), &[], |name| name == column)
}

/// Writes the statement that inserts the rows of `record`, which `source` is: it has a
/// text for each of [`Mapping::carried`], and for each of `marks`, columns beside
/// those of the mapping that are given with their types.
#[must_use]
pub(crate) fn insert_from(
    into: &QualifiedName,
    mapping: &Mapping,
    source: &str,
    marks: &[(Identifier, &str)],
) -> String {
    write(into, mapping, source, marks, |_| true)
}

fn parameters(mapping: &Mapping) -> String {
    let (arrays, names): (Vec<String>, Vec<String>) = (1..)
        .zip(mapping.carried())
        .map(|(at, carried)| (format!("${at}::text[]"), carried.name.to_string()))
        .unzip();
    format!("unnest({}) as record({})", arrays.join(", "), names.join(", "))
}

fn write(
    into: &QualifiedName,
    mapping: &Mapping,
    source: &str,
    marks: &[(Identifier, &str)],
    is_target: impl Fn(&Identifier) -> bool,
) -> String {
    let mut targets = Vec::new();
    let mut selected = Vec::new();
    let mut lateral = Vec::new();
    for (at, column) in (1..).zip(mapping.columns.iter().filter(|column| is_target(&column.name))) {
        targets.push(column.name.to_string());
        match (&column.from, &column.expression) {
            (From::Sql, Some(expression)) => {
                selected.push(format!("expression_{at}._loader_{at}"));
                lateral.push(laterally(at, column, expression));
            }
            _ => selected.push(format!("record.{}::{}", column.name, column.base_type)),
        }
    }
    for (name, sql_type) in marks {
        targets.push(name.to_string());
        selected.push(format!("record.{name}::{sql_type}"));
    }
    // An identity that is always generated takes what COPY gives it, and so it does here.
    format!(
        "insert into {into} ({}) overriding system value\nselect {}\n  from {source}{}",
        targets.join(", "),
        selected.join(", "),
        lateral.concat()
    )
}

/// The line end keeps a comment at the end of the expression from what follows.
fn laterally(at: usize, column: &MappedColumn, expression: &str) -> String {
    format!(
        "\n cross join lateral (select (select ({expression}\n)::{} from (select record.{} as value) as own) as _loader_{at}) as expression_{at}",
        column.base_type, column.name
    )
}
