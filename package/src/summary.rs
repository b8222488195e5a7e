//! What a package takes, for people: `inspect` prints it.

use std::fmt;

use ckks_core::{
    CompressedGaloisKey, CompressedRelinearizationKey, Level, ResultCiphertexts, SeededCiphertext,
};

use crate::package::Package;

/// One evaluation key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// Its name in the protocol.
    pub name: String,
    /// The level it is made for.
    pub level: u8,
    /// Bytes on the wire.
    pub bytes: usize,
}

/// Parameters, security, keys and sizes of a package.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Name and version.
    pub model: String,
    /// One sentence.
    pub description: String,
    /// log₂ N.
    pub log_degree: u8,
    /// Bits of each prime by level, the base group first.
    pub level_bits: Vec<Vec<u32>>,
    /// Bits of each special prime.
    pub special_bits: Vec<u32>,
    /// log₂(QP).
    pub log_qp: f64,
    /// Largest log₂(QP) at 128-bit security.
    pub max_log_qp: f64,
    /// Identifier of the parameters.
    pub params_id: String,
    /// Evaluation keys in the order of upload.
    pub keys: Vec<KeySummary>,
    /// Key switches of one evaluation.
    pub key_switches: usize,
    /// Bytes of the encrypted input of one sample.
    pub request_bytes: usize,
    /// Bytes of one encrypted result.
    pub result_bytes: usize,
    /// Bytes of the weights.
    pub weight_bytes: u64,
}

impl Package {
    /// Summarises the package.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let (manifest, params, facts) = (&self.manifest, &self.params, &self.facts);
        let bits = |group: &Vec<u32>| group.iter().map(|q| u32::BITS - q.leading_zeros()).collect::<Vec<_>>();
        let relinearization = facts.keys.relinearization.iter().map(|&level| KeySummary {
            name: "relinearization".into(),
            level: level.0,
            bytes: CompressedRelinearizationKey::encoded_len(params, level),
        });
        let galois = facts.keys.galois.iter().map(|(element, &level)| KeySummary {
            name: format!("galois-{element}"),
            level: level.0,
            bytes: CompressedGaloisKey::encoded_len(params, level),
        });
        let (input, output) = (&manifest.input, &manifest.output);
        let count = output.ciphertexts as usize;
        Summary {
            model: format!("{} {}", manifest.model_id, manifest.version),
            description: manifest.description.clone(),
            log_degree: params.spec().log_degree,
            level_bits: params.spec().levels.iter().map(bits).collect(),
            special_bits: bits(&params.spec().special_primes),
            log_qp: params.log_qp(),
            max_log_qp: params.max_log_qp().unwrap_or_default(),
            params_id: params.id().to_string(),
            keys: relinearization.chain(galois).collect(),
            key_switches: facts.key_switches,
            request_bytes: input.ciphertexts as usize
                * SeededCiphertext::encoded_len(params, Level(input.level)),
            result_bytes: ResultCiphertexts::encoded_len(
                params,
                Level(output.level),
                output.dropped_bits,
                count,
            ),
            weight_bytes: manifest.weights.bytes,
        }
    }
}

impl Summary {
    /// Bytes of all evaluation keys.
    #[must_use]
    pub fn key_bytes(&self) -> usize {
        self.keys.iter().map(|key| key.bytes).sum()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = |f: &mut fmt::Formatter<'_>, name: &str, value: String| writeln!(f, "{name:<18}{value}");
        writeln!(f, "{} - {}\n", self.model, self.description)?;
        row(f, "ring degree", format!("2^{} = {}", self.log_degree, 1u64 << self.log_degree))?;
        row(
            f,
            "modulus chain",
            format!("{:?} bits by level, special {:?}", self.level_bits, self.special_bits),
        )?;
        let security = format!("128 bits: log2(QP) = {:.1}, at most {}", self.log_qp, self.max_log_qp);
        row(f, "security", security)?;
        row(f, "parameters", self.params_id.clone())?;
        row(f, "key switches", self.key_switches.to_string())?;
        row(f, "request", format!("{} bytes", self.request_bytes))?;
        row(f, "result", format!("{} bytes", self.result_bytes))?;
        row(f, "weights", format!("{} bytes", self.weight_bytes))?;
        row(f, "evaluation keys", format!("{}, {} bytes in all", self.keys.len(), self.key_bytes()))?;
        self.keys.iter().try_for_each(|key| {
            writeln!(f, "  {:<24}level {:<3}{:>10} bytes", key.name, key.level, key.bytes)
        })
    }
}
