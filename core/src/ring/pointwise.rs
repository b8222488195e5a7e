//! Entry-by-entry operations on limbs. Residues in, residues out; where it is said, any 32-bit words in.

use crate::{
    arithmetic::{Modulus, ShoupFactor},
    lanes::{Backend, Kernel, Lanes},
};

use super::{
    field::{Factor, Field},
    interleaved::Interleaved,
};

/// What to do with two limbs, entry by entry.
#[derive(Clone, Copy)]
pub(crate) enum Binary {
    /// `a += b`.
    Add,
    /// `a −= b`.
    Subtract,
    /// `a = b − a`.
    SubtractFrom,
    /// `a = a·b/2^32`: the product where one side is in Montgomery form.
    MultiplyMontgomery,
    /// `a += b/2^32`: adds what is in Montgomery form.
    AddFromMontgomery,
}

/// Combines two limbs in place.
pub(crate) fn combine(backend: Backend, modulus: Modulus, operation: Binary, a: &mut [u32], b: &[u32]) {
    backend.run(Combine { modulus, operation, a, b });
}

struct Combine<'a> {
    modulus: Modulus,
    operation: Binary,
    a: &'a mut [u32],
    b: &'a [u32],
}

impl Kernel for Combine<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let field = Field::<L>::new(self.modulus);
        let pairs = L::chunks_mut(self.a).iter_mut().zip(L::chunks(self.b));
        match self.operation {
            Binary::Add => pairs.for_each(|(x, y)| field.add(L::load(x), L::load(y)).store(x)),
            Binary::Subtract => pairs.for_each(|(x, y)| field.sub(L::load(x), L::load(y)).store(x)),
            Binary::SubtractFrom => pairs.for_each(|(x, y)| field.sub(L::load(y), L::load(x)).store(x)),
            Binary::MultiplyMontgomery => pairs.for_each(|(x, y)| {
                field.montgomery(L::load(x).mul_wide(L::load(y).multiplier())).store(x);
            }),
            Binary::AddFromMontgomery => pairs.for_each(|(x, y)| {
                let summand = field.montgomery(L::load(y).mul_wide(L::constant(1)));
                field.add(L::load(x), summand).store(x);
            }),
        }
    }
}

/// What becomes of a product.
#[derive(Clone, Copy)]
pub(crate) enum Sum {
    /// `product + other`.
    Add,
    /// `other − product`.
    SubtractFrom,
}

/// `a = a·factor/2^32 + other` or `a = other − a·factor/2^32` entry by entry, in place. The left factor `a` may be any
/// 32-bit words.
pub(crate) fn multiply(
    backend: Backend,
    modulus: Modulus,
    a: &mut [u32],
    factor: &[u32],
    sum: Sum,
    other: &[u32],
) {
    backend.run(Multiply { modulus, a, factor, sum, other });
}

struct Multiply<'a> {
    modulus: Modulus,
    a: &'a mut [u32],
    factor: &'a [u32],
    sum: Sum,
    other: &'a [u32],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let field = Field::<L>::new(self.modulus);
        let inputs = L::chunks(self.factor).iter().zip(L::chunks(self.other));
        for (x, (factor, other)) in L::chunks_mut(self.a).iter_mut().zip(inputs) {
            let product = field.montgomery(L::load(x).mul_wide(L::load(factor).multiplier()));
            let other = L::load(other);
            let sum = match self.sum {
                Sum::Add => field.add(product, other),
                Sum::SubtractFrom => field.sub(other, product),
            };
            sum.store(x);
        }
    }
}

/// Writes `a·factor/2^32 + summand` entry by entry.
// A function of its own: engines of WebAssembly make worse code of the loop where it is a part of a large one.
#[inline(never)]
pub(crate) fn write_product(
    backend: Backend,
    modulus: Modulus,
    [a, factor]: [&[u32]; 2],
    summand: &[u32],
    out: &mut [u32],
) {
    backend.run(WriteProduct { modulus, a, factor, summand, out });
}

struct WriteProduct<'a> {
    modulus: Modulus,
    a: &'a [u32],
    factor: &'a [u32],
    summand: &'a [u32],
    out: &'a mut [u32],
}

