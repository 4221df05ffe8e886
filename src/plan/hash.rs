//! Config hashes of networks and volumes, as Compose writes them into labels: SHA-256 over the JSON that Go's encoder
//! makes of its types. That of a service is [`crate::compose::service_hash`].

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use sha2::{Digest, Sha256};

use crate::compose::{
    Generation,
    emit::{Emit, Form},
    model::{NetworkConfig, VolumeConfig},
};

/// Hash of a network. That of generation 5 has the options of `ipam` since Compose 5.2.
pub fn network(network: &NetworkConfig, generation: Generation) -> String {
    digest(&network.tree(Form::json(generation)))
}

/// Hash of a volume.
pub fn volume(volume: &VolumeConfig) -> String {
    let mut hashed = volume.clone();
    if hashed.driver.is_empty() {
        "local".clone_into(&mut hashed.driver);
    }
    digest(&hashed)
}

fn digest(value: &impl Serialize) -> String {
    hex::encode(Sha256::digest(encode(value)))
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Go(CompactFormatter));
    // Writing to memory cannot fail, and the model's maps have text keys.
    let _ = value.serialize(&mut serializer);
    text
}

/// The difference between Go's encoder and serde's: what could end a script in HTML is escaped.
struct Go(CompactFormatter);

impl Formatter for Go {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, out: &mut W, text: &str) -> io::Result<()> {
        let mut rest = text;
        while let Some(at) = rest.find(['<', '>', '&', '\u{2028}', '\u{2029}']) {
            let (plain, tail) = rest.split_at(at);
            out.write_all(plain.as_bytes())?;
            let Some(special) = tail.chars().next() else { break };
            write!(out, "\\u{:04x}", u32::from(special))?;
            rest = &tail[special.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_written_as_go_writes_them() {
        let text = String::from_utf8(encode(&serde_json::json!({ "a": "<b>&\u{2028}é\"", "f": true }))).unwrap();
        assert_eq!(text, r#"{"a":"\u003cb\u003e\u0026\u2028é\"","f":true}"#);
    }
}
