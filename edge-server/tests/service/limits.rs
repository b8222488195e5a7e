//! Rates, quotas and bounds: what is too much is refused with the standard headers, and what was
//! accepted completes.

use std::{collections::BTreeMap, time::Duration};

use edge_server::{Access, Settings, TenantId, TenantLimits, Token, port::Host, store::KeyQuota};
use http::StatusCode;
use serde_json::json;

use crate::api::{Api, infer};

fn with(tenant: TenantLimits) -> Settings {
    Settings { tenant, ..Settings::default() }
}

#[tokio::test]
async fn requests_beyond_the_rate_are_told_when_to_come_back() {
    let api = Api::with(with(TenantLimits { requests_per_minute: Some(2), ..TenantLimits::default() }));
    let first = api.get("/models").await;
    assert_eq!(first.header("ratelimit-policy"), "\"requests\";q=2;w=60");
    assert_eq!(first.header("ratelimit"), "\"requests\";r=1;t=30");
    let refused_for_another_reason = api.get("/jobs/x").await;
    assert_eq!(
        refused_for_another_reason.is_problem("UNKNOWN_JOB").header("ratelimit"),
        "\"requests\";r=0;t=60"
    );
    let refused = api.get("/models").await;
    assert_eq!(refused.is_problem("RATE_LIMITED").status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("30", "\"requests\";r=0;t=60"));
    assert_eq!(api.get("/health").await.status, StatusCode::OK, "the living is not counted");
    api.service.host().clock().pass(Duration::from_secs(30));
    assert_eq!(api.get("/models").await.status, StatusCode::OK);
}

#[tokio::test]
async fn bytes_count_in_both_directions() {
    let api = Api::with(with(TenantLimits { bytes_per_minute: Some(500), ..TenantLimits::default() }));
    assert!(api.get("/models").await.body.len() > 500);
    let refused = api.get("/models").await;
    assert!(refused.is_problem("RATE_LIMITED").header("ratelimit-policy").starts_with("\"bytes\";q=500"));
    api.service.host().clock().pass(Duration::from_secs(3600));
    let body = json!({"model_id": "tiny", "version": "1.0.0", "inputs": "x".repeat(600)});
    api.post("/infer", &body).await.is_problem("INVALID_ENVELOPE");
    api.get("/models").await.is_problem("RATE_LIMITED");
}

