//! `rolecall iam`: the policy beside what a run really asks for, and in force.

mod bad_input;
mod forms;
mod runs;

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{agent::Agent, bed::binary};

/// A project on this machine, beside which `rolecall iam` runs.
struct Project {
    agent: Agent,
    _dir: tempfile::TempDir,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::Builder::new().prefix("rolecall-test-").tempdir().unwrap();
        let mut agent = Agent::new(binary(), dir.path());
        agent.cwd = dir.path().join("project");
        let project = Self { agent, _dir: dir };
        fs::create_dir(&project.agent.cwd).unwrap();
        for (path, content) in files {
            let path = project.agent.cwd.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        project
    }

    /// The policy for these arguments, which parliament has nothing to say against.
    fn policy(&self, args: &[&str]) -> Value {
        let outcome = self.agent.run(&[&["iam"], args].concat()).ready();
        checked(&outcome.stdout);
        outcome.json()
    }

    /// Resources of one statement.
    fn resources(&self, args: &[&str], sid: &str) -> Vec<String> {
        let policy = self.policy(args);
        let statements = policy["Statement"].as_array().unwrap();
        let of = |statement: &Value| crate::support::gate::texts(&statement["Resource"]);
        statements.iter().filter(|statement| statement["Sid"] == sid).flat_map(of).collect()
    }
}

/// Somebody else's table of actions, resources and condition keys knows each of the policy's.
fn checked(policy: &str) {
    let found = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/setup/moto")).arg("--path").output().unwrap();
    let moto = String::from_utf8(found.stdout).unwrap();
    let parliament = Path::new(moto.trim()).with_file_name("parliament");
    let mut child = Command::new(parliament).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(policy.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}\n{policy}", String::from_utf8_lossy(&done.stdout));
}
