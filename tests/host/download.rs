//! What the first stage accepts as the binary: redirects and checksums.

use std::time::Duration;

use crate::bootstrap::{URL, boot_strap, failed, machine};

#[test]
fn redirect_from_https_to_http_is_refused() {
    let machine = machine("redirects");
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    machine.write("/srv/tls.pem", &format!("{certificate}{}", key.serialize_pem()), "600");
    machine.write("/srv/ca.pem", &certificate, "644");
    machine.sh("systemctl restart server");
    machine.until("curl -so /dev/null --cacert /srv/ca.pem https://localhost:8443/", Duration::from_secs(10));
    let https = |path: &str| {
        let settings = "AWS_CA_BUNDLE=/srv/ca.pem\nROLECALL_WAIT=0";
        boot_strap(&machine, &format!("ROLECALL_URL=https://localhost:8443/{path}/rolecall-{{arch}}\n{settings}"))
    };
    for tool in ["curl", "wget"] {
        for plain in ["to/http://localhost:8000", "to/http://localhost:8000/ask/https:"] {
            let done = https(plain);
            assert_eq!(done.code, 4, "{tool}: {plain}: {}", done.text);
            let line = failed(&done.text);
            assert!(
                line.starts_with("cause=source-denied ") && line.contains("it redirects to http"),
                "{tool}: {line}"
            );
            machine.sh("systemctl stop rolecall; test ! -e /usr/local/bin/rolecall");
        }
        // With a host, without a scheme, without a host, relative to the folder, and a query alone.
        for path in ["to/https://localhost:8443", "to///localhost:8443", "to/", "up", "ask", "to//up"] {
            let done = https(path);
            assert_eq!(done.code, 0, "{tool}: {path}: {}", done.text);
            machine.sh("/usr/local/bin/rolecall --version; rm /usr/local/bin/rolecall");
        }
        if tool == "curl" {
            machine.sh("mv /usr/bin/curl /usr/bin/not-curl");
        }
    }
}

#[test]
fn checksum_of_the_architecture_beats_the_common_one() {
    let machine = machine("sums");
    let sum = machine.sh("cut -c-64 /srv/www/rolecall-x86_64.sha256");
    let sum = sum.trim();
    let settings = |more: &str| boot_strap(&machine, &format!("{URL}\nROLECALL_WAIT=0\n{more}"));
    let done = settings(&format!("ROLECALL_SHA256=0000\nROLECALL_SHA256_X86_64={sum}\nROLECALL_SHA256_AARCH64=1111"));
    assert_eq!(done.code, 0, "{}", done.text);
    // A part of a checksum, or a pattern, is none that an installed binary could have.
    for wrong in [&sum[..8], "'*'", "1111"] {
        let done = settings(&format!("ROLECALL_SHA256={wrong}"));
        assert_eq!(done.code, 5, "{wrong}: {}", done.text);
        assert!(failed(&done.text).starts_with("cause=checksum-mismatch"), "{wrong}: {}", done.text);
    }
    let done = settings(&format!("ROLECALL_SHA256={}", sum.to_uppercase()));
    assert_eq!(done.code, 0, "{}", done.text);
}
