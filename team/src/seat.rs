//! Where one helper waits to be called. Owns the only `unsafe` of this crate: a task borrows from the stack of
//! whoever calls, and is run on another thread. Invariant: from [`Seat::call`] until [`Seat::dismiss`] has
//! returned the task is alive; the helper touches it in between only.

use std::{
    any::Any,
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    thread::{self, Thread},
    time::{Duration, Instant},
};

/// How long somebody looks again and again before he sleeps: as long as waking him would take, several times over.
const PATIENCE: Duration = Duration::from_micros(50);

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
        for _ in 0..32 {
            if so() {
                return;
            }
            std::hint::spin_loop();
        }
        if !soon() || since.elapsed() > PATIENCE {
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
