//! Whether what hangs on `public.item` works: the catalog may say that a thing is
//! there while it hangs on another table.

use std::fmt::{Display, Write as _};

use tokio_postgres::SimpleQueryMessage;
use tokio_postgres::error::SqlState;

use crate::items::Items;
use crate::live::Live;

/// What a statement answers: the first column of its rows, or the refusal's code.
type Answer = Result<Vec<String>, SqlState>;

/// Runs a script as a role, in a transaction that leaves nothing, and returns what
/// its last statement answers.
async fn ask(live: &Live, role: &str, script: &str) -> Answer {
    let client = live.world.database.connect().await;
    let messages = match client.simple_query(&format!("begin; set local role {role}; {script}")).await {
        Ok(messages) => messages,
        Err(error) => return Err(error.code().unwrap_or_else(|| panic!("{script}: {error}")).clone()),
    };
    let (mut rows, mut answer) = (Vec::new(), Vec::new());
    for message in messages {
        match message {
            SimpleQueryMessage::Row(row) => rows.push(row.get(0).unwrap_or("null").to_owned()),
            SimpleQueryMessage::CommandComplete(_) => answer = std::mem::take(&mut rows),
            _ => {}
        }
    }
    Ok(answer)
}

/// A question and what it must be answered with.
struct Expected<'a> {
    role: &'a str,
    script: String,
    answer: Answer,
}

fn one(role: &'static str, script: &str, answer: impl Display) -> Expected<'static> {
    Expected { role, script: script.to_owned(), answer: Ok(vec![answer.to_string()]) }
}

fn refused(role: &'static str, script: &str, code: SqlState) -> Expected<'static> {
    Expected { role, script: script.to_owned(), answer: Err(code) }
}

/// The role that the tests connect as: not bound by row security.
const SUPER: &str = "none";

/// The columns of a row that is not there yet, but for id and price.
const NEW: &str = "insert into public.item (id, name, price, slot, external_no, code)";

pub(crate) async fn assert_works(live: &Live, items: &Items, since: &str) {
    let rows = live.world.client.query(&Items::query(), &[]).await.unwrap();
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(rows, items.rows(), "{since}: the rows");
    let questions = [
        filled_by_itself(),
        read_through(items),
        readers(items),
        writers(),
        foreign_keys(),
        constraints(),
        triggers_and_rules(),
    ];
    let mut wrong = String::new();
    for Expected { role, script, answer } in questions.into_iter().flatten() {
        let found = ask(live, role, &script).await;
        if found != answer {
            let _ = writeln!(wrong, "as {role}: {script}\n  expected {answer:?}\n  found    {found:?}");
        }
    }
    assert!(wrong.is_empty(), "{since}:\n{wrong}");
}

/// Columns that the objects do not have, and the sequences behind them.
fn filled_by_itself() -> Vec<Expected<'static>> {
    let mut expected = vec![
        one(SUPER, "select bool_and(price_with_tax = round(price * 1.2, 2)) from public.item", "t"),
        one(SUPER, "select count(*) from public.item where reach <> '[0,1]' or added_at <> '2020-01-01Z'", 0),
        one(SUPER, "select count(*) - count(distinct serial_no) from public.item", 0),
    ];
    // Three more rows: each number is beyond those that are there.
    for column in ["id", "serial_no", "list_no", "lonely_no"] {
        expected.push(one(
            SUPER,
            &format!(
                "create temp table seen as select max({column}) as most from public.item;
                 insert into public.item (name, code, slot, external_no)
                     select 'new ' || n, 'new ' || n, int4range(n, n + 1), 'new ' || n
                       from generate_series(-3, -1) as n;
                 select count(*) from public.item, seen where {column} > most and name like 'new %'"
            ),
            3,
        ));
    }
    expected.push(one(SUPER, "select (nextval('public.only_owned') > 0)::text", "true"));
    expected
}

/// Views, materialized views and functions.
fn read_through(items: &Items) -> Vec<Expected<'static>> {
    let cheap = items.cheaper_than(100);
    vec![
        one(SUPER, "select count(*) from public.item_price", items.count()),
        one(SUPER, "select count(*) from public.item_cheap", cheap),
        one(
            SUPER,
            "select count(*) = (select count(*) from public.item where price < 100 and shop_id is not null)
               from ref.\"Cheap of shop\"",
            "t",
        ),
        one(SUPER, "select lines from public.item_line where id = 1", 2),
        one(SUPER, "select count(*) from public.item_family where root = 1", items.count()),
        one(SUPER, "select count(*) from public.cheap_items()", cheap),
        one(SUPER, "select public.item_total()", items.total(0)),
        one(SUPER, "select total_of_dear from public.item_sum", items.total(50)),
        one(SUPER, "select public.family_size(1)", items.count()),
        one(SUPER, "select sum(items) from public.item_by_kind", items.count()),
        one(SUPER, "select public.item_kinds()", 3),
        one(SUPER, "select (select max(total) from public.item_by_kind) = total from ref.item_best", "t"),
        one(
            SUPER,
            "call ref.add_item('called', 1); select count(*) from public.item where name = 'called'",
            1,
        ),
        // Not filled, and can be.
        refused(SUPER, "select count(*) from public.item_later", SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE),
        one(
            SUPER,
            "refresh materialized view public.item_later; select count(*) from public.item_later",
            items.count(),
        ),
        one(
            SUPER,
            "refresh materialized view public.item_cheapest; select items from public.item_cheapest",
            cheap,
        ),
    ]
}

