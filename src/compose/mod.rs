//! Compose files: from text to a typed project, as Docker Compose reads them: 2.40.3 or, with [`Generation::Five`], 5.5.
//!
//! | step | module |
//! |---|---|
//! | which files, which variables, which name | `load` |
//! | text to a tree of nodes that know their place | `yaml`, [`node`] |
//! | variables replaced, texts cast | [`template`], `interpolate`, [`cast`] |
//! | `extends`, `include`, several files merged | `load`, `merge` |
//! | checked against the specification | [`schema`], `rules` |
//! | short forms to long ones, paths made absolute | [`short`], `resolve` |
//! | implied parts written out | `normalize` |
//! | typed, consistent, selected | [`model`], [`project`] |
//! | printed and hashed as Compose does | [`mod@print`] |
//!
//! All of it is pure: files come through [`Files`], variables through [`LoadOptions`]. Nothing reads a clock, a network
//! or the environment of the process. Input is bounded in bytes, nodes, depth and number of files.
//!
//! A file that is missing is an error of kind [`Kind::NotFound`] with its path, so that a caller may fetch it and load
//! again. Files that need not be there (`.env`, the override, an `env_file` with `required: false`) are only asked for
//! through [`Files::is_file`].
//!
//! It differs from Compose on purpose in this: a second document in a file, UTF-16 and a reference to another host are
//! refused; so are a value of an environment file that is not UTF-8 and an entry of `include` without a path; keys that
//! start with `x-` in a mapping of labels or variables are labels and variables; a config that an included project
//! takes from a variable is accepted; `!reset` holds where an alias or `<<` brings it, too.

pub mod cast;
pub mod dotenv;
pub mod emit;
pub mod error;
pub mod files;
mod generation;
mod interpolate;
pub mod load;
mod merge;
pub mod model;
pub mod node;
mod normalize;
pub mod number;
pub mod path;
pub mod print;
pub mod project;
mod resolve;
mod rules;
pub mod schema;
pub mod short;
pub mod template;
#[cfg(test)]
mod tests;
pub mod units;
mod variables;
pub mod words;
pub mod yaml;

pub use error::{Diagnostic, Error, Kind, Position, nearest};
pub use files::{Disk, Files};
pub use generation::Generation;
pub use load::{Fragment, LoadOptions, Peek, Select, Skip, inspect, load, model, normalize_project_name, peek};
pub use model::ServiceConfig;
pub use node::{Key, Map, Node, Tag, Value};
pub use print::{config_json, config_yaml, hash, model_json, model_yaml, service_hash, tree_yaml};
pub use project::Project;
pub use variables::{Variable, variables};

/// The top-level attribute that is ours: Compose ignores it.
pub const EXTENSION: &str = "x-rolecall";
