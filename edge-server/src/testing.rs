//! What tests of the service share: small real models, a host without a machine, and a checker
//! of responses against the published contract. Not part of the service.

mod body;
mod contract;
mod faulty;
mod model;

mod host;

pub use body::{Form, read_body};
pub use contract::Contract;
pub use faulty::FaultyStore;
pub use host::{TestClock, TestExecutor, TestHost};
pub use model::{paired_clear, paired_package, tiny_clear, tiny_package};
