//! Where one helper waits to be called. Owns the only `unsafe` of this crate: a task borrows from the stack of
//! whoever calls, and is run on another thread. Invariant: from [`Seat::call`] until [`Seat::dismiss`] has
//! returned the task is alive; the helper touches it in between only.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{OnceLock, PoisonError, atomic::Ordering},
    time::{Duration, Instant},
};

use crate::sync::{AtomicU8, AtomicU64, Mutex, MutexGuard, Thread, thread};

/// How long somebody looks again and again before he sleeps: as long as waking him would take, several times over.
const PATIENCE: Duration = Duration::from_micros(50);
/// How often he looks before he asks what time it is. The model checker sees every one of them.
const LOOKS: usize = if cfg!(loom) { 1 } else { 32 };

/// What is done on several threads at the same time, each call of it a piece; see
/// [`Team::share`](ckks_core::Team::share).
pub(crate) type Step<'a> = &'a (dyn Fn() -> bool + Sync);

/// What somebody panicked with.
pub(crate) type Panic = Box<dyn Any + Send>;

/// Nobody needs the helper.
const FREE: u8 = 0;
/// Somebody is about to call it.
const TAKEN: u8 = 1;
/// It is called, and has not begun.
const CALLED: u8 = 2;
/// It is working.
const WORKING: u8 = 3;
/// It has left the task, and waits to be dismissed.
const DONE: u8 = 4;

/// Of one helper. Only who has taken it calls and dismisses.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: AtomicU8,
    task: Mutex<Option<Task>>,
    panic: Mutex<Option<Panic>>,
    /// Known before anybody calls.
    helper: OnceLock<Thread>,
    /// Until when it is not called, in nanoseconds since the pool was made.
    rests_until: AtomicU64,
}

struct Task {
    step: Step<'static>,
    caller: Thread,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("caller", &self.caller).finish_non_exhaustive()
    }
}

impl Seat {
    /// Tells on which thread [`Self::serve`] runs.
    pub(crate) fn belongs_to(&self, helper: &Thread) {
        let _ = self.helper.set(helper.clone());
    }

