//! Opens an object: decides on the engine, maps the header to columns, and reads
//! a little ahead.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::last_mapping::{Fields, LastMapping};
use super::rows::RowsObject;
use crate::database::rejects::{Reject, kept_text};
use crate::definition::dialect::copy::CopyDialect;
use crate::definition::dialect::{Dialect, Format};
use crate::definition::drift::MissingColumns;
use crate::definition::rejects::OnReject;
use crate::definition::{ColumnsFrom, EngineChoice, ResolvedDefinition};
use crate::error::{Error, ErrorName, Place, Result};
use crate::identifier::Identifier;
use crate::record::header::{HeaderColumn, cells, map_header};
use crate::record::is_decoded_alike;
use crate::record::locate::locate;
use crate::record::mapping::Mapping;
use crate::record::parsed::Parsed;
use crate::record::parser::{Parser, parse};
use crate::record::unpack::{unpack, unpack_written};
use crate::record::{LineCount, RecordReader, RecordSplitter};
use crate::sniff::{Sniffed, sniff, sniff_inferred};
use crate::source::{ByteStream, ObjectSource, ObjectVersion};

/// Unpacked bytes that are read of each object before its turn. With so much read
/// ahead of `fetch_ahead` objects, memory is bounded, and most small objects are
/// there whole when the database is ready for them.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// How much of an object is looked at to see how long its texts are.
pub(super) const WEIGHED_BYTES: usize = 64 * 1024;

/// How much of an object is fetched to read its header for `aws_s3`.
const HEADER_BYTES: u64 = 64 * 1024;

/// What opening needs to know; shared by the tasks that read ahead.
pub(super) struct Opener {
    pub(super) source: Arc<dyn ObjectSource>,
    pub(super) definition: Arc<ResolvedDefinition>,
    /// The dialect, where COPY can read the objects by itself.
    pub(super) plain: Option<CopyDialect>,
    pub(super) engine: EngineChoice,
    /// Whether the database has `aws_s3`.
    pub(super) extension: bool,
    /// Whether the staging table has the columns that say where a row comes from.
    pub(super) marked: bool,
    pub(super) last_mapping: LastMapping,
}

/// An object whose turn can come.
pub(super) enum Opened {
    /// The database fetches it.
    AwsS3(InDatabase),
    /// It goes through here as it is.
    Stream(Box<Streamed>),
    /// It goes through here row by row.
    Rows(Box<RowsObject>),
}

/// An object that the database can fetch itself.
pub(super) struct InDatabase {
    pub(super) dialect: CopyDialect,
    pub(super) columns: Vec<Identifier>,
    pub(super) reason: String,
}

/// An object that is being read.
pub(super) struct Streamed {
    pub(super) columns: Vec<Identifier>,
    pub(super) reason: String,
    pub(super) splitter: RecordSplitter,
    ahead: VecDeque<Bytes>,
    rest: ByteStream,
}

impl Streamed {
    /// Returns the next bytes after the header.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes>> {
        match self.ahead.pop_front() {
            Some(chunk) => Some(Ok(chunk)),
            None => self.rest.next().await,
        }
    }
}

impl Opener {
    /// Opens the object with the engine that is set, or that fits it.
    ///
    /// # Errors
    /// those of the source, `HeaderMismatch`, `UnsupportedFormat`; all
    /// name the object.
    pub(super) async fn open(&self, object: &ObjectVersion) -> Result<Opened> {
        let opened = match (self.engine, self.extension) {
            (EngineChoice::Stream, _) => self.through_here(object, "the definition asks for it").await,
            (EngineChoice::Auto, false) => {
                self.through_here(object, "the extension aws_s3 is not installed").await
            }
            (EngineChoice::AwsS3, false) => Err(extension_missing()),
            (EngineChoice::AwsS3, true) => self.forced(object).await,
            (EngineChoice::Auto, true) => self.choose(object).await,
        };
        opened.map_err(|error| named(error, &object.key))
    }

    async fn choose(&self, object: &ObjectVersion) -> Result<Opened> {
        match self.in_database(object).await? {
            (columns, None) => Ok(Opened::AwsS3(InDatabase {
                dialect: self.plain()?.clone(),
                columns,
                reason: "the extension is installed and can read the object".to_owned(),
            })),
            (_, Some(obstacle)) => self.through_here(object, obstacle).await,
        }
    }

    async fn forced(&self, object: &ObjectVersion) -> Result<Opened> {
        match self.in_database(object).await? {
            (columns, None) => Ok(Opened::AwsS3(InDatabase {
                dialect: self.plain()?.clone(),
                columns,
                reason: "the definition asks for it".to_owned(),
            })),
            (_, Some(obstacle)) => Err(Error::new(
                ErrorName::UnsupportedFormat,
                format!("aws_s3 can't load the object: {obstacle}; set the engine to auto or stream"),
            )),
        }
    }

