//! Whether this machine is EC2, as its firmware says, without any request.

use std::path::Path;

/// Whether the firmware under `root` (`/`) says EC2. Xen instances have a UUID that starts with `ec2`; Nitro
/// instances name their vendor and carry the instance id as asset tag.
pub fn is_ec2(root: &Path) -> bool {
    let read = |name: &str| {
        let path = root.join("sys/class/dmi/id").join(name);
        std::fs::read_to_string(path).map(|text| text.trim().to_lowercase()).unwrap_or_default()
    };
    read("sys_vendor") == "amazon ec2"
        || read("product_uuid").starts_with("ec2")
        || read("board_asset_tag").starts_with("i-")
        || read_hypervisor(root).starts_with("ec2")
}

fn read_hypervisor(root: &Path) -> String {
    std::fs::read_to_string(root.join("sys/hypervisor/uuid")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn firmware_of_both_generations_is_known_and_others_are_not() {
        for (file, text, expected) in [
            ("sys_vendor", "Amazon EC2\n", true),
            ("product_uuid", "EC2E1916-9099-7CAF-FD21-012345ABCDEF\n", true),
            ("board_asset_tag", "i-0123456789abcdef0\n", true),
            ("sys_vendor", "QEMU\n", false),
            ("board_asset_tag", "Not Specified\n", false),
        ] {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("sys/class/dmi/id");
            std::fs::create_dir_all(&dir).unwrap();
            std::fs::write(dir.join(file), text).unwrap();
            assert_eq!(is_ec2(root.path()), expected, "{file}: {text}");
        }
        assert!(!is_ec2(Path::new("/nonexistent")));
    }
}
