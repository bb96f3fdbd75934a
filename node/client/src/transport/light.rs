// SPDX-License-Identifier: Apache-2.0

//! A light client in this process instead of a node's word: it follows GRANDPA's proofs of finality from the chain's
//! specification on, fetches from any full nodes, and takes what comes with a proof against a finalized state root.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;
use serde_json::Value;
use subxt::{
    lightclient::{LightClient, LightClientRpc},
    rpcs::{
        client::{RawRpcFuture, RawRpcSubscription, RawValue, RpcClientT},
        Error as RpcError, RpcClient,
    },
};
use tokio::time;

use super::Connect;

/// How long an answer may take: one that needs a proof is asked of several nodes in turn. A light client that answers
/// nothing for longer is replaced.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// A specification with its genesis state is a few megabytes; nothing larger is parsed.
pub const SPECIFICATION_BYTES_MAX: usize = 256 << 20;
const BOOTNODES_MAX: usize = 64;

/// Where a light client begins: a chain's specification with its genesis state or a checkpoint, and nodes to meet.
pub struct LightSpecification(String);

impl fmt::Debug for LightSpecification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LightSpecification({} bytes)", self.0.len())
    }
}

impl LightSpecification {
    /// Reads a specification, and adds boot nodes to its own.
    ///
    /// # Errors
    /// What is wrong with it: no raw genesis, no boot nodes.
    pub fn new(json: &str, bootnodes: &[String]) -> Result<Self, crate::Error> {
        let invalid = |reason: String| crate::Error::invalid("chain specification", reason);
        if json.len() > SPECIFICATION_BYTES_MAX {
            return Err(invalid(format!("it is larger than {} MiB", SPECIFICATION_BYTES_MAX >> 20)));
        }
        let mut specification: Value =
            serde_json::from_str(json).map_err(|error| invalid(format!("it isn't JSON: {error}")))?;
        let raw = specification.pointer("/genesis/raw").is_some_and(Value::is_object)
            || specification.pointer("/genesis/stateRootHash").is_some_and(Value::is_string);
        if !raw {
            return Err(invalid(
                "it isn't raw: make one with `cairn-node export-chain-spec --chain CHAIN --raw`".into(),
            ));
        }
        let known = specification.as_object_mut().expect("it has a member").entry("bootNodes").or_insert(Value::Null);
        let mut nodes: Vec<Value> = known.as_array().cloned().unwrap_or_default();
        nodes.extend(bootnodes.iter().cloned().map(Value::String));
        if nodes.is_empty() || nodes.len() > BOOTNODES_MAX {
            return Err(invalid(format!("it names {} boot nodes; give between 1 and {BOOTNODES_MAX}", nodes.len())));
        }
        *known = Value::Array(nodes);
        Ok(Self(specification.to_string()))
    }
}

impl Connect for LightSpecification {
    fn connect<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<RpcClient, String>> {
        Box::pin(async move {
            let (_, rpc) = LightClient::relay_chain(self.0.as_str()).map_err(|error| error.to_string())?;
            Ok(RpcClient::new(Timely(rpc)))
        })
    }
}

/// A light client whose requests come back.
struct Timely(LightClientRpc);

/// An answer that didn't come counts as a lost connection.
async fn timely<T>(answer: RawRpcFuture<'_, T>) -> Result<T, RpcError> {
    let late = |_| Err(RpcError::Client("the light client got no answer from any node".into()));
    time::timeout(ANSWER_TIMEOUT, answer).await.unwrap_or_else(late)
}

impl RpcClientT for Timely {
    fn request_raw<'a>(&'a self, method: &'a str, params: Option<Box<RawValue>>) -> RawRpcFuture<'a, Box<RawValue>> {
        Box::pin(timely(self.0.request_raw(method, params)))
    }

    fn subscribe_raw<'a>(
        &'a self,
        sub: &'a str,
        params: Option<Box<RawValue>>,
        unsub: &'a str,
    ) -> RawRpcFuture<'a, RawRpcSubscription> {
        Box::pin(timely(self.0.subscribe_raw(sub, params, unsub)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "/ip4/127.0.0.1/tcp/30333/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    fn refusal(json: &str, bootnodes: &[String]) -> String {
        LightSpecification::new(json, bootnodes).expect_err("it is refused").to_string()
    }

    #[test]
    fn boot_nodes_are_added_to_the_specification_s_own() {
        let json = r#"{"id": "x", "bootNodes": ["/dns/a/tcp/1/p2p/x"], "genesis": {"raw": {"top": {}}}}"#;
        let specification = LightSpecification::new(json, &[NODE.into()]).expect("it is raw");
        let parsed: Value = serde_json::from_str(&specification.0).expect("JSON");
        assert_eq!(parsed["bootNodes"], serde_json::json!(["/dns/a/tcp/1/p2p/x", NODE]));
        assert_eq!(parsed["genesis"]["raw"]["top"], serde_json::json!({}));
    }

    #[test]
    fn what_a_light_client_cannot_start_from_is_refused_with_the_reason() {
        assert!(refusal("{", &[]).contains("isn't JSON"));
        assert!(refusal("[]", &[]).contains("--raw"));
        assert!(refusal(r#"{"genesis": {"runtimeGenesis": {}}}"#, &[NODE.into()]).contains("--raw"));
        assert!(refusal(r#"{"genesis": {"raw": {}}}"#, &[]).contains("0 boot nodes"));
        let many = vec![NODE.to_string(); BOOTNODES_MAX + 1];
        assert!(refusal(r#"{"genesis": {"stateRootHash": "0x"}}"#, &many).contains("65 boot nodes"));
    }

    #[tokio::test]
    async fn a_specification_that_no_chain_can_start_from_is_an_error() {
        let json = r#"{"bootNodes": [], "genesis": {"raw": {}}, "name": "x"}"#;
        let specification = LightSpecification::new(json, &[NODE.into()]).expect("it looks like one");
        assert!(specification.connect("light").await.is_err());
    }
}
