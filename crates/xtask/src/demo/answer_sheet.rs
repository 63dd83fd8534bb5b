//! What the files hold, counted without any code of the loader.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};

use crate::upload::SourceFile;

/// Digits behind the point that sums are kept with; the files have at most seven.
const SCALE: usize = 9;

/// Columns whose numbers are added up.
pub(crate) const NUMBERS: [&str; 8] =
    ["latitude", "longitude", "elevation", "temp", "slp", "max", "min", "prcp"];
/// Columns whose characters are counted: padding and leading zeros must stay.
pub(crate) const TEXTS: [&str; 3] = ["station", "name", "frshtt"];

/// A column's counts over all files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ColumnCounts {
    /// Fields with nothing in them.
    pub(crate) nulls: i64,
    /// The sum of a numeric column, times ten to the scale.
    pub(crate) sum: i128,
    /// The characters of a text column.
    pub(crate) characters: i64,
}

/// What the loaded table must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AnswerSheet {
    /// Data rows by object key.
    pub(crate) rows: BTreeMap<String, i64>,
    /// Counts by lower-case column name.
    pub(crate) columns: BTreeMap<&'static str, ColumnCounts>,
}

impl AnswerSheet {
    /// Reads all files.
    pub(crate) fn of(files: &[SourceFile]) -> anyhow::Result<Self> {
        let mut sheet = Self::default();
        for file in files {
            let reader = csv::Reader::from_path(&file.path)
                .with_context(|| format!("cannot read {}", file.path.display()))?;
            let rows = sheet.add(reader).with_context(|| format!("cannot read {}", file.path.display()))?;
            sheet.rows.insert(file.key.clone(), rows);
        }
        Ok(sheet)
    }

    fn add<R: std::io::Read>(&mut self, mut reader: csv::Reader<R>) -> anyhow::Result<i64> {
        let headers: Vec<String> = reader.headers()?.iter().map(str::to_lowercase).collect();
        let position = |name: &str| {
            headers
                .iter()
                .position(|header| header == name)
                .with_context(|| format!("there is no column {name}"))
        };
        let numbers =
            NUMBERS.iter().map(|name| Ok((*name, position(name)?))).collect::<anyhow::Result<Vec<_>>>()?;
        let texts =
            TEXTS.iter().map(|name| Ok((*name, position(name)?))).collect::<anyhow::Result<Vec<_>>>()?;

        let mut rows = 0;
        for record in reader.records() {
            let record = record?;
            rows += 1;
            for (name, position) in &numbers {
                let field = record.get(*position).unwrap_or_default().trim();
                let counts = self.columns.entry(name).or_default();
                if field.is_empty() {
                    counts.nulls += 1;
                } else {
                    counts.sum += scaled(field)?;
                }
            }
            for (name, position) in &texts {
                let field = record.get(*position).unwrap_or_default();
                let counts = self.columns.entry(name).or_default();
                if field.is_empty() {
                    counts.nulls += 1;
                }
                counts.characters += i64::try_from(field.chars().count())?;
            }
        }
        Ok(rows)
    }
}

/// Reads a decimal number as an integer, without a float's rounding.
pub(crate) fn scaled(number: &str) -> anyhow::Result<i128> {
    let (sign, digits) = match number.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, number),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !(whole.is_empty() && fraction.is_empty())
        && whole.chars().chain(fraction.chars()).all(|c| c.is_ascii_digit());
    // Digits beyond the scale are fine as long as they are zeros.
    let (kept, beyond) = fraction.split_at(fraction.len().min(SCALE));
    if !is_number || beyond.chars().any(|digit| digit != '0') {
        bail!("a field is not a decimal number with up to {SCALE} digits");
    }
    Ok(sign * format!("{whole}{kept:0<SCALE$}").parse::<i128>()?)
}

/// Writes such an integer as the decimal number that it stands for.
pub(crate) fn unscaled(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    let digits = format!("{:0>1$}", number.unsigned_abs(), SCALE + 1);
    let (whole, fraction) = digits.split_at(digits.len() - SCALE);
    let text = format!("{sign}{whole}.{fraction}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        assert_eq!(scaled("1.5").unwrap(), 1_500_000_000);
        assert_eq!(scaled("-0.1").unwrap(), -100_000_000);
        assert_eq!(scaled(".0").unwrap(), 0);
        assert_eq!(scaled("12").unwrap(), 12_000_000_000);
        assert_eq!(scaled("1.50000000000").unwrap(), 1_500_000_000);
        for bad in ["", "-", "1e5", "x", "1.0000000001"] {
            assert!(scaled(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_integer_is_written_as_the_decimal_that_it_was() {
        for number in ["0", "-0.1", "12", "175310.4550275"] {
            assert_eq!(unscaled(scaled(number).unwrap()), number);
        }
    }

    #[test]
    fn rows_nulls_sums_and_characters_are_counted() {
        let text = "STATION,LATITUDE,LONGITUDE,ELEVATION,NAME,TEMP,SLP,MAX,MIN,PRCP,FRSHTT\n\
                    \"01\",\"1.5\",\"-2\",\"3\",\"A, B\",\"  9.6\",\"1\",\"1\",\"1\",\" 0.00\",\"000100\"\n\
                    \"02\",,,,,\"0.4\",\"1\",\"1\",\"1\",\"0.01\",\"000000\"\n";
        let mut sheet = AnswerSheet::default();
        let rows = sheet.add(csv::Reader::from_reader(text.as_bytes())).unwrap();
        assert_eq!(rows, 2);
        assert_eq!(sheet.columns["temp"].sum, 10_000_000_000);
        assert_eq!(sheet.columns["latitude"].nulls, 1);
        assert_eq!(sheet.columns["name"].nulls, 1);
        assert_eq!(sheet.columns["name"].characters, 4);
        assert_eq!(sheet.columns["frshtt"].characters, 12);
    }
}
