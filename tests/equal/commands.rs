//! The commands of the real Docker Compose work on our containers, and we know what it has done meanwhile.

use super::{On, Peer};

const PROJECT: &str = "name: equal
x-c: &c { image: \"rolecall-test/web:1\", command: [sh, -c, \"echo $$WORD; trap 'exit 0' TERM; sleep 1000 & wait\"] }
services:
  web: { <<: *c, environment: { WORD: a word of web }, depends_on: [db] }
  db: { <<: *c, environment: { WORD: a word of db }, volumes: [\"data:/data\"] }
volumes: { data: {} }
";

#[test]
fn commands_by_project_name_work_on_our_containers() {
    let Some(peer) = Peer::new(On::Distribution) else { return };
    let bed = &peer.bed;
    bed.compose("equal", PROJECT);
    bed.run().ready();
    let before = peer.ids();
    // Anywhere but in the project's folder: all is known from labels.
    let run = |args: &[&str]| peer.composes(bed.dir.path(), &[&["-p", "equal"], args].concat());
    let services = |args: &[&str]| run(args).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(services(&["ps", "--services"]), ["db", "web"]);
    assert_eq!(services(&["ps", "--format", "{{.Name}}:{{.State}}"]), ["equal-db-1:running", "equal-web-1:running"]);
    assert!(run(&["ls"]).contains("equal") && run(&["images"]).contains("rolecall-test/web"));
    assert!(run(&["logs", "--no-log-prefix", "web"]).contains("a word of web"));
    assert_eq!(run(&["exec", "-T", "db", "echo", "here"]), "here\n");
    run(&["stop"]);
    assert!(services(&["ps", "--services"]).is_empty());
    run(&["start"]);
    assert_eq!(services(&["ps", "--services"]), ["db", "web"]);
    run(&["restart", "db"]);
    assert_eq!(peer.ids(), before, "they are the same containers");
    bed.run().ready().says("nothing to do");
    run(&["down"]);
    assert!(bed.engine().names().is_empty());
    assert!(bed.engine().get("/networks/equal_default").is_null());
    assert!(!bed.engine().get("/volumes/equal_data").is_null());
}

#[test]
fn what_compose_made_meanwhile_is_kept_where_it_is_the_same_and_named_where_it_is_not() {
    let Some(peer) = Peer::new(On::Distribution) else { return };
    let bed = &peer.bed;
    bed.compose("equal", PROJECT);
    bed.run().ready();
    let folder = peer.folder();
    peer.composes(&folder, &["up", "--detach", "--force-recreate", "web"]);
    let before = peer.ids();
    bed.run().ready().says("equal-web-1 was made by Docker Compose").says("nothing to do");
    assert_eq!(peer.ids(), before);
    // What we did not make is not acted on, neither by a run nor by stop and down.
    bed.compose("equal", &PROJECT.replace("a word of web", "another word"));
    bed.fails(1, "container-failed")
        .says("equal-web-1")
        .says("was not made by rolecall")
        .says("docker rm -f equal-web-1");
    bed.rolecall(&["down", "--all"]).ready();
    assert_eq!(bed.engine().names(), ["equal-web-1"]);
    assert_eq!(bed.engine().inspect("equal-web-1")["State"]["Running"], true);
    // Compose itself replaces it; a project that is all Compose's is left to it.
    peer.composes(&folder, &["up", "--detach"]);
    let theirs = peer.ids();
    bed.run().ready().says("equal-db-1 was made by Docker Compose").says("nothing to do");
    assert_eq!(peer.ids(), theirs);
}
