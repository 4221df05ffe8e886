//! `rolecall iam`: the least policy for the role of instances that run a project.

use std::collections::{BTreeMap, BTreeSet};

use tracing::warn;

use super::{offline, print};
use crate::{
    cli::IamArgs,
    compose::Project,
    error::{Cause, Error, Result},
    iam::{Asked, Beside, Besides, Needs, Scope, Unknown},
    manifest::{self, Reading, extension::Extension},
    redact::Secret,
    settings::{Source, did_you_mean},
};

/// Characters that a managed policy may have, and all inline policies of a role together.
const LIMITS: (usize, usize) = (6144, 10240);

/// Prints the policy.
///
/// # Errors
/// A bucket, account, region, key or role that cannot be; a project that is not valid, or whose permissions depend on
/// what only an instance knows.
pub fn iam(args: &IamArgs) -> Result<u8> {
    let scope = Scope::new(args.partition.as_deref(), args.region.as_deref(), args.account.as_deref())?;
    let given = given(&args.set)?;
    let besides = besides(args)?;
    let reading = offline::reading(&args.file, args.environment.clone())?;
    let source = source(args, &reading)?;
    let files = Asked::new(&reading.dir);
    let read =
        if offline::is_project(&reading)? { read(args, &scope, &given, reading, &files)? } else { Read::default() };
    let beside = match &source {
        Source::Object { .. } => files.beside(&source.last_part(), &read.projects, &read.extensions),
        _ => Beside::default(),
    };
    let mut needs = Needs::of_source(&source, &beside, (&scope, &read.unknown, &besides));
    for (extension, project) in read.extensions.iter().zip(&read.projects) {
        needs.extension(extension)?;
        needs.images(project)?;
        needs.logs(extension, project)?;
    }
    let policy = needs.policy();
    if policy.size() > LIMITS.0 {
        let (size, (managed, inline)) = (policy.size(), LIMITS);
        warn!("the policy has {size} characters: a managed policy may have {managed}, an inline one {inline}");
    }
    print(&format!("{}\n", serde_json::to_string_pretty(&policy.json()).unwrap_or_default()))?;
    Ok(0)
}

/// What came of the manifest, for each set of roles.
#[derive(Default)]
struct Read {
    extensions: Vec<Extension>,
    projects: Vec<Project>,
    unknown: Unknown,
}

/// Reads the project for each set of roles. A tag that it mentions stands for a value that nobody knows, where it can be
/// read like that at all; one that has to be a number, such as a port, is taken as not set.
fn read(
    args: &IamArgs,
    scope: &Scope,
    given: &BTreeMap<String, String>,
    reading: Reading,
    files: &Asked,
) -> Result<Read> {
    let mut reader = Reader { args, scope, given, reading, files };
    let mut read = reader.read(&BTreeSet::new())?;
    let mut unknown = BTreeSet::new();
    for tag in files.tags().into_iter().filter(|tag| !given.contains_key(tag)) {
        unknown.insert(tag.clone());
        match reader.read(&unknown) {
            Ok(better) => read = better,
            Err(_) => _ = unknown.remove(&tag),
        }
    }
    let warnings = read.projects.iter().flat_map(Project::warnings);
    let warnings: BTreeSet<String> = warnings.map(|warning| warning.to_string()).collect();
    for warning in warnings {
        warn!("{warning}");
    }
    Ok(read)
}

struct Reader<'a> {
    args: &'a IamArgs,
    scope: &'a Scope,
    given: &'a BTreeMap<String, String>,
    reading: Reading,
    files: &'a Asked,
}

