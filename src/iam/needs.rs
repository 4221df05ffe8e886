//! What a run asks the cloud for, as resources of a policy.

use std::collections::BTreeSet;

use super::{
    Beside, Scope, Unknown,
    logs::Groups,
    policy::{Condition, Policy, Statement},
    scope::{self, written},
};
use crate::{
    compose::Project,
    error::{Cause, Error, Result},
    image_ref::ImageRef,
    manifest::{
        extension::{Extension, Install, Mirrors},
        variables::Reference,
    },
    settings::Source,
};

/// What the manifest does not say.
#[derive(Clone, Debug, Default)]
pub struct Besides {
    /// Whether tags are read from the EC2 API: where instance metadata does not show them.
    pub describe_tags: bool,
    /// ARNs of keys of the customer that objects, parameters or secrets are encrypted with.
    pub kms_keys: Vec<String>,
    /// Auto Scaling groups whose lifecycle hooks are completed.
    pub groups: Vec<String>,
    /// Whether content has to be signed, so that signatures are read too.
    pub signed: bool,
}

/// Collects what runs of a project need. Resources are those of a policy already.
#[derive(Debug)]
pub struct Needs<'a> {
    pub(super) scope: &'a Scope,
    pub(super) unknown: &'a Unknown,
    besides: &'a Besides,
    bucket: String,
    prefixes: BTreeSet<String>,
    project: BTreeSet<String>,
    objects: BTreeSet<String>,
    versions: BTreeSet<String>,
    parameters: BTreeSet<String>,
    secrets: BTreeSet<String>,
    /// Repositories of pull-through caches.
    imported: BTreeSet<String>,
    mirrors: Mirrors,
    repositories: BTreeSet<String>,
    pub(super) groups: Groups,
}

