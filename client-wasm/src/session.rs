//! The secret key of one client for one model, as a JavaScript class.

use ckks_client::{ClientError, KeyName, ModelSpec, ParameterSpec, Session as Client};
use ckks_core::Seed;
use js_sys::{Array, Float64Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use zeroize::Zeroizing;

use crate::error::{invalid_model, no_randomness, thrown};

/// A secret key with the model it is used for. `free()` wipes it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Session {
    client: Client,
}

#[wasm_bindgen]
impl Session {
    /// Makes a new secret key for a model, an entry of `GET /models`, with its parameters, an entry of
    /// `GET /keys`.
    ///
    /// # Errors
    /// Throws an `Error` with a `code`.
    #[wasm_bindgen(constructor)]
    pub fn new(model: JsValue, parameters: JsValue) -> Result<Session, JsValue> {
        let (model, parameters) = published(model, parameters)?;
        let client = Client::new(&model, &parameters, &fresh_seed()?).map_err(|error| thrown(&error))?;
        Ok(Self { client })
    }

    /// Continues with a secret key that was kept.
    ///
    /// # Errors
    /// Throws an `Error` with a `code`.
    #[wasm_bindgen(js_name = fromSecret)]
    pub fn from_secret(model: JsValue, parameters: JsValue, secret: Vec<u8>) -> Result<Session, JsValue> {
        let secret = Zeroizing::new(secret);
        let (model, parameters) = published(model, parameters)?;
        let client = Client::from_secret(&model, &parameters, &secret, &fresh_seed()?);
        Ok(Self { client: client.map_err(|error| thrown(&error))? })
    }

    /// The secret key, to be kept by the caller. Secret.
    #[wasm_bindgen(js_name = secretBytes)]
    #[must_use]
    pub fn secret_bytes(&self) -> Uint8Array {
        Uint8Array::from(self.client.secret_bytes().as_slice())
    }

    /// The names of the evaluation keys that the model needs.
    #[wasm_bindgen(js_name = keyNames)]
    #[must_use]
    pub fn key_names(&self) -> Vec<String> {
        self.client.key_names().iter().map(ToString::to_string).collect()
    }

    /// Makes an evaluation key.
    ///
    /// # Errors
    /// Throws an `Error` with a `code`.
    #[wasm_bindgen(js_name = generateKey)]
    pub fn generate_key(&mut self, name: &str) -> Result<Vec<u8>, JsValue> {
        let unknown = || ClientError::UnknownKey { found: name.to_owned() };
        let key_name = KeyName::parse(name).ok_or_else(|| thrown(&unknown()))?;
        self.client.generate_key(key_name).map_err(|error| thrown(&error))
    }

    /// Encrypts so many input vectors, one after the other in `values`: one payload for each ciphertext, and whether
    /// all values fit the model's scale, which the server must not learn.
    ///
    /// # Errors
    /// Throws an `Error` with a `code`.
    #[wasm_bindgen(unchecked_return_type = "{ payloads: Uint8Array[]; fits: boolean }")]
    pub fn encrypt(&mut self, values: Vec<f64>, samples: usize) -> Result<JsValue, JsValue> {
        let values = Zeroizing::new(values);
        self.client.mix(&fresh_seed()?);
        let input = self.client.encrypt_batch(&divided(&values, samples)).map_err(|error| thrown(&error))?;
        let payloads: Array = input.payloads.iter().map(|bytes| Uint8Array::from(bytes.as_slice())).collect();
        let encrypted = Object::new();
        Reflect::set(&encrypted, &"payloads".into(), &payloads)?;
        Reflect::set(&encrypted, &"fits".into(), &input.fits.into())?;
        Ok(encrypted.into())
    }

    /// Decrypts the results of so many samples and says all that there is to say of them, one after the other: the
    /// output vector, the same after post-processing, and 1 where the model can give such values, otherwise 0. The
    /// server must not learn of any of it.
    ///
    /// # Errors
    /// Throws an `Error` with a `code`.
    pub fn decrypt(&self, result: &[u8], samples: usize) -> Result<Float64Array, JsValue> {
        let outputs = self.client.decrypt_batch(result, samples).map_err(|error| thrown(&error))?;
        let outputs = Zeroizing::new(outputs);
        let mut all = Zeroizing::new(Vec::with_capacity(outputs.iter().map(|raw| 2 * raw.len() + 1).sum()));
        for raw in outputs.iter() {
            all.extend_from_slice(raw);
            all.extend_from_slice(&Zeroizing::new(self.client.postprocess(raw)));
            all.push(f64::from(self.client.is_in_range(raw)));
        }
        Ok(Float64Array::from(all.as_slice()))
    }
}

/// So many vectors, one after the other in `values`. Values that do not divide evenly leave one of another length,
/// which the client refuses.
fn divided(values: &[f64], samples: usize) -> Vec<&[f64]> {
    values.chunks(values.len().div_ceil(samples.max(1)).max(1)).collect()
}

fn published(model: JsValue, parameters: JsValue) -> Result<(ModelSpec, ParameterSpec), JsValue> {
    let model = serde_wasm_bindgen::from_value(model).map_err(|error| invalid_model(&error))?;
    let parameters = serde_wasm_bindgen::from_value(parameters).map_err(|error| invalid_model(&error))?;
    Ok((model, parameters))
}

fn fresh_seed() -> Result<Seed, JsValue> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut_slice()).map_err(|error| no_randomness(&error))?;
    Ok(Seed::new(*bytes))
}
