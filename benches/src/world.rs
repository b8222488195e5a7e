//! A client and a server in one place: everything that the operations work on.

use ckks_core::{
    Ciphertext, Complex, CompressedGaloisKey, CompressedRelinearizationKey, Encoder, Evaluator,
    GaloisElement, GaloisKey, Params, Plaintext, PreparedPlaintext, RelinearizationKey, SecretKey, Seed,
    SeedSource, SeededCiphertext, encrypt_symmetric,
};

use crate::Result;

pub(crate) struct World {
    pub(crate) seeds: SeedSource,
    pub(crate) secret: SecretKey,
    pub(crate) encoder: Encoder,
    pub(crate) evaluator: Evaluator,
    /// One for each slot.
    pub(crate) values: Vec<f64>,
    /// As many complex ones.
    pub(crate) complex: Vec<Complex>,
    pub(crate) plaintext: Plaintext,
    pub(crate) prepared: PreparedPlaintext,
    pub(crate) fresh: SeededCiphertext,
    pub(crate) ciphertext: Ciphertext,
    /// Rotates by one.
    pub(crate) element: GaloisElement,
    pub(crate) compressed: CompressedGaloisKey,
    pub(crate) galois: GaloisKey,
    pub(crate) square: CompressedRelinearizationKey,
    pub(crate) relinearization: RelinearizationKey,
}

impl World {
    /// Encrypts a sine at the highest level, and makes the keys for it.
    pub(crate) fn new(params: &Params) -> Result<Self> {
        let mut seeds = SeedSource::new(&Seed::new([1; 32]));
        let secret = SecretKey::generate(params, &seeds.next_seed());
        let encoder = Encoder::new(params);
        let top = params.max_level();
        let values: Vec<f64> = (0..params.slots()).map(|i| (i as f64).sin()).collect();
        let complex = values.iter().map(|&v| Complex { re: v, im: 1.0 - v * v }).collect();
        let plaintext = encoder.encode_real(&values, top, params.scale_at(top))?;
        let fresh = encrypt_symmetric(params, &secret, &plaintext, &mut seeds)?;
        let element = GaloisElement::rotation(params, 1);
        let compressed = CompressedGaloisKey::generate(params, &secret, element, top, &mut seeds)?;
        let square = CompressedRelinearizationKey::generate(params, &secret, top, &mut seeds)?;
        Ok(Self {
            prepared: encoder.prepare(&plaintext)?,
            ciphertext: fresh.clone().expand(params)?,
            fresh,
            galois: compressed.prepare(params)?,
            evaluator: Evaluator::new(params),
            seeds,
            secret,
            encoder,
            values,
            complex,
            plaintext,
            element,
            compressed,
            relinearization: square.prepare(params)?,
            square,
        })
    }
}
