//! Settings as they were written into those that the parts take, with everything checked that can be
//! checked before the server listens.

use std::{
    collections::BTreeMap, env, error::Error, fmt, net::SocketAddr, num::NonZeroUsize, path::Path,
    time::Duration,
};

use edge_server::{Access, Origins, Settings, TenantId, TenantLimits, Token, store::KeyQuota};

use crate::{
    options::{Layer, Options, TenantOptions, read_file},
    packages::read_packages,
    server::Config,
    source::name_of,
    tls::TlsFiles,
    transport::Patience,
};

const MIB: u64 = 1 << 20;
const HOUR: u64 = 60 * 60;

/// Merges environment and flags over the file.
pub(crate) fn options(file: Option<&Path>, over: Layer) -> Result<Options, Box<dyn Error>> {
    let under = file.map(read_file).transpose()?.unwrap_or_default();
    let over = if cfg!(feature = "traces") {
        // What is set and empty counts as not set.
        over.or_traces(standard_collector(|name| env::var(name).ok().filter(|value| !value.is_empty()))?)
    } else {
        over
    };
    let limited = over.sets_tenant_requests() || under.sets_tenant_requests();
    let mut options = Options::merge(over, under);
    if options.open && !limited {
        options.tenant_requests = 0;
    }
    Ok(options)
}

/// Where the standard variables of OpenTelemetry say that spans go.
fn standard_collector(variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>, String> {
    let address = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| {
        let base = variable("OTEL_EXPORTER_OTLP_ENDPOINT")?;
        Some(format!("{}/v1/traces", base.trim_end_matches('/')))
    });
    let is_disabled = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let exporter = variable("OTEL_TRACES_EXPORTER");
    if address.is_none() || is_disabled || exporter.is_some_and(|exporter| exporter != "otlp") {
        return Ok(None);
    }
    const PROTOCOL: &str = "http/protobuf";
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if let Some(found) = variable(name) {
            let right = (found == PROTOCOL).then_some(address);
            return right.ok_or_else(|| format!("{name}: expected {PROTOCOL}, found {found}"));
        }
    }
    Ok(address)
}

/// Reads the packages and makes what a server is started with.
pub(crate) fn config(options: &Options) -> Result<Config, Box<dyn Error>> {
    let o = options;
    let assets = given(&o.assets);
    if let Some(directory) = assets.filter(|directory| !directory.is_dir()) {
        return Err(wrong("static", format_args!("{} is not a directory", directory.display())).into());
    }
    let tls = match (given(&o.tls_certificate), given(&o.tls_key)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(TlsFiles { certificate: certificate.to_owned(), key: key.to_owned() })
        }
        _ => return Err("tls-certificate and tls-key belong together; only one of them is set".into()),
    };
    let admin: Option<SocketAddr> =
        match o.admin.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                wrong("admin", format_args!("{text} is not an address such as 127.0.0.1:9090"))
            })?),
        };
    let threads = match usize::try_from(o.threads)? {
        0 => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
        count => NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN),
    };
    let seconds = Duration::from_secs;
    Ok(Config {
        packages: read_packages(&o.models).map_err(|error| wrong("models", error))?,
        listen: o.listen,
        admin,
        assets: assets.map(Path::to_owned),
        tls,
        patience: Patience {
            connections: usize::try_from(o.connections)?.max(1),
            head: seconds(o.head_time),
            unread: seconds(o.unread_time),
            drain: seconds(o.drain),
        },
        settings: settings(o)?,
        threads,
        traces: None,
        job_threads: NonZeroUsize::new(usize::try_from(o.job_threads)?).unwrap_or(NonZeroUsize::MAX),
    })
}

fn settings(o: &Options) -> Result<Settings, Box<dyn Error>> {
    let seconds = Duration::from_secs;
    let bytes = |mib: u64| usize::try_from(mib.saturating_mul(MIB));
    if o.open && !o.tokens.is_empty() {
        return Err("open lets everybody in; tokens would be ignored: remove one of the two".into());
    }
    let tokens = o.tokens.iter().map(|token| Token::configured(token));
    let tokens = tokens.collect::<Result<_, _>>().map_err(|error| wrong("token", error))?;
    let access = if o.open { Access::Open } else { Access::Tokens(tokens) };
    if o.postgres.is_empty() != o.objects.is_empty() {
        return Err("postgres and objects belong together; only one of them is set".into());
    }
    if o.lease == 0 || o.attempts == 0 {
        return Err("lease and attempts must be at least 1".into());
    }
    let traces = if o.traces.is_empty() { None } else { Some(share(o)?) };
    let mut tenants = BTreeMap::new();
    for (name, own) in &o.tenants {
        let tenant = TenantId::parse(name)
            .ok_or_else(|| format!("tenants: {name} is no name of a tenant: a-z, 0-9, '.', '_' and '-'"))?;
        tenants.insert(tenant, limits(o, own));
    }
    Ok(Settings {
        access,
        origins: Origins::of(o.origins.clone(), o.open),
        max_wait: seconds(o.max_wait),
        key_cache_bytes: bytes(o.key_cache)?,
        evaluation_bytes: bytes(o.memory)?,
        body_bytes: bytes(o.body_memory)?,
        body_silence: seconds(o.body_silence),
        body_time: seconds(o.body_time),
        waiting_jobs: o.queue,
        job_time: seconds(o.job_time),
        attempts: u32::try_from(o.attempts)?,
        lease: seconds(o.lease),
        tenant: limits(o, &TenantOptions::default()),
        tenants,
        keep_results: seconds(o.keep_results.saturating_mul(HOUR)),
        keep_key_sets: seconds(o.keep_keys.saturating_mul(24 * HOUR)),
        traces,
    })
}

