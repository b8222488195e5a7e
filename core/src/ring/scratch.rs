//! Rows of residues, and their memory: what polynomials of one evaluation gave back is handed out again to the next
//! ones, on the same thread, so that an evaluation that runs again allocates none. Owns when memory is kept; knows
//! nothing of what is in it.

use alloc::vec::Vec;
use core::ops::{Deref, DerefMut};

use zeroize::Zeroize;

use crate::wiped;

/// Residues, one limb after the other.
#[derive(Debug)]
pub(crate) struct Residues {
    numbers: Vec<u32>,
    /// How many of them count; the others wait for the memory to be used again, and need not be written then.
    length: usize,
    /// The most that counted at a time: beyond them is what others have left, public or wiped by them.
    used: usize,
}

impl Residues {
    pub(crate) fn zero(length: usize) -> Self {
        let Some(mut numbers) = pool::take(length) else { return alloc::vec![0; length].into() };
        numbers.clear();
        numbers.resize(length, 0);
        Self::first(numbers, length)
    }

    /// No numbers yet, and memory for some: cheaper than clearing all of it where they are appended bit by bit.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self::first(pool::take(capacity).unwrap_or_else(|| Vec::with_capacity(capacity)), 0)
    }

    /// Appends so many numbers that were left in memory, for who writes over all of them.
    pub(crate) fn extend_stale(&mut self, count: usize) -> &mut [u32] {
        let start = self.length;
        self.length += count;
        if self.numbers.len() < self.length {
            self.numbers.resize(self.length, 0);
        }
        self.used = self.used.max(self.length);
        &mut self.numbers[start..self.length]
    }

    /// Numbers that were left in memory, for who writes over all of them.
    pub(crate) fn stale(length: usize) -> Self {
        let Some(mut numbers) = pool::take(length) else { return alloc::vec![0; length].into() };
        if numbers.len() < length {
            numbers.resize(length, 0);
        }
        Self::first(numbers, length)
    }

    pub(crate) fn copy_of(residues: &[u32]) -> Self {
        let Some(mut numbers) = pool::take(residues.len()) else { return residues.to_vec().into() };
        numbers.clear();
        numbers.extend_from_slice(residues);
        numbers.into()
    }

    /// The first numbers of a vector.
    const fn first(numbers: Vec<u32>, length: usize) -> Self {
        Self { numbers, length, used: length }
    }

    pub(crate) fn truncate(&mut self, length: usize) {
        self.length = self.length.min(length);
    }
}

impl From<Vec<u32>> for Residues {
    fn from(numbers: Vec<u32>) -> Self {
        let length = numbers.len();
        Self::first(numbers, length)
    }
}

impl PartialEq for Residues {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Residues {}

impl Clone for Residues {
    fn clone(&self) -> Self {
        Self::copy_of(self)
    }
}

impl Drop for Residues {
    fn drop(&mut self) {
        pool::give_back(core::mem::take(&mut self.numbers));
    }
}

impl Deref for Residues {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.numbers[..self.length]
    }
}

impl DerefMut for Residues {
    fn deref_mut(&mut self) -> &mut [u32] {
        &mut self.numbers[..self.length]
    }
}

impl Zeroize for Residues {
    fn zeroize(&mut self) {
        // Also what was cut off. All at once, not number by number.
        self.numbers.resize(self.used, 0);
        self.numbers.as_mut_slice().zeroize();
        self.numbers.clear();
        (self.length, self.used) = (0, 0);
    }
}

/// Runs `work` with the memory that earlier calls on this thread left, and leaves it for later ones.
///
/// Without std nothing is kept.
pub(crate) fn reusing<T>(work: impl FnOnce() -> T) -> T {
    let _before = pool::set_open(true);
    work()
}

/// Runs what encrypts or decrypts, with the memory that earlier such calls on this thread left, and leaves it for later
/// ones: a call like one before it then allocates what it gives, and lists of a few entries. Secrets of the library are
/// wiped before they leave their memory behind, plaintexts where the caller has wrapped them in `Zeroizing`.
///
/// What is dropped within leaves its memory, so values should have been made within too: others would pile up. The thread
/// keeps as many pieces as were in use at a time, none larger than the largest, until it ends.
///
/// Without std nothing is kept.
pub fn reusing_memory<T>(work: impl FnOnce() -> T) -> T {
    wiped::keeping(|| reusing(work))
}

