//! Fields that are values as they stand, as most are.

use crate::record::mapping::{From, MappedColumn, Mapping};
use crate::record::parsed::Parsed;
use crate::values::PlainNulls;
use crate::values::binary::{BinaryForm, write_null};

/// A field that is a value of the row as it stands, or NULL.
pub(super) struct PlainField {
    /// Its place in the record.
    pub(super) at: usize,
    /// When it is NULL.
    pub(super) nulls: PlainNulls,
    form: Option<BinaryForm>,
}

impl PlainField {
    /// Returns the fields that make a row, if none is converted and nothing stands beside them.
    pub(super) fn of(mapping: &Mapping) -> Option<Vec<Self>> {
        let plain = |column: &MappedColumn| match column.from {
            From::Field(at) => Some(Self { at, nulls: column.conversion.plain()?, form: column.binary }),
            From::Metadata(_) | From::Constant(_) | From::Sql => None,
        };
        mapping.carried().map(plain).collect()
    }

    /// Appends the value of a record in binary. Returns false where that is not certain.
    #[inline]
    pub(super) fn write_binary(&self, record: &Parsed, out: &mut Vec<u8>) -> bool {
        match record.field(self.at).filter(|text| !self.nulls.has(text.written, text.value.is_empty())) {
            Some(text) => self.form.is_some_and(|form| form.write(text.value, out)),
            None => write_null(out),
        }
    }
}
