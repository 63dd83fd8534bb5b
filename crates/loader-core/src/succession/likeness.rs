//! What a candidate lacks to be like the live table.

use tokio_postgres::GenericClient;

use super::{Candidate, partitions};
use crate::catalog::{self, Fact, FactKind, Index, Phase, Statistics};
use crate::error::Result;
use crate::identifier::Identifier;

/// The difference between a candidate and the live table, as what is to be done.
#[derive(Debug, Default)]
pub(crate) struct Likeness {
    /// Indexes and constraints with an index that are lacking.
    pub(crate) lacking: Vec<Lacking>,
    /// Statements of the build that come after the indexes.
    pub(crate) constraints: Vec<BuildStatement>,
    /// Statements of the publish on the candidate, before anybody is held up.
    pub(crate) before: Vec<String>,
    /// Statements of the publish after the move, when the candidate has the live
    /// table's name.
    pub(crate) after: Vec<String>,
    /// Statements of the publish after that, when the table is a partition again.
    pub(crate) attached: Vec<String>,
    /// Indexes of the candidate and the live ones whose names they get.
    pub(crate) indexes: Vec<(Index, Index)>,
    /// Extended statistics of the candidate and the live ones whose names they get.
    pub(crate) statistics: Vec<(Statistics, Statistics)>,
    /// Foreign keys to tables that are replaced in the same transaction.
    pub(crate) references_within: Vec<ReferenceWithin>,
}

/// An index that is to be built.
#[derive(Debug, Clone)]
pub(crate) struct Lacking {
    /// What it is called in messages: the live index's name.
    pub(crate) name: Identifier,
    /// The statement that sets its tablespace.
    pub(crate) setting: String,
    /// The statement that builds it.
    pub(crate) statement: String,
}

/// A statement of the build.
#[derive(Debug, Clone)]
pub(crate) struct BuildStatement {
    /// What it makes, for messages.
    pub(crate) what: String,
    /// The statement.
    pub(crate) statement: String,
    /// The foreign key or check to be validated afterwards, without keeping
    /// anybody from the other table.
    pub(crate) validate: Option<String>,
}

/// A foreign key to a table of the same group.
#[derive(Debug, Clone)]
pub(crate) struct ReferenceWithin {
    /// The table that it refers to, as it is before the publish.
    pub(crate) table: u32,
    /// The statement, with `%T` for that table.
    pub(crate) statement: String,
}

impl Likeness {
    /// Says whether nothing is left that takes long.
    pub(crate) fn is_built(&self) -> bool {
        self.lacking.is_empty() && self.constraints.is_empty()
    }

    /// Names what takes long and is left, for messages.
    pub(crate) fn missing(&self) -> String {
        let indexes = self.lacking.iter().map(|lacking| format!("the index {}", lacking.name));
        let others = self.constraints.iter().map(|statement| statement.what.clone());
        indexes.chain(others).collect::<Vec<_>>().join(", ")
    }
}

/// Compares a candidate with the live table. `group` are the tables that are
/// replaced in the same transaction.
pub(crate) async fn compare(
    client: &impl GenericClient,
    live: u32,
    candidate: &Candidate,
    group: &[u32],
) -> Result<Likeness> {
    let oid = catalog::get(client, &candidate.name).await?;
    let live_name = catalog::name_of(client, live).await?;
    let mut likeness = Likeness::default();
    compare_indexes(client, live, oid, candidate, &mut likeness).await?;
    compare_statistics(client, live, oid, candidate, &mut likeness).await?;
    let wanted = catalog::facts(client, live, &candidate.name).await?;
    let wanted_after = catalog::facts(client, live, &live_name).await?;
    let mut found = catalog::facts(client, oid, &candidate.name).await?;
    if let Some(bound) = partitions::bound_check(client, live, &candidate.name).await? {
        // Its name says what it checks; the database writes it another way.
        let is_made = found.iter().position(|fact| fact.kind == bound.kind && fact.name == bound.name);
        match is_made {
            Some(at) => {
                found.swap_remove(at);
            }
            None => likeness.constraints.push(build_statement(&bound)),
        }
    }
    let columns = catalog::columns(client, live).await?;
    compare_facts(&wanted, &wanted_after, &found, group, &columns, &mut likeness);
    Ok(likeness)
}

