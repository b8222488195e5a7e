//! The secret key of one client for one model, and what is done with it.

use ckks_core::{
    CompressedGaloisKey, CompressedRelinearizationKey, Encoder, GaloisElement, KeyName, Level, Params,
    ResultCiphertexts, SecretKey, Seed, SeedSource, SlotLayout, encrypt_symmetric, reusing_memory,
};
use zeroize::{Zeroize, Zeroizing};

use crate::{
    error::ClientError,
    postprocess::Postprocessing,
    spec::{ModelSpec, ParameterSpec},
};

/// The most ciphertexts of an input or an output: what a result can hold in wire form.
const MAX_CIPHERTEXTS: usize = 1 << 12;

/// An input, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptedInput {
    /// One payload for each ciphertext, in wire form: all that may be sent.
    pub payloads: Vec<Vec<u8>>,
    /// Whether all values fit the model's scale. Where they do not, the answer means nothing.
    ///
    /// For the owner of the values alone: a request must neither carry it nor depend on it.
    pub fits: bool,
}

/// A secret key with the model it is used for. Wiped when dropped.
///
/// What makes keys, encrypts and decrypts works in memory that earlier calls have left, on the same thread, which keeps it.
#[derive(Debug)]
pub struct Session {
    model: ModelSpec,
    params: Params,
    encoder: Encoder,
    input: SlotLayout,
    /// The first slot of each output element and the element, in the order of the slots.
    places: Vec<(usize, usize)>,
    /// Slots of one sample in one ciphertext.
    slots: usize,
    /// The slots of a plaintext while it is encoded, zeros in between.
    packed: Zeroizing<Vec<f64>>,
    secret: SecretKey,
    seeds: SeedSource,
}

impl Session {
    /// Makes a new secret key.
    ///
    /// `seed` must be 32 fresh bytes of the operating system's randomness.
    ///
    /// # Errors
    /// When the published parameters or the model's description are not acceptable.
    pub fn new(model: &ModelSpec, parameters: &ParameterSpec, seed: &Seed) -> Result<Self, ClientError> {
        let mut seeds = SeedSource::new(seed);
        let params = checked_params(parameters)?;
        let secret = SecretKey::generate(&params, &seeds.next_seed());
        Self::with_secret(model, params, secret, seeds)
    }

    /// Continues with a stored secret key; `seed` is fresh randomness, as for [`Session::new`].
    ///
    /// # Errors
    /// As [`Session::new`]; [`ClientError::Decode`] when the secret does not belong to the parameters.
    pub fn from_secret(
        model: &ModelSpec,
        parameters: &ParameterSpec,
        secret: &[u8],
        seed: &Seed,
    ) -> Result<Self, ClientError> {
        let params = checked_params(parameters)?;
        let secret = SecretKey::from_bytes(&params, secret)?;
        Self::with_secret(model, params, secret, SeedSource::new(seed))
    }

    fn with_secret(
        model: &ModelSpec,
        params: Params,
        secret: SecretKey,
        seeds: SeedSource,
    ) -> Result<Self, ClientError> {
        let (input, output) = (model.input.layout.to_layout(), model.output.layout.to_layout());
        let (slots, batch) = (params.slots(), model.constraints.max_batch_size);
        if !batch.is_power_of_two() || batch > slots {
            return Err(ClientError::Batch { slots, found: batch });
        }
        let slots = slots / batch;
        if let Some(scaling) = &model.input.scaling {
            let (expected, found) =
                (model.input.dimension, scaling.iter().filter(|&&factor| is_moderate(factor)).count());
            if found != scaling.len() || ![1, expected].contains(&found) {
                return Err(ClientError::Scaling { expected, found });
            }
        }
        for found in [model.input.ciphertexts, model.output.ciphertexts] {
            if !(1..=MAX_CIPHERTEXTS).contains(&found) {
                return Err(ClientError::Ciphertexts { max: MAX_CIPHERTEXTS, found });
            }
        }
        if !is_moderate(model.output.gain) {
            return Err(ClientError::Gain { found: model.output.gain });
        }
        let of_all = |ciphertexts: usize| slots * ciphertexts;
        input
            .validate(of_all(model.input.ciphertexts), model.input.dimension)
            .map_err(ClientError::Layout)?;
        output
            .validate(of_all(model.output.ciphertexts), model.output.dimension)
            .map_err(ClientError::Layout)?;
        for level in [model.input.level, model.output.level] {
            existing(&params, level)?;
        }
        Ok(Self {
            model: model.clone(),
            encoder: Encoder::new(&params),
            input,
            places: output.places(model.output.dimension),
            slots,
            packed: Zeroizing::new(vec![0.0; params.slots()]),
            params,
            secret,
            seeds,
        })
    }

