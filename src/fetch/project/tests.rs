use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use super::*;
use crate::{fetch::of_files, paths::Paths, settings::Source};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn snapshot(&self, files: &[(&str, &str)]) -> Snapshot {
        let paths = Paths::new(self.dir.path().join("state"), "/x", "/x");
        let source = Source::parse("s3://bucket/app/").unwrap();
        of_files(&paths, &source, files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec().into()))).unwrap()
    }

    fn project(&self) -> std::path::PathBuf {
        self.dir.path().join("state/projects/app")
    }

    fn install(&self, files: &[(&str, &str)]) -> Result<Changes> {
        install(&self.snapshot(files), &self.project())
    }

    fn file(&self, path: &str) -> std::path::PathBuf {
        self.project().join(path)
    }

    /// The name under which something at the top was moved aside.
    fn aside(&self, name: &str) -> String {
        let start = format!("{name}.rolecall-aside-");
        let names = std::fs::read_dir(self.project()).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.into_iter().find(|name| name.starts_with(&start)).unwrap()
    }

    fn text(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.file(path)).ok()
    }

    /// Everything below the projects folder, with what it holds.
    fn all(&self) -> BTreeMap<String, String> {
        let root = self.dir.path().join("state/projects");
        let mut found = BTreeMap::new();
        let mut open = vec![root.clone()];
        while let Some(dir) = open.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                let path = entry.path();
                if entry.file_type().unwrap().is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().display().to_string();
                    found.insert(name, std::fs::read_to_string(path).unwrap());
                }
            }
        }
        found
    }
}

fn changed(written: &[&str], deleted: &[&str]) -> Changes {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Changes { written: owned(written), deleted: owned(deleted), ..Changes::default() }
}

const APP: [(&str, &str); 3] =
    [("bootstrap/10.sh", "#!/bin/sh\n"), ("compose.yaml", "services: {}\n"), ("conf/a/x.conf", "x")];

#[test]
fn a_second_install_changes_nothing() {
    let place = Place::new();
    let snapshot = place.snapshot(&APP);
    assert_eq!(preview(&snapshot, &place.project()).unwrap().written.len(), 3);
    assert!(!place.project().exists(), "a preview changes nothing");
    assert_eq!(place.install(&APP).unwrap(), changed(&["bootstrap/10.sh", "compose.yaml", "conf/a/x.conf"], &[]));
    let inode = |path| std::fs::metadata(place.file(path)).unwrap().ino();
    let before = (inode("compose.yaml"), place.all());
    assert!(place.install(&APP).unwrap().none());
    assert!(preview(&snapshot, &place.project()).unwrap().none());
    assert_eq!((inode("compose.yaml"), place.all()), before);
    let mode = |path| std::fs::metadata(place.file(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("bootstrap/10.sh"), mode("compose.yaml")), (0o755, 0o644));
}

#[test]
fn only_what_was_fetched_is_replaced_or_deleted() {
    let place = Place::new();
    place.install(&APP).unwrap();
    std::fs::create_dir_all(place.file("data")).unwrap();
    std::fs::write(place.file("data/db"), "rows").unwrap();
    std::fs::write(place.file("conf/a/made-by-container"), "y").unwrap();
    let changes = place.install(&[("compose.yaml", "services: {a: {}}\n"), ("new/file", "n")]).unwrap();
    assert_eq!(changes, changed(&["compose.yaml", "new/file"], &["bootstrap/10.sh", "conf/a/x.conf"]));
    assert_eq!(place.text("data/db").as_deref(), Some("rows"));
    assert_eq!(place.text("conf/a/made-by-container").as_deref(), Some("y"));
    assert!(!place.file("bootstrap").exists(), "a folder that held only fetched files goes with them");
    assert!(place.install(&[("compose.yaml", "services: {a: {}}\n"), ("new/file", "n")]).unwrap().none());
}

