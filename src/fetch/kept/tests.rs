use std::os::unix::fs::MetadataExt as _;

use super::*;
use crate::settings::{Env, Flags, Settings};
