//! Rejected rows that are corrected and loaded again.

use loader_core::error::{Error, ErrorName, Result};
use loader_core::input::Input;
use loader_core::replay::{Exported, ReplaySettings, Replayed, export, replay};
use serde_json::{Value, json};
use tokio_postgres::Client;

use crate::world::{LEASE, World, execution};

const COLUMNS: &str = "create table public.t (id int primary key, name text, day date, _line bigint)";

impl World {
    /// Publishes a table of three rows, and rejects five.
    pub(crate) async fn with_rejects(&self, more: Value) {
        self.execute(COLUMNS).await;
        self.source.put(
            "t/a.csv",
            "id;name;day\n1;one;31.01.2022\nx;two;31.01.2022\n3;three;32.01.2022\n4;\"a\nb\";\n",
        );
        self.source.put(
            "t/b.csv",
            "day;name;id\n01.02.2022;five\n01.02.2022;\"\";6\n;seven;7x\n;\"it's; \"\"8\"\"\";8y\n",
        );
        let mut definition = json!({
            "dialect": {"delimiter": ";"}, "values": {"day": {"format": "DD.MM.YYYY"}}, "metadata": ["_line"],
            "on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100},
            "gates": {"max_drop_percent": 100},
        });
        definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let published = self.run("r", &json!({"table": "t", "definition": definition})).await.unwrap();
        assert_eq!(published.rows, 3);
        assert_eq!(
            self.left().await,
            ["(t/a.csv,3)", "(t/a.csv,4)", "(t/b.csv,2)", "(t/b.csv,4)", "(t/b.csv,5)"]
        );
    }

    pub(crate) async fn replay_on(
        &self,
        client: &mut Client,
        run_id: &str,
        of_run: &str,
    ) -> Result<Replayed> {
        let Input::Replay(input) = Input::parse(&json!({"table": "t", "replay": of_run}))? else {
            panic!("a replay")
        };
        let settings = ReplaySettings { lease: LEASE };
        replay(client, self.work.as_ref(), &input, &execution(run_id), &settings).await
    }

    pub(crate) async fn replay(&self, run_id: &str, of_run: &str) -> Result<Replayed> {
        self.replay_on(&mut self.database.connect().await, run_id, of_run).await
    }

    async fn export(&self, of_run: &str) -> Result<Exported> {
        let Input::ExportRejects(input) = Input::parse(&json!({"table": "t", "export_rejects": of_run}))?
        else {
            panic!("an export")
        };
        export(&mut self.database.connect().await, self.work.as_ref(), &input).await
    }

    async fn left(&self) -> Vec<String> {
        self.rows("select key, line from loader.rejected_row where replayed_by is null order by 1, 2").await
    }

    async fn table(&self) -> Vec<String> {
        self.rows("select * from public.t order by id").await
    }
}

fn refused<T: std::fmt::Debug>(outcome: Result<T>, part: &str) -> Error {
    let error = outcome.unwrap_err();
    assert_eq!(error.name, ErrorName::InvalidInput, "{error}");
    assert!(error.message.contains(part), "{part} in {error}");
    error
}

#[tokio::test]
async fn rows_that_are_corrected_in_the_control_table_are_loaded_once_each() {
    let world = World::new().await;
    world.with_rejects(json!({})).await;
    for (line, text) in [("'t/a.csv', 3", "2;two;31.01.2022"), ("'t/b.csv', 2", "01.02.2022;five;5")] {
        world
            .execute(&format!(
                "update loader.rejected_row set row_text = '{text}' where (key, line) = ({line})"
            ))
            .await;
    }
    let done = world.replay("p1", "r").await.unwrap();
    assert_eq!((done.rows, done.refused, done.left), (2, 3, 3));
    assert_eq!(
        world.table().await,
        [
            "(1,one,2022-01-31,2)",
            "(2,two,2022-01-31,3)",
            "(4,\"a\nb\",,5)",
            "(5,five,2022-02-01,2)",
            "(6,\"\",2022-02-01,3)"
        ]
    );
    assert_eq!(world.left().await, ["(t/a.csv,4)", "(t/b.csv,4)", "(t/b.csv,5)"]);
    assert_eq!(
        world
            .rows("select key, line, column_name, sqlstate, tried_by from loader.rejected_row where replayed_by is null order by 1, 2")
            .await,
        ["(t/a.csv,4,day,22008,p1)", "(t/b.csv,4,id,22P02,p1)", "(t/b.csv,5,id,22P02,p1)"]
    );
    // Called again, as when its answer is lost: nothing is loaded, the answer is the same.
    assert_eq!(world.replay("p1", "r").await.unwrap(), done);
    // Another one finds nothing that could be loaded.
    let again = world.replay("p2", "r").await.unwrap();
    assert_eq!((again.rows, again.left), (0, 3));
    assert_eq!(
        world.rows("select kind, state, rows, replay_of from loader.run where run_id = 'p1'").await,
        ["(replay,published,2,r)"]
    );
    assert_eq!(world.one("select rows from loader.version where state = 'live'").await, "5");
    assert_eq!(world.one("select count(*) from loader.lease").await, "0");
    world.end().await;
}

