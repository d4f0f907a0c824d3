//! Where inspection is done, and how much memory it may take.
//!
//! Looking through some kilobytes takes microseconds; looking through megabytes that somebody made to be slow
//! takes seconds, and a worker that does it serves nobody else meanwhile. So everything above
//! [`INLINE_BYTES`] is read on threads of its own, of which one core's worth is never taken, in the order in
//! which it came. The workers stay free for the listener, for streams and for `/healthz`.
//!
//! Memory is bounded before it is taken. A tree of JSON can be many times as large as its text: what it may
//! need at most is counted first, which takes a fraction of the time of reading it. What can never fit is
//! refused; what does not fit now waits in its turn. Bodies on their way in are counted as they grow.

use crate::json::Value;
use crate::problem::{Code, Problem};
use http::StatusCode;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes up to which a text is read at once, on the worker that has it: even hostile text of this size takes
/// less than a millisecond, and ordinary text less than the way to another thread.
pub(crate) const INLINE_BYTES: usize = 8 << 10;

/// Memory that the tree of one text may need, at the least; more where larger bodies are allowed.
const TREE_BYTES: usize = 128 << 20;

/// Bodies of the largest size that a tree may have the memory of: ordinary text needs about one.
const TREE_BODIES: usize = 4;

/// Trees of the largest kind that fit at once.
const TREES: usize = 4;

/// Bodies of the largest size that may be on their way in, or kept for their calls, at once.
const BODIES: usize = 16;

/// Bytes of a body that are not counted: with all places taken they are 64 MB.
const FREE_BYTES: usize = 64 << 10;

/// How long a body waits for the memory that others hold.
const WAIT: Duration = Duration::from_secs(30);

/// The unit in which memory is counted, so that numbers of permits stay small.
const UNIT_BYTES: usize = 1 << 10;

/// Memory of one value in a tree: the value itself, and a list that has just doubled.
const VALUE_BYTES: usize = 2 * size_of::<Value<'static>>();

/// The threads and the memory that all calls share.
pub(crate) struct Inspectors {
    seats: Arc<Semaphore>,
    trees: Arc<Semaphore>,
    /// Memory that one tree may need.
    tree_bytes: usize,
    bodies: Arc<Semaphore>,
}

/// Memory of a body, given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct BodyMemory(Option<OwnedSemaphorePermit>);

impl Inspectors {
    /// Those of this machine, for bodies of at most this size.
    pub(crate) fn new(body_bytes: usize) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self::with_seats(cores.saturating_sub(1).max(1), body_bytes)
    }

    fn with_seats(seats: usize, body_bytes: usize) -> Self {
        let tree_bytes = TREE_BYTES.max(body_bytes.saturating_mul(TREE_BODIES));
        Inspectors {
            seats: Arc::new(Semaphore::new(seats)),
            trees: Arc::new(Semaphore::new(units(tree_bytes.saturating_mul(TREES)))),
            tree_bytes,
            bodies: Arc::new(Semaphore::new(units(body_bytes.saturating_mul(BODIES)))),
        }
    }

    /// Whether the tree of a text could ever be held; counted without making it.
    ///
    /// # Errors
    /// The refusal, as that of a request.
    pub(crate) fn fits(&self, text: &[u8]) -> Result<(), Problem> {
        if text.len() <= INLINE_BYTES || tree_bytes(text) <= self.tree_bytes {
            return Ok(());
        }
        Err(Problem::new(
            Code::InvalidRequest,
            format!(
                "The request body holds so many small values that reading it would take more than {} MiB.",
                self.tree_bytes >> 20
            ),
        )
        .hint("Send fewer values at once. limits.body_bytes in gateway/config.yml raises this bound with it.")
        .status(StatusCode::PAYLOAD_TOO_LARGE))
    }

    /// Does work on a text: at once where it is small, else on a thread for that, in turn. When the caller
    /// leaves before its turn, the work is dropped; when it leaves after, what the work gives is.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        text: &[u8],
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if text.len() <= INLINE_BYTES {
            return work();
        }
        let memory = units(tree_bytes(text).min(self.tree_bytes));
        let seat = self.seats.clone().acquire_owned().await;
        let memory = self.trees.clone().acquire_many_owned(permits(memory)).await;
        let held = seat.ok().zip(memory.ok());
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(held);
            done
        });
        match done.await {
            Ok(done) => done,
            // A panic is a defect of ours, and is answered where those of a call are.
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The program ends, and nobody waits for this any more.
                Err(_) => std::future::pending().await,
            },
        }
    }

    /// Memory for a body that has grown by so many bytes to this length.
    ///
    /// # Errors
    /// When others hold it for too long.
    pub(crate) async fn grow(
        &self,
        memory: &mut BodyMemory,
        length: usize,
        by: usize,
    ) -> Result<(), Problem> {
        let before = length.saturating_sub(by);
        let more = units(length.saturating_sub(FREE_BYTES)) - units(before.saturating_sub(FREE_BYTES));
        if more == 0 {
            return Ok(());
        }
        let taken = self.bodies.clone().acquire_many_owned(permits(more));
        match tokio::time::timeout(WAIT, taken).await {
            Ok(Ok(permit)) => {
                match &mut memory.0 {
                    Some(held) => held.merge(permit),
                    None => memory.0 = Some(permit),
                }
                Ok(())
            }
            _ => {
                Err(Problem::new(Code::InvalidRequest, "Too many large calls are in progress for this one.")
                    .hint("Try again in a moment.")
                    .status(StatusCode::SERVICE_UNAVAILABLE))
            }
        }
    }

    /// Takes every seat until the permit is dropped, as texts that are slow to read do.
    #[cfg(test)]
    async fn hold_all(&self) -> OwnedSemaphorePermit {
        let all = u32::try_from(self.seats.available_permits()).unwrap();
        self.seats.clone().acquire_many_owned(all).await.unwrap()
    }
}

