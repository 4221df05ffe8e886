//! What `rolecall validate` finds in a folder, before any instance starts.

use std::fs;

use crate::support::{agent::Outcome, bed::Bed};

/// `rolecall validate FOLDER` on a folder with these files.
fn validate(files: &[(&str, &str)]) -> Outcome {
    let bed = Bed::without_engine();
    let dir = bed.path("shop");
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    bed.rolecall(&["validate", dir.to_str().unwrap()])
}

/// The lines that name a place.
fn places(outcome: &Outcome) -> Vec<&str> {
    outcome.stderr.lines().filter(|line| !line.starts_with("rolecall:") && !line.contains(" WARN ")).collect()
}

#[test]
fn faults_of_all_files_come_in_one_pass() {
    let compose = "\
services:
  web:
    image: web:1
    prots: ['80:80']
  api:
    image: api:1
    ports: ['80:80:80:80']
    depends_on: [dv]
  db:
    image: db:1
    networks: [bakc]
    env_file: missing.env
  job:
    build: .
  more:
    image: 'more:${TAG'
networks:
  back: {}
x-rolecall:
  host:
    upgrad: full
    docker: { install: distr }
";
    let over = "services:\n  db:\n    restart: 5\n    hostnam: x\n";
    let outcome = validate(&[("compose.yaml", compose), ("compose.override.yaml", over)]).exits(3);
    let found = places(&outcome);
    let starts: Vec<String> =
        found.iter().map(|line| line.splitn(4, ':').take(3).collect::<Vec<_>>().join(":")).collect();
    let wanted = [
        "compose.override.yaml:3:14",
        "compose.override.yaml:4:5",
        "compose.yaml:4:5",
        "compose.yaml:7:13",
        "compose.yaml:8:18",
        "compose.yaml:11:16",
        "compose.yaml:12:15",
        "compose.yaml:14:5",
        "compose.yaml:16:12",
        "compose.yaml:21:5",
        "compose.yaml:22:24",
    ];
    assert_eq!(starts, wanted, "{}", outcome.stderr);
}

#[test]
fn fault_of_one_role_hides_none_of_another() {
    let compose = "\
services:
  web: { image: 'web:1' }
x-rolecall:
  roles:
    a: { services: { web: { env_file: gone.env } } }
    b: { services: { web: { credential_spec: { file: x } } } }
    c: { services: { web: { volumes: ['../:/x'] } } }
    d: { services: { web: { volumes: ['./gone.conf:/x'] } } }
    e: { services: { web: { env_file: gone.env, restart: sometimes } } }
";
    let outcome = validate(&[("compose.yaml", compose)]).exits(3);
    let lines: Vec<&str> = places(&outcome).into_iter().map(|line| line.split(':').nth(1).unwrap()).collect();
    assert_eq!(lines, ["5", "6", "7", "8", "9", "9"], "{}", outcome.stderr);
}

#[test]
fn value_that_the_engine_refuses_is_found_before_the_first_step() {
    let bed = Bed::new();
    let compose = "\
services:
  web: { image: 'rolecall-test/web:1' }
  worker: { image: 'rolecall-test/web:1', restart: sometimes }
  cron: { image: 'Upper/Case:1', stop_signal: SIGFOO }
";
    bed.compose("shop", compose);
    fs::write(bed.path("compose.yaml"), compose).unwrap();
    let file = bed.path("compose.yaml").display().to_string();
    for args in [&["validate", &file][..], &["plan"], &["run"]] {
        let outcome = bed.rolecall(args);
        for wanted in [
            "3:43: services.worker.restart: the engine knows no",
            "4:11: services.cron.image: ",
            "4:34: services.cron.stop_signal",
        ] {
            assert!(outcome.stderr.contains(&format!("compose.yaml:{wanted}")), "{wanted}: {}", outcome.told());
        }
        outcome.fails(3, "manifest-invalid");
    }
    assert_eq!(bed.engine().names(), Vec::<String>::new());
}

#[test]
fn run_refusal_is_found_with_its_place() {
    let compose = "\
services:
  a:
    build: .
  b:
    image: b
    credential_spec: { file: x.json }
  c:
    image: c
    secrets: [token]
    configs: [c]
  d:
    image: d
    volumes:
      - ok:/ok
      - { type: npipe, source: x, target: /x }
  e:
    image: e
    security_opt: [nonsense]
  f:
    image: f
    deploy:
      update_config:
        parallelism: 1
volumes: { ok: {} }
secrets:
  token:
    external: true
configs:
  c: { external: true }
";
    let outcome = validate(&[("compose.yaml", compose)]).exits(3);
    let wanted = [
        ("compose.yaml:3:5: services.a.build: ", "name it with `image`"),
        ("compose.yaml:6:5: services.b.credential_spec: ", "; remove it"),
        ("compose.yaml:15:11: services.d.volumes[1].type: ", "; remove it"),
        ("compose.yaml:18:5: services.e.security_opt: ", "nonsense"),
        ("compose.yaml:27:5: secrets.token.external: ", "use x-rolecall.variables or a file"),
        ("compose.yaml:29:8: configs.c.external: ", "use content, environment or a file"),
    ];
    let found = places(&outcome);
    assert_eq!(found.len(), wanted.len(), "{}", outcome.stderr);
    for (line, (start, end)) in found.iter().zip(wanted) {
        assert!(line.starts_with(start) && line.contains(end), "{line}");
    }
    outcome.says("compose.yaml:22:7: services.f.deploy.update_config: ignored");
}

