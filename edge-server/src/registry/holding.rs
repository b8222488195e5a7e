//! How models are held in memory, decided from figures before anything is prepared.
//!
//! A host whose memory is one and bounded grants it to all that there is: models, request bodies, one evaluation at a
//! time, and prepared keys in what is left. A model that takes less memory takes more time: its factors are encoded in
//! every evaluation, or its keys prepared when the program comes to them.

use std::{collections::BTreeMap, fmt};

use ckks_core::FactorEncoding;

use super::Limits;
use crate::{body, id::ModelKey};

/// How evaluation keys are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHolding {
    /// All keys of a set are prepared before the evaluation, and kept for later ones.
    Together,
    /// Each key is read and prepared when the program comes to it, and dropped before the next one.
    OneAtATime,
}

/// How a model is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// When its factors are encoded.
    pub factors: FactorEncoding,
    /// How its evaluation keys are held.
    pub keys: KeyHolding,
}

impl Holding {
    /// What takes the least time.
    pub const FASTEST: Self = Self { factors: FactorEncoding::Ahead, keys: KeyHolding::Together };
}

/// What a model takes, in bytes, known before it is prepared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// The model.
    pub model: ModelKey,
    /// All its factors, if they are encoded ahead.
    pub factors: usize,
    /// What an evaluation works with, if they are.
    pub working: usize,
    /// The same, if they are encoded as they are used.
    pub working_as_used: usize,
    /// The inputs of a request, at most.
    pub inputs: usize,
    /// All its evaluation keys, prepared.
    pub keys: usize,
    /// The largest of them, prepared.
    pub largest_key: usize,
    /// The longest of them, as it is uploaded.
    pub longest_key: usize,
    /// What a thread keeps that has helped with an evaluation.
    pub helper: usize,
}

impl Figures {
    /// What is held between evaluations besides the package, keys not included.
    #[must_use]
    pub fn loaded_bytes(&self, holding: Holding) -> usize {
        match holding.factors {
            FactorEncoding::Ahead => self.factors,
            FactorEncoding::AsUsed => 0,
        }
    }

    /// Most memory that one evaluation takes, prepared keys included.
    #[must_use]
    pub fn evaluation_bytes(&self, holding: Holding) -> usize {
        let working = match holding.factors {
            FactorEncoding::Ahead => self.working,
            FactorEncoding::AsUsed => self.working_as_used,
        };
        let keys = match holding.keys {
            KeyHolding::Together => self.keys,
            // Half of it is there before: as it is stored, then decoded.
            KeyHolding::OneAtATime => 2 * self.largest_key,
        };
        working + self.inputs + keys
    }

    /// What of an evaluation's memory is kept for later ones.
    fn kept_bytes(&self, holding: Holding) -> usize {
        match holding.keys {
            KeyHolding::Together => self.keys,
            KeyHolding::OneAtATime => 0,
        }
    }
}

/// The memory of a host whose memory is one and bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// All there is, in bytes.
    pub bytes: usize,
    /// What of it is taken already.
    pub taken: usize,
    /// The most request bodies of the longest kind, and their copies, that are to be read at once.
    pub bodies: usize,
}

/// What each part of the service may take, in bytes: the settings of the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Request bodies.
    pub body_bytes: usize,
    /// One evaluation at a time.
    pub evaluation_bytes: usize,
    /// Prepared keys: those of the job that runs, and what fits beside them.
    pub key_cache_bytes: usize,
}

/// A model takes more memory than there is, however it is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoesNotFit {
    /// The model whose evaluation takes the most.
    pub model: ModelKey,
    /// Bytes that the evaluation takes.
    pub needed: usize,
    /// Bytes that are left for it.
    pub left: usize,
    /// All bytes that there are.
    pub granted: usize,
    /// Bytes that are taken when the models are loaded.
    pub loaded: usize,
    /// Bytes of the fewest request bodies.
    pub bodies: usize,
}

impl fmt::Display for DoesNotFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        write!(
            f,
            "model {} does not fit: an evaluation takes {:.1} MB, {:.1} MB are left of {:.1} MB when the models \
             ({:.1} MB) and a request body ({:.1} MB) have theirs; leave it to a server with more memory, or out",
            self.model,
            megabytes(self.needed),
            megabytes(self.left),
            megabytes(self.granted),
            megabytes(self.loaded),
            megabytes(self.bodies),
        )
    }
}

impl std::error::Error for DoesNotFit {}

