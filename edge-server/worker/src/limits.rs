//! The platform's rate limits: asked before the object is, which is one thread for all.

use std::{cell::OnceCell, rc::Rc, time::Duration};

use edge_server::{Caller, Door};
use worker::{Env, Request, Response, Result};

use crate::{answer::respond, clock::RuntimeEntropy, settings};

/// Limit of each tenant: a binding that need not be there.
const TENANTS: &str = "TENANT_RATE";
/// Limit of each address without a token: a binding that need not be there.
const ADDRESSES: &str = "ADDRESS_RATE";
/// The period of both in `wrangler.toml`. The platform does not tell it.
const PERIOD: Duration = Duration::from_secs(10);
/// Where Cloudflare writes whose connection it is, whatever the caller wrote there.
const ADDRESS: &str = "cf-connecting-ip";

thread_local! {
    static DOOR: OnceCell<Rc<Door>> = const { OnceCell::new() };
}

/// Answers a request that is one too many.
pub(crate) async fn refuse(request: &Request, env: &Env) -> Result<Option<Response>> {
    // With wrong settings the object does not start, and says why.
    let Some(door) = door(env) else { return Ok(None) };
    let headers = http::HeaderMap::from(request.headers());
    let address = headers.get(ADDRESS).and_then(|value| value.to_str().ok());
    let caller = door.caller(&headers, address);
    let binding = match &caller {
        Caller::Tenant(_) => TENANTS,
        Caller::Address(_) => ADDRESSES,
    };
    let Ok(limiter) = env.rate_limiter(binding) else { return Ok(None) };
    match limiter.limit(caller.to_string()).await {
        Ok(outcome) if outcome.success => Ok(None),
        Ok(_) => respond(door.refuse(&headers, PERIOD, &RuntimeEntropy)).map(Some),
        // Its counting is a courtesy to the service, which has bounds of its own.
        Err(error) => {
            worker::console_error!("{binding} does not count: {error}");
            Ok(None)
        }
    }
}

/// The door, made by the first request of an isolate.
fn door(env: &Env) -> Option<Rc<Door>> {
    DOOR.with(|door| match door.get() {
        Some(door) => Some(Rc::clone(door)),
        None => {
            let made = Rc::new(Door::new(&settings::read(env).ok()?));
            Some(Rc::clone(door.get_or_init(|| made)))
        }
    })
}
