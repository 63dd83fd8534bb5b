//! The tables of `PostgreSQL`'s regression tests: `src/test/regress/sql/{copy,copy2,
//! test_setup,create_misc,constraints,tsearch,jsonb}.sql` and
//! `contrib/file_fdw/sql/file_fdw.sql`, without triggers, which never fire for a loaded
//! row.

/// A table: `{table}` stands for its name, so that it can be made twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    ddl: String,
    /// The columns that are compared, where not all are.
    pub(super) compared: Option<&'static str>,
}

impl Table {
    /// Returns the statements that make the table under a name.
    pub(super) fn made_as(&self, name: &str) -> String {
        self.ddl.replace("{table}", name)
    }

    /// Makes a table of texts.
    pub(super) fn of_texts(width: usize) -> Self {
        let columns: Vec<String> = (1..=width).map(|at| format!("column_{at} text")).collect();
        Self { ddl: format!("create table {{table}} ({})", columns.join(", ")), compared: None }
    }
}

/// Returns the table of a statement; none if it is not known.
pub(super) fn of_statement(name: &str, statement: &str, messages: &[String]) -> Option<Table> {
    // The tests drop a column of this one half-way.
    let is_narrow = statement.contains("(c, a)")
        || statement.contains("(a, c)")
        || messages.iter().any(|message| message.contains("expected 2"));
    let columns = match name {
        "header_copytest" if is_narrow => "a int, c text",
        "copytest" | "copytest2" => "style text, test text, filler int",
        "copytest3" => "c1 int, \"col with , comma\" text, \"col with \"\" quote\" int",
        "copytest4" => "c1 int, \"colname with tab: \t\" text",
        "tab_progress_reporting" => "name text, age int4, location point, salary int4, manager name",
        "header_copytest" => "a int, b int, c text",
        "oversized_column_default" => "col1 varchar(5) default 'more than 5 chars', col2 varchar(5)",
        "x" => "a serial, b int, c text not null default 'stuff', d text, e text",
        "y" => "col1 text, col2 text",
        "testnl" => "a int, b text, c int",
        "testeoc" | "vistest" => "a text",
        "testnull" => "a int, b text",
        "forcetest" => "a int not null, b text not null, c text, d text, e text",
        // There the check is a function of the whole row, and no table that a function
        // takes rows of can be replaced by another.
        "check_con_tbl" => "f1 int check (f1 > 0)",
        "rls_t1" => "a int, b int, c int",
        "check_ign_err" => "n int, m int[], k int",
        "copy_default" => {
            "id integer primary key, text_value text not null default 'test', \
             ts_value timestamp without time zone not null default '2022-07-05'"
        }
        "check_ign_err2" => {
            return Some(Table {
                ddl: "create domain {table}_l varchar(15) not null; \
                      create table {table} (n int, m int[], k int, l {table}_l)"
                    .to_owned(),
                compared: None,
            });
        }
        "parted_copytest" => {
            return Some(Table {
                ddl: "create table {table} (a int, b int, c text) partition by list (b); \
                      create table {table}_a1 (c text, b int, a int); \
                      create table {table}_a2 (a int, c text, b int); \
                      alter table {table} attach partition {table}_a1 for values in (1); \
                      alter table {table} attach partition {table}_a2 for values in (2)"
                    .to_owned(),
                compared: None,
            });
        }
        "parted_si" => {
            return Some(Table {
                ddl: "create table {table} (id int not null, data text not null, \
                      rand float8 not null default random()) partition by list ((id % 2)); \
                      create table {table}_even partition of {table} for values in (0); \
                      create table {table}_odd partition of {table} for values in (1)"
                    .to_owned(),
                compared: Some("id, data"),
            });
        }
        _ => return None,
    };
    Some(plain(columns))
}

