//! Events of the parser to nodes: anchors, merge keys, budgets.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Span, StrInput};
use indexmap::map::Entry;

use super::{Budget, number, scalar};
use crate::compose::error::{Diagnostic, Position};
use crate::compose::node::{Key, Map, Node, Tag, Value};

/// Reads one document.
pub(super) struct Builder<'a> {
    file: &'a Arc<Path>,
    text: &'a str,
    /// A character of the text and the byte that it starts at: where the last look was.
    seen: (usize, usize),
    /// Whether the text may contain an escape that Go's YAML does not know.
    escapes: bool,
    /// Whether the text may contain the name of an anchor that Go's YAML does not accept.
    names: bool,
    events: Parser<'a, StrInput<'a>>,
    /// What each anchor stands for, and its cost in nodes and bytes.
    anchors: HashMap<usize, (Node, usize, usize)>,
    /// Anchors whose value is being read: an alias to one of them would never end.
    open: Vec<usize>,
    /// Length in characters of a text whose last line has no end: a block of lines that ends there has none either.
    unended: Option<usize>,
    /// The line of a quoted text that is not indented deeper than its key, which Go's YAML does not ask for.
    pub(super) outdented: Option<usize>,
    /// Where a comment follows a quoted text without a space, which Go's YAML accepts; in characters.
    pub(super) glued: Option<usize>,
    budget: Budget,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: &'a Arc<Path>, text: &'a str, budget: Budget) -> Self {
        let options = granit_parser::options! {
            emit_comments: false,
            flow_nesting_limit: budget.depth,
            block_nesting_limit: budget.depth,
        };
        Self {
            file,
            text,
            seen: (0, 0),
            escapes: text.contains("\\/"),
            names: !text.is_ascii() && text.contains('&'),
            events: Parser::new_from_str_with_options(text, options),
            anchors: HashMap::new(),
            open: Vec::new(),
            unended: (!text.trim_end_matches([' ', '\t']).ends_with(['\n', '\r'])).then(|| text.chars().count()),
            outdented: None,
            glued: None,
            budget,
        }
    }

    pub(super) fn document(&mut self) -> Result<Option<Node>, Diagnostic> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(Diagnostic::new(&self.at(span.start), "", "a second document starts here")
                        .help("a compose file holds one document: use several files, or remove '---'"));
                }
                Event::StreamEnd => return Ok(root),
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, &span)?),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, Span), Diagnostic> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let place = self.at(*error.marker());
                if *error.kind() == ErrorKind::InvalidQuotedScalarIndent {
                    self.outdented = Some(error.marker().line());
                }
                if *error.kind() == ErrorKind::CommentNotSeparated {
                    self.glued = Some(error.marker().index());
                }
                Err(Diagnostic::new(&place, "", format!("not valid YAML: {}", lower(&error.info()))))
            }
            None => Ok((Event::StreamEnd, Span::empty(Marker::new(0, 1, 0)))),
        }
    }

    fn at(&self, marker: Marker) -> Position {
        Position::new(self.file, number(marker.line()), number(marker.col() + 1))
    }

    /// The node that starts with `event`.
    fn node(&mut self, event: Event<'a>, span: &Span) -> Result<Node, Diagnostic> {
        let position = self.at(span.tag_start.unwrap_or(span.start));
        self.spend(1, 0, &position)?;
        if let Event::Scalar(_, _, anchor, _) | Event::SequenceStart(_, anchor, _) | Event::MappingStart(_, anchor, _) =
            &event
            && *anchor > 0
        {
            self.check_anchor(span, &position)?;
        }
        let (value, anchor, tag) = match event {
            Event::Scalar(mut text, style, anchor, tag) => {
                if self.escapes && style == ScalarStyle::DoubleQuoted {
                    let (start, end) = (self.byte(span.start.index()), self.byte(span.end.index()));
                    if unknown_escape(&self.text[start..end]) {
                        return Err(Diagnostic::new(&position, "", "not valid YAML: the escape '\\/' is unknown"));
                    }
                }
                self.spend(0, text.len(), &position)?;
                let plain = style == ScalarStyle::Plain;
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                if block && self.unended.is_some_and(|end| span.end.index() >= end) && text.ends_with('\n') {
                    text.to_mut().pop();
                }
                let named = tag.as_ref().map(|tag| (tag.handle(), tag.suffix()));
                let value = scalar::resolve(text.into_owned(), plain, named)
                    .map_err(|message| Diagnostic::new(&position, "", message))?;
                (value, anchor, merge_tag(tag.as_deref()))
            }
            Event::SequenceStart(_, anchor, tag) => {
                (self.within(anchor, Self::sequence)?, anchor, merge_tag(tag.as_deref()))
            }
            Event::MappingStart(_, anchor, tag) => {
                (self.within(anchor, Self::mapping)?, anchor, merge_tag(tag.as_deref()))
            }
            Event::Alias(id) => return self.alias(id, &position),
            _ => return Err(Diagnostic::new(&position, "", "not valid YAML")),
        };
        let node = Node { value, position, tag };
        if anchor > 0 {
            let (nodes, text) = cost(&node);
            self.anchors.insert(anchor, (node.clone(), nodes, text));
        }
        Ok(node)
    }

    /// The byte that a character starts at; looks go forward.
    fn byte(&mut self, index: usize) -> usize {
        if index < self.seen.0 {
            self.seen = (0, 0);
        }
        let (from, start) = self.seen;
        let rest = &self.text[start..];
        let byte = start + rest.char_indices().nth(index - from).map_or(rest.len(), |(byte, _)| byte);
        self.seen = (index, byte);
        byte
    }

    /// Refuses an anchor whose name is not ASCII.
    fn check_anchor(&mut self, span: &Span, position: &Position) -> Result<(), Diagnostic> {
        if !self.names {
            return Ok(());
        }
        let start = self.byte(span.start.index());
        let name = self.text[..start].rsplit('&').next().unwrap_or_default();
        if name.split_whitespace().next().is_none_or(str::is_ascii) {
            return Ok(());
        }
        Err(Diagnostic::new(position, "", "not valid YAML: the name of an anchor must be ASCII"))
    }

    fn within(&mut self, anchor: usize, read: fn(&mut Self) -> Result<Value, Diagnostic>) -> Result<Value, Diagnostic> {
        self.open.push(anchor);
        let value = read(self);
        self.open.pop();
        value
    }

    fn alias(&mut self, id: usize, position: &Position) -> Result<Node, Diagnostic> {
        if self.open.contains(&id) {
            return Err(Diagnostic::new(position, "", "an alias refers to the collection that it stands in"));
        }
        let Some((node, nodes, text)) = self.anchors.get(&id) else {
            return Err(Diagnostic::new(position, "", "an alias refers to an anchor that is not there"));
        };
        let (node, nodes, text) = (node.clone(), *nodes, *text);
        self.spend(nodes, text, position)?;
        Ok(node)
    }

    fn spend(&mut self, nodes: usize, text: usize, position: &Position) -> Result<(), Diagnostic> {
        match (self.budget.nodes.checked_sub(nodes), self.budget.text.checked_sub(text)) {
            (Some(nodes), Some(text)) => {
                (self.budget.nodes, self.budget.text) = (nodes, text);
                Ok(())
            }
            _ => Err(Diagnostic::new(position, "", "the document is too large, aliases replaced")),
        }
    }

    fn sequence(&mut self) -> Result<Value, Diagnostic> {
        let mut items = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::Seq(items));
            }
            items.push(self.node(event, &span)?);
        }
    }

    fn mapping(&mut self) -> Result<Value, Diagnostic> {
        let mut map = Map::new();
        let mut merged: Option<(Position, Node)> = None;
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<");
            let key = self.node(event, &span)?;
            let (event, span) = self.next()?;
            let value = self.node(event, &span)?;
            if merge {
                if let Some((first, _)) = &merged {
                    return Err(duplicate("<<", &key.position, first));
                }
                merged = Some((key.position, value));
                continue;
            }
            let Value::Text(name) = key.value else {
                return Err(key
                    .fault("", format!("a key must be a string, found {}", key.kind()))
                    .help("put it in quotes"));
            };
            match map.entry(Key { name, position: key.position.clone() }) {
                Entry::Occupied(first) => {
                    return Err(duplicate(&first.key().name, &key.position, &first.key().position));
                }
                Entry::Vacant(entry) => entry.insert(value),
            };
        }
        if let Some((position, value)) = merged {
            merge(&mut map, value, &position)?;
        }
        Ok(Value::Map(map))
    }
}

