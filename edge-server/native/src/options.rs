//! Every setting, once: its name in the configuration file, as a flag and in the environment, its
//! default, and what it means.
//!
//! A flag wins over the environment, the environment over the file, the file over the default.

use std::{
    collections::BTreeMap,
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// A JSON object on each line.
    Json,
}

macro_rules! options {
    ($(
        $(#[doc = $doc:literal])+
        $(#[arg($($arg:tt)+)])?
        $name:ident $key:literal $value:literal $env:literal: $type:ty = $default:expr;
    )+) => {
        /// What one source sets: the file, or environment and flags.
        #[derive(Clone, Debug, Default, Args, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Layer {
            $(
                $(#[doc = $doc])+
                #[arg(long = $key, value_name = $value, env = $env, hide_env_values = true, $($($arg)+)?)]
                #[serde(rename = $key)]
                $name: Option<$type>,
            )+
            /// Limits of single tenants; only a file has them.
            #[arg(skip)]
            #[serde(default)]
            tenants: BTreeMap<String, TenantOptions>,
        }

        /// All settings.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub(crate) struct Options {
            $(
                #[serde(rename = $key, skip_serializing_if = "is_none")]
                pub(crate) $name: $type,
            )+
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            pub(crate) tenants: BTreeMap<String, TenantOptions>,
        }

        impl Options {
            /// Takes each setting from the first layer that has it, else its default.
            pub(crate) fn merge(over: Layer, under: Layer) -> Self {
                Self {
                    $($name: over.$name.or(under.$name).unwrap_or_else(|| $default),)+
                    tenants: under.tenants,
                }
            }
        }
    };
}

/// Tells whether a value is the empty text or list, which stands for nothing.
fn is_none<T: Empty>(value: &T) -> bool {
    value.is_empty()
}

/// What can stand for nothing.
trait Empty {
    fn is_empty(&self) -> bool {
        false
    }
}

impl Empty for bool {}
impl Empty for u64 {}
impl Empty for f64 {}
impl Empty for String {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}
impl Empty for LogFormat {}
impl Empty for SocketAddr {}
impl Empty for PathBuf {
    fn is_empty(&self) -> bool {
        self.as_os_str().is_empty()
    }
}
impl<T> Empty for Vec<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }
}

