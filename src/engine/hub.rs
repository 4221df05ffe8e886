//! One stream of events for all who follow the same containers.

use std::cell::RefCell;

use futures_util::{Stream, StreamExt, stream::LocalBoxStream};
use tokio::sync::broadcast::{self, Receiver, WeakSender, error::RecvError};

use crate::{
    error::{Cause, Error, Result},
    world::EngineEvent,
};

/// Events that one who follows may be behind; who misses some looks again.
const BEHIND: usize = 1024;

type Sent = Result<EngineEvent>;

/// The stream that is under way, by its filter.
#[derive(Default)]
pub(super) struct Hub(RefCell<Option<(Vec<String>, WeakSender<Sent>)>>);

impl Hub {
    /// Follows the stream for `filter`; `open` opens it unless somebody follows it already.
    pub(super) fn follow<S>(&self, filter: &[String], open: impl FnOnce() -> S) -> LocalBoxStream<'static, Sent>
    where
        S: Stream<Item = Sent> + Send + 'static,
    {
        let known = self.0.borrow().as_ref().filter(|(known, _)| known == filter).and_then(|(_, all)| all.upgrade());
        let receiver = if let Some(sender) = known {
            sender.subscribe()
        } else {
            let (sender, receiver) = broadcast::channel(BEHIND);
            self.0.replace(Some((filter.to_vec(), sender.downgrade())));
            tokio::spawn(forward(open(), sender));
            receiver
        };
        received(receiver).boxed_local()
    }
}

/// Hands on what comes until nobody follows any more.
async fn forward(stream: impl Stream<Item = Sent>, sender: broadcast::Sender<Sent>) {
    let mut stream = std::pin::pin!(stream);
    loop {
        let event = tokio::select! {
            event = stream.next() => event,
            () = sender.closed() => None,
        };
        let Some(event) = event else { return };
        let broken = event.is_err();
        if sender.send(event).is_err() || broken {
            return;
        }
    }
}

fn received(receiver: Receiver<Sent>) -> impl Stream<Item = Sent> {
    futures_util::stream::unfold(receiver, |mut receiver| async move {
        let event = match receiver.recv().await {
            Ok(event) => event,
            Err(RecvError::Closed) => return None,
            Err(RecvError::Lagged(count)) => {
                let message = format!("could not keep up with the engine: {count} events were missed");
                Err(Error::new(Cause::EngineUnreachable, message).transient())
            }
        };
        Some((event, receiver))
    })
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use futures_util::stream;

    use super::*;

    fn event(container: &str) -> EngineEvent {
        EngineEvent { container: container.into(), action: "start".into() }
    }

    #[tokio::test]
    async fn all_who_follow_share_one_stream() {
        let (hub, opened) = (Hub::default(), Cell::new(0));
        let filter = ["a=b".to_owned()];
        let follow = || {
            hub.follow(&filter, || {
                opened.set(opened.get() + 1);
                stream::iter([Ok(event("1")), Ok(event("2"))])
            })
        };
        let (mut first, mut second) = (follow(), follow());
        for follower in [&mut first, &mut second] {
            assert_eq!(follower.next().await.unwrap().unwrap().container, "1");
            assert_eq!(follower.next().await.unwrap().unwrap().container, "2");
            assert!(follower.next().await.is_none());
        }
        assert_eq!(opened.get(), 1);
        // What has ended is opened again.
        assert_eq!(follow().next().await.unwrap().unwrap().container, "1");
        assert_eq!(opened.get(), 2);
    }

    #[tokio::test]
    async fn stream_ends_with_the_last_follower() {
        let hub = Hub::default();
        let (open, mut closed) = tokio::sync::mpsc::channel::<()>(1);
        let follower = hub.follow(&[], move || stream::pending().map(move |event| (event, open.clone()).0));
        drop(follower);
        let ended = tokio::time::timeout(Duration::from_secs(60), closed.recv()).await;
        assert_eq!(ended, Ok(None));
    }
}