#[tokio::test]
async fn keys_count_from_the_opening_of_their_set() {
    let keys = KeyQuota { key_sets: 2, key_bytes: 1 << 30 };
    let api = Api::with(with(TenantLimits { keys, ..TenantLimits::default() }));
    let open = json!({"model_id": "tiny", "version": "1.0.0"});
    let first = api.post("/keys", &open).await;
    let announced: u64 =
        first.tree["keys"].as_array().unwrap().iter().map(|key| key["bytes"].as_u64().unwrap()).sum();
    assert_eq!(api.get("/limits").await.tree["key_bytes"]["used"], announced);
    assert_eq!(api.post("/keys", &open).await.status, StatusCode::CREATED);
    let refused = api.post("/keys", &open).await;
    assert_eq!(refused.is_problem("KEY_QUOTA_EXCEEDED").tree["expected"]["key_sets"], 2);
    assert_eq!(refused.tree["found"], json!({"key_sets": 3, "key_bytes": 3 * announced}));
    let path = first.header("location");
    let gone = api.send(http::Request::delete(path).body("").unwrap()).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    assert_eq!(api.post("/keys", &open).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_tenant_has_its_own_bound_beside_that_of_all() {
    let tenant = TenantLimits { waiting_jobs: 1, ..TenantLimits::default() };
    let api = Api::with(Settings { tenant, ..Settings::default() });
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let accepted = api.post("/infer", &body).await;
    let refused = api.post("/infer", &body).await;
    assert_eq!(refused.is_problem("TOO_MANY_JOBS").status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(api.get(accepted.header("location")).await.text("/status"), "completed");
    assert_eq!(api.post("/infer", &body).await.status, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn limits_are_told_for_the_tenant_that_asks() {
    let special = TenantLimits { waiting_jobs: 5, requests_per_minute: Some(9), ..TenantLimits::default() };
    let tenants = BTreeMap::from([(TenantId::public(), special)]);
    let api = Api::with(Settings { tenants, ..Settings::default() });
    let limits = api.get("/limits").await.tree;
    assert_eq!((&limits["waiting_jobs"]["limit"], &limits["requests_per_minute"]), (&json!(5), &json!(9)));
    assert_eq!((&limits["bytes_per_minute"], &limits["max_wait_seconds"]), (&json!(null), &json!(30)));
}

fn inference() -> http::request::Builder {
    http::Request::post("/infer").header("content-type", "application/json")
}

/// A body that never comes.
fn never() -> impl http_body::Body<Data = bytes::Bytes, Error = std::convert::Infallible> {
    http_body_util::StreamBody::new(futures_util::stream::pending::<
        Result<http_body::Frame<bytes::Bytes>, std::convert::Infallible>,
    >())
}

#[tokio::test]
async fn memory_for_bodies_is_bounded() {
    let api = Api::new();
    let longest = api.service.registry().limits().infer_bytes;
    let api = Api::with(Settings { body_bytes: 3 * longest, ..Settings::default() });
    let mut held = Box::pin(api.service.handle(inference().body(never()).unwrap()));
    assert!(futures_util::FutureExt::now_or_never(&mut held).is_none(), "it is being read");
    let refused = api.post("/infer", &json!({})).await;
    assert_eq!(refused.is_problem("OVERLOADED").header("retry-after"), "1");
    drop(held);
    api.post("/infer", &json!({})).await.is_problem("INVALID_ENVELOPE");
}

#[tokio::test]
async fn waiting_for_a_job_takes_no_memory_for_bodies() {
    let api = Api::new();
    let longest = api.service.registry().limits().infer_bytes;
    let api = Api::with(Settings { body_bytes: 3 * longest, ..Settings::default() });
    let (mut session, key_id) = api.ready().await;
    let body = infer(&session.encrypt(&[0.5; 4]).unwrap().payloads[0], &key_id);
    let again = [("prefer", "wait=5"), ("idempotency-key", "once")];
    let mut first = Box::pin(api.post_with("/infer", &body, &again));
    assert!(futures_util::FutureExt::now_or_never(&mut first).is_none(), "its job has not run");
    let mut second = Box::pin(api.post_with("/infer", &body, &again));
    assert!(futures_util::FutureExt::now_or_never(&mut second).is_none(), "it waits for the same job");
    // Without a length it is taken for the longest, which is all there is.
    let third = api.send(inference().body("{}").unwrap()).await;
    third.is_problem("INVALID_ENVELOPE");
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!([first.await.status, second.await.status], [StatusCode::OK; 2]);
}

#[tokio::test]
async fn bodies_of_one_tenant_leave_memory_for_those_of_another() {
    let api = Api::new();
    let longest = api.service.registry().limits().infer_bytes;
    let access = Access::Tokens(vec![Token::new("alice"), Token::new("bob")]);
    // Room for four bodies at their longest: two of a tenant.
    let api = Api::with(Settings { access, body_bytes: 4 * 3 * longest, ..Settings::default() });
    let request = |token: &str| inference().header("authorization", format!("Bearer {token}"));
    let mut held = [(); 2].map(|()| Box::pin(api.service.handle(request("alice").body(never()).unwrap())));
    for held in &mut held {
        assert!(futures_util::FutureExt::now_or_never(held).is_none(), "it is being read");
    }
    // Without a length it is taken for the longest.
    let post = |token: &str| api.send(request(token).body("{}").unwrap());
    post("alice").await.is_problem("OVERLOADED");
    post("bob").await.is_problem("INVALID_ENVELOPE");
    held.into_iter().for_each(drop);
    post("alice").await.is_problem("INVALID_ENVELOPE");
}

#[test]
fn a_model_that_needs_more_than_is_granted_is_refused_at_the_start() {
    use std::sync::Arc;

    use edge_server::{Registry, Service, ServiceError, testing::TestHost, testing::tiny_package};
    let start = |settings| {
        let registry = Registry::load([tiny_package("tiny", "1.0.0", 22)]).unwrap();
        Service::new(TestHost::new(), Arc::new(registry), settings).map(drop)
    };
    start(Settings::default()).unwrap();
    for settings in [
        Settings { evaluation_bytes: 1000, ..Settings::default() },
        Settings { body_bytes: 1000, ..Settings::default() },
    ] {
        assert!(matches!(start(settings), Err(ServiceError::Memory { granted: 1000, .. })));
    }
}
