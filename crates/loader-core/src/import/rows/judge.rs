//! Judges the rows of a chunk that COPY has refused: those that are sure go by COPY,
//! the others one by one, and Postgres has the last word on each.

use tokio_postgres::Transaction;

use super::chunk::{Chunk, RowAt};
use super::sending::{Sending, statement};
use super::text_format::{array, values};
use crate::database::failure::{Refusal, failure, reason_of, refusal};
use crate::error::{Error, ErrorName, Result};
use crate::identifier::{Identifier, QualifiedName};
use crate::record::mapping::{From, MappedColumn, Mapping};
use crate::values::Certain;
use crate::values::expression::insert_from;

/// How often COPY is tried again after the row that it has refused. Each try costs
/// what is left of the chunk; then the rest is judged in blocks.
const TRIES: usize = 8;

/// Records that are judged in one call: each block of them is copied out of all.
const RECORDS_A_CALL: usize = 1_024;

const DOING: &str = "judging rows";

/// A row that was refused.
pub(super) struct Refused {
    pub(super) at: RowAt,
    pub(super) refusal: Refusal,
}

/// What became of the rows that were judged.
#[derive(Default)]
pub(super) struct Verdict {
    pub(super) refused: Vec<Refused>,
    /// Whether it ended early, as too many were refused.
    pub(super) ended_early: bool,
}

/// What rows are judged by.
pub(super) struct Judge<'a> {
    transaction: &'a Transaction<'a>,
    relation: String,
    /// The statement of a COPY of these rows; none if they have to go through
    /// expressions.
    copy: Option<String>,
    /// The statement that inserts an array of records.
    insert: String,
    columns: Vec<Column>,
    /// The column of each text of a row, where one takes it as it is.
    of_cells: Vec<Option<usize>>,
}

/// A column that rows fill.
struct Column {
    name: Identifier,
    /// The place of its text in a row, and what it is sure to take; none if an expression
    /// fills it.
    cell: Option<(usize, Certain)>,
    /// The query that makes its value of a record.
    probe: String,
    /// Whether its type says how long a value may be, and a cast would cut it.
    is_bounded: bool,
}

impl<'a> Judge<'a> {
    pub(super) async fn new(
        transaction: &'a Transaction<'a>,
        staging: &QualifiedName,
        relation: &Identifier,
        mapping: &Mapping,
        marks: &[(Identifier, &str)],
    ) -> Result<Self> {
        let mut names: Vec<Identifier> = mapping.columns.iter().map(|column| column.name.clone()).collect();
        let rows = transaction
            .query(TYPES, &[&staging.to_string(), &names.iter().map(Identifier::as_str).collect::<Vec<_>>()])
            .await
            .map_err(|error| failure(DOING, &error))?;
        if rows.len() != names.len() {
            return Err(Error::new(ErrorName::Internal, "the staging table lacks a column of the objects"));
        }
        let one = record_of("select $1::text[] as cells", mapping, &[]);
        let columns: Vec<Column> = mapping
            .columns
            .iter()
            .zip(&rows)
            .map(|(column, row)| Column {
                name: column.name.clone(),
                cell: mapping
                    .carried()
                    .position(|carried| column.from != From::Sql && carried.name == column.name)
                    .map(|at| (at, column.certain.clone())),
                probe: probe(column, row.get(0), &one),
                is_bounded: row.get(1),
            })
            .collect();
        names.extend(marks.iter().map(|(name, _)| name.clone()));
        let many =
            record_of("select line::text[] as cells from unnest($1::text[]) as lines (line)", mapping, marks);
        Ok(Self {
            transaction,
            relation: relation.as_str().to_owned(),
            copy: (!mapping.has_expressions()).then(|| statement(staging, &names)),
            insert: insert_from(staging, mapping, &many, marks),
            of_cells: (0..mapping.carried().count())
                .map(|cell| {
                    columns.iter().position(|column| matches!(&column.cell, Some((at, _)) if *at == cell))
                })
                .collect(),
            columns,
        })
    }