/// Returns the table that a file of `data` is loaded into; none if it is not known.
pub(super) fn of_file(stem: &str) -> Option<Table> {
    Some(plain(match stem {
        "agg" => "a int2, b float4",
        "array" => "seqno int4, i int4[], t text[]",
        "constrf" | "constro" => "x int, y text, z int, check (x > 3 and y <> 'check failed' and x < 7)",
        "dept" => "dname name, mgrname text",
        "desc" | "hash" => "seqno int4, random int4",
        "emp" => "name text, age int4, location point, salary int4, manager name",
        "jsonb" => "j jsonb",
        "onek" | "tenk" => {
            "unique1 int4, unique2 int4, two int4, four int4, ten int4, twenty int4, hundred int4, \
             thousand int4, twothousand int4, fivethous int4, tenthous int4, odd int4, even int4, \
             stringu1 name, stringu2 name, string4 name"
        }
        "person" => "name text, age int4, location point",
        "real_city" => "pop int4, cname text, outline path",
        "rect" => "home_base box",
        "streets" => "name text, thepath path",
        "stud_emp" => {
            "name text, age int4, location point, salary int4, manager name, gpa float8, percent int4"
        }
        "student" => "name text, age int4, location point, gpa float8",
        "tsearch" => "t text, a tsvector",
        _ => return None,
    }))
}

/// Returns the statement that a foreign table of `file_fdw` stands for, and its table.
pub(super) fn of_foreign_file(name: &str) -> Option<(&'static str, Table)> {
    let (statement, columns) = match name {
        "agg.data" => ("copy t from stdin (format text, null '\\N')", "a int2 check (a >= 0), b float4"),
        "agg.csv" | "agg.bad" => (
            "copy t from stdin (format csv, header true, delimiter ';', quote '@', escape '\"', null '')",
            "a int2, b float4",
        ),
        "list1.csv" | "list2.csv" | "list2.bad" => ("copy t from stdin (format csv)", "a int, b text"),
        "text.csv" => (
            "copy t from stdin (format csv, null 'NULL', force_not_null (word1), force_null (word3))",
            "word1 text, word2 text, word3 text, word4 text",
        ),
        "copy_default.csv" => (
            "copy t from stdin (format csv, default '\\D')",
            "id integer, text_value text not null default 'test', \
             ts_value timestamp not null default '2022-07-05'",
        ),
        _ => return None,
    };
    Some((statement, plain(columns)))
}

/// Returns what an earlier statement has written into the file that this one reads.
pub(super) fn written_before(file: &str, line: u64) -> Option<Vec<u8>> {
    match (file, line) {
        ("copy.sql", 27) => {
            Some(b"DOS,\"abc\r\ndef\",1\nUnix,\"abc\ndef\",2\nMac,\"abc\rdef\",3\nesc\\ape,\"a\\r\\\r\\\n\\nb\",4\n".to_vec())
        }
        ("copy.sql", 37) => Some(
            b"DOS,'abc\r\ndef',1\nUnix,'abc\ndef',2\nMac,'abc\rdef',3\nesc\\ape,'a\\\\r\\\\\r\\\\\n\\\\nb',4\n"
                .to_vec(),
        ),
        ("copy.sql", 93 | 118) => {
            let one = |x: u32| format!("{x}\t{}\t{}\n", 1, "One");
            let two = |x: u32| format!("{x}\t2\tTwo\n");
            let rows = (1..=1000).map(one).chain((1001..=1010).map(two)).chain((1011..=1020).map(one));
            Some(rows.collect::<String>().into_bytes())
        }
        _ => None,
    }
}

fn plain(columns: &str) -> Table {
    Table { ddl: format!("create table {{table}} ({columns})"), compared: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_made_under_any_name() {
        let made = of_statement("parted_si", "", &[]).unwrap().made_as("public.oracle");
        assert!(made.contains("create table public.oracle_odd partition of public.oracle "), "{made}");
        assert!(of_statement("hard_err", "", &[]).is_none());
    }
}
