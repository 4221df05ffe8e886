//! The user that a container runs as, as numbers: what is made for it on the host belongs to that user.

use std::io::Read;

use tracing::debug;

use crate::{error::Result, world::Engine};

/// Lists of users and groups have a few kilobytes.
const MAX_LIST: usize = 4 << 20;

/// Images may keep their lists elsewhere, behind links.
const MAX_LINKS: usize = 4;

/// `USER[:GROUP]` of an image or a service with numbers in place of names, which the container's own `/etc/passwd` and
/// `/etc/group` know, as the engine looks them up. Unchanged if they are numbers already, or if nothing is known of them.
///
/// # Errors
/// Those of the engine.
pub(super) async fn resolved(engine: &dyn Engine, id: &str, user: &str) -> Result<String> {
    let (name, group) = user.split_once(':').map_or((user, None), |(name, group)| (name, Some(group)));
    let is_name = |text: &str| text.parse::<u32>().is_err() && !matches!(text, "" | "root");
    if !is_name(name) && !group.is_some_and(is_name) {
        return Ok(user.to_owned());
    }
    let (mut uid, mut gid) = (numeric(name), group.and_then(numeric));
    if uid.is_none() || group.is_none() {
        let users = list(engine, id, "/etc/passwd").await?;
        if let Some(fields) = entry(&users, name, 4) {
            uid = uid.or_else(|| fields[2].parse().ok());
            gid = gid.or_else(|| fields[3].parse().ok().filter(|_| group.is_none()));
        }
    }
    if let (Some(group), None) = (group, gid) {
        let groups = list(engine, id, "/etc/group").await?;
        gid = entry(&groups, group, 3).and_then(|fields| fields[2].parse().ok());
    }
    let Some(uid) = uid else {
        debug!("nothing is known of user '{user}' of container {id}");
        return Ok(user.to_owned());
    };
    Ok(gid.map_or_else(|| uid.to_string(), |gid| format!("{uid}:{gid}")))
}

/// User and group of [`resolved`] text; the group is 0 if it names none. `None` for a name.
pub(super) fn numbers(user: &str) -> Option<(u32, u32)> {
    let (name, group) = user.split_once(':').unwrap_or((user, ""));
    Some((numeric(name)?, numeric(group)?))
}

fn numeric(text: &str) -> Option<u32> {
    if matches!(text, "" | "root") { Some(0) } else { text.parse().ok() }
}

/// The line of a list that begins with `name`, with at least so many fields.
fn entry<'l>(list: &'l str, name: &str, fields: usize) -> Option<Vec<&'l str>> {
    let mut lines = list.lines().map(|line| line.split(':').collect::<Vec<_>>());
    lines.find(|line| line.len() >= fields && line[0] == name)
}

/// The text of a list in a container; empty if it has none.
async fn list(engine: &dyn Engine, id: &str, path: &str) -> Result<String> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(archive) = engine.download(id, &path, MAX_LIST).await? else { break };
        match read(&archive) {
            Some(Found::Text(text)) => return Ok(text),
            // The engine follows links but for the last part of a path.
            Some(Found::Link(target)) if target.starts_with('/') => path = target,
            Some(Found::Link(target)) => path = format!("/etc/{target}"),
            None => break,
        }
    }
    Ok(String::new())
}

enum Found {
    Text(String),
    Link(String),
}

fn read(archive: &[u8]) -> Option<Found> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive.entries().ok()?.next()?.ok()?;
    if let Some(target) = entry.link_name().ok()? {
        return Some(Found::Link(target.to_str()?.to_owned()));
    }
    let mut text = Vec::new();
    entry.read_to_end(&mut text).ok()?;
    Some(Found::Text(String::from_utf8_lossy(&text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::testing;

    fn file(name: &str, text: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_data(&mut header, name, text.as_bytes()).unwrap();
        builder.into_inner().unwrap()
    }

    fn link(name: &str, target: &str) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_link(&mut header, name, target).unwrap();
        builder.into_inner().unwrap()
    }

    #[tokio::test]
    async fn names_are_those_of_the_container() {
        let engine = testing::engine();
        engine.files.borrow_mut().extend([
            ("/etc/passwd".to_owned(), link("passwd", "../store/passwd")),
            (
                "/etc/../store/passwd".to_owned(),
                file("passwd", "root:x:0:0::/:/bin/sh\nbad\napp:x:101:102::/:/bin/sh\n"),
            ),
            ("/etc/group".to_owned(), file("group", "root:x:0:\nstaff:x:50:app\n")),
        ]);
        let table = [
            ("", "", Some((0, 0))),
            ("root", "root", Some((0, 0))),
            ("7", "7", Some((7, 0))),
            ("7:8", "7:8", Some((7, 8))),
            ("app", "101:102", Some((101, 102))),
            ("app:staff", "101:50", Some((101, 50))),
            ("app:9", "101:9", Some((101, 9))),
            ("7:staff", "7:50", Some((7, 50))),
            ("root:staff", "0:50", Some((0, 50))),
            ("nobody", "nobody", None),
        ];
        for (user, wanted, numbers_wanted) in table {
            let found = resolved(engine.as_ref(), "c", user).await.unwrap();
            assert_eq!(found, wanted, "{user}");
            assert_eq!(numbers(&found), numbers_wanted, "{user}");
        }
    }
}
