//! The forms of user-data: one script, with its settings before it, as it is or in what cloud-init reads. Pure.

use base64::{Engine as _, prelude::BASE64_STANDARD};

use crate::cli::user_data::UserDataFormat;

const SCRIPT: &str = include_str!("../../../userdata/bootstrap.sh");

/// Below the folder of the instance: there after a power cut, and not run for another instance of an image of this one.
const FILE: &str = "/var/lib/cloud/instance/rolecall.sh";

/// Not in the script, and in no setting: a setting is one line of the script that begins with its name.
const BOUNDARY: &str = "==rolecall==";

/// User-data in a form.
pub(super) fn render(format: UserDataFormat, settings: &[(String, String)]) -> String {
    match format {
        UserDataFormat::Sh => script(settings),
        UserDataFormat::CloudConfig => cloud_config(&script(settings)),
        UserDataFormat::Mime => mime(&script(settings)),
    }
}

/// Settings as a shell reads them, and the script as it is.
fn script(settings: &[(String, String)]) -> String {
    // In single quotes a shell takes everything literally but the quote itself.
    let line = |(name, value): &(String, String)| format!("{name}='{}'\n", value.replace('\'', r"'\''"));
    let lines: String = settings.iter().map(line).collect();
    format!("#!/bin/sh\n{lines}{SCRIPT}")
}

fn cloud_config(script: &str) -> String {
    let content: String = script.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "#cloud-config\n\
         write_files:\n  \
           - path: {FILE}\n    \
             permissions: \"0700\"\n    \
             content: |\n\
         {content}\
         runcmd:\n  \
           # cloud-init goes by the last command; where the first stage fails, that is this one.\n  \
           - sh {FILE} || exit\n"
    )
}

fn mime(script: &str) -> String {
    // What is not ASCII, cloud-init reads right only if it is encoded.
    let (encoding, script) = if script.is_ascii() { ("7bit", script.to_owned()) } else { ("base64", base64(script)) };
    let part = |kind: &str, file: &str, encoding: &str, text: &str| {
        format!(
            "--{BOUNDARY}\n\
             Content-Type: {kind}; charset=\"utf-8\"\n\
             Content-Transfer-Encoding: {encoding}\n\
             Content-Disposition: attachment; filename=\"{file}\"\n\n{text}\n"
        )
    };
    let config = "#cloud-config\n# Cloud-config of your own goes here, or into further parts.\n{}\n";
    let config = part("text/cloud-config", "cloud-config.yaml", "7bit", config);
    let script = part("text/x-shellscript", "rolecall.sh", encoding, &script);
    format!(
        "Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n\n{config}{script}--{BOUNDARY}--\n"
    )
}

/// In lines, as mail has it.
fn base64(text: &str) -> String {
    let mut encoded = BASE64_STANDARD.encode(text);
    for at in (1..=encoded.len().saturating_sub(1) / 76).rev() {
        encoded.insert(at * 76, '\n');
    }
    encoded + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_form_cuts_the_script_short() {
        assert!(!SCRIPT.contains(BOUNDARY) && SCRIPT.ends_with('\n'));
        // A block of YAML keeps lines as they are unless they end in blanks alone.
        assert!(SCRIPT.lines().all(|line| line.is_empty() || !line.trim().is_empty()));
        // cloud-init takes what has this near its beginning for mail.
        assert!(!SCRIPT.to_lowercase().contains("mime-version:"));
    }

    #[test]
    fn base64_is_in_lines() {
        assert_eq!(base64("a"), "YQ==\n");
        let lines: Vec<usize> = base64(&"x".repeat(114)).lines().map(str::len).collect();
        assert_eq!(lines, [76, 76]);
    }
}