async fn compare_indexes(
    client: &impl GenericClient,
    live: u32,
    oid: u32,
    candidate: &Candidate,
    likeness: &mut Likeness,
) -> Result<()> {
    let mut found = catalog::indexes(client, oid).await?;
    for wanted in catalog::indexes(client, live).await? {
        if let Some(at) = found.iter().position(|index| index.is_like(&wanted)) {
            likeness.indexes.push((found.swap_remove(at), wanted));
            continue;
        }
        if let Some(at) = found.iter().position(|index| index.can_carry_constraint_of(&wanted)) {
            let index = found.swap_remove(at);
            likeness.constraints.extend(wanted.attach(&index.name, &candidate.name).map(|statement| {
                BuildStatement { what: format!("the constraint {}", wanted.name), statement, validate: None }
            }));
            likeness.indexes.push((index, wanted));
            continue;
        }
        let name = candidate.provisional(&wanted.name, wanted.oid);
        likeness.lacking.push(Lacking {
            setting: wanted.tablespace_setting(),
            statement: wanted.create(&name, &candidate.name),
            name: wanted.name,
        });
    }
    for surplus in found {
        let statement = if surplus.constraint.is_some() {
            format!("alter table {} drop constraint {}", candidate.name, surplus.name)
        } else {
            format!("drop index {}", candidate.in_schema(&surplus.name))
        };
        likeness.constraints.push(BuildStatement {
            what: format!("the end of the index {}", surplus.name),
            statement,
            validate: None,
        });
    }
    Ok(())
}

async fn compare_statistics(
    client: &impl GenericClient,
    live: u32,
    oid: u32,
    candidate: &Candidate,
    likeness: &mut Likeness,
) -> Result<()> {
    let mut found = catalog::statistics(client, oid, &candidate.name).await?;
    for wanted in catalog::statistics(client, live, &candidate.name).await? {
        if let Some(at) = found.iter().position(|statistics| statistics.is_like(&wanted)) {
            likeness.statistics.push((found.swap_remove(at), wanted));
        } else {
            let name = candidate.in_schema(&candidate.provisional(&wanted.name.name, wanted.oid));
            likeness.constraints.push(BuildStatement {
                what: format!("the statistics {}", wanted.name),
                statement: wanted.create(&name),
                validate: None,
            });
        }
    }
    for surplus in found {
        likeness.constraints.push(BuildStatement {
            what: format!("the end of the statistics {}", surplus.name),
            statement: format!("drop statistics {}", surplus.name),
            validate: None,
        });
    }
    Ok(())
}

fn compare_facts(
    wanted: &[Fact],
    wanted_after: &[Fact],
    found: &[Fact],
    group: &[u32],
    columns: &[String],
    likeness: &mut Likeness,
) {
    let same = |a: &Fact, b: &Fact| a.kind == b.kind && a.name == b.name;
    // What must go, goes first: a name may be taken by something else.
    for fact in found {
        let kept = wanted.iter().any(|wanted| same(wanted, fact) && wanted.makes == fact.makes);
        // A column that only the definition has is as the definition has it.
        let is_of_new_column = fact.kind == FactKind::NotNull && !columns.contains(&fact.name);
        if kept || is_of_new_column {
            continue;
        }
        if let Some(unmakes) = &fact.unmakes {
            match fact.kind.phase() {
                Phase::Build => likeness.constraints.push(BuildStatement {
                    what: format!("the end of the {} {}", fact.kind.as_str(), fact.name),
                    statement: unmakes.clone(),
                    validate: None,
                }),
                Phase::Before | Phase::After | Phase::Attached => likeness.before.push(unmakes.clone()),
            }
        }
    }
    for (fact, after) in wanted.iter().zip(wanted_after) {
        if found.iter().any(|found| same(found, fact) && found.makes == fact.makes) {
            continue;
        }
        match fact.kind.phase() {
            Phase::Build => match &fact.refers_to {
                Some((table, statement)) if group.contains(table) => likeness
                    .references_within
                    .push(ReferenceWithin { table: *table, statement: statement.clone() }),
                _ => likeness.constraints.push(build_statement(fact)),
            },
            Phase::Before => likeness.before.push(fact.makes.clone()),
            Phase::After => likeness.after.push(after.makes.clone()),
            Phase::Attached => likeness.attached.push(after.makes.clone()),
        }
    }
}

/// A foreign key is made without looking at the rows where that can be, and
/// validated afterwards: so nobody is kept from writing into the table that it
/// refers to.
fn build_statement(fact: &Fact) -> BuildStatement {
    let what = format!("the {} {}", fact.kind.as_str(), fact.name);
    match &fact.in_two_steps {
        Some((statement, validate)) => {
            BuildStatement { what, statement: statement.clone(), validate: Some(validate.clone()) }
        }
        None => BuildStatement { what, statement: fact.makes.clone(), validate: None },
    }
}