#[tokio::test]
async fn a_file_is_exported_corrected_and_loaded() {
    let world = World::new().await;
    world.with_rejects(json!({})).await;
    let exported = world.export("r").await.unwrap();
    assert_eq!((exported.rows, exported.rows_without_values), (5, 1));
    assert_eq!((exported.bucket.as_str(), exported.key.as_str()), ("work-bucket", "rejects/r.csv"));
    assert!(exported.next.contains("s3://work-bucket/replays/r.csv"), "{}", exported.next);
    assert_eq!(
        world.work.lines("rejects/r.csv"),
        [
            "_key,_line,_record,_sqlstate,_column,_reason,id,name,day,_row",
            "t/a.csv,3,2,22P02,id,invalid input syntax for type integer,x,two,31.01.2022,x;two;31.01.2022",
            "t/a.csv,4,3,22008,day,\"the text has the format that the definition gives, and there is no such date or time\",3,three,32.01.2022,3;three;32.01.2022",
            "t/b.csv,2,1,22P04,,the record has too few fields,,,,01.02.2022;five",
            "t/b.csv,4,3,22P02,id,invalid input syntax for type integer,7x,seven,,;seven;7x",
            "t/b.csv,5,4,22P02,id,invalid input syntax for type integer,8y,\"it's; \"\"8\"\"\",,\";\"\"it's; \"\"\"\"8\"\"\"\"\"\";8y\"",
        ]
    );
    // One is left out, one is not filled in, one is still wrong, one has another's key.
    world.work.put(
        "replays/r.csv",
        "_key,_line,id,name,day\nt/b.csv,5,8,\"it's; \"\"8\"\"\",\nt/a.csv,3,1,two,31.01.2022\n\
         t/b.csv,2,,,\nt/a.csv,4,3,three,30.02.2022\n",
    );
    let done = world.replay("p1", "r").await.unwrap();
    assert_eq!((done.rows, done.refused, done.left), (1, 3, 4));
    assert_eq!(
        world.one("select name || coalesce(day::text, ' null') from public.t where id = 8").await,
        "it's; \"8\" null"
    );
    assert_eq!(
        world
            .rows("select key, line, sqlstate, error_message from loader.rejected_row where tried_by = 'p1' and replayed_by is null order by 1, 2")
            .await,
        [
            "(t/a.csv,3,23505,\"duplicate key value violates unique constraint \"\"t_pkey\"\"\")",
            "(t/a.csv,4,22008,\"the text has the format that the definition gives, and there is no such date or time\")",
            "(t/b.csv,2,22P04,\"the record has too few fields; its row in the file has no values\")",
        ]
    );
    // What has been loaded is not loaded again by the same file.
    let again = world.replay("p2", "r").await.unwrap();
    assert_eq!((again.rows, again.refused, again.left), (0, 3, 4));
    assert_eq!(world.one("select count(*) from public.t").await, "4");
    world.end().await;
}

#[tokio::test]
async fn a_file_that_is_wrong_loads_nothing_and_says_where() {
    let world = World::new().await;
    world.with_rejects(json!({})).await;
    for (at, file, part) in [
        (
            1,
            "_key,_line,id,name,day\nt/a.csv,3,2,two,\nt/a.csv,2,9,nine,\n",
            "s3://work-bucket/replays/r.csv, line 3: the run r has rejected no row on line 2 of t/a.csv",
        ),
        (2, "_key,_line,id,name\nt/a.csv,3,2,two\n", "day"),
        (3, "id,name\n1,one\n", "_key and _line"),
    ] {
        world.work.put("replays/r.csv", file);
        let error = world.replay(&format!("p{at}"), "r").await.unwrap_err();
        assert!(error.message.contains(part), "{error}");
        assert_eq!(world.left().await.len(), 5);
        world.clean_up(&format!("p{at}"), error.name.as_str()).await.unwrap();
    }
    assert_eq!(world.one("select count(*) from public.t").await, "3");
    world.end().await;
}

