//! Jobs that the store has failed.

use std::time::Duration;

use super::{alice, bob, claim, finish, insert, ok, request};
use crate::{
    id::JobId,
    port::Timestamp,
    store::{
        Claim, Claimed, JobRequest, JobState, PutOff, QueueLengths, Store,
        put_off::{Failed, LONGEST_DELAY},
    },
};

const DELAY: Duration = Duration::from_millis(250);

fn at(milliseconds: u64) -> Claim {
    Claim { now: Timestamp(milliseconds), ..claim(1) }
}

fn before(delay: Duration) -> Option<PutOff> {
    Some(PutOff { delay, failed: Failed::Before })
}

fn midway(delay: Duration) -> Option<PutOff> {
    Some(PutOff { delay, failed: Failed::Midway })
}

/// Takes the next job, which has to be this one.
async fn takes(store: &impl Store, claim: Claim, job: JobId) {
    let claimed = ok!(store.claim_job(claim)).job().expect("waits");
    assert_eq!(claimed.request.id, job);
}

/// Asserts that this job alone is left, and waits for its time.
async fn all_that_is_left_waits(store: &impl Store, now: u64, most: Duration) {
    let Claimed::Nothing(Some(until)) = ok!(store.claim_job(at(now))) else {
        panic!("one waits for its time")
    };
    assert!(until > Duration::ZERO && until <= most, "{until:?} of {most:?}");
}

/// It waits for its time, stops no other, and has its place again afterwards; no start is counted.
pub(super) async fn jobs_that_the_store_fails_wait_for_their_time(store: &impl Store) {
    let [failing, younger, youngest] = [80, 82, 83].map(|number| request(number, None));
    let other = JobRequest { tenant: bob(), ..request(81, None) };
    for job in [&failing, &younger, &other] {
        insert(store, job).await;
    }
    // Whoever's turn it is, the oldest of alice's is among the first two.
    let first = ok!(store.claim_job(at(0))).job().expect("waits").request.id;
    let second = if first == failing.id { other.id } else { failing.id };
    takes(store, at(0), second).await;
    finish(store, other.id).await;

    ok!(store.give_back(claim(3), failing.id, 0, before(DELAY)));
    assert_eq!(
        ok!(store.job(&alice(), failing.id)).expect("stored").state,
        JobState::Running,
        "it is another's"
    );
    let longest = if store.is_shared() { LONGEST_DELAY } else { DELAY };
    ok!(store.give_back(at(0), failing.id, 0, before(longest)));
    assert_eq!(ok!(store.job(&alice(), failing.id)).expect("stored").state, JobState::Running, "as it was");
    assert_eq!(ok!(store.queue()), QueueLengths { waiting: 2, running: 0 });
    assert_eq!(ok!(store.usage(&alice())).waiting_jobs, 2);
    takes(store, at(0), younger.id).await;
    finish(store, younger.id).await;
    all_that_is_left_waits(store, 0, longest).await;

    if store.is_shared() {
        // Its clock is its own, and nobody waits for it here.
        finish(store, failing.id).await;
        assert_eq!(ok!(store.claim_job(at(0))), Claimed::Nothing(None));
        insert(store, &youngest).await;
        takes(store, at(0), youngest.id).await;
        ok!(store.give_back(at(0), youngest.id, 0, midway(Duration::ZERO)));
    } else {
        insert(store, &youngest).await;
        takes(store, at(249), youngest.id).await;
        ok!(store.give_back(at(249), youngest.id, 0, midway(Duration::ZERO)));
        takes(store, at(250), failing.id).await;
        // A clock that has been set back is no reason to wait.
        ok!(store.give_back(at(1 << 40), failing.id, 0, before(DELAY)));
        let claimed = ok!(store.claim_job(at(0))).job().expect("waits");
        assert_eq!(
            (claimed.request.id, claimed.interrupted, claimed.failures, claimed.midway),
            (failing.id, 0, 2, 0)
        );
        finish(store, failing.id).await;
    }
    let again = ok!(store.claim_job(at(250))).job().expect("waits");
    assert_eq!((again.request.id, again.interrupted, again.failures, again.midway), (youngest.id, 0, 1, 1));
    ok!(store.give_back(at(250), youngest.id, 0, None));
    let again = ok!(store.claim_job(at(250))).job().expect("that was no failure");
    assert_eq!((again.interrupted, again.failures, again.midway), (0, 1, 1));
    finish(store, youngest.id).await;
    assert_eq!(ok!(store.claim_job(at(250))), Claimed::Nothing(None));
}
