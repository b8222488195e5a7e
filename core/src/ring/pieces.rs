//! Work in independent pieces, such as one for each limb. Owns when sharing it is worth the effort. Invariant: what
//! comes out does not depend on who did which piece.

use crate::team::Team;

/// How much work it is to read and write numbers once, or to transform them.
#[derive(Clone, Copy)]
pub(crate) struct Cost(usize);

impl Cost {
    /// Passes over memory, each over so many numbers.
    pub(crate) fn passes(count: usize, numbers: usize) -> Self {
        Self(count * numbers)
    }

    /// This and something else.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Some of so many equal parts of this.
    pub(crate) fn share(self, some: usize, all: usize) -> Self {
        Self(self.0 * some / all)
    }

    /// Transforms of limbs of so many numbers; one takes about as long as eight passes.
    pub(crate) fn transforms(count: usize, numbers: usize) -> Self {
        Self::passes(8 * count, numbers)
    }
}

/// What somebody has to get to do for it to be worth calling him: about 8 µs, several times what it takes to
/// call a thread that waits and to wait for one that has begun. In tests, whose rings are tiny, far less.
#[cfg(feature = "std")]
const WORTH: usize = if cfg!(test) { 1 << 8 } else { 1 << 17 };

/// Does pieces of work of this cost in all, in any order, by whoever of the team is free.
#[cfg(feature = "std")]
pub(crate) fn for_each<T: Send>(
    team: &dyn Team,
    cost: Cost,
    pieces: impl Iterator<Item = T> + Send,
    work: impl Fn(T) + Sync,
) {
    let others = (cost.0 / WORTH).saturating_sub(1);
    if others == 0 {
        return super::reusing(|| pieces.for_each(work));
    }
    let pieces = std::sync::Mutex::new(pieces.fuse());
    team.share(others, &|| {
        // A piece is never worked on under the lock, which therefore only an iterator could poison.
        let next = pieces.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
        let Some(piece) = next else { return false };
        super::reusing(|| work(piece));
        true
    });
}

/// Does pieces of work, one after the other: without std nobody could share them.
#[cfg(not(feature = "std"))]
pub(crate) fn for_each<T>(_: &dyn Team, _: Cost, pieces: impl Iterator<Item = T>, work: impl Fn(T)) {
    pieces.for_each(work);
}
