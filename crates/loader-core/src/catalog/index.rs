//! Indexes, and the constraints that rest on them.

use tokio_postgres::GenericClient;

use super::{READING, identifier, not_understood};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const INDEXES: &str = include_str!("../../sql/catalog/indexes.sql");

/// An index of a relation.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    /// Its object.
    pub(crate) oid: u32,
    /// Its name.
    pub(crate) name: Identifier,
    is_unique: bool,
    /// What comes after `create index … on …`.
    definition: String,
    tablespace: Option<Identifier>,
    /// The constraint that rests on it.
    pub(crate) constraint: Option<IndexConstraint>,
    comment: Option<String>,
    /// What is altered about it after it is made.
    alterations: Vec<String>,
}

/// A primary key, a unique or an exclusion constraint.
#[derive(Debug, Clone)]
pub(crate) struct IndexConstraint {
    name: Identifier,
    /// `primary key` or `unique`, where it can be made from an index.
    from_index: Option<&'static str>,
    deferrable: String,
    /// The whole definition, where it can't.
    definition: Option<String>,
    comment: Option<String>,
}

impl Index {
    /// Says whether an index of another relation is the same but for names,
    /// comments and what can be altered.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.is_unique == other.is_unique
            && self.definition == other.definition
            && self.kind() == other.kind()
    }

    fn kind(&self) -> Option<(Option<&'static str>, &str, Option<&str>)> {
        self.constraint.as_ref().map(|constraint| {
            (constraint.from_index, constraint.deferrable.as_str(), constraint.definition.as_deref())
        })
    }

    /// Says whether it is another one's index that only lacks the constraint.
    pub(crate) fn can_carry_constraint_of(&self, other: &Self) -> bool {
        self.constraint.is_none()
            && self.is_unique == other.is_unique
            && self.definition == other.definition
            && other.constraint.as_ref().is_some_and(|constraint| constraint.from_index.is_some())
    }

    /// Writes the statement that makes it on another relation: an index, or a
    /// constraint that brings its own.
    pub(crate) fn create(&self, name: &Identifier, target: &QualifiedName) -> String {
        match self.constraint.as_ref().and_then(|constraint| constraint.definition.as_deref()) {
            Some(definition) => format!("alter table {target} add constraint {name} {definition}"),
            None => format!(
                "create {}index {name} on {target} {}",
                if self.is_unique { "unique " } else { "" },
                self.definition
            ),
        }
    }

    /// Writes the statement that puts the tablespace of the next index.
    pub(crate) fn tablespace_setting(&self) -> String {
        match &self.tablespace {
            Some(name) => format!("set default_tablespace = {name}"),
            None => "set default_tablespace = ''".to_owned(),
        }
    }

    /// Writes the statement that makes an index of a relation its constraint; none
    /// if there is nothing to make.
    pub(crate) fn attach(&self, name: &Identifier, target: &QualifiedName) -> Option<String> {
        let constraint = self.constraint.as_ref()?;
        let kind = constraint.from_index?;
        Some(format!(
            "alter table {target} add constraint {name} {kind} using index {name}{}",
            constraint.deferrable
        ))
    }

    /// Writes the statements that give `own`, which bears this one's `name` by now,
    /// what else this one has.
    pub(crate) fn finish(&self, own: &Self, name: &QualifiedName, table: &QualifiedName) -> Vec<String> {
        let mut statements = Vec::new();
        if self.alterations != own.alterations {
            statements
                .extend(self.alterations.iter().map(|alteration| format!("alter index {name} {alteration}")));
        }
        if self.comment != own.comment {
            statements.push(format!("comment on index {name} is {}", comment(self.comment.as_deref())));
        }
        let note = |index: &Self| index.constraint.as_ref().and_then(|constraint| constraint.comment.clone());
        if let (Some(constraint), true) = (&self.constraint, note(self) != note(own)) {
            let text = comment(constraint.comment.as_deref());
            statements.push(format!("comment on constraint {} on {table} is {text}", constraint.name));
        }
        statements
    }
}

/// Writes a comment's text, or that there is none.
pub(super) fn comment(text: Option<&str>) -> String {
    text.map_or_else(|| "null".to_owned(), literal)
}

/// Writes a string as a literal of SQL that any setting reads the same.
fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if text.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

/// Reads the valid indexes of a relation.
pub(crate) async fn indexes(client: &impl GenericClient, relation: u32) -> Result<Vec<Index>> {
    let rows = client.query(INDEXES, &[&relation]).await.map_err(|error| failure(READING, &error))?;
    rows.iter()
        .map(|row| {
            let name = identifier(row.get(1))?;
            if !row.get::<_, bool>(4) {
                return Err(not_understood("index", name.as_str()));
            }
            let definition: Option<String> = row.get(9);
            let constraint = match row.get::<_, Option<String>>(6) {
                None => None,
                Some(constraint) => Some(IndexConstraint {
                    name: identifier(constraint)?,
                    from_index: match (row.get::<_, &str>(7), &definition) {
                        ("p", None) => Some("primary key"),
                        ("u", None) => Some("unique"),
                        _ => None,
                    },
                    deferrable: row.get(8),
                    definition,
                    comment: row.get(11),
                }),
            };
            let mut alterations: Vec<String> = row.get(12);
            alterations.extend(row.get::<_, Vec<String>>(13));
            Ok(Index {
                oid: row.get(0),
                name,
                is_unique: row.get(2),
                definition: row.get(3),
                tablespace: row.get::<_, Option<String>>(5).map(identifier).transpose()?,
                constraint,
                comment: row.get(10),
                alterations,
            })
        })
        .collect()
}
