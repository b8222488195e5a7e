//! Memory that is accounted for before it is taken.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_channel::oneshot;

use crate::id::TenantId;

/// So many bytes, lent out. Whoever cannot be served at once waits in line.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    total: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    waiting: VecDeque<(usize, oneshot::Sender<Loan>)>,
}

/// A budget of which no tenant may hold more than its share.
#[derive(Debug)]
pub(crate) struct SharedBudget {
    budget: Budget,
    share: usize,
    held: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// Bytes that are taken by a tenant; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct TenantLoan {
    tenant: TenantId,
    loan: Loan,
    held: Arc<Mutex<HashMap<TenantId, usize>>>,
}

/// Why a tenant gets no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    /// It holds its share.
    Share,
    /// All bytes are lent.
    Total,
}

impl SharedBudget {
    /// Has `total` bytes to lend, to each tenant at most `share`.
    pub(crate) fn new(total: usize, share: usize) -> Self {
        Self { budget: Budget::new(total), share, held: Arc::default() }
    }

    /// The bytes as they are lent to all.
    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Takes bytes for a tenant if they are free. What it asks for first it gets, if it is larger than its share.
    pub(crate) fn try_take(&self, tenant: &TenantId, bytes: usize) -> Result<TenantLoan, Exhausted> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let before = held.get(tenant).copied().unwrap_or(0);
        if before > 0 && before + bytes > self.share {
            return Err(Exhausted::Share);
        }
        let loan = self.budget.try_take(bytes).ok_or(Exhausted::Total)?;
        held.insert(tenant.clone(), before + bytes);
        drop(held);
        Ok(TenantLoan { tenant: tenant.clone(), loan, held: Arc::clone(&self.held) })
    }
}

impl Drop for TenantLoan {
    fn drop(&mut self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let left = held.get(&self.tenant).map_or(0, |bytes| bytes.saturating_sub(self.loan.bytes));
        if left == 0 {
            held.remove(&self.tenant);
        } else {
            held.insert(self.tenant.clone(), left);
        }
    }
}

/// Bytes that are taken; dropping it gives them back.
#[derive(Debug)]
pub(crate) struct Loan {
    bytes: usize,
    from: Arc<Shared>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    /// Has `total` bytes to lend.
    pub(crate) fn new(total: usize) -> Self {
        Self(Arc::new(Shared { total, state: Mutex::new(State { free: total, waiting: VecDeque::new() }) }))
    }

    /// The bytes lent out now.
    pub(crate) fn lent(&self) -> usize {
        self.0.total - self.0.state().free
    }

    /// All there is.
    pub(crate) fn total(&self) -> usize {
        self.0.total
    }

    fn loan(&self, bytes: usize) -> Loan {
        Loan { bytes, from: Arc::clone(&self.0) }
    }

    /// Takes bytes if they are free and nobody waits.
    pub(crate) fn try_take(&self, bytes: usize) -> Option<Loan> {
        let mut state = self.0.state();
        if bytes > state.free || !state.waiting.is_empty() {
            return None;
        }
        state.free -= bytes;
        drop(state);
        Some(self.loan(bytes))
    }

    /// Takes bytes, waiting until they are free; `None` when there are not as many in all.
    pub(crate) async fn take(&self, bytes: usize) -> Option<Loan> {
        if bytes > self.0.total {
            return None;
        }
        if let Some(loan) = self.try_take(bytes) {
            return Some(loan);
        }
        let receiver = {
            let (sender, receiver) = oneshot::channel();
            self.0.state().waiting.push_back((bytes, sender));
            receiver
        };
        self.serve();
        receiver.await.ok()
    }

    /// Serves those who wait, in order, as far as the bytes reach.
    fn serve(&self) {
        loop {
            let mut state = self.0.state();
            let Some(&(bytes, _)) = state.waiting.front() else { return };
            if bytes > state.free {
                return;
            }
            state.free -= bytes;
            let next = state.waiting.pop_front();
            drop(state);
            // One who has left drops the loan, which gives the bytes back.
            let _ = next.map(|(bytes, sender)| sender.send(self.loan(bytes)));
        }
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.from.state().free += self.bytes;
        Budget(Arc::clone(&self.from)).serve();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn lends_what_is_free_and_takes_it_back() {
        let budget = Budget::new(10);
        let first = budget.try_take(6).expect("free");
        assert!(budget.try_take(5).is_none());
        assert_eq!(budget.lent(), 6);
        drop(first);
        assert_eq!(budget.lent(), 0);
        assert!(budget.take(11).now_or_never().expect("no wait").is_none(), "more than there is");
    }

    #[test]
    fn a_tenant_with_its_share_leaves_the_rest_to_others() {
        let (budget, alice, bob) = (SharedBudget::new(10, 5), TenantId::new("alice"), TenantId::new("bob"));
        let first = budget.try_take(&alice, 3).expect("within the share");
        assert_eq!(budget.try_take(&alice, 3).expect_err("beyond it"), Exhausted::Share);
        let large = budget.try_take(&bob, 7).expect("his first, larger than a share");
        assert_eq!(budget.try_take(&bob, 1).expect_err("no second"), Exhausted::Share);
        assert_eq!(budget.try_take(&alice, 1).expect_err("nothing is left"), Exhausted::Total);
        drop(large);
        let again = budget.try_take(&alice, 2).expect("within the share");
        drop((first, again));
        assert_eq!(budget.budget().lent(), 0);
        assert!(budget.held.lock().expect("no panic").is_empty(), "who holds nothing is forgotten");
    }

    #[test]
    fn those_who_wait_are_served_in_order() {
        let budget = Budget::new(10);
        let first = budget.try_take(10).expect("free");
        let (mut large, mut small) = (Box::pin(budget.take(8)), Box::pin(budget.take(1)));
        assert!((&mut large).now_or_never().is_none());
        assert!((&mut small).now_or_never().is_none());
        assert!(budget.try_take(0).is_none(), "nobody overtakes");
        drop(first);
        let large = (&mut large).now_or_never().expect("served").expect("enough");
        assert!((&mut small).now_or_never().is_some());
        drop(large);
        assert_eq!(budget.lent(), 0);
    }

    #[test]
    fn one_who_left_takes_nothing_with_him() {
        let budget = Budget::new(10);
        let first = budget.try_take(10).expect("free");
        let mut gone = Box::pin(budget.take(4));
        assert!((&mut gone).now_or_never().is_none());
        drop(gone);
        drop(first);
        assert_eq!(budget.lent(), 0);
    }
}