impl Kernel for WriteProduct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { modulus, a, factor, summand, out } = self;
        let field = Field::<L>::new(modulus);
        let inputs = L::chunks(a).iter().zip(L::chunks(factor)).zip(L::chunks(summand));
        for (out, ((x, factor), summand)) in L::chunks_mut(out).iter_mut().zip(inputs) {
            let product = field.montgomery(L::load(x).mul_wide(L::load(factor).multiplier()));
            field.add(product, L::load(summand)).store(out);
        }
    }
}

/// `values·w` entry by entry, in place. The values may be any 32-bit words.
pub(crate) fn scale(backend: Backend, modulus: Modulus, w: ShoupFactor, values: &mut [u32]) {
    backend.run(Scale { modulus, w, values });
}

struct Scale<'a> {
    modulus: Modulus,
    w: ShoupFactor,
    values: &'a mut [u32],
}

impl Kernel for Scale<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (field, w) = (Field::<L>::new(self.modulus), Factor::splat(self.w));
        for x in L::chunks_mut(self.values) {
            field.mul(L::load(x), w).store(x);
        }
    }
}

/// Replaces residues by their Shoup quotients, in place; see [`Modulus::shoup`].
pub(crate) fn shoup_quotients(backend: Backend, modulus: Modulus, values: &mut [u32]) {
    backend.run(ShoupQuotients { modulus, values });
}

struct ShoupQuotients<'a> {
    modulus: Modulus,
    values: &'a mut [u32],
}

impl Kernel for ShoupQuotients<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let m = self.modulus;
        let field = Field::<L>::new(m);
        let radix = Factor::splat(m.shoup(m.reduce_public(1 << 32)));
        let inverse = L::splat(m.inverse());
        for x in L::chunks_mut(self.values) {
            L::splat(0).sub(field.mul(L::load(x), radix)).mul_low(inverse).store(x);
        }
    }
}

/// The last step of a division: `(values − remainders)·w + summand` entry by entry.
pub(crate) struct Quotient<'a> {
    pub(crate) w: ShoupFactor,
    pub(crate) values: &'a [u32],
    pub(crate) remainders: &'a [u32],
    pub(crate) summand: Option<&'a [u32]>,
}

/// Writes what is left of a division.
pub(super) fn quotient(backend: Backend, modulus: Modulus, quotient: Quotient<'_>, out: &mut [u32]) {
    backend.run(WriteQuotient { modulus, quotient, out });
}

struct WriteQuotient<'a> {
    modulus: Modulus,
    quotient: Quotient<'a>,
    out: &'a mut [u32],
}

impl Kernel for WriteQuotient<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Quotient { w, values, remainders, summand } = self.quotient;
        let (field, w) = (Field::<L>::new(self.modulus), Factor::splat(w));
        let entries = L::chunks(values).iter().zip(L::chunks(remainders));
        let pairs = L::chunks_mut(self.out).iter_mut().zip(entries);
        match summand {
            None => {
                for (out, (x, r)) in pairs {
                    subtract_and_scale(field, w, x, r).store(out);
                }
            }
            Some(summand) => {
                for ((out, (x, r)), s) in pairs.zip(L::chunks(summand)) {
                    field.add(subtract_and_scale(field, w, x, r), L::load(s)).store(out);
                }
            }
        }
    }
}

/// `(x − r)·w`.
#[inline(always)]
fn subtract_and_scale<L: Lanes>(field: Field<L>, w: Factor<L>, x: &L::Chunk, r: &L::Chunk) -> L {
    field.mul(L::load(x).add(field.q).sub(L::load(r)), w)
}

/// `values += w·other` entry by entry, in place.
pub(crate) fn add_scaled(
    backend: Backend,
    modulus: Modulus,
    w: ShoupFactor,
    values: &mut [u32],
    other: &[u32],
) {
    backend.run(AddScaled { modulus, w, values, other });
}

struct AddScaled<'a> {
    modulus: Modulus,
    w: ShoupFactor,
    values: &'a mut [u32],
    other: &'a [u32],
}

impl Kernel for AddScaled<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let (field, w) = (Field::<L>::new(self.modulus), Factor::splat(self.w));
        for (x, y) in L::chunks_mut(self.values).iter_mut().zip(L::chunks(self.other)) {
            field.add(L::load(x), field.mul(L::load(y), w)).store(x);
        }
    }
}