    /// Reads the header alone, and says what keeps `aws_s3` from the object.
    async fn in_database(&self, object: &ObjectVersion) -> Result<(Vec<Identifier>, Option<&'static str>)> {
        let Some(dialect) = &self.plain else {
            return Ok((Vec::new(), Some("COPY alone can't load it as the definition says")));
        };
        if self.marked {
            return Ok((Vec::new(), Some("rows that repeat a key are to be found again")));
        }
        let open = self.source.open(object, Some(HEADER_BYTES)).await?;
        let declared = open.head.content_encoding.as_deref().map(str::to_ascii_lowercase);
        let unpacked = unpack(open.body).await?;
        let obstacle = match (unpacked.gzip, declared.as_deref()) {
            (true, Some("gzip")) | (false, None | Some("identity" | "utf-8" | "aws-chunked")) => None,
            (true, _) => Some("it is gzip without Content-Encoding: gzip"),
            (false, _) => Some("its Content-Encoding is not what its bytes are"),
        };
        if !dialect.header {
            let marked = unpacked.bom.then_some("its byte order mark would become part of the first value");
            return Ok((self.all_columns(), obstacle.or(marked)));
        }
        let mut reader = RecordReader::new(unpacked.body, dialect);
        let header = reader.header().await;
        let cut = object.size > HEADER_BYTES;
        match header {
            // What looks like the end of the header may be the end of what was fetched.
            Ok(Some(record)) if !(cut && record.bytes.len() as u64 * 2 >= HEADER_BYTES) => {
                Ok((self.map(&record.bytes)?, obstacle))
            }
            Err(error) if !cut => Err(error),
            Ok(None) if !cut => Ok((self.all_columns(), obstacle)),
            _ => Ok((Vec::new(), Some("its header is too long to be read ahead"))),
        }
    }

    /// Opens an object that goes through here.
    pub(super) async fn through_here(&self, object: &ObjectVersion, reason: &str) -> Result<Opened> {
        if self.is_verbatim() {
            self.stream(object, reason).await.map(Box::new).map(Opened::Stream)
        } else {
            self.rows(object, reason).await.map(Box::new).map(Opened::Rows)
        }
    }

    /// Whether what goes through here goes as it is: the texts are the database's to
    /// decode. It has less work with rows in any format than with CSV.
    pub(super) fn is_verbatim(&self) -> bool {
        !self.keeps_rejects()
            && self.plain.as_ref().is_some_and(|dialect| !is_decoded_alike(&dialect.encoding))
    }

    /// Whether rows that can't be loaded are kept, and the others loaded.
    pub(super) fn keeps_rejects(&self) -> bool {
        self.definition.rejects.on_reject == OnReject::Keep
    }

    pub(super) async fn rows(&self, object: &ObjectVersion, reason: &str) -> Result<RowsObject> {
        let open = self.source.open(object, None).await?;
        let (ahead, rest) =
            read_ahead(unpack_written(open.body, &self.definition.dialect).await?.body).await?;
        let (Sniffed { dialect, found, doubts }, reason) = self.dialect_of(object, &ahead, reason)?;
        let beginning = ahead.clone();
        let body = stream::iter(ahead.into_iter().map(Ok)).chain(rest);
        let mut parser = Parser::new(Box::pin(body), &dialect)?;
        let header = parser.header().await?;
        let first_records = || parse(&joined(&beginning, WEIGHED_BYTES), &dialect).1;
        let (mapping, first) =
            self.mapping(object, &dialect, header.as_deref(), &mut parser, first_records).await?;
        Ok(RowsObject { mapping, header, dialect, found, doubts, reason, parser, first, begun: None })
    }

    /// Maps an object of which the header has been read. Its first record is read where
    /// the mapping has to know it, and some of the `first_records` where it is to be seen how
    /// long the texts are.
    pub(super) async fn mapping(
        &self,
        object: &ObjectVersion,
        dialect: &Dialect,
        header: Option<&[String]>,
        parser: &mut Parser,
        first_records: impl FnOnce() -> Vec<Parsed>,
    ) -> Result<(Arc<Mapping>, Option<Parsed>)> {
        let has_names = header.is_some() || dialect.names.is_some() || dialect.format == Format::Fixed;
        // How many columns an object without names has is seen in its first record.
        let mut first = None;
        if !has_names && self.definition.missing_columns != MissingColumns::Fail {
            let mut record = Parsed::default();
            first = parser.next(&mut record).await?.then_some(record);
        }
        let width = first.as_ref().filter(|first| first.fault().is_none()).map(Parsed::width);
        let fields = Fields { header, width, dialect };
        let mapping = self.last_mapping.of(&fields, &self.definition, &object.key, first_records)?;
        if !has_names {
            parser.set_width(mapping.width);
        }
        Ok((mapping, first))
    }

