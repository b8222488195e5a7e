//! Serves the files of a web page from the same origin, under a strict content policy.

use std::path::Path;

use http::{HeaderName, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, combinators::UnsyncBoxBody};
use tower::ServiceExt;
use tower_http::services::ServeDir;

/// What a page may do: run its own scripts and WebAssembly, ask its own server or one that the visitor names (over TLS,
/// or on this machine), nothing else.
const POLICY: &str = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; \
                      connect-src 'self' https: http://localhost:* http://127.0.0.1:*; \
                      img-src 'self' data: blob:; style-src 'self'; font-src 'self'; object-src 'none'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

type Body = UnsyncBoxBody<bytes::Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// The files of one directory.
#[derive(Clone, Debug)]
pub(crate) struct Assets(ServeDir);

impl Assets {
    /// Serves a directory; `index.html` stands for its folder.
    pub(crate) fn new(directory: &Path) -> Self {
        Self(ServeDir::new(directory).append_index_html_on_directories(true))
    }

    /// Answers one request.
    pub(crate) async fn serve<B: Send + 'static>(self, request: Request<B>) -> Response<Body> {
        // Failures of the disk become responses inside; the error type is uninhabited.
        let mut response = match self.0.oneshot(request).await {
            Ok(response) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
            Err(never) => match never {},
        };
        for (name, value) in HEADERS {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fetch(path: &str) -> Response<Body> {
        let assets = Assets::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")));
        assets.serve(Request::get(path).body(()).expect("a request")).await
    }

    /// The Worker's files are served by Cloudflare, which reads their headers from a file.
    #[test]
    fn the_worker_serves_the_page_with_the_same_headers() {
        let written: Vec<&str> =
            include_str!("../../worker/_headers").lines().skip(1).map(str::trim).collect();
        assert_eq!(written, HEADERS.map(|(name, value)| format!("{name}: {value}")));
    }

    /// A browser takes the strictest of those that it is given.
    #[test]
    fn the_page_lets_itself_ask_the_same_servers() {
        const PAGE: &str = include_str!("../../../www/index.html");
        let (_, rest) = POLICY.split_once("connect-src").expect("a rule for connections");
        let (servers, _) = rest.split_once(';').expect("an end of it");
        assert!(PAGE.contains(&format!("connect-src{servers};")), "{servers} in the page");
    }

    #[tokio::test]
    async fn files_come_with_the_policy_and_nothing_outside_comes() {
        let response = fetch("/assets.rs").await;
        assert!(response.status().is_success());
        assert_eq!(response.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        for path in ["/../Cargo.toml", "/%2e%2e/Cargo.toml", "/..%2fCargo.toml", "/missing"] {
            let response = fetch(path).await;
            assert!(!response.status().is_success(), "{path}");
            assert_eq!(response.headers()[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
    }
}
