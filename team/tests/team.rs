//! Evaluations that share their work: the same bits, no more cores than there are, and what happens when a piece
//! panics.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use ckks_core::Team;
use evaluation_team::Pool;

fn pool(cores: usize) -> Pool {
    Pool::new(NonZeroUsize::new(cores).unwrap()).unwrap()
}

fn many() -> NonZeroUsize {
    NonZeroUsize::MAX
}

/// Shares pieces until so many have been done, with a look at each.
fn share(team: &dyn Team, others: usize, pieces: usize, look: impl Fn() + Sync) {
    let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    team.share(others, &|| {
        if next.fetch_add(1, Ordering::Relaxed) >= pieces {
            return false;
        }
        look();
        done.fetch_add(1, Ordering::Relaxed);
        true
    });
    assert_eq!(done.load(Ordering::Relaxed), pieces, "all of them, by the time it returns");
}

/// Waits until so many threads are in a piece at once, or gives up.
fn meets(team: &dyn Team, others: usize, wanted: usize) -> bool {
    let (inside, met) = (AtomicUsize::new(0), AtomicBool::new(false));
    share(team, others, wanted, || {
        inside.fetch_add(1, Ordering::SeqCst);
        for _ in 0..2_000 {
            if inside.load(Ordering::SeqCst) >= wanted {
                met.store(true, Ordering::SeqCst);
            }
            if met.load(Ordering::SeqCst) {
                break;
            }
            thread::sleep(std::time::Duration::from_micros(100));
        }
        inside.fetch_sub(1, Ordering::SeqCst);
    });
    met.load(Ordering::SeqCst)
}

/// The same, as often as it takes: a helper whose core has other work is not called for a while.
fn meets_at_last(team: &dyn Team, others: usize, wanted: usize) -> bool {
    (0..100).any(|_| meets(team, others, wanted))
}

#[test]
fn every_piece_is_done_once_whatever_the_pool() {
    for cores in 1..=8 {
        let pool = pool(cores);
        let member = pool.join(many());
        for pieces in [0, 1, 2, 7, 100] {
            for _ in 0..200 {
                share(&member, 7, pieces, || ());
            }
        }
        assert_eq!(pool.busy(), 1);
        drop(member);
        assert_eq!(pool.busy(), 0);
    }
}

#[test]
fn one_that_is_alone_gets_all_cores_and_no_more_than_it_may() {
    let pool = pool(4);
    let member = pool.join(many());
    assert!(meets_at_last(&member, 3, 4));
    assert!(!meets(&member, 2, 4), "it asked for two others");
    drop(member);
    let modest = pool.join(NonZeroUsize::new(2).unwrap());
    assert!(meets_at_last(&modest, 3, 2));
    assert!(!meets(&modest, 3, 3), "two are the most it may have");
}

#[test]
fn cores_are_divided_among_evaluations() {
    let pool = pool(4);
    let (first, second) = (pool.join(many()), pool.join(many()));
    assert!(meets_at_last(&first, 3, 2));
    assert!(!meets(&first, 3, 3), "half of them are the other's");
    let (third, fourth) = (pool.join(many()), pool.join(many()));
    assert!(!meets(&first, 3, 2), "each has its own and none is idle");
    drop((second, third, fourth));
    assert!(meets_at_last(&first, 3, 4), "they are idle again");
}

#[test]
fn a_helper_leaves_when_its_core_is_needed() {
    let pool = pool(2);
    let member = pool.join(many());
    let (begun, helped) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let stop = AtomicBool::new(false);
    let mut second = None;
    thread::scope(|scope| {
        scope.spawn(|| {
            member.share(1, &|| {
                begun.fetch_add(1, Ordering::SeqCst);
                if thread::current().name().is_some_and(|name| name.starts_with("help")) {
                    helped.fetch_add(1, Ordering::SeqCst);
                }
                thread::yield_now();
                !stop.load(Ordering::SeqCst)
            });
        });
        while helped.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        second = Some(pool.join(many()));
        while pool.busy() > 2 {
            thread::yield_now();
        }
        // It has left: whatever pieces follow are not its.
        let before = helped.load(Ordering::SeqCst);
        let seen = begun.load(Ordering::SeqCst);
        while begun.load(Ordering::SeqCst) < seen + 1_000 {
            thread::yield_now();
        }
        assert_eq!(helped.load(Ordering::SeqCst), before);
        stop.store(true, Ordering::SeqCst);
    });
    drop((member, second));
    assert_eq!(pool.busy(), 0);
}

#[test]
fn a_panic_of_any_piece_reaches_who_shares_and_nobody_else() {
    let pool = pool(4);
    let member = pool.join(many());
    for panicking in 0..40 {
        let next = AtomicUsize::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            member.share(3, &|| {
                let piece = next.fetch_add(1, Ordering::Relaxed);
                assert_ne!(piece, panicking, "on purpose");
                piece < 40
            });
        }));
        assert!(outcome.is_err());
        share(&member, 3, 100, || ());
        assert_eq!(pool.busy(), 1);
    }
}

#[test]
fn a_helper_that_keeps_others_waiting_is_not_called_for_a_while() {
    let pool = pool(2);
    let member = pool.join(many());
    let late = thread::current().id();
    let helped = AtomicUsize::new(0);
    let share_one_each = |nap: std::time::Duration| {
        helped.store(0, Ordering::SeqCst);
        let (next, inside) = (AtomicUsize::new(0), AtomicUsize::new(0));
        member.share(1, &|| {
            if next.fetch_add(1, Ordering::SeqCst) >= 2 {
                return false;
            }
            if thread::current().id() == late {
                // Long enough for the helper to come if it is called.
                for _ in 0..200 {
                    thread::sleep(std::time::Duration::from_micros(100));
                    if inside.load(Ordering::SeqCst) > 0 {
                        break;
                    }
                }
            } else {
                inside.fetch_add(1, Ordering::SeqCst);
                helped.fetch_add(1, Ordering::SeqCst);
                thread::sleep(nap);
            }
            true
        });
        helped.load(Ordering::SeqCst)
    };
    assert!((0..100).any(|_| share_one_each(std::time::Duration::from_millis(200)) == 1));
    assert_eq!(share_one_each(std::time::Duration::ZERO), 0, "it rests");
    assert_eq!(pool.busy(), 1);
}

#[test]
fn many_evaluations_at_once_do_all_of_their_pieces() {
    let pool = pool(3);
    let start = Arc::new(Barrier::new(6));
    let threads = [(); 6].map(|()| {
        let (pool, start) = (pool.clone(), Arc::clone(&start));
        thread::spawn(move || {
            start.wait();
            for pieces in 0..300 {
                let member = pool.join(many());
                for _ in 0..10 {
                    share(&member, 2, pieces % 17, || ());
                }
            }
        })
    });
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(pool.busy(), 0);
}
