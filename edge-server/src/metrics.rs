//! What the service counts and times, in the text format of OpenMetrics.
//!
//! Labels come from fixed sets only (operations, statuses, codes, models), never from callers, so
//! that nobody can make the series grow.

use std::{sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{id::ModelKey, problem::Code, route::Operation, store::QueueLengths};

type Label = (&'static str, String);
type Seconds = Counter<f64, AtomicU64>;
type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The counters of one service.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<[Label; 3], Counter>,
    request_seconds: Histograms<[Label; 1]>,
    received_bytes: Counter,
    sent_bytes: Counter,
    jobs: Family<[Label; 3], Counter>,
    evaluation_seconds: Histograms<[Label; 2]>,
    layer_seconds: Family<[Label; 3], Seconds>,
    queue_seconds: Histogram,
    waiting: Gauge,
    running: Gauge,
    key_cache: Family<[Label; 1], Counter>,
    key_cache_bytes: Gauge,
    evaluation_cores: Gauge,
    evaluation_bytes: Gauge,
    body_bytes: Gauge,
    resident_bytes: Gauge,
}

/// From 100 µs to 100 s.
fn times() -> Histogram {
    Histogram::new(exponential_buckets(1e-4, 10f64.sqrt(), 13))
}

/// Registers a metric and returns it.
macro_rules! registered {
    ($registry:ident, $name:literal, $help:literal, $metric:expr) => {{
        let metric = $metric;
        $registry.register($name, $help, metric.clone());
        metric
    }};
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("edge_server");
        let r = &mut registry;
        Self {
            requests: registered!(r, "requests", "Requests answered", Family::default()),
            request_seconds: registered!(
                r,
                "request_seconds",
                "Time from the head of a request to its answer, waiting on request included",
                Family::new_with_constructor(times as fn() -> Histogram)
            ),
            received_bytes: registered!(r, "received_bytes", "Bytes of request bodies", Counter::default()),
            sent_bytes: registered!(r, "sent_bytes", "Bytes of answer bodies", Counter::default()),
            jobs: registered!(
                r,
                "jobs",
                "Jobs that ended, by model; code is empty for results",
                Family::default()
            ),
            evaluation_seconds: registered!(
                r,
                "evaluation_seconds",
                "Time of evaluations that gave a result",
                Family::new_with_constructor(times as fn() -> Histogram)
            ),
            layer_seconds: registered!(
                r,
                "layer_seconds",
                "Time in each instruction of a model's program",
                Family::default()
            ),
            queue_seconds: registered!(
                r,
                "queue_seconds",
                "Time from acceptance to the first start",
                times()
            ),
            waiting: registered!(r, "jobs_waiting", "Jobs that wait", Gauge::default()),
            running: registered!(r, "jobs_running", "Jobs that are evaluated", Gauge::default()),
            key_cache: registered!(
                r,
                "key_cache",
                "Look-ups of prepared keys (hit, miss) and evictions",
                Family::default()
            ),
            key_cache_bytes: registered!(r, "key_cache_bytes", "Bytes of prepared keys", Gauge::default()),
            evaluation_cores: registered!(
                r,
                "evaluation_cores",
                "Cores that evaluate, those that share an evaluation included",
                Gauge::default()
            ),
            evaluation_bytes: registered!(
                r,
                "evaluation_bytes",
                "Bytes accounted to running evaluations",
                Gauge::default()
            ),
            body_bytes: registered!(
                r,
                "body_bytes",
                "Bytes accounted to bodies being read",
                Gauge::default()
            ),
            resident_bytes: registered!(r, "resident_bytes", "Memory of the process", Gauge::default()),
            registry,
        }
    }

    /// Notes an answered request; `None` is one without a route.
    pub(crate) fn answered(
        &self,
        operation: Option<Operation>,
        status: u16,
        code: Option<Code>,
        took: Duration,
    ) {
        let operation = ("operation", operation.map_or("none", Operation::name).to_owned());
        let code = code.map_or("", Code::name).to_owned();
        self.request_seconds.get_or_create(std::array::from_ref(&operation)).observe(took.as_secs_f64());
        self.requests.get_or_create(&[operation, ("status", status.to_string()), ("code", code)]).inc();
    }

    /// Notes bytes of bodies.
    pub(crate) fn moved(&self, received: usize, sent: usize) {
        self.received_bytes.inc_by(received as u64);
        self.sent_bytes.inc_by(sent as u64);
    }

    /// Notes a job that ended.
    pub(crate) fn finished(&self, model: &ModelKey, code: Option<Code>, took: Duration) {
        let [id, version] = labels(model);
        if code.is_none() {
            let times = self.evaluation_seconds.get_or_create_owned(&[id.clone(), version.clone()]);
            times.observe(took.as_secs_f64());
        }
        let code = code.map_or("", Code::name).to_owned();
        self.jobs.get_or_create(&[id, version, ("code", code)]).inc();
    }

    /// Notes the time of one instruction.
    pub(crate) fn layer(&self, model: &ModelKey, index: usize, name: &str, took: Duration) {
        let [id, version] = labels(model);
        let layer = ("layer", format!("{index:03} {name}"));
        self.layer_seconds.get_or_create(&[id, version, layer]).inc_by(took.as_secs_f64());
    }

    /// Notes how long a job has waited.
    pub(crate) fn waited(&self, waited: Duration) {
        self.queue_seconds.observe(waited.as_secs_f64());
    }

    /// Notes look-ups and evictions of the key cache.
    pub(crate) fn key_cache(&self, event: &'static str, count: u64) {
        self.key_cache.get_or_create(&[("event", event.to_owned())]).inc_by(count);
    }

    /// Writes everything, after these gauges are set.
    pub(crate) fn write(&self, levels: &Levels) -> String {
        for (gauge, value) in [
            (&self.waiting, levels.queue.waiting),
            (&self.running, levels.queue.running),
            (&self.key_cache_bytes, levels.key_cache_bytes as u64),
            (&self.evaluation_cores, levels.busy_cores as u64),
            (&self.evaluation_bytes, levels.evaluation_bytes as u64),
            (&self.body_bytes, levels.body_bytes as u64),
            (&self.resident_bytes, levels.resident_bytes),
        ] {
            gauge.set(value.try_into().unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

fn labels(model: &ModelKey) -> [Label; 2] {
    [("model", model.model_id.clone()), ("version", model.version.clone())]
}

/// How full everything is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Levels {
    pub(crate) queue: QueueLengths,
    pub(crate) key_cache_bytes: usize,
    pub(crate) busy_cores: usize,
    pub(crate) evaluation_bytes: usize,
    pub(crate) body_bytes: usize,
    pub(crate) resident_bytes: u64,
}
