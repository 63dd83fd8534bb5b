//! Records of CSV as most of them are: each field bare, or in quotes as a whole with
//! nothing escaped in it but quotes by quotes.
//!
//! Their fields are found without being copied, where no quote is doubled. What is written
//! otherwise is left to the rules of the dialect, which read such records to the same end,
//! as a test shows.

use memchr::memchr;

use super::MAX_RAW_BYTES;
use super::marks::LineEnds;
use super::reading::{Reading, View};
use super::scan::{BLOCK, FieldEnds, Scan, Signs};
use crate::definition::dialect::{Dialect, Format, Trim};
use crate::record::parsed::{End, Parsed, Written};

/// The signs of a dialect that has only single bytes, and leaves blanks as they are.
#[derive(Debug, Clone)]
pub(super) struct Plain {
    quote: u8,
    signs: Signs,
}

impl Plain {
    /// Returns the signs of a dialect, if its records can be read here.
    pub(super) fn of(dialect: &Dialect, ends: &LineEnds) -> Option<Self> {
        if dialect.format != Format::Csv || dialect.trim != Trim::None || !matches!(ends, LineEnds::Any) {
            return None;
        }
        let &[delimiter] = dialect.delimiter.as_bytes() else { return None };
        let ascii = |sign: char| u8::try_from(sign).ok().filter(u8::is_ascii);
        let quote = ascii(dialect.quote?)?;
        let escape = match dialect.escape {
            Some(escape) => Some(ascii(escape)?),
            None => None,
        };
        let signs = [delimiter, quote, escape.unwrap_or(quote)];
        if signs.iter().any(|sign| matches!(sign, b'\n' | b'\r' | 0)) || delimiter == quote {
            return None;
        }
        Some(Self { quote, signs: Signs::new(delimiter, quote, escape) })
    }

    /// Reads the record at the beginning of the text, if it is there to its end and
    /// written plainly.
    pub(super) fn read(&self, view: &View<'_>, out: &mut Parsed) -> Option<Reading> {
        let most = view.limit.min(view.window).min(MAX_RAW_BYTES);
        let bytes = view.rest.as_bytes();
        let mut scan = Scan::new(&self.signs);
        let (mut block, mut start) = (0, 0);
        loop {
            let found = scan.next(bytes.get(block..).filter(|rest| !rest.is_empty())?)?;
            let FieldEnds { at: mut left, quoted, .. } = found;
            // How many there are is known, so that there is room for all at once.
            out.ends.extend((0..left.count_ones()).map(|_| {
                let bit = left.trailing_zeros();
                left &= left - 1;
                let is_quoted = quoted >> bit & 1 == 1;
                let (sign, written) = if is_quoted { (1, Written::Quoted) } else { (0, Written::Plain) };
                let at = block + bit as usize;
                let end = End { start: start + sign, at: at - sign, written };
                start = at + 1;
                end
            }));
            if found.is_last {
                break;
            }
            block += BLOCK;
        }
        let content = start - 1;
        let next = match (bytes.get(content)?, bytes.get(start)) {
            (b'\n', _) => start,
            (b'\r', Some(b'\n')) => start + 1,
            _ => return None,
        };
        if content > most {
            return None;
        }
        out.in_raw = !scan.doubled;
        if scan.doubled {
            self.copy(view.rest, out)?;
        }
        Some(Reading::Record { content, next, fault: None, lines: scan.lines })
    }

    /// Copies fields with one quote for two.
    fn copy(&self, raw: &str, out: &mut Parsed) -> Option<()> {
        for end in &mut out.ends {
            let mut rest = raw.get(end.start..end.at)?;
            end.start = out.text.len();
            if end.written == Written::Quoted {
                while let Some(quote) = memchr(self.quote, rest.as_bytes()) {
                    let (upto, behind) = rest.split_at_checked(quote + 1)?;
                    out.text.push_str(upto);
                    rest = behind.get(1..)?;
                }
            }
            out.text.push_str(rest);
            end.at = out.text.len();
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::csv::Csv;
    use super::*;
    use crate::definition::dialect::Quoting;
    use crate::record::raw::Raw;

    fn fields(parsed: &Parsed) -> Vec<(String, Written)> {
        parsed.fields().map(|field| (field.value.to_owned(), field.written)).collect()
    }

    proptest! {
        #[test]
        fn what_is_read_plainly_is_read_so_by_the_rules(
            text in "((\"([a,é\n ]|\"\"){0,4}\"|[a é]{0,3}|[a\"\\\\,\r\n]{0,3})[,\n\r;]){1,9}",
            quoting in prop::sample::select(vec![Quoting::Anywhere, Quoting::Whole, Quoting::Loose]),
            escape in prop::sample::select(vec![Some('"'), Some('\\'), None]),
            limit in prop::sample::select(vec![3_usize, 1_000]),
        ) {
            let dialect = Dialect { escape, quoting, ..Dialect::default() };
            let plain = Plain::of(&dialect, &LineEnds::Any).unwrap();
            let rules = Csv::new(&dialect, LineEnds::Any);
            let mut at = 0;
            for ended in [false, true] {
                while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
                    let view = View { rest, ended, amid: false, limit, window: limit };
                    let (mut read, mut by_rules) = (Parsed::default(), Parsed::default());
                    let Some(Reading::Record { content, next, fault, lines }) = plain.read(&view, &mut read) else {
                        break;
                    };
                    read.raw = Raw::own(rest.get(..content).unwrap().to_owned());
                    // The rules want to see more before they decide.
                    let longer = format!("{rest}\nlookahead\n");
                    let view = View { rest: &longer, ended, amid: false, limit, window: limit };
                    let Reading::Record { content: its_content, next: its_next, fault: its_fault, .. } =
                        rules.read(&view, &mut by_rules) else { panic!("no record: {rest:?}") };
                    prop_assert_eq!((content, next, fault), (its_content, its_next, its_fault));
                    prop_assert_eq!(fields(&read), fields(&by_rules));
                    prop_assert_eq!(lines, rest.get(..content).unwrap().contains(['\n', '\r']));
                    at += next;
                }
            }
        }
    }
}
