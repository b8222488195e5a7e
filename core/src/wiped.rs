//! Memory for secret numbers, wiped when dropped: whole, where a list of its own kind would be wiped number by number.

use alloc::{vec, vec::Vec};
use core::ops::{Deref, DerefMut};

use zeroize::{DefaultIsZeroes, Zeroize};

/// Numbers, as many as there were at first.
pub(crate) struct Wiped<T: DefaultIsZeroes>(Vec<T>);

impl<T: DefaultIsZeroes> Wiped<T> {
    pub(crate) fn zero(length: usize) -> Self {
        Self(vec![T::default(); length])
    }

    /// The numbers, no longer wiped.
    pub(crate) fn into_public(mut self) -> Vec<T> {
        core::mem::take(&mut self.0)
    }
}

impl<T: DefaultIsZeroes> Drop for Wiped<T> {
    fn drop(&mut self) {
        self.0.as_mut_slice().zeroize();
    }
}

impl<T: DefaultIsZeroes> Deref for Wiped<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: DefaultIsZeroes> DerefMut for Wiped<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}
