// SPDX-License-Identifier: Apache-2.0

//! What a node says about itself and its chain.

use serde_json::{Map, Value};
use subxt::{config::RpcConfigFor, rpcs::methods::LegacyRpcMethods};

use crate::{address::DEFAULT_SS58_PREFIX, config::CairnConfig, convert::rpc_error, AccountId, Error};

/// More decimals than this don't fit a balance.
const DECIMALS_MAX: u8 = 30;
/// A symbol that is longer is not shown as one.
const SYMBOL_LEN_MAX: usize = 12;

/// The chain's coin and address format (`system_properties`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Properties {
    /// Symbol of the coin.
    pub symbol: String,
    /// One coin is ten to this many of its smallest units.
    pub decimals: u8,
    /// Prefix of the chain's addresses.
    pub ss58_prefix: u16,
}

impl Default for Properties {
    /// Cairn's own.
    fn default() -> Self {
        Self { symbol: "CRN".into(), decimals: crate::CRN_DECIMALS, ss58_prefix: DEFAULT_SS58_PREFIX }
    }
}

impl Properties {
    /// Reads what a node gives; what it leaves out is Cairn's. Chains with several coins list the native one first.
    pub(crate) fn from_json(json: &Map<String, Value>) -> Result<Self, Error> {
        let first = |name: &str| match json.get(name) {
            Some(Value::Array(list)) => list.first().cloned(),
            Some(Value::Null) | None => None,
            Some(value) => Some(value.clone()),
        };
        let wrong = |name: &str| Error::malformed(format!("system_properties: {name}"));
        let mut properties = Self::default();
        if let Some(value) = first("tokenDecimals") {
            let decimals = value.as_u64().and_then(|n| u8::try_from(n).ok()).filter(|n| *n <= DECIMALS_MAX);
            properties.decimals = decimals.ok_or_else(|| wrong("tokenDecimals"))?;
        }
        if let Some(value) = first("tokenSymbol") {
            let symbol = value.as_str().filter(|symbol| is_symbol(symbol));
            properties.symbol = symbol.ok_or_else(|| wrong("tokenSymbol"))?.into();
        }
        if let Some(value) = first("ss58Format") {
            let prefix = value.as_u64().and_then(|n| u16::try_from(n).ok());
            properties.ss58_prefix = prefix.ok_or_else(|| wrong("ss58Format"))?;
        }
        Ok(properties)
    }

    /// The address of an account on this chain.
    pub fn address(&self, account: &AccountId) -> String {
        crate::address::to_address(account, self.ss58_prefix)
    }
}

fn is_symbol(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= SYMBOL_LEN_MAX
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
}

/// What kind of chain it is, by its chain specification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainType {
    /// One machine, well-known keys, no value.
    Development,
    /// A test network on one machine or in one room, well-known keys, no value.
    Local,
    /// Real value.
    Live,
    /// Something else, by its name.
    Custom(String),
}

impl ChainType {
    pub(crate) fn from_json(json: Value) -> Self {
        match json {
            Value::String(name) if name == "Development" => ChainType::Development,
            Value::String(name) if name == "Local" => ChainType::Local,
            Value::String(name) if name == "Live" => ChainType::Live,
            Value::Object(map) => {
                ChainType::Custom(map.get("Custom").and_then(Value::as_str).unwrap_or("unknown").to_string())
            },
            other => ChainType::Custom(other.to_string()),
        }
    }

    /// Whether the well-known keys (`//Alice`) are in their place on it.
    pub fn allows_dev_keys(&self) -> bool {
        matches!(self, ChainType::Development | ChainType::Local)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            ChainType::Development => "Development",
            ChainType::Local => "Local",
            ChainType::Live => "Live",
            ChainType::Custom(name) => name,
        }
    }
}

/// A node's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// Name of the chain.
    pub chain: String,
    /// Name of the node's program.
    pub name: String,
    /// Version of the node's program.
    pub version: String,
    /// Peers it is connected to.
    pub peers: usize,
    /// Whether it is still catching up with the chain.
    pub is_syncing: bool,
    /// Name of the runtime.
    pub spec_name: String,
    /// Version of the runtime.
    pub spec_version: u32,
}

impl NodeStatus {
    pub(crate) async fn fetch(methods: &LegacyRpcMethods<RpcConfigFor<CairnConfig>>) -> Result<Self, Error> {
        let (chain, name, version, health, runtime) = futures::try_join!(
            methods.system_chain(),
            methods.system_name(),
            methods.system_version(),
            methods.system_health(),
            methods.state_get_runtime_version(None),
        )
        .map_err(rpc_error)?;
        let spec_name = runtime.other.get("specName").and_then(Value::as_str).unwrap_or("unknown").to_string();
        Ok(Self {
            chain,
            name,
            version,
            peers: health.peers,
            is_syncing: health.is_syncing,
            spec_name,
            spec_version: runtime.spec_version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Properties, Error> {
        Properties::from_json(&serde_json::from_str(json).expect("valid JSON"))
    }

    #[test]
    fn properties_are_read_in_both_shapes() {
        let expected = Properties { symbol: "ABC".into(), decimals: 10, ss58_prefix: 7 };
        for json in [
            r#"{"tokenSymbol":"ABC","tokenDecimals":10,"ss58Format":7}"#,
            r#"{"tokenSymbol":["ABC","X"],"tokenDecimals":[10,2],"ss58Format":7}"#,
        ] {
            assert_eq!(parse(json).expect("valid"), expected);
        }
    }

    #[test]
    fn what_is_left_out_is_cairns() {
        for json in ["{}", r#"{"tokenSymbol":null}"#, r#"{"tokenDecimals":[]}"#] {
            assert_eq!(parse(json).expect("valid"), Properties::default());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for json in [
            r#"{"tokenDecimals":31}"#,
            r#"{"tokenDecimals":-1}"#,
            r#"{"tokenDecimals":"12"}"#,
            r#"{"tokenSymbol":"1.5"}"#,
            r#"{"tokenSymbol":"A B"}"#,
            r#"{"tokenSymbol":""}"#,
            r#"{"ss58Format":70000}"#,
        ] {
            assert!(parse(json).is_err(), "{json}");
        }
    }

    #[test]
    fn dev_keys_belong_on_dev_and_local_chains_only() {
        for (json, allowed) in [
            (r#""Development""#, true),
            (r#""Local""#, true),
            (r#""Live""#, false),
            (r#"{"Custom":"Local"}"#, false),
            ("3", false),
        ] {
            let kind = ChainType::from_json(serde_json::from_str(json).expect("valid JSON"));
            assert_eq!(kind.allows_dev_keys(), allowed, "{json}");
        }
    }
}
