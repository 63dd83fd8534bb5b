//! Files that are made up: the same bytes on every machine.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use anyhow::Context as _;

/// A table that is made up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    /// Ten columns of all sorts, as an application's table has them.
    Mixed,
    /// Five columns of numbers.
    Narrow,
    /// Forty columns of text, some long, some empty.
    Wide,
}

/// Numbers that look random and are not (xorshift64*, Marsaglia 2003 and Vigna 2016).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> u64 {
        // The upper half is the better one.
        (self.next() >> 32) % end
    }
}

const WORDS: [&str; 16] = [
    "station",
    "airport",
    "north",
    "Zürich",
    "harbour",
    "wind",
    "of, the",
    "snow",
    "rain",
    "østre",
    "valley",
    "\"\"old\"\"",
    "ridge",
    "lake",
    "東京",
    "mill",
];

impl Made {
    /// Returns the table's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mixed => "one_file",
            Self::Narrow => "narrow",
            Self::Wide => "wide",
        }
    }

    fn header(self) -> String {
        match self {
            Self::Mixed => "id,customer,created_at,day,amount,rate,active,token,city,note".to_owned(),
            Self::Narrow => "id,a,b,c,d".to_owned(),
            Self::Wide => (1..=40).map(|number| format!("text_{number}")).collect::<Vec<_>>().join(","),
        }
    }

    fn row(self, id: u64, numbers: &mut Numbers, row: &mut String) -> std::fmt::Result {
        row.clear();
        match self {
            Self::Mixed => mixed(id, numbers, row),
            Self::Narrow => {
                let (a, b) = (numbers.below(2_000_000_000), numbers.next() >> 2);
                let (c, d) = (numbers.below(1_000_000), numbers.below(1_000_000_000));
                writeln!(
                    row,
                    "{id},{a},{b},{}.{:02},{}.{:06}",
                    c / 100,
                    c % 100,
                    d / 1_000_000,
                    d % 1_000_000
                )
            }
            Self::Wide => {
                for column in 0..40 {
                    if column > 0 {
                        row.push(',');
                    }
                    let words = if column % 8 == 7 { 12 } else { numbers.below(4) };
                    text(numbers, words, row);
                }
                row.push('\n');
                Ok(())
            }
        }
    }

    /// Writes files of about so many bytes in all, with a header each.
    pub(crate) fn write(self, folder: &Path, bytes: u64, files: u64) -> anyhow::Result<()> {
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut row = String::new();
        let mut id = 0;
        for file in 0..files {
            let path = folder.join(format!("{file:05}.csv"));
            let created = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
            let mut out = BufWriter::with_capacity(1 << 20, created);
            writeln!(out, "{}", self.header())?;
            let mut written = 0;
            while written < bytes / files {
                id += 1;
                self.row(id, &mut numbers, &mut row)?;
                out.write_all(row.as_bytes())?;
                written += row.len() as u64;
            }
            out.flush()?;
        }
        Ok(())
    }
}

fn mixed(id: u64, numbers: &mut Numbers, row: &mut String) -> std::fmt::Result {
    let second = numbers.below(86_400);
    let day = format!("20{:02}-{:02}-{:02}", numbers.below(25), 1 + numbers.below(12), 1 + numbers.below(28));
    let amount = numbers.below(100_000_000);
    let rate = numbers.below(1_000_000_000);
    let (high, low) = (numbers.next(), numbers.next());
    write!(
        row,
        "{id},{},{day} {:02}:{:02}:{:02},{day},{}.{:02},0.{rate:09},{},{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x},",
        numbers.below(1_000_000),
        second / 3_600,
        second / 60 % 60,
        second % 60,
        amount / 100,
        amount % 100,
        if numbers.below(2) == 0 { "true" } else { "false" },
        high >> 32,
        high >> 16 & 0xffff,
        high >> 4 & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff,
    )?;
    text(numbers, 1, row);
    row.push(',');
    let words = numbers.below(12);
    text(numbers, words, row);
    row.push('\n');
    Ok(())
}

/// Writes some words, in quotes where CSV asks for them; none are NULL.
fn text(numbers: &mut Numbers, words: u64, row: &mut String) {
    let start = row.len();
    for number in 0..words {
        if number > 0 {
            row.push(' ');
        }
        let at = usize::try_from(numbers.below(WORDS.len() as u64)).unwrap_or_default();
        row.push_str(WORDS.get(at).copied().unwrap_or_default());
    }
    if row.get(start..).is_some_and(|text| text.contains(['"', ','])) {
        row.insert(start, '"');
        row.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_files_can_be_read_and_are_the_same_each_time() {
        for made in [Made::Mixed, Made::Narrow, Made::Wide] {
            let folder =
                std::env::temp_dir().join(format!("loader-made-{}-{}", made.name(), std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            made.write(&folder, 40_000, 2).unwrap();
            let first = std::fs::read(folder.join("00001.csv")).unwrap();
            let mut reader = csv::Reader::from_path(folder.join("00001.csv")).unwrap();
            assert!(reader.records().all(|record| record.is_ok()), "{made:?}");
            made.write(&folder, 40_000, 2).unwrap();
            assert_eq!(first, std::fs::read(folder.join("00001.csv")).unwrap(), "{made:?}");
            std::fs::remove_dir_all(&folder).unwrap();
        }
    }
}
