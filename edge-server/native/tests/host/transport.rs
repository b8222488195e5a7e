//! TLS, HTTP/2, impatience, and the end.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use edge_server::{
    Host, JobId, ModelKey, Settings, TenantId,
    memory::MemoryStore,
    payload::Encoding,
    port::Timestamp,
    store::{JobRequest, QueueBounds, Store},
    testing::FaultyStore,
};
use edge_server_native::{Patience, TlsFiles};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use crate::start::{HEALTH, LIMIT, config, connect, rest, scratch, start, talk};

/// How a client of HTTP/2 begins: the preface, and settings without any.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// Type of the frame with which a server answers.
const SETTINGS: u8 = 4;

/// A certificate for localhost that is valid to the end of a year, with its key, in new files.
fn certificate(last_year: i32) -> (TlsFiles, CertificateDer<'static>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    let certificate = params.self_signed(&key).unwrap();
    let folder = scratch();
    let files = TlsFiles { certificate: folder.join("certificate.pem"), key: folder.join("key.pem") };
    fs::write(&files.certificate, certificate.pem()).unwrap();
    fs::write(&files.key, key.serialize_pem()).unwrap();
    (files, certificate.der().clone())
}

async fn handshake(
    address: std::net::SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

#[tokio::test]
async fn tls_carries_both_versions_of_http() {
    let (files, trusted) = certificate(2999);
    let server = start(edge_server_native::Config { tls: Some(files), ..config() }).await;
    let mut one = handshake(server.address(), &trusted, "http/1.1").await.unwrap();
    assert!(talk(&mut one, HEALTH).await.starts_with("HTTP/1.1 200"));
    let mut two = handshake(server.address(), &trusted, "h2").await.unwrap();
    two.write_all(HTTP2).await.unwrap();
    let mut head = [0; 9];
    two.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], SETTINGS);
    let mut plain = connect(&server).await;
    assert!(!talk(&mut plain, HEALTH).await.starts_with("HTTP/1.1 2"), "TLS is not optional then");
}

#[tokio::test]
async fn an_expired_certificate_is_served_for_clients_to_refuse() {
    let (files, trusted) = certificate(2001);
    let server = start(edge_server_native::Config { tls: Some(files), ..config() }).await;
    let error = handshake(server.address(), &trusted, "http/1.1").await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("expired"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_is_none_stops_the_start() {
    let (files, _) = certificate(2999);
    fs::write(&files.key, "not a key").unwrap();
    let store = edge_server_native::SqliteStore::open(&scratch()).unwrap();
    let config = edge_server_native::Config { tls: Some(files), ..config() };
    let error = edge_server_native::Server::start(config, store).await.unwrap_err();
    assert!(error.to_string().contains("key.pem"), "{error}");
}

#[tokio::test]
async fn http2_needs_no_tls() {
    let server = start(config()).await;
    let mut stream = connect(&server).await;
    stream.write_all(HTTP2).await.unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], SETTINGS);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let patience = Patience { head: Duration::from_millis(300), ..Patience::default() };
    let server = start(edge_server_native::Config { patience, ..config() }).await;
    // Nothing, a beginning of each protocol, and a head that goes on and on.
    for beginning in ["", "PRI * HT", "GET /health HTTP/1.1\r\nhost:"] {
        let mut stream = connect(&server).await;
        stream.write_all(beginning.as_bytes()).await.unwrap();
        assert!(!rest(&mut stream).await.starts_with("HTTP/1.1 2"), "{beginning}");
    }
    let mut stream = connect(&server).await;
    let drip = async {
        for _ in 0..200 {
            if stream.write_all(b"GET /hea").await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
        panic!("the server listens for ever");
    };
    timeout(LIMIT, drip).await.unwrap();
}

#[tokio::test]
async fn a_body_that_pauses_too_long_is_told_so() {
    let settings = Settings { body_silence: Duration::from_millis(300), ..Settings::default() };
    let server = start(edge_server_native::Config { settings, ..config() }).await;
    let mut stream = connect(&server).await;
    let head =
        "POST /infer HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    let answer = talk(&mut stream, head).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("REQUEST_TIMEOUT"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_bound_wait() {
    let patience = Patience { connections: 1, ..Patience::default() };
    let server = start(edge_server_native::Config { patience, ..config() }).await;
    let first = connect(&server).await;
    sleep(Duration::from_millis(100)).await;
    let mut second = connect(&server).await;
    second.write_all(HEALTH.as_bytes()).await.unwrap();
    let mut byte = [0];
    assert!(timeout(Duration::from_millis(300), second.read_exact(&mut byte)).await.is_err(), "it waits");
    drop(first);
    assert!(rest(&mut second).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn open_requests_end_before_the_server_does() {
    let server = start(config()).await;
    let address = server.address();
    let mut open = connect(&server).await;
    let head =
        "POST /keys HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 41\r\n\r\n";
    open.write_all(head.as_bytes()).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let stopping = tokio::spawn(server.stop());
    sleep(Duration::from_millis(200)).await;
    assert!(!stopping.is_finished(), "a request is open");
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "no further one is taken");
    let answer = talk(&mut open, "{\"model_id\": \"tiny\", \"version\": \"1.0.0\" }").await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    timeout(LIMIT, stopping).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_operator_is_answered_on_an_address_of_his_own() {
    let server = start(config()).await;
    let mut admin = tokio::net::TcpStream::connect(server.admin_address().unwrap()).await.unwrap();
    let metrics = talk(&mut admin, &HEALTH.replace("/health", "/metrics")).await;
    assert!(metrics.contains("edge_server_jobs_waiting 0"), "{metrics}");
    let resident = metrics.lines().find_map(|line| line.strip_prefix("edge_server_resident_bytes "));
    assert!(resident.unwrap().trim().parse::<u64>().unwrap() > 1 << 20);
    let mut public = connect(&server).await;
    assert!(talk(&mut public, &HEALTH.replace("/health", "/metrics")).await.starts_with("HTTP/1.1 404"));
}

/// A store that takes no outcome: the server stops all the same, and not before it has tried for a while.
#[tokio::test]
async fn an_outcome_that_is_not_taken_holds_the_end_up_as_long_as_a_request_may() {
    let store = FaultyStore::<MemoryStore>::default();
    let job = JobRequest {
        id: JobId::from_bytes([1; 16]),
        tenant: TenantId::public(),
        model: ModelKey { model_id: "tiny".to_owned(), version: "1.0.0".to_owned() },
        key_set: None,
        batch_size: 1,
        encoding: Encoding::Bytes,
        accepted: Timestamp(0),
        deadline: Timestamp(u64::MAX),
        trace: None,
    };
    let bounds = QueueBounds { total: 1, tenant: 1 };
    store.insert_job(job, vec![], None, bounds).await.unwrap();
    store.fail_next_outcomes(usize::MAX);
    let drain = Duration::from_millis(500);
    let patience = Patience { drain, ..Patience::default() };
    let config = edge_server_native::Config { patience, ..config() };
    let server = edge_server_native::Server::start(config, store).await.unwrap();
    let service = Arc::clone(server.service());
    while service.host().store().queue().await.unwrap().running == 0 {
        sleep(Duration::from_millis(10)).await;
    }
    let started = Instant::now();
    timeout(LIMIT, server.stop()).await.expect("it stops");
    assert!(started.elapsed() >= drain);
    let queue = service.host().store().queue().await.unwrap();
    assert_eq!((queue.waiting, queue.running), (0, 1), "it runs again after its lease");
}
