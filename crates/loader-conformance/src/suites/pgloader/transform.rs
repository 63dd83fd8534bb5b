//! What a column is made of, in SQL: pgloader says it in Lisp
//! (<https://pgloader.readthedocs.io/en/latest/ref/transforms.html>).

/// What a column is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Made {
    /// A field as it is.
    Field(String),
    /// An expression.
    Sql(String),
}

/// Says what an expression is; none if SQL has no word for it here.
pub(super) fn made_of(using: &str, fields: &[String]) -> Option<Made> {
    let form = read(using)?;
    let made = match &form {
        Form::List(list) => match list.as_slice() {
            [Form::Symbol(function), inner] if function == "identity" => inner,
            _ => &form,
        },
        _ => &form,
    };
    // A name in quotes is a field's, if there is one, or else a text.
    match made {
        Form::Symbol(name) | Form::Text(name) if fields.contains(name) => Some(Made::Field(name.clone())),
        other => sql(other, fields).map(Made::Sql),
    }
}

/// A form of Lisp.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Form {
    Symbol(String),
    Text(String),
    List(Vec<Form>),
}

fn read(text: &str) -> Option<Form> {
    let mut rest = text.trim().chars().peekable();
    let mut open: Vec<Vec<Form>> = vec![Vec::new()];
    while let Some(c) = rest.next() {
        match c {
            _ if c.is_whitespace() => {}
            '(' => open.push(Vec::new()),
            ')' => {
                let list = open.pop()?;
                open.last_mut()?.push(Form::List(list));
            }
            '"' => {
                let mut text = String::new();
                loop {
                    match rest.next()? {
                        '"' => break,
                        '\\' => text.push(rest.next()?),
                        c => text.push(c),
                    }
                }
                open.last_mut()?.push(Form::Text(text));
            }
            c => {
                let mut symbol = String::from(c);
                while let Some(next) = rest.next_if(|c| !c.is_whitespace() && !matches!(c, '(' | ')')) {
                    symbol.push(next);
                }
                open.last_mut()?.push(Form::Symbol(symbol.to_lowercase()));
            }
        }
    }
    let mut forms = open.pop().filter(|_| open.is_empty())?;
    forms.pop().filter(|_| forms.is_empty())
}

fn sql(form: &Form, fields: &[String]) -> Option<String> {
    let list = match form {
        Form::Text(text) => return Some(literal(text)),
        Form::Symbol(name) => return fields.contains(name).then(|| quoted(name)),
        Form::List(list) => list,
    };
    let (Form::Symbol(function), arguments) = list.split_first()? else { return None };
    match (function.as_str(), arguments) {
        ("identity", [one]) => sql(one, fields),
        ("subseq", [text, Form::Symbol(from)]) => {
            let from: usize = from.parse().ok()?;
            Some(format!("substr({}, {})", sql(text, fields)?, from + 1))
        }
        ("subseq", [text, Form::Symbol(from), Form::Symbol(to)]) => {
            let (from, to): (usize, usize) = (from.parse().ok()?, to.parse().ok()?);
            let length = to.checked_sub(from)?;
            Some(format!("substr({}, {}, {length})", sql(text, fields)?, from + 1))
        }
        ("format", [Form::Symbol(nil), Form::Text(template), rest @ ..]) if nil == "nil" => {
            format(template, rest, fields)
        }
        ("date-with-no-separator", [text]) => {
            let text = sql(text, fields)?;
            Some(format!("to_timestamp(nullif({text}, '00000000000000'), 'YYYYMMDDHH24MISS')"))
        }
        ("time-with-no-separator", [text]) => {
            let text = sql(text, fields)?;
            Some(format!("regexp_replace({text}, '^(..)(..)(..)(.*)$', '\\1:\\2:\\3.\\4')::time"))
        }
        _ => None,
    }
}

/// `(format nil template …)`: every `~a` is the next argument; `~{~a~^ ~}` are the parts
/// of a list with what stands behind `~^` between them.
fn format(template: &str, arguments: &[Form], fields: &[String]) -> Option<String> {
    if let Some(between) = template.strip_prefix("~{~a~^").and_then(|rest| rest.strip_suffix("~}")) {
        let [one] = arguments else { return None };
        return Some(format!("array_to_string({}, {})", parts(one, fields)?, literal(between)));
    }
    let mut arguments = arguments.iter();
    let mut joined = Vec::new();
    for (at, text) in template.split("~a").enumerate() {
        if text.contains('~') {
            return None;
        }
        if at > 0 {
            joined.push(sql(arguments.next()?, fields)?);
        }
        if !text.is_empty() {
            joined.push(literal(text));
        }
    }
    Some(joined.join(" || "))
}

/// `(split-sequence #\Space text :remove-empty-subseqs t)`.
fn parts(form: &Form, fields: &[String]) -> Option<String> {
    let Form::List(list) = form else { return None };
    match list.as_slice() {
        [Form::Symbol(split), Form::Symbol(sign), text, rest @ ..] if split == "split-sequence" => {
            let sign = match sign.strip_prefix("#\\")? {
                "space" => " ",
                "tab" => "\t",
                sign if sign.chars().count() == 1 => sign,
                _ => return None,
            };
            let array = format!("string_to_array({}, {})", sql(text, fields)?, literal(sign));
            match rest {
                [] => Some(array),
                [Form::Symbol(remove), _] if remove == ":remove-empty-subseqs" => {
                    Some(format!("array_remove({array}, '')"))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_transforms_of_the_tests_are_known() {
        let fields = ["a".to_owned(), "b".to_owned(), "Some-Field".to_owned()];
        let made = |using| made_of(using, &fields);
        let sql = |text: &str| Some(Made::Sql(text.to_owned()));
        assert_eq!(made("\"Some-Field\""), Some(Made::Field("Some-Field".to_owned())));
        assert_eq!(made("(identity a)"), Some(Made::Field("a".to_owned())));
        assert_eq!(made("\"constant\""), sql("'constant'"));
        assert_eq!(made("(subseq a 0)"), sql("substr(\"a\", 1)"));
        assert_eq!(made("(format nil \"(~a,~a)\" a b)"), sql("'(' || \"a\" || ',' || \"b\" || ')'"));
        assert_eq!(
            made("(format nil \"~{~a~^ ~}\" (split-sequence #\\Space a :remove-empty-subseqs cl:t))"),
            sql("array_to_string(array_remove(string_to_array(\"a\", ' '), ''), ' ')")
        );
        assert_eq!(made("(ip-range a b)"), None);
        assert_eq!(made("(subseq c 0)"), None);
    }
}
