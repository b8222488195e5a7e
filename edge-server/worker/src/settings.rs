//! Settings, from the variables and secrets of the Worker. They are called as the native server's.

use std::{str::FromStr, time::Duration};

use edge_server::{Access, Origins, Settings, TenantLimits, Token, store::KeyQuota};
use worker::Env;

const HOUR: u64 = 60 * 60;
const MIB: u64 = 1 << 20;

/// Tokens of callers, separated by white space. A secret.
const TOKENS: &str = "TOKENS";
/// Token of the operator, who is answered below `/admin`. A secret.
const ADMIN_TOKEN: &str = "ADMIN_TOKEN";

/// Reads what is set; the rest is as everywhere.
///
/// # Errors
/// The variable, and what it should be.
pub(crate) fn read(env: &Env) -> Result<Settings, String> {
    let open = switch(env, "OPEN")?;
    let tokens = text(env, TOKENS).unwrap_or_default();
    let tokens = tokens.split_whitespace().map(Token::configured).collect::<Result<Vec<_>, _>>();
    let tokens = tokens.map_err(|error| format!("{TOKENS}: {error}"))?;
    if open && !tokens.is_empty() {
        return Err("OPEN lets everybody in; TOKENS would be ignored: remove one of the two".to_owned());
    }
    let origins: Vec<String> =
        text(env, "ORIGINS").unwrap_or_default().split_whitespace().map(str::to_owned).collect();
    let defaults = Settings::default();
    let seconds = |name| Ok::<_, String>(number(env, name)?.map(Duration::from_secs));
    Ok(Settings {
        access: if open { Access::Open } else { Access::Tokens(tokens) },
        origins: Origins::of(origins, open),
        max_wait: seconds("MAX_WAIT")?.unwrap_or(defaults.max_wait),
        body_silence: seconds("BODY_SILENCE")?.unwrap_or(defaults.body_silence),
        body_time: seconds("BODY_TIME")?.unwrap_or(defaults.body_time),
        waiting_jobs: number(env, "QUEUE")?.unwrap_or(defaults.waiting_jobs),
        job_time: seconds("JOB_TIME")?.unwrap_or(defaults.job_time),
        lease: seconds("LEASE")?.unwrap_or(defaults.lease),
        attempts: number(env, "ATTEMPTS")?.unwrap_or(defaults.attempts),
        tenant: TenantLimits {
            requests_per_minute: number(env, "TENANT_REQUESTS")?.filter(|count| *count > 0),
            bytes_per_minute: number(env, "TENANT_TRAFFIC")?
                .filter(|count| *count > 0)
                .map(|mib: u64| mib.saturating_mul(MIB)),
            waiting_jobs: number(env, "TENANT_QUEUE")?.unwrap_or(defaults.tenant.waiting_jobs),
            keys: KeyQuota {
                key_sets: number(env, "TENANT_KEY_SETS")?.unwrap_or(defaults.tenant.keys.key_sets),
                key_bytes: number(env, "TENANT_KEYS")?
                    .map_or(defaults.tenant.keys.key_bytes, |mib: u64| mib.saturating_mul(MIB)),
            },
        },
        keep_results: number(env, "KEEP_RESULTS")?
            .map_or(defaults.keep_results, |hours: u64| Duration::from_secs(hours.saturating_mul(HOUR))),
        keep_key_sets: number(env, "KEEP_KEYS")?
            .map_or(defaults.keep_key_sets, |days: u64| Duration::from_secs(days.saturating_mul(24 * HOUR))),
        ..defaults
    })
}

/// Who may see what the operator sees; nobody, unless a token is set.
///
/// # Errors
/// A token that is too short.
pub(crate) fn operator(env: &Env) -> Result<Access, String> {
    let token = text(env, ADMIN_TOKEN).map(|token| Token::configured(&token)).transpose();
    Ok(Access::Tokens(token.map_err(|error| format!("{ADMIN_TOKEN}: {error}"))?.into_iter().collect()))
}

fn text(env: &Env, name: &str) -> Option<String> {
    // Secrets are read as variables are.
    env.var(name).map(|value| value.to_string()).ok().filter(|text| !text.is_empty())
}

fn switch(env: &Env, name: &str) -> Result<bool, String> {
    match text(env, name).as_deref() {
        Some("true") => Ok(true),
        None | Some("false") => Ok(false),
        Some(other) => Err(format!("{name}: expected true or false, found {other}")),
    }
}

fn number<T: FromStr>(env: &Env, name: &str) -> Result<Option<T>, String> {
    let read = |text: String| text.parse().map_err(|_| format!("{name}: expected a number, found {text}"));
    text(env, name).map(read).transpose()
}
