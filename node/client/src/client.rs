// SPDX-License-Identifier: Apache-2.0

//! A connection to the chain.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde::de::DeserializeOwned;
use subxt::{
    backend::{BlockRef, LegacyBackend},
    config::{Config, RpcConfigFor},
    rpcs::{client::RpcParams, methods::LegacyRpcMethods, RpcClient},
    OnlineClient,
};
use tokio::sync::OnceCell;

use crate::{
    config::{self, CairnConfig, Hashed, Signing},
    convert::{rpc_error, subxt_error},
    error::Unreachable,
    follow::FinalizedBlock,
    node::{ChainType, NodeStatus, Properties},
    nonce::{NonceHandle, NonceSource},
    transport::{check_url, Connect, Failover, LightSpecification, Transport, WebSocket},
    view::View,
    AccountId, Error, Hash,
};

/// How long a lost connection is tried to be made again before a request fails.
const PATIENCE: Duration = Duration::from_secs(30);
/// More endpoints than this are refused: trying them all would take minutes.
const ENDPOINTS_MAX: usize = 16;
/// How long a light client may take to find nodes and to follow finality to the present.
const LIGHT_SYNC_TIMEOUT: Duration = Duration::from_secs(300);
/// Values fetched in one request when a map is read.
const STORAGE_PAGE_SIZE: u32 = 256;

/// A connection to the chain over one or several endpoints. Cheap to clone; clones share the connection.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    transport: Transport,
    methods: LegacyRpcMethods<RpcConfigFor<CairnConfig>>,
    rpc: RpcClient,
    api: OnlineClient<CairnConfig>,
    properties: OnceCell<Properties>,
    chain_type: OnceCell<ChainType>,
    nonces: Mutex<HashMap<[u8; 32], NonceHandle>>,
    config: CairnConfig,
    hashed: tokio::sync::Mutex<Hashed>,
}

impl Client {
    /// Connects to the first of the endpoints (`ws://` or `wss://`) that answers. When it fails later, the others take
    /// over, provided that they serve the same chain.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a wrong URL, [`Error::Unreachable`] if no endpoint answers.
    pub async fn connect(urls: &[String]) -> Result<Self, Error> {
        if urls.is_empty() || urls.len() > ENDPOINTS_MAX {
            return Err(Error::invalid("endpoint", format!("give between 1 and {ENDPOINTS_MAX} of them")));
        }
        urls.iter().try_for_each(|url| check_url(url))?;
        Self::with_connector(urls.to_vec(), WebSocket, PATIENCE).await
    }

