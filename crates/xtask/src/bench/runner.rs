//! Measures one way to load one data set, once.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;

use super::child::{self, Program, Taken};
use super::dataset::{BUCKET, Dataset};
use super::peers;
use super::rows::{self, Column, Contents, Verdict};
use super::server::{Buckets, DATABASE, Database};
use super::state_machine::StateMachine;
use super::variant::{Lane, Way};
use crate::aws_s3_stand_in;
use crate::postgres::{quote_identifier, quote_literal};
use crate::system_package;
use crate::workspace::Workspace;

/// Where everybody but ours loads into.
const TARGET: &str = "bench.t";

/// From how many bytes on ours sends texts in binary (`pays_from` in loader-core), and two for
/// what is between them.
const LONG_TEXT: f64 = 16.0;

/// What one measurement found.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measured {
    /// From the start of the program to its end, in seconds.
    pub(crate) wall: f64,
    /// Processor time of the program, in seconds.
    pub(crate) client: Option<f64>,
    /// Processor time of the server, in seconds.
    pub(crate) server: Option<f64>,
    /// The program's most memory, in KiB.
    pub(crate) peak_kib: Option<u64>,
    /// The rows, compared with what the limit has loaded.
    pub(crate) verdict: Verdict,
}

/// All that a measurement needs.
pub(crate) struct Runner<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) database: Database,
    pub(crate) buckets: Buckets,
    /// Our program.
    pub(crate) loader: PathBuf,
    /// A folder for what the programs write.
    pub(crate) folder: PathBuf,
    /// How many sessions ours imports with.
    pub(crate) sessions: u32,
    /// When a program is given up.
    pub(crate) limit: Duration,
    /// The stack that runs the state machine.
    pub(crate) state_machine: Option<StateMachine>,
}

/// A way that is ready to be measured.
struct Ready {
    program: Program,
    /// Where the rows will be.
    table: String,
}

