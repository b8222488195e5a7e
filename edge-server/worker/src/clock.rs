//! Time and randomness of the runtime.

use std::{cell::Cell, time::Duration};

use edge_server::port::{Clock, Entropy, Timestamp};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Delay;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// The clocks of the runtime. On Cloudflare's machines they stand still while the processor computes and
/// go on when something is waited for.
#[derive(Debug, Default)]
pub(crate) struct RuntimeClock {
    latest: Cell<Duration>,
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        Timestamp(js_sys::Date::now() as u64)
    }

    fn elapsed(&self) -> Duration {
        let now = Duration::try_from_secs_f64(performance_now() / 1e3).unwrap_or_default();
        self.latest.set(self.latest.get().max(now));
        self.latest.get()
    }

    async fn sleep(&self, duration: Duration) {
        Delay::from(duration).await;
    }
}

/// The random number generator of the runtime.
#[derive(Debug)]
pub(crate) struct RuntimeEntropy;

impl Entropy for RuntimeEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness identifiers could be guessed; there is nothing better to do than stop.
        getrandom::fill(bytes).expect("the runtime gives random bytes");
    }
}
