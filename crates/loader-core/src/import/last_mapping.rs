//! The mapping of the object before: most objects of a prefix have the same header, and
//! to compile it anew costs a small one more than its rows.

use std::sync::{Arc, Mutex, PoisonError};

use crate::definition::ResolvedDefinition;
use crate::definition::dialect::Dialect;
use crate::definition::drift::Filled;
use crate::error::Result;
use crate::record::mapping::Mapping;

/// The mapping that was made last, with what it was made of.
#[derive(Debug, Default)]
pub(super) struct LastMapping(Mutex<Option<Made>>);

#[derive(Debug)]
struct Made {
    header: Vec<String>,
    dialect: Dialect,
    mapping: Arc<Mapping>,
}

impl LastMapping {
    /// Returns the mapping of an object by its header.
    ///
    /// # Errors
    /// Those of [`Mapping::of`].
    pub(super) fn of(
        &self,
        header: &[String],
        dialect: &Dialect,
        definition: &ResolvedDefinition,
        key: &str,
    ) -> Result<Arc<Mapping>> {
        let of_key = |filled: &Filled| matches!(filled, Filled::KeyPart(_));
        if definition.columns.iter().any(|column| of_key(&column.filled)) {
            return Mapping::of(Some(header), dialect, definition, key).map(Arc::new);
        }
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = last.as_ref().filter(|made| made.header == header && made.dialect == *dialect) {
            return Ok(Arc::clone(&made.mapping));
        }
        let mapping = Arc::new(Mapping::of(Some(header), dialect, definition, key)?);
        *last =
            Some(Made { header: header.to_vec(), dialect: dialect.clone(), mapping: Arc::clone(&mapping) });
        Ok(mapping)
    }
}