impl Shares {
    /// Divides what is left when the models are loaded: bodies as many as are to be, fewer if they do not fit, but at
    /// least one with its copies; then the largest evaluation; the rest is for prepared keys.
    ///
    /// # Errors
    /// [`DoesNotFit`].
    pub fn divide<'a>(
        models: impl IntoIterator<Item = (&'a Figures, Holding)>,
        grant: Grant,
    ) -> Result<Self, DoesNotFit> {
        let models: Vec<_> = models.into_iter().collect();
        let limits = Limits::of(models.iter().map(|(figures, _)| *figures));
        let fewest = (body::COPIES * limits.infer_bytes).max(limits.key_bytes);
        let left = grant.bytes.saturating_sub(grant.taken + fewest);
        let largest = models.iter().max_by_key(|(figures, holding)| figures.evaluation_bytes(*holding));
        let evaluation_bytes = largest.map_or(0, |(figures, holding)| figures.evaluation_bytes(*holding));
        if let Some((figures, _)) = largest.filter(|_| evaluation_bytes > left) {
            return Err(DoesNotFit {
                model: figures.model.clone(),
                needed: evaluation_bytes,
                left,
                granted: grant.bytes,
                loaded: grant.taken,
                bodies: fewest,
            });
        }
        let more = (grant.bodies * limits.infer_bytes).saturating_sub(fewest);
        let body_bytes = fewest + more.min(left - evaluation_bytes);
        // One job runs at a time, and room is made before keys are prepared: the keys of the job are within
        // the cache's share, beside them is what it works with.
        let beside = models
            .iter()
            .map(|(figures, holding)| figures.evaluation_bytes(*holding) - figures.kept_bytes(*holding));
        let beside = beside.max().unwrap_or_default();
        let key_cache_bytes = (left + fewest).saturating_sub(body_bytes + beside);
        Ok(Self { body_bytes, evaluation_bytes, key_cache_bytes })
    }
}

/// Decides how models are held: as fast as possible while that fits, else with the change that saves most, and the
/// next one, until it does.
///
/// [`Grant::taken`] is what is taken when all packages are checked and none is prepared.
///
/// # Errors
/// [`DoesNotFit`], when everything has been changed and it does not fit.
pub fn hold(models: &[Figures], grant: Grant) -> Result<BTreeMap<ModelKey, Holding>, DoesNotFit> {
    let mut held: Vec<(&Figures, Holding)> = models.iter().map(|model| (model, Holding::FASTEST)).collect();
    loop {
        let loaded: usize = held.iter().map(|(figures, holding)| figures.loaded_bytes(*holding)).sum();
        match Shares::divide(held.iter().copied(), Grant { taken: grant.taken + loaded, ..grant }) {
            Ok(_) => return Ok(held.into_iter().map(|(f, holding)| (f.model.clone(), holding)).collect()),
            Err(error) => {
                let (index, holding) = best_change(&held).ok_or(error)?;
                held[index].1 = holding;
            }
        }
    }
}

/// What is kept by threads that share evaluations, when so many jobs run at once.
pub(crate) fn kept_by_helpers<'a>(models: impl Iterator<Item = &'a Figures>, parallelism: usize) -> usize {
    parallelism.saturating_sub(1) * models.map(|model| model.helper).max().unwrap_or_default()
}

/// Decides how models are held where evaluations have a bound and loaded models have none: as fast as possible, but
/// with one key at a time where all keys together take an evaluation beyond the bound.
pub(super) fn hold_evaluations(
    models: &[Figures],
    evaluation_bytes: usize,
    parallelism: usize,
) -> BTreeMap<ModelKey, Holding> {
    let bound = evaluation_bytes.saturating_sub(kept_by_helpers(models.iter(), parallelism));
    let holding = |figures: &Figures| {
        let smaller = Holding { keys: KeyHolding::OneAtATime, ..Holding::FASTEST };
        let [fastest, less] = [Holding::FASTEST, smaller].map(|holding| figures.evaluation_bytes(holding));
        if fastest > bound && less < fastest { smaller } else { Holding::FASTEST }
    };
    models.iter().map(|figures| (figures.model.clone(), holding(figures))).collect()
}

