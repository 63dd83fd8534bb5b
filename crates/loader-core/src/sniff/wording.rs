//! Says in words what was found.

use crate::definition::dialect::{Dialect, Quoting, Trim};

/// A delimiter or a line end as people call it.
pub(super) fn mark(mark: &str) -> String {
    match mark {
        "\t" => "tab".to_owned(),
        " " => "blank".to_owned(),
        "\n" => "newline".to_owned(),
        "\r" => "carriage return".to_owned(),
        "\r\n" => "carriage return and newline".to_owned(),
        _ => mark
            .chars()
            .map(|c| match c {
                '\t' => "<tab>".to_owned(),
                ' ' => "<blank>".to_owned(),
                c if c.is_control() => format!("<{:#04x}>", u32::from(c)),
                c => c.to_string(),
            })
            .collect(),
    }
}

/// What was found about fields.
pub(super) fn of_fields(dialect: &Dialect) -> Vec<String> {
    let mut words = vec![format!("delimiter {}", mark(&dialect.delimiter))];
    words.extend(of_quoting(dialect).into_iter().filter(|word| word != "quote \""));
    words
}

/// What was found about quotes.
pub(super) fn of_quoting(dialect: &Dialect) -> Vec<String> {
    let mut words = vec![match dialect.quote {
        Some(quote) => format!("quote {quote}"),
        None => "no quotes".to_owned(),
    }];
    match (dialect.quote, dialect.escape) {
        (quote, escape) if quote == escape => {}
        (_, Some(escape)) => words.push(format!("escape {escape}")),
        (_, None) => words.push("no escapes".to_owned()),
    }
    match dialect.quoting {
        Quoting::Anywhere => {}
        Quoting::Whole => words.push("quotes around whole fields only".to_owned()),
        Quoting::Loose => words.push("quotes stand within fields".to_owned()),
    }
    if dialect.trim != Trim::None {
        words.push("blanks around fields".to_owned());
    }
    words
}

/// What was found before the records.
pub(super) fn lines_before(lines: u64, header: bool) -> String {
    let what = if header { "header" } else { "first record" };
    match lines {
        1 => format!("1 line before the {what}"),
        lines => format!("{lines} lines before the {what}"),
    }
}
