//! What a container finds in its file system besides its image.

use std::collections::BTreeMap;

use crate::compose::model::record::record;
use crate::compose::model::{Bytes, CreateHostPath, FileMode};

record! {
    /// A mount.
    ServiceVolumeConfig {
        /// `bind`, `volume`, `tmpfs`, `npipe`, `cluster` or `image`.
        r#type: String;
        /// Path, volume or image; empty for an anonymous volume.
        source: String;
        /// Whether the source was written as a relative path.
        relative: bool = hidden;
        /// Path in the container.
        target: String;
        /// Whether it is read-only.
        read_only: bool;
        /// Consistency (macOS).
        consistency: String;
        /// Options of a bind.
        bind: Option<ServiceVolumeBind>;
        /// Options of a volume.
        volume: Option<ServiceVolumeVolume>;
        /// Options of a tmpfs.
        tmpfs: Option<ServiceVolumeTmpfs>;
        /// Options of an image.
        image: Option<ServiceVolumeImage>;
    }
}

record! {
    /// Options of a bind.
    ServiceVolumeBind {
        /// `z` or `Z`.
        selinux: String;
        /// Propagation mode.
        propagation: String;
        /// Whether a missing source is made, as a folder.
        create_host_path: CreateHostPath;
        /// Whether mounts below are bound as well.
        recursive: String;
    }
}

record! {
    /// Options of a volume.
    ServiceVolumeVolume {
        /// Labels of an anonymous volume.
        labels: BTreeMap<String, String>;
        /// Whether an empty volume is not filled from the image.
        nocopy: bool;
        /// Path in the volume.
        subpath: String;
    }
}

record! {
    /// Options of a tmpfs.
    ServiceVolumeTmpfs {
        /// Size.
        size: Bytes;
        /// Permission bits.
        mode: u32;
    }
}

record! {
    /// Options of an image mount.
    ServiceVolumeImage {
        /// Path in the image.
        subpath: String;
    }
}

record! {
    /// A config or secret as a service mounts it.
    FileReferenceConfig {
        /// Its name in the project.
        source: String;
        /// Path in the container.
        target: String;
        /// Owner.
        uid: String;
        /// Group.
        gid: String;
        /// Permission bits.
        mode: Option<FileMode>;
    }
}

record! {
    /// A device of the host.
    DeviceMapping {
        /// Device on the host, or a CDI name.
        source: String;
        /// Device in the container.
        target: String;
        /// `r`, `w`, `m` or several.
        permissions: String;
    }
}
