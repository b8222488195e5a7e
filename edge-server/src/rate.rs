//! How much a tenant sends: a bucket of requests and one of bytes, each refilled steadily.
//!
//! Buckets live in the process: where several serve one tenant, each grants the whole rate.
//! Headers: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, version 10).

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http::HeaderName;

use crate::{
    id::TenantId,
    problem::{Code, Problem},
    settings::TenantLimits,
};

/// `RateLimit-Policy`
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// `RateLimit`
const REMAINING: HeaderName = HeaderName::from_static("ratelimit");

/// The time in which a whole bucket is refilled.
const WINDOW: Duration = Duration::from_secs(60);

/// Buckets beyond which those that are full again are forgotten.
const TIDY_AT: usize = 1024;

/// The buckets of all tenants.
#[derive(Debug, Default)]
pub(crate) struct Rates(Mutex<HashMap<TenantId, Buckets>>);

#[derive(Clone, Copy, Debug)]
struct Buckets {
    requests: Bucket,
    bytes: Bucket,
}

/// What is left, as of some time. A bucket of bytes can owe: a body's length is known when it is over.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    left: f64,
    at: Duration,
}

/// What a tenant has left, for the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remaining {
    name: &'static str,
    quota: u64,
    left: u64,
    full_in: u64,
}

impl Bucket {
    fn full(quota: u64, now: Duration) -> Self {
        Self { left: quota as f64, at: now }
    }

    fn refill(&mut self, quota: u64, now: Duration) {
        let earned = quota as f64 * (now.saturating_sub(self.at)).as_secs_f64() / WINDOW.as_secs_f64();
        self.left = (self.left + earned).min(quota as f64);
        self.at = now;
    }

    /// How long until `wanted` are left.
    fn time_until(&self, wanted: f64, quota: u64) -> Duration {
        WINDOW.mul_f64((wanted - self.left).max(0.0) / quota.max(1) as f64)
    }
}

impl Rates {
    fn buckets(&self) -> MutexGuard<'_, HashMap<TenantId, Buckets>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets one request of a tenant pass.
    ///
    /// # Errors
    /// `RATE_LIMITED`.
    pub(crate) fn admit(
        &self,
        tenant: &TenantId,
        limits: &TenantLimits,
        now: Duration,
    ) -> Result<Vec<Remaining>, Problem> {
        if limits.requests_per_minute.is_none() && limits.bytes_per_minute.is_none() {
            return Ok(Vec::new());
        }
        let mut all = self.buckets();
        if all.len() >= TIDY_AT {
            all.retain(|_, buckets| now.saturating_sub(buckets.requests.at) < WINDOW);
        }
        let buckets = all.entry(tenant.clone()).or_insert_with(|| Buckets {
            requests: Bucket::full(limits.requests_per_minute.unwrap_or_default(), now),
            bytes: Bucket::full(limits.bytes_per_minute.unwrap_or_default(), now),
        });
        let named = [
            ("requests", limits.requests_per_minute, &mut buckets.requests, 1.0),
            ("bytes", limits.bytes_per_minute, &mut buckets.bytes, 0.0),
        ];
        let mut remaining = Vec::new();
        for (name, quota, bucket, price) in named {
            let Some(quota) = quota else { continue };
            bucket.refill(quota, now);
            if bucket.left < price {
                let wait = bucket.time_until(price, quota);
                let detail = format!("The rate of {quota} {name} a minute is used up.");
                return Err(Problem::new(Code::RateLimited, detail)
                    .expected(quota)
                    .retry_after(wait)
                    .with_headers(headers(&[remaining_of(name, quota, bucket)])));
            }
            bucket.left -= price;
            remaining.push(remaining_of(name, quota, bucket));
        }
        Ok(remaining)
    }

    /// Notes bytes that a tenant has sent or been sent.
    pub(crate) fn charge(&self, tenant: &TenantId, bytes: usize) {
        if let Some(buckets) = self.buckets().get_mut(tenant) {
            buckets.bytes.left -= bytes as f64;
        }
    }
}

fn remaining_of(name: &'static str, quota: u64, bucket: &Bucket) -> Remaining {
    Remaining {
        name,
        quota,
        left: bucket.left.max(0.0) as u64,
        full_in: bucket.time_until(quota as f64, quota).as_secs_f64().ceil() as u64,
    }
}

/// Writes what is left as headers; none where there is no limit.
pub(crate) fn headers(remaining: &[Remaining]) -> Vec<(HeaderName, String)> {
    if remaining.is_empty() {
        return Vec::new();
    }
    let policy = remaining.iter().map(|r| format!("\"{}\";q={};w={}", r.name, r.quota, WINDOW.as_secs()));
    let left = remaining.iter().map(|r| format!("\"{}\";r={};t={}", r.name, r.left, r.full_in));
    vec![(POLICY, policy.collect::<Vec<_>>().join(", ")), (REMAINING, left.collect::<Vec<_>>().join(", "))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(requests: Option<u64>, bytes: Option<u64>) -> TenantLimits {
        TenantLimits { requests_per_minute: requests, bytes_per_minute: bytes, ..TenantLimits::default() }
    }

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn requests_beyond_the_rate_are_refused_until_the_bucket_fills() {
        let (rates, alice, limits) = (Rates::default(), TenantId::new("alice"), limits(Some(2), None));
        for left in [1, 0] {
            let remaining = rates.admit(&alice, &limits, at(0)).expect("within the rate");
            assert_eq!(remaining[0].left, left);
        }
        let problem = rates.admit(&alice, &limits, at(0)).expect_err("used up");
        let headers: HashMap<_, _> = problem.headers().collect();
        assert_eq!(headers[&http::header::RETRY_AFTER], "30");
        assert_eq!(headers[&POLICY], "\"requests\";q=2;w=60");
        assert_eq!(headers[&REMAINING], "\"requests\";r=0;t=60");
        assert!(rates.admit(&TenantId::new("bob"), &limits, at(0)).is_ok(), "bob has his own");
        assert!(rates.admit(&alice, &limits, at(29)).is_err());
        assert!(rates.admit(&alice, &limits, at(30)).is_ok());
    }

    #[test]
    fn bytes_are_owed_and_paid_off() {
        let (rates, alice, limits) = (Rates::default(), TenantId::new("alice"), limits(None, Some(600)));
        rates.admit(&alice, &limits, at(0)).expect("nothing sent yet");
        rates.charge(&alice, 700);
        assert!(rates.admit(&alice, &limits, at(0)).is_err());
        assert!(rates.admit(&alice, &limits, at(9)).is_err());
        assert!(rates.admit(&alice, &limits, at(10)).is_ok());
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let (rates, alice) = (Rates::default(), TenantId::new("alice"));
        assert!(headers(&rates.admit(&alice, &limits(None, None), at(0)).expect("no limit")).is_empty());
        assert!(rates.buckets().is_empty());
    }
}
