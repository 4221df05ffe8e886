//! `rolecall user-data`: the first stage of an instance, ready to paste into a launch template.

mod form;

use tracing::warn;

use super::print;
use crate::{
    cli::user_data::UserDataArgs,
    error::{Cause, Error, Result},
    settings::carried,
};

/// What EC2 takes, in bytes, before its base64.
const LIMIT: usize = 16 * 1024;

/// Prints user-data; what is legal and looks wrong is a warning on standard error.
///
/// # Errors
/// `usage` for a setting that cannot be carried, or too many of them; `source-refused`.
pub fn user_data(args: UserDataArgs) -> Result<u8> {
    let format = args.format;
    let settings = settings(args)?;
    for warning in warnings(&settings) {
        warn!("{warning}");
    }
    let text = form::render(format, &settings);
    if text.len() > LIMIT {
        let message = format!("user-data would have {} bytes, and EC2 takes {LIMIT}", text.len());
        return Err(Error::new(Cause::Usage, message).hint("move settings into /etc/rolecall/config.toml of the image"));
    }
    print(&text)?;
    Ok(0)
}

/// Names and values of what was given, in the order of the flags.
fn settings(args: UserDataArgs) -> Result<Vec<(String, String)>> {
    let flags = [
        ("ROLECALL_URL", args.url),
        ("ROLECALL_SHA256", args.sha256),
        ("ROLECALL_SOURCE", args.source),
        ("ROLECALL_ROLES", args.roles),
        ("ROLECALL_ENVIRONMENT", args.environment),
        ("ROLECALL_WAIT", args.wait),
    ];
    let mut given: Vec<(String, String)> =
        flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    for text in args.set {
        // What stands there in place of a name may be a secret.
        let Some((name, value)) = text.split_once('=') else {
            return Err(Error::new(Cause::Usage, "--set without a name and '='").hint("write --set NAME=VALUE"));
        };
        given.push((name.trim().to_owned(), value.to_owned()));
    }
    let mut settings: Vec<(String, String)> = Vec::new();
    for (name, value) in given {
        let value = carried::check(&name, &value)?;
        if settings.iter().any(|(known, _)| *known == name) {
            return Err(Error::new(Cause::Usage, format!("{name} is given twice")).hint("give it once"));
        }
        settings.push((name, value));
    }
    let get = |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let sums = ["ROLECALL_SHA256", "ROLECALL_SHA256_X86_64", "ROLECALL_SHA256_AARCH64"];
    if sums.iter().all(|name| get(name).is_none()) && get("ROLECALL_URL").is_some_and(signed) {
        let message = "a presigned address opens the binary alone, not its .sha256 beside it";
        return Err(Error::new(Cause::Usage, message).need("--sha256").hint("give the checksum by --sha256"));
    }
    Ok(settings)
}

/// Whether an address has the signature of somebody in its query.
fn signed(address: &str) -> bool {
    address.contains("X-Amz-Signature=")
}

/// What works, and may not be what was meant.
fn warnings(settings: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    let get = |name: &str| settings.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    if let Some(url) = get("ROLECALL_URL") {
        let both = get("ROLECALL_SHA256_X86_64").and(get("ROLECALL_SHA256_AARCH64"));
        match get("ROLECALL_SHA256") {
            Some(_) if url.contains("{arch}") && both.is_none() => found.push(
                "--sha256 fits the binary of one architecture, and {arch} in --url stands for any: an instance of \
                 another ends with checksum-mismatch; give ROLECALL_SHA256_X86_64 and ROLECALL_SHA256_AARCH64 by --set"
                    .to_owned(),
            ),
            None if both.is_none() && url.starts_with("http://") => found.push(
                "binary and checksum come over http, where anyone on the way may change both: use https, or give --sha256"
                    .to_owned(),
            ),
            _ => {}
        }
    }
    for (name, value) in settings {
        if signed(value) {
            found.push(format!("{name} is presigned: an instance that is launched after it has expired cannot use it"));
        }
        let user = url::Url::parse(value).is_ok_and(|url| url.password().is_some());
        if user {
            found.push(format!(
                "{name} has a password in it, and whoever may read metadata on the host reads user-data"
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[&str]) -> Result<Vec<(String, String)>> {
        settings(UserDataArgs { set: set.iter().map(|&s| s.to_owned()).collect(), ..UserDataArgs::default() })
    }

    #[test]
    fn flags_and_settings_are_one_list() {
        let args = UserDataArgs {
            roles: Some("web".into()),
            wait: Some("0".into()),
            set: vec!["NO_PROXY=a=b".into()],
            ..UserDataArgs::default()
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let wanted = [pair("ROLECALL_ROLES", "web"), pair("ROLECALL_WAIT", "0"), pair("NO_PROXY", "a=b")];
        assert_eq!(settings(args).unwrap(), wanted);
        for (set, says) in [
            (&["NO_PROXY=a", "NO_PROXY=b"][..], "given twice"),
            (&["hush"], "without a name"),
            (&["ROLECALL_URL=https://h/r?X-Amz-Signature=hush"], "presigned"),
        ] {
            let err = of(set).unwrap_err();
            assert!(err.message.contains(says) && !err.to_string().contains("hush"), "{err}");
        }
    }

    #[test]
    fn what_looks_wrong_is_said() {
        let sum = format!("ROLECALL_SHA256={}", "a".repeat(64));
        let [x86, arm] = ["X86_64", "AARCH64"].map(|arch| format!("ROLECALL_SHA256_{arch}={}", "b".repeat(64)));
        for (set, says) in [
            (&["ROLECALL_URL=https://h/r-{arch}"][..], None),
            (&["ROLECALL_URL=https://h/r", &sum], None),
            (&["ROLECALL_URL=http://h/r", &sum], None),
            (&["ROLECALL_URL=http://h/r"], Some("over http")),
            (&["ROLECALL_URL=https://h/r-{arch}", &sum], Some("one architecture")),
            (&["ROLECALL_URL=https://h/r?X-Amz-Signature=hush", &sum], Some("ROLECALL_URL is presigned")),
            (&["ROLECALL_URL=https://h/r-{arch}", &sum, &x86, &arm], None),
            (&["ROLECALL_URL=http://h/r-{arch}", &x86, &arm], None),
            (&["HTTPS_PROXY=http://me:hush@proxy:3128"], Some("HTTPS_PROXY has a password")),
            (&["HTTPS_PROXY=http://proxy:3128"], None),
        ] {
            let found = warnings(&of(set).unwrap());
            assert_eq!(found.len(), usize::from(says.is_some()), "{set:?}: {found:?}");
            assert!(found.concat().contains(says.unwrap_or_default()) && !found.concat().contains("hush"), "{found:?}");
        }
    }
}
