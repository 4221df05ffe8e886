//! Exit codes, and the one rule that maps a failure to one of them.

use super::Class;

/// Exit codes of the program. Service managers and scripts decide by them, so they never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A step failed; the journal and the console line name it.
    Step = 1,
    /// Flags, environment, config.toml or a source that cannot mean anything.
    Usage = 2,
    /// The manifest is invalid: running again without a change cannot help.
    Manifest = 3,
    /// Something outside could not be reached, or time ran out: running again may help.
    Unreachable = 4,
    /// A checksum, a signature or an owner is not what it has to be.
    Integrity = 5,
    /// Another run holds the lock.
    Locked = 6,
}

/// How a cause maps to an exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// Whatever its class.
    Always(Exit),
    /// By the class of the failure: [`Exit::Unreachable`] if another try can help, else [`Exit::Step`]. For causes
    /// that name a part of the host which depends on something outside: an engine on its registries, log drivers and
    /// file servers, a package manager on its mirrors, and all of them on time.
    ByClass,
}

impl Rule {
    pub(super) const fn exit(self, class: Class) -> Exit {
        match (self, class) {
            (Self::Always(exit), _) => exit,
            (Self::ByClass, Class::Transient | Class::Throttled) => Exit::Unreachable,
            // A refused permission was tried again for as long as one takes to spread.
            (Self::ByClass, Class::Denied | Class::Permanent) => Exit::Step,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Cause, Error};

    const CLASSES: [Class; 4] = [Class::Transient, Class::Throttled, Class::Denied, Class::Permanent];

    /// The exit codes of each cause, for the classes in the order of `CLASSES`.
    fn expected(cause: Cause) -> [u8; 4] {
        match cause.code() {
            "usage" | "not-root" | "source-refused" => [2; 4],
            "value-missing" | "source-unrecognised" | "manifest-invalid" | "role-unknown" | "port-clash" => [3; 4],
            "imds-unreachable"
            | "imds-refused"
            | "tag-missing"
            | "tags-denied"
            | "tags-throttled"
            | "credentials-missing"
            | "credentials-expired"
            | "cloud-unreachable"
            | "cloud-denied"
            | "source-not-found"
            | "source-denied"
            | "source-unreachable"
            | "source-too-large" => [4; 4],
            "checksum-mismatch" | "owner-mismatch" | "signature-missing" | "signature-invalid" | "rollback" => [5; 4],
            "locked" => [6; 4],
            "packages-failed" | "docker-install" | "docker-config" | "engine-unreachable" | "engine-refused"
            | "image-pull" | "container-failed" | "service-manager" | "deadline" => [4, 4, 1, 1],
            // The verdict of a script, of a check, of the host itself: the same run ends in the same way.
            _ => [1; 4],
        }
    }

    #[test]
    fn exit_code_follows_cause_and_class() {
        for cause in Cause::ALL {
            let codes = CLASSES.map(|class| Error::new(*cause, "it failed").class(class).exit() as u8);
            assert_eq!(codes, expected(*cause), "{}", cause.code());
            assert_eq!(cause.exits().iter().map(|exit| *exit as u8).collect::<Vec<_>>(), {
                let mut all = expected(*cause).to_vec();
                all.sort_unstable();
                all.dedup();
                all
            });
        }
    }
}
