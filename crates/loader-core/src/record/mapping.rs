//! Stub.
#![allow(missing_docs, clippy::missing_errors_doc, clippy::unwrap_used, clippy::expect_used)]
use super::header::{HeaderColumn, map_header};
use crate::definition::ResolvedDefinition;
use crate::definition::dialect::Dialect;
use crate::definition::drift::Metadata;
use crate::error::Result;
use crate::identifier::Identifier;
use crate::values::{Certain, Conversion};

pub struct Mapping {
    pub columns: Vec<MappedColumn>,
    pub names: Vec<String>,
    pub width: Option<usize>,
}
pub struct MappedColumn {
    pub name: Identifier,
    pub from: From,
    pub conversion: Conversion,
    pub certain: Certain,
}
pub enum From {
    Field(usize),
    Metadata(Metadata),
    Constant(Option<String>),
    Sql,
}
impl Mapping {
    pub fn of(header: Option<&[String]>, dialect: &Dialect, definition: &ResolvedDefinition, _key: &str) -> Result<Self> {
        let columns: Vec<HeaderColumn<'_>> = definition
            .columns
            .iter()
            .map(|column| HeaderColumn { name: &column.name, header: column.header.as_deref(), required: column.required })
            .collect();
        let names: Vec<Identifier> = match header {
            Some(header) => map_header(header, &columns)?,
            None => definition.columns.iter().map(|column| column.name.clone()).collect(),
        };
        Ok(Self {
            width: Some(names.len()),
            names: names.iter().map(|name| name.as_str().to_owned()).collect(),
            columns: names
                .iter()
                .enumerate()
                .map(|(at, name)| {
                    let column = definition.columns.iter().find(|column| column.name == *name).unwrap();
                    MappedColumn {
                        name: name.clone(),
                        from: From::Field(at),
                        conversion: Conversion::of(column, dialect).unwrap(),
                        certain: Certain::of(&column.sql_type),
                    }
                })
                .collect(),
        })
    }
}