    /// The secret key in wire form, for the caller to keep. Secret.
    #[must_use]
    pub fn secret_bytes(&self) -> Zeroizing<Vec<u8>> {
        self.secret.to_bytes()
    }

    /// The parameters.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The names of the evaluation keys that the model needs.
    #[must_use]
    pub fn key_names(&self) -> Vec<KeyName> {
        let keys = &self.model.evaluation_keys;
        let relinearization = keys.relinearization.iter().map(|_| KeyName::Relinearization);
        relinearization.chain(keys.galois.iter().map(|key| KeyName::Galois(key.element))).collect()
    }

    /// Makes an evaluation key, in wire form.
    ///
    /// # Errors
    /// [`ClientError::UnknownKey`] for one that the model does not need; [`ClientError::Model`] when
    /// the model's description of it is invalid.
    pub fn generate_key(&mut self, name: KeyName) -> Result<Vec<u8>, ClientError> {
        reusing_memory(|| self.generate(name))
    }

    fn generate(&mut self, name: KeyName) -> Result<Vec<u8>, ClientError> {
        let keys = &self.model.evaluation_keys;
        let unknown = || ClientError::UnknownKey { found: name.to_string() };
        let (params, secret) = (&self.params, &self.secret);
        match name {
            KeyName::Relinearization => {
                let level = existing(params, keys.relinearization.ok_or_else(unknown)?.level)?;
                let key = CompressedRelinearizationKey::generate(params, secret, level, &mut self.seeds);
                key.and_then(|key| key.to_bytes(params)).map_err(ClientError::Model)
            }
            KeyName::Galois(element) => {
                let key = keys.galois.iter().find(|key| key.element == element).ok_or_else(unknown)?;
                let level = existing(params, key.level)?;
                let element = GaloisElement::new(params, element).map_err(ClientError::Model)?;
                let key = CompressedGaloisKey::generate(params, secret, element, level, &mut self.seeds);
                key.and_then(|key| key.to_bytes(params)).map_err(ClientError::Model)
            }
        }
    }

    /// Encrypts an input vector.
    ///
    /// # Errors
    /// [`ClientError::InputDimension`], [`ClientError::InputValue`].
    pub fn encrypt(&mut self, values: &[f64]) -> Result<EncryptedInput, ClientError> {
        self.encrypt_batch(&[values])
    }

    /// Encrypts several input vectors into the same ciphertexts: as many payloads as for one.
    ///
    /// Where the batch has places left, the samples are repeated: a place of zeros can be far from everything that
    /// the model's polynomials were fitted to, and what overflows there spoils every slot.
    ///
    /// Values too large for the model's scale are no error here: a server that chose scale and scaling would learn
    /// from a missing request that they were. They wrap around, and [`EncryptedInput::fits`] tells.
    ///
    /// # Errors
    /// [`ClientError::BatchSize`], [`ClientError::InputDimension`], [`ClientError::InputValue`].
    pub fn encrypt_batch(&mut self, samples: &[&[f64]]) -> Result<EncryptedInput, ClientError> {
        self.check_samples(samples)?;
        reusing_memory(|| self.encrypt_checked(samples))
    }

    fn check_samples(&self, samples: &[&[f64]]) -> Result<(), ClientError> {
        let (max, expected) = (self.max_batch_size(), self.model.input.dimension);
        if !(1..=max).contains(&samples.len()) {
            return Err(ClientError::BatchSize { max, found: samples.len() });
        }
        if let Some(wrong) = samples.iter().find(|values| values.len() != expected) {
            return Err(ClientError::InputDimension { expected, found: wrong.len() });
        }
        let is_finite = samples.iter().copied().flatten().all(|value| value.is_finite());
        if is_finite { Ok(()) } else { Err(ClientError::InputValue) }
    }

    fn encrypt_checked(&mut self, samples: &[&[f64]]) -> Result<EncryptedInput, ClientError> {
        let count = self.model.input.ciphertexts;
        let level = Level(self.model.input.level);
        let scale = self.params.scale_at(level);
        let mut input = EncryptedInput { payloads: Vec::with_capacity(count), fits: true };
        for index in 0..count {
            self.pack(samples, index);
            let encoded = self.encoder.encode_real_wrapping(&self.packed, level, scale);
            self.packed.as_mut_slice().zeroize();
            let (plaintext, wrapped) = encoded.map_err(ClientError::Model)?;
            let plaintext = Zeroizing::new(plaintext);
            let ciphertext = encrypt_symmetric(&self.params, &self.secret, &plaintext, &mut self.seeds);
            let payload = ciphertext.and_then(|ciphertext| ciphertext.to_bytes(&self.params));
            input.payloads.push(payload.map_err(ClientError::Model)?);
            input.fits &= !wrapped;
        }
        Ok(input)
    }