#[test]
fn an_edited_file_gets_its_content_back_and_keeps_its_mode() {
    let place = Place::new();
    place.install(&APP).unwrap();
    std::fs::set_permissions(place.file("conf/a/x.conf"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(place.install(&APP).unwrap().none(), "a mode alone is the operator's");
    std::fs::write(place.file("conf/a/x.conf"), "edited").unwrap();
    assert_eq!(place.install(&APP).unwrap(), changed(&["conf/a/x.conf"], &[]));
    assert_eq!(place.text("conf/a/x.conf").as_deref(), Some("x"));
    assert_eq!(std::fs::metadata(place.file("conf/a/x.conf")).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn declared_mode_is_set_in_place_and_put_back() {
    let place = Place::new();
    let files = [("bin/tool", "elf"), ("compose.yaml", "services: {}\n")];
    place.install(&files).unwrap();
    let tool = || std::fs::metadata(place.file("bin/tool")).unwrap();
    let chmod = |mode| std::fs::set_permissions(place.file("bin/tool"), std::fs::Permissions::from_mode(mode)).unwrap();
    let mut executable = place.snapshot(&files);
    executable.set_mode("bin/tool", 0o755);
    let set = Changes { modes: vec!["bin/tool".into()], ..Changes::default() };
    assert_eq!(preview(&executable, &place.project()).unwrap(), set);
    let before = tool().ino();
    let made = install(&executable, &place.project()).unwrap();
    assert_eq!((&made, made.to_string().as_str()), (&set, "0 files written, 0 deleted, 1 modes set"));
    assert_eq!((tool().mode() & 0o7777, tool().ino()), (0o755, before), "a container that mounts it sees it");
    assert!(install(&executable, &place.project()).unwrap().none());

    // A declared mode is put back, also with new content.
    chmod(0o600);
    assert_eq!(install(&executable, &place.project()).unwrap(), set);
    assert_eq!(tool().mode() & 0o7777, 0o755);
    chmod(0o600);
    let mut newer = place.snapshot(&[("bin/tool", "elf 2"), files[1]]);
    newer.set_mode("bin/tool", 0o755);
    assert_eq!(install(&newer, &place.project()).unwrap(), changed(&["bin/tool"], &[]));
    assert_eq!(tool().mode() & 0o7777, 0o755);

    // Once it is not declared any more, the file has its own mode again, and then one that an operator sets.
    let plain = place.snapshot(&[("bin/tool", "elf 2"), files[1]]);
    assert_eq!(install(&plain, &place.project()).unwrap(), set);
    assert_eq!(tool().mode() & 0o7777, 0o644);
    chmod(0o700);
    assert!(install(&plain, &place.project()).unwrap().none());
    assert_eq!(tool().mode() & 0o7777, 0o700);
}

#[test]
fn mode_is_never_set_through_a_link() {
    let place = Place::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(outside.path(), "elf").unwrap();
    std::fs::set_permissions(outside.path(), std::fs::Permissions::from_mode(0o600)).unwrap();
    place.install(&[("tool", "elf")]).unwrap();
    std::fs::remove_file(place.file("tool")).unwrap();
    symlink(outside.path(), place.file("tool")).unwrap();
    let mut executable = place.snapshot(&[("tool", "elf")]);
    executable.set_mode("tool", 0o755);
    assert_eq!(install(&executable, &place.project()).unwrap(), changed(&["tool"], &[]), "it is replaced");
    assert_eq!(std::fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o600);
    let tree = Tree::open(&place.project()).unwrap().unwrap();
    std::fs::remove_file(place.file("tool")).unwrap();
    symlink(outside.path(), place.file("tool")).unwrap();
    assert!(tree.set_mode("tool", 0o755).is_err());
    assert_eq!(std::fs::metadata(outside.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_file_may_become_a_folder_and_back() {
    let place = Place::new();
    place.install(&[("a", "file")]).unwrap();
    assert_eq!(place.install(&[("a/b", "below")]).unwrap(), changed(&["a/b"], &["a"]));
    assert_eq!(place.install(&[("a", "file")]).unwrap(), changed(&["a"], &["a/b"]));
    assert_eq!(place.text("a").as_deref(), Some("file"));
    // Data in the way is moved aside.
    place.install(&[("b", "x")]).unwrap();
    std::fs::create_dir_all(place.file("a/data")).unwrap();
    std::fs::write(place.file("a/data/row"), "1").unwrap();
    place.install(&[("a", "file"), ("b", "x")]).unwrap();
    assert_eq!(place.text("a").as_deref(), Some("file"));
    let aside = place.aside("a");
    assert_eq!(place.text(&format!("{aside}/data/row")).as_deref(), Some("1"));
    assert!(place.install(&[("a", "file"), ("b", "x")]).unwrap().none());
}

#[test]
fn links_are_never_followed() {
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("x.conf"), "precious").unwrap();
    place.install(&[("compose.yaml", "services: {}\n")]).unwrap();

    // A folder of the project that a container replaced by a link.
    symlink(outside.path(), place.file("conf")).unwrap();
    place.install(&[("compose.yaml", "services: {}\n"), ("conf/x.conf", "new")]).unwrap();
    assert_eq!(std::fs::read_to_string(outside.path().join("x.conf")).unwrap(), "precious");
    assert_eq!(place.text("conf/x.conf").as_deref(), Some("new"));
    assert!(place.file(&place.aside("conf")).is_symlink());

    // A file that became a link is replaced, not written through; also when it is to be deleted.
    std::fs::remove_file(place.file("compose.yaml")).unwrap();
    symlink(outside.path().join("x.conf"), place.file("compose.yaml")).unwrap();
    let changes = place.install(&[("compose.yaml", "services: {}\n")]).unwrap();
    assert_eq!(changes, changed(&["compose.yaml"], &["conf/x.conf"]));
    assert_eq!(place.text("compose.yaml").as_deref(), Some("services: {}\n"));
    std::fs::remove_file(place.file("compose.yaml")).unwrap();
    symlink(outside.path().join("x.conf"), place.file("compose.yaml")).unwrap();
    place.install(&[("other", "o")]).unwrap();
    assert_eq!(std::fs::read_to_string(outside.path().join("x.conf")).unwrap(), "precious");

    // Nor is a project folder that is a link itself.
    let linked = place.dir.path().join("state/projects/linked");
    symlink(outside.path(), &linked).unwrap();
    assert!(install(&place.snapshot(&APP), &linked).is_err());
    assert!(!outside.path().join("compose.yaml").exists());
}

#[test]
fn an_install_that_fails_before_the_end_of_staging_changes_nothing() {
    let place = Place::new();
    place.install(&APP).unwrap();
    let before = place.all();
    let snapshot = place.snapshot(&[("compose.yaml", "new\n"), ("z", "lost")]);
    // The content of one file is gone from the store: staging fails after the first file was written.
    let lost = sha256(b"lost");
    for entry in std::fs::read_dir(place.dir.path().join("state/cache")).unwrap().flatten() {
        let _ = std::fs::remove_file(entry.path().join("objects").join(&lost));
    }
    assert!(install(&snapshot, &place.project()).is_err());
    assert_eq!(place.all(), before, "also no temporary files");
}

#[test]
fn damaged_content_of_the_store_is_never_installed() {
    let place = Place::new();
    let snapshot = place.snapshot(&[("compose.yaml", "services: {}\n")]);
    let sum = sha256(b"services: {}\n");
    for entry in std::fs::read_dir(place.dir.path().join("state/cache")).unwrap().flatten() {
        std::fs::write(entry.path().join("objects").join(&sum), "services: {x\n").unwrap();
    }
    let err = install(&snapshot, &place.project()).unwrap_err();
    assert!(err.message.contains("damaged"), "{err}");
    assert!(!place.file("compose.yaml").exists());
}

#[test]
fn a_crash_between_writing_and_recording_is_healed_by_the_next_install() {
    let place = Place::new();
    place.install(&APP).unwrap();
    // As after a kill: all names are recorded, the stamp of one is not there yet.
    let path = record_path(&place.project()).unwrap();
    let mut record = read_record(&path);
    record.files.get_mut("compose.yaml").unwrap().stamp = None;
    write_record(&path, &record).unwrap();
    assert!(place.install(&APP).unwrap().none());
    assert!(read_record(&path).files["compose.yaml"].stamp.is_some());
    // And a record that is lost entirely costs nothing but deletions.
    std::fs::write(&path, "{ torn").unwrap();
    assert!(place.install(&APP).unwrap().none());
    assert_eq!(place.install(&[("compose.yaml", "services: {}\n")]).unwrap().deleted.len(), 2);
}

/// A file system of three megabytes, unmounted at the end.
struct Small(tempfile::TempDir);

impl Small {
    fn mount() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(dir.path());
        assert!(mount.status().unwrap().success(), "needs root");
        Self(dir)
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_changes_nothing_and_leaves_nothing_behind() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can mount a small file system");
        return;
    }
    let place = Place::new();
    let small = Small::mount();
    let project = small.0.path().join("projects/app");
    install(&place.snapshot(&[("compose.yaml", "old\n")]), &project).unwrap();
    let large = "x".repeat(1024 * 1024);
    let new = place.snapshot(&[
        ("compose.yaml", "new\n"),
        ("1", &large),
        ("2", &(large.clone() + "2")),
        ("3", &(large.clone() + "3")),
    ]);
    let err = install(&new, &project).unwrap_err();
    assert_eq!(err.cause, Cause::DiskFull, "{err}");
    let names = |dir: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&project), ["compose.yaml"]);
    assert_eq!(std::fs::read_to_string(project.join("compose.yaml")).unwrap(), "old\n");
    assert_eq!(names(&small.0.path().join("projects")), [".app.files", "app"]);
    assert!(install(&place.snapshot(&[("compose.yaml", "old\n")]), &project).unwrap().none());
}