#[test]
fn run_refuses_the_same_lines() {
    let bed = Bed::without_engine();
    bed.compose("shop", "services:\n  a:\n    build: .\n  b:\n    image: b\n    isolation: hyperv\n");
    bed.fails(3, "manifest-invalid").says("compose.yaml:3:5: services.a.build").says("compose.yaml:6:5: services.b");
    bed.rolecall(&["plan"]).fails(3, "manifest-invalid").says("compose.yaml:3:5: services.a.build");
}

#[test]
fn value_cut_at_a_dollar_is_a_warning_everywhere() {
    let files = [
        ("compose.yaml", "services:\n  web:\n    image: rolecall-test/web:1\n    env_file: web.env\n"),
        (".env", "ONE=1\nPASSWORD=p$s3cretpart\nSAFE='p$s3cretpart'\n"),
        ("web.env", "HASH=$2y$05$s3cretpart\n"),
    ];
    let says = |outcome: Outcome| {
        let outcome =
            outcome.says(".env:2:10: the value of PASSWORD is cut at a `$`").says("web.env:1:6: the value of HASH");
        assert!(!outcome.stderr.contains("s3cretpart") && !outcome.stderr.contains("SAFE"), "{}", outcome.stderr);
    };
    says(validate(&files).exits(0));
    let bed = Bed::without_engine();
    bed.project("shop", &files);
    let dir = bed.agent.cwd.clone();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    says(bed.rolecall(&["config"]).exits(0));
    says(bed.rolecall(&["run"]));
    let plan = bed.rolecall(&["plan"]);
    assert!(plan.stdout.contains("! .env:2:10: the value of PASSWORD is cut"), "{}", plan.stdout);
}

#[test]
fn script_with_windows_line_ends_is_a_fault() {
    let compose = "services:\r\n  web:\r\n    image: web:1\r\n";
    let files = [("compose.yaml", compose), ("bootstrap/10-hello.sh", "#!/bin/sh\r\necho hello\r\n")];
    validate(&files).exits(3).says("bootstrap/10-hello.sh:1:1: the script cannot be run").says("from CRLF to LF");
    let bed = Bed::without_engine();
    bed.project("shop", &files);
    bed.rolecall(&["plan"]).exits(3).says("bootstrap/10-hello.sh:1:1: the script cannot be run");
    bed.run().exits(3).says("bootstrap/10-hello.sh:1:1: the script cannot be run");
    let odd = [("compose.yaml", "services: { web: { image: web:1 } }"), ("bootstrap/1.sh", "#!/usr/bin/evn bash\n")];
    validate(&odd)
        .exits(0)
        .says("bootstrap/1.sh:1:1: #!/usr/bin/evn bash is an unusual interpreter, did you mean 'env'?");
    validate(&[("10-only.sh", "#!/bin/sh\r\n")]).exits(3).says("10-only.sh:1:1: the script cannot be run");
    validate(&[("10-only.sh", "#!/bin/sh\n")]).exits(0).prints("scripts: 10-only.sh");
}

#[test]
fn second_default_file_is_a_warning() {
    let compose = "services: { web: { image: web:1 } }";
    validate(&[("compose.yaml", compose), ("docker-compose.yml", compose)])
        .exits(0)
        .says("docker-compose.yml: not read, since compose.yaml comes before it");
}

#[test]
fn file_of_compose_1_is_told_what_to_do() {
    let compose = "web:\n  image: web:1\nphp:\n  extends: { file: base.yml, service: php }\n";
    validate(&[("compose.yaml", compose)])
        .exits(3)
        .says("compose.yaml:1:1: web: unknown attribute 'web'; this file is of Compose 1: put its services below 'services:'")
        .says("compose.yaml:3:1: php");
}

#[test]
fn home_is_set_as_in_a_run() {
    let outcome =
        validate(&[("compose.yaml", "services: { web: { image: web:1, environment: { H: \"$HOME\" } } }")]).exits(0);
    assert!(!outcome.stderr.contains("HOME"), "{}", outcome.stderr);
}

#[test]
fn log_option_that_is_a_number_becomes_a_string() {
    let project = |daemon: &str| {
        format!(
            "services: {{ web: {{ image: web:1 }} }}\nx-rolecall:\n  host:\n    docker:\n      daemon: {{ {daemon} }}\n"
        )
    };
    validate(&[("compose.yaml", &project("log-driver: json-file, log-opts: { max-file: 3, compress: true }"))])
        .exits(0);
    validate(&[("compose.yaml", &project("live-restore: 'yes'"))])
        .exits(3)
        .says("compose.yaml:5:31: x-rolecall.host.docker.daemon.live-restore: expected true or false, found a string");
}