    /// Judges rows of a chunk, none of which is in the table, and puts those in
    /// that are good. `first` is the row that COPY has refused, if it has been tried.
    ///
    /// It ends early when more than `most` have been refused: then some rows are not
    /// in the table, and the transaction must not be committed.
    pub(super) async fn judge(
        &self,
        chunk: &Chunk,
        rows: &[RowAt],
        first: Option<Refused>,
        most: u64,
    ) -> Result<Verdict> {
        let mut verdict = Verdict::default();
        let known = first.as_ref().map(|first| first.at);
        let mut sure = Vec::new();
        let mut suspects = Vec::new();
        let useless = self.useless(chunk);
        verdict.refused.extend(first);
        for at in rows.iter().copied() {
            if known == Some(at) {
                continue;
            }
            if self.is_sure(&chunk.text(at), &useless) {
                sure.push(at);
            } else {
                suspects.push(at);
            }
        }
        suspects.splice(0..0, self.send(chunk, &sure, &mut verdict).await?);
        for suspects in suspects.chunks(RECORDS_A_CALL) {
            let refused = verdict.refused.len() as u64;
            if refused > most {
                verdict.ended_early = true;
                break;
            }
            self.judge_each(chunk, suspects, most - refused, &mut verdict).await?;
        }
        Ok(verdict)
    }

    /// Sends sure rows at once. Where COPY says which one it refuses all the same, that
    /// one is left out, and the rows after it are sent again; returns those that are to
    /// be judged one by one.
    async fn send(&self, chunk: &Chunk, sure: &[RowAt], verdict: &mut Verdict) -> Result<Vec<RowAt>> {
        let mut rest = sure;
        for _ in 0..TRIES {
            let Some(refusal) = self.try_all(chunk, rest).await? else { return Ok(Vec::new()) };
            let Some((good, bad, after)) = refusal.line.and_then(|line| divide(rest, line)) else { break };
            if let Some(refusal) = self.try_all(chunk, good).await? {
                return Err(Error::new(
                    ErrorName::Internal,
                    format!("the database refused rows that it had taken before: {}", refusal.reason),
                ));
            }
            verdict.refused.push(Refused { at: bad, refusal });
            rest = after;
        }
        Ok(rest.to_vec())
    }

    /// Puts rows into the table; returns what the database says if it refuses one, and
    /// then none of them is there.
    async fn try_all(&self, chunk: &Chunk, rows: &[RowAt]) -> Result<Option<Refusal>> {
        if rows.is_empty() {
            return Ok(None);
        }
        self.execute("savepoint judged").await?;
        let sent = match &self.copy {
            Some(copy) => self.copy(copy, chunk, rows).await,
            None => self.transaction.execute(&self.insert, &[&records(chunk, rows)]).await,
        };
        match sent {
            Ok(taken) if taken == rows.len() as u64 => {
                self.execute("release savepoint judged").await?;
                Ok(None)
            }
            Ok(taken) => Err(Error::new(
                ErrorName::Internal,
                format!("the database took {taken} rows of the {} that were sent", rows.len()),
            )),
            Err(error) => {
                let Some(refusal) = refusal(&self.relation, &error) else {
                    return Err(failure("loading rows", &error));
                };
                self.execute("rollback to savepoint judged").await?;
                Ok(Some(refusal))
            }
        }
    }

    async fn copy(
        &self,
        statement: &str,
        chunk: &Chunk,
        rows: &[RowAt],
    ) -> std::result::Result<u64, tokio_postgres::Error> {
        let mut sending = Sending::begin(self.transaction, statement).await?;
        for run in chunk.runs(rows) {
            sending.feed(run).await?;
        }
        sending.finish().await
    }

