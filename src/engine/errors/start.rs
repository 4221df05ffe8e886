//! What an operator corrects if a container could not be created or started. Such a container wrote nothing, so that its
//! log is no help.

/// Words that an answer has all of, in lower case, and the advice. The first match decides.
const ADVICE: &[(&[&str], &str)] = &[
    (&["failed to initialize logging driver"], "correct `logging` of the service, or what it names"),
    (
        &["not a directory"],
        "the source of the mount is a folder and its target a file, or the reverse: correct `volumes`, or replace the folder on the host",
    ),
    (
        &["exec: ", "permission denied"],
        "the command is not executable: set the mode of its file in x-rolecall.host.files, or in the metadata of its object",
    ),
    (
        &["exec format error"],
        "the command is a program of another architecture, or a script without an interpreter in its first line",
    ),
    (
        &["exec: ", "no such file or directory"],
        "the container has no such program: correct `command` or `entrypoint` of the service",
    ),
    (
        &["executable file not found"],
        "the container has no such program: correct `command` or `entrypoint` of the service",
    ),
];

/// Anything else that the runtime refuses.
const OTHER: &str = "correct what the error names in the service; the container was not started, so its log is empty";

/// The advice for an answer in lower case.
pub(super) fn advice(lower: &str) -> &'static str {
    let found = ADVICE.iter().find(|(words, _)| words.iter().all(|word| lower.contains(word)));
    found.map_or(OTHER, |(_, advice)| advice)
}
