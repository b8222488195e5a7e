//! Spans on their way to a collector, and one that does not take them.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use edge_server::{
    Host, JobId, ModelKey, Settings, TenantId,
    payload::Encoding,
    port::Timestamp,
    store::{JobRequest, QueueBounds, Store},
    trace::TraceContext,
};
use edge_server_native::{Config, Server, SqliteStore, Traces};
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use prost::Message;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::start::{LIMIT, config, scratch};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collected(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

impl Collected {
    /// Answers one request, as the protocol demands.
    async fn take(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        assert_eq!(request.uri().path(), "/v1/traces");
        assert_eq!(request.headers()["content-type"], "application/x-protobuf");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.0.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        Ok(Response::builder()
            .header("content-type", "application/x-protobuf")
            .body(Full::default())
            .unwrap())
    }

    fn spans(&self) -> Vec<Span> {
        let requests = self.0.lock().unwrap();
        let resources = requests.iter().flat_map(|request| &request.resource_spans);
        resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }
}

async fn collector() -> (SocketAddr, Collected) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, collected) = (listener.local_addr().unwrap(), Collected::default());
    let shared = collected.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let shared = shared.clone();
            let answer = service_fn(move |request| {
                let shared = shared.clone();
                async move { shared.take(request).await }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    (address, collected)
}

/// A server that sends the spans that callers ask for, and this share of the others.
fn exporting(address: SocketAddr, share: f64) -> Config {
    let url = format!("http://{address}/v1/traces");
    let traces = std::thread::spawn(move || Traces::start(&url)).join().unwrap().unwrap();
    Config {
        traces: Some(traces),
        settings: Settings { traces: Some(share), ..Settings::default() },
        ..config()
    }
}

fn texts(attributes: &[KeyValue]) -> HashMap<&str, &str> {
    let text = |value: &KeyValue| match value.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    };
    attributes.iter().filter_map(|pair| Some((&*pair.key, &*text(pair)?.leak()))).collect()
}

/// A job that was accepted by another process, and a request.
#[tokio::test]
async fn spans_reach_the_collector_with_their_parents() {
    let (address, collected) = collector().await;
    let store = SqliteStore::open(&scratch()).unwrap();
    let accepted_by = TraceContext { trace: [7; 16], span: [9; 8] };
    let job = JobRequest {
        id: JobId::from_bytes([0x5e; 16]),
        tenant: TenantId::public(),
        model: ModelKey { model_id: "gone".to_owned(), version: "1.0.0".to_owned() },
        key_set: None,
        batch_size: 1,
        encoding: Encoding::Bytes,
        accepted: Timestamp(1_000),
        deadline: Timestamp(u64::MAX),
        trace: Some(accepted_by),
    };
    let bounds = QueueBounds { total: 1, tenant: 1 };
    store.insert_job(job.clone(), vec![Bytes::from_static(b"a payload")], None, bounds).await.unwrap();
    let server = Server::start(exporting(address, 0.0), store).await.unwrap();
    let service = Arc::clone(server.service());
    let ask = |path: &str| Request::get(path).header("authorization", "Bearer a-token");
    let job_path = format!("/jobs/{}", job.id);
    let request = ask(&job_path).header("traceparent", CALLER).body(Empty::<Bytes>::new()).unwrap();
    service.handle(request).await;
    service.handle(ask("/models").body(Empty::<Bytes>::new()).unwrap()).await;
    let is_over = async || {
        let found = service.host().store().job(&job.tenant, job.id).await.unwrap();
        found.is_some_and(|job| job.state.is_final())
    };
    while !is_over().await {
        sleep(Duration::from_millis(10)).await;
    }
    timeout(LIMIT, server.stop()).await.expect("it stops");

    let spans = collected.spans();
    let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}"));
    let [request, job, queue] = ["GET /jobs/{job_id}", "job", "queue"].map(named);
    let [evaluation, store] = ["evaluation", "store"].map(named);
    assert_eq!(spans.len(), 5, "nobody has asked for the span of the second request");
    let caller = TraceContext::parse(CALLER).unwrap();
    for (span, kind, trace, parent) in [
        (request, SpanKind::Server, caller.trace, &caller.span[..]),
        (job, SpanKind::Consumer, accepted_by.trace, &accepted_by.span[..]),
        (queue, SpanKind::Internal, accepted_by.trace, &job.span_id),
        (evaluation, SpanKind::Internal, accepted_by.trace, &job.span_id),
        (store, SpanKind::Internal, accepted_by.trace, &job.span_id),
    ] {
        assert_eq!((span.kind(), &span.trace_id[..]), (kind, &trace[..]), "{}", span.name);
        assert_eq!(span.parent_span_id, parent, "{}", span.name);
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{}", span.name);
    }
    assert_eq!(job.start_time_unix_nano, 1_000_000_000);
    assert_eq!(texts(&request.attributes)["http.route"], "/jobs/{job_id}");
    assert_eq!(texts(&job.attributes)["error.type"], "UNKNOWN_MODEL");
    assert_eq!(job.status.as_ref().unwrap().code(), StatusCode::Error);
    let resource = collected.0.lock().unwrap()[0].resource_spans[0].resource.clone().unwrap();
    assert_eq!(texts(&resource.attributes)["service.name"], "edge-server");

    let said = format!("{:?}", collected.0.lock().unwrap());
    for secret in ["a payload", "a-token", &*job_path, "5e5e5e5e", "public"] {
        assert!(!said.contains(secret), "{secret}");
    }
}

/// It takes connections and says nothing. Requests are answered all the same, many more than there is room for
/// spans, and the server stops.
#[tokio::test]
async fn a_collector_that_does_not_answer_holds_nobody_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = SqliteStore::open(&scratch()).unwrap();
    let server = Server::start(exporting(silent.local_addr().unwrap(), 1.0), store).await.unwrap();
    let service = Arc::clone(server.service());
    timeout(LIMIT, async {
        for _ in 0..5_000 {
            let request = Request::get("/limits").body(Empty::<Bytes>::new()).unwrap();
            assert_eq!(service.handle(request).await.status(), 200);
        }
    })
    .await
    .expect("nobody waits for the collector");
    timeout(LIMIT, server.stop()).await.expect("it stops");
}
