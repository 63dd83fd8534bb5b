//! Finds out what a table's columns are.

use tokio_postgres::Client;

use super::{ColumnDefinition, ColumnsFrom, TableDefinition, infer_columns, live};
use crate::database::staging;
use crate::definition::EngineChoice;
use crate::definition::dialect::Written;
use crate::definition::infer::InferredType;
use crate::error::Result;
use crate::identifier::Identifier;
use crate::source::ObjectSource;
use crate::values::implied_type;

/// What a run is asked to load.
pub(super) struct Asked {
    pub(super) bucket: String,
    pub(super) prefix: String,
    pub(super) dialect: Written,
    pub(super) engine: EngineChoice,
    pub(super) written: TableDefinition,
}

/// Where the columns come from, with all that is needed to make them.
pub(super) enum Origin {
    Definition { columns: Vec<ColumnDefinition>, digest: Option<String> },
    Live { digest: String },
    Inferred(Vec<ColumnDefinition>),
}

impl Origin {
    pub(super) fn name(&self) -> ColumnsFrom {
        match self {
            Self::Definition { .. } => ColumnsFrom::Definition,
            Self::Live { .. } => ColumnsFrom::Live,
            Self::Inferred(_) => ColumnsFrom::Inferred,
        }
    }
}

/// Asks the definition, then the live table, then the objects.
pub(super) async fn find(
    client: &Client,
    source: &dyn ObjectSource,
    table: &Identifier,
    asked: &Asked,
) -> Result<Origin> {
    let live_exists = live::exists(client, table).await?;
    if let Some(columns) = &asked.written.columns {
        staging::check_types(client, columns).await?;
        let digest = if live_exists { Some(live::digest(client, table).await?) } else { None };
        return Ok(Origin::Definition { columns: columns.clone(), digest });
    }
    if live_exists {
        return Ok(Origin::Live { digest: live::digest(client, table).await? });
    }
    let mut columns = infer_columns::infer(client, source, asked).await?;
    for column in &mut columns {
        let values = asked.written.values.as_ref().and_then(|values| values.get(column.name.as_str()));
        // How the texts are written says what they are, where they are no type as they are.
        if column.sql_type == InferredType::Text.as_sql()
            && let Some(implied) = values.and_then(implied_type)
        {
            implied.clone_into(&mut column.sql_type);
        }
    }
    Ok(Origin::Inferred(columns))
}
