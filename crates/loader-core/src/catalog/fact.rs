//! What hangs on a relation and has no name of its own in a schema.

use tokio_postgres::GenericClient;

use super::READING;
use crate::database::failure::failure;
use crate::error::{Error, ErrorName, Result};
use crate::identifier::QualifiedName;

const FACTS: &str = include_str!("../../sql/catalog/facts.sql");

/// When a fact is made on the table that takes the live one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// While the table is built, as rows are looked at.
    Build,
    /// In the publish, before anybody is held up.
    Before,
    /// In the publish, after the move: it names the table itself, changes who
    /// may reach it, or names an index.
    After,
    /// In the publish, when the table is a partition of its parent again.
    Attached,
}

macro_rules! fact_kinds {
    ($($variant:ident = $text:literal in $phase:ident,)+) => {
        /// What a fact is about. The order is the one in which facts are made.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum FactKind {
            $($variant,)+
        }

        impl FactKind {
            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }

            /// Returns the word for it.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// Returns when it is made.
            pub(crate) const fn phase(self) -> Phase {
                match self {
                    $(Self::$variant => Phase::$phase,)+
                }
            }
        }
    };
}

fact_kinds! {
    NotNull = "not null" in Build,
    Check = "check" in Build,
    ForeignKey = "foreign key" in Build,
    Option = "option" in Before,
    Default = "default" in Before,
    Storage = "storage" in Before,
    Compression = "compression" in Before,
    StatisticsTarget = "statistics target" in Before,
    ColumnOption = "column option" in Before,
    Comment = "comment" in Before,
    ColumnComment = "column comment" in Before,
    Trigger = "trigger" in Before,
    Extension = "extension" in Before,
    Type = "type" in After,
    Rule = "rule" in After,
    Policy = "policy" in After,
    RowSecurity = "row security" in After,
    ReplicaIdentity = "replica identity" in After,
    Cluster = "cluster" in After,
    // Grants are made by the owner of now; its change rewrites who granted them.
    // Those that another role has granted come after it.
    Owner = "owner" in After,
    Grants = "grants" in After,
    Publication = "publication" in After,
    InheritedTrigger = "inherited trigger" in Attached,
}

/// A fact about a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is about.
    pub(crate) kind: FactKind,
    /// Which of its kind it is.
    pub(crate) name: String,
    /// The statements that make it on the target.
    pub(crate) makes: String,
    /// The statements that take it from the target; none where making another
    /// one replaces it.
    pub(crate) unmakes: Option<String>,
    /// The other table that a foreign key refers to, and the statement that makes
    /// it with `%T` in that one's place.
    pub(crate) refers_to: Option<(u32, String)>,
    /// Where the rows can be looked at later: the statements that make it without
    /// looking, and the one that looks.
    pub(crate) in_two_steps: Option<(String, String)>,
}

/// Reads the facts about a relation, written for `target`, in the order in which
/// they are to be made.
pub(crate) async fn facts(
    client: &impl GenericClient,
    relation: u32,
    target: &QualifiedName,
) -> Result<Vec<Fact>> {
    let rows = client
        .query(FACTS, &[&relation, &target.to_string()])
        .await
        .map_err(|error| failure(READING, &error))?;
    let mut facts = rows
        .iter()
        .map(|row| {
            let kind: &str = row.get(0);
            let kind = FactKind::parse(kind)
                .ok_or_else(|| Error::new(ErrorName::Internal, format!("the catalog tells of a {kind}")))?;
            Ok(Fact {
                kind,
                name: row.get(1),
                makes: row.get(2),
                unmakes: row.get(3),
                refers_to: row.get::<_, Option<u32>>(4).zip(row.get(5)),
                in_two_steps: row.get::<_, Option<String>>(6).zip(row.get(7)),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    facts.sort_by_key(|fact| fact.kind);
    Ok(facts)
}
