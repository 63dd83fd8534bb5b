//! Guesses where keys lie from how they have looked.
//!
//! A key is read as a number whose digits are its characters. Each place has the digits
//! that were seen there, so that keys that count up, or that are spread evenly, are evenly
//! spread as numbers. A guess that is wrong costs a request and no key: any string may be
//! the end of a range.

use std::collections::BTreeSet;

/// Places behind the first that differs that a guess makes something of.
const PRECISION: usize = 10;

/// Different characters that a place may have; more are not told apart.
const MOST_DIGITS: usize = 512;

/// Places of a key that are looked at.
const MOST_PLACES: usize = 256;

/// Two keys and how many lie behind the first, up to the second.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The first.
    pub from: String,
    /// The second.
    pub to: String,
    /// How many.
    pub keys: usize,
}

/// The characters that keys have, by their places behind the prefix.
#[derive(Debug, Default)]
pub struct Alphabet {
    places: Vec<BTreeSet<char>>,
}

impl Alphabet {
    /// Takes note of a key.
    pub fn saw(&mut self, key: &str) {
        for (place, character) in key.chars().take(MOST_PLACES).enumerate() {
            if place == self.places.len() {
                self.places.push(BTreeSet::new());
            }
            let Some(digits) = self.places.get_mut(place) else { return };
            if digits.len() >= MOST_DIGITS || !digits.insert(character) {
                continue;
            }
            // Where there is one digit there will be others, before they have been seen.
            if character.is_ascii_digit() {
                digits.extend('0'..='9');
            }
            for hex in ['a'..='f', 'A'..='F'] {
                if digits.contains(&'0') && digits.range(hex.clone()).next().is_some() {
                    digits.extend(hex);
                }
            }
        }
    }

    /// Returns a key that about so many keys lie before, and behind `after`, if keys are as
    /// far apart as in the sample; none where that can't be told.
    #[must_use]
    pub fn behind(&self, prefix: &str, after: &str, sample: &Sample, keys: usize) -> Option<String> {
        let of = |key: &str| -> Option<Vec<char>> { Some(key.strip_prefix(prefix)?.chars().collect()) };
        let (from, to, after) = (of(&sample.from)?, of(&sample.to)?, of(after)?);
        let differs = (0..from.len().max(to.len())).find(|place| from.get(*place) != to.get(*place))?;
        let places: Vec<Vec<char>> = self
            .places
            .iter()
            .take(differs + PRECISION)
            .map(|digits| digits.iter().copied().collect())
            .collect();
        let (from, to) = (number(&places, &from), number(&places, &to));
        let width = scale(&places, &subtract(&places, &to, &from)?, keys as u64, sample.keys as u64)?;
        let sum = add(&places, &number(&places, &after), &width)?;
        let character =
            |(digit, digits): (&u64, &Vec<char>)| digits.get(usize::try_from(*digit).ok()?).copied();
        Some(prefix.chars().chain(sum.iter().zip(&places).filter_map(character)).collect())
    }
}

/// Reads characters as a number; one that a place does not know is the next smaller.
fn number(places: &[Vec<char>], key: &[char]) -> Vec<u64> {
    let digit = |(place, digits): (usize, &Vec<char>)| {
        let Some(character) = key.get(place) else { return 0 };
        let smaller = digits.partition_point(|digit| digit <= character);
        smaller.saturating_sub(1) as u64
    };
    places.iter().enumerate().map(digit).collect()
}

fn bases(places: &[Vec<char>]) -> impl DoubleEndedIterator<Item = u64> + ExactSizeIterator {
    places.iter().map(|digits| (digits.len() as u64).max(1))
}

/// Subtracts; none if there is less than nothing left.
fn subtract(places: &[Vec<char>], from: &[u64], what: &[u64]) -> Option<Vec<u64>> {
    let mut borrow = 0;
    let mut left: Vec<u64> = Vec::with_capacity(from.len());
    for (base, (from, what)) in bases(places).zip(from.iter().zip(what)).rev() {
        let what = what + borrow;
        borrow = u64::from(*from < what);
        left.push(from + borrow * base - what);
    }
    left.reverse();
    (borrow == 0).then_some(left)
}

/// Multiplies and divides; none if it gets too large.
fn scale(places: &[Vec<char>], number: &[u64], times: u64, by: u64) -> Option<Vec<u64>> {
    let mut carry = 0;
    let mut product: Vec<u64> = Vec::with_capacity(number.len());
    for (base, digit) in bases(places).zip(number).rev() {
        let value = digit * times + carry;
        product.push(value % base);
        carry = value / base;
    }
    product.reverse();
    // What does not fit in the places may do so once it is divided.
    let mut remainder = carry;
    if by == 0 || remainder >= by {
        return None;
    }
    for (base, digit) in bases(places).zip(&mut product) {
        let value = remainder * base + *digit;
        (*digit, remainder) = (value / by, value % by);
    }
    Some(product)
}

/// Adds; none if it gets too large.
fn add(places: &[Vec<char>], one: &[u64], other: &[u64]) -> Option<Vec<u64>> {
    let mut carry = 0;
    let mut sum: Vec<u64> = Vec::with_capacity(one.len());
    for (base, (one, other)) in bases(places).zip(one.iter().zip(other)).rev() {
        let value = one + other + carry;
        sum.push(value % base);
        carry = value / base;
    }
    sum.reverse();
    (carry == 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(keys: &[String], after: &str, sample: (&str, &str, usize), wanted: usize) -> Option<String> {
        let mut alphabet = Alphabet::default();
        for key in keys {
            alphabet.saw(key.strip_prefix("t/").unwrap());
        }
        let (from, to, keys) = sample;
        alphabet.behind("t/", after, &Sample { from: from.to_owned(), to: to.to_owned(), keys }, wanted)
    }

    fn numbered(to: usize) -> Vec<String> {
        (0..to).map(|n| format!("t/part-{n:07}.csv")).collect()
    }

    #[test]
    fn keys_that_count_up_are_guessed() {
        let guess = guess(
            &numbered(1000),
            "t/part-0000999.csv",
            ("t/part-0000000.csv", "t/part-0000999.csv", 1000),
            800,
        );
        assert_eq!(guess.unwrap(), "t/part-0001798.csv");
    }

    #[test]
    fn a_guess_carries_into_places_that_have_not_changed_yet() {
        let guess = guess(
            &numbered(1000),
            "t/part-0099999.csv",
            ("t/part-0099000.csv", "t/part-0099999.csv", 999),
            1000,
        );
        assert_eq!(guess.unwrap(), "t/part-0100999.csv");
    }

    #[test]
    fn there_is_no_guess_behind_the_last_key_that_there_can_be() {
        let keys: Vec<String> = (b'a'..=b'z').map(|letter| format!("t/{}", char::from(letter))).collect();
        assert_eq!(guess(&keys, "t/y", ("t/a", "t/e", 4), 10), None);
        assert_eq!(guess(&keys, "t/y", ("t/a", "t/a", 4), 10), None);
        assert_eq!(guess(&keys, "t/y", ("t/e", "t/a", 4), 10), None);
        assert_eq!(guess(&keys, "elsewhere", ("t/a", "t/e", 4), 10), None);
        assert_eq!(guess(&keys, "t/a", ("t/a", "t/e", 0), 10), None);
    }
}
