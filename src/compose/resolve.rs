//! Relative paths and values of the environment, made absolute in one model.

use std::path::Path;

use crate::compose::dotenv::Variables;
use crate::compose::error::Diagnostic;
use crate::compose::files::Files;
use crate::compose::node::{Key, Map, Node, Value};
use crate::compose::path;

/// What relative paths are relative to.
pub(crate) struct Base<'a> {
    /// The project folder, absolute.
    pub(crate) folder: &'a Path,
    /// What `~` stands for.
    pub(crate) home: Option<&'a str>,
    /// Where symbolic links are looked up.
    pub(crate) files: &'a dyn Files,
}

impl Base<'_> {
    /// Makes every path of a model absolute.
    ///
    /// # Errors
    /// A bind without a source.
    pub(crate) fn resolve(&self, project: &mut Node) -> Result<(), Diagnostic> {
        for (name, service) in entries(project, "services") {
            self.service(service, &format!("services.{name}"))?;
        }
        for kind in ["configs", "secrets"] {
            for (_, object) in entries(project, kind) {
                self.change(object.get_mut("file"), Self::foreign);
            }
        }
        for (_, volume) in entries(project, "volumes") {
            let bound = volume.get("driver").and_then(Node::as_str) == Some("local")
                && volume.at(["driver_opts", "o"]).and_then(Node::as_str) == Some("bind");
            if let Some(options) = volume.get_mut("driver_opts").filter(|_| bound) {
                self.change(options.get_mut("device"), Self::foreign);
            }
        }
        Ok(())
    }

    fn service(&self, service: &mut Node, path: &str) -> Result<(), Diagnostic> {
        if let Some(build) = service.get_mut("build") {
            self.change(build.get_mut("context"), Self::context);
            for context in values(build.get_mut("additional_contexts")) {
                self.change(Some(context), Self::context);
            }
            for key in values(build.get_mut("ssh")) {
                self.change(Some(key), Self::foreign);
            }
        }
        for file in items(service.get_mut("env_file")) {
            self.change(file.get_mut("path"), Self::own);
        }
        for file in items(service.get_mut("label_file")) {
            self.change(Some(file), Self::own);
        }
        if let Some(extends) = service.get_mut("extends") {
            self.change(extends.get_mut("file"), Self::own);
        }
        for trigger in items(service.get_mut("develop").and_then(|develop| develop.get_mut("watch"))) {
            self.change(trigger.get_mut("path"), Self::linked);
        }
        for (index, volume) in items(service.get_mut("volumes")).enumerate() {
            if volume.get("type").and_then(Node::as_str) != Some("bind") {
                continue;
            }
            if volume.get("source").is_none() {
                return Err(volume.fault(format!("{path}.volumes[{index}]"), "a bind needs a source"));
            }
            let text = volume.get("source").and_then(Node::as_str).unwrap_or_default();
            let relative = !text.is_empty() && !text.starts_with(['/', '~']) && !is_windows_absolute(text);
            self.change(volume.get_mut("source"), Self::foreign);
            if relative {
                mark(volume);
            }
        }
        Ok(())
    }

    fn change(&self, node: Option<&mut Node>, make: fn(&Self, &str) -> String) {
        let Some(node) = node else { return };
        if let Value::Text(text) = &mut node.value {
            *text = make(self, text);
        }
    }

    /// `~/x` as a path of the home folder.
    fn at_home(&self, text: &str) -> String {
        match (text.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => show(&path::join(Path::new(home), rest.trim_start_matches('/'))),
            _ => text.to_owned(),
        }
    }

    /// A path of this machine.
    pub(crate) fn own(&self, text: &str) -> String {
        let text = self.at_home(text);
        if text.is_empty() || text.starts_with('/') { text } else { show(&path::join(self.folder, &text)) }
    }

    /// A path that may be one of Windows.
    fn foreign(&self, text: &str) -> String {
        let text = self.at_home(text);
        if text.starts_with('/') || is_windows_absolute(&text) { text } else { show(&path::join(self.folder, &text)) }
    }

    fn linked(&self, text: &str) -> String {
        let own = self.own(text);
        self.files.resolved(Path::new(&own)).map_or(own, |path| show(&path))
    }

    /// A build context, which may be a URL or a service.
    fn context(&self, text: &str) -> String {
        let remote = ["https://", "http://", "git://", "ssh://", "github.com/", "git@"];
        if text.contains("://") || text.starts_with("service:") || remote.iter().any(|prefix| text.starts_with(prefix))
        {
            return text.to_owned();
        }
        self.own(text)
    }
}

/// Notes that the source of a bind was relative, together with what it became: another file may still override it.
fn mark(volume: &mut Node) {
    let Some(source) = volume.get("source").cloned() else { return };
    if let Some(map) = volume.as_map_mut() {
        map.insert(Key::new(FROM_RELATIVE, &source.position), source);
    }
}

fn show(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// `c:\x`, `c:/x` or `\\server\share`.
fn is_windows_absolute(text: &str) -> bool {
    let bytes = text.as_bytes();
    let drive = bytes.first().is_some_and(u8::is_ascii_alphabetic) && bytes.get(1) == Some(&b':');
    text.starts_with("\\\\") || drive && matches!(bytes.get(2), Some(b'/' | b'\\'))
}

fn entries<'a>(project: &'a mut Node, kind: &str) -> impl Iterator<Item = (String, &'a mut Node)> {
    let map = project.get_mut(kind).and_then(Node::as_map_mut);
    map.into_iter().flatten().map(|(key, value)| (key.name.clone(), value))
}

fn items(node: Option<&mut Node>) -> impl Iterator<Item = &mut Node> {
    node.and_then(Node::as_seq_mut).into_iter().flatten()
}

fn values(node: Option<&mut Node>) -> impl Iterator<Item = &mut Node> {
    node.and_then(Node::as_map_mut).into_iter().flat_map(Map::values_mut)
}

/// The content of a secret or config that comes from a variable, until it is typed: an attribute that no file can have
/// by accident and every check lets pass.
pub(crate) const FROM_VARIABLE: &str = "x-#value";

/// The absolute source of a bind that was written as a relative path, until it is typed.
pub(crate) const FROM_RELATIVE: &str = "x-#relative";

/// Removes what is only kept until a tree is typed.
pub(crate) fn remove_marks(project: &mut Node) {
    let unmark = |node: &mut Node, mark: &str| _ = node.as_map_mut().and_then(|map| map.shift_remove(mark));
    for (_, service) in entries(project, "services") {
        items(service.get_mut("volumes")).for_each(|volume| unmark(volume, FROM_RELATIVE));
    }
    for kind in ["secrets", "configs"] {
        entries(project, kind).for_each(|(_, object)| unmark(object, FROM_VARIABLE));
    }
}

/// Gives variables, secrets and configs that name a variable its value.
pub(crate) fn environment(project: &mut Node, variables: &Variables) {
    for (_, service) in entries(project, "services") {
        for item in items(service.get_mut("environment")) {
            if let Some((name, value)) = item.as_str().and_then(|name| variables.get_key_value(name)) {
                item.value = Value::Text(format!("{name}={value}"));
            }
        }
    }
    for kind in ["secrets", "configs"] {
        for (_, object) in entries(project, kind) {
            let value = object.get("environment").and_then(Node::as_str).and_then(|name| variables.get(name));
            if let Some(value) = value.cloned() {
                let place = object.position.clone();
                let key = Key::new(FROM_VARIABLE, &place);
                if let Some(map) = object.as_map_mut() {
                    map.insert(key, Node::text(value, &place));
                }
            }
        }
    }
}
