//! A command line split into words, as the short form of a command is.

/// The quotes and brackets that are open while a line is read.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each opens and closes by itself")]
struct Open {
    single: bool,
    double: bool,
    back: bool,
    dollar: bool,
}

impl Open {
    fn any(&self) -> bool {
        self.single || self.double || self.back || self.dollar
    }
}

/// The words of a line: quotes group, a backslash escapes (not inside single quotes), nothing is expanded, and the
/// line ends at an unquoted `;`, `&`, `|`, `<` or `>`. `None` if something is left open or a bracket is out of place.
#[must_use]
pub fn split(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut open = Open::default();
    let (mut escaped, mut started) = (false, false);
    for c in line.chars() {
        if escaped {
            word.push(c);
            (escaped, started) = (false, true);
            continue;
        }
        match c {
            '\\' if !open.single => {
                escaped = true;
                continue;
            }
            ' ' | '\t' | '\r' | '\n' => {
                if open.any() {
                    word.push(c);
                } else if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
                continue;
            }
            '`' if !open.single && !open.double && !open.dollar => open.back = !open.back,
            ')' if !open.single && !open.double && !open.back => open.dollar = !open.dollar,
            '(' if !open.single && !open.double && !open.back => {
                if open.dollar || !word.ends_with('$') {
                    return None;
                }
                open.dollar = true;
                word.push(c);
                continue;
            }
            '"' if !open.single && !open.dollar => {
                started |= open.double;
                open.double = !open.double;
                continue;
            }
            '\'' if !open.double && !open.dollar => {
                started |= open.single;
                open.single = !open.single;
                continue;
            }
            ';' | '&' | '|' | '<' | '>' if !open.any() => {
                // `2>file`: the digit belongs to the redirection
                started &= c != '>' || !word.starts_with(|first: char| first.is_ascii_digit());
                break;
            }
            _ => {}
        }
        started = true;
        word.push(c);
    }
    if started {
        words.push(word);
    }
    (!escaped && !open.any()).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_compose_splits_it() {
        for (line, want) in [
            ("bundle exec thin -p 3000", vec!["bundle", "exec", "thin", "-p", "3000"]),
            ("sh -c 'echo \"a b\"'", vec!["sh", "-c", "echo \"a b\""]),
            (r#"a\ b "c\"d" '' e\f"#, vec!["a b", "c\"d", "", "ef"]),
            ("  echo\n hi ; rm", vec!["echo", "hi"]),
            ("run 2>file", vec!["run"]),
            ("run $(date +%s) x", vec!["run", "$(date +%s)", "x"]),
            ("", vec![]),
        ] {
            assert_eq!(
                split(line).as_deref(),
                Some(want.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice())
            );
        }
        for wrong in ["'a", "\"a", "a\\", "(a)", "`a"] {
            assert_eq!(split(wrong), None, "{wrong}");
        }
    }
}
