//! Manifests that are wrong: found before anything starts, with file, line, column and what was probably meant.

use std::fs;

use crate::support::bed::Bed;

/// A wrong manifest: what it is called, its text, the cause, and what the line has to hold.
struct Wrong {
    name: &'static str,
    compose: &'static str,
    cause: &'static str,
    says: &'static [&'static str],
}

const WRONG: &[Wrong] = &[
    Wrong {
        name: "a misspelt attribute",
        compose: "services:\n  web:\n    imagee: rolecall-test/web:1\n",
        cause: "manifest-invalid",
        says: &["compose.yaml:3:5", "imagee", "did you mean 'image'"],
    },
    Wrong {
        name: "a misspelt key of x-rolecall",
        compose: "services:\n  web:\n    image: rolecall-test/web:1\nx-rolecall:\n  host:\n    packges: [jq]\n",
        cause: "manifest-invalid",
        says: &["compose.yaml:6:5", "packges", "packages"],
    },
    Wrong {
        name: "a duplicate key",
        compose: "services:\n  web:\n    image: rolecall-test/web:1\n    image: rolecall-test/web:2\n",
        cause: "manifest-invalid",
        says: &["compose.yaml:4:5", "image"],
    },
    Wrong {
        name: "a cycle",
        compose: "services:\n  a:\n    image: rolecall-test/web:1\n    depends_on: [b]\n  b:\n    image: \
            rolecall-test/web:1\n    depends_on: [a]\n",
        cause: "manifest-invalid",
        says: &["a", "b", "depend"],
    },
    Wrong {
        name: "an undefined required variable",
        compose: "services:\n  web:\n    image: rolecall-test/web:${WEB_VERSION:?set the version of web}\n",
        cause: "manifest-invalid",
        says: &["compose.yaml:3", "WEB_VERSION", "set the version of web"],
    },
    Wrong {
        name: "a missing env_file",
        compose: "services:\n  web:\n    image: rolecall-test/web:1\n    env_file: missing.env\n",
        cause: "manifest-invalid",
        says: &["missing.env"],
    },
    Wrong {
        name: "one host port for two services",
        compose: "services:\n  web:\n    image: rolecall-test/web:1\n    ports: [\"8080:80\"]\n  admin:\n    image: \
            rolecall-test/web:1\n    ports: [\"8080:81\"]\n",
        cause: "port-clash",
        says: &["8080", "web", "admin"],
    },
    Wrong {
        name: "a dependency that is not there",
        compose: "services:\n  web:\n    image: rolecall-test/web:1\n    depends_on: [databse]\n  database:\n    image: \
            rolecall-test/web:1\n",
        cause: "manifest-invalid",
        says: &["databse"],
    },
    Wrong {
        name: "a tab",
        compose: "services:\n\tweb:\n\t\timage: rolecall-test/web:1\n",
        cause: "manifest-invalid",
        says: &["compose.yaml:2"],
    },
    Wrong {
        name: "a value of the wrong kind",
        compose: "services:\n  web:\n    image: rolecall-test/web:1\n    ports: all of them\n",
        cause: "manifest-invalid",
        says: &["compose.yaml:4", "ports"],
    },
];

