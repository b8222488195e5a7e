//! Requests as the library reads them.

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue};
use http_body::{Body, Frame};
use http_body_util::StreamBody;
use js_sys::{Object, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use worker::{Error, Request, Result};

use crate::buffer;

/// The longest part of a body that comes at once, until one is as long.
const FIRST_PARTS: u32 = 4 << 10;
/// From then on. The library accounts as much for the shortest body that it takes.
const PARTS: u32 = 16 << 10;

#[wasm_bindgen]
extern "C" {
    type Source;

    #[wasm_bindgen(method, catch, js_name = getReader)]
    fn reader(this: &Source, options: &Object) -> std::result::Result<Reader, JsValue>;

    type Reader;

    /// Fills the beginning of `into`. The reader has its buffer until it answers, and gives it back as another one.
    #[wasm_bindgen(method)]
    fn read(this: &Reader, into: &Uint8Array) -> Promise;

    #[wasm_bindgen(method)]
    fn cancel(this: &Reader) -> Promise;

    type Part;

    #[wasm_bindgen(method, getter)]
    fn done(this: &Part) -> bool;

    /// What was read; nothing if the stream was cancelled.
    #[wasm_bindgen(method, getter)]
    fn value(this: &Part) -> Option<Uint8Array>;
}

/// Reads method, address and headers, and makes ready to read the body.
///
/// # Errors
/// What the runtime throws, and what HTTP does not know.
pub(crate) fn read(request: &Request) -> Result<http::Request<impl Body<Data = Bytes, Error = Error>>> {
    let inner = request.inner();
    let mut builder = http::Request::builder().method(inner.method().as_str()).uri(inner.url());
    for (name, value) in request.headers() {
        builder = builder
            .header(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(value.as_bytes())?);
    }
    let parts = inner.body().map(|source| Parts::of(source.unchecked_ref())).transpose()?;
    Ok(builder.body(StreamBody::new(stream::try_unfold(parts, async |parts| match parts {
        Some(parts) => parts.next().await,
        None => Ok(None),
    })))?)
}

/// The parts of a body. They come one after the other in the same buffer: one for each, left to V8, were tens of
/// megabytes of an isolate's memory while keys are sent. It is small for as long as little comes, as it is for everybody
/// who has begun to send something, whether he may or not.
struct Parts {
    reader: Reader,
    buffer: Uint8Array,
}

impl Parts {
    fn of(source: &Source) -> Result<Self> {
        let options = Object::new();
        Reflect::set(&options, &"mode".into(), &"byob".into())?;
        Ok(Self { reader: source.reader(&options)?, buffer: Uint8Array::new_with_length(FIRST_PARTS) })
    }

    async fn next(mut self) -> Result<Option<(Frame<Bytes>, Option<Self>)>> {
        let part = JsFuture::from(self.reader.read(&self.buffer)).await?.unchecked_into::<Part>();
        let Some(value) = part.value() else { return Ok(None) };
        self.buffer = Uint8Array::new(&value.buffer());
        if part.done() {
            return Ok(None);
        }
        let bytes = value.to_vec();
        if self.buffer.length() == FIRST_PARTS && value.length() == FIRST_PARTS {
            buffer::let_go(&self.buffer.buffer());
            self.buffer = Uint8Array::new_with_length(PARTS);
        }
        Ok(Some((Frame::data(bytes.into()), Some(self))))
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        let cancelled = self.reader.cancel();
        buffer::let_go(&self.buffer.buffer());
        // What is left of a body that was not read to its end is nobody's any more, and so is the answer.
        spawn_local(async move { drop(JsFuture::from(cancelled).await) });
    }
}
