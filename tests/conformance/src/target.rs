//! A server under test and what a right client of it has: models, a session, an uploaded key set.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use ckks_client::{KeyName, ModelSpec, ParameterSpec, Session};
use ckks_core::{Level, Params, SecretKey, Seed, SeedSource, SeededCiphertext, encrypt_symmetric};
use model_package::{Package, scaled};
use serde_json::{Value, json};

use crate::{
    answer::Answer,
    request::{Sent, Server, key_set_request},
    sample::sample,
};

/// How long a job may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The server under test.
pub(crate) struct Target {
    pub(crate) server: Server,
    /// The same server as another tenant sees it.
    pub(crate) other_tenant: Option<Server>,
    packages: Vec<Package>,
    discovered: OnceLock<Result<Discovered, String>>,
    client: OnceLock<Result<Client, String>>,
    counter: AtomicU64,
}

/// What the server offers.
pub(crate) struct Discovered {
    pub(crate) models: Vec<Value>,
    pub(crate) sets: Vec<Value>,
    /// The model that most cases use: the one with the fewest bytes of keys among those that need keys.
    pub(crate) subject: Value,
}

/// A client of the subject.
pub(crate) struct Client {
    session: Mutex<Session>,
    pub(crate) params: Params,
    pub(crate) key_names: Vec<KeyName>,
    pub(crate) keys: BTreeMap<String, Vec<u8>>,
    /// A complete key set.
    pub(crate) key_id: String,
    /// A right input, with the values that it holds.
    pub(crate) payload: Vec<u8>,
    pub(crate) values: Vec<f64>,
}

fn random_seed() -> Result<Seed, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
    Ok(Seed::new(bytes))
}

/// The member `field` of every entry of `list`.
pub(crate) fn find<'a>(list: &'a [Value], field: &str, wanted: &Value) -> Option<&'a Value> {
    list.iter().find(|entry| entry[field] == *wanted)
}

impl Target {
    pub(crate) fn new(server: Server, other_tenant: Option<Server>, packages: Vec<Package>) -> Self {
        let (discovered, client) = (OnceLock::new(), OnceLock::new());
        Self { server, other_tenant, packages, discovered, client, counter: AtomicU64::new(0) }
    }

    pub(crate) fn send(&self, sent: Sent) -> Result<Answer, String> {
        self.server.send(sent)
    }

