//! One message in the form that each kind of subscriber gets.

use loader_core::report::Message;
use serde_json::{Map, Value, json};

/// SNS takes 256 KiB; the rest is left to attributes and the envelope.
pub(crate) const LIMIT: usize = 240 * 1024;
/// A subject is a line of printable ASCII of this length.
const SUBJECT: usize = 100;
/// One SMS.
const SMS: usize = 140;
/// Ends a text that was cut.
const CUT: &str = "\n… (cut)";

/// A message ready for SNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Publication {
    pub(crate) subject: String,
    /// The JSON of `MessageStructure: json`: a text per protocol.
    pub(crate) document: String,
    pub(crate) outcome: String,
    /// None where the table is not known: SNS refuses an empty attribute.
    pub(crate) table: Option<String>,
}

impl Publication {
    pub(crate) fn of(message: &Message) -> Self {
        let subject = subject(&message.subject);
        let table = attribute(&message.table);
        Self {
            document: document(&subject, message),
            subject,
            outcome: message.outcome.to_owned(),
            table: (!table.is_empty()).then_some(table),
        }
    }
}

/// Makes the document, with the text cut where it would be too large.
fn document(subject: &str, message: &Message) -> String {
    let mut facts = message.json.clone();
    let mut text = message.text.as_str();
    loop {
        let document = render(subject, text, &facts, text.len() < message.text.len());
        if document.len() <= LIMIT {
            return document;
        }
        if text.len() > 1_024 {
            text = start(text, text.len() / 2);
        } else if facts.as_object().is_some_and(|facts| facts.contains_key("cut")) {
            return render(subject, "", &facts, true);
        } else {
            // A text of a few lines and still too large: it is the facts.
            facts = json!({ "outcome": message.outcome, "table": message.table, "cut": true });
            text = message.text.as_str();
        }
    }
}

fn render(subject: &str, text: &str, facts: &Value, cut: bool) -> String {
    let text = if cut { format!("{text}{CUT}") } else { text.to_owned() };
    let mut machine = match facts {
        Value::Object(facts) => facts.clone(),
        other => Map::from_iter([("message".to_owned(), other.clone())]),
    };
    machine.insert("subject".to_owned(), json!(subject));
    machine.insert("text".to_owned(), json!(text));
    let machine = Value::Object(machine).to_string();
    json!({
        "default": text,
        "email": text,
        "sms": start(subject, SMS),
        "sqs": machine,
        "lambda": machine,
        "http": machine,
        "https": machine,
    })
    .to_string()
}

/// Makes a line that SNS takes as a subject, whatever it is given.
fn subject(text: &str) -> String {
    let printable = |letter: char| {
        if matches!(letter, ' '..='~') { letter } else { '?' }
    };
    let line: String = text.trim().chars().map(printable).take(SUBJECT).collect();
    if line.is_empty() { "s3-to-postgres".to_owned() } else { line }
}

/// Replaces what an attribute can't hold: it is XML 1.0 on the way.
fn attribute(text: &str) -> String {
    let legal = |letter: char| {
        let control = letter < ' ' && !matches!(letter, '\t' | '\n' | '\r');
        if control || matches!(letter, '\u{fffe}' | '\u{ffff}') { '\u{fffd}' } else { letter }
    };
    text.chars().map(legal).collect()
}

/// Returns the start of a text, cut between characters.
fn start(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str, json: Value) -> Message {
        Message {
            subject: "year_2022 loaded".to_owned(),
            text: text.to_owned(),
            json,
            outcome: "succeeded",
            table: "year_2022".to_owned(),
        }
    }

    fn parsed(publication: &Publication) -> Map<String, Value> {
        serde_json::from_str(&publication.document).unwrap()
    }

    #[test]
    fn people_get_the_text_and_machines_the_facts() {
        let publication = Publication::of(&message("All well.\n", json!({ "rows": 3 })));
        let document = parsed(&publication);
        assert_eq!(document["default"], "All well.\n");
        assert_eq!(document["email"], "All well.\n");
        assert_eq!(document["sms"], "year_2022 loaded");
        let machine = json!({ "rows": 3, "subject": "year_2022 loaded", "text": "All well.\n" });
        for protocol in ["sqs", "lambda", "http", "https"] {
            let told: Value = serde_json::from_str(document[protocol].as_str().unwrap()).unwrap();
            assert_eq!(told, machine, "{protocol}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_cut_between_characters() {
        let publication = Publication::of(&message(&"é🌧\"\n".repeat(60_000), json!({})));
        assert!(publication.document.len() <= LIMIT);
        let document = parsed(&publication);
        let text = document["default"].as_str().unwrap();
        assert!(text.starts_with("é🌧\"\n"));
        assert!(text.ends_with(CUT));
        assert!(text.len() > 10_000, "as much as there is room for: {}", text.len());
    }

    #[test]
    fn facts_that_are_too_large_leave_the_text_whole() {
        let facts = json!({ "errors": vec!["an error"; 40_000] });
        let publication = Publication::of(&message("All went wrong.", facts));
        assert!(publication.document.len() <= LIMIT);
        let document = parsed(&publication);
        assert_eq!(document["default"], "All went wrong.");
        let machine: Value = serde_json::from_str(document["sqs"].as_str().unwrap()).unwrap();
        assert_eq!(machine["cut"], true);
        assert_eq!(machine["outcome"], "succeeded");
    }

    #[test]
    fn a_subject_is_one_line_of_printable_ascii() {
        assert_eq!(subject(" Größe\n\"x\" "), "Gr??e?\"x\"");
        assert_eq!(subject(&"x".repeat(300)).len(), 100);
        assert_eq!(subject(" \n"), "s3-to-postgres");
    }

    #[test]
    fn an_attribute_is_never_empty_and_never_illegal() {
        let mut message = message("", json!({}));
        message.table = "Year 年\u{1}".to_owned();
        assert_eq!(Publication::of(&message).table.as_deref(), Some("Year 年\u{fffd}"));
        message.table = String::new();
        assert_eq!(Publication::of(&message).table, None);
    }
}
