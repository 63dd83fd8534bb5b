//! The mapping of the object before: most objects of a prefix have the same header, and
//! to compile it anew costs a small one more than its rows.

use std::sync::{Arc, Mutex, PoisonError};

use crate::definition::ResolvedDefinition;
use crate::definition::dialect::Dialect;
use crate::definition::drift::Filled;
use crate::error::Result;
use crate::record::mapping::Mapping;
use crate::record::parsed::Parsed;

/// The mapping that was made last, with what it was made of.
#[derive(Debug, Default)]
pub(super) struct LastMapping(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    header: Option<Vec<String>>,
    width: Option<usize>,
    dialect: Dialect,
    mapping: Arc<Mapping>,
}

/// What is known of the fields of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) header: Option<&'a [String]>,
    /// How many its first record has, where there is no header and it matters.
    pub(super) width: Option<usize>,
    pub(super) dialect: &'a Dialect,
}

impl Made {
    fn is_of(&self, fields: &Fields<'_>) -> bool {
        self.header.as_deref() == fields.header
            && self.width == fields.width
            && self.dialect == *fields.dialect
    }
}

impl LastMapping {
    /// Returns the mapping of an object. Its first records say how long its texts are, where
    /// that matters: for all objects that have the same fields.
    ///
    /// # Errors
    /// Those of [`Mapping::of`].
    pub(super) fn of(
        &self,
        fields: &Fields<'_>,
        definition: &ResolvedDefinition,
        key: &str,
        records: impl FnOnce() -> Vec<Parsed>,
    ) -> Result<Arc<Mapping>> {
        let make = || {
            let mut mapping = match fields.width {
                Some(width) => Mapping::of_width(width, fields.dialect, definition, key)?,
                None => Mapping::of(fields.header, fields.dialect, definition, key)?,
            };
            if mapping.is_to_be_weighed() {
                mapping.weigh(&records());
            }
            Ok(Arc::new(mapping))
        };
        let of_key = |filled: &Filled| matches!(filled, Filled::KeyPart(_));
        if definition.columns.iter().any(|column| of_key(&column.filled)) {
            return make();
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = last.as_ref().filter(|made| made.is_of(fields)) {
            return Ok(Arc::clone(&made.mapping));
        }
        let mapping = make()?;
        // An object without records is not like those that come.
        if !mapping.is_to_be_weighed() {
            *last = Some(Made {
                header: fields.header.map(<[String]>::to_vec),
                width: fields.width,
                dialect: fields.dialect.clone(),
                mapping: Arc::clone(&mapping),
            });
        }
        Ok(mapping)
    }
}
