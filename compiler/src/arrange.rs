//! Where the elements of a vector can be among the slots of one ciphertext or several, whose slots count
//! on. Within a ciphertext all extents are powers of two.
//!
//! A vector is either plain, slot s holding element s, or laid out as a grid: an image [C, H, W] is
//! cut into its H/S·W/S squares of S·S pixels. The squares' positions are the low digits of a slot
//! number, the position inside a square and the channel the high ones. A convolution then reads
//! the same few rotations whatever its stride, and one of stride S leaves the next layer an image
//! without gaps.
//!
//! Source: the multiplexed packing of Lee et al. (eprint 2021/1688), section 4, with the digits in
//! another order.

use ckks_core::{LayoutAxis, SlotLayout};

/// More ciphertexts than a vector can take.
const MAX_CIPHERTEXTS: usize = 256;

/// An arrangement of a vector in slots, the pattern being repeated within a ciphertext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arrangement {
    /// As a client has to know it.
    pub(crate) layout: SlotLayout,
    /// The element of every slot of a period.
    elements: Vec<Option<u32>>,
    /// The slots of every element.
    slots: Vec<Vec<u32>>,
}

/// A digit of a slot number: how many values it takes, and by how much it moves along an axis of the tensor.
#[derive(Clone, Copy)]
struct Digit {
    axis: usize,
    extent: usize,
    step: usize,
}

impl Arrangement {
    /// Slot s holds element s modulo the next power of two.
    pub(crate) fn plain(dimension: usize) -> Self {
        Self::of_layout(layout([(dimension.next_power_of_two(), 1)]), dimension)
    }

    /// The elements as a client places them, which may give an element several slots.
    pub(crate) fn of_layout(layout: SlotLayout, dimension: usize) -> Self {
        let inside = |element: usize| (element < dimension).then_some(element as u32);
        let elements = (0..layout.period()).map(|slot| inside(layout.element_at(slot))).collect();
        Self::new(layout, elements, dimension)
    }

    /// The plain arrangement and all grids of a tensor that fit the slots of one ciphertext; if none does,
    /// those over several.
    pub(crate) fn candidates(shape: &[usize], slots: usize) -> Vec<Self> {
        let mut found = Self::within(shape, slots, slots);
        if found.is_empty() {
            found = Self::within(shape, slots, slots * MAX_CIPHERTEXTS);
        }
        found
    }

    /// The arrangements whose period is at most `most`, in ciphertexts of `slots` slots.
    fn within(shape: &[usize], slots: usize, most: usize) -> Vec<Self> {
        let mut found = vec![];
        let dimension: usize = shape.iter().product();
        if dimension.next_power_of_two() <= slots {
            found.push(Self::plain(dimension));
        } else if dimension.next_multiple_of(slots) <= most {
            let axes = [(slots, 1), (dimension.div_ceil(slots), slots)];
            found.push(Self::of_layout(layout(axes), dimension));
        }
        let shape: Vec<usize> = shape.iter().copied().filter(|&extent| extent > 1).collect();
        let &[ref channels @ .., width] = &shape[..] else { return found };
        // A signal has one axis besides its channels, an image two; without channels there is one less.
        let grids: &[&[usize]] = match channels {
            [] => &[],
            [_] => &[&[1], &[0, 1]],
            _ => &[&[shape.len() - 2, shape.len() - 1]],
        };
        for spatial in grids {
            for log in 0..=width.next_power_of_two().ilog2().min(3) {
                for channels_low in [false, true] {
                    let mut digits = grid(&shape, spatial, 1 << log, channels_low);
                    fill_ciphertexts(&mut digits, &shape, slots);
                    let period: usize = digits.iter().map(|digit| digit.extent).product();
                    if period <= most {
                        let candidate = Self::of_digits(&shape, &digits);
                        if found.iter().all(|known| known.layout != candidate.layout) {
                            found.push(candidate);
                        }
                    }
                }
            }
        }
        found
    }

    fn of_digits(shape: &[usize], digits: &[Digit]) -> Self {
        let mut strides = vec![1; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * shape[axis];
        }
        let element = |slot: usize| {
            let (mut rest, mut position) = (slot, vec![0; shape.len()]);
            for digit in digits {
                position[digit.axis] += rest % digit.extent * digit.step;
                rest /= digit.extent;
            }
            let inside = position.iter().zip(shape).all(|(at, extent)| at < extent);
            inside
                .then(|| position.iter().zip(&strides).map(|(at, stride)| at * stride).sum::<usize>() as u32)
        };
        let period = digits.iter().map(|digit| digit.extent).product();
        let elements = (0..period).map(element).collect();
        let axes = digits.iter().map(|digit| (digit.extent, digit.step * strides[digit.axis]));
        Self::new(layout(axes), elements, shape.iter().product())
    }

    fn new(layout: SlotLayout, elements: Vec<Option<u32>>, dimension: usize) -> Self {
        let mut slots = vec![vec![]; dimension];
        for (slot, element) in elements.iter().enumerate() {
            if let Some(element) = element {
                slots[*element as usize].push(slot as u32);
            }
        }
        Self { layout, elements, slots }
    }

    /// The same arrangement with the copies of elements that a client makes beside the grid.
    pub(crate) fn filled(self) -> Self {
        let dimension = self.slots.len();
        Self::of_layout(self.layout, dimension)
    }

    /// After so many slots the pattern repeats.
    pub(crate) fn period(&self) -> usize {
        self.elements.len()
    }

    /// How many ciphertexts of so many slots it takes.
    pub(crate) fn ciphertexts(&self, slots: usize) -> usize {
        self.period().div_ceil(slots)
    }

