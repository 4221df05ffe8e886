//! `$VAR` and `${VAR:-default}` inside of a text.

use crate::compose::generation::Generation;

/// Where values come from.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Why a text cannot be interpolated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A `${…}` that is not closed or names no variable.
    Invalid,
    /// `${NAME:?reason}` or `${NAME?reason}` without a value.
    Required {
        /// The variable.
        name: String,
        /// The text behind the question mark.
        reason: String,
    },
    /// The result would be larger than anybody means.
    TooLarge,
}

/// Replaces the variables of a text. Unset ones become empty; `$$` becomes `$`; a `$` that starts nothing stays.
///
/// # Errors
/// The first [`Fault`] of the text.
pub fn substitute(template: &str, lookup: Lookup<'_>) -> Result<String, Fault> {
    substitute_noting(template, Generation::Two, lookup, &mut |_| ())
}

/// The same, by the rules of a generation of Compose; `unset` gets the variables that have neither a value nor a default.
///
/// # Errors
/// The first [`Fault`] of the text.
pub fn substitute_noting(
    template: &str,
    generation: Generation,
    lookup: Lookup<'_>,
    unset: Unset<'_>,
) -> Result<String, Fault> {
    expand(template, generation, lookup, unset, 0)
}

type Unset<'u> = &'u mut dyn FnMut(&str);

/// Bytes of one text at most.
const LIMIT: usize = 4 << 20;

/// Defaults inside of defaults at most.
const DEPTH: usize = 50;

fn expand(
    template: &str,
    generation: Generation,
    lookup: Lookup<'_>,
    unset: Unset<'_>,
    depth: usize,
) -> Result<String, Fault> {
    if depth > DEPTH {
        return Err(Fault::Invalid);
    }
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    while let Some(dollar) = rest.find('$') {
        out.push_str(&rest[..dollar]);
        rest = &rest[dollar + 1..];
        let name = name_at(rest);
        if out.len() > LIMIT {
            return Err(Fault::TooLarge);
        }
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if !name.is_empty() {
            out.push_str(&plain(name, lookup, unset));
            rest = &rest[name.len()..];
        } else if let Some(inside) = rest.strip_prefix('{') {
            let (value, after) = braced(inside, generation, lookup, unset, depth)?;
            out.push_str(&value);
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The value of a variable that stands alone.
fn plain(name: &str, lookup: Lookup<'_>, unset: Unset<'_>) -> String {
    lookup(name).unwrap_or_else(|| {
        unset(name);
        String::new()
    })
}

/// The value of what stands behind `${`, and the text behind its closing brace.
fn braced<'a>(
    inside: &'a str,
    generation: Generation,
    lookup: Lookup<'_>,
    unset: Unset<'_>,
    depth: usize,
) -> Result<(String, &'a str), Fault> {
    let name = name_at(inside);
    let tail = &inside[name.len()..];
    if name.is_empty() {
        return Err(Fault::Invalid);
    }
    if let Some(after) = tail.strip_prefix('}') {
        return Ok((plain(name, lookup, unset), after));
    }
    let (strict, operand) = tail.strip_prefix(':').map_or((false, tail), |operand| (true, operand));
    let operator = operand.chars().next().filter(|c| "-+?".contains(*c)).ok_or(Fault::Invalid)?;
    let operand = &operand[1..];
    let line = operand.split('\n').next().unwrap_or_default();
    let end = closing(line).or_else(|| line.rfind('}')).ok_or(Fault::Invalid)?;
    let value = lookup(name).filter(|value| !strict || !value.is_empty());
    // Compose 2 also expands a text that is not used, and finds its faults.
    let used = value.is_some() == (operator == '+');
    let other = if used || generation == Generation::Two {
        expand(&operand[..end], generation, lookup, unset, depth + 1)?
    } else {
        String::new()
    };
    let value = match (operator, value) {
        ('-', None) | ('+', Some(_)) => other,
        ('?', None) => {
            return Err(Fault::Required { name: name.to_owned(), reason: other });
        }
        ('+', None) => String::new(),
        (_, Some(value)) => value,
        _ => return Err(Fault::Invalid),
    };
    Ok((value, &operand[end + 1..]))
}

/// Where the brace closes that was opened before the text; braces inside must balance. As in Compose, the character
/// behind an opening brace is not looked at.
pub(crate) fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut bytes = text.bytes().enumerate();
    while let Some((index, byte)) = bytes.next() {
        match byte {
            b'{' => {
                open += 1;
                bytes.next();
            }
            b'}' => {
                open -= 1;
                if open == 0 {
                    return Some(index);
                }
            }
            _ => {}
        }
    }
    None
}

/// The variable's name that a text starts with, or nothing.
pub(crate) fn name_at(text: &str) -> &str {
    let starts = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if starts { &text[..end] } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(template: &str) -> Result<String, Fault> {
        let values = [("A", "a"), ("E", ""), ("N_1", "n")];
        substitute(template, &|name| values.iter().find(|(k, _)| *k == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn every_form_gives_what_compose_gives() {
        for (template, want) in [
            ("$A ${A} ${N_1}x $N_1", "a a nx n"),
            ("$$A ${A}$$ $", "$A a$ $"),
            ("$5 $(x) $-", "$5 $(x) $-"),
            ("${X:-d} ${X-d} ${E:-d} ${E-d} ${A:-d}", "d d d  a"),
            ("${A:+y} ${E:+y} ${E+y} ${X+y}", "y  y "),
            ("${X:-${A}-${Y:-z}}", "a-z"),
            ("${X:-{\"k\": \"v\"}}!", "{\"k\": \"v\"}!"),
            ("${A:?no} ${E?no}", "a "),
            ("${X:-a:b-c?d}", "a:b-c?d"),
            ("${X:-{}}", "{}"),
            ("${X}${A}", "a"),
            ("${X:-a}b}", "ab}"),
            ("ä${A}ö", "äaö"),
        ] {
            assert_eq!(run(template).as_deref(), Ok(want), "{template}");
        }
    }

    #[test]
    fn faults_are_told_apart() {
        for template in ["${", "${}", "${A", "${1}", "${A B}", "${A:}", "${A:-x\ny}", "${A!}", "${A:-${B}"] {
            assert_eq!(run(template), Err(Fault::Invalid), "{template}");
        }
        assert_eq!(run(&"${X:-".repeat(200_000)), Err(Fault::Invalid));
        assert_eq!(run(&("${X:-".repeat(100) + &"}".repeat(100))), Err(Fault::Invalid));
        let large = |_: &str| Some("x".repeat(1 << 20));
        assert_eq!(substitute(&"$A".repeat(100_000), &large), Err(Fault::TooLarge));
        let required = |name: &str, reason: &str| Err(Fault::Required { name: name.into(), reason: reason.into() });
        assert_eq!(run("${E:?must be $A}"), required("E", "must be a"));
        assert_eq!(run("${A:-${X?}}"), required("X", ""));
    }
}