    async fn judge_each(
        &self,
        chunk: &Chunk,
        suspects: &[RowAt],
        most: u64,
        verdict: &mut Verdict,
    ) -> Result<()> {
        let records = records(chunk, suspects);
        let rows = self
            .transaction
            .query(
                "select at, state, message, refused_column, refused_constraint from loader.judge_rows($1, $2, $3)",
                &[&self.insert, &records, &i64::try_from(most).unwrap_or(i64::MAX)],
            )
            .await
            .map_err(|error| failure(DOING, &error))?;
        let mut without_column = Vec::new();
        for judged in &rows {
            let number = usize::try_from(judged.get::<_, i32>(0)).ok().and_then(|at| at.checked_sub(1));
            let Some((number, at)) = number.and_then(|number| Some((number, *suspects.get(number)?))) else {
                return Err(Error::new(ErrorName::Internal, "a row was judged that was not sent"));
            };
            let named = |at: usize| judged.get::<_, Option<String>>(at).filter(|name| !name.is_empty());
            let (state, message): (String, String) = (judged.get(1), judged.get(2));
            let refusal = Refusal {
                line: None,
                column: named(3),
                constraint: named(4),
                reason: reason_of(&state, &message),
                sqlstate: state,
            };
            // A constraint of the table is no column's; that of a domain is.
            if refusal.column.is_none() && is_of_value(&refusal) {
                without_column.push((verdict.refused.len(), number));
            }
            verdict.refused.push(Refused { at, refusal });
        }
        verdict.ended_early |= rows.len() as u64 > most;
        self.find_columns(chunk, suspects, &records, &without_column, verdict).await
    }

    /// Finds out which column's value spoiled a row: the only one that is not sure, or
    /// the first of those that does not become a value of its type.
    async fn find_columns(
        &self,
        chunk: &Chunk,
        suspects: &[RowAt],
        records: &[String],
        wanted: &[(usize, usize)],
        verdict: &mut Verdict,
    ) -> Result<()> {
        let mut asked = Vec::new();
        for (refused, number) in wanted {
            let Some(at) = suspects.get(*number) else { continue };
            let doubtful = self.doubtful(&chunk.text(*at));
            match doubtful.as_slice() {
                [] => {}
                [only] => self.blame(verdict, *refused, *only),
                _ => asked.push((*refused, *number, doubtful)),
            }
        }
        if asked.is_empty() {
            return Ok(());
        }
        let probes: Vec<&str> = self.columns.iter().map(|column| column.probe.as_str()).collect();
        let texts: Vec<&str> =
            asked.iter().filter_map(|(_, number, _)| records.get(*number)).map(String::as_str).collect();
        let candidates: Vec<String> = asked
            .iter()
            .map(|(_, _, doubtful)| {
                let numbers: Vec<String> = doubtful.iter().map(|at| (at + 1).to_string()).collect();
                format!("{{{}}}", numbers.join(","))
            })
            .collect();
        let rows = self
            .transaction
            .query(
                "select at, refused from loader.judge_columns($1, $2, $3) order by at",
                &[&probes, &texts, &candidates],
            )
            .await
            .map_err(|error| failure(DOING, &error))?;
        for ((refused, _, doubtful), row) in asked.iter().zip(&rows) {
            let found = row
                .get::<_, Option<i32>>(1)
                .and_then(|number| usize::try_from(number).ok()?.checked_sub(1))
                // A cast to a length cuts what the column refuses.
                .or_else(|| {
                    let mut bounded = doubtful
                        .iter()
                        .copied()
                        .filter(|at| self.columns.get(*at).is_some_and(|column| column.is_bounded));
                    bounded.next().filter(|_| bounded.next().is_none())
                });
            if let Some(at) = found {
                self.blame(verdict, *refused, at);
            }
        }
        Ok(())
    }

    fn blame(&self, verdict: &mut Verdict, refused: usize, column: usize) {
        if let (Some(refused), Some(column)) = (verdict.refused.get_mut(refused), self.columns.get(column)) {
            refused.refusal.column = Some(column.name.as_str().to_owned());
        }
    }

    /// Returns the columns whose values are not surely taken.
    fn doubtful(&self, text: &[u8]) -> Vec<usize> {
        let cells: Vec<_> = values(row(text)).collect();
        let is_sure = |column: &Column| {
            column.cell.as_ref().is_some_and(|(at, certain)| {
                cells.get(*at).is_some_and(|value| certain.takes(value.as_deref()))
            })
        };
        (0..).zip(&self.columns).filter(|(_, column)| !is_sure(column)).map(|(at, _)| at).collect()
    }

