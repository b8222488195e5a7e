//! A proxy that can break one thing.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, extract::Request};
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde_json::Value;
use tokio::{net::TcpListener, task::spawn_blocking};
use ureq::Agent;

use crate::world::runtime;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// An answer on its way.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// What a proxy does with a request: it may change it, forward it, and change the answer.
pub(crate) type Break = dyn Fn(Asked, &dyn Fn(Asked) -> Got) -> Got + Send + Sync;

/// A proxy in front of one server.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    breaks: Arc<Mutex<Option<Arc<Break>>>>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn is(&self, method: &Method, start: &str) -> bool {
        self.method == *method && self.path.starts_with(start)
    }
}

impl Got {
    /// An answer of the proxy's own.
    pub(crate) fn new(status: u16, body: &str) -> Self {
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, "application/json".parse().unwrap())]);
        Self { status, headers, body: body.as_bytes().to_vec() }
    }

    pub(crate) fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Ok(mut tree) = serde_json::from_slice(&self.body) {
            change(&mut tree);
            self.body = tree.to_string().into_bytes();
        }
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.insert(name, value.parse().unwrap());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }
}

/// Headers that concern one connection only.
const OWN: [&str; 4] = ["host", "content-length", "transfer-encoding", "connection"];

fn forward(agent: &Agent, server: SocketAddr, asked: Asked) -> Got {
    let Asked { method, path, headers, body } = asked;
    let mut request = http::Request::builder().method(method).uri(format!("http://{server}{path}"));
    for (name, value) in headers.iter().filter(|(name, _)| !OWN.contains(&name.as_str())) {
        request = request.header(name, value);
    }
    let (parts, mut body) = agent.run(request.body(body).unwrap()).unwrap().into_parts();
    let mut headers = parts.headers;
    OWN.iter().for_each(|name| drop(headers.remove(*name)));
    Got { status: parts.status.as_u16(), headers, body: body.read_to_vec().unwrap() }
}

impl Proxy {
    pub(crate) fn start(server: SocketAddr) -> Self {
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .accept(ureq::config::AutoHeaderValue::None)
            .build()
            .new_agent();
        let breaks: Arc<Mutex<Option<Arc<Break>>>> = Arc::default();
        let shared = Arc::clone(&breaks);
        let app = Router::new().fallback(move |request: Request| {
            let (agent, breaks) = (agent.clone(), shared.lock().unwrap().clone());
            async move {
                let (parts, body) = request.into_parts();
                let announced = parts
                    .headers
                    .get("content-length")
                    .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
                if announced.is_some_and(|length| length > 1 << 30) {
                    return Response::builder()
                        .status(StatusCode::PAYLOAD_TOO_LARGE)
                        .body(Body::empty())
                        .unwrap();
                }
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap().to_vec();
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
                let asked = Asked { method: parts.method, path, headers: parts.headers, body };
                let got = spawn_blocking(move || match breaks {
                    Some(breaks) => breaks(asked, &|asked| forward(&agent, server, asked)),
                    None => forward(&agent, server, asked),
                });
                let Got { status, headers, body } = got.await.unwrap();
                let mut response = Response::new(Body::from(body));
                *response.status_mut() = StatusCode::from_u16(status).unwrap();
                *response.headers_mut() = headers;
                response
            }
        });
        let listener = runtime().block_on(TcpListener::bind(("127.0.0.1", 0))).unwrap();
        let address = listener.local_addr().unwrap();
        drop(runtime().spawn(async move { axum::serve(listener, app).await.unwrap() }));
        Self { address, breaks }
    }

    /// Breaks something from now on, or nothing.
    pub(crate) fn set(&self, breaks: Option<Arc<Break>>) {
        *self.breaks.lock().unwrap() = breaks;
    }
}