impl<'a> Needs<'a> {
    /// The needs of a run with this source, which is in a bucket, and with what it names beside itself.
    pub fn of_source(
        source: &Source,
        beside: &Beside,
        (scope, unknown, besides): (&'a Scope, &'a Unknown, &'a Besides),
    ) -> Self {
        let bucket = source.bucket().unwrap_or_default().to_owned();
        let mut needs = Self {
            scope,
            unknown,
            besides,
            bucket,
            prefixes: BTreeSet::new(),
            project: BTreeSet::new(),
            objects: BTreeSet::new(),
            versions: BTreeSet::new(),
            parameters: BTreeSet::new(),
            secrets: BTreeSet::new(),
            imported: BTreeSet::new(),
            mirrors: Mirrors::default(),
            repositories: BTreeSet::new(),
            groups: Groups::default(),
        };
        match source {
            Source::Prefix { bucket, prefix } => {
                needs.prefixes.insert(written(prefix));
                needs.project.insert(format!("{}*", needs.object(bucket, prefix)));
            }
            Source::Object { bucket, key, .. } => {
                let reads = needs.reads(source, true);
                needs.project.extend(reads.objects);
                needs.versions.extend(reads.version);
                let folder = key.rfind('/').map_or("", |at| &key[..=at]);
                for file in &beside.files {
                    let reads = needs.reads(&plain(bucket, &format!("{folder}{file}")), true);
                    needs.project.extend(reads.objects);
                }
                for below in &beside.folders {
                    let below = format!("{folder}{below}/");
                    needs.prefixes.insert(written(&below));
                    needs.project.insert(format!("{}*", needs.object(bucket, &below)));
                }
            }
            Source::Web { .. } | Source::File { .. } | Source::Folder { .. } => {}
        }
        needs
    }

    /// Adds what `x-rolecall` names.
    ///
    /// # Errors
    /// `manifest-invalid` for a name that depends on what only an instance knows; `source-refused` for an address that
    /// a run would refuse.
    pub fn extension(&mut self, extension: &Extension) -> Result<()> {
        for (name, reference) in &extension.variables {
            let what = format!("x-rolecall.variables.{name}");
            match reference {
                Reference::Parameter(name) => {
                    self.unknown.check(&what, name)?;
                    self.parameter(name);
                }
                Reference::Secret { id, .. } => {
                    self.unknown.check(&what, id)?;
                    self.secret(id);
                }
                Reference::Object(uri) => self.named(&what, uri)?,
            }
        }
        self.mirrors = extension.mirrors.clone();
        for uri in &extension.registries {
            self.named("x-rolecall.registries", uri)?;
        }
        if let Install::Static(archive) = &extension.host.docker.install {
            self.named("x-rolecall.host.docker.archive", archive)?;
        }
        Ok(())
    }

    /// Adds the images of the services that are selected.
    ///
    /// # Errors
    /// `manifest-invalid` for a reference that is none, or that depends on what only an instance knows.
    pub fn images(&mut self, project: &Project) -> Result<()> {
        for (name, service) in &project.services {
            // One that must not be pulled is there, or the run fails.
            let own = Some(&service.image).filter(|_| service.pull_policy != "never" && !service.image.is_empty());
            let mounted = service.volumes.iter().filter(|volume| volume.r#type == "image").map(|v| &v.source);
            for image in own.into_iter().chain(mounted) {
                self.image(name, image)?;
            }
        }
        Ok(())
    }

    /// The policy.
    pub fn policy(&self) -> Policy {
        let objects = all(&self.objects).filter(|object| !self.in_project(object));
        let any = || ["*".to_owned()];
        let list = Statement {
            condition: Some(Condition { key: "s3:prefix", values: all(&self.prefixes).collect() }),
            ..Statement::new("ListProject", &["s3:ListBucket"], [self.bucket_arn(&self.bucket)])
        };
        let login = Statement::new("LogInToRegistry", &["ecr:GetAuthorizationToken"], any());
        let pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
        // What a pull-through cache asks of who pulls an image for the first time.
        let import = ["ecr:BatchImportUpstreamImage", "ecr:CreateRepository"];
        let hooks = ["autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat"];
        let groups = self.besides.groups.iter().map(|name| {
            self.scope.arn("autoscaling", &format!("autoScalingGroup:*:autoScalingGroupName/{}", written(name)))
        });
        let secrets = "secretsmanager:GetSecretValue";
        let [write_logs, create_groups] = self.groups.statements();
        let statements = [
            (!self.prefixes.is_empty()).then_some(list),
            Some(Statement::new("ReadProject", &["s3:GetObject"], all(&self.project))),
            Some(Statement::new("ReadObjects", &["s3:GetObject"], objects)),
            Some(Statement::new("ReadVersions", &["s3:GetObjectVersion"], all(&self.versions))),
            self.besides.describe_tags.then(|| Statement::new("ReadTags", &["ec2:DescribeTags"], any())),
            Some(Statement::new("ReadParameters", &["ssm:GetParameter"], all(&self.parameters))),
            Some(Statement::new("ReadSecrets", &[secrets], all(&self.secrets))),
            (!self.besides.kms_keys.is_empty()).then(|| self.decrypt()),
            (!self.repositories.is_empty()).then_some(login),
            Some(Statement::new("PullImages", &pull, all(&self.repositories))),
            Some(Statement::new("ImportImages", &import, all(&self.imported))),
            Some(write_logs),
            Some(create_groups),
            Some(Statement::new("CompleteHooks", &hooks, groups)),
        ];
        Policy(statements.into_iter().flatten().filter(|statement| !statement.resources.is_empty()).collect())
    }

    /// A key is only used by the services that have what is encrypted with it, in its own region.
    fn decrypt(&self) -> Statement {
        let used = [("s3", true), ("secretsmanager", !self.secrets.is_empty()), ("ssm", !self.parameters.is_empty())];
        let region = |key: &String| {
            let mut parts = key.split(':').skip(1);
            let (partition, region) = (parts.next().unwrap_or_default(), parts.nth(1).unwrap_or_default());
            format!("{region}.{}", scope::suffix(partition))
        };
        let regions: BTreeSet<String> = self.besides.kms_keys.iter().map(region).collect();
        let services = used.iter().filter(|(_, used)| *used).map(|(name, _)| name);
        let values = services.flat_map(|name| regions.iter().map(move |region| format!("{name}.{region}"))).collect();
        Statement {
            condition: Some(Condition { key: "kms:ViaService", values }),
            ..Statement::new("DecryptValues", &["kms:Decrypt"], self.besides.kms_keys.iter().cloned())
        }
    }

    /// An object or file that the manifest names.
    fn named(&mut self, what: &str, uri: &str) -> Result<()> {
        self.unknown.check(what, uri)?;
        let source = Source::parse(uri).map_err(|err| Error { message: format!("{what}: {}", err.message), ..err })?;
        match &source {
            Source::Object { sha256, .. } => {
                let reads = self.reads(&source, sha256.is_none());
                self.objects.extend(reads.objects);
                self.versions.extend(reads.version);
            }
            Source::File { .. } => {}
            _ => {
                let message = format!("{what}: {source} is not a single s3:// object or file");
                return Err(Error::new(Cause::SourceRefused, message));
            }
        }
        Ok(())
    }

    /// What is read of an object; with `signed` also its signature, of which the newest is asked for.
    fn reads(&self, source: &Source, signed: bool) -> Reads {
        let mut reads = Reads::default();
        if let Source::Object { bucket, key, version, .. } = source {
            let object = self.object(bucket, key);
            match version {
                Some(_) => reads.version = Some(object),
                None => reads.objects.push(object),
            }
            if signed && self.besides.signed {
                reads.objects.push(self.object(bucket, &format!("{key}.minisig")));
            }
        }
        reads
    }

    /// Whether what the project needs allows an object already.
    fn in_project(&self, object: &str) -> bool {
        self.project.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(folder) => object.starts_with(folder),
            None => object == allowed,
        })
    }

