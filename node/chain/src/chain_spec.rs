// SPDX-License-Identifier: GPL-3.0-or-later WITH Classpath-exception-2.0

//! The chains that this binary knows by name, and how any other one is read from a file.
//!
//! The genesis state comes from presets inside the runtime (`GenesisBuilder`), so that it can be made and checked
//! without this binary. What is added here is what the network needs: ids, boot nodes and the properties that wallets
//! show.
//!
//! There is no default chain: a node that joins the wrong network by a forgotten flag is worse than an error.

use cairn_runtime::opaque::Block;
use sc_chain_spec::{ChainSpecExtension, ChainType, Properties};
use sc_network::config::MultiaddrWithPeerId;
use sc_network_types::ed25519::{Keypair, SecretKey};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Symbol of the native coin.
pub const TOKEN_SYMBOL: &str = "CRN";

/// One CRN is 10 to the power of this many of its smallest unit.
pub const TOKEN_DECIMALS: u8 = 12;

/// Prefix of addresses: the generic Substrate one.
pub const SS58_FORMAT: u16 = 42;

/// Validators of the local network that are boot nodes: Alice, Bob and Charlie.
const LOCAL_BOOT_NODES: u8 = 3;

/// P2P port of the local network's first validator; the others follow it.
const LOCAL_FIRST_PORT: u16 = 30333;

/// A chain specification of this node.
pub type ChainSpec = sc_chain_spec::GenericChainSpec<Extensions>;

/// What this node reads from a chain specification beyond the standard fields. All of it may be left out.
#[derive(Default, Clone, Serialize, Deserialize, ChainSpecExtension)]
#[serde(rename_all = "camelCase")]
pub struct Extensions {
    /// Blocks that must be on the chain, by height: how a node is held to one side of a fork.
    pub fork_blocks: sc_client_api::ForkBlocks<Block>,
    /// Blocks that must never be on the chain.
    pub bad_blocks: sc_client_api::BadBlocks<Block>,
    /// A finalized block and its authorities, from which a light client starts instead of from genesis.
    /// `sync_state_genSyncSpec` fills it in.
    pub light_sync_state: sc_sync_state_rpc::LightSyncStateExtension,
}

/// The chain that `--chain <id>` names.
///
/// # Errors
/// Without an id, and for one that is neither known nor a readable specification; the message says what to give.
pub fn load(id: &str) -> Result<ChainSpec, String> {
    match id {
        "" => Err("no chain is given. Use `--dev` for a throw-away chain with one validator, `--chain local` for the \
                   local network of three, or `--chain <FILE>` with the chain specification of the network to join"
            .into()),
        "dev" => development(),
        "local" => local(),
        path if Path::new(path).exists() => ChainSpec::from_json_file(path.into()),
        unknown => Err(format!(
            "`--chain {unknown}` is neither a chain that this binary knows (`dev`, `local`) nor an existing file"
        )),
    }
}

/// A chain with one validator, Alice, for trying things out.
fn development() -> Result<ChainSpec, String> {
    Ok(ChainSpec::builder(runtime_code()?, Extensions::default())
        .with_name("Cairn Development")
        .with_id("cairn_dev")
        .with_chain_type(ChainType::Development)
        .with_protocol_id("cairn-dev")
        .with_properties(properties())
        .with_genesis_config_patch(preset(sp_genesis_builder::DEV_RUNTIME_PRESET)?)
        .build())
}

/// Three validators on one machine, Alice, Bob and Charlie.
///
/// The `n`th of them must run with `--node-key` of 64 hexadecimal digits that end in `n` and are zero before it, and
/// with `--port` 30332 + `n`: the boot nodes are made from these (see [`local_node_key`]). Such a key is no secret; it
/// gives the network fixed addresses and protects nothing.
fn local() -> Result<ChainSpec, String> {
    Ok(ChainSpec::builder(runtime_code()?, Extensions::default())
        .with_name("Cairn Local Testnet")
        .with_id("cairn_local")
        .with_chain_type(ChainType::Local)
        .with_protocol_id("cairn-local")
        .with_properties(properties())
        .with_boot_nodes(local_boot_nodes())
        .with_genesis_config_patch(preset(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET)?)
        .build())
}

/// A preset of the runtime. The native code has it, so that nobody waits for the other to be compiled to be asked for it.
fn preset(name: &str) -> Result<serde_json::Value, String> {
    let json =
        cairn_runtime::genesis::get_preset(&name.into()).ok_or_else(|| format!("the runtime has no preset {name}"))?;
    serde_json::from_slice(&json).map_err(|error| format!("the runtime's preset {name}: {error}"))
}

fn runtime_code() -> Result<&'static [u8], String> {
    cairn_runtime::WASM_BINARY.ok_or_else(|| {
        "this binary was built without its runtime (SKIP_WASM_BUILD was set), so it can't make a genesis state. \
         Build it again without that variable, or give a raw chain specification"
            .into()
    })
}

fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("tokenSymbol".into(), TOKEN_SYMBOL.into());
    properties.insert("tokenDecimals".into(), TOKEN_DECIMALS.into());
    properties.insert("ss58Format".into(), SS58_FORMAT.into());
    properties
}

/// Ed25519 node key of the `n`th validator of the local network, counted from 1.
fn local_node_key(n: u8) -> Keypair {
    let mut secret = [0; 32];
    secret[31] = n;
    SecretKey::try_from_bytes(&mut secret).expect("because any 32 bytes are an ed25519 secret").into()
}

fn local_boot_nodes() -> Vec<MultiaddrWithPeerId> {
    (1..=LOCAL_BOOT_NODES)
        .map(|n| {
            let port = LOCAL_FIRST_PORT + u16::from(n) - 1;
            let peer_id = local_node_key(n).public().to_peer_id();
            format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id}")
                .parse()
                .expect("because it is a well-formed address with a peer id")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sc_chain_spec::get_extension;

    /// What `key inspect-node-key` of any Substrate node prints for the keys 1, 2 and 3.
    const LOCAL_PEER_IDS: [&str; LOCAL_BOOT_NODES as usize] = [
        "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp",
        "12D3KooWHdiAxVd8uMQR1hGWXccidmfCwLqcMpGwR6QcTP6QRMuD",
        "12D3KooWSCufgHzV4fCwRijfH2k3abrpAJxTKxEvN1FDuRXA2U9x",
    ];

    #[test]
    fn boot_nodes_are_those_that_the_documented_node_keys_make() {
        let expected: Vec<_> = LOCAL_PEER_IDS
            .iter()
            .zip(30333..)
            .map(|(peer_id, port)| format!("/ip4/127.0.0.1/tcp/{port}/p2p/{peer_id}"))
            .collect();
        let found: Vec<_> = local_boot_nodes().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_missing_chain_is_explained() {
        let message = load("").err().unwrap();
        assert!(message.contains("--dev") && message.contains("--chain local"), "{message}");
        assert!(load("nowhere.json").err().unwrap().contains("nowhere.json"));
    }

    #[test]
    fn address_prefix_is_the_runtimes() {
        use cairn_runtime::Runtime;
        use sp_core::Get;
        let prefix: u16 = <Runtime as frame_system::Config>::SS58Prefix::get();
        assert_eq!(prefix, SS58_FORMAT);
    }

    /// One is read back in plain, one in raw form: each form compiles the runtime once or twice, for seconds.
    #[test]
    fn known_chains_build_and_read_back() {
        if cairn_runtime::WASM_BINARY.is_none() {
            eprintln!("skipped: the runtime was not built");
            return;
        }
        for (id, raw, chain_id, protocol_id) in
            [("dev", false, "cairn_dev", "cairn-dev"), ("local", true, "cairn_local", "cairn-local")]
        {
            let json = load(id).unwrap().as_json(raw).unwrap();
            let read = ChainSpec::from_json_bytes(json.into_bytes()).unwrap();
            assert_eq!((read.id(), read.protocol_id()), (chain_id, Some(protocol_id)));
            assert_eq!(read.properties()["tokenSymbol"], TOKEN_SYMBOL);
            assert_eq!(read.properties()["tokenDecimals"], TOKEN_DECIMALS);
            assert_eq!(read.properties()["ss58Format"], SS58_FORMAT);
        }
    }

    /// A specification that someone wrote by hand, with nothing that may be left out.
    const SMALLEST: &str = r#"{
        "name": "Elsewhere", "id": "elsewhere", "bootNodes": [], "telemetryEndpoints": null,
        "protocolId": "else", "properties": null,
        "genesis": { "raw": { "top": {}, "childrenDefault": {} } }
    }"#;

    #[test]
    fn extensions_may_be_left_out_and_light_sync_state_is_still_offered() {
        let read = ChainSpec::from_json_bytes(SMALLEST.as_bytes()).unwrap();
        let extensions = sc_chain_spec::ChainSpec::extensions(&read);
        let light = get_extension::<sc_sync_state_rpc::LightSyncStateExtension>(extensions);
        assert_eq!(light, Some(&None), "the sync-state RPC needs the extension to exist");
    }

    #[test]
    fn extensions_are_read() {
        let hash = format!("0x{}", "11".repeat(32));
        let json = SMALLEST.replacen(
            '{',
            &format!(r#"{{ "forkBlocks": [[7, "{hash}"]], "badBlocks": ["{hash}"], "lightSyncState": {{}},"#),
            1,
        );
        let read = ChainSpec::from_json_bytes(json.into_bytes()).unwrap();
        let extensions = read.extensions();
        assert_eq!(extensions.fork_blocks.as_ref().unwrap()[0].0, 7);
        assert_eq!(extensions.bad_blocks.as_ref().unwrap().len(), 1);
        assert!(extensions.light_sync_state.is_some());
    }
}
