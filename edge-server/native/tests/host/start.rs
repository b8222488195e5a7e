//! A server with a small model, and bytes on a socket.

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use edge_server::{Settings, testing::tiny_package};
use edge_server_native::{Config, Patience, Server, SqliteStore};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longest that anything here may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// A directory that no other test has.
pub(crate) fn scratch() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("host-{}-{number}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

pub(crate) fn config() -> Config {
    Config {
        packages: vec![tiny_package("tiny", "1.0.0", 22)],
        listen: ([127, 0, 0, 1], 0).into(),
        admin: Some(([127, 0, 0, 1], 0).into()),
        assets: None,
        tls: None,
        patience: Patience::default(),
        settings: Settings::default(),
        threads: NonZeroUsize::MIN,
        traces: None,
        job_threads: NonZeroUsize::MIN,
    }
}

pub(crate) async fn start(config: Config) -> Server<SqliteStore> {
    Server::start(config, SqliteStore::open(&scratch()).unwrap()).await.unwrap()
}

pub(crate) async fn connect(server: &Server<SqliteStore>) -> TcpStream {
    TcpStream::connect(server.address()).await.unwrap()
}

/// Reads until the other side has nothing more to say.
pub(crate) async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    // An end without a goodbye is an end too.
    let _ = timeout(LIMIT, stream.read_to_end(&mut bytes)).await.expect("it ends in time");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends a whole request and reads the whole answer.
pub(crate) async fn talk(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    rest(stream).await
}

pub(crate) const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
