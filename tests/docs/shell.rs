//! Shell, as far as it takes to find the commands in it: words, quotes, substitutions, comments, here-documents.

/// The simple commands of a script, those in substitutions too, as words without their quotes.
pub(super) fn commands(script: &str) -> Vec<Vec<String>> {
    let mut reader = Reader { chars: script.chars().collect(), ..Reader::default() };
    reader.read(&[]);
    reader.found.retain(|words| !words.is_empty());
    reader.found
}

/// Words that may stand before a command.
const BEFORE: &[&str] = &["sudo", "exec", "time", "if", "then", "else", "elif", "while", "until", "do", "!", "{"];

/// The arguments of each call of a program, its own name first.
pub(super) fn calls(script: &str, program: &str) -> Vec<Vec<String>> {
    let is_setting = |word: &str| {
        word.split_once('=').is_some_and(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
    };
    let own = |words: Vec<String>| {
        let start = words.iter().position(|word| !is_setting(word) && !BEFORE.contains(&word.as_str()))?;
        (words[start].rsplit('/').next() == Some(program)).then(|| words[start..].to_vec())
    };
    commands(script).into_iter().filter_map(own).collect()
}

#[derive(Default)]
struct Reader {
    chars: Vec<char>,
    at: usize,
    found: Vec<Vec<String>>,
    /// Ends of here-documents that begin after this line.
    documents: Vec<String>,
}

impl Reader {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        self.at += 1;
        self.chars.get(self.at - 1).copied()
    }

    /// Commands up to one of `ends`, which is taken.
    fn read(&mut self, ends: &[char]) {
        let (mut words, mut word) = (Vec::new(), None::<String>);
        // The next word is where output goes, and no argument.
        let mut redirected = false;
        while let Some(c) = self.next() {
            if ends.contains(&c) {
                break;
            }
            match c {
                '\\' if self.peek() == Some('\n') => {
                    self.next();
                }
                '#' if word.is_none() => {
                    while self.peek().is_some_and(|c| c != '\n') {
                        self.next();
                    }
                }
                '<' | '>' if self.peek() == Some('(') => {
                    self.next();
                    self.read(&[')']);
                    word.get_or_insert_default().push('-');
                }
                '<' if self.peek() == Some('<') => {
                    self.next();
                    self.document();
                }
                '<' | '>' => {
                    // A number in front of it is a file, too.
                    word = word.filter(|word| !word.chars().all(|c| c.is_ascii_digit()));
                    while self.peek().is_some_and(|c| matches!(c, '>' | '&')) {
                        self.next();
                    }
                    finish(&mut word, &mut words, &mut redirected);
                    redirected = true;
                }
                ' ' | '\t' => finish(&mut word, &mut words, &mut redirected),
                ';' | '|' | '&' | '\n' | '(' | ')' => {
                    finish(&mut word, &mut words, &mut redirected);
                    self.found.push(std::mem::take(&mut words));
                    if c == '\n' {
                        self.skip_documents();
                    }
                }
                _ => {
                    let mut text = word.take().unwrap_or_default();
                    self.part(c, &mut text);
                    word = Some(text);
                }
            }
        }
        finish(&mut word, &mut words, &mut redirected);
        self.found.push(words);
    }

    /// What a character of a word stands for.
    fn part(&mut self, c: char, word: &mut String) {
        match c {
            '\'' => {
                while let Some(c) = self.next().filter(|c| *c != '\'') {
                    word.push(c);
                }
            }
            '"' => {
                while let Some(c) = self.next().filter(|c| *c != '"') {
                    self.expanded(c, word);
                }
            }
            _ => self.expanded(c, word),
        }
    }

    fn expanded(&mut self, c: char, word: &mut String) {
        match c {
            '\\' => word.extend(self.next()),
            '$' if self.peek() == Some('(') => {
                self.next();
                self.read(&[')']);
                word.push('x');
            }
            '`' => {
                self.read(&['`']);
                word.push('x');
            }
            _ => word.push(c),
        }
    }

    fn document(&mut self) {
        while self.peek().is_some_and(|c| matches!(c, '-' | ' ')) {
            self.next();
        }
        let mut end = String::new();
        while let Some(c) = self.peek().filter(|c| !c.is_whitespace() && !matches!(c, ';' | '|' | '>')) {
            self.next();
            if !matches!(c, '\'' | '"' | '\\') {
                end.push(c);
            }
        }
        self.documents.push(end);
    }

    fn skip_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            loop {
                let mut line = String::new();
                while let Some(c) = self.next().filter(|c| *c != '\n') {
                    line.push(c);
                }
                if line.trim() == end || self.peek().is_none() {
                    break;
                }
            }
        }
    }
}

fn finish(word: &mut Option<String>, words: &mut Vec<String>, redirected: &mut bool) {
    if let Some(word) = word.take()
        && !std::mem::take(redirected)
    {
        words.push(word);
    }
}

#[test]
fn commands_are_found_where_a_shell_would_find_them() {
    let found = |script: &str| {
        let calls = calls(script, "rolecall").into_iter().map(|words| words.join("|"));
        calls.collect::<Vec<_>>()
    };
    assert_eq!(found("rolecall run # rolecall plan"), ["rolecall|run"]);
    assert_eq!(
        found("A=b sudo /usr/bin/rolecall run --roles 'a b'\\\n  --source \"c d\""),
        ["/usr/bin/rolecall|run|--roles|a b|--source|c d"]
    );
    assert_eq!(found("echo rolecall; x && rolecall status --wait | tee log"), ["rolecall|status|--wait"]);
    assert_eq!(found("rolecall iam f > out 2>&1"), ["rolecall|iam|f"]);
    assert_eq!(found("aws x --user-data \"$(rolecall user-data --set A=\"b\")\" y"), ["rolecall|user-data|--set|A=b"]);
    assert_eq!(found("diff <(docker compose config) <(rolecall config)"), ["rolecall|config"]);
    assert_eq!(found("cat > f << 'END'\nrolecall no\nEND\nrolecall facts"), ["rolecall|facts"]);
    assert_eq!(found("if ! rolecall plan; then rolecall down; fi"), ["rolecall|plan", "rolecall|down"]);
}
