//! What a replay works through: page by page, so that memory does not grow with the
//! rejects.

use std::collections::HashMap;

use tokio_postgres::Transaction;

use super::file::{Corrected, definition_of_file, dialect};
use super::invalid;
use super::loading::insert;
use super::rejected::{self, Reading, Refusal, Rejected, Tried};
use super::rows::{TableRow, Ways, check_marks, read_again};
use crate::definition::ResolvedDefinition;
use crate::error::Result;
use crate::identifier::QualifiedName;

/// Rows that go together.
const PAGE: i64 = 1_000;

/// A replay under way.
pub(super) struct Work<'a> {
    transaction: &'a Transaction<'a>,
    table: &'a QualifiedName,
    of_run: &'a str,
    replay: &'a str,
    readings: HashMap<String, Reading>,
    loaded: u64,
}

impl<'a> Work<'a> {
    pub(super) async fn new(
        transaction: &'a Transaction<'a>,
        table: &'a QualifiedName,
        of_run: &'a str,
        replay: &'a str,
    ) -> Result<Self> {
        let readings = rejected::readings(transaction, of_run).await?;
        Ok(Self { transaction, table, of_run, replay, readings, loaded: 0 })
    }

    /// Returns how many rows are in the table now.
    pub(super) const fn loaded(&self) -> u64 {
        self.loaded
    }

    /// Loads the rows as the control table has them.
    pub(super) async fn load_as_they_are(&mut self, definition: &ResolvedDefinition) -> Result<()> {
        let mut ways = Ways::new(self.table, definition, self.replay);
        let mut place = (String::new(), i64::MIN);
        loop {
            let page = rejected::after(self.transaction, self.of_run, (&place.0, place.1), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            place = (last.key.clone(), last.line);
            let rows = page.iter().map(|row| (row, self.as_it_is(&mut ways, row))).collect();
            self.load(rows).await?;
        }
    }

    /// Loads the rows of a file.
    pub(super) async fn load_corrected(
        &mut self,
        definition: &ResolvedDefinition,
        file: &Corrected,
        place: &str,
    ) -> Result<()> {
        let (definition, dialect) = (definition_of_file(definition), dialect());
        let mut ways = Ways::new(self.table, &definition, self.replay);
        for part in file.rows.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            let keys: Vec<&str> = part.iter().map(|row| row.key.as_str()).collect();
            let lines: Vec<i64> = part.iter().map(|row| row.line).collect();
            let open = rejected::at(self.transaction, self.of_run, &keys, &lines).await?;
            let done = rejected::replayed(self.transaction, self.of_run, &keys, &lines).await?;
            let mut rows = Vec::with_capacity(part.len());
            for row in part {
                let at = (row.key.clone(), row.line);
                let Some(rejected) = open.get(&at) else {
                    if done.contains(&at) {
                        continue;
                    }
                    return Err(invalid(format!(
                        "{place}, line {}: the run {} has rejected no row on line {} of {}; leave _key and _line as they were exported",
                        row.at, self.of_run, row.line, row.key
                    )));
                };
                let made = if file.is_empty(row) {
                    Err(Refusal::Untried("its row in the file has no values".to_owned()))
                } else {
                    let way = ways.of(&row.key, Some(&file.header), &dialect).map_err(|error| {
                        crate::error::Error { message: format!("{place}: {}", error.message), ..error }
                    })?;
                    check_marks(rejected, file.values(row))
                        .and_then(|()| ways.row(&way, rejected, |at| file.field(row, at)))
                };
                rows.push((rejected, made));
            }
            self.load(rows).await?;
        }
        Ok(())
    }

    fn as_it_is(&self, ways: &mut Ways<'_>, rejected: &Rejected) -> Result<TableRow, Refusal> {
        // A text beside the values is what somebody has written there.
        if let (Some(values), None) = (&rejected.values, &rejected.text) {
            return Ok(ways.by_column(values));
        }
        let untried = |why: &str| Refusal::Untried(why.to_owned());
        let Some(reading) = self.readings.get(&rejected.key) else {
            return Err(untried("how its object was read is not recorded, so give its values in a file"));
        };
        let way = ways
            .of(&rejected.key, reading.header.as_deref(), &reading.dialect)
            .map_err(|error| untried(&error.message))?;
        let record = read_again(rejected, reading, |record| way.check(record))?;
        ways.row(&way, rejected, |at| record.field(at))
    }

    async fn load(&mut self, rows: Vec<(&Rejected, Result<TableRow, Refusal>)>) -> Result<()> {
        let mut tried = Vec::with_capacity(rows.len());
        let mut places = Vec::new();
        let mut sent = Vec::new();
        for (rejected, row) in rows {
            let refused = match row {
                Ok(row) => {
                    places.push(tried.len());
                    sent.push(row);
                    None
                }
                Err(refusal) => Some(refusal),
            };
            tried.push(Tried { key: rejected.key.clone(), line: rejected.line, refused });
        }
        let verdicts = insert(self.transaction, &sent).await?;
        for (at, verdict) in places.into_iter().zip(verdicts) {
            if let Some(row) = tried.get_mut(at) {
                row.refused = verdict;
            }
        }
        self.loaded += tried.iter().filter(|row| row.refused.is_none()).count() as u64;
        rejected::record(self.transaction, self.of_run, self.replay, &tried).await
    }
}