/// Writes the residues of `low + 2^32·high − 2^62`, entry by entry.
pub(crate) fn reduce_offset(backend: Backend, modulus: Modulus, low: &[u32], high: &[u32], out: &mut [u32]) {
    backend.run(ReduceOffset { modulus, low, high, out });
}

struct ReduceOffset<'a> {
    modulus: Modulus,
    low: &'a [u32],
    high: &'a [u32],
    out: &'a mut [u32],
}

impl Kernel for ReduceOffset<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let m = self.modulus;
        let field = Field::<L>::new(m);
        let one = Factor::splat(m.shoup(1));
        let radix = Factor::splat(m.shoup(m.reduce_public(1 << 32)));
        let offset = L::splat(m.value() - m.reduce_public(1 << 62));
        let words = L::chunks(self.low).iter().zip(L::chunks(self.high));
        for (x, (low, high)) in L::chunks_mut(self.out).iter_mut().zip(words) {
            let sum = field.add(field.mul(L::load(low), one), field.mul(L::load(high), radix));
            field.add(sum, offset).store(x);
        }
    }
}

/// Writes the Montgomery form of values as a row. These may be any 32-bit words.
pub(super) fn write_montgomery_row(
    backend: Backend,
    modulus: Modulus,
    values: &[u32],
    row: usize,
    out: &mut Interleaved,
) {
    backend.run(WriteMontgomeryRow { modulus, values, row, out });
}

struct WriteMontgomeryRow<'a> {
    modulus: Modulus,
    values: &'a [u32],
    row: usize,
    out: &'a mut Interleaved,
}

impl Kernel for WriteMontgomeryRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let Self { modulus: m, values, row, out } = self;
        let (field, radix) = (Field::<L>::new(m), Factor::splat(m.shoup(m.reduce_public(1 << 32))));
        let values = values.chunks_exact(out.block);
        for (out, values) in out.row_mut(row).zip(values) {
            for (out, x) in L::chunks_mut(out).iter_mut().zip(L::chunks(values)) {
                field.mul(L::load(x), radix).store(out);
            }
        }
    }
}

/// Brings residues into Montgomery form, in place.
pub(crate) fn to_montgomery(backend: Backend, modulus: Modulus, values: &mut [u32]) {
    scale(backend, modulus, modulus.shoup(modulus.reduce_public(1 << 32)), values);
}

/// `(a₀b₀, a₀b₁ + a₁b₀, a₁b₁)` for one limb, all in ordinary form.
pub(crate) fn tensor(
    backend: Backend,
    modulus: Modulus,
    a: [&[u32]; 2],
    b: [&[u32]; 2],
    out: [&mut [u32]; 3],
) {
    backend.run(Tensor { modulus, a, b, out });
}

struct Tensor<'a> {
    modulus: Modulus,
    a: [&'a [u32]; 2],
    b: [&'a [u32]; 2],
    out: [&'a mut [u32]; 3],
}

impl Kernel for Tensor<'_> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes>(self) {
        let m = self.modulus;
        let field = Field::<L>::new(m);
        let radix = Factor::splat(m.shoup(m.reduce_public(1 << 32)));
        let ([a0, a1], [b0, b1], [d0, d1, d2]) = (self.a, self.b, self.out);
        let (a0, a1, b0, b1) = (L::chunks(a0), L::chunks(a1), L::chunks(b0), L::chunks(b1));
        let (d0, d1, d2) = (L::chunks_mut(d0), L::chunks_mut(d1), L::chunks_mut(d2));
        let inputs = a0.iter().zip(a1).zip(b0.iter().zip(b1));
        let outputs = d0.iter_mut().zip(d1).zip(d2);
        for (((a0, a1), (b0, b1)), ((d0, d1), d2)) in inputs.zip(outputs) {
            let (field, radix) = (field.in_turn(), radix.in_turn());
            // Products below 2q², and the sum of two below q·2^32.
            let (a0, a1) = (field.mul_lazy(L::load(a0), radix), field.mul_lazy(L::load(a1), radix));
            let (b0, b1) = (L::load(b0).multiplier(), L::load(b1).multiplier());
            let middle = L::wide_add(a0.mul_wide(b1), a1.mul_wide(b0));
            field.montgomery(a0.mul_wide(b0)).store(d0);
            field.montgomery(middle).store(d1);
            field.montgomery(a1.mul_wide(b1)).store(d2);
        }
    }
}

#[cfg(test)]
mod tests;
