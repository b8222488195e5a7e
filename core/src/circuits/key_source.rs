//! Where an evaluation finds its keys: in memory, or wherever a host reads them from.

use alloc::borrow::Cow;

use crate::scheme::{Error, EvaluationKeys, GaloisElement, GaloisKey, RelinearizationKey};

/// Where an evaluation finds its keys.
///
/// [`EvaluationKeys`] has them all in memory. A source may also make each when it is asked for it, so that no more
/// than one is in memory at a time; how often each is asked for follows from the program.
pub trait KeySource {
    /// Whether keys are in memory anyway: then all are asked for once before the first instruction, to find out whether
    /// any is missing. Otherwise each is dropped before the next one is asked for.
    fn are_at_hand(&self) -> bool;

    /// Finds the relinearization key.
    ///
    /// # Errors
    /// [`Error::MissingRelinearizationKey`].
    fn relinearization(&self) -> Result<Cow<'_, RelinearizationKey>, Error>;

    /// Finds the key of an automorphism.
    ///
    /// # Errors
    /// [`Error::MissingGaloisKey`].
    fn galois(&self, element: GaloisElement) -> Result<Cow<'_, GaloisKey>, Error>;
}

impl KeySource for EvaluationKeys {
    fn are_at_hand(&self) -> bool {
        true
    }

    fn relinearization(&self) -> Result<Cow<'_, RelinearizationKey>, Error> {
        Self::relinearization(self).map(Cow::Borrowed)
    }

    fn galois(&self, element: GaloisElement) -> Result<Cow<'_, GaloisKey>, Error> {
        Self::galois(self, element).map(Cow::Borrowed)
    }
}