/// Copies what leaves an evaluation, to memory of its own size.
pub(crate) fn leaving<T: Clone>(value: &T) -> T {
    let _before = pool::set_open(false);
    value.clone()
}

#[cfg(feature = "std")]
mod pool {
    use alloc::vec::Vec;
    use core::cell::RefCell;

    /// What one thread keeps. It never keeps more pieces than one evaluation had at a time, none of them larger than
    /// its largest.
    struct Pool {
        /// Whether an evaluation is running; outside of one nothing is kept or handed out, so that what other threads
        /// made and this one drops does not pile up.
        open: bool,
        free: Vec<Vec<u32>>,
    }

    std::thread_local! {
        static POOL: RefCell<Pool> = const { RefCell::new(Pool { open: false, free: Vec::new() }) };
    }

    /// Whether the pool was open, which it is again when this is dropped.
    pub(super) struct Before(bool);

    pub(super) fn set_open(open: bool) -> Before {
        POOL.with_borrow_mut(|pool| Before(core::mem::replace(&mut pool.open, open)))
    }

    impl Drop for Before {
        fn drop(&mut self) {
            POOL.with_borrow_mut(|pool| pool.open = self.0);
        }
    }

    /// A vector with room for `length` numbers, with whatever numbers were left in it, if one is kept.
    pub(super) fn take(length: usize) -> Option<Vec<u32>> {
        let kept = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if !pool.open {
                return None;
            }
            let fits = |(_, piece): &(usize, &Vec<u32>)| piece.capacity() >= length;
            let smallest =
                pool.free.iter().enumerate().filter(fits).min_by_key(|(_, piece)| piece.capacity());
            if let Some((index, _)) = smallest {
                return Some(pool.free.swap_remove(index));
            }
            // All that are free are too small: a larger one takes the place of one of them.
            pool.free.pop();
            None
        });
        kept.ok().flatten()
    }

    pub(super) fn give_back(piece: Vec<u32>) {
        // A thread that ends has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.open && piece.capacity() > 0 {
                pool.free.push(piece);
            }
        });
    }
}

#[cfg(not(feature = "std"))]
mod pool {
    use alloc::vec::Vec;

    pub(super) struct Before(());

    pub(super) fn set_open(_: bool) -> Before {
        Before(())
    }

    pub(super) fn take(_: usize) -> Option<Vec<u32>> {
        None
    }

    pub(super) fn give_back(_: Vec<u32>) {}
}

// In WebAssembly all tests share a thread, hence the pool, and end at a panic.
#[cfg(all(test, feature = "std", not(target_family = "wasm")))]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_within_and_not_outside() {
        let outside = Residues::zero(64);
        let address = reusing(|| Residues::zero(64).as_ptr());
        drop(outside);
        assert_eq!(reusing(|| Residues::copy_of(&[1; 64]).as_ptr()), address);
        assert_eq!(reusing(|| Residues::zero(32).as_ptr()), address, "what is larger fits too");
        let dirty = reusing(|| Residues::zero(64).to_vec());
        assert_eq!(dirty, [0; 64]);
        for length in [64, 16, 96] {
            assert_eq!(reusing(|| Residues::stale(length).len()), length);
            assert_eq!(reusing(|| Residues::zero(length).to_vec()), vec![0; length]);
        }
    }

    #[test]
    fn what_is_wiped_is_all_that_counted_once_and_no_more() {
        let mut cut = Residues::copy_of(&[7; 64]);
        cut.truncate(16);
        cut.extend_stale(8).fill(8);
        assert_eq!((cut.len(), cut.used), (24, 64));
        cut.zeroize();
        assert_eq!((cut.len(), cut.used), (0, 0));
        reusing(|| {
            drop(Residues::copy_of(&[7; 64]));
            let small = Residues::stale(8);
            assert_eq!((small.numbers.len(), small.used), (64, 8), "in larger memory");
        });
    }

    #[test]
    fn a_panic_does_not_leave_the_pool_open() {
        let _ = std::panic::catch_unwind(|| reusing(|| panic!("on purpose")));
        drop(Residues::zero(48));
        let first = reusing(|| Residues::zero(48).as_ptr());
        assert_eq!(reusing(|| Residues::zero(48).as_ptr()), first);
    }
}
