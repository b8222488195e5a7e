//! What is not yours does not exist: every operation of `openapi.yaml` against another tenant's identifiers,
//! answered exactly like identifiers that there never were.

use edge_server::{
    Access, Settings, TenantId, TokenRecord, TokenSecret,
    port::{Host, Timestamp},
    store::Store,
    testing::Contract,
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
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, media);
    if !token.is_empty() {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
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
    let payload = session.encrypt(&[0.5; 4]).unwrap().payloads.remove(0);
    let accepted = post(api, token, "/infer", &infer(&payload, &key_id)).await;
    Alices { job: accepted.text("/job_id").to_owned(), key_id, key: last.unwrap(), payload }
}

/// An operation of the description.
struct Described {
    method: Method,
    path: String,
    id: String,
    /// Answered without a token.
    public: bool,
}

/// All operations, as `openapi.yaml` has them.
fn described() -> Vec<Described> {
    let contract = Contract::new();
    let mut operations = Vec::new();
    for (path, item) in contract.openapi()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "parameters") {
            operations.push(Described {
                method: method.to_ascii_uppercase().parse().unwrap(),
                path: path.clone(),
                id: operation["operationId"].as_str().unwrap().to_owned(),
                public: operation["security"] == json!([{}]),
            });
        }
    }
    operations
}

/// What has to be shown of an operation.
enum Case {
    /// It names what somebody has, in its path or in this body: another's is answered as what never was.
    Names(&'static str, Vec<u8>),
    /// It makes something of the caller's own.
    Makes,
    /// It tells the same to everybody, or what the caller has.
    Tells,
}

/// The case of an operation that names these identifiers. One that is described and has none fails the test.
fn case(operation: &Described, alice: &Alices, key_id: &str) -> Case {
    match operation.id.as_str() {
        "readKeySet" | "deleteKeySet" | "readJob" | "deleteJob" => {
            Case::Names("application/json", Vec::new())
        }
        "putKey" => Case::Names("application/octet-stream", alice.key.1.clone()),
        "infer" => Case::Names("application/json", infer(&alice.payload, key_id).to_string().into_bytes()),
        "openKeySet" => Case::Makes,
        "health" | "ready" | "listModels" | "listParameterSets" | "readLimits" | "readOpenApi"
        | "readSchema" => Case::Tells,
        other => panic!("{other} is described and has no case: say what another tenant must not see"),
    }
}

/// Its path with these identifiers.
fn path_of(operation: &Described, alice: &Alices, key_id: &str, job: &str) -> String {
    let path = operation.path.replace("{key_id}", key_id).replace("{job_id}", job);
    let path = path.replace("{name}", &alice.key.0).replace("{file}", "job.schema.json");
    assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
    path
}

/// What can be compared: all but what differs between any two answers.
fn comparable(answer: &Answer) -> (StatusCode, &Value, http::HeaderMap) {
    let mut headers = answer.headers.clone();
    headers.remove("x-request-id");
    (answer.status, &answer.tree, headers)
}

#[tokio::test]
async fn every_operation_keeps_what_is_anothers_to_itself() {
    // Two servers: in one of them there is nothing of alice.
    let (api, [alice, bob]) = guarded(Settings::default(), ["alice", "bob"]).await;
    let (empty, [.., other_bob]) = guarded(Settings::default(), ["alice", "bob"]).await;
    let hers = alices(&api, &alice).await;
    let mut named = 0;
    for operation in described() {
        let path = path_of(&operation, &hers, &hers.key_id, &hers.job);
        let never = path_of(&operation, &hers, NEVER, NEVER);
        let name = format!("{} {}", operation.method, operation.path);
        let ask = async |api: &Api, token: &str, path: &str, case: Case| {
            let (media, body) = match case {
                Case::Names(media, body) => (media, body),
                Case::Makes | Case::Tells => ("application/json", Vec::new()),
            };
            call(api, token, operation.method.clone(), path, media, body).await
        };
        let found = ask(&api, &bob, &path, case(&operation, &hers, &hers.key_id)).await;
        match case(&operation, &hers, NEVER) {
            missing @ Case::Names(..) => {
                let missing = ask(&api, &bob, &never, missing).await;
                assert_eq!(found.status, StatusCode::NOT_FOUND, "{name}: {}", found.tree);
                assert_eq!(comparable(&found), comparable(&missing), "{name}");
                named += 1;
            }
            tells @ Case::Tells => {
                let there = ask(&empty, &other_bob, &path, tells).await;
                assert!(found.status.is_success(), "{name}: {}", found.tree);
                assert_eq!((found.status, &found.tree), (there.status, &there.tree), "{name}");
            }
            // What is made under another's idempotency key has a test of its own.
            Case::Makes => assert_eq!(found.status, StatusCode::BAD_REQUEST, "{name}: {}", found.tree),
        }
        for token in ["", "unknown"] {
            let refused = ask(&api, token, &path, case(&operation, &hers, &hers.key_id)).await;
            if operation.public {
                assert!(refused.status.is_success(), "{name} without a token: {}", refused.tree);
            } else {
                let challenge = refused.is_problem("UNAUTHORIZED").header("www-authenticate");
                assert!(challenge.starts_with("Bearer"), "{name}: {challenge}");
            }
        }
    }
    assert!(named > 0, "nothing is named by anybody");
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