    /// Finds the columns of which nothing is sure: they would make a suspect of every
    /// row, as those of a type that only Postgres knows do.
    fn useless(&self, chunk: &Chunk) -> Vec<usize> {
        /// Rows that are looked at.
        const LOOKED_AT: usize = 256;
        let step = usize::try_from(chunk.rows()).unwrap_or(usize::MAX).div_ceil(LOOKED_AT).max(1);
        let mut doubts = vec![0_usize; self.columns.len()];
        let mut looked_at = 0;
        for at in chunk.all().step_by(step) {
            looked_at += 1;
            for column in self.doubtful(&chunk.text(at)) {
                if let Some(doubts) = doubts.get_mut(column) {
                    *doubts += 1;
                }
            }
        }
        // One in two: rather too many tries than too many single rows. Where really so
        // many rows are bad, the few tries are soon over.
        (0..).zip(doubts).filter(|(_, doubts)| doubts * 2 > looked_at).map(|(at, _)| at).collect()
    }

    /// Whether all values of a row are surely taken, but for those of `useless` columns.
    fn is_sure(&self, text: &[u8], useless: &[usize]) -> bool {
        let is_taken = |(at, value): (usize, Option<std::borrow::Cow<'_, str>>)| {
            self.of_cells.get(at).copied().flatten().is_none_or(|column| {
                useless.contains(&column)
                    || self
                        .columns
                        .get(column)
                        .and_then(|column| column.cell.as_ref())
                        .is_some_and(|(_, certain)| certain.takes(value.as_deref()))
            })
        };
        values(row(text)).enumerate().all(is_taken)
    }

    async fn execute(&self, statement: &str) -> Result<()> {
        self.transaction.batch_execute(statement).await.map_err(|error| failure(DOING, &error))
    }
}

/// Whether a cause is in a single value, not in how the values go together.
fn is_of_value(refusal: &Refusal) -> bool {
    !refusal.sqlstate.starts_with("23") || refusal.sqlstate == "23514" || refusal.sqlstate == "23502"
}

/// Divides rows at the line that a COPY of them has named, from 1.
fn divide(rows: &[RowAt], line: u64) -> Option<(&[RowAt], RowAt, &[RowAt])> {
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let (good, rest) = rows.split_at_checked(at)?;
    let (bad, after) = rest.split_first()?;
    Some((good, *bad, after))
}

/// Returns the row without its newline.
fn row(text: &[u8]) -> &str {
    std::str::from_utf8(text).unwrap_or_default().trim_end_matches('\n')
}

/// Returns rows as the texts of arrays.
fn records(chunk: &Chunk, rows: &[RowAt]) -> Vec<String> {
    rows.iter().map(|at| array(row(&chunk.text(*at)))).collect()
}

/// Writes the row source `record`: each of the texts of `cells`, by its name.
fn record_of(cells: &str, mapping: &Mapping, marks: &[(Identifier, &str)]) -> String {
    let names = mapping.carried().map(|carried| &carried.name).chain(marks.iter().map(|(name, _)| name));
    let cells_by_name: Vec<String> =
        (1..).zip(names).map(|(at, name)| format!("cells[{at}] as {name}")).collect();
    // `offset 0` keeps a record from being taken apart anew for each of its cells.
    format!("(select {} from ({cells} offset 0) as read) as record", cells_by_name.join(", "))
}

fn probe(column: &MappedColumn, full: &str, record: &str) -> String {
    match (&column.from, &column.expression) {
        (From::Sql, Some(expression)) => format!(
            "select (select ({expression}\n)::{full} from (select record.{} as value) as own) from {record}",
            column.name
        ),
        _ => format!("select record.{}::{full} from {record}", column.name),
    }
}

/// Each column's type as it is, and whether it bounds the length of its values.
const TYPES: &str = "
    with recursive base as (
        select wanted.number, a.atttypid, a.atttypmod, a.atttypid as typid, a.atttypmod as typmod
          from unnest($2::text[]) with ordinality as wanted (name, number)
          join pg_catalog.pg_attribute a on a.attrelid = to_regclass($1) and a.attname = wanted.name and not a.attisdropped
         union all
        select base.number, base.atttypid, base.atttypmod, t.typbasetype, t.typtypmod
          from base join pg_catalog.pg_type t on t.oid = base.typid
         where t.typtype = 'd')
    select format_type(base.atttypid, base.atttypmod),
           base.typmod >= 0 and base.typid in ('varchar'::regtype, 'bpchar'::regtype, 'bit'::regtype, 'varbit'::regtype)
      from base join pg_catalog.pg_type t on t.oid = base.typid and t.typtype <> 'd'
     order by base.number";
