//! Stub.
#![allow(missing_docs, clippy::missing_errors_doc)]
use crate::definition::ResolvedColumn;
use crate::definition::dialect::Dialect;
use crate::error::Result;
use crate::record::parsed::{Text, Written};

pub struct Conversion {
    is_text: bool,
}
pub enum Converted<'a> {
    Null,
    Value(&'a str),
    Refused { sqlstate: &'static str, reason: &'static str },
}
impl Conversion {
    pub fn of(column: &ResolvedColumn, _dialect: &Dialect) -> Result<Self> {
        Ok(Self { is_text: column.is_text })
    }
    pub fn apply<'a>(&self, text: Text<'a>, _out: &'a mut String) -> Converted<'a> {
        if text.written == Written::Absent || text.value.is_empty() && (!self.is_text || text.written == Written::Plain) {
            Converted::Null
        } else {
            Converted::Value(text.value)
        }
    }
}
#[derive(Clone, Copy)]
pub struct Certain(u8);
impl Certain {
    pub fn of(sql_type: &str) -> Self {
        Self(match sql_type {
            "integer" => 1,
            "bigint" => 2,
            "text" => 3,
            _ => 0,
        })
    }
    pub fn takes(self, value: &str) -> bool {
        match self.0 {
            1 => value.parse::<i32>().is_ok(),
            2 => value.parse::<i64>().is_ok(),
            3 => true,
            _ => false,
        }
    }
}
