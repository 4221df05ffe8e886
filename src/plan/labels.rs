//! The labels by which containers, networks and volumes are known: Compose's, so that its commands work on what we made,
//! and our own, so that we act on nothing else.

use crate::compose::Generation;

/// The version that `com.docker.compose.version` claims for networks and volumes, which are the same in all generations.
pub const COMPOSE_VERSION: &str = "2.40.3";

/// The version that `com.docker.compose.version` claims: the one whose containers these are.
pub const fn compose_version(generation: Generation) -> &'static str {
    match generation {
        Generation::Two => COMPOSE_VERSION,
        Generation::Five => "5.5.0",
    }
}

/// Project of a container, network or volume.
pub const PROJECT: &str = "com.docker.compose.project";
/// Service of a container.
pub const SERVICE: &str = "com.docker.compose.service";
/// Hash of a service, network or volume as it was created.
pub const CONFIG_HASH: &str = "com.docker.compose.config-hash";
/// Number of a container in its service, from 1.
pub const NUMBER: &str = "com.docker.compose.container-number";
/// Name of a volume in the project.
pub const VOLUME: &str = "com.docker.compose.volume";
/// Name of a network in the project.
pub const NETWORK: &str = "com.docker.compose.network";
/// The project's folder.
pub const WORKING_DIR: &str = "com.docker.compose.project.working_dir";
/// The project's files, divided by commas.
pub const CONFIG_FILES: &str = "com.docker.compose.project.config_files";
/// The project's explicit environment files, divided by commas.
pub const ENVIRONMENT_FILE: &str = "com.docker.compose.project.environment_file";
/// `True` for a container of `docker compose run`.
pub const ONEOFF: &str = "com.docker.compose.oneoff";
/// On the container of a hook: which kind of hook. Compose 5.3 writes it, too.
pub const HOOK: &str = "com.docker.compose.hook";
/// Id of the image that a container was created from.
pub const IMAGE: &str = "com.docker.compose.image";
/// Content of the images that a container mounts: `target=digest`, divided by commas.
pub const MOUNTED_IMAGES: &str = "com.docker.compose.image-volume-digest";
/// What a container waits for: `service:condition:restart`, divided by commas.
pub const DEPENDS_ON: &str = "com.docker.compose.depends_on";
/// Version of Compose.
pub const VERSION: &str = "com.docker.compose.version";
/// On a container that was created to take the place of another one: the name of that place.
pub const REPLACE: &str = "com.docker.compose.replace";

/// On the container of a hook: the id of the container that it runs for.
pub const HOOK_OF: &str = "io.rolecall.hook-of";

/// `true` on whatever we made; we touch nothing without it.
pub const MANAGED: &str = "io.rolecall.managed";
/// The instance that made it: after an image was taken of a running machine, its containers are another's.
pub const INSTANCE: &str = "io.rolecall.instance";
/// What was added to Compose's container, such as `containers-dir=/containers/web`; a change replaces it.
pub const ADDED: &str = "io.rolecall.added";

/// A keyed checksum over the content of its configs and secrets, which Compose's hash does not cover.
pub const FILES: &str = "io.rolecall.files";

/// What a container mounts from the folder of its project, as JSON: paths relative to it, each with a keyed checksum over
/// the fetched files there.
pub const PROJECT_FILES: &str = "io.rolecall.project-files";

/// The hooks that run before it is stopped, as JSON: a stop knows nothing but labels.
pub const PRE_STOP: &str = "io.rolecall.pre-stop";

/// The labels of a network or volume: `kind` is [`NETWORK`] or [`VOLUME`] with its key in the project.
pub fn of_object<'a>(
    kind: (&'a str, &'a str),
    project: &'a str,
    hash: &'a str,
    instance: Option<&'a str>,
) -> impl Iterator<Item = (String, String)> {
    let all = [kind, (PROJECT, project), (VERSION, COMPOSE_VERSION), (CONFIG_HASH, hash), (MANAGED, "true")];
    let pairs = all.into_iter().chain(instance.map(|id| (INSTANCE, id)));
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))
}

/// The filter for everything of a project that we made.
pub fn ours(project: &str) -> Vec<String> {
    vec![format!("{PROJECT}={project}"), format!("{MANAGED}=true")]
}