#[test]
fn service_of_an_inactive_profile_is_refused_everywhere() {
    let compose = "services:\n  main: { image: m, profiles: [dev] }\n  test: { image: t, depends_on: [main] }\n  other: { image: o }\n";
    let says = "services.test.depends_on.main: service 'main' is needed but its profile (dev) is not active";
    validate(&[("compose.yaml", compose)]).exits(3).says(says);
    let bed = Bed::without_engine();
    bed.compose("shop", compose);
    fs::write(bed.agent.cwd.join("compose.yaml"), compose).unwrap();
    bed.rolecall(&["config"]).exits(3).says(says);
    bed.rolecall(&["plan"]).exits(3).says(says);
    bed.run().exits(3).says(says);
    // A role that names a service starts it, as `docker compose up main` does.
    let file = bed.agent.cwd.join("compose.yaml");
    for role in ["main", "other", "dev"] {
        bed.rolecall(&["validate", "--roles", role, file.to_str().unwrap()]).exits(0);
    }
}

#[test]
fn release_folder_without_a_name_is_refused() {
    let bed = Bed::new();
    let compose =
        "services: { db: { image: \"rolecall-test/web:1\", volumes: [\"data:/data\"] } }\nvolumes: { data: {} }\n";
    bed.compose("shop/1", compose);
    bed.run().ready();
    bed.compose("shop/2", compose);
    for command in ["plan", "run"] {
        bed.rolecall(&[command])
            .fails(3, "manifest-invalid")
            .says("s3://rolecall-test/shop/2/ would start as project 2 beside project 1")
            .says("s3://rolecall-test/shop/1/")
            .hints("write `name: 1`")
            .hints("rolecall down --project 1");
    }
    assert_eq!(bed.engine().names(), ["1-db-1"]);
    // What runs here keeps running, also after a shutdown.
    bed.rolecall(&["stop", "--all"]).ready();
    bed.fails(3, "manifest-invalid");
    assert_eq!(bed.engine().inspect("1-db-1")["State"]["Running"], true);
    // A name is the way out, and so is a removal.
    bed.compose("shop/2", &format!("name: '1'\n{compose}"));
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["1-db-1"]);
    bed.compose("shop/3", &format!("name: beside\n{compose}"));
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["1-db-1", "beside-db-1"]);
    bed.rolecall(&["down", "--project", "1", "--project", "beside"]).ready();
    bed.compose("shop/4", compose);
    bed.run().ready();
    assert_eq!(bed.engine().names(), ["4-db-1"]);
}

#[test]
fn grace_over_the_notice_of_a_spot_instance_is_a_warning() {
    let bed = Bed::without_engine();
    bed.compose("shop", "services:\n  web: { image: x, stop_grace_period: 10m }\n");
    let warning = "a Spot instance ends 2 minutes after its notice";
    assert!(!bed.rolecall(&["plan"]).ready().stdout.contains(warning));
    bed.imds.set(|instance| instance.life_cycle = "spot".into());
    bed.rolecall(&["plan"]).ready().prints("compose.yaml:2:20: services.web.stop_grace_period").prints(warning);
    bed.rolecall(&["facts"]).ready().prints("spot");
}

#[test]
fn prefix_without_its_slash_is_suggested() {
    let bed = Bed::without_engine();
    bed.compose("shop", "services: { web: { image: x } }\n");
    bed.imds.tag("Bootstrap", "s3://rolecall-test/shop");
    bed.fails(4, "source-not-found").hints("s3://rolecall-test/shop/");
    bed.imds.tag("Bootstrap", "s3://rolecall-test/absent");
    assert!(!bed.fails(4, "source-not-found").line.contains("absent/"));
}

#[test]
fn plan_names_missing_interpreter() {
    let bed = Bed::without_engine();
    let compose = |packages: &str| {
        format!("services: {{ web: {{ image: web:1 }} }}\nx-rolecall: {{ host: {{ packages: [{packages}] }} }}\n")
    };
    let script = "#!/usr/bin/env rolecall-no-such\n";
    let line =
        "! bootstrap/10-a.sh:1:1: this host has no rolecall-no-such, the interpreter of the script; the script fails";
    bed.project("shop", &[("compose.yaml", &compose("")), ("bootstrap/10-a.sh", script)]);
    bed.rolecall(&["plan"]).ready().prints(&format!("{line}: add its package to x-rolecall.host.packages"));
    bed.project("shop", &[("compose.yaml", &compose("jq"))]);
    bed.rolecall(&["plan"]).ready().prints(&format!("{line} unless x-rolecall.host.packages installs it"));
    bed.project("shop", &[("bootstrap/05-first.sh", "#!/bin/sh\n")]);
    let plan = bed.rolecall(&["plan"]).ready();
    let plan = plan.prints(&format!("{line} unless x-rolecall.host.packages or an earlier script installs it"));
    assert!(!plan.stdout.contains("05-first.sh:1:1"), "{}", plan.told());
}