options! {
    /// Directory of model packages: each sub-directory with a manifest.json, itself or in `package`.
    models "models" "DIR" "EDGE_SERVER_MODELS": PathBuf = PathBuf::from("models");
    /// Directory for jobs, keys, results and tokens; made if it does not exist.
    data "data" "DIR" "EDGE_SERVER_DATA": PathBuf = PathBuf::from("data");
    /// PostgreSQL database that several servers share, as postgres://user@host/database; instead of `data`,
    /// together with `objects`.
    postgres "postgres" "URL" "EDGE_SERVER_POSTGRES": String = String::new();
    /// S3-compatible object store for keys, inputs and results, as s3://bucket/folder; its endpoint and
    /// credentials are in AWS_ENDPOINT, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    objects "objects" "URL" "EDGE_SERVER_OBJECTS": String = String::new();
    /// Address to listen on; port 0 takes a free one.
    listen "listen" "ADDR" "EDGE_SERVER_LISTEN": SocketAddr = ([127, 0, 0, 1], 8080).into();
    /// Address for the operator alone: metrics at /metrics, a page at /; not offered if not set.
    admin "admin" "ADDR" "EDGE_SERVER_ADMIN": String = String::new();
    /// Directory of a web page to serve from the same origin.
    assets "static" "DIR" "EDGE_SERVER_STATIC": PathBuf = PathBuf::new();
    /// Certificate chain for TLS, in PEM; read again when it changes.
    tls_certificate "tls-certificate" "FILE" "EDGE_SERVER_TLS_CERTIFICATE": PathBuf = PathBuf::new();
    /// Private key of the certificate, in PEM.
    tls_key "tls-key" "FILE" "EDGE_SERVER_TLS_KEY": PathBuf = PathBuf::new();
    /// Lets everybody in, without tokens, all as one tenant: for demonstrations and private networks.
    #[arg(num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    open "open" "BOOL" "EDGE_SERVER_OPEN": bool = false;
    /// A token of a tenant of its own, besides those of `edge-server token`; repeat it for several.
    #[arg(value_delimiter = ',')]
    tokens "token" "TOKEN" "EDGE_SERVER_TOKEN": Vec<String> = Vec::new();
    /// Web origin whose pages may call, such as https://example.org, or * for all; repeat it for several. Without
    /// any, all may that have a token, and none where access is open.
    #[arg(value_delimiter = ',')]
    origins "origin" "ORIGIN" "EDGE_SERVER_ORIGIN": Vec<String> = Vec::new();
    /// Connections at once; further ones wait.
    connections "connections" "N" "EDGE_SERVER_CONNECTIONS": u64 = 1024;
    /// Longest time, in seconds, for a handshake or the head of a request, and of an idle connection.
    head_time "head-time" "SECONDS" "EDGE_SERVER_HEAD_TIME": u64 = 10;
    /// Longest silence, in seconds, within a request's body.
    body_silence "body-silence" "SECONDS" "EDGE_SERVER_BODY_SILENCE": u64 = 15;
    /// Longest time, in seconds, that a request's body may take.
    body_time "body-time" "SECONDS" "EDGE_SERVER_BODY_TIME": u64 = 300;
    /// Longest time, in seconds, that a client may leave what was sent unread.
    unread_time "unread-time" "SECONDS" "EDGE_SERVER_UNREAD_TIME": u64 = 30;
    /// Longest time, in seconds, that open requests may take to end when the server stops.
    drain "drain" "SECONDS" "EDGE_SERVER_DRAIN": u64 = 30;
    /// Memory, in MiB, for request bodies that are being read.
    body_memory "body-memory" "MIB" "EDGE_SERVER_BODY_MEMORY": u64 = 256;
    /// Cores that evaluate, and jobs at once; 0 is as many as the machine has.
    threads "threads" "N" "EDGE_SERVER_THREADS": u64 = 0;
    /// Cores that one job takes at most while others are idle; 0 is any number.
    job_threads "job-threads" "N" "EDGE_SERVER_JOB_THREADS": u64 = 0;
    /// Memory, in MiB, for evaluations; a job for which none is free waits.
    memory "memory" "MIB" "EDGE_SERVER_MEMORY": u64 = 1024;
    /// Memory, in MiB, for prepared evaluation keys.
    key_cache "key-cache" "MIB" "EDGE_SERVER_KEY_CACHE": u64 = 1024;
    /// Jobs that may wait; further ones are refused with 503 and Retry-After.
    queue "queue" "N" "EDGE_SERVER_QUEUE": u64 = 256;
    /// Longest time, in seconds, from acceptance to result.
    job_time "job-time" "SECONDS" "EDGE_SERVER_JOB_TIME": u64 = 3600;
    /// How often a job may be started whose process ends, or be failed by the store in the middle of its evaluation,
    /// before it is given up; the two are counted apart.
    attempts "attempts" "N" "EDGE_SERVER_ATTEMPTS": u64 = 5;
    /// Time, in seconds, that a process may be silent before others take its jobs.
    lease "lease" "SECONDS" "EDGE_SERVER_LEASE": u64 = 30;
    /// Longest wait, in seconds, that `Prefer: wait` gets.
    max_wait "max-wait" "SECONDS" "EDGE_SERVER_MAX_WAIT": u64 = 30;
    /// Hours for which results, failures and idempotency keys are kept.
    keep_results "keep-results" "HOURS" "EDGE_SERVER_KEEP_RESULTS": u64 = 24;
    /// Days for which key sets are kept that no job uses.
    keep_keys "keep-keys" "DAYS" "EDGE_SERVER_KEEP_KEYS": u64 = 30;
    /// Requests a minute of each tenant; 0 is any number. Not limited with --open unless set.
    tenant_requests "tenant-requests" "N" "EDGE_SERVER_TENANT_REQUESTS": u64 = 6000;
    /// MiB of bodies a minute of each tenant, requests and answers together; 0 is any number.
    tenant_traffic "tenant-traffic" "MIB" "EDGE_SERVER_TENANT_TRAFFIC": u64 = 0;
    /// Jobs of each tenant that may wait; further ones are refused with 429 and Retry-After.
    tenant_queue "tenant-queue" "N" "EDGE_SERVER_TENANT_QUEUE": u64 = 64;
    /// Key sets of each tenant.
    tenant_key_sets "tenant-key-sets" "N" "EDGE_SERVER_TENANT_KEY_SETS": u64 = 10_000;
    /// MiB of evaluation keys of each tenant.
    tenant_keys "tenant-keys" "MIB" "EDGE_SERVER_TENANT_KEYS": u64 = 16_384;
    /// Collector that spans of requests and jobs are sent to, as http://host:4318/v1/traces (OTLP with protobuf
    /// over HTTP); also read from OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_EXPORTER_OTLP_ENDPOINT.
    traces "traces" "URL" "EDGE_SERVER_TRACES": String = String::new();
    /// Share of the traces begun here that is sent, from 0 to 1; traces that callers began are sent if the callers
    /// say so.
    trace_share "trace-share" "SHARE" "EDGE_SERVER_TRACE_SHARE": f64 = 1.0;
    /// What to log, as in `info` or `edge_server=debug`.
    log "log" "FILTER" "EDGE_SERVER_LOG": String = "info".to_owned();
    /// How to write the log.
    log_format "log-format" "FORMAT" "EDGE_SERVER_LOG_FORMAT": LogFormat = LogFormat::Text;
}