    /// A name that no other request had.
    pub(crate) fn fresh_name(&self) -> Result<String, String> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(|error| format!("no randomness: {error}"))?;
        let count = self.counter.fetch_add(1, Ordering::Relaxed);
        Ok(format!("conformance-{}-{count}", data_encoding::HEXLOWER.encode(&bytes)))
    }

    pub(crate) fn discovered(&self) -> Result<&Discovered, String> {
        self.discovered.get_or_init(|| self.discover()).as_ref().map_err(Clone::clone)
    }

    fn discover(&self) -> Result<Discovered, String> {
        let list = |path: &str, member: &str| -> Result<Vec<Value>, String> {
            let answer = self.send(Sent::get(path))?;
            answer.expect_status(200)?;
            answer.tree[member].as_array().cloned().ok_or_else(|| format!("{path}: no {member}"))
        };
        let (models, sets) = (list("/models", "models")?, list("/keys", "parameter_sets")?);
        let bytes = |model: &Value| model["evaluation_keys"]["bytes"].as_u64().unwrap_or(0);
        // Cases change one ciphertext, and keys are made and sent: one of each at best, and small.
        let several = |model: &Value| model["input"]["ciphertexts"] != 1;
        let subject = models
            .iter()
            .filter(|model| bytes(model) > 0)
            .min_by_key(|model| (several(model), bytes(model)))
            .or(models.first());
        let subject = subject.cloned().ok_or("the server has no models")?;
        Ok(Discovered { models, sets, subject })
    }

    pub(crate) fn subject(&self) -> Result<&Value, String> {
        Ok(&self.discovered()?.subject)
    }

    /// Name and version of the subject.
    pub(crate) fn subject_key(&self) -> Result<(&str, &str), String> {
        let subject = self.subject()?;
        Ok((subject["model_id"].as_str().unwrap_or(""), subject["version"].as_str().unwrap_or("")))
    }

    /// The parameter set of a model.
    pub(crate) fn set_of(&self, model: &Value) -> Result<&Value, String> {
        let id = &model["encryption_parameters"]["params_id"];
        find(&self.discovered()?.sets, "params_id", id)
            .ok_or_else(|| format!("GET /keys has no parameter set {id}"))
    }

    /// A client of any model.
    pub(crate) fn session(&self, model: &Value) -> Result<Session, String> {
        let wrong = |error: serde_json::Error| format!("the model cannot be used: {error}");
        let spec: ModelSpec = serde_json::from_value(model.clone()).map_err(wrong)?;
        let set: ParameterSpec = serde_json::from_value(self.set_of(model)?.clone()).map_err(wrong)?;
        Session::new(&spec, &set, &random_seed()?)
            .map_err(|error| format!("the model cannot be used: {error}"))
    }

    /// The client of the subject, its keys uploaded.
    pub(crate) fn client(&self) -> Result<&Client, String> {
        self.client.get_or_init(|| self.make_client()).as_ref().map_err(Clone::clone)
    }

    fn make_client(&self) -> Result<Client, String> {
        let subject = self.subject()?;
        let mut session = self.session(subject)?;
        let key_id = self.open_key_set()?;
        let mut keys = BTreeMap::new();
        for name in session.key_names() {
            let key = session.generate_key(name).map_err(|error| error.to_string())?;
            self.send(Sent::put(format!("/keys/{key_id}/{name}"), key.clone()))?.expect_status(200)?;
            keys.insert(name.to_string(), key);
        }
        let values = sample(subject);
        let mut payloads = session.encrypt(&values).map_err(|error| error.to_string())?.payloads;
        crate::case::ensure!(
            payloads.len() == 1,
            "{}the model takes several ciphertexts a sample",
            crate::case::SKIP
        );
        let (params, key_names) = (session.params().clone(), session.key_names());
        Ok(Client {
            session: Mutex::new(session),
            params,
            key_names,
            keys,
            key_id,
            payload: payloads.remove(0),
            values,
        })
    }

    /// Opens an empty key set of the subject.
    pub(crate) fn open_key_set(&self) -> Result<String, String> {
        let (model_id, version) = self.subject_key()?;
        let opened = self.send(Sent::json("/keys", &key_set_request(model_id, version)))?;
        opened.expect_status(201)?;
        Ok(opened.text("/key_id")?.to_owned())
    }

    /// The right inference, to be made wrong.
    pub(crate) fn inference(&self) -> Result<Value, String> {
        let payload = self.client()?.payload.clone();
        self.inference_of(&payload)
    }

    /// An inference with another payload.
    pub(crate) fn inference_of(&self, payload: &[u8]) -> Result<Value, String> {
        let (model_id, version) = self.subject_key()?;
        let payload = data_encoding::BASE64.encode(payload);
        let mut body = json!({
            "model_id": model_id, "version": version, "batch_size": 1,
            "inputs": [{ "encoding": "base64", "payload": payload }]
        });
        let client = self.client()?;
        if !client.key_names.is_empty() {
            body["key_id"] = client.key_id.clone().into();
        }
        Ok(body)
    }

    /// Sends the right inference with a payload that was changed.
    pub(crate) fn infer_changed(&self, change: impl FnOnce(&mut Vec<u8>)) -> Result<Answer, String> {
        let mut payload = self.client()?.payload.clone();
        change(&mut payload);
        self.send(Sent::json("/infer", &self.inference_of(&payload)?))
    }

    /// Reads a job until it is over.
    pub(crate) fn finished(&self, job_id: &str) -> Result<Answer, String> {
        let begun = Instant::now();
        loop {
            let job = self.send(Sent::get(format!("/jobs/{job_id}")).header("prefer", "wait=5"))?;
            job.expect_status(200)?;
            match job.text("/status")? {
                "completed" => return Ok(job),
                "failed" => return Err(format!("the job failed: {}", job.short())),
                _ if begun.elapsed() > PATIENCE => {
                    return Err(format!("the job is not over after {PATIENCE:?}"));
                }
                _ => thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// Sends an inference and returns the finished job.
    pub(crate) fn infer(&self, body: &Value) -> Result<Answer, String> {
        let accepted = self.send(Sent::json("/infer", body))?;
        crate::case::ensure!(
            [200, 202].contains(&accepted.status),
            "{}: not accepted: {}",
            accepted.name,
            accepted.short()
        );
        self.finished(accepted.text("/job_id")?)
    }

    /// What the model computes on the client's values, if its package is at hand.
    pub(crate) fn clear_answer(&self) -> Result<Option<Vec<f64>>, String> {
        let (model_id, version) = self.subject_key()?;
        let is_subject =
            |package: &&Package| package.manifest.model_id == model_id && package.manifest.version == version;
        let Some(package) = self.packages.iter().find(is_subject) else { return Ok(None) };
        let client = self.client()?;
        let slots = client.params.slots();
        let input = &package.manifest.input;
        let scaled = scaled(&client.values, input.scaling.as_deref());
        let input = input.layout.to_layout().pack(&scaled, slots);
        let outputs =
            package.program.evaluate_clear(slots, &[input]).map_err(|error| format!("{error:?}"))?;
        let slots: Vec<f64> = outputs.into_iter().flatten().collect();
        let output = &package.manifest.output;
        let values = output.layout.to_layout().unpack(&slots, output.dimension as usize);
        Ok(Some(values.iter().map(|value| value * output.gain).collect()))
    }
}

impl Client {
    /// Decrypts the result of a job.
    pub(crate) fn decrypt(&self, job: &Answer) -> Result<Vec<f64>, String> {
        let payload = payload_of(job)?;
        let session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        session
            .decrypt(&payload)
            .map_err(|error| format!("{}: the result does not decrypt: {error}", job.name))
    }

    /// Encrypts the client's values once more.
    pub(crate) fn encrypt(&self) -> Result<Vec<u8>, String> {
        let mut session = self.session.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut input = session.encrypt(&self.values).map_err(|error| error.to_string())?;
        Ok(input.payloads.remove(0))
    }

    /// The payload as a whole ciphertext.
    pub(crate) fn whole_payload(&self) -> Result<Vec<u8>, String> {
        let seeded =
            SeededCiphertext::from_bytes(&self.params, &self.payload).map_err(|error| error.to_string())?;
        let whole = seeded.expand(&self.params).map_err(|error| error.to_string())?;
        whole.to_bytes(&self.params).map_err(|error| error.to_string())
    }

    /// A fresh ciphertext of zeros at any level, under some key.
    pub(crate) fn payload_at(&self, level: Level) -> Result<Vec<u8>, String> {
        let (mut seeds, params) = (SeedSource::new(&random_seed()?), &self.params);
        let secret = SecretKey::generate(params, &seeds.next_seed());
        let plaintext = ckks_core::Encoder::new(params).encode_real(&[], level, params.scale_at(level));
        let plaintext = plaintext.map_err(|error| format!("{error:?}"))?;
        let ciphertext = encrypt_symmetric(params, &secret, &plaintext, &mut seeds);
        let bytes = ciphertext.and_then(|ciphertext| ciphertext.to_bytes(params));
        bytes.map_err(|error| format!("{error:?}"))
    }
}

/// The payload of a job's result, out of whatever encoding.
pub(crate) fn payload_of(job: &Answer) -> Result<Vec<u8>, String> {
    let text = job.text("/result/payload")?.as_bytes();
    let decoded = match job.text("/result/encoding")? {
        "hex" => data_encoding::HEXLOWER_PERMISSIVE.decode(text),
        "base64" => data_encoding::BASE64.decode(text),
        _ => return job.byte_strings.first().cloned().ok_or_else(|| format!("{}: no byte string", job.name)),
    };
    decoded.map_err(|error| format!("{}: the payload is not written as it says: {error}", job.name))
}
