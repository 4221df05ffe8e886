//! Names of packages, which become arguments of a package manager.

/// Refuses what a package manager would take for anything but the name of one package to install, with an optional
/// architecture and version: an option, a pattern, a file, or a removal. See apt-get(8): a hyphen at the end removes.
///
/// # Errors
/// Why, to follow the name.
pub(super) fn check(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "+-._:=~".contains(c);
    if name.ends_with('-') {
        let meant = name.trim_end_matches('-');
        return Err(format!("would remove the package; write '{meant}' to install it"));
    }
    if let Some(odd) = name.chars().find(|c| "*?[]^$|".contains(*c)) {
        return Err(format!("is a pattern ('{odd}'); name each package"));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        return Err("is not the name of a package".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_is_no_option_pattern_or_removal() {
        for good in ["jq", "g++", "libc6:amd64", "docker.io", "jq=1.6-2.1+b1", "python3.11", "0ad"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["", "-y", "a b", "../x", "./x.deb", "jq;reboot", "@group", "~nvim", "jq/sid"] {
            assert_eq!(check(bad).unwrap_err(), "is not the name of a package", "{bad}");
        }
        assert_eq!(check("nginx-").unwrap_err(), "would remove the package; write 'nginx' to install it");
        for pattern in ["vim*", "lib?", "^task", "foo$"] {
            assert!(check(pattern).unwrap_err().contains("name each package"), "{pattern}");
        }
    }
}
