//! All helpers, and who gets how many of them. Owns the rule; knows nothing of what is worked on.

use std::{
    io,
    num::NonZeroUsize,
    panic::resume_unwind,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use ckks_core::Team;

use crate::seat::{Panic, Seat, Step};

/// How much longer than the longest piece of its own an evaluation waits for a helper before that is called late.
const TOLERANCE: Duration = Duration::from_micros(50);

/// How many times as long as it has kept somebody waiting a helper is not called: its core has other work, and no
/// more than this part of the time is lost on it.
const REST: u32 = 32;

/// The cores that evaluations share. Clones are the same pool; its threads end with the last of them and of its
/// members.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Owner>);

#[derive(Debug)]
struct Owner {
    shared: Arc<Shared>,
    helpers: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    cores: usize,
    /// Evaluations that run.
    evaluations: AtomicUsize,
    /// Cores that they take and that are lent to them. More than there are when an evaluation has begun while all
    /// were taken, until a helper leaves.
    busy: AtomicUsize,
    /// One for each core but that of the evaluation itself.
    seats: Box<[Seat]>,
    stopped: AtomicBool,
    made: Instant,
}

impl Shared {
    /// Takes idle cores for an evaluation that could use `wanted`; says how many.
    fn borrow(&self, wanted: usize) -> usize {
        let evaluations = self.evaluations.load(Ordering::Relaxed).max(1);
        let fair = self.cores.div_ceil(evaluations) - 1;
        let granted = |busy: usize| wanted.min(fair).min(self.cores.saturating_sub(busy));
        let take = |busy: usize| Some(busy + granted(busy)).filter(|&more| more > busy);
        let before = self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        before.map_or(0, granted)
    }

    fn give_back(&self, cores: usize) {
        self.busy.fetch_sub(cores, Ordering::Relaxed);
    }

    /// Whether there is no evaluation that lacks a core.
    fn suffices(&self) -> bool {
        self.busy.load(Ordering::Relaxed) <= self.cores
    }

    /// Whether an evaluation could call somebody now.
    fn has_idle_cores(&self) -> bool {
        self.evaluations.load(Ordering::Relaxed) > 0 && self.busy.load(Ordering::Relaxed) < self.cores
    }
}

impl Pool {
    /// A pool of so many cores, with a helper for each but one.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(cores: NonZeroUsize) -> io::Result<Self> {
        let cores = cores.get();
        let shared = Arc::new(Shared {
            cores,
            evaluations: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
            seats: (1..cores).map(|_| Seat::default()).collect(),
            stopped: AtomicBool::new(false),
            made: Instant::now(),
        });
        let mut owner = Owner { shared, helpers: Vec::with_capacity(cores - 1) };
        for index in 0..cores - 1 {
            let shared = Arc::clone(&owner.shared);
            let helper = thread::Builder::new().name(format!("help-{index}")).spawn(move || {
                shared.seats[index].serve(
                    || shared.has_idle_cores(),
                    || shared.suffices(),
                    || shared.give_back(1),
                    || shared.stopped.load(Ordering::Acquire),
                );
            })?;
            owner.shared.seats[index].belongs_to(helper.thread());
            owner.helpers.push(helper);
        }
        Ok(Self(Arc::new(owner)))
    }

    /// Begins an evaluation, which takes the core of its thread until this is dropped, and at most so many in all.
    #[must_use]
    pub fn join(&self, at_most: NonZeroUsize) -> Member {
        let shared = &self.0.shared;
        shared.evaluations.fetch_add(1, Ordering::Relaxed);
        shared.busy.fetch_add(1, Ordering::Relaxed);
        Member { pool: self.clone(), others: at_most.get() - 1 }
    }

    /// How many cores it has.
    #[must_use]
    pub fn cores(&self) -> usize {
        self.0.shared.cores
    }

    /// How many cores evaluations take, or have borrowed, at this moment.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.0.shared.busy.load(Ordering::Relaxed)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::Release);
        for helper in self.helpers.drain(..) {
            helper.thread().unpark();
            // It catches what panics in it.
            let _ = helper.join();
        }
    }
}

/// An evaluation among those that share a pool.
#[derive(Debug)]
pub struct Member {
    pool: Pool,
    /// Most helpers.
    others: usize,
}

impl Drop for Member {
    fn drop(&mut self) {
        let shared = &self.pool.0.shared;
        shared.evaluations.fetch_sub(1, Ordering::Relaxed);
        shared.give_back(1);
    }
}

/// The helpers that were called for one task. Dropping it dismisses them.
struct Called<'a> {
    shared: &'a Shared,
    seats: Vec<&'a Seat>,
}

impl<'a> Called<'a> {
    #[allow(unsafe_code)]
    fn new(shared: &'a Shared, granted: usize, step: Step<'_>) -> Self {
        let mut called = Self { shared, seats: Vec::with_capacity(granted) };
        let now = shared.made.elapsed();
        for seat in shared.seats.iter().filter(|seat| seat.take(now)).take(granted) {
            // SAFETY: `share`, which alone makes this and does not leak it, drops it before `step` ends, however
            // it ends; then the seat is dismissed. There is room for it, so that it is noted without fail.
            unsafe { seat.call(step) };
            called.seats.push(seat);
        }
        // Fewer are free while some rest, or are not dismissed yet by who called them.
        shared.give_back(granted - called.seats.len());
        called
    }

    /// Waits for those that have begun; `longest` is what a piece has taken here.
    fn dismiss(&mut self, longest: Duration) -> Option<Panic> {
        let mut first = None;
        let mut since = self.shared.made.elapsed();
        for seat in self.seats.drain(..) {
            let (worked, panic) = seat.dismiss();
            if !worked {
                self.shared.give_back(1);
            }
            first = first.or(panic);
            let now = self.shared.made.elapsed();
            let waited = now - since;
            if waited > 2 * longest + TOLERANCE {
                seat.rest_until(now + REST * waited);
            }
            since = now;
        }
        first
    }
}

impl Drop for Called<'_> {
    fn drop(&mut self) {
        // What a helper panicked with is lost if this thread panics too.
        drop(self.dismiss(Duration::MAX / 4));
    }
}

impl Team for Member {
    fn share(&self, others: usize, step: Step<'_>) {
        let shared = &self.pool.0.shared;
        let granted = shared.borrow(others.min(self.others));
        if granted == 0 {
            while step() {}
            return;
        }
        let mut called = Called::new(shared, granted, step);
        let (mut longest, mut before) = (Duration::ZERO, shared.made.elapsed());
        while step() {
            let now = shared.made.elapsed();
            (longest, before) = (longest.max(now - before), now);
        }
        if let Some(panic) = called.dismiss(longest) {
            resume_unwind(panic);
        }
    }
}
