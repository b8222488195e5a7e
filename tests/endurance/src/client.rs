//! A client with keys and one encrypted input, and the requests it makes.

use std::{error::Error, net::SocketAddr, time::Duration};

use ckks_client::{ModelSpec, ParameterSpec, Session};
use ckks_core::Seed;
use data_encoding::BASE64;
use serde_json::{Value, json};
use ureq::Agent;

/// A client of one model. What it sends is made once, so that equal requests give equal results.
#[derive(Clone)]
pub(crate) struct Client {
    agent: Agent,
    base: String,
    model_id: String,
    version: String,
    keys: Vec<(String, Vec<u8>)>,
    payload: Vec<u8>,
}

/// An answer, whatever its status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<u64>,
    pub(crate) body: Value,
}

impl Answer {
    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }
}

/// Whether a request was answered at all.
pub(crate) type Asked = Result<Answer, ureq::Error>;

impl Client {
    /// Makes keys for a model that the server publishes, and encrypts an input.
    pub(crate) fn new(server: SocketAddr, model_id: &str, seed: u8) -> Result<Self, Box<dyn Error>> {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        let base = format!("http://{server}");
        let read = |path: &str| -> Result<Value, Box<dyn Error>> {
            let bytes = agent.get(format!("{base}{path}")).call()?.body_mut().read_to_vec()?;
            Ok(serde_json::from_slice(&bytes)?)
        };
        let find = |list: &Value, field: &str, wanted: &Value| {
            let found = list.as_array().into_iter().flatten().find(|entry| entry[field] == *wanted);
            found.cloned().ok_or_else(|| format!("the server publishes no {wanted}"))
        };
        let model = find(&read("/models")?["models"], "model_id", &model_id.into())?;
        let params_id = &model["encryption_parameters"]["params_id"];
        let parameters = find(&read("/keys")?["parameter_sets"], "params_id", params_id)?;
        let version = model["version"].as_str().unwrap_or_default().to_owned();
        let dimension = model["input"]["dimension"].as_u64().unwrap_or_default();
        let model: ModelSpec = serde_json::from_value(model)?;
        let parameters: ParameterSpec = serde_json::from_value(parameters)?;
        let mut session = Session::new(&model, &parameters, &Seed::new([seed; 32]))?;
        let keys =
            session.key_names().into_iter().map(|name| Ok((name.to_string(), session.generate_key(name)?)));
        let keys = keys.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
        let input: Vec<f64> = (0..dimension).map(|index| (index % 7) as f64 / 7.0).collect();
        let payload = session.encrypt(&input)?.payloads.concat();
        Ok(Self { agent, base, model_id: model_id.to_owned(), version, keys, payload })
    }

    /// The names of its keys.
    pub(crate) fn key_names(&self) -> Vec<&str> {
        self.keys.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The same client, talking to another server.
    pub(crate) fn at(&self, server: SocketAddr) -> Self {
        Self { base: format!("http://{server}"), ..self.clone() }
    }

    fn send(&self, request: ureq::http::Request<Vec<u8>>) -> Asked {
        let mut response = self.agent.run(request)?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let bytes = response.body_mut().with_config().limit(64 << 20).read_to_vec()?;
        Ok(Answer { status, retry_after, body: serde_json::from_slice(&bytes).unwrap_or_default() })
    }

    fn request(&self, method: &str, path: &str) -> ureq::http::request::Builder {
        ureq::http::Request::builder().method(method).uri(format!("{}{path}", self.base))
    }

    pub(crate) fn get(&self, path: &str) -> Asked {
        self.send(built(self.request("GET", path), Vec::new())?)
    }

    /// Opens a key set under an idempotency key.
    pub(crate) fn open_keys(&self, idempotency_key: &str) -> Asked {
        let body = json!({"model_id": self.model_id, "version": self.version});
        let request = self.request("POST", "/keys").header("content-type", "application/json");
        let request = request.header("idempotency-key", idempotency_key);
        self.send(built(request, body.to_string().into_bytes())?)
    }

    /// Uploads one key of the set.
    pub(crate) fn put_key(&self, key_id: &str, name: &str) -> Asked {
        let key = self.keys.iter().find(|(known, _)| known == name).map(|(_, key)| key.clone());
        let request = self.request("PUT", &format!("/keys/{key_id}/{name}"));
        let request = request.header("content-type", "application/octet-stream");
        self.send(built(request, key.unwrap_or_default())?)
    }

    /// Opens a key set and uploads all of it, on a server that answers.
    pub(crate) fn upload_keys(&self, idempotency_key: &str) -> Result<String, Box<dyn Error>> {
        let opened = self.open_keys(idempotency_key)?;
        let key_id = opened.text("/key_id").to_owned();
        for (name, _) in &self.keys {
            let put = self.put_key(&key_id, name)?;
            if put.status != 200 {
                return Err(format!("key {name} was answered with {}: {}", put.status, put.body).into());
            }
        }
        Ok(key_id)
    }

    /// Asks for an inference; waits for its end if it is to.
    pub(crate) fn infer(&self, key_id: &str, idempotency_key: Option<&str>, wait: Option<u32>) -> Asked {
        let body = json!({
            "model_id": self.model_id, "version": self.version, "key_id": key_id,
            "inputs": [{"encoding": "base64", "payload": BASE64.encode(&self.payload)}]
        });
        let mut request = self.request("POST", "/infer").header("content-type", "application/json");
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(seconds) = wait {
            request = request.header("prefer", format!("wait={seconds}"));
        }
        self.send(built(request, body.to_string().into_bytes())?)
    }
}

fn built(
    request: ureq::http::request::Builder,
    body: Vec<u8>,
) -> Result<ureq::http::Request<Vec<u8>>, ureq::Error> {
    request.body(body).map_err(ureq::Error::from)
}
