//! Sockets and HTTP: connections are accepted, bounded in number and patience, and served until the
//! server stops. HTTP/1.1 and HTTP/2, with TLS or without. Answers are never compressed: ciphertexts do
//! not shrink.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use edge_server::Service;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, oneshot},
    time::timeout,
};

use crate::{assets::Assets, tls::Tls};

/// How clients are treated.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Connections at once; further ones wait to be accepted.
    pub connections: usize,
    /// How long a handshake or the head of a request may take, and an idle connection may stay.
    pub head: Duration,
    /// How long a client may leave what was sent unread.
    pub unread: Duration,
    /// How long open requests may take to end when the server stops.
    pub drain: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connections: 1024,
            head: Duration::from_secs(10),
            unread: Duration::from_secs(30),
            drain: Duration::from_secs(30),
        }
    }
}

/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 64;
/// Longest head of a request.
const HEAD_BYTES: u32 = 32 << 10;
/// How long to wait when the system has no more sockets.
const NO_SOCKETS: Duration = Duration::from_millis(100);
/// How a client of HTTP/2 begins.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

type Body = UnsyncBoxBody<bytes::Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// Whatever answers requests.
pub(crate) trait Answer: Clone + Send + Sync + 'static {
    /// Answers one request.
    fn answer(self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// The interface, and a page beside it.
pub(crate) struct Interface<H> {
    pub(crate) service: Arc<Service<H>>,
    pub(crate) assets: Option<Assets>,
}

impl<H> Clone for Interface<H> {
    fn clone(&self) -> Self {
        Self { service: Arc::clone(&self.service), assets: self.assets.clone() }
    }
}

impl<H: edge_server::Host> Answer for Interface<H> {
    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        match self.assets {
            Some(assets) if !edge_server::is_route(request.uri().path()) => assets.serve(request).await,
            _ => whole(self.service.handle(request).await),
        }
    }
}

/// What the operator sees.
pub(crate) struct Admin<H>(pub(crate) Arc<Service<H>>);

impl<H> Clone for Admin<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<H: edge_server::Host> Answer for Admin<H> {
    async fn answer(self, request: Request<Incoming>) -> Response<Body> {
        let (parts, _) = request.into_parts();
        whole(self.0.handle_admin(&parts.method, parts.uri.path(), &parts.headers).await)
    }
}

fn whole(response: Response<bytes::Bytes>) -> Response<Body> {
    response.map(|bytes| Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
}

/// Serves a listener until `stop` comes or its sender is gone; then takes no more connections and lets
/// open requests end, within [`Patience::drain`].
pub(crate) async fn serve(
    listener: TcpListener,
    answer: impl Answer,
    tls: Option<Tls>,
    patience: Patience,
    mut stop: oneshot::Receiver<()>,
) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(patience.connections));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, stream) = tokio::select! {
            accepted = accepted => accepted,
            _ = &mut stop => break,
        };
        let stream = match stream {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(NO_SOCKETS).await;
                continue;
            }
        };
        let (answer, tls, watcher) = (answer.clone(), tls.clone(), graceful.watcher());
        tokio::spawn(async move {
            if let Err(error) = connection(stream, answer, tls, patience, watcher).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    if timeout(patience.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still open and are cut off");
    }
}

type Failed = Box<dyn std::error::Error + Send + Sync>;

async fn connection(
    stream: TcpStream,
    answer: impl Answer,
    tls: Option<Tls>,
    patience: Patience,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(&stream).set_tcp_user_timeout(Some(patience.unread))?;
    match tls {
        Some(tls) => {
            let stream = timeout(patience.head, tls.accept(stream)).await??;
            speak(stream, answer, patience, watcher).await
        }
        None => {
            timeout(patience.head, first_bytes(&stream)).await??;
            speak(stream, answer, patience, watcher).await
        }
    }
}

/// Waits until the client has said which protocol it speaks; the server's own look at it has no limit.
async fn first_bytes(stream: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; HTTP2.len()];
    loop {
        let length = stream.peek(&mut buffer).await?;
        if length == 0 || length == HTTP2.len() || !HTTP2.starts_with(&buffer[..length]) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn speak<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    answer: impl Answer,
    patience: Patience,
    watcher: hyper_util::server::graceful::Watcher,
) -> Result<(), Failed> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .max_buf_size(HEAD_BYTES as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD_BYTES)
        .keep_alive_interval(Some(patience.unread))
        .keep_alive_timeout(patience.unread);
    let service = service_fn(|request| {
        let answer = answer.clone();
        async move { Ok::<_, Infallible>(answer.answer(request).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    watcher.watch(connection).await
}