impl Runner<'_> {
    /// Loads a data set as ours does by itself, and returns the columns of the table.
    pub(crate) async fn columns(&self, dataset: &Dataset) -> anyhow::Result<Vec<Column>> {
        drop(self.database.renew().await?);
        let load = self.loader("run", dataset, None, Way::OursWhole);
        child::measure(self.workspace, &self.folder, &load, self.limit)
            .await
            .context("ours does not load it")?;
        let client = crate::postgres::connect(&self.database.url()).await?;
        let names = client
            .query(
                "select attname::text, format_type(atttypid, atttypmod) from pg_attribute
                 where attrelid = $1::text::regclass and attnum > 0 and not attisdropped order by attnum",
                &[&format!("public.{}", dataset.name)],
            )
            .await?;
        anyhow::ensure!(names.len() == dataset.header.len(), "the table has other columns than the files");
        names
            .iter()
            .zip(&dataset.header)
            .map(|(row, header)| {
                Ok(Column { header: header.clone(), name: row.try_get(0)?, sql_type: row.try_get(1)? })
            })
            .collect()
    }

    /// Measures a way. What the limit finds is what all others are compared with.
    pub(crate) async fn measure(
        &self,
        dataset: &Dataset,
        columns: &[Column],
        lane: Lane,
        way: Way,
        expected: &mut Option<Contents>,
    ) -> anyhow::Result<Measured> {
        if way == Way::StateMachine {
            let machine = self.state_machine.as_ref().context("there is no stack")?;
            return machine.measure(dataset, columns, expected.as_ref()).await;
        }
        let ready = self.prepare(dataset, columns, lane, way).await?;
        let environment = self.environment(dataset, columns, way);
        let program = ready.program.with(&environment);
        self.database.settle().await?;
        let before = self.database.processor().await?;
        let taken = child::measure(self.workspace, &self.folder, &program, self.limit).await?;
        let after = self.database.processor().await?;
        let server = after.zip(before).map(|(after, before)| after.since(before).as_secs_f64());
        let client = crate::postgres::connect(&self.database.url()).await?;
        if way == Way::Limit && expected.is_none() {
            *expected = Some(rows::contents(&client, &ready.table, columns).await?);
        }
        let expected = expected.as_ref().context("the limit was not measured")?;
        let verdict = rows::compare(&client, &ready.table, columns, expected).await?;
        let Taken { wall, processor, peak_kib, .. } = taken;
        Ok(Measured {
            wall: wall.as_secs_f64(),
            client: Some(processor.as_secs_f64()),
            server,
            peak_kib: Some(peak_kib),
            verdict,
        })
    }

    /// Does what is not measured: an empty database, the table, the plan, the installation.
    async fn prepare(
        &self,
        dataset: &Dataset,
        columns: &[Column],
        lane: Lane,
        way: Way,
    ) -> anyhow::Result<Ready> {
        // First, as it may fail, or take minutes.
        let other = match way {
            Way::Python => Some(peers::python_way(self.workspace).await?),
            Way::Peer(peer) => Some(peer.program(self.workspace).await?),
            _ => None,
        };
        let client = self.database.renew().await?;
        client.batch_execute("create schema bench").await?;
        if let Some(program) = other {
            // Others make their tables as they like; these are given one.
            if matches!(way, Way::Python) || matches!(way, Way::Peer(peer) if peer.needs_table) {
                create_table(&client, columns).await?;
            }
            return Ok(Ready { program, table: TARGET.to_owned() });
        }
        // The types that are inferred are not told.
        let told = (lane != Lane::Typed).then_some(columns);
        match way {
            Way::Least => {
                create_table(&client, columns).await?;
                let (path, options) = (self.database.own_file().await?, copy_options(columns));
                let one = quote_literal(&dataset.one.display().to_string());
                client.batch_execute(&format!("copy {TARGET} from {one} with ({options})")).await?;
                let format = lane.format(mean_bytes(&client, columns.len()).await? > LONG_TEXT);
                let own = format!("{} with (format {format})", quote_literal(&path));
                client.batch_execute(&format!("copy {TARGET} to {own}; drop table {TARGET}")).await?;
                create_table(&client, columns).await?;
                self.statements(&format!("copy {TARGET} from {own}\n"))
            }
            Way::Ours { .. } => self.prepare_ours(dataset, told, way).await,
            // Nothing is inferred from what only the database decodes.
            Way::OursAsCsv => self.prepare_ours(dataset, Some(columns), way).await,
            Way::AwsS3 => {
                // The server starts it.
                system_package::ensure_program("curl", "curl").await?;
                aws_s3_stand_in::install(&self.database.url(), &self.buckets.endpoint).await?;
                self.prepare_ours(dataset, told, way).await
            }
            Way::OursWhole => Ok(Ready {
                program: self.loader("run", dataset, told, way),
                table: format!("public.{}", dataset.name),
            }),
            _ => {
                create_table(&client, columns).await?;
                let options = copy_options(columns);
                let files =
                    if way.is_one_file() { std::slice::from_ref(&dataset.one) } else { &dataset.files };
                let psql = matches!(way, Way::Psql { .. });
                let statements: Vec<String> = files
                    .iter()
                    .map(|file| {
                        let file = quote_literal(&file.display().to_string());
                        let backslash = if psql { "\\" } else { "" };
                        format!("{backslash}copy {TARGET} from {file} with ({options})\n")
                    })
                    .collect();
                if !psql {
                    return self.statements(&statements.concat());
                }
                let (file, url) = (self.write(&statements.concat())?, self.database.url());
                let psql = self.database.program("psql").context("psql is missing")?;
                let program =
                    Program::new(psql, &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", &file, "-d", &url]);
                Ok(Ready { program, table: TARGET.to_owned() })
            }
        }
    }

    /// Writes statements into a file, and returns its path.
    fn write(&self, statements: &str) -> anyhow::Result<String> {
        let file = self.folder.join("statements.sql");
        fs::write(&file, statements)?;
        Ok(file.display().to_string())
    }

    /// Makes a program that runs statements, one a line, and has nothing else to do.
    fn statements(&self, statements: &str) -> anyhow::Result<Ready> {
        let (file, url) = (self.write(statements)?, self.database.url());
        let program = Program::new(&self.loader, &["sql", "--database", &url, "--file", &file]);
        Ok(Ready { program, table: TARGET.to_owned() })
    }

    async fn prepare_ours(
        &self,
        dataset: &Dataset,
        columns: Option<&[Column]>,
        way: Way,
    ) -> anyhow::Result<Ready> {
        let prepare = self.loader("prepare", dataset, columns, way);
        let taken = child::measure(self.workspace, &self.folder, &prepare, self.limit).await?;
        let answer: Value = serde_json::from_str(taken.printed.lines().last().unwrap_or_default())?;
        let staging = answer.get("staging").and_then(Value::as_str).context("there is no staging table")?;
        Ok(Ready {
            program: self.loader("import", dataset, columns, way),
            table: format!("dataimport.{}", quote_identifier(staging)),
        })
    }

    /// A step of ours, which is told the columns or infers them.
    fn loader(&self, step: &str, dataset: &Dataset, columns: Option<&[Column]>, way: Way) -> Program {
        let input =
            json!({"table": dataset.name, "definition": definition(dataset, columns, way)}).to_string();
        let (url, plan) = (self.database.url(), self.folder.join("plan.json").display().to_string());
        let sessions = self.sessions.to_string();
        let mut arguments = vec![step, "--database", &url, "--bucket", BUCKET, "--input", &input];
        arguments.extend(["--run", "bench", "--plan", &plan, "--sessions", &sessions]);
        Program::new(&self.loader, &arguments).with(&self.buckets.environment())
    }

    /// What every program is told.
    fn environment(&self, dataset: &Dataset, columns: &[Column], way: Way) -> Vec<(String, String)> {
        let columns_json: Vec<Value> =
            columns.iter().map(|column| json!([column.header, column.name, column.sql_type])).collect();
        let mut environment = self.buckets.environment();
        environment.extend(
            [
                ("BENCH_BUCKET", BUCKET.to_owned()),
                ("BENCH_PREFIX", dataset.prefix(way.is_one_file())),
                ("BENCH_DATABASE_URL", self.database.url()),
                ("BENCH_PORT", self.database.port().to_string()),
                ("BENCH_DATABASE", DATABASE.to_owned()),
                ("BENCH_COLUMNS", Value::from(columns_json).to_string()),
                ("BENCH_COPY_OPTIONS", copy_options(columns)),
                ("BENCH_ONE", dataset.one.display().to_string()),
                // They keep their settings and caches there.
                ("HOME", self.folder.display().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value)),
        );
        environment
    }
}

