use super::*;

/// One layer after the other, as the definition has it.
mod slow {
    use super::{Roots, Slots};

    pub(super) fn from_slots(roots: &Roots, Slots { re, im }: &mut Slots) {
        let mut half = re.len() / 2;
        while half >= 1 {
            let (cosines, sines) = (&roots.cosines[half..2 * half], &roots.sines[half..2 * half]);
            for (re, im) in re.chunks_exact_mut(2 * half).zip(im.chunks_exact_mut(2 * half)) {
                let ((re0, re1), (im0, im1)) = (re.split_at_mut(half), im.split_at_mut(half));
                for j in 0..half {
                    let (x, y) = (re0[j] - re1[j], im0[j] - im1[j]);
                    re0[j] += re1[j];
                    im0[j] += im1[j];
                    re1[j] = x * cosines[j] + y * sines[j];
                    im1[j] = y * cosines[j] - x * sines[j];
                }
            }
            half /= 2;
        }
        reverse_bits(re);
        reverse_bits(im);
    }

    pub(super) fn to_slots(roots: &Roots, Slots { re, im }: &mut Slots) {
        reverse_bits(re);
        reverse_bits(im);
        let mut half = 1;
        while half < re.len() {
            let (cosines, sines) = (&roots.cosines[half..2 * half], &roots.sines[half..2 * half]);
            for (re, im) in re.chunks_exact_mut(2 * half).zip(im.chunks_exact_mut(2 * half)) {
                let ((re0, re1), (im0, im1)) = (re.split_at_mut(half), im.split_at_mut(half));
                for j in 0..half {
                    let x = re1[j] * cosines[j] - im1[j] * sines[j];
                    let y = re1[j] * sines[j] + im1[j] * cosines[j];
                    re1[j] = re0[j] - x;
                    im1[j] = im0[j] - y;
                    re0[j] += x;
                    im0[j] += y;
                }
            }
            half *= 2;
        }
    }

    fn reverse_bits(values: &mut [f64]) {
        let unused = usize::BITS - values.len().trailing_zeros();
        for i in 0..values.len() {
            let j = i.reverse_bits() >> unused;
            if i < j {
                values.swap(i, j);
            }
        }
    }

    /// With 2^62 added, modulo 2^63; and whether it was in range.
    pub(super) fn round(value: f64) -> (u64, bool) {
        let rounded = libm::rint(value);
        let limit = (1u64 << 62) as f64;
        let word = (rounded as i64).wrapping_add(1 << 62) as u64 & (u64::MAX >> 1);
        (word, rounded < limit && rounded > -limit)
    }
}

/// Embeddings of every size that parameters have, on every backend.
fn embeddings() -> impl Iterator<Item = Embedding> {
    (4..=15).flat_map(|log| Backend::available().map(move |backend| Embedding::new(backend, 1 << log)))
}

fn slots(count: usize) -> Slots {
    let mut slots = Slots::zero(count);
    let mut state = 1u64;
    for value in slots.re.iter_mut().chain(slots.im.iter_mut()) {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *value = (state >> 11) as f64 / (1u64 << 50) as f64 - 4.0;
    }
    slots
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn slots_have_the_bits_of_one_layer_after_the_other() {
    for embedding in embeddings() {
        let count = embedding.roots.cosines.len();
        let mut expected = slots(count);
        let found = embedding.to_slots(&[&expected.re[..], &expected.im[..]].concat());
        slow::to_slots(&embedding.roots, &mut expected);
        let name = embedding.backend.name();
        assert_eq!(bits(&found.re), bits(&expected.re), "{count} on {name}");
        assert_eq!(bits(&found.im), bits(&expected.im), "{count} on {name}");
    }
}

#[test]
fn integers_have_the_bits_of_one_layer_after_the_other() {
    for embedding in embeddings() {
        let count = embedding.roots.cosines.len();
        // Small and large coefficients, some out of range.
        for (factor, in_range) in [(0.75, true), (1e15, true), (1e17, false)] {
            let mut expected = slots(count);
            let (found, all) = embedding.to_integers(slots(count), factor);
            slow::from_slots(&embedding.roots, &mut expected);
            let rounded =
                expected.re.iter().chain(expected.im.iter()).map(|&value| slow::round(value * factor));
            let (words, each): (Vec<u64>, Vec<bool>) = rounded.unzip();
            assert_eq!(found.words(), words, "{count} on {}", embedding.backend.name());
            assert_eq!(all, each.into_iter().all(|fits| fits));
            assert!(in_range == all || count < 1 << 13, "the test reaches both answers");
        }
    }
}

impl OffsetIntegers {
    fn words(&self) -> Vec<u64> {
        let halves = self.low.iter().zip(self.high.iter());
        halves.map(|(&low, &high)| u64::from(low) | u64::from(high) << 32).collect()
    }
}

#[test]
fn every_double_is_rounded_to_the_nearest_integer_and_ties_to_even() {
    // A constant polynomial has that constant in every slot, and rounding alone is left.
    let exponents = (-2..70).map(f64::from).map(f64::exp2);
    let near = |x: f64| {
        let neighbours = [x.next_down(), x, x.next_up()];
        neighbours.into_iter().chain([0.5, 1.5, 2.5].into_iter().flat_map(move |half| [x + half, x - half]))
    };
    let values: Vec<f64> = exponents
        .flat_map(near)
        .chain([
            0.0,
            4_294_967_296.5,
            6_442_450_943.5,
            4_503_599_627_370_495.5,
            1e300,
            f64::MAX,
            f64::INFINITY,
        ])
        .flat_map(|x| [x, -x])
        .chain([f64::NAN])
        .collect();
    for backend in Backend::available() {
        let embedding = Embedding::new(backend, 64);
        for &value in &values {
            let mut constant = Slots::zero(64);
            constant.re.fill(value);
            let (found, in_range) = embedding.to_integers(constant, 1.0 / 64.0);
            let (word, fits) = slow::round(value);
            if value.is_finite() && value.abs() < f64::MAX / 64.0 {
                assert_eq!(found.words()[0], word, "{value:e} on {}", backend.name());
            }
            assert_eq!(in_range, fits, "{value:e} on {}", backend.name());
        }
    }
}
