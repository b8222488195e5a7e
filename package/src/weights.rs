//! The numbers of a package, as little-endian 32-bit floats.

use sha2::{Digest, Sha256};

use crate::{error::PackageError, manifest::WeightsEntry};

/// SHA-256 in lower-case hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Weights whose length and hash are as the manifest says.
pub(crate) struct Weights<'a>(&'a [[u8; 4]]);

impl<'a> Weights<'a> {
    pub(crate) fn check(entry: &WeightsEntry, bytes: &'a [u8]) -> Result<Self, PackageError> {
        let wrong = |field: &str, rule: &str| PackageError::new(format!("/weights/{field}"), rule);
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if entry.file.is_empty() || entry.file.starts_with('.') || !entry.file.chars().all(plain) {
            return Err(wrong("file", "must be a plain file name beside the manifest").found(&entry.file));
        }
        if entry.bytes != bytes.len() as u64 {
            return Err(wrong("bytes", "must be the length of the file")
                .expected(bytes.len())
                .found(entry.bytes));
        }
        let (numbers, []) = bytes.as_chunks::<4>() else {
            return Err(wrong("bytes", "must be a multiple of 4").found(entry.bytes));
        };
        let hash = sha256(bytes);
        if entry.sha256 != hash {
            let error = wrong("sha256", "must be the hash of the file; the weights were changed or damaged");
            return Err(error.expected(hash).found(&entry.sha256));
        }
        Ok(Self(numbers))
    }

    /// The numbers of an entry, as the field `field` of the manifest asks for them.
    pub(crate) fn slice(&self, field: &str, offset: u32, length: u32) -> Result<Vec<f64>, PackageError> {
        let (start, length) = (offset as usize, length as usize);
        let range = start..start.saturating_add(length);
        let numbers = self.0.get(range.clone()).ok_or_else(|| {
            PackageError::new(field, "must lie within the weights")
                .expected(format!("at most {} elements", self.0.len()))
                .found(format!("{} to {}", range.start, range.end))
        })?;
        Ok(numbers.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect())
    }
}
