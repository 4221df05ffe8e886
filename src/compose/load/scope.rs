//! One model: files merged into one tree, with one project folder and one set of variables.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use crate::compose::dotenv::{self, Variables};
use crate::compose::error::{Diagnostic, Error, Kind, Position};
use crate::compose::files::Files;
use crate::compose::generation::Generation;
use crate::compose::interpolate;
use crate::compose::load::{LoadOptions, extends, faults::Faults, include};
use crate::compose::merge::{self, Resets};
use crate::compose::node::{Map, Node, Value};
use crate::compose::resolve::Base;
use crate::compose::template::Lookup;
use crate::compose::{path, resolve, rules, schema, short, yaml};

/// How often files may be read for one project.
const READS: usize = 2_000;

/// Bytes that may be read for one project.
const BYTES: usize = 16 << 20;

/// Bytes that texts may have once their variables are replaced, and the values of environment files.
const TEXT: usize = 8 << 20;

/// Nodes that files may have, with those that services take over from others.
const NODES: usize = 200_000;

/// Services that a model may have: more than a host can run.
const SERVICES: usize = 2_000;

/// What all models of a load share.
pub(crate) struct Reader<'a> {
    pub(crate) files: &'a dyn Files,
    /// The Compose whose rules are followed.
    pub(crate) generation: Generation,
    /// Whether variables are replaced.
    interpolates: bool,
    /// No compose file may be outside of this folder, if there is one.
    pub(crate) root: Option<&'a Path>,
    /// What `~` stands for.
    pub(crate) home: Option<&'a str>,
    /// The folder that files are named relative to in messages.
    near: &'a Path,
    reads: Cell<usize>,
    bytes: Cell<usize>,
    nodes: Cell<usize>,
    /// Bytes that replaced texts may still have.
    pub(crate) text: Cell<usize>,
    /// Variables that have no value and no default, and where each of them stands first.
    pub(crate) unset: RefCell<BTreeMap<String, Position>>,
    /// What is no fault, and still may not be meant.
    pub(crate) notes: RefCell<Vec<Diagnostic>>,
    /// What is wrong and did not end the load.
    pub(crate) faults: Faults,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(files: &'a dyn Files, options: &'a LoadOptions) -> Self {
        Self {
            files,
            generation: options.generation,
            interpolates: !options.skip.interpolation,
            root: options.root.as_deref(),
            home: options.environment.get("HOME").map(String::as_str),
            near: &options.working_dir,
            reads: Cell::new(READS),
            bytes: Cell::new(BYTES),
            nodes: Cell::new(NODES),
            text: Cell::new(TEXT),
            unset: RefCell::default(),
            notes: RefCell::default(),
            faults: Faults::default(),
        }
    }

    /// A file's name in messages.
    pub(crate) fn shown<'p>(&self, path: &'p Path) -> &'p Path {
        path.strip_prefix(self.near).unwrap_or(path)
    }

    /// The content of a file that must be there.
    pub(crate) fn bytes(&self, path: &Path, named: Option<(&Node, &str)>) -> Result<Vec<u8>, Diagnostic> {
        let place = |diagnostic: Diagnostic| match named {
            Some((node, at)) => diagnostic.at(&node.position, at),
            None => diagnostic,
        };
        if !spend(&self.reads, 1) {
            return Err(place(Diagnostic::general("the project has too many files")));
        }
        match self.files.read(path) {
            Ok(Some(bytes)) if spend(&self.bytes, bytes.len().min(2 << 20)) => Ok(bytes),
            Ok(Some(_)) => Err(place(Diagnostic::general("the files of the project are too large"))),
            Ok(None) => {
                let kind = Kind::NotFound { path: path.into() };
                Err(place(Diagnostic::general(format!("file {} not found", self.shown(path).display())).kind(kind)))
            }
            Err(error) => {
                let kind = Kind::Unreadable { path: path.into() };
                let message = format!("cannot read {}: {error}", self.shown(path).display());
                Err(place(Diagnostic::general(message).kind(kind)))
            }
        }
    }

    /// Reads a file of variables; what may not be meant is noted.
    pub(crate) fn variables(
        &self,
        file: &Path,
        bytes: &[u8],
        variables: &mut Variables,
        lookup: Lookup<'_>,
    ) -> Result<(), Diagnostic> {
        let mut notes = Vec::new();
        let read = dotenv::parse_noting(self.shown(file), bytes, self.generation, variables, lookup, &mut notes);
        let mut all = self.notes.borrow_mut();
        for note in notes {
            if !all.contains(&note) {
                all.push(note);
            }
        }
        read
    }

    /// Whether so many more nodes may be taken over.
    pub(crate) fn allows(&self, nodes: usize) -> bool {
        spend(&self.nodes, nodes)
    }

    /// Takes the values of an environment file from what replaced texts may have.
    pub(crate) fn allows_values(&self, file: &Path, values: &Variables) -> Result<(), Diagnostic> {
        let fault = || Diagnostic::new(&Position::file(self.shown(file)), "", "the environment files are too large");
        spend(&self.text, values.values().map(String::len).sum()).then_some(()).ok_or_else(fault)
    }

    /// The tree of a compose file, which must be a mapping; none if the file holds nothing.
    pub(crate) fn tree(&self, path: &Path, named: Option<(&Node, &str)>) -> Result<Option<Node>, Diagnostic> {
        if self.root.is_some_and(|root| !path.starts_with(root)) {
            let fault = Diagnostic::general(format!("{} is outside of the project folder", self.shown(path).display()));
            return Err(named.map_or(fault.clone(), |(node, at)| fault.at(&node.position, at)));
        }
        let bytes = self.bytes(path, named)?;
        let Some(node) = yaml::parse(&Arc::from(self.shown(path)), &bytes, yaml::Budget::default())? else {
            return Ok(None);
        };
        let services = node.get("services").and_then(Node::as_map);
        if let Some((key, _)) = services.and_then(|map| map.get_index(SERVICES)) {
            return Err(Diagnostic::new(&key.position, "services", format!("more than {SERVICES} services")));
        }
        if !self.allows(node.count()) {
            return Err(node.fault("", "the files of the project are too large"));
        }
        match node.value {
            Value::Map(_) => Ok(Some(node)),
            _ => Err(node.fault("", format!("a compose file must be a mapping, found {}", node.kind()))),
        }
    }
}