/// The change that saves most: factors of any model, or keys of the one whose evaluation takes most.
fn best_change(held: &[(&Figures, Holding)]) -> Option<(usize, Holding)> {
    let ahead = |(_, (_, holding)): &(usize, &(&Figures, Holding))| holding.factors == FactorEncoding::Ahead;
    let factors = held.iter().enumerate().filter(ahead).map(|(index, (figures, holding))| {
        let saved = figures.factors.saturating_sub(figures.working_as_used.saturating_sub(figures.working));
        (saved, index, Holding { factors: FactorEncoding::AsUsed, ..*holding })
    });
    let largest =
        held.iter().enumerate().max_by_key(|(_, (figures, holding))| figures.evaluation_bytes(*holding));
    let keys = largest.map(|(index, (figures, holding))| {
        let changed = Holding { keys: KeyHolding::OneAtATime, ..*holding };
        let saved = figures.evaluation_bytes(*holding).saturating_sub(figures.evaluation_bytes(changed));
        (saved, index, changed)
    });
    let changes = factors.chain(keys).filter(|(saved, ..)| *saved > 0);
    changes.max_by_key(|(saved, ..)| *saved).map(|(_, index, holding)| (index, holding))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MB: usize = 1_000_000;
    const AS_USED: Holding = Holding { factors: FactorEncoding::AsUsed, keys: KeyHolding::Together };
    const ONE_KEY: Holding = Holding { factors: FactorEncoding::Ahead, keys: KeyHolding::OneAtATime };
    const SMALLEST: Holding = Holding { factors: FactorEncoding::AsUsed, keys: KeyHolding::OneAtATime };

    /// A model that takes so many megabytes.
    fn figures(name: &str, factors: usize, working: usize, keys: usize) -> Figures {
        Figures {
            model: ModelKey { model_id: name.to_owned(), version: "1.0.0".to_owned() },
            factors: factors * MB,
            working: working * MB,
            working_as_used: (working + 1) * MB,
            inputs: MB / 2,
            keys: keys * MB,
            largest_key: MB,
            longest_key: MB / 2,
            helper: MB / 4,
        }
    }

    fn held(models: &[Figures], megabytes: usize) -> Option<Vec<Holding>> {
        let grant = Grant { bytes: megabytes * MB, taken: 2 * MB, bodies: 12 };
        hold(models, grant).ok().map(|held| held.into_values().collect())
    }

    #[test]
    fn everything_is_fast_while_it_fits() {
        let models = [figures("a", 20, 10, 10)];
        assert_eq!(held(&models, 46), Some(vec![Holding::FASTEST]));
        assert_ne!(held(&models, 45), Some(vec![Holding::FASTEST]));
    }

    #[test]
    fn the_change_that_saves_most_comes_first() {
        assert_eq!(held(&[figures("a", 50, 10, 30)], 80), Some(vec![AS_USED]));
        assert_eq!(held(&[figures("a", 50, 10, 30)], 47), Some(vec![AS_USED]));
        assert_eq!(held(&[figures("a", 50, 10, 30)], 46), Some(vec![SMALLEST]));
        assert_eq!(held(&[figures("a", 20, 10, 30)], 50), Some(vec![ONE_KEY]));
        assert_eq!(held(&[figures("a", 20, 10, 30)], 37), Some(vec![SMALLEST]));
        assert_eq!(held(&[figures("a", 20, 10, 30)], 18), None);
    }

    #[test]
    fn the_largest_model_changes_and_the_others_do_not() {
        let models = [figures("a", 10, 10, 10), figures("b", 50, 20, 50), figures("c", 20, 10, 10)];
        assert_eq!(held(&models, 158), Some(vec![Holding::FASTEST; 3]));
        assert_eq!(held(&models, 100), Some(vec![Holding::FASTEST, SMALLEST, Holding::FASTEST]));
        assert_eq!(held(&models, 55), Some(vec![Holding::FASTEST, SMALLEST, AS_USED]));
    }

    #[test]
    fn where_evaluations_alone_are_bounded_the_keys_of_those_beyond_come_one_at_a_time() {
        let models = [figures("a", 1000, 10, 10), figures("b", 1000, 20, 50), figures("c", 1000, 200, 10)];
        let held = |megabytes: usize, parallelism| {
            let held = hold_evaluations(&models, megabytes * MB, parallelism);
            held.into_values().collect::<Vec<_>>()
        };
        assert_eq!(held(1000, 4), [Holding::FASTEST; 3]);
        assert_eq!(held(71, 1), [Holding::FASTEST, Holding::FASTEST, ONE_KEY]);
        assert_eq!(held(71, 4), [Holding::FASTEST, ONE_KEY, ONE_KEY], "helpers keep some of it");
    }

    #[test]
    fn of_models_alike_all_change_if_they_have_to() {
        let models = [figures("a", 0, 10, 20), figures("b", 0, 10, 20)];
        assert_eq!(held(&models, 20), Some(vec![ONE_KEY; 2]));
    }

    #[test]
    fn a_model_that_does_not_fit_is_refused_with_the_figures() {
        let grant = Grant { bytes: 30 * MB, taken: 2 * MB, bodies: 12 };
        let error = hold(&[figures("a", 9, 40, 50)], grant).expect_err("it does not fit");
        assert_eq!((error.needed, error.granted), (43 * MB + MB / 2, 30 * MB));
        assert_eq!(error.left, error.granted - error.loaded - error.bodies);
        let text = error.to_string();
        assert!(text.starts_with("model a 1.0.0 does not fit: an evaluation takes 43.5 MB"), "{text}");
    }

    #[test]
    fn bodies_are_as_many_as_fit_and_keys_have_the_rest() {
        let model = figures("a", 0, 10, 5);
        let body = Limits::of([&model].into_iter()).infer_bytes;
        let divide = |megabytes: usize| {
            let grant = Grant { bytes: megabytes * MB, taken: 0, bodies: 12 };
            Shares::divide([(&model, Holding::FASTEST)], grant)
        };
        let ample = divide(100).expect("it fits");
        assert_eq!((ample.body_bytes, ample.evaluation_bytes), (12 * body, 15 * MB + MB / 2));
        assert_eq!(ample.key_cache_bytes, 100 * MB - 12 * body - 10 * MB - MB / 2);
        let narrow = divide(20).expect("it fits");
        assert_eq!(narrow.body_bytes, 20 * MB - narrow.evaluation_bytes);
        assert_eq!(narrow.key_cache_bytes, 5 * MB, "those of the job that runs");
        divide(18).expect_err("a body has no room");
    }
}
