use std::{cell::RefCell, collections::BTreeMap};

use async_trait::async_trait;

use super::*;
use crate::{
    error::{Cause, Class, Error},
    execute::testing::StillClock,
    redact::Secret,
    testing::{self, Bucket, Played},
    world::{Clock as _, CloudApi, Imds, LifecycleCall, RegistryLogin},
};

/// The hooks of a group, on a clock: from when an action waits, by hook, and what was asked, as `second hook what`.
struct Group {
    clock: Rc<StillClock>,
    /// Target states, each from its second on.
    states: Vec<(u64, Option<&'static str>)>,
    /// Actions that wait from a second on, in order, until they are answered.
    actions: RefCell<Vec<(u64, &'static str)>>,
    /// Errors that answer first.
    fail: RefCell<Vec<Error>>,
    asked: RefCell<Vec<String>>,
}

impl Group {
    fn second(&self) -> u64 {
        self.clock.now().as_secs()
    }
}

#[async_trait(?Send)]
impl Imds for Group {
    async fn get(&self, path: &str) -> Result<Option<String>> {
        assert_eq!(path, "meta-data/autoscaling/target-lifecycle-state");
        let state = self.states.iter().rev().find(|(from, _)| *from <= self.second());
        Ok(state.and_then(|(_, state)| *state).map(str::to_owned))
    }
}

#[async_trait(?Send)]
impl CloudApi for Group {
    async fn tags(&self, _: &str, _: &str) -> Result<BTreeMap<String, String>> {
        unreachable!()
    }
    async fn parameter(&self, _: &str, _: &str) -> Result<Secret<String>> {
        unreachable!()
    }
    async fn secret(&self, _: &str, _: &str, _: Option<&str>) -> Result<Secret<String>> {
        unreachable!()
    }
    async fn registry_login(&self, _: &str, _: &str) -> Result<RegistryLogin> {
        unreachable!()
    }
    async fn lifecycle(&self, region: &str, call: &LifecycleCall) -> Result<bool> {
        assert_eq!((region, call.group.as_str(), call.instance.as_str()), ("eu-west-1", "shop", "i-1"));
        let what = call.verdict.map_or("beat", Verdict::name);
        let mut actions = self.actions.borrow_mut();
        let found = actions.iter().position(|(from, hook)| *from <= self.second() && *hook == call.hook);
        let mark = if found.is_some() { "" } else { "?" };
        self.asked.borrow_mut().push(format!("{} {} {what}{mark}", self.second(), call.hook));
        if !self.fail.borrow().is_empty() {
            return Err(self.fail.borrow_mut().remove(0));
        }
        if let (Some(at), Some(_)) = (found, call.verdict) {
            actions.remove(at);
        }
        Ok(found.is_some())
    }
}

struct Came {
    asked: Vec<String>,
    told: Vec<String>,
    stopped_at: Option<u64>,
}

/// Follows a group: how the run stands from each second on, and how long the containers take to stop.
fn follow(
    states: &[(u64, Option<&'static str>)],
    actions: &[(u64, &'static str)],
    fail: Vec<Error>,
    runs: &[(u64, Run)],
    stop: Result<u64>,
) -> Came {
    let clock = Rc::new(StillClock::default());
    let (states, actions) = (states.to_vec(), RefCell::new(actions.to_vec()));
    let group =
        Rc::new(Group { clock: clock.clone(), states, actions, fail: RefCell::new(fail), asked: RefCell::default() });
    let rest = testing::world(&Played::new(), group.clone(), group.clone(), &Bucket::new(&[]));
    let world = World { clock: clock.clone(), ..rest };
    let member = Member { region: "eu-west-1".into(), instance: "i-1".into(), group: "shop".into() };
    let hooks = Hooks { launch: Some("up".into()), terminate: Some("down".into()) };
    let (told, stopped) = (RefCell::new(Vec::new()), RefCell::new(None));
    let tell = |line: &str| told.borrow_mut().push(line.to_owned());
    let run =
        || runs.iter().rev().find(|(from, _)| *from <= group.second()).map_or(Run::UnderWay, |(_, run)| run.clone());
    let stop = async || {
        let (takes, result) = match stop.clone() {
            Ok(takes) => (takes, Ok(0)),
            Err(err) => (0, Err(err)),
        };
        // In small steps: on this clock, what sleeps at the same time sleeps one after the other.
        for _ in 0..takes {
            world.clock.sleep(Duration::from_secs(1)).await;
        }
        *stopped.borrow_mut() = Some(group.second());
        result
    };
    let follow = Lifecycle { world: &world, member: &member, hooks: &hooks, tell: &tell };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(follow.follow(run, stop));
    drop(world);
    Came { asked: group.asked.take(), told: told.take(), stopped_at: stopped.take() }
}

const IN_SERVICE: (u64, Option<&str>) = (0, Some("InService"));

#[test]
fn a_launch_goes_on_once_the_run_is_ready_and_is_kept_waiting_until_then() {
    let done = follow(&[IN_SERVICE, (300, None)], &[(0, "up")], vec![], &[(150, Run::Ready)], Ok(0));
    assert_eq!(done.asked, ["0 up beat", "60 up beat", "120 up beat", "150 up CONTINUE"]);
    assert!(done.told.is_empty() && done.stopped_at.is_none());
}

#[test]
fn a_run_that_failed_for_good_gives_the_instance_up_with_one_line() {
    let failed = Run::Failed("the run failed with exit code 3".into());
    let done = follow(&[IN_SERVICE, (300, None)], &[(0, "up")], vec![], &[(10, failed)], Ok(0));
    assert_eq!(done.asked, ["0 up beat", "10 up ABANDON"]);
    let line = "answered ABANDON to hook up, group shop gives up i-1: the run failed with exit code 3";
    assert_eq!(done.told, [line]);
}

#[test]
fn an_action_may_be_late_and_one_that_never_comes_is_given_up() {
    let done = follow(&[IN_SERVICE, (300, None)], &[(12, "up")], vec![], &[(30, Run::Ready)], Ok(0));
    assert_eq!(done.asked, ["0 up beat?", "5 up beat?", "10 up beat?", "15 up beat", "30 up CONTINUE"]);
    let done = follow(&[IN_SERVICE, (1000, None)], &[], vec![], &[(0, Run::Ready)], Ok(0));
    assert_eq!(done.asked.len(), 13, "{:?}", done.asked);
    assert_eq!(done.asked.last().unwrap(), "60 up CONTINUE?");
    // While the run is under way it is looked for less often, and the answer comes all the same.
    let done = follow(&[IN_SERVICE, (1000, None)], &[(150, "up")], vec![], &[(200, Run::Ready)], Ok(0));
    assert_eq!(done.asked[11..], ["55 up beat?", "60 up beat?", "120 up beat?", "180 up beat", "200 up CONTINUE"]);
}

#[test]
fn a_warm_pool_passes_the_launch_hook_once_more_on_its_way_out() {
    let states = [(0, Some("Warmed:Running")), (100, Some("InService")), (300, None)];
    let done = follow(&states, &[(0, "up"), (100, "up")], vec![], &[(20, Run::Ready)], Ok(0));
    assert_eq!(done.asked, ["0 up beat", "20 up CONTINUE", "100 up CONTINUE"]);
    // Back into the pool it passes the other one; one that goes on running keeps its containers.
    for (pool, stops) in [("Warmed:Stopped", true), ("Warmed:Running", false), ("Warmed:Hibernated", false)] {
        let states = [IN_SERVICE, (100, Some(pool)), (600, Some("InService")), (900, None)];
        let done = follow(&states, &[(0, "up"), (100, "down"), (600, "up")], vec![], &[(0, Run::Ready)], Ok(20));
        assert_eq!(done.stopped_at.is_some(), stops, "{pool}");
        let answers: Vec<&str> = done.asked.iter().filter_map(|line| Some(line.split_once(' ')?.1)).collect();
        let answers: Vec<&str> = answers.into_iter().filter(|line| !line.ends_with("beat")).collect();
        assert_eq!(answers, ["up CONTINUE", "down CONTINUE", "up CONTINUE"], "{pool}: {:?}", done.asked);
    }
    let states = [(0, Some("Standby")), (300, None)];
    assert!(follow(&states, &[(0, "up")], vec![], &[(0, Run::Ready)], Ok(0)).asked.is_empty());
}

#[test]
fn what_is_refused_is_asked_again_every_minute_and_what_fails_at_once() {
    let error = |class| Error::new(Cause::CloudDenied, "no").class(class);
    let done = follow(&[IN_SERVICE, (300, None)], &[(0, "up")], vec![error(Class::Denied)], &[(0, Run::Ready)], Ok(0));
    assert_eq!(done.asked, ["0 up CONTINUE", "60 up CONTINUE"]);
    let fail = vec![error(Class::Transient), error(Class::Throttled)];
    let done = follow(&[IN_SERVICE, (300, None)], &[(0, "up")], fail, &[(0, Run::Ready)], Ok(0));
    assert_eq!(done.asked, ["0 up CONTINUE", "5 up CONTINUE", "10 up CONTINUE"]);
}

#[test]
fn containers_have_stopped_before_the_instance_is_terminated() {
    for state in ["Terminated", "Warmed:Terminated"] {
        let actions = [(0, "up"), (100, "down")];
        let done = follow(&[IN_SERVICE, (100, Some(state))], &actions, vec![], &[(0, Run::Ready)], Ok(150));
        let (last, beats) = done.asked.split_last().unwrap();
        let at = |line: &str| line.split(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(last.ends_with(" down CONTINUE") && at(last) >= done.stopped_at.unwrap(), "{:?}", done.asked);
        assert_eq!(beats[..2], ["0 up CONTINUE", "100 down beat"]);
        assert!(beats.len() > 3 && beats[1..].iter().all(|b| b.ends_with(" down beat")), "{beats:?}");
    }
    // A launch that is under way ends with it, and what does not stop holds nothing up.
    let broken = Err(Error::new(Cause::EngineUnreachable, "no answer"));
    let done = follow(&[IN_SERVICE, (10, Some("Terminated"))], &[(0, "up"), (0, "down")], vec![], &[], broken);
    assert_eq!(done.asked.last().unwrap(), "10 down CONTINUE");
    assert!(!done.asked.iter().any(|line| line.contains("up CONTINUE")));
}

#[test]
fn an_instance_of_no_group_has_nothing_to_answer() {
    let done = follow(&[(0, None)], &[(0, "up")], vec![], &[(0, Run::Ready)], Ok(0));
    assert!(done.asked.is_empty());
}
