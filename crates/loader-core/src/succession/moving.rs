//! The move itself: the live table retires, the candidate takes its name, and
//! with it the names of everything that hangs on it.

use tokio_postgres::{GenericClient, Transaction};

use super::Candidate;
use super::likeness::{Likeness, compare};
use super::partitions::Membership;
use crate::catalog::{self, FactKind, Index, Sequence, Statistics};
use crate::database::failure::failure;
use crate::error::Result;
use crate::identifier::{Identifier, QualifiedName};

const DOING: &str = "preparing the publish";

/// One table, or materialized view, that takes the place of another.
#[derive(Debug)]
pub(crate) struct Replacement {
    /// The live one.
    pub(crate) live: u32,
    /// Its name.
    pub(crate) live_name: QualifiedName,
    /// What takes its place.
    pub(crate) candidate: Candidate,
    /// Where the live one goes.
    pub(crate) retired: QualifiedName,
    /// What the candidate lacks.
    pub(crate) likeness: Likeness,
    /// Names of the live one that are taken where it goes, and what they become.
    renamed_first: Vec<(Identifier, Identifier)>,
    live_statistics: Vec<Statistics>,
    live_sequences: Vec<Sequence>,
    candidate_sequences: Vec<Sequence>,
    /// The statements that put sequences past the data.
    advances: Vec<String>,
    /// What else the identity's sequences have.
    sequence_facts: Vec<String>,
    /// The statements that end what the live one is published to.
    unpublishes: Vec<String>,
    /// The names of keys that Postgres makes for partitions that this table refers to.
    key_names: Vec<String>,
    /// The table that this one is a partition of.
    membership: Option<Membership>,
}

impl Replacement {
    /// Reads all that the move needs to know.
    pub(crate) async fn read(
        transaction: &Transaction<'_>,
        live: u32,
        candidate: Candidate,
        retired: QualifiedName,
        group: &[u32],
    ) -> Result<Self> {
        let live_name = catalog::name_of(transaction, live).await?;
        let oid = catalog::get(transaction, &candidate.name).await?;
        let likeness = compare(transaction, live, &candidate, group).await?;
        let live_sequences = catalog::sequences(transaction, live).await?;
        let candidate_sequences = catalog::sequences(transaction, oid).await?;
        let mut sequence_facts = Vec::new();
        for sequence in live_sequences.iter().filter(|sequence| sequence.is_identity()) {
            let facts = catalog::facts(transaction, sequence.oid, &sequence.name).await?;
            sequence_facts
                .extend(facts.into_iter().filter(|fact| fact.kind != FactKind::Owner).map(|fact| fact.makes));
        }
        Ok(Self {
            renamed_first: taken(transaction, live, &live_name, &retired, &candidate).await?,
            live_statistics: catalog::statistics(transaction, live, &candidate.name).await?,
            advances: advances(transaction, &candidate, &candidate_sequences, &live_sequences).await?,
            unpublishes: catalog::facts(transaction, live, &retired)
                .await?
                .into_iter()
                .filter(|fact| fact.kind == FactKind::Publication)
                .filter_map(|fact| fact.unmakes)
                .collect(),
            key_names: outgoing_key_names(transaction, live, oid, (&live_name, &candidate.name)).await?,
            membership: Membership::of(transaction, live).await?,
            live,
            live_name,
            candidate,
            retired,
            likeness,
            live_sequences,
            candidate_sequences,
            sequence_facts,
        })
    }

    /// Writes the statements of the move of a relation that is no partition.
    pub(crate) fn statements(&self) -> Vec<String> {
        let mut statements = self.retire();
        statements.extend(self.succeed());
        statements
    }

    /// Writes the statements that give the candidate the live one's place and names.
    pub(crate) fn succeed(&self) -> Vec<String> {
        let mut statements = self.take_place();
        statements.extend(self.settle());
        statements
    }

    /// Says whether it takes the rows that no other partition takes. It is attached
    /// after the others: its rows would be searched for theirs otherwise.
    pub(crate) fn is_default_partition(&self) -> bool {
        self.membership.as_ref().is_some_and(|membership| membership.is_default)
    }

    /// Writes the statements that make it a partition of the live one's parent.
    pub(crate) fn attach(&self) -> Vec<String> {
        let Some(membership) = &self.membership else { return Vec::new() };
        let mut statements = vec![membership.attach(&self.live_name)];
        statements.extend(self.likeness.attached.iter().cloned());
        statements.extend(
            membership
                .bound_check
                .iter()
                .map(|check| format!("alter table {} drop constraint {check}", self.live_name)),
        );
        statements
    }

