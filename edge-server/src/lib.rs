//! The encrypted-inference service, independent of runtime and store.
//!
//! Every route, limit, error and rule of the protocol is here; a host brings an HTTP server and
//! implements [`Host`]: a store, a clock, an executor, randomness. The service never sees inputs,
//! outputs or secret keys, and its log never sees payloads.
//!
//! Modules in dependency order; each imports only from groups above it.

// what is said when something is refused
pub mod problem;

// names, who may call, and what a machine must offer
pub mod id;
pub mod payload;
pub mod port;
pub mod trace;

mod access;

pub mod store;

pub mod memory;

// requests, as they come in
mod body;
mod document;
mod header;
mod media;

mod envelope;
mod message;
mod route;
mod settings;

mod reply;

// before the service
mod door;

// models, and what callers send for them
mod decode;

mod registry;

// what the service counts
mod budget;
mod cache;
mod completion;
mod metrics;
mod rate;

// the service
mod service;

#[cfg(feature = "testing")]
pub mod testing;

pub use access::{Access, ShortToken, Token, TokenRecord, TokenSecret};
pub use door::{Address, Caller, Door};
pub use envelope::{API_VERSION, API_VERSIONS, SCHEMAS, SchemaError, validator};
pub use id::{JobId, KeyName, KeySetId, ModelKey, TenantId, WorkerId};
pub use port::Host;
pub use problem::{Code, Problem};
pub use registry::{
    CheckedPackages, DoesNotFit, Figures, Grant, Holding, KeyHolding, KeyRequirement, Limits, Model,
    ModelView, PackageFiles, ParameterSetView, Registry, RegistryError, Shares, hold,
};
pub use route::{Operation, ROUTES, RouteEntry, is_route};
pub use service::{Evaluated, Next, Service, ServiceError};
pub use settings::{Origins, Settings, TenantLimits};
