//! Where the elements of a vector sit among the slots. Owns the map and its inverse; knows no
//! ciphertexts.

use alloc::{vec, vec::Vec};
use core::fmt;

/// One digit of a slot number in mixed radix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutAxis {
    /// How many values the digit takes.
    pub extent: u32,
    /// By how much the digit moves in the vector; 0 repeats the same elements.
    pub stride: u32,
}

/// An arrangement of a vector in slots.
///
/// A slot number, modulo the [`period`](Self::period), is written in mixed radix, the first axis
/// being the least significant digit; slot `s` holds element `Σ digit·stride`, or 0 where the
/// vector has no such element. The pattern repeats until the slots are full.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotLayout {
    /// The axes, least significant first.
    pub axes: Vec<LayoutAxis>,
}

/// Why a [`SlotLayout`] does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LayoutError {
    /// An axis has extent 0.
    EmptyAxis {
        /// Its position in `axes`.
        axis: usize,
    },
    /// The product of the extents does not divide the number of slots.
    Period {
        /// Number of slots.
        slots: usize,
        /// Product of the extents, saturated.
        found: usize,
    },
    /// An element of the vector has no slot.
    MissingElement {
        /// The element.
        element: usize,
    },
}

impl fmt::Display for LayoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyAxis { axis } => {
                write!(f, "axis {axis} has extent 0; an axis takes at least one value")
            }
            Self::Period { slots, found } => {
                write!(f, "the product of the extents, {found}, must divide the number of slots, {slots}")
            }
            Self::MissingElement { element } => write!(f, "element {element} has no slot"),
        }
    }
}

impl core::error::Error for LayoutError {}

impl SlotLayout {
    /// The product of the extents, saturated: after so many slots the pattern repeats.
    #[must_use]
    pub fn period(&self) -> usize {
        self.axes.iter().fold(1, |product: usize, axis| product.saturating_mul(axis.extent as usize))
    }

    /// Checks that the pattern fills `slots` slots and holds all `dimension` elements.
    ///
    /// # Errors
    /// The first [`LayoutError`] that applies.
    pub fn validate(&self, slots: usize, dimension: usize) -> Result<(), LayoutError> {
        if let Some(axis) = self.axes.iter().position(|axis| axis.extent == 0) {
            return Err(LayoutError::EmptyAxis { axis });
        }
        let found = self.period();
        if found > slots || !slots.is_multiple_of(found) {
            return Err(LayoutError::Period { slots, found });
        }
        // A vector longer than the period has an element without a slot; look no further.
        let slot_of = self.slots_of(dimension.min(found + 1));
        match slot_of.iter().position(Option::is_none) {
            Some(element) => Err(LayoutError::MissingElement { element }),
            None => Ok(()),
        }
    }

    /// Returns the element that a slot is meant for, whether or not the vector is that long.
    #[must_use]
    pub fn element_at(&self, slot: usize) -> usize {
        let mut rest = slot;
        self.axes.iter().fold(0usize, |element, axis| {
            let extent = (axis.extent as usize).max(1);
            let digit = rest % extent;
            rest /= extent;
            element.saturating_add(digit.saturating_mul(axis.stride as usize))
        })
    }

    /// Returns the first slot that holds `element`.
    #[must_use]
    pub fn slot_of(&self, element: usize) -> Option<usize> {
        (0..self.period()).find(|&slot| self.element_at(slot) == element)
    }

    /// Spreads a vector over `slots` slots.
    #[must_use]
    pub fn pack(&self, values: &[f64], slots: usize) -> Vec<f64> {
        let element = |slot| self.element_at(slot);
        (0..slots).map(|slot| values.get(element(slot)).copied().unwrap_or(0.0)).collect()
    }

    /// Collects a vector of `dimension` elements from the first slot of each; 0 where there is none.
    #[must_use]
    pub fn unpack(&self, slots: &[f64], dimension: usize) -> Vec<f64> {
        let value = |slot: Option<usize>| slot.and_then(|slot| slots.get(slot)).copied().unwrap_or(0.0);
        self.slots_of(dimension).into_iter().map(value).collect()
    }

    /// The first slot of each of the first `dimension` elements, in the order of the slots, with the element.
    #[must_use]
    pub fn places(&self, dimension: usize) -> Vec<(usize, usize)> {
        let mut found = vec![false; dimension];
        let mut places = Vec::with_capacity(dimension);
        for slot in 0..self.period() {
            if places.len() == dimension {
                break;
            }
            let element = self.element_at(slot);
            if let Some(is_found @ false) = found.get_mut(element) {
                *is_found = true;
                places.push((slot, element));
            }
        }
        places
    }

    /// The first slot of each of the first `dimension` elements.
    fn slots_of(&self, dimension: usize) -> Vec<Option<usize>> {
        let mut first = vec![None; dimension];
        self.places(dimension).into_iter().for_each(|(slot, element)| first[element] = Some(slot));
        first
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(axes: &[(u32, u32)]) -> SlotLayout {
        SlotLayout { axes: axes.iter().map(|&(extent, stride)| LayoutAxis { extent, stride }).collect() }
    }

    #[test]
    fn unpack_undoes_pack_and_the_pattern_repeats() {
        let layout = layout(&[(4, 1), (2, 0), (4, 4)]);
        let values: Vec<f64> = (0..13).map(f64::from).collect();
        layout.validate(64, 13).expect("fits");
        let slots = layout.pack(&values, 64);
        assert_eq!(slots[..8], [0.0, 1.0, 2.0, 3.0, 0.0, 1.0, 2.0, 3.0]);
        assert_eq!(slots[..32], slots[32..]);
        assert_eq!(slots[24..28], [12.0, 0.0, 0.0, 0.0]);
        assert_eq!(layout.unpack(&slots, 13), values);
    }

    #[test]
    fn slot_of_is_the_first_slot_of_an_element() {
        let layout = layout(&[(2, 1), (4, 0), (2, 2)]);
        assert_eq!(
            (0..5).map(|e| layout.slot_of(e)).collect::<Vec<_>>(),
            [Some(0), Some(1), Some(8), Some(9), None]
        );
    }

    #[test]
    fn no_axes_repeat_one_element_everywhere() {
        assert_eq!(layout(&[]).pack(&[3.0, 4.0], 4), [3.0; 4]);
        assert_eq!(layout(&[]).validate(4, 1), Ok(()));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(layout(&[(2, 1), (0, 2)]).validate(8, 1), Err(LayoutError::EmptyAxis { axis: 1 }));
        assert_eq!(layout(&[(3, 1)]).validate(8, 3), Err(LayoutError::Period { slots: 8, found: 3 }));
        assert_eq!(
            layout(&[(u32::MAX, 1), (u32::MAX, 1), (u32::MAX, 1)]).validate(8, 3),
            Err(LayoutError::Period { slots: 8, found: usize::MAX })
        );
        assert_eq!(
            layout(&[(8, 1)]).validate(8, usize::MAX),
            Err(LayoutError::MissingElement { element: 8 })
        );
        assert_eq!(layout(&[(4, 2)]).validate(8, 4), Err(LayoutError::MissingElement { element: 1 }));
    }
}
