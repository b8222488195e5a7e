//! Spans of requests and jobs: who is whose parent, when, and what they do not say.

use std::time::Duration;

use bytes::Bytes;
use edge_server::{
    Access, Code, Host, Settings, Token,
    port::Entropy,
    trace::{Attribute, Span, SpanKind, TraceContext},
};
use http::{Request, StatusCode};

use crate::api::{Api, infer};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const INPUT: [f64; 4] = [0.5, -0.25, 1.0, 0.75];

fn exporting(share: f64) -> Api {
    let api = Api::with(Settings { traces: Some(share), ..Settings::default() });
    // Identifiers of nothing but zeros are none.
    api.service.host().entropy().fill(&mut [0]);
    api
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let names = || spans.iter().map(|span| &span.name).collect::<Vec<_>>();
    spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name} in {:?}", names()))
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    span.attributes.iter().find(|(key, _)| *key == name).map(|(_, value)| match value {
        Attribute::Text(text) => text.to_string(),
        Attribute::Number(number) => number.to_string(),
    })
}

#[tokio::test]
async fn a_job_is_part_of_the_trace_that_its_caller_has_begun() {
    let api = exporting(0.0);
    let (mut session, key_id) = api.ready().await;
    let payload = session.encrypt(&INPUT).unwrap().payloads.remove(0);
    let host = api.service.host();
    assert_eq!(host.take_spans(), [], "nobody exports these");

    let headers = [("traceparent", CALLER), ("x-request-id", "request-1")];
    let accepted = api.post_with("/infer", &infer(&payload, &key_id), &headers).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    host.clock().pass(Duration::from_millis(70));
    assert_eq!(api.run_jobs().await, 1);

    let spans = host.take_spans();
    let caller = TraceContext::parse(CALLER).unwrap();
    let [request, queue, job] = ["POST /infer", "queue", "job"].map(|name| named(&spans, name));
    let [keys, evaluation, store] = ["keys", "evaluation", "store"].map(|name| named(&spans, name));
    for (span, kind, parent) in [
        (request, SpanKind::Server, caller),
        (job, SpanKind::Consumer, request.context),
        (queue, SpanKind::Internal, job.context),
        (evaluation, SpanKind::Internal, job.context),
        (keys, SpanKind::Internal, evaluation.context),
        (store, SpanKind::Internal, job.context),
    ] {
        assert_eq!((span.kind, span.parent), (kind, Some(parent)), "{}", span.name);
        assert_eq!(span.context.trace, caller.trace, "{}", span.name);
        assert_eq!(span.error, None, "{}", span.name);
    }
    assert_eq!(spans.len(), 6, "no instruction takes a millisecond of a clock that stands still");
    assert_eq!((queue.end - queue.start).as_millis(), 70);
    assert_eq!(job.start, queue.start);
    for (span, name, value) in [
        (request, "http.request.method", "POST"),
        (request, "http.route", "/infer"),
        (request, "http.response.status_code", "202"),
        (request, "edge_server.request_id", "request-1"),
        (job, "edge_server.model", "tiny"),
        (job, "edge_server.model.version", "1.0.0"),
        (job, "edge_server.batch_size", "1"),
        (job, "edge_server.interrupted", "0"),
    ] {
        assert_eq!(attribute(span, name).as_deref(), Some(value), "{name}");
    }
}

#[tokio::test]
async fn spans_say_nothing_that_is_secret() {
    const TOKEN: &str = "a-token-of-alice";
    let api = Api::with(Settings {
        traces: Some(1.0),
        access: Access::Tokens(vec![Token::new(TOKEN)]),
        ..Settings::default()
    });
    let host = api.service.host();
    let send = async |method: &str, path: &str, body: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        api.send(request.header("content-type", "application/json").body(body.to_owned()).unwrap()).await
    };
    let opened = send("POST", "/keys", r#"{"model_id": "tiny", "version": "1.0.0"}"#).await;
    let key_id = opened.text("/key_id").to_owned();
    send("GET", &format!("/keys/{key_id}"), "").await;
    send("POST", "/infer", r#"{"model_id": "a payload"}"#).await;
    let job = "0123456789abcdef0123456789abcdef";
    send("GET", &format!("/jobs/{job}"), "").await;
    send("GET", "/a/path/of/its/own", "").await;
    send("DELETE", &format!("/keys/{key_id}"), "").await;

    let spans = host.take_spans();
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    let wanted = ["POST /keys", "GET /keys/{key_id}", "POST /infer", "GET /jobs/{job_id}", "HTTP"];
    assert_eq!(names[..5], wanted);
    assert_eq!(attribute(&spans[3], "error.type").as_deref(), Some("UNKNOWN_JOB"));
    assert_eq!(spans[3].error, None, "that was the caller's mistake");
    let said = format!("{spans:?}");
    for secret in [TOKEN, &key_id, job, "payload", "path/of", "Bearer"] {
        assert!(!said.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn what_a_caller_does_not_export_is_not_exported_here() {
    let silent = CALLER.replace("-01", "-00");
    for (share, caller, exported) in
        [(1.0, None, true), (1.0, Some(&*silent), false), (0.0, None, false), (0.0, Some(CALLER), true)]
    {
        let api = exporting(share);
        let request = Request::get("/models");
        let request =
            caller.into_iter().fold(request, |request, caller| request.header("traceparent", caller));
        api.send(request.body(Bytes::new()).unwrap()).await;
        assert_eq!(api.service.host().take_spans().len(), usize::from(exported), "{share} {caller:?}");
    }
    let api = Api::new();
    let request = Request::get("/models").header("traceparent", CALLER);
    api.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!(api.service.host().take_spans(), [], "there is nowhere to export them to");
}

#[tokio::test]
async fn whoever_asks_whether_the_service_is_well_leaves_no_span() {
    let api = exporting(1.0);
    for path in ["/health", "/ready"] {
        api.get(path).await;
    }
    assert_eq!(api.service.host().take_spans(), []);
}

#[tokio::test]
async fn a_job_that_fails_says_why() {
    let api = exporting(0.0);
    let (mut session, key_id) = api.ready().await;
    let payload = session.encrypt(&INPUT).unwrap().payloads.remove(0);
    api.post_with("/infer", &infer(&payload, &key_id), &[("traceparent", CALLER)]).await;
    api.service.host().clock().pass(Duration::from_secs(2 * 60 * 60));
    api.run_jobs().await;
    let spans = api.service.host().take_spans();
    let job = named(&spans, "job");
    assert_eq!(attribute(job, "error.type").as_deref(), Some("DEADLINE_EXCEEDED"));
    assert_eq!(job.error, Some(Code::DeadlineExceeded));
}
