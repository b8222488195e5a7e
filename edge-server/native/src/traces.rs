//! Spans on their way to a collector, over OTLP with HTTP.
//!
//! A bounded queue is between those who make spans and the one thread that sends them: a collector that is slow
//! or down costs spans, and nobody waits for it.

use std::{
    env, fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use edge_server::trace::{Attribute, Span, SpanKind, TraceContext};
use opentelemetry::{
    InstrumentationScope, KeyValue, Value,
    trace::{self, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor},
};
use tokio_rustls::rustls::crypto::ring;

/// How long the last spans may take when the server stops.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long a collector may take for a batch.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the spans are said to come from, if `OTEL_SERVICE_NAME` says nothing.
const SERVICE: &str = "edge-server";

/// The way to a collector. Clones share it.
#[derive(Clone)]
pub struct Traces(Arc<Exporter>);

struct Exporter {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Traces")
    }
}

impl Traces {
    /// Starts the thread that sends spans to this address, which is that of `/v1/traces`. Further headers,
    /// and the bounds of queue and batches, are read from the standard variables `OTEL_…`. Not to be called by
    /// a thread that serves requests.
    ///
    /// # Errors
    /// What is wrong with the address or a variable.
    pub fn start(address: &str) -> Result<Self, String> {
        // The one implementation of cryptography that is built in.
        let _ = ring::default_provider().install_default();
        let wrong = |reason: &dyn fmt::Display| format!("traces: {address}: {reason}");
        let client = reqwest::blocking::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| wrong(&error))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(address)
            .build()
            .map_err(|error| wrong(&error))?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(&resource());
        let scope = InstrumentationScope::builder(SERVICE).with_version(env!("CARGO_PKG_VERSION")).build();
        Ok(Self(Arc::new(Exporter { processor, scope })))
    }

    /// Puts a span into the queue, or drops it if that is full.
    pub(crate) fn export(&self, span: Span) {
        self.0.processor.on_end(data(span, self.0.scope.clone()));
    }

    /// Sends what is in the queue, if the collector takes it soon; later spans are dropped.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.0.processor.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(%error, "the last spans are lost");
        }
    }
}

/// What the spans come from.
fn resource() -> Resource {
    let named = env::var_os("OTEL_SERVICE_NAME").is_some()
        || env::var("OTEL_RESOURCE_ATTRIBUTES").is_ok_and(|text| text.contains("service.name="));
    let resource = Resource::builder();
    if named { resource.build() } else { resource.with_service_name(SERVICE).build() }
}

fn data(span: Span, scope: InstrumentationScope) -> SpanData {
    let Span { name, kind, context, parent, start, end, attributes, error } = span;
    let attributes = attributes.into_iter().map(|(key, value)| KeyValue::new(key, self::value(value)));
    SpanData {
        span_context: self::context(context),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span)),
        // It may be in another process; of a part of a job it never is.
        parent_span_is_remote: parent.is_some() && kind != SpanKind::Internal,
        span_kind: match kind {
            SpanKind::Server => trace::SpanKind::Server,
            SpanKind::Consumer => trace::SpanKind::Consumer,
            SpanKind::Internal => trace::SpanKind::Internal,
        },
        name,
        start_time: SystemTime::UNIX_EPOCH + start,
        end_time: SystemTime::UNIX_EPOCH + end,
        attributes: attributes.collect(),
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: error.map_or(Status::Unset, |code| Status::error(code.name())),
        instrumentation_scope: scope,
    }
}

fn context(context: TraceContext) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(context.trace), SpanId::from_bytes(context.span));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, false, TraceState::NONE)
}

fn value(value: Attribute) -> Value {
    match value {
        Attribute::Text(text) => Value::String(text.into()),
        Attribute::Number(number) => Value::I64(number),
    }
}
