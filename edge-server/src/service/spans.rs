//! The spans of requests and jobs. What they say is here and nowhere else.

use std::{
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::HeaderMap;

use super::{Reply, Service};
use crate::{
    port::{Clock, Entropy, Host, Timestamp},
    problem::Code,
    route::Operation,
    store::JobRequest,
    trace::{Attribute, Caller, Span, SpanKind, TraceContext},
};

/// Instructions that take less have no span of their own.
const SHORTEST_LAYER: Duration = Duration::from_millis(1);

/// A moment by both clocks, from which the times of spans are measured.
#[derive(Clone, Copy, Debug)]
struct Moment {
    since_1970: Duration,
    elapsed: Duration,
}

impl Moment {
    fn now(clock: &impl Clock) -> Self {
        Self { since_1970: Duration::from_millis(clock.now().0), elapsed: clock.elapsed() }
    }

    /// The time of day at a time of the clock that never goes back.
    fn at(self, elapsed: Duration) -> Duration {
        (self.since_1970 + elapsed).saturating_sub(self.elapsed)
    }
}

/// The span of a request that is being answered.
#[derive(Debug)]
pub(super) struct RequestSpan {
    pub(super) context: TraceContext,
    parent: Option<TraceContext>,
    begun: Moment,
}

impl<H: Host> Service<H> {
    /// Begins the span of a request, if it is exported.
    pub(super) fn begin_span(&self, headers: &HeaderMap) -> Option<RequestSpan> {
        let share = self.settings.traces?;
        let entropy = self.host.entropy();
        let (context, parent) = match Caller::of(headers) {
            Caller::Silent => (TraceContext::begin(entropy, share)?, None),
            Caller::Declines => return None,
            Caller::Exports(parent) => (parent.child(entropy), Some(parent)),
        };
        Some(RequestSpan { context, parent, begun: Moment::now(self.host.clock()) })
    }

    /// Exports the span of a request that was answered. Those who ask whether the service is well ask often,
    /// and nobody asks for their spans.
    pub(super) fn end_span(&self, span: RequestSpan, operation: Option<Operation>, id: &str, reply: &Reply) {
        if matches!(operation, Some(Operation::Health | Operation::Ready)) {
            return;
        }
        let RequestSpan { context, parent, begun } = span;
        let mut attributes: Vec<(&'static str, Attribute)> = vec![
            ("http.response.status_code", u32::from(reply.status().as_u16()).into()),
            ("http.response.body.size", reply.body().len().into()),
            ("edge_server.request_id", id.to_owned().into()),
        ];
        let name = match operation.and_then(Operation::route) {
            Some((method, path)) => {
                attributes.push(("http.request.method", method.into()));
                attributes.push(("http.route", path.into()));
                format!("{method} {path}").into()
            }
            None => "HTTP".into(),
        };
        let code = reply.code();
        attributes.extend(code.map(|code| ("error.type", code.name().into())));
        self.host.export(Span {
            name,
            kind: SpanKind::Server,
            context,
            parent,
            start: begun.since_1970,
            end: begun.at(self.host.clock().elapsed()),
            attributes,
            error: code.filter(|_| reply.status().is_server_error()),
        });
    }

    /// Begins the spans of a job that was taken, if those of its request were exported.
    pub(super) fn begin_job_spans(&self, request: &JobRequest, interrupted: u32) -> JobSpans {
        let accepted_by = self.settings.traces.and(request.trace);
        JobSpans(accepted_by.map(|parent| {
            let entropy = self.host.entropy();
            let context = parent.child(entropy);
            let taken = Moment::now(self.host.clock());
            let job = Span {
                name: "job".into(),
                kind: SpanKind::Consumer,
                context,
                parent: Some(parent),
                start: since_1970(request.accepted).min(taken.since_1970),
                end: taken.since_1970,
                attributes: vec![
                    ("edge_server.model", request.model.model_id.clone().into()),
                    ("edge_server.model.version", request.model.version.clone().into()),
                    ("edge_server.batch_size", request.batch_size.into()),
                    ("edge_server.interrupted", interrupted.into()),
                ],
                error: None,
            };
            let queue = Span {
                name: "queue".into(),
                kind: SpanKind::Internal,
                context: context.child(entropy),
                parent: Some(context),
                attributes: Vec::new(),
                ..job.clone()
            };
            let evaluation = context.child(entropy);
            Box::new(Mutex::new(Recorded { taken, job, evaluation, parts: vec![queue] }))
        }))
    }

    /// Exports the spans of a job that is over, or is no longer this process's.
    pub(super) fn end_job_spans(&self, spans: &JobSpans, code: Option<Code>) {
        let Some(mut recorded) = spans.recorded() else { return };
        for part in mem::take(&mut recorded.parts) {
            self.host.export(part);
        }
        let end = recorded.taken.at(self.host.clock().elapsed());
        let mut job = Span { end, error: code, ..recorded.job.clone() };
        job.attributes.extend(code.map(|code| ("error.type", code.name().into())));
        self.host.export(job);
    }
}

fn since_1970(time: Timestamp) -> Duration {
    Duration::from_millis(time.0)
}

/// The spans of a job that this process has; none if they are not exported.
#[derive(Debug, Default)]
pub(super) struct JobSpans(Option<Box<Mutex<Recorded>>>);

#[derive(Debug)]
struct Recorded {
    taken: Moment,
    /// Without its end.
    job: Span,
    /// What the span of the evaluation will be called.
    evaluation: TraceContext,
    parts: Vec<Span>,
}

impl JobSpans {
    fn recorded(&self) -> Option<MutexGuard<'_, Recorded>> {
        self.0.as_ref().map(|recorded| recorded.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds the evaluation, which has just ended.
    pub(super) fn evaluated(&self, clock: &impl Clock, since: Duration) {
        let Some(mut recorded) = self.recorded() else { return };
        let (context, parent) = (recorded.evaluation, recorded.job.context);
        recorded.add("evaluation", context, parent, (since, clock.elapsed()), Vec::new());
    }

    /// Adds the preparation of keys, a part of the evaluation, which has just ended.
    pub(super) fn prepared_keys(&self, host: &impl Host, since: Duration) {
        let Some(mut recorded) = self.recorded() else { return };
        let parent = recorded.evaluation;
        let context = parent.child(host.entropy());
        recorded.add("keys", context, parent, (since, host.clock().elapsed()), Vec::new());
    }

    /// Adds an instruction of the evaluation.
    pub(super) fn layer(
        &self,
        entropy: &impl Entropy,
        index: usize,
        name: &'static str,
        times: (Duration, Duration),
    ) {
        if times.1.saturating_sub(times.0) < SHORTEST_LAYER {
            return;
        }
        let Some(mut recorded) = self.recorded() else { return };
        let parent = recorded.evaluation;
        let attributes = vec![("edge_server.layer", index.into())];
        recorded.add(name, parent.child(entropy), parent, times, attributes);
    }

    /// Adds the time in which the outcome was stored, which is over.
    pub(super) fn stored(&self, host: &impl Host, since: Duration) {
        let Some(mut recorded) = self.recorded() else { return };
        let parent = recorded.job.context;
        let context = parent.child(host.entropy());
        recorded.add("store", context, parent, (since, host.clock().elapsed()), Vec::new());
    }
}

impl Recorded {
    fn add(
        &mut self,
        name: &'static str,
        context: TraceContext,
        parent: TraceContext,
        (since, until): (Duration, Duration),
        attributes: Vec<(&'static str, Attribute)>,
    ) {
        self.parts.push(Span {
            name: name.into(),
            kind: SpanKind::Internal,
            context,
            parent: Some(parent),
            start: self.taken.at(since),
            end: self.taken.at(until),
            attributes,
            error: None,
        });
    }
}
