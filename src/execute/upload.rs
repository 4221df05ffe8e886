//! Files that are copied into a container.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{
    error::{Cause, Error, Result},
    plan::containers::Upload,
    world::Engine,
};

/// Copies the files into a container that is there, one request each, as Compose does: a folder that is missing is made.
pub(super) async fn upload(engine: &dyn Engine, container: &str, files: &[Upload]) -> Result<()> {
    for file in files {
        let tar = archive(file).map_err(|err| {
            Error::new(Cause::ContainerFailed, format!("could not pack {} for the container: {err}", file.path))
        })?;
        engine.upload(container, "/", tar, file.owned).await?;
    }
    Ok(())
}

fn archive(file: &Upload) -> std::io::Result<Vec<u8>> {
    let content = file.content.reveal().as_bytes();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(file.mode);
    header.set_uid(file.uid);
    header.set_gid(file.gid);
    header.set_mtime(now);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, file.path.trim_start_matches('/'), content)?;
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::redact::Secret;

    #[test]
    fn a_file_is_packed_with_its_owner_and_mode() {
        let path = format!("/run/secrets/{}/token", "long".repeat(40));
        let file =
            Upload { path, content: Secret::new("s3cret\n".into()), mode: 0o400, uid: 1000, gid: 7, owned: true };
        let bytes = archive(&file).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert!(entry.path().unwrap().ends_with("token") && !entry.path().unwrap().has_root());
        let header = entry.header();
        let owner = (header.uid().unwrap(), header.gid().unwrap(), header.mode().unwrap());
        assert_eq!(owner, (1000, 7, 0o400));
        let mut text = String::new();
        entry.read_to_string(&mut text).unwrap();
        assert_eq!(text, "s3cret\n");
    }
}
