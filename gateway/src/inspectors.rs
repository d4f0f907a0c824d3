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

use http::StatusCode;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zos_wire::json::Value;
use zos_wire::problem::{Code, Problem};

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

/// Signs that are counted in one byte; a multiple of what processors compare at once.
const SIGNS_AT_ONCE: usize = 192;

/// The threads and the memory that all calls share.
pub(crate) struct Inspectors {
    seats: Arc<Semaphore>,
    trees: Arc<Semaphore>,
    /// Memory that one tree may need.
    tree_bytes: usize,
    bodies: Arc<Semaphore>,
}

/// What reading a text may cost: nothing to speak of, or so many units of memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Weight(Option<usize>);

impl Weight {
    /// Whether the text is read at once.
    pub(crate) fn is_light(self) -> bool {
        self.0.is_none()
    }
}

/// A value that a thread for inspections has for a while, so that it need not be copied or locked.
pub(crate) struct Lent<T>(Option<T>);

impl<T> Lent<T> {
    /// A value that is here.
    pub(crate) fn new(value: T) -> Self {
        Lent(Some(value))
    }

    /// Whether it is here. Only who is dropped in the middle of an inspection finds it away: everybody else
    /// waits for the inspection.
    pub(crate) fn is_here(&self) -> bool {
        self.0.is_some()
    }

    /// Gives it away, to be [brought back](Lent::bring_back).
    pub(crate) fn lend(&mut self) -> T {
        self.0.take().expect("whoever lends waits until it is back, and holds the only reference until then")
    }

    /// Takes it back.
    pub(crate) fn bring_back(&mut self, value: T) {
        self.0 = Some(value);
    }
}

impl<T> Deref for Lent<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is away only while its one user waits for it")
    }
}

impl<T> DerefMut for Lent<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("it is away only while its one user waits for it")
    }
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

    /// Weighs a text that is to be read.
    ///
    /// # Errors
    /// The refusal, as that of a request, where its tree could never be held.
    pub(crate) fn weigh(&self, text: &[u8]) -> Result<Weight, Problem> {
        if text.len() <= INLINE_BYTES {
            return Ok(Weight(None));
        }
        let bytes = tree_bytes(text);
        if bytes <= self.tree_bytes {
            return Ok(Weight(Some(units(bytes))));
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

    /// Does work on a text of this weight: at once where it is small, else on a thread for that, in turn. When
    /// the caller leaves before its turn, the work is dropped; when it leaves after, what the work gives is.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        weight: Weight,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        let Weight(Some(units)) = weight else { return work() };
        let seat = self.seats.clone().acquire_owned().await;
        let memory = self.trees.clone().acquire_many_owned(permits(units)).await;
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
    let values: usize = text.chunks(SIGNS_AT_ONCE).map(signs).sum();
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

    fn weight(inspectors: &Inspectors, bytes: usize) -> Weight {
        inspectors.weigh(&vec![b'x'; bytes]).unwrap()
    }

    #[tokio::test]
    async fn small_texts_are_read_while_all_seats_are_taken() {
        let inspectors = Inspectors::with_seats(2, 1 << 20);
        let _held = inspectors.hold_all().await;
        assert_eq!(inspectors.run(weight(&inspectors, INLINE_BYTES), || 1).await, 1);
        let waiting = inspectors.run(weight(&inspectors, INLINE_BYTES + 1), || 2);
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
                    let weight = weight(&inspectors, INLINE_BYTES + 1);
                    inspectors.run(weight, note).await;
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
            async move { inspectors.run(weight(&inspectors, INLINE_BYTES + 1), || panic!("a defect")).await }
        });
        assert!(failing.await.unwrap_err().is_panic());
        assert_eq!(inspectors.run(weight(&inspectors, INLINE_BYTES + 1), || 7).await, 7);
    }

    #[test]
    fn many_small_values_are_refused_and_as_many_bytes_of_prose_are_not() {
        let inspectors = Inspectors::with_seats(1, 32 << 20);
        for value in ["1,", "[],", "\"\",", "{\"a\":1},", "null,"] {
            let text = format!("[{}1]", value.repeat((8 << 20) / value.len()));
            let problem = inspectors.weigh(text.as_bytes()).unwrap_err();
            assert_eq!(problem.status, StatusCode::PAYLOAD_TOO_LARGE, "{value}");
        }
        let prose = "Words of a long text, with a comma now and then: as people write. ".repeat(150_000);
        assert!(prose.len() > 9 << 20);
        assert!(inspectors.weigh(prose.as_bytes()).is_ok());
        // The largest bundle of token ids that a provider takes.
        assert!(inspectors.weigh("100257,".repeat(300_000).as_bytes()).is_ok());
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