/// Who may read what.
fn readers(items: &Items) -> Vec<Expected<'static>> {
    let of_north = "set local app.region = 'north'; select count(*) from public.item";
    vec![
        one("catalog_reader", "select count(*) from public.item", items.count()),
        one("catalog_owner", "select count(*) from public.item", items.count()),
        one("catalog_analyst", "select count(*) from public.item", items.count()),
        one("catalog_tenant", of_north, items.count_with("region", "north")),
        one("catalog_tenant", "select count(*) from public.item", 0),
        refused("catalog_stranger", "select id from public.item", SqlState::INSUFFICIENT_PRIVILEGE),
        one("catalog_reader", "select count(*) from public.item_price", items.count()),
        one("catalog_reader", "select count(name) from public.item_cheap", items.cheaper_than(100)),
        refused("catalog_reader", "select price from public.item_cheap", SqlState::INSUFFICIENT_PRIVILEGE),
        refused("catalog_tenant", "select id from public.item_price", SqlState::INSUFFICIENT_PRIVILEGE),
        one("catalog_tenant", "select count(kind) from public.item_by_kind", 3),
        refused("catalog_tenant", "select total from public.item_by_kind", SqlState::INSUFFICIENT_PRIVILEGE),
        one("catalog_reader", "select public.item_total(50)", items.total(50)),
        one("catalog_reader", "select count(*) from ref.review", 1),
        one("catalog_reader", "select (last_value > 0)::text from public.\"Item numbers\"", "true"),
        refused(
            "catalog_stranger",
            "select nextval('public.\"price list\"')",
            SqlState::INSUFFICIENT_PRIVILEGE,
        ),
    ]
}

/// Who may write what.
fn writers() -> Vec<Expected<'static>> {
    let denied = SqlState::INSUFFICIENT_PRIVILEGE;
    let insert = |price: &str| format!("{NEW} values (-1, 'w', {price}, null, 'w', 'w'); select -1");
    vec![
        one("catalog_writer", &insert("10"), -1).after_grants(),
        refused("catalog_writer", &insert("1000"), denied.clone()),
        refused("catalog_reader", &insert("10"), denied.clone()),
        one("catalog_writer", "update public.item set name = 'x' where id = 9 returning name", "x"),
        refused("catalog_writer", "update public.item set code = 'x' where id = 1; select 1", denied.clone()),
        refused("catalog_writer", "update public.item set price = 500000 where id = 1; select 1", denied),
    ]
}

impl Expected<'_> {
    /// Lets the writer use the sequences that have no grant of their own.
    fn after_grants(mut self) -> Self {
        self.script = format!(
            "reset role; grant usage on sequence public.\"price list\", ref.lonely_number to {role};
             set local role {role}; {script}",
            role = self.role,
            script = self.script
        );
        self
    }
}

