//! TLS to the database.

use std::sync::Arc;

use tokio_postgres::{Config, config::SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::ClusterError;

/// Connects as an address demands: `sslmode=require` is TLS with a certificate that one of these
/// authorities vouches for, and nothing less; anything else is no TLS.
///
/// To take what the server offers, as libpq's `prefer` does, protects from nobody who can change what it
/// offers.
pub(super) fn connector(
    config: &mut Config,
    authorities: RootCertStore,
) -> Result<MakeRustlsConnect, ClusterError> {
    if config.get_ssl_mode() != SslMode::Require {
        config.ssl_mode(SslMode::Disable);
    } else if authorities.is_empty() {
        let reason =
            "sslmode=require, and no authorities to trust: install ca-certificates or set SSL_CERT_FILE";
        return Err(ClusterError::Address { of: "postgres", reason: reason.to_owned() });
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClusterError::Address { of: "postgres", reason: error.to_string() })?
        .with_root_certificates(authorities)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

/// The authorities of this system, or those of `SSL_CERT_FILE` and `SSL_CERT_DIR`.
pub(super) fn authorities() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    for error in found.errors {
        tracing::warn!(%error, "an authority could not be read");
    }
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(found.certs);
    authorities
}
