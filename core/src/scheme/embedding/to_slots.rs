//! From coefficients to slots.

use super::{
    GROUP, Roots,
    butterfly::{Factors, Points, Tile, columns_to_rows, group_factors, layers_up, up_eight},
};
use crate::lanes::{Doubles, Kernel, Lanes, each};

pub(super) struct ToSlots<'a> {
    pub(super) roots: &'a Roots,
    pub(super) coefficients: [&'a [f64]; 2],
    pub(super) out: [&'a mut [f64]; 2],
}

impl Kernel for ToSlots<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { roots, coefficients, out } = self;
        let entries = coefficients[0].len();
        let [re, im] = out.map(L::Doubles::chunks_mut);
        groups::<L::Doubles>(roots, coefficients.map(L::Doubles::chunks), re, im, entries);
        let factors = Factors::<L::Doubles>::new(roots);
        let mut half = GROUP / L::Doubles::WIDTH;
        while half < re.len() {
            let layers = L::layers_at_once((re.len() / half).ilog2() as usize);
            layers_up::<L>(&factors, re, im, half, layers);
            half <<= layers;
        }
    }
}

/// The reversal of bits and the first three layers.
#[inline(always)]
fn groups<D: Doubles>(
    roots: &Roots,
    [in_re, in_im]: [&[D::Chunk]; 2],
    re: &mut [D::Chunk],
    im: &mut [D::Chunk],
    entries: usize,
) {
    let factors = group_factors::<D>(roots);
    for tile in Tile::all::<D>(entries) {
        let points = each(|i| {
            let place = tile.column::<D>(i);
            Points::load(&in_re[place], &in_im[place])
        });
        let points = up_eight(points, factors);
        let rows_re = columns_to_rows(each(|i| points[i].re));
        let rows_im = columns_to_rows(each(|i| points[i].im));
        for i in 0..GROUP {
            let place = tile.row::<D>(i);
            rows_re[i].store(&mut re[place]);
            rows_im[i].store(&mut im[place]);
        }
    }
}
