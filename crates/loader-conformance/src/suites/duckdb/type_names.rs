//! `DuckDB`'s types as Postgres has them.

/// Returns the type of Postgres that holds the values of one of `DuckDB`'s and writes
/// them the same way.
///
/// # Errors
/// The reason to leave a case with the type out.
pub(super) fn in_postgres(duckdb: &str) -> Result<String, &'static str> {
    let text = duckdb.trim().to_lowercase();
    let (name, modifier) = match text.split_once('(') {
        Some((name, rest)) => (name.trim(), Some(rest.trim_end_matches(')').trim())),
        None => (text.as_str(), None),
    };
    if text.contains('[') || ["struct", "map", "union", "list", "array"].contains(&name) {
        return Err("nested types");
    }
    let known = match name {
        "bool" | "boolean" | "logical" => "boolean",
        "tinyint" | "int1" | "int8_t" | "smallint" | "int2" | "short" | "int16" | "utinyint" | "uint8" => {
            "smallint"
        }
        "int" | "integer" | "int4" | "signed" | "int32" | "usmallint" | "uint16" => "integer",
        "bigint" | "int8" | "long" | "int64" | "uinteger" | "uint32" => "bigint",
        "hugeint" | "int128" | "ubigint" | "uint64" | "uhugeint" => "numeric",
        "double" | "float8" | "double precision" => "double precision",
        "real" | "float" | "float4" => "real",
        "decimal" | "numeric" | "dec" => {
            // DuckDB's decimal without a modifier ("Numeric Types", its documentation).
            return Ok(
                modifier.map_or("numeric(18, 3)".to_owned(), |modifier| format!("numeric({modifier})"))
            );
        }
        // DuckDB takes the length and does not look at it.
        "varchar" | "text" | "string" | "char" | "bpchar" | "character varying" | "nvarchar" => "text",
        "date" => "date",
        "time" => "time",
        "timestamp"
        | "datetime"
        | "timestamp without time zone"
        | "timestamp_us"
        | "timestamp_ms"
        | "timestamp_s" => "timestamp",
        "timestamptz" | "timestamp with time zone" => "timestamptz",
        "uuid" => "uuid",
        "json" => "json",
        "blob" | "bytea" | "binary" | "varbinary" => return Err("blobs, which DuckDB writes its own way"),
        "interval" => return Err("intervals, which DuckDB writes its own way"),
        _ => return Err("a type that the test makes itself"),
    };
    Ok(known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_keep_what_their_values_look_like() {
        assert_eq!(in_postgres("DECIMAL").as_deref(), Ok("numeric(18, 3)"));
        assert_eq!(in_postgres("Decimal (8,2)").as_deref(), Ok("numeric(8,2)"));
        assert_eq!(in_postgres("VARCHAR(10)").as_deref(), Ok("text"));
        assert_eq!(in_postgres("INTEGER[]"), Err("nested types"));
        assert_eq!(in_postgres("mood"), Err("a type that the test makes itself"));
    }
}