    /// Writes the statements that move the live one away.
    pub(crate) fn retire(&self) -> Vec<String> {
        let mut statements = Vec::new();
        // A sequence that belongs to a column can't stay when its table goes.
        for sequence in self.live_sequences.iter().filter(|sequence| sequence.is_owned()) {
            statements.push(format!("alter sequence {} owned by none", sequence.name));
        }
        if let Some(membership) = &self.membership {
            statements.push(membership.detach(&self.live_name));
        }
        for (from, to) in &self.renamed_first {
            let name = QualifiedName::new(self.live_name.schema.clone(), from.clone());
            // `alter table` renames whatever has a name: indexes and sequences too.
            statements.push(format!("alter table {name} rename to {to}"));
        }
        let mut name = self.live_name.clone();
        if name.name != self.retired.name {
            statements.push(format!("alter table {name} rename to {}", self.retired.name));
            name.name = self.retired.name.clone();
        }
        statements.push(format!("alter table {name} set schema {}", self.retired.schema));
        for statistics in &self.live_statistics {
            let away = self.candidate.retiring(&statistics.name.name, statistics.oid);
            let renamed = QualifiedName::new(statistics.name.schema.clone(), away.clone());
            statements.push(format!("alter statistics {} rename to {away}", statistics.name));
            statements.push(format!("alter statistics {renamed} set schema {}", self.retired.schema));
        }
        statements
    }

    fn take_place(&self) -> Vec<String> {
        let schema = &self.live_name.schema;
        let here = |name: &Identifier| QualifiedName::new(schema.clone(), name.clone());
        let mut statements = vec![
            format!("alter table {} set schema {schema}", self.candidate.name),
            format!("alter table {} rename to {}", here(&self.candidate.name.name), self.live_name.name),
        ];
        for (index, wanted) in
            self.likeness.indexes.iter().filter(|(index, wanted)| index.name != wanted.name)
        {
            statements.push(format!("alter index {} rename to {}", here(&index.name), wanted.name));
        }
        for (own, live) in self.identities() {
            if own.name.name != live.name.name {
                statements.push(format!(
                    "alter sequence {} rename to {}",
                    here(&own.name.name),
                    live.name.name
                ));
            }
            // The numbers go on where they are, whatever the data hold.
            let retired = self.retired_name(&live.name.name);
            statements.push(format!(
                "select pg_catalog.setval('{}'::pg_catalog.regclass, last_value, is_called) from {}.{retired}",
                live.name.to_string().replace('\'', "''"),
                self.retired.schema,
            ));
        }
        for (own, wanted) in &self.likeness.statistics {
            if own.name.schema != wanted.name.schema {
                statements.push(format!("alter statistics {} set schema {}", own.name, wanted.name.schema));
            }
            if own.name.name != wanted.name.name {
                let name = QualifiedName::new(wanted.name.schema.clone(), own.name.name.clone());
                statements.push(format!("alter statistics {name} rename to {}", wanted.name.name));
            }
        }
        statements.extend(self.advances.iter().cloned());
        statements
    }

    fn settle(&self) -> Vec<String> {
        let mut statements = self.unpublishes.clone();
        statements.extend(self.likeness.after.iter().cloned());
        for sequence in self.live_sequences.iter().filter(|sequence| sequence.is_owned()) {
            statements.push(format!(
                "alter sequence {} owned by {}.{}",
                sequence.name, self.live_name, sequence.column
            ));
        }
        statements.extend(self.sequence_facts.iter().cloned());
        statements.extend(self.key_names.iter().cloned());
        for (index, wanted) in &self.likeness.indexes {
            let name = QualifiedName::new(self.live_name.schema.clone(), wanted.name.clone());
            statements.extend(wanted.finish(index, &name, &self.live_name));
        }
        for (own, wanted) in &self.likeness.statistics {
            statements.extend(wanted.finish(own));
        }
        statements
    }

    /// Pairs the identity sequences of the candidate with the live ones.
    fn identities(&self) -> impl Iterator<Item = (&Sequence, &Sequence)> {
        self.candidate_sequences.iter().filter(|own| own.is_identity()).filter_map(|own| {
            self.live_sequences
                .iter()
                .find(|live| live.is_identity() && live.column == own.column)
                .map(|live| (own, live))
        })
    }

    fn retired_name<'a>(&'a self, name: &'a Identifier) -> &'a Identifier {
        self.renamed_first.iter().find(|(from, _)| from == name).map_or(name, |(_, to)| to)
    }
}

/// Renames a table, and with it all that bears a name of its own in a schema.
pub(crate) async fn rename_whole(
    transaction: &Transaction<'_>,
    table: &QualifiedName,
    name: &Identifier,
    suffix: &str,
) -> Result<()> {
    let oid = catalog::get(transaction, table).await?;
    let away = |name: &Identifier, oid: u32| name.with_suffix(&format!("{suffix}_{oid}"));
    let here = |name: &Identifier| QualifiedName::new(table.schema.clone(), name.clone());
    let mut statements = vec![format!("alter table {table} rename to {name}")];
    for Index { oid, name, .. } in catalog::indexes(transaction, oid).await? {
        statements.push(format!("alter index {} rename to {}", here(&name), away(&name, oid)));
    }
    for Sequence { oid, name, .. } in
        catalog::sequences(transaction, oid).await?.into_iter().filter(Sequence::is_identity)
    {
        statements.push(format!("alter sequence {name} rename to {}", away(&name.name, oid)));
    }
    for Statistics { oid, name, .. } in catalog::statistics(transaction, oid, table).await? {
        statements.push(format!("alter statistics {name} rename to {}", away(&name.name, oid)));
    }
    transaction.batch_execute(&statements.join(";\n")).await.map_err(|error| failure(DOING, &error))
}