fn foreign_keys() -> Vec<Expected<'static>> {
    let broken = SqlState::FOREIGN_KEY_VIOLATION;
    let now = "set constraints all immediate; select 1";
    vec![
        refused(SUPER, "insert into public.happening values ('2024-01-01', -9); select 1", broken.clone()),
        refused(
            SUPER,
            &format!("insert into public.order_line values (99, -9, null); {now}"),
            broken.clone(),
        ),
        refused(SUPER, "insert into ref.stock values (-9, 'nobody'); select 1", broken.clone()),
        refused(SUPER, "delete from public.item where id = 2; select 1", broken.clone()),
        one(
            SUPER,
            "delete from public.happening; delete from public.item where id = 3;
             set constraints all immediate; select count(*) from public.order_line where item_id = 3",
            0,
        ),
        one(
            SUPER,
            "update public.item set external_no = 'moved' where id = 1;
             select count(*) from public.order_line where item_external = 'moved'",
            1,
        ),
        refused(SUPER, &format!("update public.item set shop_id = 77 where id = 1; {now}"), broken.clone()),
        refused(SUPER, "update public.item set day = '1999-01-01' where id = 1; select 1", broken.clone()),
        refused(SUPER, "update public.item set parent_id = -9 where id = 1; select 1", broken.clone()),
        refused(SUPER, "update public.item set region = 'west', shop_id = 1 where id = 1; select 1", broken),
    ]
}

fn constraints() -> Vec<Expected<'static>> {
    let insert = |id: &str, name: &str, price: &str, slot: &str, code: &str| {
        format!("{NEW} values ({id}, {name}, {price}, {slot}, 'other', {code}); select 1")
    };
    vec![
        refused(SUPER, &insert("1", "'x'", "1", "null", "'x'"), SqlState::UNIQUE_VIOLATION),
        refused(SUPER, &insert("-1", "null", "1", "null", "'x'"), SqlState::NOT_NULL_VIOLATION),
        refused(SUPER, &insert("-1", "' '", "1", "null", "'x'"), SqlState::CHECK_VIOLATION),
        refused(SUPER, &insert("-1", "'x'", "-1", "null", "'x'"), SqlState::CHECK_VIOLATION),
        refused(SUPER, &insert("-1", "'x'", "9999999", "null", "'x'"), SqlState::CHECK_VIOLATION),
        refused(SUPER, &insert("-1", "'x'", "1", "null", "''"), SqlState::CHECK_VIOLATION),
        refused(SUPER, &insert("-1", "'x'", "1", "'[10,32)'", "'x'"), SqlState::EXCLUSION_VIOLATION),
        refused(
            SUPER,
            "update public.item set external_no = null where id in (5, 6); select 1",
            SqlState::UNIQUE_VIOLATION,
        ),
        // Deferrable: two rows may exchange their codes.
        one(
            SUPER,
            "update public.item as a set code = b.code from public.item as b where a.id + b.id = 3;
             set constraints all immediate; select count(distinct code) from public.item where id < 3",
            2,
        ),
    ]
}

fn triggers_and_rules() -> Vec<Expected<'static>> {
    let logged = |event: &str| {
        format!("set constraints all immediate; select count(*) from ref.audit_log where event = '{event}'")
    };
    let begin = "delete from ref.audit_log;";
    let insert =
        format!("{begin} {NEW} values (-1, 'x', 150, null, 'x', 'x'), (-2, 'y', 1, null, 'y', 'y');");
    vec![
        one(SUPER, &format!("{insert} {}", logged("Odd trigger")), 1),
        one(SUPER, &format!("{insert} {}", logged("item_shop_seen")), 2),
        one(SUPER, &format!("{insert} select detail from ref.audit_log where event = 'item_counted'"), 2),
        one(SUPER, &format!("{begin} update public.item set note = 'x' where id < 4; {}", logged("item_always")), 1),
        one(SUPER, &format!("{begin} update public.item set note = 'x' where id < 4; {}", logged("rule")), 3),
        one(
            SUPER,
            &format!("{begin} insert into public.item_price (name) values ('x'); {}", logged("item_price_written")),
            1,
        ),
        one(
            SUPER,
            "insert into public.item_line (name, price) values ('by rule', 5);
             select price from public.item where name = 'by rule'",
            "5.00",
        ),
        one(
            SUPER,
            "insert into ref.request values (1, 'by request'); select note from public.item where id = 1",
            "by request",
        ),
        one(
            SUPER,
            "update public.item set name = 'undeletable' where id = 20; delete from public.item where id = 20;
             select count(*) from public.item where id = 20",
            1,
        ),
        refused(SUPER, "truncate public.item cascade; select 1", SqlState::RAISE_EXCEPTION),
        refused(
            SUPER,
            "set local session_replication_role = replica; update public.item set price = 1; select 1",
            SqlState::RAISE_EXCEPTION,
        ),
    ]
}
