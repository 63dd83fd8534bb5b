//! Stub.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::unwrap_used, clippy::expect_used)]
use super::fields::fields;
use super::parsed::{End, Fault, Parsed, Written};
use super::reader::RecordReader;
use crate::definition::dialect::Dialect;
use crate::definition::dialect::copy::CopyDialect;
use crate::error::Result;
use crate::source::ByteStream;

pub struct Parser {
    reader: RecordReader,
    dialect: CopyDialect,
    number: u64,
}

impl Parser {
    pub fn new(body: ByteStream, dialect: &Dialect) -> Result<Self> {
        let dialect = dialect.for_copy().expect("stub");
        Ok(Self { reader: RecordReader::new(body, &dialect), dialect, number: 0 })
    }
    pub async fn header(&mut self) -> Result<Option<Vec<String>>> {
        if !self.dialect.header {
            return Ok(None);
        }
        Ok(self.reader.header().await?.map(|record| super::header::cells(&record.bytes, &self.dialect).unwrap()))
    }
    pub async fn next(&mut self, record: &mut Parsed) -> Result<bool> {
        let Some(read) = self.reader.next().await? else { return Ok(false) };
        self.number += 1;
        *record = Parsed { number: self.number, line: read.line, last_line: read.last_line, ..Parsed::default() };
        record.raw = String::from_utf8_lossy(&read.bytes).into_owned();
        if std::str::from_utf8(&read.bytes).is_err() {
            record.fault = Some(Fault::Encoding);
            return Ok(true);
        }
        if read.bytes.contains(&0) {
            record.fault = Some(Fault::Nul);
            return Ok(true);
        }
        for field in fields(&read.bytes, &self.dialect) {
            record.text.push_str(std::str::from_utf8(&field.value).unwrap());
            record.ends.push(End {
                at: record.text.len(),
                written: if field.quoted { Written::Quoted } else { Written::Plain },
            });
        }
        Ok(true)
    }
}
