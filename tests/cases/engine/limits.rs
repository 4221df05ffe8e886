//! Many services on a host that allows few open files.

use std::fmt::Write as _;

use crate::support::bed::Bed;

#[test]
fn sixty_services_start_with_forty_open_files() {
    let bed = Bed::new();
    let mut text =
        "x-s: &s { image: \"rolecall-test/web:1\", stop_grace_period: 1s, network_mode: none, restart: unless-stopped }\nservices:\n".to_owned();
    for number in 0..60 {
        writeln!(text, "  s{number}: *s").unwrap();
    }
    bed.compose("many", &text);
    let outcome = bed.agent.under(&["prlimit", "--nofile=40:40"]).run(&["run"]).ready();
    for word in ["Too many open files", "os error 24", "WARN"] {
        assert!(!outcome.stderr.contains(word), "{word}\n{}", outcome.told());
    }
    assert_eq!(bed.engine().names().len(), 60);
    assert_eq!(bed.agent.status()["state"], "ready");
}
