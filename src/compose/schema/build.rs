//! A build.

use super::deploy::ULIMITS;
use super::mounts::FILE_MOUNTS;
use super::{
    BOOLEAN, EXTRA_HOSTS, INTEGER, LIST_OR_DICT, Names, Object, STRING, STRING_OR_LIST, STRINGS, Shape, UNIQUE_STRINGS,
};

/// Names and what they stand for. The specification also allows numbers, booleans and null, which crash Compose.
const CONTEXTS: Shape = Shape::Either(&[Shape::Dict(&STRING, Names::Filled), UNIQUE_STRINGS]);

/// The long form of `build`.
pub(super) const BUILD: Shape = Shape::Object(&Object {
    attributes: &[
        ("additional_contexts", CONTEXTS),
        ("args", LIST_OR_DICT),
        ("cache_from", STRINGS),
        ("cache_to", STRINGS),
        ("context", STRING),
        ("dockerfile", STRING),
        ("dockerfile_inline", STRING),
        ("entitlements", STRINGS),
        ("extra_hosts", EXTRA_HOSTS),
        ("isolation", STRING),
        ("labels", LIST_OR_DICT),
        ("network", STRING),
        ("no_cache", BOOLEAN),
        ("no_cache_filter", Shape::SinceFive(&STRING_OR_LIST)),
        ("platforms", STRINGS),
        ("privileged", BOOLEAN),
        ("provenance", BOOLEAN),
        ("pull", BOOLEAN),
        ("sbom", BOOLEAN),
        ("secrets", FILE_MOUNTS),
        ("shm_size", INTEGER),
        ("ssh", LIST_OR_DICT),
        ("tags", STRINGS),
        ("target", STRING),
        ("ulimits", ULIMITS),
    ],
    required: &[],
    extensible: true,
});
