//! The causes of failures: what each means, which exit code it is, and what to do about it. docs/errors.md is written
//! from here.

use super::{
    Class,
    exit::{Exit, Rule},
};

macro_rules! rule {
    (ByClass) => {
        Rule::ByClass
    };
    ($exit:ident) => {
        Rule::Always(Exit::$exit)
    };
}

macro_rules! causes {
    ($(
        $(#[doc = $meaning:literal])*
        $name:ident = $code:literal, $rule:ident, need $need:literal, remedy $remedy:literal;
    )*) => {
        /// Stable cause of a failure: the `cause=` of the console line. Codes are never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Cause { $($(#[doc = $meaning])* $name),* }

        impl Cause {
            /// Every cause there is, for documentation and its test.
            pub const ALL: &'static [Cause] = &[$(Cause::$name),*];

            /// The word printed as `cause=`.
            pub const fn code(self) -> &'static str {
                match self { $(Cause::$name => $code),* }
            }

            const fn rule(self) -> Rule {
                match self { $(Cause::$name => rule!($rule)),* }
            }

            /// What it means, for documentation.
            pub fn meaning(self) -> &'static str {
                match self { $(Cause::$name => concat!($($meaning),*).trim()),* }
            }

            /// What is missing, where the error does not know it more closely.
            pub const fn need(self) -> &'static str {
                match self { $(Cause::$name => $need),* }
            }

            /// What to do about it, where the error does not know it more closely.
            pub const fn remedy(self) -> &'static str {
                match self { $(Cause::$name => $remedy),* }
            }
        }
    };
}

impl Cause {
    /// The exit code of a run that a failure of this cause and class ended.
    pub const fn exit(self, class: Class) -> Exit {
        self.rule().exit(class)
    }

    /// The exit codes that this cause can have, for documentation.
    pub fn exits(self) -> Vec<Exit> {
        let (lasting, passing) = (self.exit(Class::Permanent), self.exit(Class::Transient));
        if lasting == passing { vec![lasting] } else { vec![lasting, passing] }
    }
}

