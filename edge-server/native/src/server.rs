//! Puts the parts together: registry, store, threads, listeners, upkeep.

use std::{fmt, io, net::SocketAddr, num::NonZeroUsize, path::PathBuf, pin::pin, sync::Arc, time::Duration};

use edge_server::{
    Host, Next, PackageFiles, Registry, RegistryError, Service, ServiceError, Settings,
    port::Executor,
    store::{Store, StoreError},
    trace::Span,
};
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::{Semaphore, oneshot},
    task::{JoinHandle, JoinSet, spawn_blocking},
    time::{Instant, Interval, MissedTickBehavior, interval, timeout_at},
};

use crate::{
    assets::Assets,
    clock::{SystemClock, SystemEntropy},
    executor::{Threads, Turn, Workers},
    process,
    tls::{Tls, TlsError, TlsFiles},
    traces::Traces,
    transport::{Admin, Interface, Patience, serve},
};

/// How often results and keys are looked through for what may be forgotten.
const SWEEP: Duration = Duration::from_secs(10 * 60);
/// How often the certificate's files are looked at.
const REFRESH: Duration = Duration::from_secs(60);

/// Outcomes that may wait for the disk while every thread evaluates a further job.
const OUTCOMES: usize = 64;

/// What a server is started with, besides its store.
#[derive(Debug)]
pub struct Config {
    /// The models.
    pub packages: Vec<PackageFiles>,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the operator is answered, if anywhere.
    pub admin: Option<SocketAddr>,
    /// Directory of a web page to serve beside the interface.
    pub assets: Option<PathBuf>,
    /// Certificate and key; without them, no TLS.
    pub tls: Option<TlsFiles>,
    /// How clients are treated.
    pub patience: Patience,
    /// Settings of the service.
    pub settings: Settings,
    /// Threads that evaluate, one job each.
    pub threads: NonZeroUsize,
    /// Where spans go, if anywhere.
    pub traces: Option<Traces>,
    /// Most threads that share one job.
    pub job_threads: NonZeroUsize,
}

/// The ports of this host.
#[derive(Debug)]
pub struct NativeHost<S> {
    store: S,
    clock: SystemClock,
    executor: Threads,
    entropy: SystemEntropy,
    traces: Option<Traces>,
}

impl<S: Store + 'static> Host for NativeHost<S> {
    type Store = S;
    type Clock = SystemClock;
    type Executor = Threads;
    type Entropy = SystemEntropy;

    fn store(&self) -> &S {
        &self.store
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn executor(&self) -> &Threads {
        &self.executor
    }

    fn entropy(&self) -> &SystemEntropy {
        &self.entropy
    }

    fn export(&self, span: Span) {
        if let Some(traces) = &self.traces {
            traces.export(span);
        }
    }

    fn resident_bytes(&self) -> Option<u64> {
        process::resident_bytes()
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// A package is not right.
    Registry(RegistryError),
    /// A model does not fit the settings.
    Service(ServiceError),
    /// The store cannot be read.
    Store(StoreError),
    /// The certificate or its key is no good.
    Tls(TlsError),
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
            Self::Service(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
            Self::Tls(error) => write!(f, "TLS: {error}"),
            Self::Listen { address, reason } => write!(f, "cannot listen on {address}: {reason}"),
            Self::Threads(reason) => write!(f, "cannot start evaluation threads: {reason}"),
        }
    }
}

impl std::error::Error for StartError {}

/// A server that listens.
#[derive(Debug)]
pub struct Server<S> {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    service: Arc<Service<NativeHost<S>>>,
    listeners: Vec<(oneshot::Sender<()>, JoinHandle<()>)>,
    upkeep: JoinSet<()>,
    /// How long what is open or runs may take to end when the server stops.
    drain: Duration,
    workers: Workers,
    /// A place for each job that is evaluated, and each outcome that is being stored.
    outcomes: Arc<Semaphore>,
    places: u32,
}