#[test]
fn a_wrong_manifest_ends_the_run_before_it_touches_anything() {
    let bed = Bed::without_engine();
    for (n, wrong) in WRONG.iter().enumerate() {
        bed.project(&format!("wrong{n}"), &[("compose.yaml", wrong.compose)]);
        let failed = bed.fails(3, wrong.cause);
        for text in wrong.says {
            assert!(failed.line.contains(text), "{}: no {text:?} in {}", wrong.name, failed.line);
        }
    }
    let left: Vec<String> = bed.agent.files().into_keys().filter(|p| p.starts_with("projects/")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn validate_finds_the_same_without_a_network() {
    let mut bed = Bed::without_engine();
    bed.agent =
        bed.agent.without("AWS_EC2_METADATA_SERVICE_ENDPOINT").without("AWS_ENDPOINT_URL").without("DOCKER_HOST");
    for (n, wrong) in WRONG.iter().enumerate() {
        let dir = bed.path(&format!("wrong{n}"));
        fs::create_dir(&dir).unwrap();
        let file = dir.join("compose.yaml");
        fs::write(&file, wrong.compose).unwrap();
        let failed = bed.rolecall(&["validate", file.to_str().unwrap()]).fails(3, wrong.cause);
        for text in wrong.says {
            assert!(failed.line.contains(text), "{}: no {text:?} in {}", wrong.name, failed.line);
        }
    }
}

#[test]
fn validate_accepts_what_is_right_and_lists_the_services() {
    let bed = Bed::without_engine();
    let file = bed.path("compose.yaml");
    let compose = "name: shop\nservices:\n  web: { image: \"rolecall-test/web:1\", ports: [\"8080:80\"] }\n  \
        worker: { image: \"rolecall-test/web:1\", environment: { REGION: \"${ROLECALL_REGION}\" } }\n\
        x-rolecall:\n  roles:\n    edge: { services: { web: { ports: [\"8443:80\"] } } }\n";
    fs::write(&file, compose).unwrap();
    bed.rolecall(&["validate", file.to_str().unwrap()]).ready().prints("valid").prints("web").prints("worker");
    bed.rolecall(&["validate", bed.dir.path().to_str().unwrap()]).ready();
    fs::write(&file, "services:\n  web:\n    image: \"web:${TAG}${ROLECALL_TAG_x}\"\n").unwrap();
    let warned = bed.rolecall(&["validate", file.to_str().unwrap()]).ready().says("3:12: variable TAG is not set");
    assert!(!warned.stderr.contains("ROLECALL_TAG_x"), "{}", warned.told());
    bed.rolecall(&["validate", "/no/such/compose.yaml"]).exits(3).says("/no/such/compose.yaml");
}

#[test]
fn an_unknown_role_is_answered_with_the_nearest_one() {
    let bed = Bed::without_engine();
    bed.imds.tag("Role", "wbe");
    let compose = "services:\n  app: { image: \"rolecall-test/web:1\" }\n  debug: { image: \"rolecall-test/web:1\", \
        profiles: [tools] }\nx-rolecall:\n  roles:\n    web: { services: { app: { ports: [\"80:80\"] } } }\n";
    bed.compose("roles", compose);
    bed.fails(3, "role-unknown").says("wbe").says("did you mean 'web'").says("tools").says("app");
}

#[test]
fn a_port_clash_inside_one_service_is_found() {
    let bed = Bed::without_engine();
    bed.imds.tag("Role", "one:two");
    let compose = "services:\n  app: { image: \"rolecall-test/web:1\" }\nx-rolecall:\n  roles:\n    one: { services: \
        { app: { ports: [\"80:80\"] } } }\n    two: { services: { app: { ports: [\"80:8080\"] } } }\n";
    bed.compose("clash", compose);
    bed.fails(3, "port-clash").says("80").says("app");
}

#[test]
fn two_tags_with_one_name_are_an_error_where_they_are_used() {
    let bed = Bed::without_engine();
    bed.imds.tag("a-b", "1");
    bed.imds.tag("a.b", "2");
    bed.compose("unused", "services:\n  app: { image: \"rolecall-test/web:1\" }\n");
    let unused = bed.rolecall(&["plan"]);
    assert!(!unused.stderr.contains("manifest-invalid"), "{}", unused.told());
    bed.compose("used", "services:\n  app: { image: \"rolecall-test/web:${ROLECALL_TAG_a_b}\" }\n");
    bed.fails(3, "manifest-invalid").says("ROLECALL_TAG_a_b").says("a-b").says("a.b");
}

#[test]
fn a_path_out_of_the_project_is_refused() {
    let bed = Bed::without_engine();
    for (n, compose) in [
        "services:\n  app:\n    image: rolecall-test/web:1\n    env_file: ../../../etc/passwd\n",
        "include: [../../other/compose.yaml]\nservices: {}\n",
    ]
    .iter()
    .enumerate()
    {
        bed.compose(&format!("climb{n}"), compose);
        bed.run().exits(3);
    }
}
