//! Places for connections, and which connection gives its place up when they run out.
//!
//! A connection that waits for its caller costs us a place and the caller nothing. While there are places
//! that harms nobody. When the last one is taken and somebody else knocks, the connection that has been idle
//! for longest is closed; where none is idle, the one that has waited longest for a caller who sends its
//! body or reads its answer too slowly. A connection whose call is being worked on is never closed for another.

use hyper::body::{Body, Frame, SizeHint};
use std::collections::HashMap;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, Sleep};

/// Time that a caller in the middle of a call has before it may lose its place: a slow network is no attack.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often it is looked for a place while none can be given up.
const LOOK: Duration = Duration::from_millis(250);

/// All places.
pub(crate) struct Places {
    limit: usize,
    started: Instant,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    next: u64,
    by_id: HashMap<u64, Arc<Seat>>,
}

/// What is known of one connection.
struct Seat {
    /// What it waits for its caller for, and since when: see [`Waits`]. 0 while its call is worked on.
    waits: AtomicU64,
    /// Whether it was asked to close.
    is_closing: AtomicBool,
    close: Notify,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Waits {
    /// The next request, or its first.
    Idle = 1,
    /// The rest of a body, or that the caller reads.
    InCall = 2,
}

/// A connection's place, until dropped.
#[derive(Clone)]
pub(crate) struct Place(Arc<Held>);

struct Held {
    places: Arc<Places>,
    id: u64,
    seat: Arc<Seat>,
}

impl Places {
    /// So many places.
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Places {
            limit: limit.max(1),
            started: Instant::now(),
            taken: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// A place for a connection that has arrived. Where none is free, the connection that most deserves it is
    /// asked to close; where none does, it waits.
    pub(crate) async fn take(self: &Arc<Self>) -> Place {
        loop {
            let freed = self.freed.notified();
            if let Some(place) = self.try_take() {
                return place;
            }
            // What is being worked on may begin to wait for its caller at any time.
            let _ = tokio::time::timeout(LOOK, freed).await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Place> {
        let mut taken = self.taken();
        if taken.by_id.len() >= self.limit {
            self.ask_one_to_close(&taken);
            return None;
        }
        let id = taken.next;
        taken.next += 1;
        let seat = Arc::new(Seat {
            waits: AtomicU64::new(0),
            is_closing: AtomicBool::new(false),
            close: Notify::new(),
        });
        taken.by_id.insert(id, seat.clone());
        drop(taken);
        let place = Place(Arc::new(Held { places: self.clone(), id, seat }));
        place.is_idle();
        Some(place)
    }

    /// One at a time: somebody who was asked already is about to go.
    fn ask_one_to_close(&self, taken: &Taken) {
        if taken.by_id.values().any(|seat| seat.is_closing.load(Ordering::Relaxed)) {
            return;
        }
        let now = self.millis();
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let candidates = taken.by_id.iter().filter_map(|(id, seat)| {
            let (waits, since) = decoded(seat.waits.load(Ordering::Relaxed))?;
            let may_go = waits == Waits::Idle || now.saturating_sub(since) >= patience;
            // Of two in the same millisecond the one that came first.
            may_go.then_some(((waits, since, *id), seat))
        });
        if let Some((_, seat)) = candidates.min_by_key(|(order, _)| *order) {
            seat.is_closing.store(true, Ordering::Relaxed);
            seat.close.notify_one();
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    fn count(&self) -> usize {
        self.taken().by_id.len()
    }
}

impl Place {
    /// Resolves when somebody else needs the place and the connection still waits for its caller. One whose caller
    /// has moved meanwhile keeps its place, and another is asked.
    pub(crate) async fn is_wanted(&self) {
        loop {
            self.0.seat.close.notified().await;
            if self.0.seat.waits.load(Ordering::Relaxed) != 0 {
                return;
            }
            self.0.seat.is_closing.store(false, Ordering::Relaxed);
            self.0.places.freed.notify_waiters();
        }
    }

    /// Whether the connection has no call at the moment: then nothing is lost with it.
    pub(crate) fn has_no_call(&self) -> bool {
        decoded(self.0.seat.waits.load(Ordering::Relaxed)).is_some_and(|(waits, _)| waits == Waits::Idle)
    }

    /// The next request is waited for.
    pub(crate) fn is_idle(&self) {
        self.waits(Waits::Idle);
    }

    /// The caller's call is worked on.
    pub(crate) fn is_busy(&self) {
        self.0.seat.waits.store(0, Ordering::Relaxed);
    }

    /// The caller has to send or read before the call goes on. What it waits for longest counts.
    fn is_blocked(&self) {
        if self.0.seat.waits.load(Ordering::Relaxed) == 0 {
            self.waits(Waits::InCall);
        }
    }

    /// The caller did; whether its call is over by now is another matter.
    fn goes_on(&self) {
        if decoded(self.0.seat.waits.load(Ordering::Relaxed)).is_some_and(|(waits, _)| waits == Waits::InCall)
        {
            self.is_busy();
        }
    }

    fn waits(&self, waits: Waits) {
        let encoded = (self.0.places.millis() << 2) | waits as u64;
        self.0.seat.waits.store(encoded, Ordering::Relaxed);
    }
}

fn decoded(encoded: u64) -> Option<(Waits, u64)> {
    let waits = match encoded & 3 {
        1 => Waits::Idle,
        2 => Waits::InCall,
        _ => return None,
    };
    Some((waits, encoded >> 2))
}

impl Drop for Held {
    fn drop(&mut self) {
        self.places.taken().by_id.remove(&self.id);
        self.places.freed.notify_waiters();
    }
}

/// A request's body, on its way in. While more of it is due the connection waits for its caller.
pub(crate) struct Arriving<B> {
    body: B,
    place: Place,
    /// When the rest of the body was first waited for. Bytes that trickle in do not begin it anew.
    is_waited_for: bool,
}

impl<B> Arriving<B> {
    pub(crate) fn new(body: B, place: Place) -> Self {
        Arriving { body, place, is_waited_for: false }
    }
}

impl<B: Body + Unpin> Body for Arriving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if polled.is_pending() && !self.is_waited_for {
            self.is_waited_for = true;
            self.place.is_blocked();
        }
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.place.goes_on();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Arriving<B> {
    /// Whole, refused or given up: what comes next is our turn.
    fn drop(&mut self) {
        if self.is_waited_for {
            self.place.goes_on();
        }
    }
}

/// An answer's body, on its way out. Its end leaves the connection idle.
pub(crate) struct Leaving<B> {
    body: B,
    place: Place,
}

impl<B> Leaving<B> {
    pub(crate) fn new(body: B, place: Place) -> Self {
        Leaving { body, place }
    }
}

impl<B: Body + Unpin> Body for Leaving<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for Leaving<B> {
    fn drop(&mut self) {
        self.place.is_idle();
    }
}

/// A connection that ends when its caller takes nothing for too long.
pub(crate) struct Watched<S> {
    stream: S,
    place: Place,
    /// How long nothing may be taken.
    limit: Duration,
    /// Runs while something waits to be taken.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, place: Place, limit: Duration) -> Self {
        Watched { stream, place, limit, deadline: None }
    }

    /// Passes a result of writing on; one that waits runs against the deadline.
    fn bounded<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            if self.deadline.take().is_some() {
                self.place.goes_on();
            }
            return polled;
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        self.place.is_blocked();
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller does not read its answer")))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bounded(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.bounded(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        self.bounded(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bounded(cx, polled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    /// Whether the holder of this place was asked to go.
    async fn is_asked(place: &Place) -> bool {
        tokio::time::timeout(Duration::from_millis(1), place.is_wanted()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_one_that_was_idle_for_longest_makes_room_and_a_busy_one_never() {
        let places = Places::new(3);
        let busy = places.take().await;
        busy.is_busy();
        let older = places.take().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let younger = places.take().await;
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        older.is_wanted().await;
        assert!(!is_asked(&younger).await && !is_asked(&busy).await);
        assert!(!waiting.is_finished());
        drop(older);
        let _new = waiting.await.unwrap();
        assert_eq!(places.count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn of_those_idle_since_the_same_moment_the_first_makes_room() {
        let places = Places::new(32);
        let mut held = Vec::new();
        for _ in 0..32 {
            held.push(places.take().await);
        }
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        held[0].is_wanted().await;
        drop(held.remove(0));
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_begins_a_call_as_it_is_asked_keeps_its_place_and_the_next_is_asked() {
        let places = Places::new(2);
        let first = places.take().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = places.take().await;
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        while !first.0.seat.is_closing.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        first.is_busy();
        tokio::select! {
            () = first.is_wanted() => panic!("it has a call"),
            () = second.is_wanted() => {}
        }
        drop(second);
        waiting.await.unwrap();
        assert!(!first.0.seat.is_closing.load(Ordering::Relaxed));
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_waits_for_its_caller_gives_way_only_after_a_while() {
        let places = Places::new(1);
        let slow = places.take().await;
        slow.is_busy();
        slow.is_blocked();
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        tokio::time::sleep(PATIENCE - LOOK * 2).await;
        assert!(!is_asked(&slow).await);
        tokio::time::sleep(LOOK * 4).await;
        assert!(is_asked(&slow).await);
        drop(slow);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_trickle_in_do_not_begin_the_wait_anew() {
        let places = Places::new(1);
        let place = places.take().await;
        place.is_busy();
        let (sender, receiver) = tokio::sync::mpsc::channel::<u8>(1);
        let frames = futures::stream::unfold(receiver, |mut receiver| async move {
            let byte = receiver.recv().await?;
            Some((Ok::<_, io::Error>(Frame::data(bytes::Bytes::from(vec![byte]))), receiver))
        });
        let mut body = Arriving::new(Box::pin(http_body_util::StreamBody::new(frames)), place.clone());
        let reading = tokio::spawn(async move {
            while let Some(Ok(_)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {}
        });
        for _ in 0..6 {
            sender.send(b'x').await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let waiting = tokio::spawn({
            let places = places.clone();
            async move { places.take().await }
        });
        place.is_wanted().await;
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        drop(place);
        waiting.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_does_not_read_is_left_and_a_slow_one_is_not() {
        let places = Places::new(1);
        let limit = Duration::from_secs(3);
        let (ours, mut theirs) = tokio::io::duplex(16);
        let place = places.take().await;
        let writing = tokio::spawn(async move {
            let mut watched = Watched::new(ours, place, limit);
            watched.write_all(&[b'x'; 64]).await
        });
        let mut piece = [0; 16];
        for _ in 0..2 {
            tokio::time::sleep(limit - Duration::from_millis(10)).await;
            theirs.read_exact(&mut piece).await.unwrap();
        }
        assert!(!writing.is_finished());
        tokio::time::sleep(limit * 2).await;
        assert_eq!(writing.await.unwrap().unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
