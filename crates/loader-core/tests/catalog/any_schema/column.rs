//! Columns of every type, with their values.

use proptest::prelude::*;
use proptest::sample::select;

/// What is known of a type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Type {
    pub(super) sql: &'static str,
    /// A default that is not NULL.
    default: &'static str,
    /// Whether it has an order: for B-trees, `max` and extended statistics.
    pub(super) has_order: bool,
    /// Another operator class of its B-trees.
    pub(super) operator_class: Option<&'static str>,
    /// An index method beside `btree`.
    pub(super) method: &'static str,
    /// Whether values can be stored out of line.
    pub(super) is_wide: bool,
    value: fn(usize) -> String,
}

const fn ordered(
    sql: &'static str,
    default: &'static str,
    method: &'static str,
    value: fn(usize) -> String,
) -> Type {
    Type { sql, default, has_order: true, operator_class: None, method, is_wide: false, value }
}

const TYPES: &[Type] = &[
    ordered("integer", "42", "brin", |n| n.to_string()),
    ordered("bigint", "(2 ^ 40)::bigint", "hash", |n| n.to_string()),
    Type { is_wide: true, ..ordered("numeric(10,2)", "0.00", "hash", |n| format!("{n}.25")) },
    ordered("double precision", "'-Infinity'", "brin", |n| format!("{n}.5")),
    Type {
        operator_class: Some("text_pattern_ops"),
        is_wide: true,
        ..ordered("text", "'it''s \"text\"'", "hash", |n| format!("text {n}"))
    },
    Type { is_wide: true, ..ordered("text collate \"C\"", "''", "spgist", |n| format!("sorted {n}")) },
    Type {
        operator_class: Some("varchar_pattern_ops"),
        is_wide: true,
        ..ordered("character varying(20)", "'v'", "hash", |n| format!("v{n}"))
    },
    ordered("date", "'2024-02-29'", "brin", |n| format!("2024-01-{:02}", 1 + n % 28)),
    ordered("timestamp(0) without time zone", "'epoch'", "brin", |n| {
        format!("2024-01-01 00:{:02}:00", n % 60)
    }),
    ordered("uuid", "'00000000-0000-0000-0000-00000000000a'", "hash", |n| {
        format!("00000000-0000-0000-0000-{n:012}")
    }),
    ordered("boolean", "false", "hash", |n| if n % 2 == 0 { "true" } else { "false" }.to_owned()),
    ordered("inet", "'::1'", "spgist", |n| format!("10.0.0.{}/32", n % 250)),
    Type { is_wide: true, ..ordered("integer[]", "'{1,NULL}'", "gin", |n| format!("{{{n},2}}")) },
    Type { is_wide: true, ..ordered("jsonb", "'{\"a\": null}'", "gin", |n| format!("{{\"n\": {n}}}")) },
    ordered("int4range", "'empty'", "gist", |n| format!("[{n},{})", n + 5)),
    ordered("public.mood", "'bad'", "hash", |n| ["good", "bad", "so so"][n % 3].to_owned()),
    Type { is_wide: true, ..ordered("public.code", "'c'", "hash", |n| format!("code {n}")) },
    Type { has_order: false, ..ordered("public.measure", "'(1.50,kg)'", "", |n| format!("({n}.50,kg)")) },
    Type { has_order: false, ..ordered("point", "'(0,0)'", "gist", |n| format!("({n},1)")) },
];

/// The types that the columns use.
pub(super) const TYPES_MADE: &str = "create type public.mood as enum ('good', 'bad', 'so so');
    create type public.measure as (amount numeric(10, 2), unit text);
    create domain public.code as text check (value <> '')";

/// How a column is filled when the objects do not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Filling {
    Nothing,
    Default,
    Generated,
}

/// A column beside the number that every table has.
#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) of: Type,
    pub(super) not_null: bool,
    pub(super) filling: Filling,
    /// A column that was dropped before this one was made.
    pub(super) after_a_dropped_one: bool,
}

impl Column {
    /// Writes the column in `create table`.
    pub(super) fn definition(&self) -> String {
        let filling = match self.filling {
            Filling::Nothing => String::new(),
            Filling::Default => format!(" default {}", self.of.default),
            Filling::Generated => format!(" generated always as ({}) stored", self.generated()),
        };
        let not_null = if self.not_null { " not null" } else { "" };
        format!("{} {}{filling}{not_null}", quoted(&self.name), self.of.sql)
    }

    /// A generated column is made of the number.
    fn generated(&self) -> String {
        format!(
            "case when \"n\" >= 0 then {}::{} end",
            self.of.default,
            self.of.sql.replace(" collate \"C\"", "")
        )
    }

    pub(super) fn is_in_the_objects(&self) -> bool {
        self.filling != Filling::Generated
    }

    /// The value in a row of a version.
    pub(super) fn value(&self, version: usize, row: usize) -> Option<String> {
        (self.not_null || !(row + version).is_multiple_of(4)).then(|| (self.of.value)(100 * version + row))
    }
}

/// Quotes a name for SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Makes a column; its name is made unique by its place.
pub(super) fn column() -> impl Strategy<Value = Column> {
    let name = select(vec!["a", "Upper Case", "select", "ünï ☂", "quo\"te", "it's", "a.b", "x__9f3c21aa"]);
    let filling = prop_oneof![
        3 => Just(Filling::Nothing),
        2 => Just(Filling::Default),
        1 => Just(Filling::Generated),
    ];
    (name, select(TYPES), any::<bool>(), filling, prop::bool::weighted(0.2)).prop_map(
        |(name, of, not_null, filling, after_a_dropped_one)| Column {
            name: name.to_owned(),
            of,
            not_null,
            filling,
            after_a_dropped_one,
        },
    )
}
