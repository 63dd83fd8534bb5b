//! Things that hang on a table, each made so that it fits the table.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::column::quoted;
use super::made::Made;

/// A thing, with what is left open: columns are picked when the table is known.
#[derive(Debug, Clone)]
pub(super) struct Thing {
    kind: Kind,
    first: Index,
    second: Index,
    flag: bool,
    other_flag: bool,
    number: usize,
    role: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    PrimaryKey,
    Unique,
    Exclusion,
    Check,
    Index,
    ExpressionIndex,
    ForeignKeyIn,
    ForeignKeyOut,
    SelfReference,
    Trigger,
    Rule,
    Policy,
    PolicyOfAnother,
    Grant,
    ColumnGrant,
    Owner,
    Comment,
    ColumnSettings,
    TableSettings,
    Statistics,
    ReplicaIdentity,
    Cluster,
    Publication,
    View,
    MaterializedView,
    Function,
    OwnedSequence,
}

const KINDS: [Kind; 27] = [
    Kind::PrimaryKey,
    Kind::Unique,
    Kind::Exclusion,
    Kind::Check,
    Kind::Index,
    Kind::ExpressionIndex,
    Kind::ForeignKeyIn,
    Kind::ForeignKeyOut,
    Kind::SelfReference,
    Kind::Trigger,
    Kind::Rule,
    Kind::Policy,
    Kind::PolicyOfAnother,
    Kind::Grant,
    Kind::ColumnGrant,
    Kind::Owner,
    Kind::Comment,
    Kind::ColumnSettings,
    Kind::TableSettings,
    Kind::Statistics,
    Kind::ReplicaIdentity,
    Kind::Cluster,
    Kind::Publication,
    Kind::View,
    Kind::MaterializedView,
    Kind::Function,
    Kind::OwnedSequence,
];

const ROLES: &[&str] = &["public", "catalog_reader", "catalog_writer", "catalog_analyst", "catalog_stranger"];

/// Makes any thing.
pub(super) fn thing() -> impl Strategy<Value = Thing> {
    let picks = (any::<Index>(), any::<Index>(), any::<bool>(), any::<bool>(), 0_usize..100);
    (select(&KINDS[..]), picks, select(ROLES)).prop_map(
        |(kind, (first, second, flag, other_flag, number), role)| Thing {
            kind,
            first,
            second,
            flag,
            other_flag,
            number,
            role,
        },
    )
}

impl Thing {
    /// Adds the statements that make it; none where it does not fit the table.
    pub(super) fn make(&self, made: &mut Made<'_>) {
        match self.kind {
            Kind::PrimaryKey | Kind::Unique | Kind::Exclusion | Kind::Check => self.constraint(made),
            Kind::Index | Kind::ExpressionIndex => self.index(made),
            Kind::ForeignKeyIn | Kind::ForeignKeyOut | Kind::SelfReference => self.foreign_key(made),
            Kind::Trigger | Kind::Rule | Kind::Policy | Kind::PolicyOfAnother => self.behaviour(made),
            Kind::Grant | Kind::ColumnGrant | Kind::Owner => self.privilege(made),
            Kind::View | Kind::MaterializedView | Kind::Function => self.dependent(made),
            Kind::Comment
            | Kind::ColumnSettings
            | Kind::TableSettings
            | Kind::Statistics
            | Kind::ReplicaIdentity
            | Kind::Cluster
            | Kind::Publication
            | Kind::OwnedSequence => self.setting(made),
        }
    }

