//! A ring small enough to print, with keys from fixed seeds.

use ckks_core::{
    Backend, Ciphertext, CompressedGaloisKey, CompressedRelinearizationKey, Encoder, Evaluator,
    GaloisElement, Level, Ntt, Params, ParamsSpec, Plaintext, Poly, SecretKey, Seed, SeedSource,
    SeededCiphertext, decrypt, encrypt_symmetric,
};
use serde_json::{Value, json};

use crate::file::hex;

/// The seed of the secret key.
pub(crate) const SECRET_SEED: [u8; 32] = [0x11; 32];
/// The seed of the stream of seeds of everything else; each vector starts it anew.
pub(crate) const STREAM_SEED: [u8; 32] = [0x22; 32];

/// N = 32, three levels of one 28-bit prime each above a base of 30 bits, digits of two primes. Insecure.
pub(crate) fn small() -> ParamsSpec {
    ParamsSpec::generate(5, &[30], &vec![vec![28]; 3], &[30, 30], 2, f64::from(1 << 28)).unwrap()
}

/// N = 32, a level of two primes: a scale of 2^50. Insecure.
pub(crate) fn composite() -> ParamsSpec {
    ParamsSpec::generate(5, &[30, 30], &[vec![25, 25]], &[30, 30], 2, (1u64 << 50) as f64).unwrap()
}

/// A parameter set with its secret key.
pub(crate) struct World {
    pub(crate) params: Params,
    pub(crate) secret: SecretKey,
    pub(crate) encoder: Encoder,
    pub(crate) evaluator: Evaluator,
}

impl World {
    pub(crate) fn new(spec: &ParamsSpec, backend: Backend) -> Self {
        let params = Params::insecure_on(spec, backend).unwrap();
        Self {
            secret: SecretKey::generate(&params, &Seed::new(SECRET_SEED)),
            encoder: Encoder::new(&params),
            evaluator: Evaluator::new(&params),
            params,
        }
    }

    /// Values without a pattern: `sin(0.7·i + phase)` rounded to multiples of 2^-10.
    pub(crate) fn values(&self, phase: f64) -> Vec<f64> {
        // A polynomial, since the sine of a library need not be the same everywhere.
        let wave = |x: f64| x * (1.0 - x * x) * 2.5;
        (0..self.params.slots())
            .map(|i| {
                let x = (0.37 * i as f64 + phase).rem_euclid(2.0) - 1.0;
                (wave(x) * 1024.0).round() / 1024.0
            })
            .collect()
    }

    pub(crate) fn encode(&self, values: &[f64], level: Level) -> Plaintext {
        self.encoder.encode_real(values, level, self.params.scale_at(level)).unwrap()
    }

    /// Encrypts with the stream of seeds started anew.
    pub(crate) fn encrypt(&self, values: &[f64], level: Level) -> SeededCiphertext {
        encrypt_symmetric(&self.params, &self.secret, &self.encode(values, level), &mut stream()).unwrap()
    }

    pub(crate) fn encrypt_whole(&self, values: &[f64], level: Level) -> Ciphertext {
        self.encrypt(values, level).expand(&self.params).unwrap()
    }

    pub(crate) fn relinearization_key(&self, level: Level) -> CompressedRelinearizationKey {
        CompressedRelinearizationKey::generate(&self.params, &self.secret, level, &mut stream()).unwrap()
    }

    pub(crate) fn galois_key(&self, element: GaloisElement, level: Level) -> CompressedGaloisKey {
        CompressedGaloisKey::generate(&self.params, &self.secret, element, level, &mut stream()).unwrap()
    }

    pub(crate) fn decrypt(&self, ciphertext: &Ciphertext) -> Plaintext {
        decrypt(&self.params, &self.secret, ciphertext).unwrap()
    }

    /// A ciphertext with another second component of the same level.
    pub(crate) fn with_second_component(&self, template: &Ciphertext, poly: &Poly<Ntt>) -> Ciphertext {
        let mut bytes = template.to_bytes(&self.params).unwrap();
        let half = 52 + (bytes.len() - 52) / 2;
        bytes[half..].fill(0);
        let mut at = 8 * half;
        for (limb, &q) in poly.iter().zip(self.params.spec().levels.iter().flatten()) {
            let bits = (u32::BITS - (q - 1).leading_zeros()) as usize;
            for &residue in limb {
                for bit in (0..bits).filter(|bit| residue >> bit & 1 == 1) {
                    bytes[(at + bit) / 8] |= 1 << ((at + bit) % 8);
                }
                at += bits;
            }
        }
        Ciphertext::from_bytes(&self.params, &bytes).unwrap()
    }

    /// The secret key's coefficients: it decrypts (0, 1) to itself.
    pub(crate) fn secret_coefficients(&self) -> Vec<i64> {
        let template = self.encrypt_whole(&[], Level(0)).to_bytes(&self.params).unwrap();
        let (header, body) = template.split_at(52);
        let bits = 8 * body.len() / (2 * self.params.degree());
        let ones = (0..self.params.degree()).map(|i| i * bits);
        let mut bytes = [header, &vec![0; body.len()]].concat();
        for bit in ones {
            bytes[52 + body.len() / 2 + bit / 8] |= 1 << (bit % 8);
        }
        let (zero, one) =
            (Ciphertext::from_bytes(&self.params, &bytes).unwrap(), self.params.spec().levels[0][0]);
        self.decrypt(&zero).poly().limb(0).iter().map(|&r| centred(r, one)).collect()
    }
}

/// The residue of least absolute value.
fn centred(residue: u32, q: u32) -> i64 {
    if residue > q / 2 { i64::from(residue) - i64::from(q) } else { i64::from(residue) }
}

/// The stream of seeds.
pub(crate) fn stream() -> SeedSource {
    SeedSource::new(&Seed::new(STREAM_SEED))
}

/// Residues, one list for each prime.
pub(crate) fn residues<D>(poly: &Poly<D>) -> Value {
    poly.iter().map(<[u32]>::to_vec).collect::<Vec<_>>().into()
}

/// A parameter set, as `GET /keys` writes it.
pub(crate) fn describe(spec: &ParamsSpec) -> Value {
    json!({
        "log_degree": spec.log_degree,
        "levels": spec.levels,
        "special_primes": spec.special_primes,
        "digit_primes": spec.digit_primes,
        "scale": spec.scale,
    })
}

/// Fields that many vectors share.
pub(crate) fn seeds() -> [(&'static str, Value); 2] {
    [("secret_seed", hex(SECRET_SEED)), ("stream_seed", hex(STREAM_SEED))]
}
