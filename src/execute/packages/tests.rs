use super::*;

const SIGNS: Signs =
    Signs { unknown: &["Unable to locate package "], lock: &["Could not get lock"], mirror: &["Failed to fetch"] };

fn ended(lines: &[&str]) -> Finished {
    let tail = lines.iter().map(ToString::to_string).collect();
    Finished { code: 100, timed_out: false, tail, stdout: String::new() }
}

#[test]
fn failures_of_a_package_manager_are_told_apart() {
    use crate::error::Class;
    for (lines, cause, class, message) in [
        (
            &["Reading package lists...", "E: Unable to locate package jqq"][..],
            Cause::PackagesFailed,
            Class::Permanent,
            "could not install x: there is no package jqq",
        ),
        (
            &["E: Failed to fetch http://deb/x 503"],
            Cause::PackagesFailed,
            Class::Transient,
            "could not install x: exit 100: E: Failed to fetch http://deb/x 503",
        ),
        (
            &["E: Could not get lock /var/lib/apt/lists/lock"],
            Cause::PackagesFailed,
            Class::Transient,
            "could not install x: exit 100: E: Could not get lock /var/lib/apt/lists/lock",
        ),
        (
            &["dpkg: write failed (No space left on device)", "E: Sub-process returned an error"],
            Cause::DiskFull,
            Class::Permanent,
            "could not install x: no space left on the disk",
        ),
        (
            &["dpkg: error processing package x", "E: Sub-process /usr/bin/dpkg returned an error code (1)", ""],
            Cause::PackagesFailed,
            Class::Permanent,
            "could not install x: exit 100: E: Sub-process /usr/bin/dpkg returned an error code (1)",
        ),
    ] {
        let err = failure("install x", &ended(lines), &SIGNS);
        assert_eq!((err.cause, err.class, err.message.as_str()), (cause, class, message));
        assert_eq!(err.output.len(), lines.len());
    }
}