causes! {
    /// Flags, environment or config.toml hold something that cannot be used.
    Usage = "usage", Usage,
        need "flags, environment and config.toml that can be used",
        remedy "correct the setting that the error names; rolecall run --help lists all";
    /// The command needs root.
    NotRoot = "not-root", Usage,
        need "root",
        remedy "run it with sudo";
    /// The source is empty, malformed, or may not be chosen by who chose it.
    SourceRefused = "source-refused", Usage,
        need "a source that may be used here",
        remedy "correct the source; what a tag may not name, set in /etc/rolecall/config.toml or by --source";
    /// Another run holds the lock.
    Locked = "locked", Locked,
        need "the lock of the other run",
        remedy "wait for it: rolecall status --wait";

    /// No instance metadata service answers.
    ImdsUnreachable = "imds-unreachable", Unreachable,
        need "an instance metadata service that answers",
        remedy "enable it (aws ec2 modify-instance-metadata-options --http-endpoint enabled), or set AWS_EC2_METADATA_SERVICE_ENDPOINT";
    /// The metadata service answers, but not as `IMDSv2` (disabled, v1 only, hop limit).
    ImdsRefused = "imds-refused", Unreachable,
        need "metadata by IMDSv2",
        remedy "enable IMDSv2; from within a container the hop limit must be 2 or more";
    /// The tag that names the source is not there.
    TagMissing = "tag-missing", Unreachable,
        need "the tag that names the source",
        remedy "set the tag Bootstrap on the instance, and allow tags in its metadata";
    /// Tags are off in metadata and may not be read through the EC2 API.
    TagsDenied = "tags-denied", Unreachable,
        need "the tags of the instance",
        remedy "allow tags in the instance's metadata, or ec2:DescribeTags to its role";
    /// The EC2 API throttled the reading of tags until the deadline.
    TagsThrottled = "tags-throttled", Unreachable,
        need "an answer of ec2:DescribeTags",
        remedy "allow tags in the instance's metadata: they need no API then";
    /// The instance has no role credentials.
    CredentialsMissing = "credentials-missing", Unreachable,
        need "a role that the instance can use",
        remedy "attach an instance profile with a role";
    /// The credentials have expired, and no newer ones come.
    CredentialsExpired = "credentials-expired", Unreachable,
        need "credentials that have not expired",
        remedy "renew those of AWS_SESSION_TOKEN or of the profile; for a role, see its trust policy";
    /// An API of the cloud did not answer.
    CloudUnreachable = "cloud-unreachable", Unreachable,
        need "the API of the cloud",
        remedy "look at route, proxy, endpoints and security groups; it is tried again";
    /// An API of the cloud refused permission.
    CloudDenied = "cloud-denied", Unreachable,
        need "a permission for the instance's role",
        remedy "allow the instance's role the action that need= names";
    /// A parameter or secret does not exist.
    ValueMissing = "value-missing", Manifest,
        need "the value that a variable refers to",
        remedy "create it, or correct the reference under x-rolecall.variables";
    /// The source does not exist.
    SourceNotFound = "source-not-found", Unreachable,
        need "an object or prefix at the source",
        remedy "upload the project, or correct the source";
    /// Permission to read the source was refused.
    SourceDenied = "source-denied", Unreachable,
        need "a permission to read the source",
        remedy "allow s3:GetObject and s3:ListBucket on it, and kms:Decrypt where it is encrypted with a key";
    /// The source did not answer, or broke off.
    SourceUnreachable = "source-unreachable", Unreachable,
        need "the source",
        remedy "look at route, proxy and endpoint of the source; it is tried again";
    /// The source is larger than the limit.
    SourceTooLarge = "source-too-large", Unreachable,
        need "a source within the limit",
        remedy "keep data out of the project: a container can fetch it";
    /// The content of the source is neither a script nor a compose file.
    SourceUnrecognised = "source-unrecognised", Manifest,
        need "a compose file or a script",
        remedy "begin a script with #!; a compose file has `services` or `x-rolecall`";

    /// Content does not have the pinned checksum.
    ChecksumMismatch = "checksum-mismatch", Integrity,
        need "content with the pinned checksum",
        remedy "find out who changed it; pin the new sum only when you know";
    /// The bucket belongs to an account that is not allowed.
    OwnerMismatch = "owner-mismatch", Integrity,
        need "a bucket of an allowed account",
        remedy "find out whose bucket it is; allow another account by --bucket-owners";
    /// A key is configured, and content is not signed.
    SignatureMissing = "signature-missing", Integrity,
        need "a signature by a configured key",
        remedy "sign it with minisign, and put the .minisig beside it";
    /// A signature is not one of a configured key over this content under this name.
    SignatureInvalid = "signature-invalid", Integrity,
        need "a signature of this content under this name",
        remedy "find out who changed it; sign it anew only when you know";
    /// Content was signed before what this instance has accepted already.
    Rollback = "rollback", Integrity,
        need "content that was signed later",
        remedy "find out who put the older one back; to go back on purpose, sign it anew";

    /// The compose file or its `x-rolecall` is invalid.
    ManifestInvalid = "manifest-invalid", Manifest,
        need "a valid manifest",
        remedy "correct the file at that line; rolecall validate FILE checks it beforehand";
    /// A role that is neither an entry of `x-rolecall.roles`, a profile nor a service.
    RoleUnknown = "role-unknown", Manifest,
        need "a role of the project",
        remedy "correct the tag Role, or add the role to the project";
    /// One host port is asked for twice.
    PortClash = "port-clash", Manifest,
        need "one service for each host port",
        remedy "publish another port, or select one of the services only";

    /// A process that is not ours holds a port that a service publishes.
    PortHeld = "port-held", Step,
        need "a free port",
        remedy "stop what holds it, or publish another port";
    /// A script of stage two did not exit with 0.
    ScriptFailed = "script-failed", Step,
        need "exit code 0",
        remedy "read its last lines; correct it at its source, then run again";
    /// A script of stage two ran into its deadline.
    ScriptTimeout = "script-timeout", Step,
        need "an end within its time",
        remedy "read its last lines; make it faster, or the deadline longer";
    /// The package manager failed.
    PackagesFailed = "packages-failed", ByClass,
        need "a package manager that works",
        remedy "read its last lines; look at mirrors, proxy and disk, then run again";
    /// Docker is absent and could not be installed.
    DockerInstall = "docker-install", ByClass,
        need "Docker",
        remedy "look at the package mirror, or bake Docker into the image";
    /// daemon.json could not be merged, or the daemon does not come up with it.
    DockerConfig = "docker-config", ByClass,
        need "a daemon.json that the daemon takes",
        remedy "correct x-rolecall.host.docker.daemon, or the daemon.json of the host";
    /// systemd refused a request, or did not answer.
    ServiceManager = "service-manager", ByClass,
        need "a service manager that answers",
        remedy "look at systemctl list-jobs and journalctl --boot; then run again";
    /// The engine does not answer.
    EngineUnreachable = "engine-unreachable", ByClass,
        need "a Docker engine that answers",
        remedy "look at journalctl --unit docker, or correct DOCKER_HOST";
    /// The engine refused a request.
    EngineRefused = "engine-refused", ByClass,
        need "a request that the engine takes",
        remedy "correct what the engine names in the project; its log says more";
    /// The registry has no such image.
    ImageNotFound = "image-not-found", Step,
        need "an image at that name",
        remedy "push it, or correct its name or tag";
    /// The registry refused the credentials.
    ImageDenied = "image-denied", Step,
        need "credentials for the registry",
        remedy "allow ecr:GetAuthorizationToken and ecr:BatchGetImage, or name credentials under x-rolecall.registries";
    /// An image could not be pulled.
    ImagePull = "image-pull", ByClass,
        need "the whole image",
        remedy "look at route and proxy to the registry and at the disk; what came is kept for the next try";
    /// A container exited, or could not be started.
    ContainerFailed = "container-failed", ByClass,
        need "a container that keeps running",
        remedy "read its last lines: docker logs NAME";
    /// A container's health check still failed when the time to become ready was up.
    ContainerUnhealthy = "container-unhealthy", Step,
        need "a health check that succeeds",
        remedy "read its last lines, and the check's: docker inspect NAME";
    /// Services were not ready in time.
    ReadyTimeout = "ready-timeout", Step,
        need "services that are ready in time",
        remedy "read the last lines of what is not ready, or raise x-rolecall.ready.timeout";
    /// The deadline of the run or of a step passed.
    Deadline = "deadline", ByClass,
        need "more time",
        remedy "see which step took the time (rolecall status), or raise --deadline; it is tried again";
    /// A machine that is to become an image still has what is an instance's.
    InUse = "in-use", Step,
        need "a machine on which nothing of a project is left",
        remedy "rolecall down --all, and docker volume rm what that leaves; systemctl stop rolecall";
    /// The disk is full.
    DiskFull = "disk-full", Step,
        need "space on that file system",
        remedy "free space or use a larger volume, then run again";
    /// A file of the host could not be read or written.
    Io = "io", Step,
        need "a file that can be read and written",
        remedy "look at owner, mode and mount of the path that the error names";
    /// The run was asked to stop by a signal.
    Interrupted = "interrupted", Step,
        need "a run that may end",
        remedy "run it again: it goes on where it was";
    /// A fault of rolecall itself.
    Bug = "bug", Step,
        need "a version of rolecall without this fault",
        remedy "report the line with the source that led to it, then run again";
}
