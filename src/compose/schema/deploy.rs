//! Parts of a service that are used in several places or stand for themselves: deploy, develop, devices, hooks.

use super::{
    BOOLEAN, COMMAND, DURATION, INTEGER, LIST_OR_DICT, NUMBER, Names, Object, STRING, STRING_OR_LIST, STRINGS, Shape,
    UNIQUE_STRINGS, Unique, kind,
};

const UPDATE: Shape = Shape::Object(&Object {
    attributes: &[
        ("delay", DURATION),
        ("failure_action", STRING),
        ("max_failure_ratio", NUMBER),
        ("monitor", DURATION),
        ("order", Shape::Choice(&["start-first", "stop-first"])),
        ("parallelism", INTEGER),
    ],
    required: &[],
    extensible: true,
});

const DEVICE_ATTRIBUTES: &[(&str, Shape)] = &[
    ("capabilities", UNIQUE_STRINGS),
    ("count", INTEGER),
    ("device_ids", UNIQUE_STRINGS),
    ("driver", STRING),
    ("options", LIST_OR_DICT),
];

const DEVICES: Shape = Shape::List(
    &Shape::Object(&Object { attributes: DEVICE_ATTRIBUTES, required: &["capabilities"], extensible: true }),
    Unique::No,
);

/// `gpus`.
pub(super) const GPUS: Shape = Shape::Either(&[
    Shape::Choice(&["all"]),
    Shape::List(&Shape::Object(&Object { attributes: DEVICE_ATTRIBUTES, required: &[], extensible: true }), Unique::No),
]);

const GENERIC_RESOURCES: Shape = Shape::List(
    &Shape::Object(&Object {
        attributes: &[(
            "discrete_resource_spec",
            Shape::Object(&Object {
                attributes: &[("kind", STRING), ("value", NUMBER)],
                required: &[],
                extensible: true,
            }),
        )],
        required: &[],
        extensible: true,
    }),
    Unique::No,
);

const RESOURCES: Shape = Shape::Object(&Object {
    attributes: &[
        (
            "limits",
            Shape::Object(&Object {
                attributes: &[("cpus", NUMBER), ("memory", STRING), ("pids", INTEGER)],
                required: &[],
                extensible: true,
            }),
        ),
        (
            "reservations",
            Shape::Object(&Object {
                attributes: &[
                    ("cpus", NUMBER),
                    ("devices", DEVICES),
                    ("generic_resources", GENERIC_RESOURCES),
                    ("memory", STRING),
                ],
                required: &[],
                extensible: true,
            }),
        ),
    ],
    required: &[],
    extensible: true,
});

/// `deploy`.
pub(super) const DEPLOY: Shape = Shape::Object(&Object {
    attributes: &[
        ("endpoint_mode", STRING),
        ("labels", LIST_OR_DICT),
        ("mode", STRING),
        (
            "placement",
            Shape::Object(&Object {
                attributes: &[
                    ("constraints", STRINGS),
                    ("max_replicas_per_node", INTEGER),
                    (
                        "preferences",
                        Shape::List(
                            &Shape::Object(&Object {
                                attributes: &[("spread", STRING)],
                                required: &[],
                                extensible: true,
                            }),
                            Unique::No,
                        ),
                    ),
                ],
                required: &[],
                extensible: true,
            }),
        ),
        ("replicas", INTEGER),
        ("resources", RESOURCES),
        (
            "restart_policy",
            Shape::Object(&Object {
                attributes: &[
                    ("condition", STRING),
                    ("delay", DURATION),
                    ("max_attempts", INTEGER),
                    ("window", DURATION),
                ],
                required: &[],
                extensible: true,
            }),
        ),
        ("rollback_config", UPDATE),
        ("update_config", UPDATE),
    ],
    required: &[],
    extensible: true,
});

const HOOK: Shape = Shape::Object(&Object {
    attributes: &[
        ("command", COMMAND),
        ("environment", LIST_OR_DICT),
        ("privileged", BOOLEAN),
        ("user", STRING),
        ("working_dir", STRING),
    ],
    required: &["command"],
    extensible: true,
});

/// `post_start` and `pre_stop`.
pub(super) const HOOKS: Shape = Shape::List(&HOOK, Unique::No);

/// `pre_start`.
pub(super) const PRE_START: Shape = Shape::List(
    &Shape::Object(&Object {
        attributes: &[
            ("command", COMMAND),
            ("environment", LIST_OR_DICT),
            ("image", STRING),
            ("per_replica", BOOLEAN),
            ("privileged", BOOLEAN),
            ("user", STRING),
            ("working_dir", STRING),
        ],
        required: &[],
        extensible: true,
    }),
    Unique::No,
);

/// `develop`.
pub(super) const DEVELOP: Shape = Shape::Object(&Object {
    attributes: &[(
        "watch",
        Shape::List(
            &Shape::Object(&Object {
                attributes: &[
                    ("action", Shape::Choice(&["rebuild", "sync", "restart", "sync+restart", "sync+exec"])),
                    ("exec", HOOK),
                    ("ignore", STRING_OR_LIST),
                    ("include", STRING_OR_LIST),
                    ("initial_sync", Shape::Scalar(kind::BOOLEAN)),
                    ("path", STRING),
                    ("target", STRING),
                ],
                required: &["path", "action"],
                extensible: true,
            }),
            Unique::No,
        ),
    )],
    required: &[],
    extensible: true,
});

/// `ulimits`.
pub(super) const ULIMITS: Shape = Shape::Dict(
    &Shape::Either(&[
        INTEGER,
        Shape::Object(&Object {
            attributes: &[("hard", INTEGER), ("soft", INTEGER)],
            required: &["soft", "hard"],
            extensible: true,
        }),
    ]),
    Names::Lower,
);