/// Takes an amount from what is left of a budget.
fn spend(budget: &Cell<usize>, amount: usize) -> bool {
    let rest = budget.get().checked_sub(amount);
    budget.set(rest.unwrap_or(0));
    rest.is_some()
}

/// A file of a model.
pub(crate) enum Source {
    /// A file that is read already.
    Tree(PathBuf, Node),
    /// A file, and the node that names it.
    Named(PathBuf, Node),
    /// A tree whose variables are replaced already.
    Fragment(Node),
}

/// What becomes of the relative paths of a model.
#[derive(Clone, Copy)]
pub(crate) enum Paths<'a> {
    /// They are made absolute.
    Absolute,
    /// They stay as they are written.
    Kept,
    /// They are made relative to the folder of the whole project, which includes this model.
    From(&'a Path),
}

/// A model while it is loaded.
pub(crate) struct Scope<'a> {
    pub(crate) reader: &'a Reader<'a>,
    /// The project folder, absolute.
    pub(crate) folder: &'a Path,
    pub(crate) variables: &'a Variables,
    pub(crate) paths: Paths<'a>,
    bases: RefCell<BTreeMap<PathBuf, Rc<extends::Services>>>,
}

impl<'a> Scope<'a> {
    pub(crate) fn new(reader: &'a Reader<'a>, folder: &'a Path, variables: &'a Variables, paths: Paths<'a>) -> Self {
        Self { reader, folder, variables, paths, bases: RefCell::default() }
    }

    pub(crate) fn lookup(&self) -> impl Fn(&str) -> Option<String> {
        |name: &str| self.variables.get(name).cloned()
    }

    fn interpolate(&self, node: &mut Node) -> Result<(), Diagnostic> {
        if !self.reader.interpolates {
            return Ok(());
        }
        let mut unset = self.reader.unset.borrow_mut();
        let mut faults =
            interpolate::interpolate(node, self.reader.generation, &self.lookup(), &self.reader.text, &mut unset);
        self.reader.faults.settle(node, |_| std::mem::take(&mut faults))
    }

    /// Repeats a step for as long as it fails, each time without what it failed at.
    fn settle(
        &self,
        node: &mut Node,
        mut step: impl FnMut(&mut Node) -> Result<(), Diagnostic>,
    ) -> Result<(), Diagnostic> {
        self.reader.faults.settle(node, |node| step(node).err().into_iter().collect())
    }

