//! What the checks of the documentation are for: pages with one thing wrong each.

use std::collections::BTreeMap;

use super::{faults, page::Page};

/// What is wrong, and what is said of it.
const BROKEN: &[(&str, &str)] = &[
    ("```\nx\n```", "2: a block without a language"),
    ("```ruby\nputs 1\n```", "2: nothing here reads ruby"),
    ("Thus:\n\n    rolecall run", "4: code by indentation"),
    ("An open ` span", "2: a ` that is not closed"),
    // Compose files, whole and in parts.
    ("```yaml\nservices:\n  web: { image: a, port: [80] }\n```", "port"),
    ("```yaml\nservices: { web: { image: a } }\nx-rolecall: { roles: { w: { services: { wbe: {} } } } }\n```", "wbe"),
    ("```yaml\nx-rolecall: { hosts: {} }\n```", "hosts"),
    ("```yaml\na: [1\n```", "not valid YAML"),
    ("```yaml\na: 1\na: 2\n```", "compose.yaml:2:1"),
    (
        "```yaml compose.yaml\nservices: { web: { image: a, enviroment: {} } }\n```",
        "compose.yaml: compose.yaml:1:30: services.web.enviroment",
    ),
    (
        "```yaml compose.yaml\nservices: { web: { image: a } }\n```\n```yaml compose.prod.yaml\nservices: { web: { prots: [] } }\n```",
        "compose.prod.yaml: compose.prod.yaml:1:20: services.web.prots",
    ),
    ("```yaml a.yaml\na: 1\n```\n```yaml a.yaml\na: 1\n```", "a.yaml is shown twice"),
    // Shell, and our own command line.
    ("```sh\nif true; then\n```", "line"),
    ("```sh\nrm $1/x\n```", "SC2086"),
    ("```sh\ndiff <(a) <(b)\n```", "SC3001"),
    (
        "```sh\nrolecall run --sorce s3://b/p/\n```",
        "rolecall run --sorce s3://b/p/: error: unexpected argument '--sorce'",
    ),
    ("```sh\nx=$(rolecall statsu)\n```", "rolecall statsu: error: unrecognized subcommand"),
    ("Then `rolecall rnu`.", "2: `rolecall rnu`: there is no rnu"),
    ("Then `rolecall run [--sorce S]`.", "run has no --sorce"),
    // Others.
    ("```json\n{ \"a\": }\n```", "expected value"),
    ("```toml\nsorce = \"s3://b/p/\"\n```", "unknown key sorce"),
    ("```toml\ndeadline = \"soon\"\n```", "deadline"),
    ("```ini\n[Service]\nTimeoutStopSec\n```", "TimeoutStopSec: no setting"),
    // Links.
    ("[x](nowhere.md)", "there is no docs/nowhere.md"),
    ("[x](boot.md#no-such-place)", "docs/boot.md has no heading #no-such-place"),
    ("## A b\n\n[x](#a-c)", "docs/page.md has no heading #a-c"),
];

/// What is right.
const SOUND: &str = "
# It's `A` b_c - d!

[up](../README.md) [there](boot.md#two-units) [here](#its-a-b_c---d) [out](https://example.com/x#y) `[none](here.md)`

- A list
  - in a list

    that goes on: `rolecall run [--source S]…`, `rolecall: FAILED cause=…`, `rolecall --version`

  ```sh
  rolecall run --source s3://acme-deploy/prod/ --roles \"web:$ROLE\" # and so on
  ```

```bash
diff <(docker compose config) <(rolecall config --hash '*')
```
```yaml compose.yaml
services:
  web: { image: a, env_file: [web.env, { path: ../b.env }] }
```
```yaml compose.prod.yaml
services:
  web: { ports: [\"80:80\"] }
```
```text bootstrap/10-x.sh
anything { at all
```
```yaml
x-rolecall: { host: { packages: [jq] } }
```
```yaml
#cloud-config
runcmd: [[rolecall, run]]
```
```json
{ \"a\": [1] }
```
```toml
source = \"s3://acme-deploy/prod/\"
```
```ini
# a drop-in
[Service]
TimeoutStopSec=120
ExecStart=
```
```hcl
a = 1
```
";

fn told(text: &str) -> Vec<String> {
    let page = Page::parse(&format!("\n{text}\n"));
    let boot = Page::parse("## Two units\n");
    faults("docs/page.md", &page, &BTreeMap::from([("docs/boot.md".to_owned(), boot)]))
}

#[test]
fn what_is_broken_is_told_with_its_line() {
    for (text, wanted) in BROKEN {
        let told = told(text).join("\n");
        let place = if wanted.starts_with(|c: char| c.is_ascii_digit()) { "docs/page.md:" } else { "" };
        let wanted = format!("{place}{wanted}");
        assert!(told.contains(&wanted), "{text}\nwanted: {wanted}\ntold: {told}");
    }
}

#[test]
fn what_is_sound_is_not() {
    assert_eq!(told(SOUND), Vec::<String>::new());
}

#[test]
fn hcl_is_read_where_there_is_a_packer() {
    if std::process::Command::new("packer").arg("version").output().is_err() {
        eprintln!("skipped: there is no packer");
        return;
    }
    assert!(told("```hcl\na = {\n```")[0].contains("docs/page.md:2:"));
    assert!(told("```hcl\na   = 1\n```")[0].contains("+a = 1"));
}
