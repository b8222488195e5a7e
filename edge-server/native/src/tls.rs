//! TLS with a certificate from two files, which are read again when they change: a certificate that is
//! renewed needs no restart. One that has expired is served as it is, for clients to refuse.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
    server::TlsStream,
};

/// Where certificate and key are.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The certificate and those that vouch for it, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
}

/// The certificate or its key cannot be used.
#[derive(Debug)]
pub struct TlsError {
    path: PathBuf,
    reason: String,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.reason)
    }
}

impl std::error::Error for TlsError {}

/// Accepts TLS connections. Clones share the certificate.
#[derive(Clone)]
pub(crate) struct Tls(Arc<Shared>);

struct Shared {
    files: TlsFiles,
    current: RwLock<(TlsAcceptor, Changed)>,
}

/// When the two files were last changed.
type Changed = [Option<SystemTime>; 2];

impl Tls {
    /// Reads certificate and key.
    pub(crate) fn new(files: TlsFiles) -> Result<Self, TlsError> {
        let changed = changed(&files);
        let acceptor = read(&files)?;
        Ok(Self(Arc::new(Shared { files, current: RwLock::new((acceptor, changed)) })))
    }

    /// Does the handshake.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let acceptor = self.0.current.read().unwrap_or_else(PoisonError::into_inner).0.clone();
        acceptor.accept(stream).await
    }

    /// Reads the files again if they have changed; the old certificate stays when the new one is no
    /// good.
    pub(crate) fn refresh(&self) {
        let now = changed(&self.0.files);
        if self.0.current.read().unwrap_or_else(PoisonError::into_inner).1 == now {
            return;
        }
        match read(&self.0.files) {
            Ok(acceptor) => {
                *self.0.current.write().unwrap_or_else(PoisonError::into_inner) = (acceptor, now);
                tracing::info!("the certificate was read again");
            }
            Err(error) => tracing::error!(%error, "the new certificate is no good; the old one stays"),
        }
    }
}

fn changed(files: &TlsFiles) -> Changed {
    [&files.certificate, &files.key].map(|path| fs::metadata(path).and_then(|meta| meta.modified()).ok())
}

fn read(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let wrong = |path: &Path, reason: &dyn fmt::Display| TlsError {
        path: path.to_owned(),
        reason: reason.to_string(),
    };
    let certificate = &files.certificate;
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(certificate, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, &error))?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| wrong(certificate, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Writes a new certificate with its key, dated so that the change is seen.
    fn write(files: &TlsFiles, at: u64) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
        fs::write(&files.certificate, made.cert.pem()).expect("written");
        fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
        date(files, at);
    }

    fn date(files: &TlsFiles, at: u64) {
        for path in [&files.certificate, &files.key] {
            let file = fs::File::options().write(true).open(path).expect("opens");
            file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(at)).expect("dated");
        }
    }

    fn current(tls: &Tls) -> Changed {
        tls.0.current.read().expect("read").1
    }

    #[test]
    fn a_new_certificate_is_used_and_one_that_is_no_good_is_not() {
        let folder = std::env::temp_dir().join(format!("edge-server-tls-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("made");
        let files = TlsFiles { certificate: folder.join("c.pem"), key: folder.join("k.pem") };
        write(&files, 1);
        let tls = Tls::new(files.clone()).expect("good");
        let first = current(&tls);
        write(&files, 2);
        tls.refresh();
        let second = current(&tls);
        assert_ne!(first, second);
        fs::write(&files.certificate, "nothing").expect("written");
        date(&files, 3);
        tls.refresh();
        assert_eq!(current(&tls), second);
        let _ = fs::remove_dir_all(&folder);
    }
}
