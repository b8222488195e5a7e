//! A client of the service under test.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use ckks_client::{ModelSpec, ParameterSpec, Session};
use ckks_core::Seed;
use edge_server::{
    CheckedPackages, Holding, PackageFiles, Service, Settings,
    testing::{Contract, TestHost, tiny_package},
};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::Full;
use serde_json::{Value, json};

pub(crate) struct Api {
    pub(crate) service: Service<TestHost>,
    contract: Contract,
}

/// A response that has passed the contract.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) tree: Value,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Asserts a refusal.
    pub(crate) fn is_problem(&self, code: &str) -> &Self {
        assert_eq!(self.tree["code"], code, "{} {}", self.status, self.tree);
        assert_eq!(self.tree["status"], self.status.as_u16());
        self
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.tree
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer} in {}", self.tree))
    }
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::held(settings, Holding::FASTEST)
    }

    /// With models that are held like this.
    pub(crate) fn held(settings: Settings, holding: Holding) -> Self {
        let tiny = [tiny_package("tiny", "1.0.0", 22), tiny_package("other", "1.0.0", 23)];
        Self::of(tiny, settings, holding)
    }

    /// With these models.
    pub(crate) fn of(
        files: impl IntoIterator<Item = PackageFiles>,
        settings: Settings,
        holding: Holding,
    ) -> Self {
        let mut packages = CheckedPackages::new().unwrap();
        for files in files {
            packages.add(files).unwrap_or_else(|error| panic!("{error}"));
        }
        let held: BTreeMap<_, _> = packages.figures().into_iter().map(|f| (f.model, holding)).collect();
        let registry = packages.prepare(&held).unwrap();
        let service = Service::new(TestHost::new(), Arc::new(registry), settings).unwrap();
        Self { service, contract: Contract::new() }
    }

    pub(crate) async fn send(&self, request: Request<impl Into<Bytes>>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let response = self.service.handle(request.map(|body| Full::new(body.into()))).await;
        let (parts, body) = response.into_parts();
        let checked = if method == Method::HEAD || method == Method::OPTIONS {
            Value::Null
        } else {
            self.contract.check(&method, &path, parts.status, &parts.headers, &body)
        };
        Answer { status: parts.status, headers: parts.headers, body, tree: checked }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Bytes::new()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body, &[]).await
    }

    pub(crate) async fn post_with(&self, path: &str, body: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.to_string()).unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::put(path).header(header::CONTENT_TYPE, "application/octet-stream");
        self.send(request.body(body).unwrap()).await
    }

    /// Runs every job that waits.
    pub(crate) async fn run_jobs(&self) -> usize {
        let mut count = 0;
        while self.service.run_next().await.unwrap() {
            count += 1;
        }
        count
    }

    /// A client session for a model, from what the service publishes.
    pub(crate) async fn session(&self, model_id: &str) -> Session {
        self.session_as(model_id, None).await
    }

    /// The same for the holder of a token.
    pub(crate) async fn session_as(&self, model_id: &str, token: Option<&str>) -> Session {
        let get = async |path: &str| {
            let mut request = Request::get(path);
            if let Some(token) = token {
                request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
            }
            self.send(request.body(Bytes::new()).unwrap()).await.tree
        };
        let models = get("/models").await;
        let model = models["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|model| model["model_id"] == model_id)
            .unwrap()
            .clone();
        let sets = get("/keys").await;
        let params_id = &model["encryption_parameters"]["params_id"];
        let set = sets["parameter_sets"]
            .as_array()
            .unwrap()
            .iter()
            .find(|set| set["params_id"] == *params_id)
            .unwrap();
        let model: ModelSpec = serde_json::from_value(model).unwrap();
        let parameters: ParameterSpec = serde_json::from_value(set.clone()).unwrap();
        Session::new(&model, &parameters, &Seed::new([7; 32])).unwrap()
    }

    /// Opens a key set and uploads every key.
    pub(crate) async fn upload_keys(&self, session: &mut Session, model_id: &str) -> String {
        let opened = self.post("/keys", &json!({"model_id": model_id, "version": "1.0.0"})).await;
        assert_eq!(opened.status, StatusCode::CREATED);
        let key_id = opened.text("/key_id").to_owned();
        for name in session.key_names() {
            let key = session.generate_key(name).unwrap();
            let put = self.put(&format!("/keys/{key_id}/{name}"), key).await;
            assert_eq!(put.status, StatusCode::OK, "{}", put.tree);
        }
        key_id
    }

    /// A session with its keys uploaded.
    pub(crate) async fn ready(&self) -> (Session, String) {
        let mut session = self.session("tiny").await;
        let key_id = self.upload_keys(&mut session, "tiny").await;
        (session, key_id)
    }
}

/// The body of an inference with a base64 payload.
pub(crate) fn infer(payload: &[u8], key_id: &str) -> Value {
    let payload = data_encoding::BASE64.encode(payload);
    json!({
        "model_id": "tiny", "version": "1.0.0", "batch_size": 1, "key_id": key_id,
        "inputs": [{"encoding": "base64", "payload": payload}]
    })
}

pub(crate) fn assert_close(found: &[f64], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 0.01, "{found} instead of {wanted}");
    }
}
