//! What servers tell each other through the database: that a job waits, that one is over. A notice that is
//! lost costs time only: workers and waiting callers look by themselves now and then.

use std::{future::poll_fn, time::Duration};

use edge_server::JobId;
use tokio_postgres::{AsyncMessage, Config, GenericClient};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{Result, failed};

/// The database's channel.
const CHANNEL: &str = "edge_server";
const QUEUED: &str = "queued";
/// How long to wait before a lost connection is made again.
const AGAIN: Duration = Duration::from_secs(1);

/// Something that another server did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It stored a job that waits.
    Queued,
    /// A job is over, or gone.
    Finished(JobId),
}

pub(super) async fn queued(client: &impl GenericClient) -> Result<()> {
    notify(client, QUEUED).await
}

pub(super) async fn finished(client: &impl GenericClient, job: JobId) -> Result<()> {
    notify(client, &job.to_string()).await
}

async fn notify(client: &impl GenericClient, text: &str) -> Result<()> {
    client.execute("SELECT pg_notify($1, $2)", &[&CHANNEL, &text]).await.map(drop).map_err(failed)
}

/// Listens for ever, on a connection of its own.
pub(super) async fn listen(config: Config, tls: MakeRustlsConnect, heard: impl Fn(Notice)) {
    loop {
        if let Err(error) = listen_once(&config, tls.clone(), &heard).await {
            tracing::warn!(%error, "the database is not heard; trying again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn listen_once(
    config: &Config,
    tls: MakeRustlsConnect,
    heard: &impl Fn(Notice),
) -> Result<(), tokio_postgres::Error> {
    let (client, mut connection) = config.connect(tls).await?;
    let subscription = format!("LISTEN {CHANNEL}");
    let mut subscribed = std::pin::pin!(client.batch_execute(&subscription));
    let mut is_subscribed = false;
    loop {
        tokio::select! {
            biased;
            done = &mut subscribed, if !is_subscribed => {
                done?;
                is_subscribed = true;
            }
            message = poll_fn(|context| connection.poll_message(context)) => match message {
                None => return Ok(()),
                Some(message) => {
                    if let AsyncMessage::Notification(notification) = message? {
                        read(notification.payload()).map(heard);
                    }
                }
            },
        }
    }
}

/// Understands a notice; nothing if it is of another version.
fn read(text: &str) -> Option<Notice> {
    if text == QUEUED { Some(Notice::Queued) } else { JobId::parse(text).map(Notice::Finished) }
}
