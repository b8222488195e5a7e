//! Puts the parts together: registry, store, executor, listener.

use std::{fmt, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, serve::ListenerExt};
use edge_server::{
    JobId, PackageFiles, Registry, RegistryError, SchemaError, Service, Settings, is_route, port::Host,
    store::StoreError,
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::oneshot,
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    assets::Assets,
    clock::{SystemClock, SystemEntropy},
    executor::{ExecutorSettings, QueueExecutor, Workers},
    store::{OpenError, SqliteStore},
};

/// How long open requests may take to end when the server stops.
const DRAIN: Duration = Duration::from_secs(30);

/// What a server is started with.
#[derive(Debug)]
pub struct Config {
    /// The models.
    pub packages: Vec<PackageFiles>,
    /// Directory of the store.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of a web page to serve beside the interface.
    pub assets: Option<PathBuf>,
    /// Settings of the service.
    pub settings: Settings,
    /// Settings of the evaluation threads.
    pub executor: ExecutorSettings,
}

/// The ports of this host.
#[derive(Debug)]
pub struct NativeHost {
    store: SqliteStore,
    clock: SystemClock,
    executor: QueueExecutor,
    entropy: SystemEntropy,
}

impl Host for NativeHost {
    type Store = SqliteStore;
    type Clock = SystemClock;
    type Executor = QueueExecutor;
    type Entropy = SystemEntropy;

    fn store(&self) -> &SqliteStore {
        &self.store
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn executor(&self) -> &QueueExecutor {
        &self.executor
    }

    fn entropy(&self) -> &SystemEntropy {
        &self.entropy
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// A package is not right.
    Registry(RegistryError),
    /// A published schema is not right.
    Schema(SchemaError),
    /// The store cannot be opened.
    Open(OpenError),
    /// The store cannot be read.
    Store(StoreError),
    /// The address cannot be listened on.
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        reason: io::Error,
    },
    /// No threads.
    Threads(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(error) => write!(f, "bad model package: {error}"),
            Self::Schema(error) => error.fmt(f),
            Self::Open(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Listen { address, reason } => write!(f, "cannot listen on {address}: {reason}"),
            Self::Threads(reason) => write!(f, "cannot start evaluation threads: {reason}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    service: Arc<Service<NativeHost>>,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<io::Result<()>>,
    workers: Workers,
}

impl Server {
    /// Checks every package, opens the store, queues what was unfinished, and listens.
    ///
    /// # Errors
    /// [`StartError`]; nothing listens then.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        let Config { packages, data, listen, assets, settings, executor } = config;
        let (registry, store) = spawn_blocking(move || {
            let registry = Registry::load(packages).map_err(StartError::Registry)?;
            Ok((registry, SqliteStore::open(&data).map_err(StartError::Open)?))
        })
        .await
        .map_err(|error| StartError::Threads(io::Error::other(error)))??;
        let executor = QueueExecutor::new(executor);
        let host = NativeHost {
            store,
            clock: SystemClock::new(),
            executor: executor.clone(),
            entropy: SystemEntropy,
        };
        let service = Arc::new(Service::new(host, Arc::new(registry), settings).map_err(StartError::Schema)?);

        let resumed = service.resume().await.map_err(StartError::Store)?;
        if resumed > 0 {
            tracing::info!(jobs = resumed, "unfinished jobs run again");
        }
        let cannot_listen = |reason| StartError::Listen { address: listen, reason };
        let listener = TcpListener::bind(listen).await.map_err(cannot_listen)?;
        let address = listener.local_addr().map_err(cannot_listen)?;
        let workers = executor.start(evaluate(&service)).map_err(StartError::Threads)?;

        let (stop, stopped) = oneshot::channel::<()>();
        let app = router(Arc::clone(&service), assets.as_deref().map(Assets::new));
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "small packets may wait");
            }
        });
        let serving = tokio::spawn(async move {
            axum::serve(listener, app)
                .with_graceful_shutdown(async {
                    // Ends on the signal, and also when the server is dropped.
                    let _ = stopped.await;
                })
                .await
        });
        Ok(Self { address, service, stop, serving, workers })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &Service<NativeHost> {
        &self.service
    }

    /// Stops: takes no more connections, ends open requests and running evaluations. Jobs that
    /// wait stay in the store and run at the next start.
    pub async fn stop(self) {
        let Self { stop, serving, workers, .. } = self;
        // The receiver is gone only if serving has ended already.
        let _ = stop.send(());
        match tokio::time::timeout(DRAIN, serving).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::error!(%error, "serving ended badly"),
            Ok(Err(error)) => tracing::error!(%error, "serving broke off"),
            Err(_) => tracing::warn!("requests were still open and are cut off"),
        }
        if spawn_blocking(move || drop(workers)).await.is_err() {
            tracing::error!("evaluation threads broke off");
        }
    }
}

/// What an evaluation thread does with a job.
fn evaluate(service: &Arc<Service<NativeHost>>) -> impl Fn(JobId) + Send + Sync + 'static {
    let (service, runtime) = (Arc::clone(service), Handle::current());
    move |job| {
        if let Err(error) = runtime.block_on(service.run_job(job)) {
            tracing::error!(%job, %error, "the job stays unfinished until the next start");
        }
    }
}

/// Everything goes to the service, but what only the page has.
fn router(service: Arc<Service<NativeHost>>, assets: Option<Assets>) -> Router {
    Router::new().fallback(move |request: Request| {
        let (service, assets) = (Arc::clone(&service), assets.clone());
        async move {
            match assets {
                Some(assets) if !is_route(request.uri().path()) => assets.serve(request).await,
                _ => service.handle(request).await.map(Body::from),
            }
        }
    })
}
