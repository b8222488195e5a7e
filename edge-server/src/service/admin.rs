//! What the operator sees, on a listener of his own: metrics, and a page that says how it goes.

use std::fmt::Write;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};

use super::{Reply, Service};
use crate::{
    media::Media,
    port::{Clock, Host},
    problem::{Code, Problem},
    settings::Origins,
};

/// Media type of the text format that Prometheus reads.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

const STYLE: &str = "body{font:16px/1.5 system-ui;margin:2rem auto;max-width:44rem;padding:0 1rem}\
                     table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem .3rem 0;text-align:left;\
                     border-bottom:1px solid #ddd}td+td{font-variant-numeric:tabular-nums}";

impl<H: Host> Service<H> {
    /// Answers the operator: `/metrics`, `/health`, `/ready`, and a page at `/`. Has no access control,
    /// so that the host must not offer it to callers.
    pub async fn handle_admin(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Bytes> {
        let media = Media::of_response(headers).unwrap_or(Media::Json);
        let reply = match (method, path) {
            (&Method::GET, "/metrics") => {
                let text = self.metrics.write(&self.levels().await);
                Ok(Reply::new(OPEN_METRICS, text.into()))
            }
            (&Method::GET, "/") => Ok(self.status_page().await),
            (&Method::GET, "/health") => Reply::json_or_cbor(media, &super::discovery::health()),
            (&Method::GET, "/ready") => self.ready(media).await,
            _ => Err(Problem::new(Code::NotFound, "There are /, /metrics, /health and /ready.")),
        };
        let reply = reply.unwrap_or_else(|problem| Reply::problem(media, problem));
        reply.into_response(&Origins::Only(Vec::new()), None, "-")
    }

    async fn status_page(&self) -> Reply {
        let levels = self.levels().await;
        let uptime = self.host.clock().elapsed().saturating_sub(self.made.1).as_secs();
        let (hours, minutes) = (uptime / 3600, uptime / 60 % 60);
        let megabytes = |bytes: usize| format!("{:.1} MB", bytes as f64 / 1e6);
        let rows = [
            ("Version", env!("CARGO_PKG_VERSION").to_owned()),
            ("Up", format!("{hours} h {minutes:02} min")),
            ("Jobs that wait", format!("{} of {}", levels.queue.waiting, self.settings.waiting_jobs)),
            ("Jobs that run", levels.queue.running.to_string()),
            ("Cores that evaluate", levels.busy_cores.to_string()),
            ("Memory of the process", megabytes(levels.resident_bytes as usize)),
            ("Memory of evaluations", of(levels.evaluation_bytes, self.evaluations.total())),
            ("Memory of request bodies", of(levels.body_bytes, self.bodies.budget().total())),
            ("Prepared keys", of(levels.key_cache_bytes, self.settings.key_cache_bytes)),
        ];
        let mut page = format!(
            "<!doctype html><html lang=en><meta charset=utf-8><meta http-equiv=refresh content=5>\
             <title>edge-server</title><style>{STYLE}</style><h1>edge-server</h1><table>"
        );
        // Writing to a string cannot fail. Nothing below comes from callers.
        for (name, value) in rows {
            let _ = write!(page, "<tr><td>{name}<td>{value}");
        }
        page.push_str("</table><h2>Models</h2><table><tr><th>Model<th>Memory of one evaluation");
        for model in self.registry.models() {
            let memory = megabytes(model.evaluation_bytes());
            let _ = write!(page, "<tr><td>{}<td>{memory}", model.key());
        }
        page.push_str("</table><p><a href=/metrics>metrics</a></html>");
        Reply::new("text/html; charset=utf-8", page.into()).with(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        )
    }
}

fn of(bytes: usize, total: usize) -> String {
    format!("{:.1} of {:.0} MB", bytes as f64 / 1e6, total as f64 / 1e6)
}