    /// Writes the slots of one of the ciphertexts: the places of a batch are neighbours.
    fn pack(&mut self, samples: &[&[f64]], ciphertext: usize) {
        let batch = self.max_batch_size();
        // One factor is that of all elements.
        let scaling = self.model.input.scaling.as_deref().unwrap_or(&[1.0]);
        let factor = |element: usize| if let [one] = scaling { *one } else { scaling[element] };
        for (slot, places) in self.packed.chunks_exact_mut(batch).enumerate() {
            let element = self.input.element_at(ciphertext * self.slots + slot);
            if element < self.model.input.dimension {
                let factor = factor(element);
                let values = samples.iter().map(|sample| sample[element] * factor).cycle();
                places.iter_mut().zip(values).for_each(|(place, value)| *place = value);
            }
        }
    }

    /// Mixes fresh randomness of the operating system into the seeds to come, so that two copies of this session,
    /// as a copied process has, never encrypt with the same ones.
    pub fn mix(&mut self, fresh: &Seed) {
        self.seeds.mix(fresh);
    }

    /// Decrypts a result: the output vector before post-processing.
    ///
    /// The values must not go back to the server in any form, nor must whether they were as expected.
    ///
    /// # Errors
    /// [`ClientError::Decode`].
    pub fn decrypt(&self, result: &[u8]) -> Result<Vec<f64>, ClientError> {
        Ok(self.decrypt_batch(result, 1)?.remove(0))
    }

    /// Decrypts the output vectors of the first so many samples of a batch, as [`Session::decrypt`] does.
    ///
    /// # Errors
    /// [`ClientError::BatchSize`]; as [`Session::decrypt`].
    pub fn decrypt_batch(&self, result: &[u8], samples: usize) -> Result<Vec<Vec<f64>>, ClientError> {
        let max = self.max_batch_size();
        if !(1..=max).contains(&samples) {
            return Err(ClientError::BatchSize { max, found: samples });
        }
        let mut values = Zeroizing::new(vec![vec![0.0; self.model.output.dimension]; samples]);
        reusing_memory(|| self.decrypt_into(&mut values, result))?;
        Ok(std::mem::take(&mut values))
    }

    /// Decrypts one ciphertext after the other, and takes from each what is in it.
    fn decrypt_into(&self, samples: &mut [Vec<f64>], result: &[u8]) -> Result<(), ClientError> {
        let output = &self.model.output;
        let (level, count) = (Level(output.level), output.ciphertexts as u32);
        let result = ResultCiphertexts::from_bytes_at(&self.params, level, count, result)?;
        let mut rest = &self.places[..];
        let take = |index: usize, decoded: &[f64]| {
            let first = index * self.slots;
            let (own, others) = rest.split_at(rest.partition_point(|(slot, _)| *slot < first + self.slots));
            for &(slot, element) in own {
                let places = &decoded[(slot - first) * self.max_batch_size()..];
                let values = samples.iter_mut().zip(places);
                values.for_each(|(values, value)| values[element] = value * output.gain);
            }
            rest = others;
        };
        result.decrypt_real(&self.encoder, &self.secret, take).map_err(ClientError::Model)
    }

    /// How many samples one request holds.
    #[must_use]
    pub fn max_batch_size(&self) -> usize {
        self.model.constraints.max_batch_size
    }

    /// Whether decrypted values are such as the model can give. Where they are not, the input was unlike those
    /// that the model was calibrated for, and they mean nothing; the server must not learn of it.
    #[must_use]
    pub fn is_in_range(&self, values: &[f64]) -> bool {
        let [low, high] = self.model.output.range.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
        values.iter().all(|value| (low..=high).contains(value))
    }

    /// Applies the model's post-processing to decrypted values.
    #[must_use]
    pub fn postprocess(&self, values: &[f64]) -> Vec<f64> {
        self.postprocessing().apply(values)
    }

    /// The model's post-processing.
    #[must_use]
    pub fn postprocessing(&self) -> Postprocessing {
        self.model.output.postprocessing
    }
}

/// Whether a factor that a server publishes is of a size that a model can mean. Others bring values to where
/// processors take another time for them, or where nothing fits.
fn is_moderate(factor: f64) -> bool {
    let bound = 2f64.powi(64);
    (bound.recip()..=bound).contains(&factor.abs())
}

fn checked_params(parameters: &ParameterSpec) -> Result<Params, ClientError> {
    let params = Params::new(&parameters.to_params_spec()).map_err(ClientError::Params)?;
    let (expected, found) = (params.id().to_string(), parameters.params_id.clone());
    if expected == found { Ok(params) } else { Err(ClientError::ParamsId { expected, found }) }
}

fn existing(params: &Params, level: u8) -> Result<Level, ClientError> {
    let (max, found) = (params.max_level(), Level(level));
    let missing = || ClientError::Model(ckks_core::Error::NoSuchLevel { max, found });
    (found <= max).then_some(found).ok_or_else(missing)
}
