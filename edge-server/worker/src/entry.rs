//! The Worker in front of the object.

use worker::{Context, Env, Request, Response, Result, event};

use crate::limits;

/// Name of the one object.
const NAME: &str = "service";

#[event(fetch)]
async fn fetch(request: Request, env: Env, _: Context) -> Result<Response> {
    if let Some(refusal) = limits::refuse(&request, &env).await? {
        return Ok(refusal);
    }
    env.durable_object("SERVICE")?.id_from_name(NAME)?.get_stub()?.fetch_with_request(request).await
}
