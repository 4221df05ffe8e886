//! Whoever signs: the real minisign, with a key pair made on the spot.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sha2::{Digest as _, Sha256};

/// A key pair without a password, in a folder of its own.
pub struct Signer {
    dir: tempfile::TempDir,
    /// The public key, in base64.
    pub key: String,
    /// The whole text of minisign.pub.
    pub text: String,
}

impl Signer {
    /// Makes the keys; needs `minisign`.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("rolecall-minisign-").tempdir().unwrap();
        minisign(dir.path(), &["-G", "-W", "-p", "minisign.pub", "-s", "minisign.key"]);
        let text = fs::read_to_string(dir.path().join("minisign.pub")).unwrap();
        let key = text.lines().nth(1).unwrap().to_owned();
        Self { dir, key, text }
    }

    /// The signature of a file of this name with this content: `minisign -Sm <name>`.
    pub fn sign(&self, name: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
        self.sign_with(&[], name, content)
    }

    /// The same as if it had been signed then: with the comment that minisign would have written.
    pub fn sign_at(&self, serial: u64, name: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
        self.sign_with(&["-t", &format!("timestamp:{serial}\tfile:{name}\thashed")], name, content)
    }

    /// The same with further arguments.
    pub fn sign_with(&self, args: &[&str], name: &str, content: impl AsRef<[u8]>) -> Vec<u8> {
        let folder = tempfile::tempdir_in(self.dir.path()).unwrap();
        fs::write(folder.path().join(name), content).unwrap();
        let secret = self.secret().display().to_string();
        minisign(folder.path(), &[&["-S", "-s", &secret, "-m", name], args].concat());
        fs::read(folder.path().join(format!("{name}.minisig"))).unwrap()
    }

    /// `SHA256SUMS` of these files, as sha256sum prints it, and its signature of that time.
    pub fn list(&self, serial: u64, files: &[(&str, &str)]) -> [(&'static str, Vec<u8>); 2] {
        let line = |(name, text): &(&str, &str)| format!("{}  {name}\n", hex::encode(Sha256::digest(text)));
        let list: String = files.iter().map(line).collect();
        let signature = self.sign_at(serial, "SHA256SUMS", &list);
        [("SHA256SUMS", list.into_bytes()), ("SHA256SUMS.minisig", signature)]
    }

    fn secret(&self) -> PathBuf {
        self.dir.path().join("minisign.key")
    }
}

fn minisign(dir: &Path, args: &[&str]) {
    let done = Command::new("minisign").args(args).current_dir(dir).output().expect("minisign is installed");
    assert!(done.status.success(), "minisign {args:?}: {}", String::from_utf8_lossy(&done.stderr));
}