    /// Number of elements.
    pub(crate) fn dimension(&self) -> usize {
        self.slots.len()
    }

    /// The slots of an element within a period.
    pub(crate) fn slots_of(&self, element: usize) -> &[u32] {
        &self.slots[element]
    }

    /// One period of a vector, 0 where there is no element.
    pub(crate) fn spread(&self, vector: &[f64]) -> Vec<f64> {
        self.elements.iter().map(|element| element.map_or(0.0, |element| vector[element as usize])).collect()
    }

    /// Whether a decoder finds every element at a slot that holds it: none has a copy beside the grid.
    pub(crate) fn is_readable(&self) -> bool {
        let claims = |slot: usize| self.layout.element_at(slot);
        (0..self.period()).all(|slot| match self.elements[slot] {
            Some(element) => claims(slot) == element as usize,
            None => claims(slot) >= self.dimension(),
        })
    }
}

/// The digits of a grid of squares of `side`, cut along the `spatial` axes.
fn grid(shape: &[usize], spatial: &[usize], side: usize, channels_low: bool) -> Vec<Digit> {
    let coarse = spatial.iter().rev().map(|&axis| Digit {
        axis,
        extent: shape[axis].div_ceil(side).next_power_of_two(),
        step: side,
    });
    let inside = spatial.iter().rev().map(|&axis| Digit { axis, extent: side, step: 1 });
    let others = (0..shape.len()).rev().filter(|axis| !spatial.contains(axis));
    let others = others.map(|axis| Digit { axis, extent: shape[axis].next_power_of_two(), step: 1 });
    if channels_low {
        others.chain(coarse).chain(inside).collect()
    } else {
        coarse.chain(inside).chain(others).collect()
    }
}

/// Where the digits go beyond one ciphertext, gives the last one no more values than it needs and than fill
/// whole ciphertexts.
fn fill_ciphertexts(digits: &mut [Digit], shape: &[usize], slots: usize) {
    let total: usize = digits.iter().map(|digit| digit.extent).product();
    let Some(last) = digits.iter_mut().rfind(|digit| digit.extent > 1).filter(|_| total > slots) else {
        return;
    };
    let below = total / last.extent;
    let needed = shape[last.axis].div_ceil(last.step).min(last.extent);
    last.extent = needed.next_multiple_of((slots / below).max(1));
}

pub(crate) fn layout(axes: impl IntoIterator<Item = (usize, usize)>) -> SlotLayout {
    let axes = axes.into_iter().filter(|(extent, _)| *extent > 1);
    SlotLayout {
        axes: axes
            .map(|(extent, stride)| LayoutAxis { extent: extent as u32, stride: stride as u32 })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_candidate_holds_every_element() {
        for shape in [vec![10], vec![2, 7], vec![3, 6, 5], vec![1, 28, 28], vec![2, 1, 9]] {
            let dimension: usize = shape.iter().product();
            let candidates = Arrangement::candidates(&shape, 4096);
            assert!(candidates.len() >= shape.iter().filter(|extent| **extent > 1).count());
            for candidate in candidates {
                assert!(
                    (0..dimension).all(|element| candidate.slots_of(element).len() == 1),
                    "{candidate:?}"
                );
                let vector: Vec<f64> = (0..dimension).map(|i| i as f64 + 1.0).collect();
                let spread = candidate.spread(&vector);
                let packed = candidate.layout.pack(&vector, spread.len());
                assert!(
                    spread.iter().zip(&packed).all(|(a, b)| *a == 0.0 || a == b),
                    "the layout says the same"
                );
                if candidate.is_readable() {
                    assert_eq!(candidate.layout.unpack(&spread, dimension), vector);
                }
                assert_eq!(candidate.filled().spread(&vector), packed);
            }
        }
    }

    #[test]
    fn what_does_not_fit_one_ciphertext_fills_several() {
        for (shape, fewest) in [(vec![50], 4), (vec![3, 5, 5], 8), (vec![6, 4, 4], 6), (vec![2, 3, 8], 4)] {
            let dimension: usize = shape.iter().product();
            let candidates = Arrangement::candidates(&shape, 16);
            assert_eq!(
                candidates.iter().map(|c| c.ciphertexts(16)).min(),
                Some(fewest.min(dimension.div_ceil(16)))
            );
            for candidate in candidates {
                let period = candidate.period();
                assert!(period > 16 && period.is_multiple_of(16), "{candidate:?}");
                assert!((0..dimension).all(|element| candidate.slots_of(element).len() == 1));
                candidate.layout.validate(period, dimension).expect("places every element");
                let vector: Vec<f64> = (0..dimension).map(|i| i as f64 + 1.0).collect();
                let packed = candidate.layout.pack(&vector, period);
                let mut both = candidate.spread(&vector).into_iter().zip(packed);
                assert!(both.all(|(a, b)| a == 0.0 || a == b), "the layout says the same");
            }
        }
    }

    #[test]
    fn an_image_cut_into_squares_has_neighbours_one_slot_apart() {
        let images = Arrangement::candidates(&[28, 28], 1024);
        let cut = images.iter().find(|image| image.layout == layout([(16, 2), (16, 56), (2, 1), (2, 28)]));
        let cut = cut.expect("is a candidate");
        assert_eq!(cut.slots_of(0), [0]);
        assert_eq!(cut.slots_of(2), [1]);
        assert_eq!(cut.slots_of(1), [256]);
        assert_eq!(cut.slots_of(28 * 2), [16]);
    }

    #[test]
    fn only_arrangements_without_copies_are_readable() {
        assert!(Arrangement::plain(10).is_readable());
        let ragged = Arrangement::candidates(&[3, 3], 64).pop().expect("a grid");
        assert!(!ragged.is_readable());
    }
}