    /// Merges the files of a model, each checked, and gives the result its defaults and absolute paths.
    pub(crate) fn load(&self, sources: Vec<Source>, included: &[PathBuf]) -> Result<Node, Error> {
        let mut model: Option<Node> = None;
        for source in sources {
            model = self.add(model, source, included)?;
        }
        let nowhere = Position::file(self.reader.shown(self.folder));
        let mut model = model.unwrap_or_else(|| Node::mapping(&nowhere, Vec::new()));
        rules::set_defaults(&mut model);
        self.settle(&mut model, |model| rules::check(model))?;
        let start = match self.paths {
            Paths::Absolute => Some(Cow::Borrowed(self.folder)),
            Paths::Kept => None,
            Paths::From(whole) => Some(Cow::Owned(path::relative(whole, self.folder))),
        };
        if let Some(start) = start {
            self.settle(&mut model, |model| self.base(&start).resolve(model))?;
        }
        resolve::environment(&mut model, self.variables);
        Ok(model)
    }

    pub(crate) fn base<'b>(&'b self, folder: &'b Path) -> Base<'b> {
        Base { folder, home: self.reader.home, files: self.reader.files }
    }

    /// Merges one more file into the model.
    fn add(&self, model: Option<Node>, source: Source, included: &[PathBuf]) -> Result<Option<Node>, Error> {
        let (path, mut node, fragment) = match source {
            Source::Tree(path, node) => (path, node, false),
            Source::Named(path, named) => match self.reader.tree(&path, Some((&named, "include"))) {
                Ok(Some(node)) => (path, node, false),
                Ok(None) => return Ok(model),
                Err(fault) => {
                    self.reader.faults.note_gap(fault)?;
                    return Ok(model);
                }
            },
            Source::Fragment(node) => (node.position.file.to_path_buf(), node, true),
        };
        let generation = self.reader.generation;
        let resets = Resets::take(&mut node);
        if fragment {
            self.reader.faults.settle(&mut node, |node| interpolate::cast_types(node, generation))?;
        } else {
            self.interpolate(&mut node)?;
        }
        let mut chain = included.to_vec();
        chain.push(path.clone());
        // In Compose 5 a service may extend an included one.
        if generation == Generation::Five {
            include::apply(self, &mut node, &chain, &resets)?;
        }
        extends::apply(self, &path, &mut node, &resets)?;
        if generation == Generation::Two {
            include::apply(self, &mut node, &chain, &resets)?;
        }
        let mut merged = match model {
            Some(mut model) => {
                resets.apply(&mut model);
                match merge::project(model, node) {
                    Ok(merged) => merged,
                    Err(fault) => {
                        self.reader.faults.note_gap(fault)?;
                        return Ok(None);
                    }
                }
            }
            None => node,
        };
        self.settle(&mut merged, merge::enforce_unique)?;
        self.reader.faults.settle(&mut merged, |merged| schema::check(merged, &schema::PROJECT, "", generation))?;
        if generation == Generation::Five {
            self.reader.faults.settle(&mut merged, |merged| rules::finite(merged))?;
        }
        if let Some(map) = merged.as_map_mut() {
            map.shift_remove("version");
        }
        self.settle(&mut merged, |merged| self.tidy(merged))?;
        Ok(Some(merged))
    }

    /// The services of a file that others extend: long forms, absolute paths, not yet checked.
    pub(crate) fn extended(&self, path: &Path, named: &Node, at: &str) -> Result<Rc<extends::Services>, Diagnostic> {
        if let Some(known) = self.bases.borrow().get(path) {
            return Ok(Rc::clone(known));
        }
        let mut node = self.reader.tree(path, Some((named, at)))?.unwrap_or_else(|| Node::null(&named.position));
        let resets = Resets::take(&mut node);
        self.interpolate(&mut node)?;
        self.settle(&mut node, merge::enforce_unique)?;
        self.settle(&mut node, |node| self.tidy(node))?;
        // Relative to the folder of those that extend them: lists whose items a path identifies are merged as Compose does.
        let start = path::relative(self.folder, path.parent().unwrap_or(path));
        self.settle(&mut node, |node| self.base(&start).resolve(node))?;
        let services = match node.as_map_mut().and_then(|map| map.shift_remove("services")) {
            Some(Node { value: Value::Map(map), .. }) => map,
            _ => Map::new(),
        };
        let services = Rc::new(extends::Services { file: path.to_owned(), map: services, resets });
        self.bases.borrow_mut().insert(path.to_owned(), Rc::clone(&services));
        Ok(services)
    }

    /// Long forms, without what is empty and means nothing, and without what the long forms show to be given twice.
    fn tidy(&self, node: &mut Node) -> Result<(), Diagnostic> {
        short::canonical(node, self.reader.interpolates)?;
        for service in node.get_mut("services").and_then(Node::as_map_mut).into_iter().flat_map(Map::values_mut) {
            if let Some(servers) = service.get_mut("dns").and_then(Node::as_seq_mut) {
                servers.retain(|server| !server.is_null() && server.as_str() != Some(""));
            }
        }
        merge::enforce_unique(node)
    }
}