impl Layer {
    /// Tells whether requests a minute are set here; with `--open` they are not limited otherwise.
    pub(crate) fn sets_tenant_requests(&self) -> bool {
        self.tenant_requests.is_some()
    }

    /// Takes the collector from elsewhere, if it is not set here.
    pub(crate) fn or_traces(mut self, traces: Option<String>) -> Self {
        self.traces = self.traces.or(traces);
        self
    }
}

impl Options {
    /// The same without what nobody may read over an operator's shoulder.
    pub(crate) fn without_secrets(self) -> Self {
        let [postgres, traces] = [self.postgres, self.traces].map(without_password);
        Self { tokens: Vec::new(), postgres, traces, ..self }
    }
}

/// An address whose password is dots. One that is not understood is dots as a whole.
fn without_password(address: String) -> String {
    const DOTS: &str = "…";
    if address.is_empty() {
        return address;
    }
    let Some((scheme, rest)) = address.split_once("://") else { return DOTS.to_owned() };
    let shown = if rest.contains("password=") {
        DOTS.to_owned()
    } else {
        match rest.rsplit_once('@') {
            Some((user, host)) => match user.split_once(':') {
                Some((user, _)) => format!("{user}:{DOTS}@{host}"),
                None => rest.to_owned(),
            },
            None => rest.to_owned(),
        }
    };
    format!("{scheme}://{shown}")
}

/// Limits of one tenant; what is not set is as for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct TenantOptions {
    pub(crate) requests: Option<u64>,
    pub(crate) traffic: Option<u64>,
    pub(crate) queue: Option<u64>,
    pub(crate) key_sets: Option<u64>,
    pub(crate) keys: Option<u64>,
}

/// A configuration file cannot be used.
#[derive(Debug)]
pub struct FileError {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for FileError {}

/// Reads a configuration file.
pub(crate) fn read_file(path: &Path) -> Result<Layer, FileError> {
    let failed = |reason: String| FileError { path: path.to_owned(), reason };
    let text = fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    toml::from_str(&text).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str) -> Layer {
        toml::from_str(text).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_upper_layer_wins_and_the_default_is_last() {
        let options = Options::merge(layer("queue = 1"), layer("queue = 2\nlease = 3"));
        assert_eq!((options.queue, options.lease, options.max_wait), (1, 3, 30));
    }

    #[test]
    fn what_is_printed_can_be_read_again() {
        let file = "token = [\"a\"]\nadmin = \"127.0.0.1:1\"\n[tenants.alice]\nrequests = 5\nkey-sets = 2";
        let options = Options::merge(Layer::default(), layer(file));
        let printed = toml::to_string(&options).expect("it can be written");
        assert_eq!(Options::merge(Layer::default(), layer(&printed)), options);
    }

    #[test]
    fn passwords_are_not_printed() {
        let secret = [
            "postgres://edge:secret@db/edge",
            "postgres://edge:se@cret@db/edge",
            "host=db password=secret",
            "postgres://db/edge?password=secret",
        ];
        for address in secret {
            let shown = without_password(address.to_owned());
            assert!(shown.contains('…') && !shown.contains("cret"), "{shown}");
        }
        for plain in ["", "postgres://edge@db:5432/edge?sslmode=require", "http://collector:4318/v1/traces"] {
            assert_eq!(without_password(plain.to_owned()), plain);
        }
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        for wrong in ["quue = 1", "[tenants.alice]\nrequest = 1", "queue = \"many\""] {
            assert!(toml::from_str::<Layer>(wrong).is_err(), "{wrong}");
        }
    }
}