/// The most memory that the tree of a JSON text can take: its own bytes, and a value for each sign that can
/// stand before one. Signs inside of texts count as well, which is little in ordinary words.
fn tree_bytes(text: &[u8]) -> usize {
    let signs = |chunk: &[u8]| {
        // Small sums let the compiler count many bytes at once.
        let found = chunk.iter().map(|byte| u8::from(matches!(byte, b',' | b':' | b'[' | b'{')));
        usize::from(found.fold(0u8, |sum, one| sum.wrapping_add(one)))
    };
    let values: usize = text.chunks(255).map(signs).sum();
    text.len() + (values + 1) * VALUE_BYTES
}

fn units(bytes: usize) -> usize {
    bytes.div_ceil(UNIT_BYTES).min(Semaphore::MAX_PERMITS)
}

fn permits(units: usize) -> u32 {
    u32::try_from(units).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[tokio::test]
    async fn small_texts_are_read_while_all_seats_are_taken() {
        let inspectors = Inspectors::with_seats(2, 1 << 20);
        let _held = inspectors.hold_all().await;
        assert_eq!(inspectors.run(&[b'x'; INLINE_BYTES], || 1).await, 1);
        let large = [b'x'; INLINE_BYTES + 1];
        let waiting = inspectors.run(&large, || 2);
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
    }

    #[tokio::test]
    async fn large_texts_are_read_in_the_order_in_which_they_came() {
        let inspectors = Arc::new(Inspectors::with_seats(1, 1 << 20));
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = inspectors.hold_all().await;
        let reading: Vec<_> = (0..5)
            .map(|number| {
                let (inspectors, order) = (inspectors.clone(), order.clone());
                tokio::spawn(async move {
                    let note = move || order.lock().unwrap().push(number);
                    inspectors.run(&vec![b'x'; INLINE_BYTES + 1], note).await;
                })
            })
            .collect();
        while Arc::strong_count(&inspectors) < 6 {
            tokio::task::yield_now().await;
        }
        tokio::task::yield_now().await;
        drop(held);
        for one in reading {
            one.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_panic_while_reading_is_the_callers_and_gives_its_seat_back() {
        let inspectors = Arc::new(Inspectors::with_seats(1, 1 << 20));
        let failing = tokio::spawn({
            let inspectors = inspectors.clone();
            async move { inspectors.run(&[b'x'; INLINE_BYTES + 1], || panic!("a defect")).await }
        });
        assert!(failing.await.unwrap_err().is_panic());
        assert_eq!(inspectors.run(&[b'x'; INLINE_BYTES + 1], || 7).await, 7);
    }

    #[test]
    fn many_small_values_are_refused_and_as_many_bytes_of_prose_are_not() {
        let inspectors = Inspectors::with_seats(1, 32 << 20);
        for value in ["1,", "[],", "\"\",", "{\"a\":1},", "null,"] {
            let text = format!("[{}1]", value.repeat((16 << 20) / value.len()));
            let problem = inspectors.fits(text.as_bytes()).unwrap_err();
            assert_eq!(problem.status, StatusCode::PAYLOAD_TOO_LARGE, "{value}");
        }
        let prose = "Words of a long text, with a comma now and then: as people write. ".repeat(450_000);
        assert!(prose.len() > 28 << 20);
        assert!(inspectors.fits(prose.as_bytes()).is_ok());
        // The largest bundle of token ids that a provider takes.
        assert!(inspectors.fits("100257,".repeat(300_000).as_bytes()).is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_wait_for_each_others_memory_and_not_for_ever() {
        let inspectors = Inspectors::with_seats(1, 1 << 20);
        let mut held = Vec::new();
        for _ in 0..BODIES {
            let mut memory = BodyMemory::default();
            let length = (1 << 20) + FREE_BYTES;
            inspectors.grow(&mut memory, length, length).await.unwrap();
            held.push(memory);
        }
        let mut late = BodyMemory::default();
        inspectors.grow(&mut late, FREE_BYTES, FREE_BYTES).await.unwrap();
        let refused = inspectors.grow(&mut late, FREE_BYTES + 4096, 4096).await.unwrap_err();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        held.pop();
        inspectors.grow(&mut late, FREE_BYTES + 4096, 4096).await.unwrap();
    }
}