    /// Takes the seat if its helper is free and does not rest at that time.
    pub(crate) fn take(&self, now: Duration) -> bool {
        nanoseconds(now) >= self.rests_until.load(Ordering::Relaxed)
            && self.state.compare_exchange(FREE, TAKEN, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Does not call the helper until then.
    pub(crate) fn rest_until(&self, time: Duration) {
        self.rests_until.store(nanoseconds(time), Ordering::Relaxed);
    }

    /// Calls the helper of a seat that was taken.
    ///
    /// # Safety
    /// `step` has to live until [`Self::dismiss`] has returned.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn call(&self, step: Step<'_>) {
        // SAFETY: only the lifetime is changed. The helper uses the reference after it has made CALLED of its
        // state WORKING and before it makes that DONE; `dismiss` returns when it has made CALLED FREE, which
        // keeps the helper from beginning, or has seen DONE.
        let step = unsafe { mem::transmute::<Step<'_>, Step<'static>>(step) };
        *lock(&self.task) = Some(Task { step, caller: thread::current() });
        self.state.store(CALLED, Ordering::Release);
        if let Some(helper) = self.helper.get() {
            helper.unpark();
        }
    }

    /// Frees the seat: at once if the helper has not begun (`false`), else when it is done.
    pub(crate) fn dismiss(&self) -> (bool, Option<Panic>) {
        if self.state.compare_exchange(CALLED, FREE, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return (false, None);
        }
        wait_until(|| true, || self.state.load(Ordering::Acquire) == DONE);
        let panic = lock(&self.panic).take();
        self.state.store(FREE, Ordering::Release);
        (true, panic)
    }

    /// What a helper does on its thread: waits to be called and works, until it is to stop. It looks out for calls
    /// while `expects` says that one may come soon, and sleeps otherwise. `stays` is asked before each piece, and
    /// `left` called after the last.
    pub(crate) fn serve(
        &self,
        expects: impl Fn() -> bool,
        stays: impl Fn() -> bool,
        left: impl Fn(),
        stopped: impl Fn() -> bool,
    ) {
        loop {
            wait_until(&expects, || stopped() || self.state.load(Ordering::Relaxed) == CALLED);
            if stopped() {
                return;
            }
            let begin = self.state.compare_exchange(CALLED, WORKING, Ordering::Acquire, Ordering::Relaxed);
            if begin.is_err() {
                continue;
            }
            let Some(Task { step, caller }) = lock(&self.task).take() else { continue };
            let worked = catch_unwind(AssertUnwindSafe(|| while stays() && step() {}));
            *lock(&self.panic) = worked.err();
            left();
            self.state.store(DONE, Ordering::Release);
            caller.unpark();
        }
    }
}

/// Waits until something is so; whoever makes it so wakes this thread.
fn wait_until(soon: impl Fn() -> bool, so: impl Fn() -> bool) {
    let mut since = Instant::now();
    loop {
        for _ in 0..LOOKS {
            if so() {
                return;
            }
            std::hint::spin_loop();
        }
        if cfg!(loom) || !soon() || since.elapsed() > PATIENCE {
            // Returns at once if somebody has woken this thread since it looked.
            thread::park();
            since = Instant::now();
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// In every order of two or three threads' steps with at most three interruptions: `cargo xtask test orders`.
///
/// Source: Norris, Demsky, "CDSChecker: checking concurrent data structures written with C/C++ atomics" (OOPSLA 2013),
/// as implemented by loom.
#[cfg(all(test, loom))]
mod tests {
    use std::sync::Arc;

    use loom::{
        cell::UnsafeCell,
        sync::atomic::{AtomicBool, AtomicUsize},
        thread::JoinHandle,
    };

    use super::*;

    /// A seat, its helper's thread, and how that is told to stop.
    struct Served {
        seat: Arc<Seat>,
        stopped: Arc<AtomicBool>,
        helper: JoinHandle<()>,
    }

    impl Served {
        fn new() -> Self {
            let (seat, stopped) = (Arc::new(Seat::default()), Arc::new(AtomicBool::new(false)));
            let (serving, until) = (Arc::clone(&seat), Arc::clone(&stopped));
            let stops = move || until.load(Ordering::Acquire);
            let helper = thread::spawn(move || serving.serve(|| false, || true, || (), stops));
            seat.belongs_to(helper.thread());
            Self { seat, stopped, helper }
        }

        fn stop(self) {
            self.stopped.store(true, Ordering::Release);
            self.helper.thread().unpark();
            self.helper.join().expect("a helper does not panic");
        }
    }

    /// What a task borrows: the checker finds who looks at it while another writes, or after it is gone.
    struct Borrowed(UnsafeCell<()>);

    // SAFETY: the checker watches over it.
    #[allow(unsafe_code)]
    unsafe impl Sync for Borrowed {}

    impl Borrowed {
        fn look(&self) {
            self.0.with(|_| ());
        }
    }

    /// Does a task of so many pieces with the helper, if it is free; says whether it was.
    fn work(seat: &Seat, pieces: usize) -> bool {
        if !seat.take(Duration::ZERO) {
            return false;
        }
        let (borrowed, begun, done) =
            (Borrowed(UnsafeCell::new(())), AtomicUsize::new(0), AtomicUsize::new(0));
        let step = || {
            let more = begun.fetch_add(1, Ordering::Relaxed) < pieces;
            if more {
                borrowed.look();
                done.fetch_add(1, Ordering::Relaxed);
            }
            more
        };
        // SAFETY: it is dismissed below, before `step` ends.
        #[allow(unsafe_code)]
        unsafe {
            seat.call(&step);
        }
        while step() {}
        let (_, panic) = seat.dismiss();
        assert!(panic.is_none());
        borrowed.0.with_mut(|_| ());
        assert_eq!(done.load(Ordering::Relaxed), pieces);
        true
    }

    fn in_every_order(run: impl Fn() + Sync + Send + 'static) {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(run);
    }

    #[test]
    fn a_helper_uses_a_task_between_call_and_dismissal_only() {
        in_every_order(|| {
            let served = Served::new();
            assert!(work(&served.seat, 2));
            assert!(work(&served.seat, 1), "it is free again");
            served.stop();
        });
    }

    #[test]
    fn two_callers_never_have_the_same_helper() {
        in_every_order(|| {
            let served = Served::new();
            let seat = Arc::clone(&served.seat);
            let other = thread::spawn(move || work(&seat, 1));
            let mine = work(&served.seat, 1);
            let others = other.join().expect("a caller does not panic");
            assert!(mine || others, "a free helper is taken");
            served.stop();
        });
    }

    #[test]
    fn a_helper_stops_whatever_it_waits_for() {
        in_every_order(|| Served::new().stop());
    }

    #[test]
    fn a_helper_that_rests_is_not_called() {
        in_every_order(|| {
            let served = Served::new();
            served.seat.rest_until(Duration::from_nanos(1));
            assert!(!work(&served.seat, 1));
            served.seat.rest_until(Duration::ZERO);
            assert!(work(&served.seat, 1));
            served.stop();
        });
    }
}
