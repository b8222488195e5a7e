//! A native server with two tenants, and the packages that it serves.

use std::{
    num::NonZeroUsize,
    path::Path,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use conformance::{Feature, Options};
use edge_server::{Access, PackageFiles, Settings, TenantLimits, Token, testing::tiny_package};
use edge_server_native::{Config, Patience, Server, SqliteStore};
use model_package::Package;
use tokio::runtime::Runtime;

pub(crate) const TOKEN: &str = "alpha-0123456789abcdef0123456789abcdef";
pub(crate) const OTHER_TOKEN: &str = "beta-0123456789abcdef0123456789abcdef";

/// The runtime of every server of this program.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    &RUNTIME
}

pub(crate) fn packages() -> Vec<PackageFiles> {
    vec![tiny_package("tiny", "1.0.0", 22), tiny_package("other", "1.0.0", 23)]
}

/// A model whose inputs the client scales, as it is shipped.
pub(crate) fn scaled_package() -> PackageFiles {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/breast_cancer_logistic/package");
    let read = |name| std::fs::read(folder.join(name)).unwrap();
    PackageFiles {
        origin: "breast_cancer_logistic".to_owned(),
        manifest: read("manifest.json"),
        weights: read("weights.bin"),
    }
}

/// Starts a server whose queue holds so many jobs.
pub(crate) fn start(access: Access, queue: u64) -> Server<SqliteStore> {
    serve(packages(), access, queue)
}

/// Starts a server with these packages.
pub(crate) fn serve(packages: Vec<PackageFiles>, access: Access, queue: u64) -> Server<SqliteStore> {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let data =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{}-{number}", std::process::id()));
    // A rate that is told, but never used up.
    let tenant = TenantLimits { requests_per_minute: Some(1_000_000_000), ..TenantLimits::default() };
    let config = Config {
        packages,
        listen: ([127, 0, 0, 1], 0).into(),
        admin: None,
        assets: None,
        tls: None,
        patience: Patience::default(),
        settings: Settings { access, waiting_jobs: queue, tenant, ..Settings::default() },
        threads: NonZeroUsize::MIN,
        traces: None,
        job_threads: NonZeroUsize::MIN,
    };
    let store = SqliteStore::open(&data).unwrap();
    runtime().block_on(Server::start(config, store)).unwrap()
}

/// A server that demands tokens, for all tests but those that need another one.
pub(crate) fn server() -> &'static Server<SqliteStore> {
    static SERVER: LazyLock<Server<SqliteStore>> =
        LazyLock::new(|| start(Access::Tokens([TOKEN, OTHER_TOKEN].map(Token::new).to_vec()), 4));
    &SERVER
}

/// A package as the suite has it.
pub(crate) fn read(files: &PackageFiles) -> Package {
    Package::from_bytes(&files.manifest, &files.weights).unwrap()
}

/// Everything the suite can test, at an address.
pub(crate) fn options(url: String) -> Options {
    Options {
        url,
        token: Some(TOKEN.to_owned()),
        other_token: Some(OTHER_TOKEN.to_owned()),
        with: [Feature::Overload].into(),
        packages: packages().iter().map(read).collect(),
        strict: true,
        ..Options::default()
    }
}
