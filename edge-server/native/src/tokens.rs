//! `edge-server token`: makes, lists and revokes tokens. A server that runs on the same directory knows
//! of it at once.

use std::{error::Error, time::Duration};

use clap::Subcommand;
use edge_server::{
    TenantId, TokenRecord, TokenSecret,
    port::{Clock, Timestamp},
    store::Store,
};

use crate::{
    clock::{SystemClock, SystemEntropy},
    output::{print, print_all},
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it. It is shown this once; the server keeps its hash only.
    Create {
        /// Whose requests it makes: 1 to 64 lower-case letters, digits, '.', '_' and '-'.
        #[arg(long, value_name = "NAME")]
        tenant: String,
        /// What you call it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        label: String,
        /// Days after which it stops to work; without, never.
        #[arg(long, value_name = "DAYS")]
        expires: Option<u32>,
    },
    /// List all tokens, without their secrets.
    List,
    /// Delete a token; it stops to work at once.
    Revoke {
        /// Its name in the list.
        #[arg(value_name = "TOKEN")]
        name: String,
    },
}

/// Carries out a command on a store.
pub(crate) async fn run(command: TokenCommand, store: &impl Store) -> Result<(), Box<dyn Error>> {
    let now = SystemClock::new().now();
    match command {
        TokenCommand::Create { tenant, label, expires } => {
            let tenant = TenantId::parse(&tenant).ok_or_else(|| {
                format!("{tenant:?} is no name of a tenant: 1 to 64 of a-z, 0-9, '.', '_' and '-'")
            })?;
            let secret = TokenSecret::random(&SystemEntropy);
            let expires = expires.map(|days| now.after(DAY * days));
            let record = TokenRecord { hash: secret.hash(), tenant, label, created: now, expires };
            eprintln!("token {} of {}; it is shown this once:", record.name(), record.tenant.as_str());
            let hash = record.hash;
            store.insert_token(record).await?;
            if let Err(error) = print_all(format_args!("{}\n", secret.text())) {
                store.delete_token(hash).await?;
                return Err(format!("the token could not be shown and is revoked: {error}").into());
            }
        }
        TokenCommand::List => {
            print(format_args!("{:<16}  {:<24}  {:<16}  LABEL\n", "TOKEN", "TENANT", "EXPIRES"))?;
            for token in store.tokens().await? {
                let expires = expiry(token.expires, now);
                let (name, tenant, label) = (token.name(), token.tenant.as_str(), &token.label);
                print(format_args!("{name}  {tenant:<24}  {expires:<16}  {label}\n"))?;
            }
        }
        TokenCommand::Revoke { name } => {
            let tokens = store.tokens().await?;
            let found = tokens.iter().find(|token| token.name() == name);
            let token = found.ok_or_else(|| format!("there is no token {name}; `token list` lists them"))?;
            store.delete_token(token.hash).await?;
            print(format_args!("token {name} of {} is revoked\n", token.tenant.as_str()))?;
        }
    }
    Ok(())
}

fn expiry(expires: Option<Timestamp>, now: Timestamp) -> String {
    let day = DAY.as_millis() as u64;
    match expires {
        None => "never".to_owned(),
        Some(at) if at <= now => "expired".to_owned(),
        Some(at) => format!("in {} days", (at.0 - now.0).div_ceil(day)),
    }
}
