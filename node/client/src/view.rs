// SPDX-License-Identifier: Apache-2.0

//! The chain's state at one block. The modules below [`crate::chain`] add the typed reads.
//!
//! Reads go by the names in the runtime's own metadata and decode into types that name only the fields this program
//! uses. A runtime upgrade that adds fields or storage therefore doesn't stop a program that is running, and one that
//! renames or removes what is used is reported as [`Error::Incompatible`]. What is used is checked against the
//! committed metadata by this crate's tests.

use codec::Encode;
use subxt::{
    client::OnlineClientAtBlockImpl,
    ext::{
        frame_decode::{
            runtime_apis::IntoEncodableValues as IntoApiArgs,
            storage::{IntoDecodableValues, IntoEncodableValues},
        },
        scale_decode::DecodeAsType,
    },
    storage::DynamicAddress,
};

use crate::{config::CairnConfig, convert::subxt_error, Error, FinalizedBlock, Hash};

pub(crate) type AtBlock = subxt::OnlineClientAtBlock<CairnConfig>;
pub(crate) type AtBlockImpl = OnlineClientAtBlockImpl<CairnConfig>;

/// The chain's state at one block.
#[derive(Clone)]
pub struct View {
    pub(crate) at: AtBlock,
}

impl View {
    /// Number of the block.
    pub fn block_number(&self) -> u64 {
        self.at.block_number()
    }

    /// Number of the block as the runtime counts, in 32 bits.
    pub fn block_number_u32(&self) -> u32 {
        u32::try_from(self.block_number()).unwrap_or(u32::MAX)
    }

    /// Hash of the block.
    pub fn block_hash(&self) -> Hash {
        self.at.block_hash()
    }

    /// The block itself, to follow the chain from.
    pub fn block(&self) -> FinalizedBlock {
        FinalizedBlock { number: self.block_number(), hash: self.block_hash() }
    }

    /// Version of the runtime at this block.
    pub fn spec_version(&self) -> u32 {
        self.at.spec_version()
    }

    /// Whether the runtime has this pallet.
    pub fn has_pallet(&self, pallet: &str) -> bool {
        self.at.metadata_ref().pallet_by_name(pallet).is_some()
    }

    /// Whether the runtime answers this runtime API.
    pub(crate) fn has_api(&self, api: &str) -> bool {
        self.at.metadata_ref().runtime_api_trait_by_name(api).is_some()
    }

    /// One storage value: `None` if it isn't set and has no default.
    pub(crate) async fn get<K, V>(&self, pallet: &str, entry: &str, keys: K) -> Result<Option<V>, Error>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        V: DecodeAsType,
    {
        let address = DynamicAddress::<K, V>::new(pallet, entry);
        let value = self.at.storage().try_fetch(address, keys).await.map_err(subxt_error)?;
        value.map(|value| value.decode().map_err(subxt_error)).transpose()
    }

    /// One storage value that is set, or has a default in the runtime.
    pub(crate) async fn value<K, V>(&self, pallet: &str, entry: &str, keys: K) -> Result<V, Error>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        V: DecodeAsType,
    {
        let missing = || Error::Incompatible(format!("{pallet}.{entry} is not set"));
        self.get(pallet, entry, keys).await?.ok_or_else(missing)
    }

    /// The entries of a map below the given keys (`()` for all), at most `limit`.
    ///
    /// # Errors
    /// [`Error::Malformed`] if there are more.
    pub(crate) async fn entries<K, P, V>(
        &self,
        pallet: &str,
        entry: &str,
        prefix: P,
        limit: usize,
    ) -> Result<Vec<(K, V)>, Error>
    where
        K: IntoEncodableValues + IntoDecodableValues,
        P: subxt::storage::PrefixOf<K>,
        V: DecodeAsType,
    {
        let address = DynamicAddress::<K, V>::new(pallet, entry);
        let mut stream = self.at.storage().iter(address, prefix).await.map_err(subxt_error)?;
        let mut found = Vec::new();
        while let Some(item) = stream.next().await {
            let item = item.map_err(subxt_error)?;
            if found.len() == limit {
                return Err(Error::malformed(format!("{pallet}.{entry} has more than {limit} entries")));
            }
            let key = item.key().and_then(|key| key.decode()).map_err(subxt_error)?;
            found.push((key, item.value().decode().map_err(subxt_error)?));
        }
        Ok(found)
    }

    /// A constant of a pallet. The values of this chain, not those of the metadata this program was built with.
    pub(crate) fn constant<V: DecodeAsType>(&self, pallet: &str, name: &str) -> Result<V, Error> {
        let address = subxt::constants::DynamicAddress::<V>::new(pallet, name);
        self.at.constants().entry(address).map_err(subxt_error)
    }

    /// Calls a runtime API.
    pub(crate) async fn api<A, R>(&self, api: &str, method: &str, args: A) -> Result<R, Error>
    where
        A: IntoApiArgs,
        R: DecodeAsType,
    {
        let payload = subxt::runtime_apis::DynamicPayload::<A, R>::new(api, method, args);
        self.at.runtime_apis().call(payload).await.map_err(subxt_error)
    }

    /// Calls a runtime API by its full name with SCALE-encoded arguments; the raw answer.
    pub(crate) async fn api_raw(&self, function: &str, args: &impl Encode) -> Result<Vec<u8>, Error> {
        let args = args.encode();
        self.at.runtime_apis().call_raw(function, Some(&args)).await.map_err(subxt_error)
    }

    /// The runtime's metadata exactly as the runtime gives it, in the given version of its format.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the runtime doesn't offer that version; the text names those it does.
    pub async fn metadata(&self, version: u32) -> Result<Vec<u8>, Error> {
        let versions = self.metadata_versions().await?;
        if !versions.contains(&version) {
            let offered = versions.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
            return Err(Error::invalid("metadata version", format!("{version}; the runtime offers {offered}")));
        }
        let answer = self.api_raw("Metadata_metadata_at_version", &version).await?;
        decode::<Option<Vec<u8>>>(&answer)?.ok_or_else(|| Error::malformed("no metadata"))
    }

    /// The versions of the metadata's format that the runtime offers, without the unstable one.
    pub async fn metadata_versions(&self) -> Result<Vec<u32>, Error> {
        let mut versions: Vec<u32> = decode(&self.api_raw("Metadata_metadata_versions", &()).await?)?;
        versions.retain(|version| *version != u32::MAX);
        versions.sort_unstable();
        Ok(versions)
    }
}

/// Decodes a SCALE value that must fill all its bytes.
pub(crate) fn decode<T: codec::DecodeAll>(bytes: &[u8]) -> Result<T, Error> {
    T::decode_all(&mut &*bytes).map_err(Error::malformed)
}
