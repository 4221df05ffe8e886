use std::{cell::Cell, rc::Rc, time::Duration};

use super::*;
use crate::error::Cause;

/// A clock on which waiting takes no time.
struct Played(Cell<Duration>);

#[async_trait::async_trait(?Send)]
impl Clock for Played {
    fn now(&self) -> Duration {
        self.0.get()
    }
    async fn sleep(&self, wait: Duration) {
        // One turn of the scheduler, so that a ready operation wins over its timer.
        tokio::task::yield_now().await;
        self.0.set(self.0.get() + wait);
    }
}

fn retry(deadline: u64) -> (Retry, Rc<Played>) {
    let clock = Rc::new(Played(Cell::new(Duration::ZERO)));
    (Retry::new(clock.clone(), Some(Duration::from_secs(deadline))), clock)
}

fn failing(class: Class) -> Error {
    Error::new(Cause::SourceUnreachable, "no").class(class)
}

#[tokio::test(flavor = "current_thread")]
async fn transient_errors_are_tried_until_the_deadline_and_told() {
    let (retry, clock) = retry(300);
    let err = retry.run("fetch", Policy::SERVICE, async |_| Err::<(), _>(failing(Class::Transient))).await.unwrap_err();
    assert!(err.message.contains(" tries in "), "{err}");
    assert!(clock.now() <= Duration::from_secs(300));
}

#[tokio::test(flavor = "current_thread")]
async fn a_permanent_error_is_tried_once() {
    let (retry, clock) = retry(300);
    let mut tries = 0;
    let result: Result<()> = retry
        .run("fetch", Policy::SERVICE, async |n| {
            tries = n;
            Err(failing(Class::Permanent))
        })
        .await;
    assert!(result.is_err());
    assert_eq!((tries, clock.now()), (1, Duration::ZERO));
}

#[tokio::test(flavor = "current_thread")]
async fn a_refused_permission_is_tried_again_only_while_roles_settle() {
    let (retry, clock) = retry(300);
    let retry = retry.settling(SETTLE);
    let err = retry.run("fetch", Policy::SERVICE, async |_| Err::<(), _>(failing(Class::Denied))).await.unwrap_err();
    assert!(err.message.contains("tries"), "{err}");
    assert!(clock.now() >= SETTLE && clock.now() < SETTLE + Duration::from_secs(21), "{:?}", clock.now());
}

#[tokio::test(flavor = "current_thread")]
async fn retry_after_is_followed_up_to_its_cap_and_never_past_the_deadline() {
    let (retry, clock) = retry(100);
    let asked = failing(Class::Transient).retry_after(Some(Duration::from_secs(3600)));
    let result: Result<()> = retry.run("fetch", Policy::SERVICE, async |_| Err(asked.clone())).await;
    assert!(result.is_err());
    assert_eq!(clock.now(), Duration::ZERO, "a wait that would pass the deadline is not begun");

    let (retry, clock) = super::tests::retry(1000);
    let mut first = true;
    let result = retry
        .run("fetch", Policy::SERVICE, async |_| if std::mem::take(&mut first) { Err(asked.clone()) } else { Ok(()) })
        .await;
    assert!(result.is_ok());
    assert!(clock.now() >= RETRY_AFTER_CAP && clock.now() < RETRY_AFTER_CAP + Duration::from_secs(1));
}

#[tokio::test(flavor = "current_thread")]
async fn an_attempt_that_hangs_is_cut_and_tried_again() {
    let (retry, _) = retry(300);
    let mut tries = 0;
    let result = retry
        .run("fetch", Policy::SERVICE, async |n| {
            tries = n;
            if n < 3 {
                std::future::pending::<()>().await;
            }
            Ok(n)
        })
        .await;
    assert_eq!(result.ok(), Some(3));
}

#[tokio::test(flavor = "current_thread")]
async fn an_attempt_that_the_deadline_cuts_does_not_hide_the_failure_before_it() {
    let (retry, _) = retry(30);
    let result: Result<()> = retry
        .run("fetch", Policy::SERVICE, async |n| {
            if n > 2 {
                std::future::pending::<()>().await;
            }
            Err(failing(Class::Transient))
        })
        .await;
    let err = result.unwrap_err();
    assert_eq!(err.cause, Cause::SourceUnreachable, "{err}");
    assert!(err.message.contains("(3 tries in 30 s)"), "{err}");
}

#[tokio::test(flavor = "current_thread")]
async fn without_patience_left_each_request_has_one_try_and_the_machine_itself_is_waited_for() {
    let (retry, clock) = retry(300);
    let told = Rc::new(Cell::new(0));
    let count = Rc::clone(&told);
    let retry = retry.patient(Some(Duration::ZERO)).witnessed(Rc::new(move |_, _| count.set(count.get() + 1)));
    for class in [Class::Transient, Class::Throttled] {
        let mut tries = 0;
        let op = async |n| {
            tries = n;
            Err::<(), _>(failing(class))
        };
        retry.run("fetch", Policy::SERVICE, op).await.unwrap_err();
        assert_eq!((tries, clock.now(), told.get()), (1, Duration::ZERO, 0), "{class:?}");
    }
    let mut down = 3;
    let op = async |_| {
        down -= 1;
        if down > 0 { Err(Error::new(Cause::EngineUnreachable, "no").transient()) } else { Ok(()) }
    };
    retry.run("ask the engine", Policy::SERVICE, op).await.unwrap();
    assert_eq!(told.get(), 2, "whoever watches is told of each");
}

#[tokio::test(flavor = "current_thread")]
async fn patience_ends_the_waiting_and_not_a_try_that_is_under_way() {
    let (retry, clock) = retry(300);
    let retry = retry.patient(Some(Duration::from_secs(30)));
    retry.run("fetch", Policy::SERVICE, async |_| Err::<(), _>(failing(Class::Transient))).await.unwrap_err();
    assert!(clock.now() < Duration::from_secs(30), "{:?}", clock.now());
    let slow = async |_| {
        clock.sleep(Duration::from_secs(40)).await;
        Ok(())
    };
    retry.run("fetch", Policy::SERVICE, slow).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn a_try_that_ends_itself_has_a_little_longer_than_the_deadline() {
    for (policy, ended) in [(Policy::ONCE, 30), (Policy::ONCE.ends_itself(), 45)] {
        let (retry, clock) = retry(30);
        let err = retry.run("install", policy, async |_| std::future::pending::<Result<()>>().await).await.unwrap_err();
        assert_eq!((err.cause, clock.now().as_secs()), (Cause::Deadline, ended));
    }
    let (retry, clock) = retry(30);
    let err = retry.backstop().bounded("watch", None, std::future::pending::<Result<()>>()).await.unwrap_err();
    assert_eq!((err.cause, clock.now().as_secs()), (Cause::Deadline, 45));
}