impl<S: Store + 'static> Server<S> {
    /// Checks every package, lets run what was unfinished, and listens.
    ///
    /// # Errors
    /// [`StartError`]; nothing listens then.
    pub async fn start(config: Config, store: S) -> Result<Self, StartError> {
        let Config { packages, listen, admin, assets, tls, patience, settings, threads, job_threads, traces } =
            config;
        let tls = tls.map(Tls::new).transpose().map_err(StartError::Tls)?;
        let executor = Threads::new(threads, job_threads).map_err(StartError::Threads)?;
        let (granted, parallelism) = (settings.clone(), executor.parallelism());
        let registry = spawn_blocking(move || {
            Registry::load_within(packages, &granted, parallelism).map_err(StartError::Registry)
        });
        let registry = registry.await.map_err(|error| StartError::Threads(io::Error::other(error)))??;
        let host = NativeHost {
            store,
            clock: SystemClock::new(),
            executor: executor.clone(),
            entropy: SystemEntropy,
            traces,
        };
        let service =
            Arc::new(Service::new(host, Arc::new(registry), settings).map_err(StartError::Service)?);

        let listener = bind(listen).await?;
        let admin = match admin {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let address_of = |listener: &TcpListener| {
            listener.local_addr().map_err(|reason| StartError::Listen { address: listen, reason })
        };
        let address = address_of(&listener)?;
        let admin_address = admin.as_ref().map(address_of).transpose()?;

        let resumed = service.resume().await.map_err(StartError::Store)?;
        if resumed > 0 {
            tracing::info!(jobs = resumed, "unfinished jobs run again");
        }
        let outcomes = Arc::new(Semaphore::new(OUTCOMES + threads.get()));
        let workers = executor.start(evaluate(&service, &outcomes)).map_err(StartError::Threads)?;
        let mut upkeep = JoinSet::new();
        upkeep.spawn(renew(Arc::clone(&service)));
        upkeep.spawn(keep_up(Arc::clone(&service), tls.clone()));
        let drain = patience.drain;

        let (stop, stopped) = oneshot::channel();
        let interface =
            Interface { service: Arc::clone(&service), assets: assets.as_deref().map(Assets::new) };
        let mut listeners = vec![(stop, tokio::spawn(serve(listener, interface, tls, patience, stopped)))];
        if let Some(listener) = admin {
            let (stop, stopped) = oneshot::channel();
            let answer = Admin(Arc::clone(&service));
            listeners.push((stop, tokio::spawn(serve(listener, answer, None, patience, stopped))));
        }
        let places = (OUTCOMES + threads.get()) as u32;
        let admin = admin_address;
        Ok(Self { address, admin, service, listeners, upkeep, drain, workers, outcomes, places })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the operator is answered.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &Arc<Service<NativeHost<S>>> {
        &self.service
    }

    /// Stops: takes no more connections, ends open requests and running evaluations. What still runs
    /// after [`Patience::drain`] is stopped and given back. Jobs that wait stay in the store and run
    /// at the next start.
    pub async fn stop(self) {
        let Self { service, listeners, mut upkeep, drain, workers, outcomes, places, .. } = self;
        let end = Instant::now() + drain;
        service.drain();
        let (stops, serving): (Vec<_>, Vec<_>) = listeners.into_iter().unzip();
        for stop in stops {
            // The receiver is gone only if serving has ended already.
            let _ = stop.send(());
        }
        for serving in serving {
            if let Err(error) = serving.await {
                tracing::error!(%error, "serving broke off");
            }
        }
        service.cease();
        let mut ended = pin!(async {
            if spawn_blocking(move || drop(workers)).await.is_err() {
                tracing::error!("evaluation threads broke off");
            }
            // It is never closed, so that this is when the last outcome is stored.
            let _ = outcomes.acquire_many(places).await;
        });
        if timeout_at(end, &mut ended).await.is_err() {
            tracing::warn!("some jobs still run; they are stopped and wait for the next start");
            service.halt();
            ended.await;
        }
        // Leases are renewed until here.
        upkeep.shutdown().await;
        if let Some(traces) = service.host().traces.clone()
            && spawn_blocking(move || traces.stop()).await.is_err()
        {
            tracing::error!("exporting spans broke off");
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|reason| StartError::Listen { address, reason })
}

/// What an evaluation thread does each time it looks for a job: it takes the next one while the outcome of
/// the last is being stored, as long as there is a place for outcomes.
fn evaluate<S: Store + 'static>(
    service: &Arc<Service<NativeHost<S>>>,
    outcomes: &Arc<Semaphore>,
) -> impl Fn() -> Turn + Send + Sync + 'static {
    let (service, outcomes, runtime) = (Arc::clone(service), Arc::clone(outcomes), Handle::current());
    move || {
        let place = runtime.block_on(Arc::clone(&outcomes).acquire_owned());
        match runtime.block_on(service.evaluate_next()) {
            Ok(Next::Evaluated(evaluated)) => {
                let service = Arc::clone(&service);
                runtime.spawn(async move {
                    if let Err(error) = service.settle(evaluated).await {
                        tracing::error!(%error, "an outcome could not be stored; the job runs again");
                    }
                    drop(place);
                });
                Turn::Ran
            }
            Ok(Next::Idle(until)) => Turn::Idle(until),
            Err(error) => {
                tracing::error!(%error, "no job could be taken");
                Turn::Idle(None)
            }
        }
    }
}

fn every(time: Duration) -> Interval {
    let mut timer = interval(time.max(Duration::from_millis(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}

/// Renews leases; nothing else here may make it late.
async fn renew<S: Store + 'static>(service: Arc<Service<NativeHost<S>>>) {
    let mut renewal = every(service.settings().lease / 3);
    loop {
        renewal.tick().await;
        if let Err(error) = service.renew_leases().await {
            tracing::warn!(%error, "leases could not be renewed");
        }
    }
}

/// Forgets what is old, and looks after the certificate.
async fn keep_up<S: Store + 'static>(service: Arc<Service<NativeHost<S>>>, tls: Option<Tls>) {
    let mut sweep = every(SWEEP);
    let mut refresh = every(REFRESH);
    sweep.reset();
    loop {
        let done = tokio::select! {
            _ = sweep.tick() => service.sweep().await.map(drop),
            _ = refresh.tick() => {
                if let Some(tls) = &tls {
                    tls.refresh();
                }
                Ok(())
            }
        };
        if let Err(error) = done {
            tracing::warn!(%error, "upkeep has to wait");
        }
    }
}
