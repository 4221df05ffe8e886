//! The project and what stands beside its services.

use super::service::SERVICE;
use super::{
    BOOLEAN, LIST_OR_DICT, NULL, Names, OPTIONS, Object, STRING, STRING_OR_LIST, STRINGS, Shape, Unique, kind,
};

/// A project.
pub static PROJECT: Shape = Shape::Object(&Object {
    attributes: &[
        ("configs", Shape::Dict(&CONFIG, Names::Checked)),
        ("include", Shape::List(&Shape::Either(&[STRING, INCLUDE_LONG]), Unique::No)),
        ("models", Shape::Dict(&MODEL, Names::Any)),
        ("name", STRING),
        ("networks", Shape::Dict(&Shape::Either(&[NULL, NETWORK]), Names::Any)),
        ("secrets", Shape::Dict(&SECRET, Names::Checked)),
        ("services", Shape::Dict(&SERVICE, Names::Checked)),
        ("version", STRING),
        ("volumes", Shape::Dict(&Shape::Either(&[NULL, VOLUME]), Names::Checked)),
    ],
    required: &[],
    extensible: true,
});

/// `include`.
pub static INCLUDE: Shape = Shape::List(&Shape::Either(&[STRING, INCLUDE_LONG]), Unique::No);

const INCLUDE_LONG: Shape = Shape::Object(&Object {
    attributes: &[("env_file", STRING_OR_LIST), ("path", STRING_OR_LIST), ("project_directory", STRING)],
    required: &["path"],
    extensible: true,
});

const EXTERNAL: Shape = Shape::Either(&[
    BOOLEAN,
    Shape::Object(&Object { attributes: &[("name", STRING)], required: &[], extensible: true }),
]);

const TEXTS: Shape = Shape::Dict(&STRING, Names::Filled);

const NETWORK: Shape = Shape::Object(&Object {
    attributes: &[
        ("attachable", BOOLEAN),
        ("driver", STRING),
        ("driver_opts", OPTIONS),
        ("enable_ipv4", BOOLEAN),
        ("enable_ipv6", BOOLEAN),
        ("external", EXTERNAL),
        ("internal", BOOLEAN),
        (
            "ipam",
            Shape::Object(&Object {
                attributes: &[
                    (
                        "config",
                        Shape::List(
                            &Shape::Object(&Object {
                                attributes: &[
                                    ("aux_addresses", TEXTS),
                                    ("gateway", STRING),
                                    ("ip_range", STRING),
                                    ("subnet", STRING),
                                ],
                                required: &[],
                                extensible: true,
                            }),
                            Unique::No,
                        ),
                    ),
                    ("driver", STRING),
                    ("options", TEXTS),
                ],
                required: &[],
                extensible: true,
            }),
        ),
        ("labels", LIST_OR_DICT),
        ("name", STRING),
    ],
    required: &[],
    extensible: true,
});

const VOLUME: Shape = Shape::Object(&Object {
    attributes: &[
        ("driver", STRING),
        ("driver_opts", OPTIONS),
        ("external", EXTERNAL),
        ("labels", LIST_OR_DICT),
        ("name", STRING),
    ],
    required: &[],
    extensible: true,
});

const SECRET: Shape = Shape::Object(&Object {
    attributes: &[
        ("driver", STRING),
        ("driver_opts", OPTIONS),
        ("environment", STRING),
        ("external", EXTERNAL),
        ("file", STRING),
        ("labels", LIST_OR_DICT),
        ("name", STRING),
        ("template_driver", STRING),
    ],
    required: &[],
    extensible: true,
});

const CONFIG: Shape = Shape::Object(&Object {
    attributes: &[
        ("content", STRING),
        ("environment", STRING),
        ("external", EXTERNAL),
        ("file", STRING),
        ("labels", LIST_OR_DICT),
        ("name", STRING),
        ("template_driver", STRING),
    ],
    required: &[],
    extensible: true,
});

const MODEL: Shape = Shape::Object(&Object {
    attributes: &[
        ("context_size", Shape::Scalar(kind::INTEGER)),
        ("model", STRING),
        ("name", STRING),
        ("runtime_flags", STRINGS),
    ],
    required: &["model"],
    extensible: true,
});
