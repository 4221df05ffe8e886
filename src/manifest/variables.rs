//! `x-rolecall.variables`: values that must not stand in the file, named by where they are kept.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use indexmap::IndexMap;

use crate::{
    compose::error::nearest,
    error::{Cause, Error, Result},
    facts::Facts,
    redact::Secret,
    retry::{Policy, Retry},
    settings::Trust,
    world::World,
};

/// Where a value is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// `ssm:///prod/db/password`: a parameter of Systems Manager.
    Parameter(String),
    /// `secretsmanager://name?stage=AWSPREVIOUS#json-key`: a secret, a version stage of it, a key of its JSON.
    Secret {
        /// Name or ARN.
        id: String,
        /// Version stage.
        stage: Option<String>,
        /// Key of its JSON object.
        key: Option<String>,
    },
    /// `s3://…` or `file:///…`: the whole content, one trailing line break removed.
    Object(String),
}

const SCHEMES: [&str; 4] = ["ssm", "secretsmanager", "s3", "file"];

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// What is wrong, for a position that the caller knows.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(
                "expected a reference such as ssm:///path, secretsmanager://name#key, s3://… or file:///…".into()
            );
        };
        match scheme {
            "ssm" => {
                // `ssm:///a/b` is the parameter `/a/b`; `ssm://name` is one without a path.
                if rest.trim_matches('/').is_empty() {
                    return Err("names no parameter".into());
                }
                Ok(Self::Parameter(rest.to_owned()))
            }
            "secretsmanager" => {
                let (rest, key) = split(rest, '#');
                let (id, query) = split(rest, '?');
                let stage = match query.as_deref().map(|q| q.split_once('=')) {
                    None => None,
                    Some(Some(("stage", stage))) if !stage.is_empty() => Some(stage.to_owned()),
                    Some(_) => return Err("only ?stage= may follow the name of a secret".into()),
                };
                if id.is_empty() {
                    return Err("names no secret".into());
                }
                Ok(Self::Secret { id: id.to_owned(), stage, key })
            }
            "s3" | "file" => Ok(Self::Object(text.to_owned())),
            other => Err(match nearest(other, SCHEMES) {
                Some(near) => format!("unknown scheme '{other}://', did you mean '{near}://'?"),
                None => format!("unknown scheme '{other}://', expected one of {}", SCHEMES.join(", ")),
            }),
        }
    }
}

fn split(text: &str, at: char) -> (&str, Option<String>) {
    match text.split_once(at) {
        Some((head, tail)) => (head, Some(tail.to_owned())),
        None => (text, None),
    }
}

/// Reads all values, at the same time.
///
/// # Errors
/// The first that cannot be read: which variable, where it is kept, what came back; never a value.
pub async fn resolve(
    world: &World,
    retry: &Retry,
    facts: &Facts,
    trust: &Trust,
    variables: &IndexMap<String, Reference>,
) -> Result<BTreeMap<String, Secret<String>>> {
    let all = variables.iter().map(async |(name, reference)| {
        let value = value(world, retry, facts, trust, reference).await.map_err(|mut err| {
            err.message = format!("variable {name} of x-rolecall.variables: {}", err.message);
            err
        })?;
        Ok::<_, Error>((name.clone(), value))
    });
    Ok(try_join_all(all).await?.into_iter().collect())
}

async fn value(
    world: &World,
    retry: &Retry,
    facts: &Facts,
    trust: &Trust,
    reference: &Reference,
) -> Result<Secret<String>> {
    match reference {
        Reference::Parameter(name) => {
            let what = format!("read parameter {name}");
            retry.run(&what, Policy::SERVICE, async |_| world.cloud.parameter(&facts.region, name).await).await
        }
        Reference::Secret { id, stage, key } => {
            let what = format!("read secret {id}");
            let read = async |_| world.cloud.secret(&facts.region, id, stage.as_deref()).await;
            let whole = retry.run(&what, Policy::SERVICE, read).await?;
            key.as_ref().map_or(Ok(whole.clone()), |key| json_key(id, &whole, key))
        }
        Reference::Object(uri) => {
            let bytes = crate::fetch::value(world, retry, uri, facts, trust).await?;
            let text = String::from_utf8(bytes)
                .map_err(|_| Error::new(Cause::ValueMissing, format!("{uri} is not UTF-8 text")))?;
            let line = text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t));
            Ok(Secret::new(line.unwrap_or(&text).to_owned()))
        }
    }
}

fn json_key(id: &str, whole: &Secret<String>, key: &str) -> Result<Secret<String>> {
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(whole.reveal()).map_err(|_| {
        Error::new(Cause::ValueMissing, format!("secret {id} is not a JSON object, so it has no key '{key}'"))
    })?;
    match object.get(key) {
        Some(serde_json::Value::String(text)) => Ok(Secret::new(text.clone())),
        Some(other) => Ok(Secret::new(other.to_string())),
        None => {
            let meant = nearest(key, object.keys().map(String::as_str));
            let meant = meant.map(|k| format!(", did you mean '{k}'?")).unwrap_or_default();
            Err(Error::new(Cause::ValueMissing, format!("secret {id} has no key '{key}'{meant}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_and_typos_named() {
        assert_eq!(Reference::parse("ssm:///prod/db"), Ok(Reference::Parameter("/prod/db".into())));
        let secret =
            Reference::Secret { id: "db".into(), stage: Some("AWSPREVIOUS".into()), key: Some("password".into()) };
        assert_eq!(Reference::parse("secretsmanager://db?stage=AWSPREVIOUS#password"), Ok(secret));
        assert!(Reference::parse("smm:///x").unwrap_err().contains("did you mean 'ssm://'"));
        assert!(Reference::parse("hunter2").unwrap_err().starts_with("expected a reference"));
        assert!(Reference::parse("secretsmanager://").is_err() && Reference::parse("ssm:///").is_err());
    }

    #[test]
    fn a_missing_json_key_names_the_nearest_and_never_a_value() {
        let whole = Secret::new(r#"{"password":"hunter2","port":5432}"#.to_owned());
        assert_eq!(json_key("db", &whole, "port").unwrap().reveal(), "5432");
        let err = json_key("db", &whole, "passwort").unwrap_err().to_string();
        assert!(err.contains("did you mean 'password'?") && !err.contains("hunter2"), "{err}");
    }
}
