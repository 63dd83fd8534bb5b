use std::cell::Cell;

use serde::Deserialize;
use serde_json::json;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Event {
    run_id: String,
    batch: Batch,
}

#[derive(Debug, Deserialize)]
struct Batch {
    objects: Vec<Object>,
}

#[derive(Debug, Deserialize)]
struct Object {
    size: u64,
}

fn raw(event: &Value) -> Box<RawValue> {
    RawValue::from_string(event.to_string()).unwrap()
}

fn event() -> Box<RawValue> {
    raw(&json!({ "run_id": "r", "batch": { "objects": [{ "size": 3 }, { "size": 4 }] } }))
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

async fn no_state(_: &Environment) -> Result<()> {
    Ok(())
}

async fn sum((): &mut (), event: Event, _: Deadline) -> Result<u64> {
    assert_eq!(event.run_id, "r");
    Ok(event.batch.objects.iter().map(|object| object.size).sum())
}

#[tokio::test]
async fn an_event_is_parsed_and_the_answer_is_json() {
    let mut step = Step::new(Environment::from([]), no_state, sum);
    assert_eq!(step.invoke(&event(), soon()).await.unwrap(), json!(7));
}

#[tokio::test]
async fn a_malformed_event_is_named_by_its_field() {
    let mut step = Step::new(Environment::from([]), no_state, sum);
    for (event, field) in [
        (
            json!({ "run_id": "r", "batch": { "objects": [{ "size": 3 }, { "size": "x" }] } }),
            "`batch.objects[1].size`",
        ),
        (json!({ "run_id": "r" }), "missing field `batch`"),
        (json!({ "run_id": "r", "batch": { "objects": [] }, "bach": 1 }), "`bach`"),
        (json!("text"), "expected struct Event"),
        (json!(null), "expected struct Event"),
    ] {
        let error = step.invoke(&raw(&event), soon()).await.unwrap_err();
        assert_eq!(error.name, ErrorName::InvalidEvent, "{event}");
        assert!(error.message.contains(field), "{error}");
    }
}

#[tokio::test]
async fn an_event_that_is_nested_too_deep_is_an_invalid_event() {
    let deep = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let mut step =
        Step::new(Environment::from([]), no_state, async |(): &mut (), _: Value, _: Deadline| Ok(()));
    let event = RawValue::from_string(deep).unwrap();
    let error = step.invoke(&event, soon()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::InvalidEvent);
}

#[tokio::test]
async fn the_state_is_made_by_the_first_event_and_kept() {
    let made = Cell::new(0);
    let connect = async |_: &Environment| {
        made.set(made.get() + 1);
        Ok(0_u32)
    };
    let handle = async |calls: &mut u32, _: Value, _: Deadline| {
        *calls += 1;
        Ok(*calls)
    };
    let mut step = Step::new(Environment::from([]), connect, handle);
    assert_eq!(made.get(), 0, "nothing is done before the first event");
    assert_eq!(step.invoke(&event(), soon()).await.unwrap(), json!(1));
    assert_eq!(step.invoke(&event(), soon()).await.unwrap(), json!(2));
    assert_eq!(made.get(), 1);
}

#[tokio::test]
async fn the_state_is_made_anew_after_a_failure() {
    let made = Cell::new(0);
    let connect = async |_: &Environment| {
        made.set(made.get() + 1);
        Ok(made.get())
    };
    let handle = async |state: &mut u32, _: Value, _: Deadline| {
        if *state == 1 { Err(Error::new(ErrorName::DatabaseUnavailable, "gone")) } else { Ok(*state) }
    };
    let mut step = Step::new(Environment::from([]), connect, handle);
    let error = step.invoke(&event(), soon()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::DatabaseUnavailable);
    assert_eq!(step.invoke(&event(), soon()).await.unwrap(), json!(2));
}

#[tokio::test]
async fn a_password_that_was_changed_is_read_again_within_the_event() {
    let made = Cell::new(0);
    let connect = async |_: &Environment| {
        made.set(made.get() + 1);
        Ok(made.get())
    };
    let handle = async |password: &mut u32, newest: u32, _: Deadline| {
        if *password == newest { Ok(newest) } else { Err(Error::new(ErrorName::AuthenticationFailed, "no")) }
    };
    let mut step = Step::new(Environment::from([]), connect, handle);
    assert_eq!(step.invoke(&raw(&json!(1)), soon()).await.unwrap(), json!(1));
    assert_eq!(step.invoke(&raw(&json!(2)), soon()).await.unwrap(), json!(2));
    // A password that is wrong is not tried for ever.
    let error = step.invoke(&raw(&json!(9)), soon()).await.unwrap_err();
    assert_eq!((error.name, made.get()), (ErrorName::AuthenticationFailed, 3));
    assert!(step.invoke(&raw(&json!(9)), soon()).await.is_err());
    assert_eq!(made.get(), 4);
}

#[tokio::test]
async fn a_bad_setting_is_an_error_of_the_event() {
    let connect = async |environment: &Environment| environment.required("TOPIC_ARN", "an ARN");
    let handle = async |_: &mut String, _: Value, _: Deadline| Ok(());
    let mut step = Step::new(Environment::from([]), connect, handle);
    let error = step.invoke(&event(), soon()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::InvalidConfiguration);
}

#[tokio::test]
async fn a_panic_is_an_internal_error_with_its_message() {
    let handle = async |state: &mut u32, _: Value, _: Deadline| {
        *state += 1;
        assert!(*state != 1, "seven is {}", "not a prime");
        Ok(*state)
    };
    let connect = async |_: &Environment| Ok(0_u32);
    let mut step = Step::new(Environment::from([]), connect, handle);
    let error = step.invoke(&event(), soon()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::Internal);
    assert!(error.message.ends_with(": seven is not a prime"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_step_that_takes_too_long_ends_itself_before_it_is_killed() {
    let handle = async |(): &mut (), _: Value, deadline: Deadline| {
        assert_eq!(deadline.remaining(), Duration::from_secs(59));
        std::future::pending::<Result<()>>().await
    };
    let mut step = Step::new(Environment::from([]), no_state, handle);
    let error = step.invoke(&event(), soon()).await.unwrap_err();
    assert_eq!(error.name, ErrorName::DeadlineReached);
    assert!(error.message.contains("after 59 s"), "{error}");
}

#[test]
fn the_log_knows_the_run_and_the_table_of_every_kind_of_event() {
    let subject = |event: Value| {
        let subject = Subject::of(&raw(&event));
        (subject.run_id, subject.table)
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(subject(json!({ "run_id": "r", "attempt": 1 })), (text("r"), None));
    assert_eq!(subject(json!({ "group": "g" })), (text("g"), None));
    assert_eq!(
        subject(json!({ "input": { "table": "t" }, "execution": { "name": "e" } })),
        (text("e"), text("t"))
    );
    assert_eq!(subject(json!({ "input": "no object" })), (None, None));
    assert_eq!(subject(json!([1])), (None, None));
}
