//! Registry credentials from a docker `config.json`, or from the `.dockercfg` that came before it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    error::{Cause, Error, Result},
    image_ref::DOCKER_HUB,
    redact::{Secret, hide},
    world::RegistryLogin,
};

/// Credentials by registry host.
#[derive(Clone, Debug, Default)]
pub struct Credentials(BTreeMap<String, RegistryLogin>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Config {
    auths: BTreeMap<String, Auth>,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Auth {
    #[serde(rename = "auth")]
    pair: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Auth {
    /// Whether there is nothing in it, as where a credential helper has the login.
    fn is_empty(&self) -> bool {
        [&self.pair, &self.username, &self.password, &self.identitytoken].iter().all(|text| text.is_empty())
    }
}

impl Credentials {
    /// Reads `text`, which came from `origin`, and adds it; what is read later beats what was read before.
    ///
    /// # Errors
    /// `manifest-invalid` for what is no such file, and for one that names a credential helper. No value is told.
    pub fn add(&mut self, text: &str, origin: &str) -> Result<()> {
        let invalid =
            |why: &str| Error::new(Cause::ManifestInvalid, format!("registry credentials in {origin}: {why}"));
        // serde's own message would quote the value it stumbled over.
        let at = |err: &serde_json::Error| invalid(&format!("no docker config.json at line {}", err.line()));
        let value: Value = serde_json::from_str(text).map_err(|err| at(&err))?;
        let modern = ["auths", "credHelpers", "credsStore"].iter().any(|key| value.get(*key).is_some());
        let config: Config = if modern {
            serde_json::from_value(value).map_err(|_| invalid("`auths` is not as `docker login` writes it"))?
        } else {
            let auths = serde_json::from_value(value).map_err(|_| invalid("neither a config.json nor a .dockercfg"))?;
            Config { auths, ..Config::default() }
        };
        let usable = config.auths.values().any(|auth| !auth.is_empty());
        if !usable && (!config.helpers.is_empty() || !config.store.is_empty()) {
            return Err(invalid("it names a credential helper, which is a program of another machine")
                .hint("write the credentials themselves, as `docker login` does without a helper"));
        }
        for (registry, auth) in config.auths.into_iter().filter(|(_, auth)| !auth.is_empty()) {
            let host = host(&registry);
            let login =
                login(auth).ok_or_else(|| invalid(&format!("the entry for {host} has no usable credentials")))?;
            hide(login.password.reveal(), "[registry password]");
            self.0.insert(host, login);
        }
        Ok(())
    }

    /// Credentials for a registry.
    pub fn find(&self, registry: &str) -> Option<&RegistryLogin> {
        self.0.get(registry)
    }
}

/// The host that an entry is for: entries are hosts, or addresses of the API.
fn host(registry: &str) -> String {
    let bare = registry.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare);
    match host {
        "index.docker.io" | "registry-1.docker.io" => DOCKER_HUB.to_owned(),
        other => other.to_owned(),
    }
}

fn login(auth: Auth) -> Option<RegistryLogin> {
    let made = |user: String, password: String| RegistryLogin { user, password: Secret::new(password) };
    if !auth.identitytoken.is_empty() {
        return Some(made("<token>".to_owned(), auth.identitytoken));
    }
    if !auth.username.is_empty() {
        return Some(made(auth.username, auth.password));
    }
    let pair = String::from_utf8(STANDARD.decode(auth.pair.trim()).ok()?).ok()?;
    let (user, password) = pair.split_once(':')?;
    (!user.is_empty()).then(|| made(user.to_owned(), password.trim_end_matches('\0').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Credentials> {
        let mut all = Credentials::default();
        all.add(text, "s3://b/cfg").map(|()| all)
    }

    #[test]
    fn every_form_of_an_entry_is_read() {
        let all = read(
            r#"{"auths":{
                "https://index.docker.io/v1/": {"auth":"dTpwOnc="},
                "ghcr.io": {"username":"me","password":"pw"},
                "r.example.com:5000": {"auth":"","identitytoken":"tok"}
            }}"#,
        )
        .unwrap();
        let pair = |host: &str| all.find(host).map(|l| (l.user.clone(), l.password.reveal().clone())).unwrap();
        assert_eq!(pair("docker.io"), ("u".into(), "p:w".into()));
        assert_eq!(pair("ghcr.io"), ("me".into(), "pw".into()));
        assert_eq!(pair("r.example.com:5000"), ("<token>".into(), "tok".into()));
        assert!(all.find("quay.io").is_none());
    }

    #[test]
    fn the_older_file_is_read() {
        let all = read(r#"{"https://quay.io/v1/":{"auth":"dTpw","email":"a@b"}}"#).unwrap();
        assert_eq!(all.find("quay.io").unwrap().user, "u");
    }

    #[test]
    fn empty_entries_are_skipped() {
        let all = read(r#"{"auths":{"a.io":{},"b.io":{"auth":"dTpw"}},"credsStore":"desktop"}"#).unwrap();
        assert!(all.find("a.io").is_none());
        assert_eq!(all.find("b.io").unwrap().user, "u");
        assert!(read(r#"{"auths":{"a.io":{}}}"#).unwrap().find("a.io").is_none());
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_a_word_of_it() {
        for text in [
            "hunter2",
            r#"{"auths":{"a.io":{"auth":"hunter2"}}}"#,
            r#"{"auths":{"a.io":"hunter2"}}"#,
            r#"["hunter2"]"#,
            r#"{"auths":{},"credsStore":"ecr-login"}"#,
            r#"{"credHelpers":{"a.io":"ecr-login"}}"#,
        ] {
            let err = read(text).unwrap_err();
            assert!(!err.to_string().contains("hunter2") && err.message.contains("s3://b/cfg"), "{err}");
        }
    }
}
