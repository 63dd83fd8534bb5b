//! Tells whether the names of a header stand above their values, where the header has one
//! name fewer than the records have fields and the last of those is always empty.
//!
//! Either a delimiter ends the records, and not the header, or the header lost one
//! amidst: two names ran together, and those after them stand one column off.

use super::header::usual_shape;
use super::reading::Row;
use super::shape::Shape;

/// Words that names of such columns end in.
const MOMENTS: &[&str] = &["date", "datetime", "timestamp", "time", "datum"];
const NUMBERS: &[&str] = &[
    "amount",
    "cost",
    "count",
    "fee",
    "height",
    "lat",
    "latitude",
    "length",
    "lng",
    "lon",
    "longitude",
    "number",
    "percent",
    "percentage",
    "pct",
    "price",
    "qty",
    "quantity",
    "salary",
    "score",
    "share",
    "sum",
    "tax",
    "total",
    "units",
    "volume",
    "weight",
    "width",
    "year",
];
const ADDRESSES: &[&str] = &["email", "href", "link", "mail", "uri", "url", "website"];

/// Whether no name contradicts the values below it, and one that the next column's
/// values would contradict stands far enough at the end: no name before it can be lost.
pub(super) fn stands_above(header: &Row, body: &[&Row]) -> bool {
    let clean = |name: &str| !name.trim().is_empty() && !name.contains(['"', '\'', '`']);
    if header.faulty || !header.cells.iter().all(|cell| clean(&cell.value)) {
        return false;
    }
    let columns: Vec<Column> = (0..=header.width()).map(|column| Column::of(body, column)).collect();
    let above = |name: usize, column: usize| {
        let said = header.cells.get(name).and_then(|cell| said(&cell.value));
        said.zip(columns.get(column)).map_or(Fit::Unknown, |(said, column)| column.fit(said))
    };
    if (0..header.width()).any(|at| above(at, at) == Fit::Against) {
        return false;
    }
    let certain = |at: &usize| above(*at, *at) == Fit::For && above(*at, at + 1) == Fit::Against;
    let Some(last) = (0..header.width()).rfind(certain) else { return false };
    let filled = |columns: &[Column]| columns.iter().filter(|column| **column != Column::Empty).count();
    let (before, after) = columns.split_at(last + 1);
    filled(after) <= filled(before)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    For,
    Against,
    Unknown,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Empty,
    Typed(Shape),
    Texts,
}

impl Column {
    fn of(body: &[&Row], column: usize) -> Self {
        let values: Vec<&str> = body.iter().map(|row| row.value(column)).collect();
        if values.iter().all(|value| Shape::of(value) == Shape::Missing) {
            return Self::Empty;
        }
        match usual_shape(&values) {
            Some((shape, of_all)) if of_all >= 0.9 => Self::Typed(shape),
            _ => Self::Texts,
        }
    }

    fn fit(self, said: Shape) -> Fit {
        match self {
            Self::Empty => Fit::Unknown,
            Self::Typed(shape) if shape == said => Fit::For,
            Self::Typed(_) | Self::Texts => Fit::Against,
        }
    }
}

/// The looks of the values that a name says: its last word does, or the one before `of`.
fn said(name: &str) -> Option<Shape> {
    let words = words(name);
    let end = words.iter().position(|word| word == "of").filter(|at| *at > 0).unwrap_or(words.len());
    let last = words.get(end.checked_sub(1)?)?.as_str();
    [(MOMENTS, Shape::Moment), (NUMBERS, Shape::Number), (ADDRESSES, Shape::Address)]
        .into_iter()
        .find(|(names, _)| names.contains(&last))
        .map(|(_, shape)| shape)
}

/// The words of a name, in lower case: `unitPrice`, `UNIT_PRICE` and `Unit Price` have two.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() && was_lower {
            words.push(String::new());
        }
        if c.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::super::reading::Reading;
    use super::*;
    use crate::definition::dialect::Dialect;

    fn stands(object: &str) -> bool {
        let reading = Reading::of(object, &Dialect::default(), false);
        let rows: Vec<&Row> = reading.rows.iter().collect();
        stands_above(rows[0], &rows[1..])
    }

    #[test]
    fn names_that_say_what_is_below_them_stand_above_their_values() {
        assert!(stands("Sale Date,item,unitPrice,by,remark\n2024-01-01,a,1.5,x,,\n2024-01-02,b,2,y,,\n"));
        // A name is lost before the ones that say something, or between them.
        assert!(!stands("Sale Dateitem,price,place,remark\n2024-01-01,a,1.5,x,\n2024-01-02,b,2,y,\n"));
        assert!(!stands("Sale Date,itemprice,place,remark\n2024-01-01,a,1.5,x,\n2024-01-02,b,2,y,\n"));
        assert!(!stands("name,item,unit price\na,b,c,\nd,e,f,\n"));
        // Nothing tells.
        assert!(!stands("a,b,c\n1,2,3,\n4,5,6,\n"));
        assert!(!stands("date,a,b,c\n2024-01-01,x,y,z,\n2024-01-02,x,y,z,\n"));
        // The header is damaged.
        assert!(!stands("date,price,a\"b\n2024-01-01,1,x,\n"));
    }

    #[test]
    fn names_have_words() {
        for name in ["unitPrice", "UNIT_PRICE", " Unit  price", "unit-price of goods"] {
            assert_eq!(said(name), Some(Shape::Number), "{name}");
        }
        assert_eq!(said("price currency"), None);
        assert_eq!(said("of"), None);
        assert_eq!(said(""), None);
    }
}