    /// One of these words if the flag is set.
    fn when(flag: bool, words: &'static str) -> &'static str {
        if flag { words } else { "" }
    }

    fn constraint(&self, made: &mut Made<'_>) {
        let name = made.name("constraint");
        let deferrable = Self::when(self.flag, " deferrable initially deferred");
        let column = made.ordered_column(self.first);
        let include = format!(" include ({})", quoted(&made.column(self.second).name));
        let include = if self.other_flag { include } else { String::new() };
        match self.kind {
            Kind::PrimaryKey if made.has_primary_key => return,
            Kind::PrimaryKey => {
                let more = column.filter(|column| column.not_null && self.number.is_multiple_of(2));
                let columns = more.map_or("n".to_owned(), |column| format!("{}, n", quoted(&column.name)));
                made.alter(&format!("add constraint {name} primary key ({columns}){include}{deferrable}"));
                made.has_primary_key = true;
                made.has_key_of_number |= more.is_none() && !self.flag;
            }
            Kind::Unique => {
                let Some(column) = column else { return };
                let nulls = Self::when(self.number.is_multiple_of(2), " nulls not distinct");
                made.alter(&format!(
                    "add constraint {name} unique{nulls} ({}, n){include}{deferrable}",
                    quoted(&column.name)
                ));
            }
            Kind::Exclusion => made.alter(&format!(
                "add constraint {name} exclude using gist (int4range(n::int, n::int, '[]') with &&){}{deferrable}",
                Self::when(self.other_flag, " where (n > 0)")
            )),
            _ => made.alter(&format!(
                "add constraint {name} check (n > -1000 and {} is distinct from null or n > 0){}{}",
                quoted(&made.column(self.first).name),
                Self::when(self.flag, " no inherit"),
                Self::when(self.other_flag, " not valid")
            )),
        }
        if self.kind == Kind::PrimaryKey && !self.flag {
            made.unique_indexes.push(name.clone());
        }
        if self.number.is_multiple_of(3) {
            made.add(format!("comment on constraint {name} on {} is 'a constraint''s comment'", made.table));
        }
    }

    fn index(&self, made: &mut Made<'_>) {
        let name = made.name("index");
        let column = made.column(self.first);
        let quoted_column = quoted(&column.name);
        if self.kind == Kind::ExpressionIndex {
            let unique = Self::when(self.flag, "unique ");
            made.add(format!(
                "create {unique}index {name} on {} ((n * {}), ({quoted_column} is null), n desc)",
                made.table,
                self.number + 1
            ));
            made.add(format!("alter index public.{name} alter column 1 set statistics {}", self.number));
        } else if self.flag && !column.of.method.is_empty() {
            made.add(format!(
                "create index {name} on {} using {} ({quoted_column})",
                made.table, column.of.method
            ));
            return;
        } else {
            let Some(column) = made.ordered_column(self.first) else { return };
            let class = column.of.operator_class.filter(|_| self.other_flag).unwrap_or_default();
            let order = ["", " desc", " nulls first", " desc nulls last"][self.number % 4];
            let include = format!(" include ({})", quoted(&made.column(self.second).name));
            let filter = format!(" where n > {} or {quoted_column} is null", self.number);
            let is_partial = self.number.is_multiple_of(7);
            made.add(format!(
                "create index {name} on {} ({quoted_column} {class}{order}, n){}{}{}",
                made.table,
                if self.number.is_multiple_of(3) { &include } else { "" },
                Self::when(self.number.is_multiple_of(5), " with (fillfactor = 55)"),
                if is_partial { &filter } else { "" },
            ));
            if !is_partial {
                made.plain_indexes.push(name.clone());
            }
        }
        if self.other_flag {
            made.add(format!("comment on index public.{name} is 'an index'"));
        }
    }

    fn foreign_key(&self, made: &mut Made<'_>) {
        let name = made.name("key");
        let action =
            ["", " on delete cascade", " on update cascade on delete set null", " on delete restrict"];
        let tail = format!(
            "{}{}{}",
            action[self.number % 4],
            Self::when(self.flag, " deferrable initially deferred"),
            Self::when(self.other_flag, " not valid")
        );
        match self.kind {
            Kind::ForeignKeyIn => {
                made.ensure_key_of_number();
                let other = made.name("other");
                made.add(format!("create table ref.{other} (it bigint)"));
                made.add(format!("insert into ref.{other} values (1), (2), (null)"));
                made.add(format!(
                    "alter table ref.{other} add constraint {name} foreign key (it) references {} (n){tail}",
                    made.table
                ));
                made.add(format!("comment on constraint {name} on ref.{other} is 'a key in'"));
            }
            Kind::ForeignKeyOut => {
                let other = made.name("target");
                made.add(format!("create table ref.{other} (it bigint primary key)"));
                made.add(format!("insert into ref.{other} select generate_series(1, 20)"));
                made.alter(&format!("add constraint {name} foreign key (n) references ref.{other}{tail}"));
            }
            _ => {
                made.ensure_key_of_number();
                made.alter(&format!(
                    "add constraint {name} foreign key (n) references {} (n){tail}",
                    made.table
                ));
            }
        }
    }

    fn behaviour(&self, made: &mut Made<'_>) {
        let name = made.name("thing");
        let table = made.table.clone();
        match self.kind {
            Kind::Trigger => {
                let when =
                    ["before insert", "after update of n", "after delete", "before update"][self.number % 4];
                let level = if self.flag {
                    "for each row when (pg_trigger_depth() < 9)"
                } else {
                    "for each statement"
                };
                made.add(format!(
                    "create trigger {name} {when} on {table} {level} execute function ref.pass('a', '')"
                ));
                let state = ["enable", "disable", "enable replica", "enable always"][self.first.index(4)];
                made.alter(&format!("{state} trigger {name}"));
                made.add(format!("comment on trigger {name} on {table} is 'a trigger'"));
            }
            Kind::Rule => {
                let event = ["update", "delete"][self.number % 2];
                made.add(format!(
                    "create rule {name} as on {event} to {table} where old.n < 0 do instead nothing"
                ));
                if self.flag {
                    made.alter(&format!("disable rule {name}"));
                }
            }
            Kind::Policy => {
                let kind = if self.flag { "permissive" } else { "restrictive" };
                let what = if self.other_flag {
                    format!("for update to {} using (n in (select more.n from {table} as more))", self.role)
                } else {
                    format!("to {} using (n > {}) with check (n < 99)", self.role, self.number)
                };
                made.add(format!("create policy {name} on {table} as {kind} {what}"));
                made.add(format!("comment on policy {name} on {table} is 'a policy'"));
                let force = Self::when(self.number.is_multiple_of(2), ", force row level security");
                made.alter(&format!("enable row level security{force}"));
            }
            _ => {
                let other = made.name("guarded");
                made.add(format!("create table ref.{other} (it bigint)"));
                made.add(format!(
                    "create policy {name} on ref.{other} to {} using (it in (select n from {table}))",
                    self.role
                ));
            }
        }
    }

    fn privilege(&self, made: &mut Made<'_>) {
        let table = made.table.clone();
        let option = Self::when(self.flag && self.role != "public", " with grant option");
        let role = self.role;
        match self.kind {
            Kind::Grant => {
                let what = ["select", "select, update", "all", "references, trigger"][self.number % 4];
                made.add(format!("grant {what} on {table} to {role}{option}"));
            }
            Kind::ColumnGrant => {
                let column = quoted(&made.column(self.first).name);
                made.add(format!("grant select (n), update ({column}) on {table} to {role}{option}"));
            }
            _ if self.flag => {
                made.add("grant all on schema public to catalog_owner".to_owned());
                made.alter("owner to catalog_owner");
                made.has_other_owner = true;
                made.add(format!("revoke truncate on {table} from catalog_owner"));
            }
            _ => {
                made.add(format!("grant select on {table} to catalog_granter with grant option"));
                made.add(format!("set role catalog_granter; grant select on {table} to {role}; reset role"));
            }
        }
    }

    fn setting(&self, made: &mut Made<'_>) {
        let table = made.table.clone();
        let column = made.column(self.first);
        let quoted_column = quoted(&column.name);
        match self.kind {
            Kind::Comment if self.flag => made.add(format!("comment on table {table} is 'it''s a table'")),
            Kind::Comment => made.add(format!("comment on column {table}.{quoted_column} is 'a column'")),
            Kind::ColumnSettings => {
                made.alter(&format!("alter {quoted_column} set statistics {}", self.number));
                made.alter(&format!("alter {quoted_column} set (n_distinct = {})", self.number));
                if column.of.is_wide {
                    let storage = ["external", "main", "plain", "extended"][self.number % 4];
                    made.alter(&format!("alter {quoted_column} set storage {storage}"));
                }
            }
            Kind::TableSettings if self.flag => made.alter("set tablespace catalog_space"),
            Kind::TableSettings => made.alter(&format!(
                "set (fillfactor = {}, autovacuum_enabled = {}, toast.autovacuum_vacuum_threshold = 9)",
                10 + self.number % 90,
                self.other_flag
            )),
            Kind::Statistics => {
                let name = made.name("statistics");
                let (Some(one), Some(two)) =
                    (made.ordered_column(self.first), made.ordered_column(self.second))
                else {
                    return;
                };
                let schema = if self.flag { "public" } else { "ref" };
                let columns = if one.name == two.name {
                    format!("n, {}", quoted(&one.name))
                } else {
                    format!("{}, {}, (n + 1)", quoted(&one.name), quoted(&two.name))
                };
                made.add(format!("create statistics {schema}.{name} on {columns} from {table}"));
                made.add(format!("alter statistics {schema}.{name} set statistics {}", self.number));
                made.add(format!("comment on statistics {schema}.{name} is 'statistics'"));
            }
            Kind::ReplicaIdentity => {
                let index = made.unique_indexes.last().filter(|_| self.flag);
                let identity = index.map_or("full".to_owned(), |name| format!("using index {name}"));
                made.alter(&format!("replica identity {identity}"));
            }
            Kind::Cluster => {
                if let Some(name) = made.plain_indexes.last().cloned() {
                    made.alter(&format!("cluster on {name}"));
                }
            }
            Kind::Publication => {
                let name = made.name("publication");
                let what = match self.number % 3 {
                    0 => format!("table {table} (n) where (n > 1)"),
                    1 => "tables in schema public".to_owned(),
                    _ => "all tables".to_owned(),
                };
                made.add(format!("create publication {name} for {what}"));
            }
            _ => {
                let name = made.name("sequence");
                made.add(format!("create sequence public.{name} increment {}", self.number + 1));
                if made.has_other_owner {
                    made.add(format!("alter sequence public.{name} owner to catalog_owner"));
                }
                made.add(format!("alter sequence public.{name} owned by {table}.{quoted_column}"));
            }
        }
    }

    fn dependent(&self, made: &mut Made<'_>) {
        let schema = if self.flag { "public" } else { "ref" };
        let name = format!("{schema}.{}", made.name("dependent"));
        let base = self.first.get(&made.relations).clone();
        match self.kind {
            Kind::View => {
                let options = ["", " with (security_barrier = true)", " with (security_invoker = true)"];
                made.add(format!(
                    "create view {name}{} as select it.* from {base} as it where it.n > {}",
                    options[self.number % 3],
                    self.number % 3
                ));
                made.add(format!("comment on view {name} is 'a view'"));
                made.add(format!("alter view {name} alter n set default {}", self.number));
                made.add(format!("grant select (n), insert on {name} to {}", self.role));
                made.relations.push(name);
            }
            Kind::MaterializedView => {
                let data = if self.other_flag { " with no data" } else { "" };
                made.add(format!("create materialized view {name} as select it.* from {base} as it{data}"));
                let index = made.name("index of a view");
                made.add(format!("create unique index {index} on {name} (n) include (n)"));
                made.add(format!("comment on materialized view {name} is 'a materialized view'"));
                made.add(format!("grant select on {name} to {}", self.role));
                if data.is_empty() {
                    made.relations.push(name);
                }
            }
            _ => {
                made.add(format!(
                    "create function {name}(more bigint default 1) returns bigint language sql stable
                     begin atomic select count(*) + more from {base}; end"
                ));
                made.add(format!("grant execute on function {name} to {}", self.role));
                made.add(format!("create view {} as select {name}() as answer", made_view(&name)));
            }
        }
    }
}

/// The name of the view that calls a function.
fn made_view(function: &str) -> String {
    let (schema, name) = function.split_once('.').unwrap();
    format!("{schema}.{}", quoted(&format!("calls {}", name.trim_matches('"'))))
}