#[tokio::test]
async fn rows_without_their_text_say_how_they_can_be_loaded() {
    let world = World::new().await;
    world.with_rejects(json!({"reject_text": false})).await;
    let done = world.replay("p1", "r").await.unwrap();
    assert_eq!((done.rows, done.refused, done.left), (0, 5, 5));
    let reason =
        world.one("select error_message from loader.rejected_row where (key, line) = ('t/a.csv', 3)").await;
    assert_eq!(
        reason,
        "invalid input syntax for type integer; its text was not kept (reject_text), so give its values in a file to load it again"
    );
    world.work.put("replays/r.csv", "_key,_line,id,name,day\nt/a.csv,3,2,two,31.01.2022\n");
    assert_eq!(world.replay("p2", "r").await.unwrap().rows, 1);
    world.end().await;
}

#[tokio::test]
async fn rows_of_a_run_that_is_not_live_have_no_table_to_go_to() {
    let world = World::new().await;
    world.with_rejects(json!({})).await;
    refused(world.replay("p1", "nothing").await, "there is no load nothing of \"t\"");
    world.clean_up("p1", "Loader.InvalidInput").await.unwrap();
    world
        .run(
            "r2",
            &json!({"table": "t", "definition": {
        "dialect": {"delimiter": ";"}, "values": {"day": {"format": "DD.MM.YYYY"}}, "metadata": ["_line"],
        "on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100}}}),
        )
        .await
        .unwrap();
    refused(world.replay("p2", "r").await, "version 3 of run r2 is");
    world.clean_up("p2", "Loader.InvalidInput").await.unwrap();
    // Rolled back, they belong there again.
    world.roll_back("back").await.unwrap();
    world.execute("update loader.rejected_row set row_text = '2;two;' where (run_id, line) = ('r', 3)").await;
    assert_eq!(world.replay("p3", "r").await.unwrap().rows, 1);
    world.end().await;
}

#[tokio::test]
async fn a_replay_waits_for_nobody_and_nobody_loads_beside_it() {
    let world = World::new().await;
    world.with_rejects(json!({})).await;
    world.prepare("r2").await.unwrap();
    let error = world.replay("p1", "r").await.unwrap_err();
    assert_eq!(error.name, ErrorName::TableBusy);
    let outcome = world.clean_up("p1", error.name.as_str()).await.unwrap();
    assert!(!outcome.retry);
    assert_eq!(world.one("select run_id from loader.lease").await, "r2");
    world.end().await;
}

/// Rows that are refused only when all are there are known by their values.
#[tokio::test]
async fn rows_that_a_key_or_a_reference_has_refused_are_loaded_when_they_fit() {
    let world = World::new().await;
    world
        .execute(
            "create table public.place (name text primary key);
             create table public.t (id int primary key, place text references public.place, tags text[], more json,
                                    bytes bytea, flags bit(3), at timestamptz, code char(3), _line bigint);
             insert into public.place values ('here')",
        )
        .await;
    let header = "id|place|tags|more|bytes|flags|at|code";
    let rest = r#"{"a,\"b",ö}|"x"|\x00ff|101|2022-01-31 12:00:00.5+01|a"#;
    world.source.put("t/a.csv", format!("{header}\n1|here||||||\n1|here|{rest}\n2|there|{rest}\n"));
    world.source.put("t/b.csv", format!("{header}\n3|here||||||\n3|||||||\n"));
    let definition = json!({
        "dialect": {"delimiter": "|", "quote": ""}, "metadata": ["_line"], "on_reject": "keep",
        "reject_limits": {"object_percent": 100, "run_percent": 100},
    });
    assert_eq!(world.run("r", &json!({"table": "t", "definition": definition})).await.unwrap().rows, 2);
    assert_eq!(world.left().await, ["(t/a.csv,3)", "(t/a.csv,4)", "(t/b.csv,3)"]);

    let unchanged = world.replay("p1", "r").await.unwrap();
    assert_eq!((unchanged.rows, unchanged.refused, unchanged.left), (0, 3, 3));
    let causes = "select line, sqlstate, constraint_name, error_message from loader.rejected_row
                   where replayed_by is null order by key, line";
    let repeats = "t_pkey,\"duplicate key value violates unique constraint \"\"t_pkey\"\"\"";
    let refers = "t_place_fkey,\"insert or update on table \"\"t\"\" violates foreign key constraint \"\"t_place_fkey\"\"\"";
    assert_eq!(
        world.rows(causes).await,
        [format!("(3,23505,{repeats})"), format!("(4,23503,{refers})"), format!("(3,23505,{repeats})")]
    );

    world.execute("insert into public.place values ('there')").await;
    assert_eq!(world.replay("p2", "r").await.unwrap().rows, 1);

    let exported = world.export("r").await.unwrap();
    assert_eq!((exported.rows, exported.rows_without_values), (2, 0));
    let file = world.work.lines("rejects/r.csv");
    assert!(file[1].contains(r#",1,here,"{""a,\""b"",ö}","""x""",\x00ff,101,2022-01-31 "#), "{}", file[1]);
    assert!(file[2].contains(r#",3,,,,,,,,"{""id"":""3"",""place"":null,"#), "{}", file[2]);
    let corrected = file.join("\n").replace(",1,here,", ",4,here,").replace(",3,,,", ",5,,,");
    world.work.put("replays/r.csv", format!("{corrected}\n"));
    let done = world.replay("p3", "r").await.unwrap();
    assert_eq!((done.rows, done.left), (2, 0));
    assert_eq!(
        world.rows("select id, place, _line, tags[1], more, bytes, flags, at = '2022-01-31 11:00:00.5Z' as at, code from public.t order by id").await,
        [
            "(1,here,2,,,,,,)",
            r#"(2,there,4,"a,""b","""x""","\\x00ff",101,t,"a  ")"#,
            "(3,here,2,,,,,,)",
            r#"(4,here,3,"a,""b","""x""","\\x00ff",101,t,"a  ")"#,
            "(5,,3,,,,,,)"
        ]
    );
    world.end().await;
}

/// The values of such a row are not what a file would have, where they have a format.
#[tokio::test]
async fn the_values_of_a_row_are_in_its_file_where_its_record_is_not() {
    let world = World::new().await;
    world.execute("create table public.t (id int primary key, day date)").await;
    world.source.put("t/a.csv", "id,day\n1,31.01.2022\n1,01.02.2022\n");
    let definition = json!({"values": {"day": {"format": "DD.MM.YYYY"}}, "on_reject": "keep",
                            "reject_limits": {"object_percent": 100, "run_percent": 100}});
    world.run("r", &json!({"table": "t", "definition": definition})).await.unwrap();
    assert_eq!(world.export("r").await.unwrap().rows_without_values, 1);
    assert_eq!(
        world.work.lines("rejects/r.csv")[1],
        "t/a.csv,3,,23505,,an earlier row has the same key (t_pkey),,,\"{\"\"id\"\":\"\"1\"\",\"\"day\"\":\"\"2022-02-01\"\"}\""
    );
    world.work.put("replays/r.csv", "_key,_line,id,day\nt/a.csv,3,2,01.02.2022\n");
    assert_eq!(world.replay("p1", "r").await.unwrap().left, 0);
    assert_eq!(world.one("select day from public.t where id = 2").await, "2022-02-01");
    world.end().await;
}

#[tokio::test]
async fn what_no_text_can_hold_is_refused_again_until_it_is_written_as_characters() {
    let world = World::new().await;
    world.execute("create table public.t (name text, note text)").await;
    world.source.put("t/a.csv", b"name,note\none,1\nM\xfcller,2\na\0b,3\nname,note\nC:\\xa0,4\n".to_vec());
    let definition =
        json!({"on_reject": "keep", "reject_limits": {"object_percent": 100, "run_percent": 100}});
    assert_eq!(world.run("r", &json!({"table": "t", "definition": definition})).await.unwrap().rows, 2);
    let left = ["(t/a.csv,3)", "(t/a.csv,4)", "(t/a.csv,5)"];
    assert_eq!(world.left().await, left);

    let unchanged = world.replay("p1", "r").await.unwrap();
    assert_eq!((unchanged.rows, unchanged.refused), (0, 3));
    let marks = r"; such bytes still stand as \\xNN in it, so write the characters that they are to be";
    assert_eq!(
        world.rows("select line, sqlstate, error_message from loader.rejected_row order by line").await,
        [
            format!("(3,22021,\"the record holds bytes that are no characters of the encoding{marks}\")"),
            format!("(4,22021,\"the record holds a NUL character{marks}\")"),
            "(5,22P04,\"the header stands here once more\")".to_owned(),
        ]
    );
    // The file does not pretend to have their values; who copies them corrects them.
    let exported = world.export("r").await.unwrap();
    assert_eq!((exported.rows, exported.rows_without_values), (3, 3));
    for (run_id, file) in [
        ("p2", world.work.lines("rejects/r.csv").join("\n")),
        ("p3", "_key,_line,name,note\nt/a.csv,3,M\\xfcller,2\nt/a.csv,4,a\\x00b,3\n".to_owned()),
    ] {
        world.work.put("replays/r.csv", file);
        assert_eq!(world.replay(run_id, "r").await.unwrap().rows, 0, "{run_id}");
        assert_eq!(world.left().await, left, "{run_id}");
    }
    world.work.put("replays/r.csv", "_key,_line,name,note\nt/a.csv,3,Müller,2\nt/a.csv,4,ab,3\n");
    assert_eq!(world.replay("p4", "r").await.unwrap().rows, 2);
    assert_eq!(
        world.rows("select * from public.t order by note").await,
        ["(one,1)", "(Müller,2)", "(ab,3)", r#"("C:\\xa0",4)"#]
    );
    world.end().await;
}
