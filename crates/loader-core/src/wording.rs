//! Numbers, and what is to be typed in, as people read them.

use serde_json::Value;

/// Writes a number with commas between its thousands: `1,024`.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Writes how many there are of something: `1 row`, `1,024 rows`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// Writes JSON that people read, such as the input of an execution, with its fields in
/// the given order: the order of a `Value` depends on how `serde_json` was built.
pub(crate) fn ordered_json<'a>(fields: impl IntoIterator<Item = (&'a str, Value)>) -> String {
    let field = |(name, value): (&str, Value)| format!("{}:{value}", Value::from(name));
    let fields: Vec<String> = fields.into_iter().map(field).collect();
    format!("{{{}}}", fields.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_can_be_copied_and_is_in_the_order_that_it_was_given_in() {
        let text = ordered_json([("table", "a \"b\"".into()), ("replay", "r".into()), ("a", 1.into())]);
        assert_eq!(text, r#"{"table":"a \"b\"","replay":"r","a":1}"#);
        let read: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["table"], "a \"b\"");
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1, 1200].map(|n| counted(n, "row", "rows")), ["0 rows", "1 row", "1,200 rows"]);
    }
}
