use super::*;
use crate::error::{Cause, Error};

struct Stage {
    dir: tempfile::TempDir,
    reporter: Reporter,
}

impl Stage {
    fn begin() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let reporter = Reporter::begin(&dir.path().join("run/status.json"), dir.path().join("journal.jsonl"));
        Self { dir, reporter }
    }

    /// The status as others read it.
    fn written(&self) -> Status {
        Status::read(&self.dir.path().join("run/status.json")).unwrap().unwrap()
    }

    fn tell(&mut self, progress: Progress) -> Status {
        self.reporter.progress(progress);
        self.written()
    }
}

fn ended(name: &str, changed: bool) -> Progress {
    Progress::Ended { name: name.into(), changed }
}

fn service(state: &str) -> Progress {
    Progress::Service { service: "web".into(), state: state.into() }
}

#[test]
fn the_file_is_true_from_the_first_moment() {
    let stage = Stage::begin();
    let status = stage.written();
    assert_eq!((status.state, status.pid, status.exit), (State::Running, std::process::id(), None));
    assert_eq!(status.doing, ["facts"]);
}

#[test]
fn a_step_that_is_under_way_is_seen_until_it_ends() {
    let mut stage = Stage::begin();
    assert_eq!(stage.tell(Progress::Steps(3)).doing, Vec::<String>::new());
    assert_eq!(stage.tell(Progress::Begun("script:a".into())).doing, ["script:a"]);
    assert_eq!(stage.tell(Progress::Begun("image:x".into())).doing, ["script:a", "image:x"]);
    let status = stage.tell(ended("image:x", true));
    assert_eq!((status.steps, status.done, status.changed, status.doing.len()), (3, 1, 1, 1));
    let status = stage.tell(Progress::Failed("script:a".into()));
    assert_eq!((status.done, status.doing.len()), (1, 0), "what has failed is not done");
    assert_eq!(stage.tell(Progress::Steps(2)).steps, 5, "a second graph adds to the first");
}

#[test]
fn a_service_has_one_line_with_its_last_state() {
    let mut stage = Stage::begin();
    stage.tell(service("running"));
    let services = stage.tell(service("healthy")).services;
    assert_eq!(services, [ServiceStatus { service: "web".into(), state: "healthy".into() }]);
}

#[test]
fn the_end_is_told_with_exit_code_and_failure() {
    let mut stage = Stage::begin();
    stage.tell(Progress::Begun("script:a".into()));
    let err = Error::new(Cause::ChecksumMismatch, "it is another one").hint("pin it anew").step("fetch");
    assert_eq!(stage.reporter.end(&Err(err)), 5);
    let status = stage.written();
    assert_eq!((status.state, status.exit), (State::Failed, Some(5)));
    assert!(status.finished.is_some() && status.doing.is_empty());
    let failure = status.failure.unwrap();
    assert_eq!((failure.cause.as_str(), failure.step.as_deref()), ("checksum-mismatch", Some("fetch")));

    let mut stage = Stage::begin();
    assert_eq!(stage.reporter.end(&Ok(Summary { changed: 0 })), 0);
    assert_eq!((stage.written().state, stage.written().exit), (State::Ready, Some(0)));
}

#[test]
fn a_status_that_cannot_be_written_stops_nothing() {
    let mut reporter = Reporter::begin(Path::new("/proc/none/status.json"), "/x".into());
    reporter.progress(Progress::Steps(1));
    assert_eq!(reporter.end(&Ok(Summary::default())), 0);
}
