//! A page of Markdown, taken apart: its code blocks, headings, links and the commands that its text names.

/// What is wrong with a page: the line, and why.
pub(super) type Fault = (usize, String);

/// A fenced block.
#[derive(Debug)]
pub(super) struct Block {
    /// Line of its first fence.
    pub(super) line: usize,
    /// The first word behind the fence.
    pub(super) language: String,
    /// The second: the file that this is, in the project that the page shows.
    pub(super) file: Option<String>,
    pub(super) text: String,
}

/// A page.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) blocks: Vec<Block>,
    /// What a link can name behind its `#`.
    pub(super) anchors: Vec<String>,
    /// Targets of links.
    pub(super) links: Vec<(usize, String)>,
    /// Code in running text.
    pub(super) spans: Vec<(usize, String)>,
    /// What cannot be taken apart.
    pub(super) faults: Vec<Fault>,
}

impl Page {
    pub(super) fn parse(text: &str) -> Self {
        let mut page = Self::default();
        let mut lines = (1..).zip(text.lines()).peekable();
        // Lines of running text since the last empty one, and the last line that began at the margin.
        let (mut paragraph, mut margin) = (Vec::new(), "");
        while let Some((at, line)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            let ticks = line.trim_start().chars().take_while(|c| *c == '`').count();
            if ticks >= 3 {
                page.prose(&std::mem::take(&mut paragraph));
                let body: Vec<&str> = lines
                    .by_ref()
                    .map(|(_, line)| line)
                    .take_while(|line| !(line.trim().len() >= ticks && line.trim().chars().all(|c| c == '`')))
                    .map(|line| line.get(indent.min(line.len() - line.trim_start().len())..).unwrap_or_default())
                    .collect();
                page.block(at, &line.trim_start()[ticks..], &body);
            } else if line.trim().is_empty() {
                page.prose(&std::mem::take(&mut paragraph));
            } else if paragraph.is_empty() && indent >= 4 && !margin.starts_with(['-', '*', '1']) {
                page.faults.push((at, "code by indentation, which has no language: put it between fences".to_owned()));
            } else {
                if let Some(heading) = line.strip_prefix('#') {
                    page.anchor(heading.trim_start_matches('#').trim());
                }
                if indent == 0 {
                    margin = line;
                }
                paragraph.push((at, line));
            }
        }
        page.prose(&paragraph);
        page
    }

    fn block(&mut self, line: usize, info: &str, body: &[&str]) {
        let mut words = info.split_whitespace().map(str::to_owned);
        let language = words.next().unwrap_or_default();
        let text = body.iter().flat_map(|line| [line, "\n"]).collect();
        self.blocks.push(Block { line, language, file: words.next(), text });
    }

    /// As GitHub names a heading; the second of the same name gets `-1`.
    fn anchor(&mut self, heading: &str) {
        let kept = heading.to_lowercase();
        let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let name: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
        let numbered = (1..).map(|n| format!("{name}-{n}"));
        let free = std::iter::once(name.clone()).chain(numbered).find(|name| !self.anchors.contains(name));
        self.anchors.extend(free);
    }

    /// Code spans and links of a paragraph; what looks like a link in code is none.
    fn prose(&mut self, paragraph: &[(usize, &str)]) {
        let Some((first, _)) = paragraph.first() else { return };
        let text = paragraph.iter().map(|(_, line)| *line).collect::<Vec<_>>().join("\n");
        let line = |at: usize| first + text[..at].matches('\n').count();
        let (mut rest, mut plain) = (0, String::new());
        while let Some(open) = text[rest..].find('`').map(|at| rest + at) {
            let ticks = text[open..].chars().take_while(|c| *c == '`').count();
            let begin = open + ticks;
            let fence = "`".repeat(ticks);
            plain.push_str(&text[rest..open]);
            let Some(end) = text[begin..].find(&fence).map(|at| begin + at) else {
                self.faults.push((line(open), "a ` that is not closed".to_owned()));
                return;
            };
            self.spans.push((line(open), text[begin..end].to_owned()));
            // Lines are still counted.
            plain.extend(text[open..end + ticks].chars().map(|c| if c == '\n' { c } else { ' ' }));
            rest = end + ticks;
        }
        plain.push_str(&text[rest..]);
        for (at, _) in plain.match_indices("](") {
            let target = plain[at + 2..].split([')', '\n']).next().unwrap_or_default();
            self.links.push((first + plain[..at].matches('\n').count(), target.to_owned()));
        }
    }
}
