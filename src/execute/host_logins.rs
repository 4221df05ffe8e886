//! Logins that root has made on this host with `docker login`, as Docker's own clients find them: in `config.json`, in a
//! credential helper that it names, or in the `.dockercfg` that came before it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use tracing::warn;

use crate::{
    execute::credentials::Credentials,
    host::files,
    image_ref::DOCKER_HUB,
    redact::{Secret, hide},
    world::{Command, Host, RegistryLogin},
};

/// How long a credential helper may take, which may ask a service of its own.
const HELPER: Duration = Duration::from_secs(30);

/// A file of logins that is longer is none.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Hands the name of a registry to a credential helper, which reads it from its input.
const ASK: &str = r#"printf %s "$REGISTRY" | "docker-credential-$HELPER" get"#;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// The login of this host for a registry. A file or a helper that cannot be used is only logged: who needs the login
/// gets the refusal of the registry.
pub(super) async fn find(host: &dyn Host, registry: &str) -> Option<RegistryLogin> {
    for path in config_files() {
        let Some(text) = files::read_regular(&path, MAX_BYTES).ok().and_then(|text| String::from_utf8(text).ok())
        else {
            continue;
        };
        let told = path.display().to_string();
        let config: Config = serde_json::from_str(&text).unwrap_or_default();
        let key = if registry == DOCKER_HUB { "https://index.docker.io/v1/" } else { registry };
        let helper = config.helpers.get(key).or_else(|| config.helpers.get(registry)).unwrap_or(&config.store);
        if !helper.is_empty()
            && let Some(login) = ask(host, helper, key, &told).await
        {
            return Some(login);
        }
        let mut credentials = Credentials::default();
        // A file that names a helper may have no logins of its own.
        match credentials.add(&text, &told) {
            Err(err) if config.helpers.is_empty() && config.store.is_empty() => warn!("going on without: {err}"),
            _ => {}
        }
        if let Some(login) = credentials.find(registry) {
            return Some(login.clone());
        }
    }
    None
}

/// The files that are looked through, the one that `docker login` writes first.
fn config_files() -> Vec<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = folder("HOME").unwrap_or_else(|| "/root".into());
    let config = folder("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker"));
    vec![config.join("config.json"), home.join(".dockercfg")]
}

async fn ask(host: &dyn Host, helper: &str, registry: &str, file: &str) -> Option<RegistryLogin> {
    let name = format!("docker-credential-{helper}");
    if !helper.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        warn!("{file} names a credential helper that cannot be one");
        return None;
    }
    let command = Command::new(["sh", "-c", ASK]).env("REGISTRY", registry).env("HELPER", helper).timeout(HELPER);
    let why = match host.run(&command, &mut |_| ()).await {
        Ok(done) if done.code == 0 => match serde_json::from_str::<Answer>(&done.stdout) {
            Ok(Answer { username, secret }) => {
                hide(&secret, "[registry password]");
                return Some(RegistryLogin { user: username, password: Secret::new(secret) });
            }
            Err(_) => "its answer is no login".to_owned(),
        },
        Ok(done) if done.timed_out => "it did not answer in time".to_owned(),
        // Helpers write to their output that they have no login for a registry.
        Ok(done) if done.stdout.contains("credentials not found") => return None,
        Ok(done) if done.code == 127 => "it is not installed".to_owned(),
        Ok(done) => format!("exit {}", done.code),
        Err(err) => err.message,
    };
    warn!("could not ask {name}, which {file} names, for the login at {registry}: {why}");
    None
}
