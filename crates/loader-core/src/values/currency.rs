//! Signs and codes of currencies.

use super::is_blank;

/// The codes of ISO 4217, those of the currencies that the euro replaced, and that of
/// the offshore renminbi. Other letters may be a unit (`MIO`), and change the number.
const CODES: &str = "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN \
    BWP BYN BZD CAD CDF CHF CLF CLP CNH CNY COP CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP \
    GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW \
    KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK \
    NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP \
    STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF \
    YER ZAR ZMW ZWL ATS BEF CYP DEM EEK ESP FIM FRF GRD IEP ITL LTL LUF LVL MTL NLG PTE SIT SKK";

/// Letters that are written as a sign.
const WORDS: &[&str] = &["kr", "zł", "Kč", "Ft", "lei", "лв", "руб", "Rs", "Fr", "RM", "Rp", "din"];

/// Takes a sign or a code of a currency off, before or after a number.
pub(super) fn without(text: &str) -> Option<&str> {
    before(text).or_else(|| after(text))
}

fn before(text: &str) -> Option<&str> {
    let letters = text.find(|c: char| !c.is_alphabetic())?;
    let (word, rest) = text.split_at_checked(letters)?;
    if let Some(rest) = rest.strip_prefix(is_sign)
        && is_country(word)
    {
        return Some(rest);
    }
    // A point after a code is one of the number: `EUR.50` is half a euro.
    let undotted = if WORDS.contains(&word) { rest.strip_prefix('.').unwrap_or(rest) } else { rest };
    (is_name(word) && begins_number(undotted)).then_some(undotted)
}

fn after(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_suffix(is_sign) {
        let number = rest.trim_end_matches(char::is_alphabetic);
        let word = rest.strip_prefix(number)?;
        return is_country(word).then_some(number);
    }
    let undotted = text.strip_suffix('.').unwrap_or(text);
    let number = undotted.trim_end_matches(char::is_alphabetic);
    is_name(undotted.strip_prefix(number)?).then_some(number)
}

/// Whether a point after a word was not the one of a number.
fn begins_number(text: &str) -> bool {
    text.trim_start_matches(is_blank).chars().next().is_some_and(|c| !c.is_alphabetic())
}

/// Whether it can stand before a sign, as in `US$` and `R$`.
fn is_country(word: &str) -> bool {
    word.chars().count() <= 3 && word.chars().all(char::is_uppercase)
}

fn is_name(word: &str) -> bool {
    (word.len() == 3
        && word.bytes().all(|byte| byte.is_ascii_uppercase())
        && CODES.split(' ').any(|code| code == word))
        || WORDS.contains(&word)
}

/// Whether it is a currency symbol: the Unicode category Sc.
fn is_sign(c: char) -> bool {
    matches!(c,
        '$' | '¢'..='¥' | '\u{58f}' | '\u{60b}' | '\u{7fe}'..='\u{7ff}' | '\u{9f2}'..='\u{9f3}' | '\u{9fb}'
        | '\u{af1}' | '\u{bf9}' | '\u{e3f}' | '\u{17db}' | '\u{20a0}'..='\u{20cf}' | '\u{a838}' | '\u{fdfc}'
        | '\u{fe69}' | '\u{ff04}' | '\u{ffe0}'..='\u{ffe1}' | '\u{ffe5}'..='\u{ffe6}')
}
