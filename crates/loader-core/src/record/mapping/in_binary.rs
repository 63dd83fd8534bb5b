//! Whether rows go in binary.

use super::{From, MappedColumn, Mapping};
use crate::definition::drift::Metadata;
use crate::record::parsed::Parsed;
use crate::values::binary::{BinaryForm, pays_from};

/// What decides it.
#[derive(Debug, Clone, Default)]
pub(super) struct InBinary {
    /// How many bytes the texts of a row must have together for binary to save work; none if
    /// rows can't go in binary.
    from: Option<usize>,
    /// How many they have in the mean; none if that is not known.
    text_bytes: Option<usize>,
}

impl InBinary {
    pub(super) fn of(mapping: &Mapping) -> Self {
        Self { from: forms(mapping).map(|forms| pays_from(&forms)), text_bytes: None }
    }
}

impl Mapping {
    /// Whether rows are to be sent in binary: all columns can be, and the database saves
    /// work by it. That depends on the columns' types and, where most of them are texts, on how
    /// long those [are](Self::weigh).
    #[must_use]
    pub fn goes_in_binary(&self) -> bool {
        let bytes = self.in_binary.text_bytes.unwrap_or_default();
        self.in_binary.from.is_some_and(|from| bytes >= from)
    }

    /// Whether it is still to be seen how long the texts are.
    #[must_use]
    pub fn is_to_be_weighed(&self) -> bool {
        self.in_binary.from.is_some_and(|from| from > 0) && self.in_binary.text_bytes.is_none()
    }

    /// Learns from records how long the texts are; nothing if there are none.
    pub fn weigh(&mut self, records: &[Parsed]) {
        // JSON is no gain, however long it is: it has to be read here before it goes in binary.
        let is_text = |column: &&MappedColumn| column.binary.is_some_and(BinaryForm::takes_any_text);
        let fields: Vec<usize> = self
            .carried()
            .filter(is_text)
            .filter_map(|column| if let From::Field(at) = column.from { Some(at) } else { None })
            .collect();
        let bytes_of = |record: &Parsed| -> usize {
            fields.iter().filter_map(|at| record.place_of(*at)).map(|(place, _)| place.len()).sum()
        };
        let bytes: usize = records.iter().map(bytes_of).sum();
        self.in_binary.text_bytes = bytes.checked_div(records.len());
    }

    /// Whether the database can read whatever is sent at once: then it refuses a row only
    /// for what the table asks of its values.
    #[must_use]
    pub fn is_certain(&self) -> bool {
        let takes_any = |column: &MappedColumn| column.binary.is_some_and(BinaryForm::takes_any_text);
        self.goes_in_binary() || (!self.has_expressions() && self.carried().all(takes_any))
    }
}

/// Returns how the values of a row are written in binary; none if rows can't be. Those with a
/// value that can't be come after the others, so not where the database numbers them; and
/// expressions read texts.
fn forms(mapping: &Mapping) -> Option<Vec<BinaryForm>> {
    if mapping.is_numbered || mapping.has_expressions() {
        return None;
    }
    let is_sent = |column: &MappedColumn| match &column.from {
        // What stands for the time of the load has no form of its own.
        From::Sql | From::Metadata(Metadata::LoadedAt) => None,
        From::Field(_) | From::Constant(_) | From::Metadata(_) => column.binary,
    };
    mapping.carried().map(is_sent).collect()
}
