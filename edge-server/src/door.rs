//! The door: where a platform counts requests before the service is reached, coarsely and cheaply, this says
//! whom a request counts against and answers those that are too many. The platform counts; what one
//! tenant may do exactly is in [`rate`](crate::rate).

use std::{fmt, net::IpAddr, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, header};

use crate::{
    access::{Access, Credential},
    header::request_id,
    id::{JobId, TenantId},
    media::Media,
    port::Entropy,
    problem::{Code, Problem},
    reply::Reply,
    settings::{Origins, Settings},
};

/// Whom a request counts against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The holder of a token that the host was configured with.
    Tenant(TenantId),
    /// Anybody else: who shows no such token, or needs none.
    Address(Address),
}

/// An address of the network, as far as one caller has it: IPv6 gives each a whole /64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Known; the last 64 bits of IPv6 are zero.
    Known(IpAddr),
    /// Not told, or not readable: all of those count as one.
    Unknown,
}

impl Address {
    /// Reads what the platform says of a connection.
    #[must_use]
    pub fn read(text: Option<&str>) -> Self {
        match text.and_then(|text| text.trim().parse().ok()) {
            Some(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
                Some(address) => Self::Known(address.into()),
                None => Self::Known(IpAddr::V6((u128::from(address) >> 64 << 64).into())),
            },
            Some(address) => Self::Known(address),
            None => Self::Unknown,
        }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant(tenant) => write!(f, "tenant {}", tenant.as_str()),
            Self::Address(Address::Known(address)) => write!(f, "address {address}"),
            Self::Address(Address::Unknown) => f.write_str("address unknown"),
        }
    }
}

/// What stands before the service.
#[derive(Clone, Debug)]
pub struct Door {
    access: Access,
    origins: Origins,
}

impl Door {
    /// Makes the door of a service with these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { access: settings.access.clone(), origins: settings.origins.clone() }
    }

    /// Says whom a request counts against. Where everybody is one tenant, callers are told apart by address.
    #[must_use]
    pub fn caller(&self, headers: &HeaderMap, address: Option<&str>) -> Caller {
        match (&self.access, self.access.credential(headers)) {
            (Access::Tokens(_), Ok(Credential::Tenant(tenant))) => Caller::Tenant(tenant),
            _ => Caller::Address(Address::read(address)),
        }
    }

    /// Answers a request that is one too many: `RATE_LIMITED`, to be sent again after `period`, in which the
    /// platform counts.
    pub fn refuse(&self, headers: &HeaderMap, period: Duration, entropy: &impl Entropy) -> Response<Bytes> {
        let detail = "More requests have come from this caller than the platform lets pass to the service.";
        let problem = Problem::new(Code::RateLimited, detail).retry_after(period);
        let media = Media::of_response(headers).unwrap_or(Media::Json);
        let id = request_id(headers).unwrap_or_else(|| JobId::random(entropy).to_string());
        Reply::problem(media, problem).into_response(&self.origins, headers.get(header::ORIGIN), &id)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;
    use crate::access::Token;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    fn door(access: Access) -> Door {
        Door::new(&Settings { access, ..Settings::default() })
    }

    fn from(address: &str) -> Caller {
        Caller::Address(Address::read(Some(address)))
    }

    #[test]
    fn holders_of_a_token_count_as_their_tenant_wherever_they_are() {
        let door = door(Access::Tokens(vec![Token::new("alpha"), Token::new("beta")]));
        let caller = |token, address| door.caller(&headers(&[(header::AUTHORIZATION, token)]), Some(address));
        let alpha = caller("Bearer alpha", "192.0.2.1");
        assert!(matches!(alpha, Caller::Tenant(_)));
        assert_eq!(alpha, caller("Bearer alpha", "192.0.2.2"));
        assert_ne!(alpha, caller("Bearer beta", "192.0.2.1"));
    }

    #[test]
    fn all_others_count_by_address() {
        let tokens = door(Access::Tokens(vec![Token::new("alpha")]));
        for authorization in ["Bearer wrong", "Basic alpha", ""] {
            let headers = headers(&[(header::AUTHORIZATION, authorization)]);
            assert_eq!(tokens.caller(&headers, Some("192.0.2.1")), from("192.0.2.1"), "{authorization}");
        }
        assert_eq!(door(Access::Open).caller(&HeaderMap::new(), Some("192.0.2.1")), from("192.0.2.1"));
    }

    #[test]
    fn an_address_is_what_one_caller_has() {
        assert_eq!(from("2001:db8:1:2:3:4:5:6"), from("2001:db8:1:2::9"));
        assert_ne!(from("2001:db8:1:2::9"), from("2001:db8:1:3::9"));
        assert_eq!(from("::ffff:192.0.2.1"), from("192.0.2.1"));
        assert_ne!(from("192.0.2.2"), from("192.0.2.1"));
        assert_eq!(from("nonsense"), Caller::Address(Address::read(None)));
    }

    #[test]
    fn names_of_callers_differ_as_they_do() {
        let callers = [from("192.0.2.1"), from("2001:db8::1"), from(""), Caller::Tenant(TenantId::public())];
        let names: std::collections::BTreeSet<String> = callers.iter().map(ToString::to_string).collect();
        assert_eq!(names.len(), callers.len(), "{names:?}");
    }

    #[test]
    fn a_refusal_is_the_documented_problem_for_pages_too() {
        struct Zeros;
        impl Entropy for Zeros {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.fill(0);
            }
        }
        let asked = headers(&[(header::ORIGIN, "https://example.org"), (header::ACCEPT, "application/json")]);
        let answer = door(Access::Open).refuse(&asked, Duration::from_secs(10), &Zeros);
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "10");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        let problem: serde_json::Value = serde_json::from_slice(answer.body()).expect("JSON");
        assert_eq!((&problem["code"], &problem["retryable"]), (&"RATE_LIMITED".into(), &true.into()));
    }
}
