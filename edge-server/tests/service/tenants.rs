//! Tokens, and what is not yours does not exist.

use edge_server::{Access, Origins, Settings, Token};
use http::{Method, Request, StatusCode, header};
use serde_json::json;

use crate::api::{Answer, Api};

fn guarded() -> Api {
    let access = Access::Tokens(vec![Token::new("alice"), Token::new("bob")]);
    Api::with(Settings { access, ..Settings::default() })
}

async fn call(api: &Api, token: &str, method: Method, path: &str, body: &str) -> Answer {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let request = if token.is_empty() {
        request
    } else {
        request.header(header::AUTHORIZATION, format!("Bearer {token}"))
    };
    api.send(request.body(body.to_owned()).unwrap()).await
}

#[tokio::test]
async fn key_sets_belong_to_their_tenant() {
    let api = guarded();
    let body = json!({"model_id": "tiny", "version": "1.0.0"}).to_string();
    let opened = call(&api, "alice", Method::POST, "/keys", &body).await;
    let path = opened.header("location");
    assert_eq!(call(&api, "alice", Method::GET, path, "").await.status, StatusCode::OK);
    for method in [Method::GET, Method::DELETE] {
        call(&api, "bob", method, path, "").await.is_problem("UNKNOWN_KEY");
    }
    assert_eq!(call(&api, "alice", Method::DELETE, path, "").await.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn browsers_hear_which_origins_may_call() {
    let api = Api::new();
    let preflight = |origin: &str| {
        Request::options("/infer")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .body("")
            .unwrap()
    };
    let answer = api.send(preflight("https://page.example")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-methods"), "POST, OPTIONS");
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));

    let origins = Origins::Only(vec!["https://page.example".to_owned()]);
    let api = Api::with(Settings { origins, ..Settings::default() });
    let answer = api.send(preflight("https://page.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), "https://page.example");
    assert_eq!(api.send(preflight("https://evil.example")).await.header("access-control-allow-origin"), "");
}