/// Writes the definition of a way of ours.
fn definition(dataset: &Dataset, columns: Option<&[Column]>, way: Way) -> Map<String, Value> {
    let engine = if way == Way::AwsS3 { "aws_s3" } else { "stream" };
    let mut definition = Map::new();
    definition.insert("prefix".to_owned(), dataset.prefix(way.is_one_file()).into());
    definition.insert("engine".to_owned(), engine.into());
    if way == Way::OursAsCsv {
        // CSV in an encoding that the database decodes goes on as it is. The files are ASCII,
        // which this one's first half is.
        definition.insert("dialect".to_owned(), json!({"encoding": "EUC_JP"}));
    }
    if let Some(columns) = columns {
        let column = |of: &Column| json!({"name": of.name, "type": of.sql_type, "header": of.header});
        definition.insert("columns".to_owned(), columns.iter().map(column).collect());
    }
    definition
}

/// Returns how many bytes the values of the table have in the mean, as the text of a row has
/// them: with what is between them.
async fn mean_bytes(client: &Client, columns: usize) -> anyhow::Result<f64> {
    let bytes = format!(
        "select coalesce(avg(octet_length(t::text)), 0)::float8 / {columns}
         from (select * from {TARGET} limit 10000) as t"
    );
    Ok(client.query_one(&bytes, &[]).await?.try_get(0)?)
}

async fn create_table(client: &Client, columns: &[Column]) -> anyhow::Result<()> {
    let columns: Vec<String> = columns
        .iter()
        .map(|column| format!("{} {}", quote_identifier(&column.name), column.sql_type))
        .collect();
    Ok(client.batch_execute(&format!("create table {TARGET} ({})", columns.join(", "))).await?)
}

/// The options of a COPY that reads the files as ours does.
fn copy_options(columns: &[Column]) -> String {
    let forced: Vec<String> = columns
        .iter()
        .filter(|column| !column.is_text())
        .map(|column| quote_identifier(&column.name))
        .collect();
    if forced.is_empty() {
        return "format csv, header".to_owned();
    }
    format!("format csv, header, force_null ({})", forced.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_fields_are_null_where_no_text_is() {
        let column = |name: &str, sql_type: &str| Column {
            header: name.to_owned(),
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
        };
        let texts = [column("a", "text")];
        assert_eq!(copy_options(&texts), "format csv, header");
        let both = [column("a", "text"), column("b", "date")];
        assert_eq!(copy_options(&both), "format csv, header, force_null (\"b\")");
    }
}
