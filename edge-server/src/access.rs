//! Who may call: everybody, or those who hold a bearer token.
//!
//! A token is 256 random bits that its holder keeps. The server keeps its SHA-256 only, and finds a
//! token by it: the time this takes may tell of the hash, from which nothing leads back to the token.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    id::TenantId,
    port::{Entropy, Timestamp},
    problem::{Code, Problem},
};

/// Who may call.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody, all as one tenant. For demonstrations and private networks.
    Open,
    /// The holders of the tokens in the store, and of these, which the host was configured with.
    Tokens(Vec<Token>),
}

/// What every token starts with, so that one in the wrong place is recognised.
const PREFIX: &str = "ei_";

/// A bearer token as its holder has it. Shown once, never stored.
#[derive(Clone)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// Draws a fresh one.
    pub fn random(entropy: &impl Entropy) -> Self {
        let mut bytes = [0; 32];
        entropy.fill(&mut bytes);
        Self(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)))
    }

    /// The text that belongs after `Authorization: Bearer`.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }

    /// What the server keeps of it.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }
}

fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A token as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRecord {
    /// SHA-256 of the secret.
    pub hash: [u8; 32],
    /// Whose requests it makes.
    pub tenant: TenantId,
    /// What the operator calls it.
    pub label: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it stops to work, if ever.
    pub expires: Option<Timestamp>,
}

impl TokenRecord {
    /// Names the token towards the operator: the start of its hash.
    #[must_use]
    pub fn name(&self) -> String {
        HEXLOWER.encode(&self.hash[..8])
    }
}

/// A token that the host was configured with, as the server knows it: its hash only.
#[derive(Clone, Debug)]
pub struct Token {
    hash: [u8; 32],
    tenant: TenantId,
}

/// A configured token is too short to be secret: its hash, and the name of its tenant that starts with it, would let
/// others guess it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShortToken {
    /// Characters found.
    pub found: usize,
}

impl std::fmt::Display for ShortToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "expected a token of {} random characters or more, found {}; `openssl rand -hex 32` makes one",
            Token::SHORTEST,
            self.found
        )
    }
}

impl std::error::Error for ShortToken {}

impl Token {
    /// Characters of the shortest token that may be configured.
    pub const SHORTEST: usize = 32;

    /// Accepts a token that the operator chose.
    ///
    /// # Errors
    /// [`ShortToken`].
    pub fn configured(secret: &str) -> Result<Self, ShortToken> {
        let found = secret.trim().chars().count();
        if found < Self::SHORTEST { Err(ShortToken { found }) } else { Ok(Self::new(secret)) }
    }

    /// Hashes a token. Its tenant is named after the hash.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let hash = hash(secret);
        let tenant = TenantId::new(format!("token-{}", HEXLOWER.encode(&hash[..8])));
        Self { hash, tenant }
    }
}

/// What a caller has shown.
pub(crate) enum Credential {
    /// This tenant's configured token, or nothing where nothing is needed.
    Tenant(TenantId),
    /// A token that only the store can know.
    Hash([u8; 32]),
}

impl Access {
    /// Tells whether a request shows one of the configured tokens, or needs none.
    #[must_use]
    pub fn knows(&self, headers: &HeaderMap) -> bool {
        matches!(self.credential(headers), Ok(Credential::Tenant(_)))
    }

    /// Reads what a request shows.
    ///
    /// # Errors
    /// `UNAUTHORIZED` when it shows nothing.
    pub(crate) fn credential(&self, headers: &HeaderMap) -> Result<Credential, Problem> {
        let tokens = match self {
            Self::Open => return Ok(Credential::Tenant(TenantId::public())),
            Self::Tokens(tokens) => tokens,
        };
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
                let (scheme, secret) = value.split_once(' ')?;
                let secret = secret.trim();
                (scheme.eq_ignore_ascii_case("bearer") && !secret.is_empty()).then_some(secret)
            });
        let secret = bearer.ok_or_else(|| unauthorized("The request has no bearer token."))?;
        let hash = hash(secret);
        // Every token is compared in full, so that time tells nothing about any of them.
        let mut found = None;
        for token in tokens {
            if bool::from(token.hash.ct_eq(&hash)) {
                found = Some(&token.tenant);
            }
        }
        Ok(found.cloned().map_or(Credential::Hash(hash), Credential::Tenant))
    }
}

/// Judges what the store knows of a token.
///
/// # Errors
/// `UNAUTHORIZED` when it is unknown or expired.
pub(crate) fn admit(record: Option<TokenRecord>, now: Timestamp) -> Result<TenantId, Problem> {
    let record = record.ok_or_else(|| unauthorized("The bearer token is unknown."))?;
    if record.expires.is_some_and(|expires| expires <= now) {
        return Err(unauthorized("The bearer token has expired."));
    }
    Ok(record.tenant)
}

fn unauthorized(detail: &str) -> Problem {
    Problem::new(Code::Unauthorized, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, http::HeaderValue::from_static(value))])
    }

    fn configured(access: &Access, value: &'static str) -> Option<TenantId> {
        match access.credential(&authorization(value)) {
            Ok(Credential::Tenant(tenant)) => Some(tenant),
            Ok(Credential::Hash(_)) => None,
            Err(problem) => {
                assert_eq!(problem.code(), Code::Unauthorized, "{value}");
                None
            }
        }
    }

    #[test]
    fn open_access_is_one_tenant() {
        assert_eq!(configured(&Access::Open, ""), Some(TenantId::public()));
    }

    #[test]
    fn each_configured_token_is_its_own_tenant() {
        let access = Access::Tokens(vec![Token::new("alpha"), Token::new("beta")]);
        let alpha = configured(&access, "Bearer alpha").expect("alpha");
        let beta = configured(&access, "bearer beta").expect("beta");
        assert_ne!(alpha, beta);
        for wrong in ["Bearer gamma", "Basic alpha", "alpha", "Bearer ", "Bearer"] {
            assert_eq!(configured(&access, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nobody_is_let_in_by_a_token_that_is_empty_or_easily_guessed() {
        for short in ["", " ", "a", "0123456789012345678901234567890"] {
            assert!(Token::configured(short).is_err(), "{short:?}");
        }
        assert!(Token::configured("01234567890123456789012345678901").is_ok());
        let empty = Access::Tokens(vec![Token::new("")]);
        for value in ["Bearer ", "Bearer", "bearer  "] {
            assert_eq!(configured(&empty, value), None, "{value}");
        }
    }

    #[test]
    fn what_is_not_configured_is_not_known() {
        let operator = Access::Tokens(vec![Token::new("alpha")]);
        assert!(operator.knows(&authorization("Bearer alpha")) && Access::Open.knows(&HeaderMap::new()));
        assert!(!operator.knows(&authorization("Bearer beta")) && !operator.knows(&HeaderMap::new()));
        assert!(!Access::Tokens(Vec::new()).knows(&authorization("Bearer ")));
    }

    #[test]
    fn expired_and_unknown_tokens_are_refused() {
        let record = |expires| TokenRecord {
            hash: [1; 32],
            tenant: TenantId::new("alice"),
            label: String::new(),
            created: Timestamp(0),
            expires,
        };
        let now = Timestamp(10);
        for good in [None, Some(Timestamp(11))] {
            assert_eq!(admit(Some(record(good)), now).expect("good").as_str(), "alice");
        }
        for bad in [Some(record(Some(now))), Some(record(Some(Timestamp(9)))), None] {
            assert_eq!(admit(bad, now).expect_err("bad").code(), Code::Unauthorized);
        }
    }
}
