//! Memory for secret numbers, wiped when dropped: whole, where a list of its own kind would be wiped number by number.
//! A thread may keep it for its next secrets, which then need not clear it. Owns when it is kept; knows nothing of what
//! is in it.

use alloc::{vec, vec::Vec};
use core::ops::{Deref, DerefMut};

use zeroize::{DefaultIsZeroes, Zeroize};

/// Numbers, as many as there were at first.
pub(crate) struct Wiped<T: Number>(Vec<T>);

impl<T: Number> Wiped<T> {
    pub(crate) fn zero(length: usize) -> Self {
        let Some(mut numbers) = pool::take(length) else { return Self(vec![T::default(); length]) };
        // What is kept is zero already; mostly it has this length too.
        numbers.resize(length, T::default());
        Self(numbers)
    }

    /// The numbers, no longer wiped.
    pub(crate) fn into_public(mut self) -> Vec<T> {
        core::mem::take(&mut self.0)
    }
}

impl<T: Number> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
        pool::give_back(core::mem::take(&mut self.0));
    }
}

impl<T: Number> Deref for Wiped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: Number> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

/// A kind of number that secrets consist of.
pub(crate) trait Number: DefaultIsZeroes {
    /// What is kept of it.
    #[cfg(feature = "std")]
    fn free(pool: &mut pool::Pool) -> &mut Vec<Vec<Self>>;
}

/// Runs `work` with the memory that earlier calls on this thread wiped and left, and leaves it for later ones.
///
/// Without std nothing is kept.
pub(crate) fn keeping<T>(work: impl FnOnce() -> T) -> T {
    let _before = pool::open();
    work()
}

#[cfg(feature = "std")]
mod pool {
    use alloc::vec::Vec;
    use core::cell::RefCell;

    use super::Number;

    /// What one thread keeps: no more pieces than it had at a time.
    pub(crate) struct Pool {
        /// Outside of [`super::keeping`] nothing is kept or handed out.
        open: bool,
        doubles: Vec<Vec<f64>>,
        signed: Vec<Vec<i8>>,
        words: Vec<Vec<u32>>,
    }

    impl Number for f64 {
        fn free(pool: &mut Pool) -> &mut Vec<Vec<Self>> {
            &mut pool.doubles
        }
    }

    impl Number for i8 {
        fn free(pool: &mut Pool) -> &mut Vec<Vec<Self>> {
            &mut pool.signed
        }
    }

    impl Number for u32 {
        fn free(pool: &mut Pool) -> &mut Vec<Vec<Self>> {
            &mut pool.words
        }
    }

    std::thread_local! {
        static POOL: RefCell<Pool> =
            const { RefCell::new(Pool { open: false, doubles: Vec::new(), signed: Vec::new(), words: Vec::new() }) };
    }

    /// Whether the pool was open, which it is again when this is dropped.
    pub(super) struct Before(bool);

    pub(super) fn open() -> Before {
        Before(POOL.with_borrow_mut(|pool| core::mem::replace(&mut pool.open, true)))
    }

    impl Drop for Before {
        fn drop(&mut self) {
            POOL.with_borrow_mut(|pool| pool.open = self.0);
        }
    }

    /// The smallest piece with room for `length` numbers, if one is kept; where all are too small, the new one takes
    /// the place of one of them.
    pub(super) fn take<T: Number>(length: usize) -> Option<Vec<T>> {
        let kept = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if !pool.open {
                return None;
            }
            let free = T::free(&mut pool);
            let fits = |(_, piece): &(usize, &Vec<T>)| piece.capacity() >= length;
            let smallest = free.iter().enumerate().filter(fits).min_by_key(|(_, piece)| piece.capacity());
            match smallest {
                Some((index, _)) => Some(free.swap_remove(index)),
                None => {
                    free.pop();
                    None
                }
            }
        });
        kept.ok().flatten()
    }

    /// Keeps a piece that has been wiped.
    pub(super) fn give_back<T: Number>(piece: Vec<T>) {
        // A thread that ends has no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.open && piece.capacity() > 0 {
                T::free(&mut pool).push(piece);
            }
        });
    }
}

#[cfg(not(feature = "std"))]
mod pool {
    use alloc::vec::Vec;

    use super::Number;

    impl Number for f64 {}
    impl Number for i8 {}
    impl Number for u32 {}

    pub(super) struct Before(());

    pub(super) fn open() -> Before {
        Before(())
    }

    pub(super) fn take<T: Number>(_: usize) -> Option<Vec<T>> {
        None
    }

    pub(super) fn give_back<T: Number>(_: Vec<T>) {}
}

// In WebAssembly all tests share a thread, hence the pool.
#[cfg(all(test, feature = "std", not(target_family = "wasm")))]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_wiped_within_and_not_outside() {
        let secret = |length| {
            let mut numbers = Wiped::<i8>::zero(length);
            assert!(numbers.len() == length && numbers.iter().all(|&number| number == 0));
            numbers.fill(7);
            numbers.as_ptr()
        };
        let address = keeping(|| secret(64));
        let outside = Wiped::<i8>::zero(64);
        assert_ne!(outside.as_ptr(), address, "it is kept");
        drop(outside);
        for length in [64, 16, 64] {
            assert_eq!(keeping(|| secret(length)), address, "what is larger fits too");
        }
        keeping(|| assert!(Wiped::<f64>::zero(64).iter().all(|&number| number == 0.0)));
        let left = keeping(|| Wiped::<i8>::zero(64).into_public());
        assert_eq!(left.as_ptr(), address);
        assert_ne!(keeping(|| secret(64)), address, "what has left does not come back");
    }
}
