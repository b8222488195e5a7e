//! Health, models, parameter sets, the contract itself.

use http::{Request, StatusCode, header};

use crate::api::Api;

#[tokio::test]
async fn what_is_published_is_the_same_in_json_and_cbor() {
    let api = Api::new();
    for path in ["/health", "/ready", "/limits", "/models", "/keys"] {
        let json = api.get(path).await;
        let request = Request::get(path).header(header::ACCEPT, "application/cbor");
        let cbor = api.send(request.body("").unwrap()).await;
        assert_eq!(json.header("content-type"), "application/json");
        assert_eq!(cbor.header("content-type"), "application/cbor");
        assert_eq!(json.tree, cbor.tree);
        assert_eq!(json.tree["api_version"], "1.1");
    }
}

#[tokio::test]
async fn weights_are_never_published() {
    let api = Api::new();
    let models = api.get("/models").await;
    for word in ["weights", "program", "transforms", "diagonals", "constants", "polynomials"] {
        assert!(!models.tree.to_string().contains(&format!("\"{word}\"")), "{word}");
    }
}

#[tokio::test]
async fn unchanged_answers_are_not_sent_twice() {
    let api = Api::new();
    for path in ["/models", "/keys"] {
        let first = api.get(path).await;
        let ask = |tag: &str| Request::get(path).header(header::IF_NONE_MATCH, tag).body("").unwrap();
        let second = api.send(ask(first.header("etag"))).await;
        assert_eq!((second.status, second.body.len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(api.send(ask("\"other\"")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn head_is_get() {
    let api = Api::new();
    let answer = api.send(Request::head("/models").body("").unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "application/json"));
}

#[tokio::test]
async fn the_contract_is_served() {
    let api = Api::new();
    assert!(api.get("/openapi.yaml").await.body.starts_with(b"openapi: 3.1"));
    let schema = api.get("/schemas/job.schema.json").await;
    assert_eq!(schema.body, include_str!("../../../schemas/job.schema.json"));
    api.get("/schemas/Cargo.toml").await.is_problem("NOT_FOUND");
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let api = Api::new();
    let request = Request::get("/health").header("x-request-id", "abc-1");
    assert_eq!(api.send(request.body("").unwrap()).await.header("x-request-id"), "abc-1");
    assert_eq!(api.get("/health").await.header("x-request-id").len(), 32);
}

#[tokio::test]
async fn a_caller_that_takes_neither_form_is_told_so_in_json() {
    let api = Api::new();
    let request = Request::get("/models").header(header::ACCEPT, "text/html");
    let answer = api.send(request.body("").unwrap()).await;
    assert_eq!(answer.is_problem("NOT_ACCEPTABLE").header("content-type"), "application/problem+json");
}
