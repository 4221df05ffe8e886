use std::{cell::RefCell, rc::Rc};

use async_trait::async_trait;

use super::*;
use crate::{
    error::{Class, Exit},
    testing::Played,
    world::{Clock as _, Listener},
};

/// A machine on which every command takes this long, and systemd answers as given, then well.
struct Slow {
    clock: Rc<Played>,
    takes: Duration,
    answers: RefCell<Vec<&'static str>>,
}

#[async_trait(?Send)]
impl Host for Slow {
    async fn run(&self, command: &Command, _: &mut dyn for<'l> FnMut(&'l str)) -> Result<Finished> {
        let timed_out = command.timeout.is_some_and(|limit| limit < self.takes);
        self.clock.sleep(command.timeout.map_or(self.takes, |limit| limit.min(self.takes))).await;
        let said = (!timed_out && !self.answers.borrow().is_empty()).then(|| self.answers.borrow_mut().remove(0));
        let tail: Vec<String> = said.into_iter().map(str::to_owned).collect();
        Ok(Finished { code: i32::from(timed_out || said.is_some()), timed_out, tail, stdout: String::new() })
    }

    async fn spawn_detached(&self, _: &Command, _: &Path) -> Result<()> {
        unreachable!("nothing is started in the background")
    }

    async fn listeners(&self) -> Result<Vec<Listener>> {
        unreachable!("nobody asks for listeners")
    }
}

/// Enables a unit on a machine that takes `takes` seconds for a command, in a step that has 15 minutes.
fn enable(takes: u64, answers: &[&'static str]) -> (Result<()>, Duration) {
    let clock = Played::new();
    let retry = clock.retry(15 * 60);
    let takes = Duration::from_secs(takes);
    let host = Slow { clock: Rc::clone(&clock), takes, answers: RefCell::new(answers.to_vec()) };
    let manager = Systemd { host: &host, retry: &retry };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    (runtime.block_on(manager.enable("docker.service")), clock.now())
}

#[test]
fn slow_systemd_is_waited_for() {
    for takes in [0, 31, 300] {
        let (enabled, took) = enable(takes, &[]);
        enabled.unwrap();
        assert_eq!(took.as_secs(), takes);
    }
    let busy = ["Failed to enable unit: Connection timed out", "Failed to connect to bus: Connection refused"];
    enable(90, &busy).0.unwrap();
}

#[test]
fn systemd_without_answer_ends_with_exit_4() {
    let err = enable(16 * 60, &[]).0.unwrap_err();
    assert_eq!((err.cause, err.exit()), (Cause::ServiceManager, Exit::Unreachable));
    assert!(err.message.starts_with("systemctl enable docker.service: no answer"), "{err}");
    assert!(!err.remedy().contains("path"), "{}", err.remedy());
    // A refusal is a verdict.
    let err = enable(1, &["Failed to enable unit: Unit file docker.service does not exist."]).0.unwrap_err();
    assert_eq!((err.cause, err.class, err.exit()), (Cause::ServiceManager, Class::Permanent, Exit::Step));
}

#[test]
fn times_are_read_as_they_are_printed() {
    assert_eq!(timespan("1min 30s"), Some(Duration::from_secs(90)));
    assert_eq!(timespan("10min 500ms"), Some(Duration::from_millis(600_500)));
    assert_eq!(timespan("infinity"), None);
}

#[test]
fn the_limit_of_others_is_read_beside_ours() {
    let ours = "/etc/systemd/system/docker.service.d/rolecall-grace.conf";
    let files = |unit: &str, drop_in: &str| {
        format!(
            "# /lib/systemd/system/docker.service\n[Service]\nTimeoutStartSec=0\n{unit}\n\n# {ours}\n[Service]\n\
             TimeoutStopSec=660\n\n# /etc/systemd/system/docker.service.d/zz.conf\n[Service]\n{drop_in}\n"
        )
    };
    let limit = |s: u64| Some(Duration::from_secs(s));
    for (unit, drop_in, set) in [
        ("", "", None),
        ("TimeoutStopSec=120", "", limit(120)),
        ("TimeoutStopSec=120", "TimeoutStopSec = 2min", limit(120)),
        ("TimeoutSec=0", "", Some(Duration::MAX)),
        ("TimeoutStopSec=30", "TimeoutStopSec=infinity", Some(Duration::MAX)),
        ("TimeoutStopSec=30", "TimeoutStopSec=soon", limit(30)),
    ] {
        assert_eq!(stop_timeout_of(&files(unit, drop_in), ours), set, "{unit} {drop_in}");
    }
}

#[test]
fn the_state_of_a_unit_is_read() {
    let state =
        UnitState::parse("Job=1234\nResult=success\nLoadState=loaded\nActiveState=activating\nUnitFileState=enabled\n");
    assert!(state.exists() && state.queued);
    assert_eq!((state.active.as_str(), state.enabled.as_str()), ("activating", "enabled"));
    let none = UnitState::parse("Job=0\nLoadState=not-found\nActiveState=inactive\n");
    assert!(!none.exists() && !none.queued);
}
