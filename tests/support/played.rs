//! The body of an answer that ends as told.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::Frame;

use super::http::End;

/// How long a server that breaks off has for what it has said before.
const FLUSH: Duration = Duration::from_millis(30);

/// A body that ends as told.
pub(super) struct Played {
    data: Option<Bytes>,
    end: End,
    /// Until the connection breaks: what was said before is sent first.
    flush: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Played {
    pub(super) fn new(data: Bytes, end: End) -> Self {
        Self { data: Some(data).filter(|data| !data.is_empty()), end, flush: None }
    }
}

impl hyper::body::Body for Played {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match (self.data.take(), self.end) {
            (Some(data), _) => Poll::Ready(Some(Ok(Frame::data(data)))),
            (None, End::Whole | End::Silence) => Poll::Ready(None),
            (None, End::Cut(_) | End::Reset(_)) => {
                let flush = self.flush.get_or_insert_with(|| Box::pin(tokio::time::sleep(FLUSH)));
                flush.as_mut().poll(cx).map(|()| Some(Err(io::Error::other("cut"))))
            }
            (None, End::Hang(_)) => Poll::Pending,
        }
    }
}