/// What `<<` brings, where the mapping has no such key itself; of several, the first that has it wins.
fn merge(map: &mut Map, value: Node, position: &Position) -> Result<(), Diagnostic> {
    match value.value {
        Value::Map(other) => {
            for (key, value) in other {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Seq(items) if items.iter().all(|item| item.as_map().is_some()) => {
            items.into_iter().try_for_each(|item| merge(map, item, position))
        }
        _ => Err(Diagnostic::new(position, "", "'<<' takes a mapping or a list of mappings")),
    }
}

fn duplicate(name: &str, position: &Position, first: &Position) -> Diagnostic {
    let message = format!("key '{name}' is already given at line {}", first.line);
    Diagnostic::new(position, "", message)
}

fn merge_tag(tag: Option<&granit_parser::Tag>) -> Option<Tag> {
    let tag = tag?;
    match (tag.handle(), tag.suffix()) {
        ("!", "reset") => Some(Tag::Reset),
        ("!", "override") => Some(Tag::Override),
        _ => None,
    }
}

/// Nodes and bytes of text of a tree.
fn cost(node: &Node) -> (usize, usize) {
    let sum = |items: &mut dyn Iterator<Item = (usize, usize)>| items.fold((1, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    match &node.value {
        Value::Text(text) => (1, text.len()),
        Value::Seq(items) => sum(&mut items.iter().map(cost)),
        Value::Map(map) => sum(&mut map.iter().map(|(key, value)| {
            let (nodes, text) = cost(value);
            (nodes + 1, text + key.name.len())
        })),
        _ => (1, 0),
    }
}

/// Whether a text in double quotes escapes a slash.
fn unknown_escape(raw: &str) -> bool {
    let mut chars = raw.chars();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next() == Some('/') {
            return true;
        }
    }
    false
}

/// A message of the parser without its capital and full stop.
fn lower(message: &str) -> String {
    let mut chars = message.trim_end_matches('.').chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}