impl Reader<'_> {
    fn read(&mut self, tags: &BTreeSet<String>) -> Result<Read> {
        let IamArgs { roles, environment, .. } = self.args;
        let reading = &mut self.reading;
        reading.roles = Vec::new();
        reading.variables = self.scope.facts().chain(self.given.clone()).collect();
        let named = [("ROLES", roles), ("ENVIRONMENT", environment)];
        let named = named.into_iter().filter_map(|(name, value)| Some((format!("ROLECALL_{name}"), value.clone()?)));
        reading.variables.extend(named);
        reading.variables.extend(pairs(&Unknown::new(tags.iter().cloned())));
        let extension = manifest::peek(self.files, reading)?;
        let variables: BTreeSet<&str> = extension.variables.keys().map(String::as_str).collect();
        if let Some(stray) =
            self.given.keys().find(|name| !name.starts_with("ROLECALL_") && !variables.contains(name.as_str()))
        {
            let near = did_you_mean(stray, variables.iter().copied());
            let message = format!("--set: {stray} is no variable of x-rolecall.variables{near}");
            return Err(Error::new(Cause::Usage, message).hint("name one of them, or a ROLECALL_TAG_…"));
        }
        let values = variables.iter().filter(|name| !self.given.contains_key(**name));
        let unknown = Unknown::new(tags.iter().cloned().chain(values.map(|name| (*name).to_owned())));
        let values: BTreeMap<String, Secret<String>> = pairs(&unknown)
            .chain(self.given.clone())
            .filter(|(name, _)| variables.contains(name.as_str()))
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        let (mut extensions, mut projects) = (Vec::new(), Vec::new());
        for set in offline::role_sets(self.files, reading, &extension, &values, roles.as_deref())? {
            reading.variables.insert("ROLECALL_ROLES".to_owned(), set.join(":"));
            reading.roles = set;
            // What is named after the roles is named otherwise for each.
            let extension = manifest::peek(self.files, reading)?;
            projects.push(manifest::load(self.files, reading, &extension, &values)?);
            extensions.push(extension);
        }
        Ok(Read { extensions, projects, unknown })
    }
}

fn pairs(unknown: &Unknown) -> impl Iterator<Item = (String, String)> + '_ {
    unknown.values().map(|(name, mark)| (name.to_owned(), mark))
}

/// The source as instances name it.
fn source(args: &IamArgs, reading: &Reading) -> Result<Source> {
    let IamArgs { bucket, prefix, pinned, .. } = args;
    if bucket.contains('/') {
        let message = format!("--bucket: {bucket:?} is not the name of a bucket");
        return Err(Error::new(Cause::Usage, message).hint("give the bucket alone, and --prefix for what follows it"));
    }
    let prefix = match prefix.trim_matches('/') {
        "" => String::new(),
        prefix => format!("{prefix}/"),
    };
    let name = reading.files.first().and_then(|file| file.file_name()?.to_str()).unwrap_or_default();
    let version = if *pinned { "?versionId=pinned" } else { "" };
    match Source::parse(&format!("s3://{bucket}/{prefix}{name}{version}"))? {
        // A name that would be read as something else cannot be a source.
        Source::Object { key, .. } if key != format!("{prefix}{name}") => {
            Err(Error::new(Cause::SourceRefused, format!("{name:?} cannot be the end of an s3:// source"))
                .hint("rename the file: ? and # have a meaning there"))
        }
        source => Ok(source),
    }
}

fn besides(args: &IamArgs) -> Result<Besides> {
    for key in &args.kms_key {
        let parts: Vec<&str> = key.splitn(6, ':').collect();
        let whole = matches!(parts[..], ["arn", _, "kms", region, account, id]
            if !region.is_empty() && !account.is_empty() && id.starts_with("key/"));
        if !whole {
            let message = format!("--kms-key: {key:?} is not the ARN of a key");
            return Err(Error::new(Cause::Usage, message)
                .hint("write arn:aws:kms:REGION:ACCOUNT:key/ID: a policy cannot name a key by its alias"));
        }
    }
    for group in &args.asg {
        if group.is_empty() || group.len() > 255 || group.contains(':') || group.chars().any(char::is_control) {
            let message = format!("--asg: {group:?} cannot be the name of an Auto Scaling group");
            return Err(Error::new(Cause::Usage, message).hint("give its name, not its ARN"));
        }
    }
    Ok(Besides {
        describe_tags: args.describe_tags,
        kms_keys: args.kms_key.clone(),
        groups: args.asg.clone(),
        signed: args.signed,
    })
}

/// Values of variables that only instances know.
fn given(set: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Error::new(Cause::Usage, format!("--set: {text:?} is not NAME=VALUE"))),
    };
    set.iter().map(pair).collect()
}