    fn object(&self, bucket: &str, key: &str) -> String {
        format!("{}/{}", self.bucket_arn(bucket), written(key))
    }

    fn bucket_arn(&self, bucket: &str) -> String {
        self.scope.arn_in("s3", "", "", &written(bucket))
    }

    fn parameter(&mut self, name: &str) {
        const SECRET: &str = "/aws/reference/secretsmanager/";
        // A version or label may follow the name, which has no colon of its own.
        let bare = |name: &str| written(name.split(':').next().unwrap_or_default().trim_start_matches('/'));
        let arn = match name.splitn(6, ':').collect::<Vec<_>>()[..] {
            ["arn", partition, "ssm", region, account, resource] => {
                format!("arn:{partition}:ssm:{}:{}:{}", written(region), written(account), bare(resource))
            }
            // Those that AWS publishes belong to nobody.
            _ if name.starts_with("/aws/service/") => {
                let public = self.scope.arn("ssm", &format!("parameter/{}", bare(name)));
                let parts: Vec<&str> = public.splitn(6, ':').collect();
                self.scope.arn_in("ssm", parts[3], "", parts[5])
            }
            _ => self.scope.arn("ssm", &format!("parameter/{}", bare(name))),
        };
        self.parameters.insert(arn);
        if let Some(secret) = name.strip_prefix(SECRET) {
            self.secret(secret.split(':').next().unwrap_or_default());
        }
    }

    /// A secret by name or ARN. Its ARN ends in six characters of its own, which a name does not have, and which whoever
    /// names it may leave out.
    fn secret(&mut self, id: &str) {
        if !id.starts_with("arn:") {
            self.secrets.insert(self.scope.arn("secretsmanager", &format!("secret:{}-??????", written(id))));
            return;
        }
        let end = id.rsplit_once('-').map_or("", |(_, end)| end);
        let may_be_whole = end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric());
        // A word of six letters at the end is more often one of the name: then both are meant.
        let may_be_part = !may_be_whole || end.bytes().all(|byte| byte.is_ascii_lowercase());
        self.secrets.extend(may_be_whole.then(|| written(id)));
        self.secrets.extend(may_be_part.then(|| format!("{}-??????", written(id))));
    }

    fn image(&mut self, service: &str, image: &str) -> Result<()> {
        // A permission is for a repository, whatever is pulled of it.
        let image = image.split('@').next().unwrap_or_default();
        let mirror = self.mirrors.of(image);
        let reference = ImageRef::parse(mirror.as_deref().unwrap_or(image))?;
        let (registry, path) = (&reference.registry, &reference.path);
        self.unknown.check(&format!("the image of service '{service}'"), &format!("{registry}/{path}"))?;
        let Some((account, region)) = reference.ecr() else { return Ok(()) };
        let (region, account) = (written(region), written(account));
        let arn = self.scope.arn_of("ecr", &region, &account, &format!("repository/{}", written(path)));
        if mirror.is_some() {
            self.imported.insert(arn.clone());
        }
        self.repositories.insert(arn);
        Ok(())
    }
}

fn all(set: &BTreeSet<String>) -> impl Iterator<Item = String> + '_ {
    set.iter().cloned()
}

/// What is read of one object: by `s3:GetObject`, and by `s3:GetObjectVersion`.
#[derive(Default)]
struct Reads {
    objects: Vec<String>,
    version: Option<String>,
}

fn plain(bucket: &str, key: &str) -> Source {
    Source::Object { bucket: bucket.to_owned(), key: key.to_owned(), version: None, sha256: None }
}

#[cfg(test)]
mod tests;
