//! Which failures are tried again, and hosts that stay up.

use serde_json::Value;

use crate::support::{agent::Agent, bed::Bed, net::free_port};

const GOOD: &str = "services:\n  web: { image: \"rolecall-test/web:1\", stop_grace_period: 0s }\n";

/// An agent for which nobody listens at the only mirror of packages.
fn without_mirror(agent: &Agent) -> Agent {
    let script = format!(
        "mount -t tmpfs none /etc/apt && mount -t tmpfs none /var/lib/apt && mkdir -p /etc/apt/apt.conf.d \
         /etc/apt/preferences.d /var/lib/apt/lists/partial && \
         echo 'deb [trusted=yes] http://127.0.0.1:{}/ ./' > /etc/apt/sources.list && exec \"$@\"",
        free_port()
    );
    agent.under(&["unshare", "--mount", "sh", "-c", &script, "sh"])
}

#[test]
fn last_good_project_starts_without_mirror() {
    let bed = Bed::new();
    bed.compose("app", GOOD);
    bed.run().ready();
    bed.engine().post("/containers/app-web-1/kill", &Value::Null);
    bed.compose("app", &format!("{GOOD}x-rolecall: {{ host: {{ packages: [rolecall-no-such] }} }}\n"));
    let agent = without_mirror(&bed.agent).env("ROLECALL_DEADLINE", "20s");
    agent.run(&["run"]).fails(4, "packages-failed").names("started the project that was ready on 20");
    assert_eq!(bed.engine().inspect("app-web-1")["State"]["Running"], true);
}