    /// Returns the dialect of an object, and why it is read so: what was found out, and
    /// where it may be otherwise.
    fn dialect_of(
        &self,
        object: &ObjectVersion,
        ahead: &VecDeque<Bytes>,
        reason: &str,
    ) -> Result<(Sniffed, String)> {
        let written = &self.definition.dialect;
        if !written.is_sniffed() {
            let dialect = written.complete()?;
            return Ok((Sniffed { dialect, found: Vec::new(), doubts: Vec::new() }, reason.to_owned()));
        }
        let sample: Vec<u8> = ahead.iter().flatten().copied().collect();
        let columns: Vec<&str> = self
            .definition
            .columns
            .iter()
            .map(|column| column.header.as_deref().unwrap_or(column.name.as_str()))
            .collect();
        let find = match self.definition.columns_from {
            ColumnsFrom::Inferred => sniff_inferred,
            ColumnsFrom::Definition | ColumnsFrom::Live => sniff,
        };
        let sniffed = find(&sample, sample.len() < READ_AHEAD_BYTES, written, &columns)?;
        let Sniffed { found, doubts, .. } = &sniffed;
        let mut reason = format!("{reason}; found: {}", found.join(", "));
        if !doubts.is_empty() {
            tracing::warn!(
                object.key = object.key,
                doubts = doubts.join("; "),
                "another reading of the object is plausible"
            );
            reason = format!("{reason}; in doubt: {}", doubts.join("; "));
        }
        Ok((sniffed, reason))
    }

    /// Finds the row that an object failed on. The object is read again up to there; if
    /// that fails, the place is known without the text.
    pub(super) async fn rejected_row(
        &self,
        object: &ObjectVersion,
        error: &Error,
        count: LineCount,
    ) -> Option<Reject> {
        let place = error.place.as_ref()?;
        let line = place.line?;
        let found = async {
            let open = self.source.open(object, None).await?;
            locate(unpack(open.body).await?.body, self.plain()?, line, count).await
        };
        let located = found.await.unwrap_or_else(|error| {
            tracing::warn!(object.key = object.key, %error, "the text of the rejected row could not be read");
            None
        });
        let text =
            located.as_ref().filter(|_| self.definition.rejects.keep_text).map(|located| &located.text);
        Some(Reject {
            line: located.as_ref().map_or(line, |located| located.line),
            record_number: None,
            column: place.column.clone(),
            constraint: None,
            sqlstate: error.sqlstate.clone(),
            reason: error.message.clone(),
            text: text.map(|text| kept_text(text).0),
            cut: text.is_some() && located.is_some_and(|located| located.cut),
        })
    }

    async fn stream(&self, object: &ObjectVersion, reason: &str) -> Result<Streamed> {
        let dialect = self.plain()?;
        let open = self.source.open(object, None).await?;
        let unpacked = unpack(open.body).await?;
        let mut reader = RecordReader::new(unpacked.body, dialect);
        let columns = if dialect.header {
            match reader.header().await? {
                Some(record) => self.map(&record.bytes)?,
                None => self.all_columns(),
            }
        } else {
            self.all_columns()
        };
        let (splitter, rest) = reader.into_rest();
        let (ahead, rest) = read_ahead(rest).await?;
        Ok(Streamed { columns, reason: reason.to_owned(), splitter, ahead, rest })
    }

    fn map(&self, header: &[u8]) -> Result<Vec<Identifier>> {
        let columns: Vec<HeaderColumn<'_>> = self
            .definition
            .columns
            .iter()
            .map(|column| HeaderColumn {
                name: &column.name,
                header: column.header.as_deref(),
                aliases: &column.aliases,
                required: column.required,
            })
            .collect();
        map_header(&cells(header, self.plain()?)?, &columns)
    }

    /// Returns the dialect with which COPY reads the objects by itself.
    pub(super) fn plain(&self) -> Result<&CopyDialect> {
        self.plain
            .as_ref()
            .ok_or_else(|| Error::new(ErrorName::Internal, "COPY can't read the dialect by itself"))
    }

    fn all_columns(&self) -> Vec<Identifier> {
        self.definition.columns.iter().map(|column| column.name.clone()).collect()
    }
}

/// Puts the first bytes together, so many at most.
fn joined(chunks: &VecDeque<Bytes>, most: usize) -> Vec<u8> {
    chunks.iter().flatten().copied().take(most).collect()
}

async fn read_ahead(mut body: ByteStream) -> Result<(VecDeque<Bytes>, ByteStream)> {
    let mut ahead = VecDeque::new();
    let mut bytes = 0;
    while bytes < READ_AHEAD_BYTES {
        let Some(chunk) = body.next().await else { break };
        let chunk = chunk?;
        bytes += chunk.len();
        ahead.push_back(chunk);
    }
    Ok((ahead, body))
}

/// The error when `aws_s3` is asked for and is not there.
#[must_use]
pub fn extension_missing() -> Error {
    Error::new(
        ErrorName::ExtensionMissing,
        "the engine is aws_s3, and the database has no extension of that name; on RDS or Aurora run `create extension aws_s3 cascade`, elsewhere set the engine to stream",
    )
}

/// Makes sure that the error names the object.
pub(super) fn named(mut error: Error, key: &str) -> Error {
    match &mut error.place {
        Some(place) if place.key.is_empty() => key.clone_into(&mut place.key),
        Some(_) => {}
        None => error.place = Some(Box::new(Place { key: key.to_owned(), line: None, column: None })),
    }
    error
}