/// The share of traces that is sent, to an address that can be one.
fn share(o: &Options) -> Result<f64, String> {
    let address = &o.traces;
    let uri = address.parse::<http::Uri>().ok().filter(|uri| uri.host().is_some());
    if !uri.is_some_and(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) {
        return Err(wrong(
            "traces",
            format_args!("{address} is not an address such as http://127.0.0.1:4318/v1/traces"),
        ));
    }
    if !cfg!(feature = "traces") {
        return Err(wrong("traces", "this server was built without; build it with --features traces"));
    }
    let share = o.trace_share;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(wrong("trace-share", format_args!("{share} is not from 0 to 1")))
    }
}

/// What a tenant may do: its own settings over those of all.
fn limits(o: &Options, own: &TenantOptions) -> TenantLimits {
    let some = |number: u64| (number > 0).then_some(number);
    TenantLimits {
        requests_per_minute: some(own.requests.unwrap_or(o.tenant_requests)),
        bytes_per_minute: some(own.traffic.unwrap_or(o.tenant_traffic).saturating_mul(MIB)),
        waiting_jobs: own.queue.unwrap_or(o.tenant_queue),
        keys: KeyQuota {
            key_sets: own.key_sets.unwrap_or(o.tenant_key_sets),
            key_bytes: own.keys.unwrap_or(o.tenant_keys).saturating_mul(MIB),
        },
    }
}

/// What is said of a setting whose value cannot be used.
fn wrong(setting: &str, reason: impl fmt::Display) -> String {
    format!("{}: {reason}", name_of(setting))
}

/// A path, unless it is the empty one that stands for none.
fn given(path: &Path) -> Option<&Path> {
    (!path.as_os_str().is_empty()).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Options {
        Options::merge(Layer::default(), toml::from_str(text).expect("settings"))
    }

    #[test]
    fn a_tenant_has_its_own_limits_over_those_of_all() {
        let o = read("tenant-queue = 7\n[tenants.alice]\nrequests = 5\nkeys = 2");
        let settings = settings(&o).expect("right");
        let alice = settings.limits_of(&TenantId::new("alice"));
        assert_eq!((alice.requests_per_minute, alice.waiting_jobs), (Some(5), 7));
        assert_eq!(alice.keys.key_bytes, 2 << 20);
        assert_eq!(settings.limits_of(&TenantId::new("bob")).requests_per_minute, Some(6000));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        for wrong in [
            "open = true\ntoken = [\"x\"]",
            "lease = 0",
            "attempts = 0",
            "postgres = \"postgres://x\"",
            "[tenants.Alice]\nqueue = 1",
        ] {
            assert!(settings(&read(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_standard_variables_say_where_spans_go() {
        let read = |variables: &[(&str, &str)]| {
            let found = |name: &str| variables.iter().find(|(key, _)| *key == name);
            standard_collector(|name| found(name).map(|(_, value)| (*value).to_owned()))
        };
        let (all, own) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        let at = |address: &str| Ok(Some(address.to_owned()));
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[(all, "http://c:4318/")]), at("http://c:4318/v1/traces"));
        assert_eq!(read(&[(all, "http://c:4318"), (own, "http://d/t")]), at("http://d/t"));
        assert_eq!(
            read(&[(own, "http://d/t"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")]),
            at("http://d/t")
        );
        for (name, value) in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(read(&[(all, "http://c:4318"), (name, value)]), Ok(None));
        }
        let error = read(&[(all, "http://c:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        assert_eq!(error, Err("OTEL_EXPORTER_OTLP_PROTOCOL: expected http/protobuf, found grpc".to_owned()));
    }

    #[test]
    fn a_collector_has_an_address_and_a_share() {
        let traces = |text: &str| settings(&read(text)).map(|settings| settings.traces);
        assert_eq!(traces("").expect("right"), None);
        for wrong in
            ["traces = \"collector:4318\"", "traces = \"grpc://collector:4317\"", "traces = \"/v1/traces\""]
        {
            let error = traces(wrong).expect_err(wrong).to_string();
            assert!(error.contains("not an address"), "{error}");
        }
        let right = traces("traces = \"http://collector:4318/v1/traces\"\ntrace-share = 0.5");
        if cfg!(feature = "traces") {
            assert_eq!(right.expect("right"), Some(0.5));
            assert!(traces("traces = \"http://c/v1/traces\"\ntrace-share = 1.5").is_err());
        } else {
            assert!(right.expect_err("it was built without").to_string().contains("--features traces"));
        }
    }

    #[test]
    fn an_open_server_has_no_rate_unless_one_is_set() {
        let layer = |text: &str| -> Layer { toml::from_str(text).expect("settings") };
        assert_eq!(options(None, layer("open = true")).expect("right").tenant_requests, 0);
        let set = options(None, layer("open = true\ntenant-requests = 5")).expect("right");
        assert_eq!(set.tenant_requests, 5);
    }
}
