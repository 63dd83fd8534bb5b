//! The file of a run's rejected rows, for a person to correct.

use std::collections::HashMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio_postgres::Client;

use super::file::{has_expressions, header, line};
use super::rejected::{self, Reading, Rejected};
use super::rows::read_again;
use super::{find, nothing_of};
use crate::database::control_schema;
use crate::definition::ResolvedDefinition;
use crate::definition::drift::Filled;
use crate::error::Result;
use crate::input::RejectsInput;
use crate::record::mapping::{From, Mapping};
use crate::record::parsed::Written;
use crate::source::WorkStore;
use crate::values::Converted;
use crate::wording;

/// Rows that are read at once.
const PAGE: i64 = 1_000;

/// Rejected rows that are in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exported {
    /// The run whose rows they are.
    pub run_id: String,
    /// The table.
    pub table: String,
    /// The work bucket.
    pub bucket: String,
    /// The file.
    pub key: String,
    /// The rows in it.
    pub rows: u64,
    /// Those of them whose values could not be told apart, or are not at hand: they are
    /// to be filled in, or are not loaded.
    pub rows_without_values: u64,
    /// What to do with it.
    pub next: String,
}

/// Writes the rejected rows of a run that have not been loaded since into a file of the
/// work bucket, with their places and causes. Nothing else is changed.
///
/// # Errors
/// `InvalidInput`, those of the work bucket and of the database.
pub async fn export(client: &mut Client, work: &dyn WorkStore, input: &RejectsInput) -> Result<Exported> {
    control_schema::ensure(client).await?;
    let of_run = find(client, input).await?;
    let definition = of_run.definition.as_ref().ok_or_else(|| nothing_of(input))?;
    let readings = rejected::readings(client, &of_run.run_id).await?;
    let mut sheet = Sheet::new(definition, &readings);
    let key = format!("rejects/{}.csv", input.of_run);
    let mut writer = work.write(&key).await?;
    writer.append(Bytes::from(line(header(&sheet.columns).map(Some)))).await?;
    let (mut rows, mut without) = (0, 0);
    let mut place = (String::new(), i64::MIN);
    loop {
        let page = rejected::after(client, &of_run.run_id, (&place.0, place.1), PAGE).await?;
        let Some(last) = page.last() else { break };
        place = (last.key.clone(), last.line);
        let mut text = String::new();
        for row in &page {
            let (written, has_values) = sheet.row(row);
            text.push_str(&written);
            rows += 1;
            without += u64::from(!has_values);
        }
        writer.append(Bytes::from(text)).await?;
    }
    writer.finish().await?;
    Ok(Exported {
        run_id: of_run.run_id.clone(),
        table: input.table.as_str().to_owned(),
        bucket: work.bucket().to_owned(),
        next: format!(
            "correct s3://{0}/{key} and put it back as s3://{0}/replays/{1}.csv, with _key and _line as they are and without the rows that are to stay out; then start the state machine with {2}",
            work.bucket(),
            input.of_run,
            wording::ordered_json([
                ("table", input.table.as_str().into()),
                ("replay", input.of_run.as_str().into())
            ])
        ),
        key,
        rows,
        rows_without_values: without,
    })
}

/// The rows of a file under way.
struct Sheet<'a> {
    definition: &'a ResolvedDefinition,
    readings: &'a HashMap<String, Reading>,
    mappings: HashMap<String, Option<Mapping>>,
    columns: Vec<String>,
    /// Whether a value of a column and its text are the same.
    is_plain: bool,
}

impl<'a> Sheet<'a> {
    fn new(definition: &'a ResolvedDefinition, readings: &'a HashMap<String, Reading>) -> Self {
        let by_field = definition.columns.iter().filter(|column| column.filled == Filled::Field);
        let mut columns: Vec<String> = by_field.map(|column| column.name.as_str().to_owned()).collect();
        let is_plain = definition.columns.iter().all(|column| column.values.is_plain());
        let mut sheet =
            Self { definition, readings, mappings: HashMap::new(), columns: Vec::new(), is_plain };
        // Fields that only an expression reads are a part of the row all the same.
        if has_expressions(definition) {
            let mut keys: Vec<&String> = readings.keys().collect();
            keys.sort_unstable();
            for key in keys {
                let Some(mapping) = sheet.mapping(key) else { continue };
                for column in &mapping.beside {
                    if !columns.iter().any(|name| name == column.name.as_str()) {
                        columns.push(column.name.as_str().to_owned());
                    }
                }
            }
        }
        sheet.columns = columns;
        sheet
    }

    fn mapping(&mut self, key: &str) -> Option<&Mapping> {
        let (readings, definition) = (self.readings, self.definition);
        self.mappings
            .entry(key.to_owned())
            .or_insert_with(|| {
                let reading = readings.get(key)?;
                Mapping::of(reading.header.as_deref(), &reading.dialect, definition, key).ok()
            })
            .as_ref()
    }

    /// Returns the row's line, and whether it has the row's values.
    fn row(&mut self, rejected: &Rejected) -> (String, bool) {
        let values = self.values(rejected);
        let (row_line, record) = (rejected.line.to_string(), rejected.record.map(|n| n.to_string()));
        let about = [
            Some(rejected.key.as_str()),
            Some(row_line.as_str()),
            record.as_deref(),
            rejected.sqlstate.as_deref(),
            rejected.column.as_deref(),
            Some(rejected.reason.as_str()),
        ];
        let cells = self.columns.iter().map(|column| values.as_ref()?.get(column)?.as_deref());
        let record = rejected.text.clone().or_else(|| Some(self.as_json(rejected.values.as_ref()?)));
        let written = line(about.into_iter().chain(cells).chain([record.as_deref()]));
        (written, values.is_some())
    }

    /// Writes values in the order of the table's columns.
    fn as_json(&self, values: &[(String, Option<String>)]) -> String {
        wording::ordered_json(self.definition.columns.iter().filter_map(|column| {
            let (name, value) = values.iter().find(|(name, _)| name == column.name.as_str())?;
            Some((name.as_str(), value.as_deref().into()))
        }))
    }

    /// Returns the texts of the row by column; none if they can't be told apart.
    fn values(&mut self, rejected: &Rejected) -> Option<HashMap<String, Option<String>>> {
        if let (Some(values), None) = (&rejected.values, &rejected.text) {
            // A date that has been read by its format is not written so any more.
            return self.is_plain.then(|| values.iter().cloned().collect());
        }
        let reading = self.readings.get(&rejected.key)?;
        let mapping = self.mapping(&rejected.key)?;
        let record = read_again(rejected, reading, |record| mapping.check(record)).ok()?;
        let mut scratch = String::new();
        let mut values = HashMap::new();
        for column in mapping.carried() {
            let From::Field(at) = column.from else { continue };
            let text = record.field(at).filter(|text| text.written != Written::Absent);
            // What means NULL here may mean something in the file.
            let text = text.filter(|text| column.conversion.apply(*text, &mut scratch) != Converted::Null);
            values.insert(column.name.as_str().to_owned(), text.map(|text| text.value.to_owned()));
        }
        Some(values)
    }
}
