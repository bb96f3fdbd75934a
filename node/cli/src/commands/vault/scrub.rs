// SPDX-License-Identifier: Apache-2.0

//! An order to a running vault.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    failure::{failed, usage_with_remedy, Result},
    output::Report,
};

/// How long the vault may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Bytes of an answer that are looked at.
const ANSWER_BYTES_MAX: u64 = 4096;

/// Has a vault read everything.
pub async fn scrub(status: &str) -> Result<Report> {
    let address = address(status)?;
    let order = async {
        let mut stream = TcpStream::connect(&address).await?;
        let request = format!(
            "POST /scrub HTTP/1.1\r\nHost: {address}\r\nx-cairn-order: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let late = |_| failed(format!("{address} doesn't answer"), "check --status");
    let answer = timeout(ANSWER_MAX, order).await.map_err(late)?.with_context(|| format!("can't ask {address}"))?;
    if !answer.starts_with(b"HTTP/1.1 202") {
        return Err(failed(
            format!("{address} is no vault's status page"),
            "give what `cairn vault run --status` was told",
        ));
    }
    Ok(Report::new("everything is being read; damaged shards are repaired", json!({ "status": "begun" })))
}

/// The host and port in `ADDRESS:PORT` or `http://ADDRESS:PORT/`.
fn address(text: &str) -> Result<String> {
    let address = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let port = address.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    match (port, plain) {
        (Some(Ok(1..)), true) => Ok(address.into()),
        _ => Err(usage_with_remedy(
            format!("`{}` is not an address", text.escape_debug()),
            "write it like 127.0.0.1:9961",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_their_scheme() {
        for text in ["127.0.0.1:9961", "http://127.0.0.1:9961", "http://127.0.0.1:9961/"] {
            assert_eq!(address(text).expect(text), "127.0.0.1:9961");
        }
        for text in ["", "127.0.0.1", "https://a:1/b", "a:0", "a:99999", "a b:1", "a\r\nx:1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