/// Finds the names of a table's indexes and sequences that are taken in the
/// schema that it goes to.
async fn taken(
    client: &impl GenericClient,
    live: u32,
    live_name: &QualifiedName,
    retired: &QualifiedName,
    candidate: &Candidate,
) -> Result<Vec<(Identifier, Identifier)>> {
    let rows = client
        .query(
            "select own.oid::oid, own.relname::text
               from pg_catalog.pg_class own
               join pg_catalog.pg_class other
                 on other.relname = own.relname and other.relnamespace = to_regnamespace($2)
              where own.relnamespace = to_regnamespace($3)
                and own.oid in (select indexrelid from pg_catalog.pg_index where indrelid = $1
                                union
                                select objid from pg_catalog.pg_depend
                                 where classid = 'pg_catalog.pg_class'::regclass
                                   and refclassid = 'pg_catalog.pg_class'::regclass
                                   and refobjid = $1 and refobjsubid > 0 and deptype = 'i')",
            &[&live, &retired.schema.to_string(), &live_name.schema.to_string()],
        )
        .await
        .map_err(|error| failure(DOING, &error))?;
    rows.iter()
        .map(|row| {
            let (oid, name): (u32, String) = (row.get(0), row.get(1));
            let name = catalog::identifier(name)?;
            let away = candidate.retiring(&name, oid);
            Ok((name, away))
        })
        .collect()
}

/// Writes the statements that put a table's sequences past its own rows.
pub(crate) async fn advances_of(client: &impl GenericClient, table: &QualifiedName) -> Result<Vec<String>> {
    let own = catalog::sequences(client, catalog::get(client, table).await?).await?;
    advances(client, &Candidate { name: table.clone(), suffix: String::new() }, &own, &own).await
}

/// Writes the statements that put a live table's sequences past a candidate's rows.
pub(crate) async fn advances_past(
    client: &impl GenericClient,
    candidate: &Candidate,
    live: u32,
) -> Result<Vec<String>> {
    let own = catalog::sequences(client, catalog::get(client, &candidate.name).await?).await?;
    advances(client, candidate, &own, &catalog::sequences(client, live).await?).await
}

/// Writes the statements that put the sequences past the candidate's rows. Nobody
/// can draw a number while they are executed, as the table is locked.
async fn advances(
    client: &impl GenericClient,
    candidate: &Candidate,
    own: &[Sequence],
    live: &[Sequence],
) -> Result<Vec<String>> {
    let mut statements = Vec::new();
    for sequence in own.iter().filter(|sequence| sequence.is_number) {
        let name = if sequence.is_identity() {
            match live.iter().find(|live| live.is_identity() && live.column == sequence.column) {
                Some(live) => &live.name,
                None => continue,
            }
        } else {
            &sequence.name
        };
        let (extreme, bound, before, limit) = if sequence.descends {
            ("min", "greatest", ">", "seqmin")
        } else {
            ("max", "least", "<", "seqmax")
        };
        let furthest: Option<i64> = client
            .query_one(
                &format!(
                    "select {bound}((select {extreme}({})::numeric from {}), seqlimit)::bigint
                       from (select {limit} as seqlimit from pg_catalog.pg_sequence where seqrelid = $1) as sequence
                      where exists (select 1 from {} where {} is not null)
                      union all select null limit 1",
                    sequence.column, candidate.name, candidate.name, sequence.column
                ),
                &[&sequence.oid],
            )
            .await
            .map_err(|error| failure("looking for the last number of a sequence", &error))?
            .get(0);
        let Some(furthest) = furthest else { continue };
        statements.push(format!(
            "select pg_catalog.setval('{}'::pg_catalog.regclass, {furthest}) from {name} \
              where last_value {before} {furthest} or last_value = {furthest} and not is_called",
            name.to_string().replace('\'', "''"),
        ));
    }
    Ok(statements)
}

/// Writes the statements that name the keys which Postgres makes for partitions
/// that the table refers to, once the candidate has the live one's name.
async fn outgoing_key_names(
    client: &impl GenericClient,
    live: u32,
    candidate: u32,
    (live_name, candidate_name): (&QualifiedName, &QualifiedName),
) -> Result<Vec<String>> {
    let made = catalog::keys_of(client, candidate).await?;
    let mut statements = Vec::new();
    for (name, old) in catalog::keys_of(client, live).await? {
        let Some((_, new)) = made.iter().find(|(made, _)| *made == name) else { continue };
        let before = catalog::derived_keys(client, old).await?;
        let now = catalog::derived_keys(client, *new).await?;
        let now: Vec<_> = now.into_iter().map(|key| key.renamed(candidate_name, live_name)).collect();
        statements.extend(catalog::names_again(&before, &now));
    }
    Ok(statements)
}
