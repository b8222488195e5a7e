//! What is not yours does not exist: every route against another tenant's identifiers, answered exactly
//! like identifiers that there never were.

use edge_server::{
    Access, Operation, ROUTES, RouteEntry, Settings, TenantId, TokenRecord, TokenSecret, port::Host,
    port::Timestamp, store::Store,
};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::api::{Answer, Api, infer};

const NEVER: &str = "00000000000000000000000000000000";

/// A server that demands tokens, and one token each for these tenants.
async fn guarded<const N: usize>(settings: Settings, tenants: [&str; N]) -> (Api, [String; N]) {
    let api = Api::with(Settings { access: Access::Tokens(Vec::new()), ..settings });
    let mut secrets = Vec::new();
    for tenant in tenants {
        secrets.push(token(&api, tenant, None).await);
    }
    (api, secrets.try_into().unwrap())
}

async fn token(api: &Api, tenant: &str, expires: Option<Timestamp>) -> String {
    let secret = TokenSecret::random(api.service.host().entropy());
    let record = TokenRecord {
        hash: secret.hash(),
        tenant: TenantId::parse(tenant).unwrap(),
        label: String::new(),
        created: Timestamp(0),
        expires,
    };
    api.service.host().store().insert_token(record).await.unwrap();
    secret.text().to_owned()
}

async fn call(api: &Api, token: &str, method: Method, path: &str, media: &str, body: Vec<u8>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, media)
        .header(header::AUTHORIZATION, format!("Bearer {token}"));
    api.send(request.body(body).unwrap()).await
}

async fn get(api: &Api, token: &str, path: &str) -> Answer {
    call(api, token, Method::GET, path, "application/json", Vec::new()).await
}

async fn post(api: &Api, token: &str, path: &str, body: &Value) -> Answer {
    call(api, token, Method::POST, path, "application/json", body.to_string().into_bytes()).await
}

/// What alice has: a complete key set and a job.
struct Alices {
    key_id: String,
    job: String,
    key: (String, Vec<u8>),
    payload: Vec<u8>,
}

async fn alices(api: &Api, token: &str) -> Alices {
    let mut session = api.session_as("tiny", Some(token)).await;
    let opened = post(api, token, "/keys", &json!({"model_id": "tiny", "version": "1.0.0"})).await;
    let key_id = opened.text("/key_id").to_owned();
    let mut last = None;
    for name in session.key_names() {
        let key = session.generate_key(name).unwrap();
        let path = format!("/keys/{key_id}/{name}");
        let put = call(api, token, Method::PUT, &path, "application/octet-stream", key.clone()).await;
        assert_eq!(put.status, StatusCode::OK);
        last = Some((name.to_string(), key));
    }
    let payload = session.encrypt(&[0.5; 4]).unwrap().remove(0);
    let accepted = post(api, token, "/infer", &infer(&payload, &key_id)).await;
    Alices { job: accepted.text("/job_id").to_owned(), key_id, key: last.unwrap(), payload }
}

/// A request for an operation that names these identifiers; `None` for operations that name none.
fn naming(
    entry: &RouteEntry,
    alice: &Alices,
    key_id: &str,
    job: &str,
) -> Option<(String, &'static str, Vec<u8>)> {
    let path =
        entry.path.replace("{key_id}", key_id).replace("{job_id}", job).replace("{name}", &alice.key.0);
    match entry.operation {
        Operation::ReadKeySet | Operation::DeleteKeySet | Operation::ReadJob | Operation::DeleteJob => {
            Some((path, "application/json", Vec::new()))
        }
        Operation::PutKey => Some((path, "application/octet-stream", alice.key.1.clone())),
        Operation::Infer => {
            Some((path, "application/json", infer(&alice.payload, key_id).to_string().into_bytes()))
        }
        _ => None,
    }
}

#[tokio::test]
async fn every_route_treats_anothers_identifiers_as_ones_that_do_not_exist() {
    let (api, [alice, bob]) = guarded(Settings::default(), ["alice", "bob"]).await;
    let hers = alices(&api, &alice).await;
    let mut tried = Vec::new();
    for entry in ROUTES {
        let Some((path, media, body)) = naming(entry, &hers, &hers.key_id, &hers.job) else { continue };
        let (never_path, ..) = naming(entry, &hers, NEVER, NEVER).unwrap();
        let (_, _, never_body) = naming(entry, &hers, NEVER, NEVER).unwrap();
        let found = call(&api, &bob, entry.method.clone(), &path, media, body).await;
        let never = call(&api, &bob, entry.method.clone(), &never_path, media, never_body).await;
        let name = format!("{} {}", entry.method, entry.path);
        assert_eq!(found.status, StatusCode::NOT_FOUND, "{name}: {}", found.tree);
        assert_eq!((found.status, &found.tree), (never.status, &never.tree), "{name}");
        let mut headers = [found.headers.clone(), never.headers.clone()];
        headers.iter_mut().for_each(|headers| drop(headers.remove("x-request-id")));
        assert_eq!(headers[0], headers[1], "{name}");
        tried.push(entry.operation);
    }
    assert_eq!(tried.len(), 6, "every route that names something: {tried:?}");
    // Nothing of it has touched what is hers.
    assert_eq!(get(&api, &alice, &format!("/keys/{}", hers.key_id)).await.text("/status"), "complete");
    assert_eq!(api.run_jobs().await, 1);
    assert_eq!(get(&api, &alice, &format!("/jobs/{}", hers.job)).await.text("/status"), "completed");
}

#[tokio::test]
async fn anothers_idempotency_keys_and_usage_are_not_seen() {
    let (api, [alice, bob]) = guarded(Settings::default(), ["alice", "bob"]).await;
    let body = json!({"model_id": "tiny", "version": "1.0.0"});
    let open = async |token: &str| {
        let request = Request::post("/keys")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::AUTHORIZATION, format!("Bearer {token}"))
            .header("idempotency-key", "same");
        api.send(request.body(body.to_string()).unwrap()).await.text("/key_id").to_owned()
    };
    let (first, again, his) = (open(&alice).await, open(&alice).await, open(&bob).await);
    assert_eq!(first, again);
    assert_ne!(first, his);
    assert_eq!(get(&api, &bob, "/limits").await.tree["key_sets"]["used"], 1);
}

#[tokio::test]
async fn several_tokens_of_one_tenant_see_the_same() {
    let (api, [one, two]) = guarded(Settings::default(), ["alice", "alice"]).await;
    let hers = alices(&api, &one).await;
    assert_eq!(get(&api, &two, &format!("/jobs/{}", hers.job)).await.text("/status"), "queued");
}

#[tokio::test]
async fn revoked_and_expired_tokens_stop_to_work_at_once() {
    let (api, [alice]) = guarded(Settings::default(), ["alice"]).await;
    assert_eq!(get(&api, &alice, "/models").await.status, StatusCode::OK);
    let record = api.service.host().store().tokens().await.unwrap().remove(0);
    assert!(api.service.host().store().delete_token(record.hash).await.unwrap());
    get(&api, &alice, "/models").await.is_problem("UNAUTHORIZED");

    let passing = token(&api, "alice", Some(Timestamp(1000))).await;
    assert_eq!(get(&api, &passing, "/models").await.status, StatusCode::OK);
    api.service.host().clock().pass(std::time::Duration::from_secs(1));
    let refused = get(&api, &passing, "/models").await;
    assert!(refused.is_problem("UNAUTHORIZED").text("/detail").contains("expired"));
}
