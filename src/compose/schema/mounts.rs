//! What a container finds in its file system.

use super::{BOOLEAN, LIST_OR_DICT, NUMBER, Object, STRING, Shape, Unique};

/// `configs` and `secrets` of a service or build.
pub(super) const FILE_MOUNTS: Shape = Shape::List(
    &Shape::Either(&[
        STRING,
        Shape::Object(&Object {
            attributes: &[("gid", STRING), ("mode", NUMBER), ("source", STRING), ("target", STRING), ("uid", STRING)],
            required: &[],
            extensible: true,
        }),
    ]),
    Unique::No,
);

/// The long form of a device.
pub(super) const DEVICE: Shape = Shape::Object(&Object {
    attributes: &[("permissions", STRING), ("source", STRING), ("target", STRING)],
    required: &["source"],
    extensible: true,
});

/// The long form of a mount.
pub(super) const VOLUME: Shape = Shape::Object(&Object {
    attributes: &[
        (
            "bind",
            Shape::Object(&Object {
                attributes: &[
                    ("create_host_path", BOOLEAN),
                    ("propagation", STRING),
                    ("recursive", Shape::Choice(&["enabled", "disabled", "writable", "readonly"])),
                    ("selinux", Shape::Choice(&["z", "Z"])),
                ],
                required: &[],
                extensible: true,
            }),
        ),
        ("consistency", STRING),
        ("image", Shape::Object(&Object { attributes: &[("subpath", STRING)], required: &[], extensible: true })),
        ("read_only", BOOLEAN),
        ("source", STRING),
        ("target", STRING),
        (
            "tmpfs",
            Shape::Object(&Object {
                attributes: &[("mode", NUMBER), ("size", Shape::Range(0, i64::MAX))],
                required: &[],
                extensible: true,
            }),
        ),
        ("type", Shape::Choice(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"])),
        (
            "volume",
            Shape::Object(&Object {
                attributes: &[("labels", LIST_OR_DICT), ("nocopy", BOOLEAN), ("subpath", STRING)],
                required: &[],
                extensible: true,
            }),
        ),
    ],
    required: &["type"],
    extensible: true,
});
