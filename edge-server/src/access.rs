//! Who may call: everybody, or those who hold a bearer token.

use http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{
    id::TenantId,
    problem::{Code, Problem},
};

/// Who may call.
#[derive(Clone, Debug)]
pub enum Access {
    /// Everybody, all as one tenant. For demonstrations and private networks.
    Open,
    /// The holders of these tokens, each a tenant of its own.
    Tokens(Vec<Token>),
}

/// A bearer token as the server knows it: its hash only.
#[derive(Clone, Debug)]
pub struct Token {
    hash: [u8; 32],
    tenant: TenantId,
}

impl Token {
    /// Hashes a token. Its tenant is named after the hash.
    #[must_use]
    pub fn new(secret: &str) -> Self {
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let tenant = TenantId::new(format!("token-{}", data_encoding::HEXLOWER.encode(&hash[..8])));
        Self { hash, tenant }
    }
}

impl Access {
    /// Tells whose request this is.
    ///
    /// # Errors
    /// `UNAUTHORIZED`.
    pub fn tenant(&self, headers: &HeaderMap) -> Result<TenantId, Problem> {
        let tokens = match self {
            Self::Open => return Ok(TenantId::public()),
            Self::Tokens(tokens) => tokens,
        };
        let refused = |detail: &str| Problem::new(Code::Unauthorized, detail);
        let bearer =
            headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
                let (scheme, secret) = value.split_once(' ')?;
                scheme.eq_ignore_ascii_case("bearer").then_some(secret.trim())
            });
        let secret = bearer.ok_or_else(|| refused("The request has no bearer token."))?;
        let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        // Every token is compared in full, so that time tells nothing about any of them.
        let mut found = None;
        for token in tokens {
            if bool::from(token.hash.ct_eq(&hash)) {
                found = Some(&token.tenant);
            }
        }
        found.cloned().ok_or_else(|| refused("The bearer token is unknown."))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::AUTHORIZATION, http::HeaderValue::from_static(value))])
    }

    #[test]
    fn open_access_is_one_tenant() {
        assert_eq!(Access::Open.tenant(&HeaderMap::new()).expect("open"), TenantId::public());
    }

    #[test]
    fn each_token_is_its_own_tenant() {
        let access = Access::Tokens(vec![Token::new("alpha"), Token::new("beta")]);
        let alpha = access.tenant(&authorization("Bearer alpha")).expect("alpha");
        let beta = access.tenant(&authorization("bearer beta")).expect("beta");
        assert_ne!(alpha, beta);
        for wrong in ["Bearer gamma", "Basic alpha", "alpha", "Bearer ", "Bearer"] {
            assert_eq!(access.tenant(&authorization(wrong)).expect_err(wrong).code(), Code::Unauthorized);
        }
        assert_eq!(access.tenant(&HeaderMap::new()).expect_err("no header").code(), Code::Unauthorized);
    }
}
