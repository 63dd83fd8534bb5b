//! The stand-in on a real Postgres, against a bucket that answers as told.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio_postgres::Client;

use super::install;
use crate::postgres;

/// What the bucket answers to a GET; a HEAD gets the same without the body.
#[derive(Clone)]
struct Object {
    headers: String,
    body: Vec<u8>,
    /// The answer to a HEAD, where it is not 200.
    head_status: u16,
    /// The answer to a GET, where it is not 200.
    get_status: u16,
}

impl Object {
    fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { headers: String::new(), body: body.into(), head_status: 200, get_status: 200 }
    }
}

/// A bucket with one object; it keeps the heads of the requests.
struct Bucket {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Bucket {
    fn with(object: Object) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut head = String::new();
                for line in BufReader::new(&stream).lines() {
                    let line = line.unwrap();
                    if line.is_empty() {
                        break;
                    }
                    head += &line;
                    head.push('\n');
                }
                let is_head = head.starts_with("HEAD");
                log.lock().unwrap().push(head);
                let status = if is_head { object.head_status } else { object.get_status };
                let answer = format!(
                    "HTTP/1.1 {status} Said\r\nContent-Length: {}\r\nETag: \"a'b\"\r\nConnection: close\r\n{}\r\n",
                    object.body.len(),
                    object.headers,
                );
                stream.write_all(answer.as_bytes()).unwrap();
                if !is_head {
                    // The client may hang up first.
                    stream.write_all(&object.body).ok();
                }
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// Creates a database of its own with the stand-in and a table `"odd ""table"` in it.
async fn database(endpoint_url: &str) -> Client {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let server = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL is not set: run `cargo x test`, or set it to a throwaway Postgres");
    let name = format!("stand_in_{}_{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let admin = postgres::connect(&server).await.unwrap();
    admin.batch_execute(&format!("create database {name}")).await.unwrap();
    let (authority, _) = server.rsplit_once('/').unwrap();
    let url = format!("{authority}/{name}?sslmode=disable");
    install(&url, endpoint_url).await.unwrap();
    let client = postgres::connect(&url).await.unwrap();
    client.batch_execute(r#"create table "odd ""table" (a int, b text)"#).await.unwrap();
    client
}

/// Imports with bind parameters, as the loader does.
async fn import(client: &Client, key: &str, region: &str) -> Result<String, tokio_postgres::Error> {
    client
        .query_one(
            r#"select aws_s3.table_import_from_s3('"odd ""table"', '', '(format csv, header true)', $1, $2, $3)"#,
            &[&"bucket", &key, &region],
        )
        .await
        .map(|row| row.get(0))
}

async fn refusal(client: &Client, region: &str) -> String {
    let error = import(client, "key", region).await.unwrap_err();
    error.as_db_error().unwrap().message().to_owned()
}

async fn rows(client: &Client) -> Vec<(Option<i32>, Option<String>)> {
    client
        .query(r#"select a, b from "odd ""table" order by a"#, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect()
}

#[tokio::test]
async fn an_object_is_imported_and_the_text_tells_rows_and_bytes() {
    let bucket = Bucket::with(Object::new("a,b\n1,x\n2,\"y, z\"\n"));
    let client = database(&bucket.url).await;
    assert_eq!(
        import(&client, "folder/key.csv", "us-east-1").await.unwrap(),
        r#"2 rows imported into relation ""odd ""table"" from file folder/key.csv of 17 bytes"#
    );
    assert_eq!(rows(&client).await, [(Some(1), Some("x".to_owned())), (Some(2), Some("y, z".to_owned()))]);
}

#[tokio::test]
async fn any_key_arrives_as_it_is() {
    let bucket = Bucket::with(Object::new("a,b\n1,x\n"));
    let client = database(&bucket.url).await;
    import(&client, "it's \"50%\" /../é\n$(x)`;?#+&\\.csv", "us-east-1").await.unwrap();
    let requests = bucket.requests();
    let path = "/bucket/it%27s%20%2250%25%22%20/../%C3%A9%0A%24%28x%29%60%3B%3F%23%2B%26%5C.csv";
    assert!(requests[0].starts_with(&format!("HEAD {path} HTTP")), "{}", requests[0]);
    assert!(requests[1].starts_with(&format!("GET {path} HTTP")), "{}", requests[1]);
}

#[tokio::test]
async fn the_object_is_pinned_between_head_and_get() {
    let mut object = Object::new("a,b\n1,x\n");
    object.get_status = 412;
    let bucket = Bucket::with(object);
    let client = database(&bucket.url).await;
    let message = refusal(&client, "us-east-1").await;
    assert!(message.contains("HTTP 412"), "{message}");
    assert!(bucket.requests()[1].contains("If-Match: \"a'b\""));
}

#[tokio::test]
async fn every_status_is_named_by_its_number() {
    for status in [403, 404, 500, 503] {
        let mut object = Object::new("body");
        object.head_status = status;
        let client = database(&Bucket::with(object).url).await;
        let message = refusal(&client, "us-east-1").await;
        assert!(message.contains(&format!("HTTP {status}")), "{message}");
    }
}

#[tokio::test]
async fn an_empty_object_is_refused_as_on_rds() {
    let client = database(&Bucket::with(Object::new("")).url).await;
    assert_eq!(
        refusal(&client, "us-east-1").await,
        "Unable to validate pre-signed URL. Error: HTTP 416. Check your arguments and try again."
    );
}

#[tokio::test]
async fn a_wrong_region_is_refused() {
    let client = database(&Bucket::with(Object::new("a,b\n")).url).await;
    assert!(refusal(&client, "eu-west-1").await.contains("HTTP 301"));
}

#[tokio::test]
async fn a_server_that_nobody_answers_for_is_told_with_curls_code() {
    let port = postgres::free_port().unwrap();
    let client = database(&format!("http://127.0.0.1:{port}")).await;
    let error = import(&client, "key", "us-east-1").await.unwrap_err();
    let error = error.as_db_error().unwrap();
    assert_eq!(
        error.message(),
        "CURL error code: 7 when attempting to validate pre-signed URL, 1 attempt(s) remaining"
    );
    assert_eq!(error.hint(), Some("make sure your instance is able to connect with S3."));
}

/// `a,b\n1,x\n` as gzip packs it.
const GZIP: [u8; 28] = [
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xff, 0x4b, 0xd4, 0x49, 0xe2, 0x32, 0xd4, 0xa9,
    0xe0, 0x02, 0x00, 0xf4, 0xa0, 0x01, 0x00, 0x08, 0x00, 0x00, 0x00,
];

#[tokio::test]
async fn gzip_is_unpacked_only_if_the_object_says_so() {
    let mut object = Object::new(GZIP);
    object.headers = "Content-Encoding: gzip\r\n".to_owned();
    let client = database(&Bucket::with(object.clone()).url).await;
    import(&client, "key.csv.gz", "us-east-1").await.unwrap();
    assert_eq!(rows(&client).await, [(Some(1), Some("x".to_owned()))]);

    object.headers = String::new();
    let client = database(&Bucket::with(object).url).await;
    import(&client, "key.csv.gz", "us-east-1").await.unwrap_err();
    assert_eq!(rows(&client).await, []);
}

#[tokio::test]
async fn a_second_gzip_member_is_an_error_and_not_a_loss() {
    let mut object = Object::new([GZIP, GZIP].concat());
    object.headers = "Content-Encoding: gzip\r\n".to_owned();
    let client = database(&Bucket::with(object).url).await;
    let outcome = import(&client, "key.csv.gz", "us-east-1").await;
    let loaded = rows(&client).await.len();
    assert!(outcome.is_err() && loaded == 0, "{loaded} rows, {outcome:?}");
}

#[tokio::test]
async fn a_bad_value_keeps_its_sqlstate_and_loads_nothing() {
    let client = database(&Bucket::with(Object::new("a,b\n1,x\nno,y\n")).url).await;
    let error = import(&client, "key", "us-east-1").await.unwrap_err();
    assert_eq!(error.code().unwrap().code(), "22P02");
    assert_eq!(rows(&client).await, []);
}

#[tokio::test]
async fn the_import_is_part_of_the_callers_transaction() {
    let client = database(&Bucket::with(Object::new("a,b\n1,x\n")).url).await;
    client.batch_execute("begin").await.unwrap();
    import(&client, "key", "us-east-1").await.unwrap();
    assert_eq!(rows(&client).await.len(), 1);
    client.batch_execute("rollback").await.unwrap();
    assert_eq!(rows(&client).await, []);
}

#[tokio::test]
async fn columns_temporary_tables_and_credentials_work_as_on_rds() {
    let bucket = Bucket::with(Object::new("1,x\n"));
    let client = database(&bucket.url).await;
    client.batch_execute("create temporary table staging (a text, b text)").await.unwrap();
    client
        .query_one(
            "select aws_s3.table_import_from_s3(
                'staging', 'b, a', '(format csv)', aws_commons.create_s3_uri('bucket', 'key', 'us-east-1'),
                aws_commons.create_aws_credentials('id', 'it''s secret', 'token'))",
            &[],
        )
        .await
        .unwrap();
    let staged = client.query_one("select a, b from staging", &[]).await.unwrap();
    assert_eq!((staged.get(0), staged.get(1)), ("x", "1"));
    let request = bucket.requests().pop().unwrap();
    assert!(request.contains("Credential=id/"), "{request}");
    assert!(request.contains("x-amz-security-token: token"), "{request}");
}

#[tokio::test]
async fn a_second_installation_changes_nothing() {
    let bucket = Bucket::with(Object::new("a,b\n1,x\n"));
    let client = database(&bucket.url).await;
    client.batch_execute(super::SQL).await.unwrap();
    import(&client, "key", "us-east-1").await.unwrap();
    let functions = client
        .query_one(
            "select count(*) from pg_proc join pg_namespace on pg_namespace.oid = pronamespace
             where nspname = 'aws_s3' and proname = 'table_import_from_s3'",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(functions.get::<_, i64>(0), 2);
}