    /// Trusts no node: starts a light client, which follows the finality that the validators signed from the
    /// specification's genesis or checkpoint on, and verifies what nodes send against it. Waits until it has caught up.
    ///
    /// What it can't be told with a proof it doesn't know: blocks by their number, and what waits in a node's pool.
    ///
    /// # Errors
    /// [`Error::Unreachable`] when no light client can start from the specification, or it finds no nodes.
    pub async fn light(specification: LightSpecification) -> Result<Self, Error> {
        let starting = Self::with_connector(vec!["light client".into()], specification, PATIENCE);
        let synced = async {
            let client = starting.await?;
            while client.methods().system_health().await.map_err(rpc_error)?.is_syncing {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            Ok(client)
        };
        let late = |_| {
            let reason = format!("it met no nodes that prove finality within {} s", LIGHT_SYNC_TIMEOUT.as_secs());
            Err(Error::Unreachable(Unreachable { attempts: vec![("light client".into(), reason)] }))
        };
        tokio::time::timeout(LIGHT_SYNC_TIMEOUT, synced).await.unwrap_or_else(late)
    }

    pub(crate) async fn with_connector(
        urls: Vec<String>,
        connector: impl Connect,
        patience: Duration,
    ) -> Result<Self, Error> {
        let transport = Transport(Arc::new(Failover::new(urls, connector, patience)));
        let rpc = RpcClient::new(transport.clone());
        // The older RPC methods rather than `chainHead`: they say why a transaction was refused, and they survive a
        // change of the node in the middle of anything.
        let backend = LegacyBackend::builder().storage_page_size(STORAGE_PAGE_SIZE).build(rpc.clone());
        let config = CairnConfig::default();
        let api =
            OnlineClient::from_backend_with_config(config.clone(), Arc::new(backend)).await.map_err(subxt_error)?;
        let inner = Inner {
            transport,
            methods: LegacyRpcMethods::new(rpc.clone()),
            rpc,
            api,
            properties: OnceCell::new(),
            chain_type: OnceCell::new(),
            nonces: Mutex::default(),
            config,
            hashed: tokio::sync::Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Hash of the genesis block: the chain's identity.
    pub fn genesis_hash(&self) -> Hash {
        self.inner.api.genesis_hash()
    }

    /// The endpoint in use.
    pub async fn url(&self) -> Option<String> {
        self.inner.transport.0.url().await
    }

    /// Leaves the endpoint in use for another, if there is one: it answers, but is of no use.
    pub(crate) async fn change_endpoint(&self) {
        self.inner.transport.0.change_endpoint().await;
    }

    /// Counts the connections so far.
    pub(crate) async fn connections(&self) -> u64 {
        self.inner.transport.0.generation().await
    }

    /// The state at the last finalized block. What is read here is never undone.
    pub async fn finalized(&self) -> Result<View, Error> {
        let at = self.inner.api.at_current_block().await.map_err(subxt_error)?;
        Ok(View { at })
    }

    /// The state at the node's best block. May still be undone; meant for checks before spending.
    pub async fn best(&self) -> Result<View, Error> {
        let hash = self.methods().chain_get_block_hash(None).await.map_err(rpc_error)?;
        self.at(hash.ok_or_else(|| Error::malformed("the node has no best block"))?).await
    }

    /// The state at a block.
    pub async fn at(&self, hash: Hash) -> Result<View, Error> {
        let at = self.inner.api.at_block(BlockRef::from_hash(hash)).await.map_err(subxt_error)?;
        Ok(View { at })
    }

    /// The state at a finalized block.
    pub async fn at_finalized(&self, block: FinalizedBlock) -> Result<View, Error> {
        let hash = BlockRef::from_hash(block.hash);
        let at = self.inner.api.at_block_hash_and_number(hash, block.number).await.map_err(subxt_error)?;
        Ok(View { at })
    }

    /// A block to sign against: calls are encoded by the metadata whose hash is signed.
    pub(crate) async fn signing(&self, view: View) -> Result<Signing, Error> {
        // Held while a node is asked, so that each version is asked for and hashed once.
        let mut hashed = self.inner.hashed.lock().await;
        if let Some(signing) = hashed.signing(&view.at) {
            return Ok(signing);
        }
        let (metadata, metadata_hash) = config::fetch(&view, self.properties().await?).await?;
        self.inner.config.set_metadata_for_spec_version(view.spec_version(), metadata.clone());
        let at = self.at(view.block_hash()).await?.at;
        hashed.keep(view.spec_version(), metadata, metadata_hash);
        hashed.signing(&at).ok_or_else(|| Error::malformed("the node gives two versions of one block's runtime"))
    }

    /// The block of the best chain with this number, if there is one.
    pub async fn block_hash(&self, number: u64) -> Result<Option<Hash>, Error> {
        self.methods().chain_get_block_hash(Some(number.into())).await.map_err(rpc_error)
    }

    /// The number of a block, if the node has it.
    pub async fn block_number(&self, hash: Hash) -> Result<Option<u64>, Error> {
        Ok(self.methods().chain_get_header(Some(hash)).await.map_err(rpc_error)?.map(|header| header.number))
    }

    /// The chain's coin and address format.
    pub async fn properties(&self) -> Result<&Properties, Error> {
        let load = || async {
            let raw = self.methods().system_properties().await.map_err(rpc_error)?;
            Properties::from_json(&raw)
        };
        self.inner.properties.get_or_try_init(load).await
    }

    /// Whether this is a development chain, a local test network, or one with real value.
    pub async fn chain_type(&self) -> Result<&ChainType, Error> {
        let load = || async { self.request("system_chainType", RpcParams::new()).await.map(ChainType::from_json) };
        self.inner.chain_type.get_or_try_init(load).await
    }

    /// What the node says about itself.
    pub async fn node_status(&self) -> Result<NodeStatus, Error> {
        NodeStatus::fetch(self.methods()).await
    }

    /// The account's next nonce, counting the transactions that wait in the node's pool.
    pub async fn next_nonce(&self, account: &AccountId) -> Result<u64, Error> {
        self.methods().system_account_next_index(account).await.map_err(rpc_error)
    }

    /// The actor that hands out this account's nonces; one for all clones of this client.
    pub(crate) fn nonces(&self, account: &AccountId) -> NonceHandle {
        let mut nonces = self.inner.nonces.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let start = || NonceHandle::start(PoolNonce { client: Arc::downgrade(&self.inner), account: *account });
        nonces.entry(account.0).or_insert_with(start).clone()
    }

    pub(crate) fn methods(&self) -> &LegacyRpcMethods<RpcConfigFor<CairnConfig>> {
        &self.inner.methods
    }

    /// A plain RPC request.
    pub(crate) async fn request<T: DeserializeOwned>(&self, method: &str, params: RpcParams) -> Result<T, Error> {
        self.inner.rpc.request(method, params).await.map_err(rpc_error)
    }
}

/// The nonce as the node sees it. Holds no strong reference, so that the actors end with their client.
struct PoolNonce {
    client: std::sync::Weak<Inner>,
    account: AccountId,
}

impl NonceSource for PoolNonce {
    fn next_nonce(&self) -> futures::future::BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            let inner = self.client.upgrade().ok_or_else(|| Error::malformed("the client was closed"))?;
            Client { inner }.next_nonce(&self.account).await
        })
    }
}
