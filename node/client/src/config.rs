// SPDX-License-Identifier: Apache-2.0

//! What subxt is told of Cairn: every signature is for one metadata of the runtime.
//!
//! # Correctness
//! Calls are encoded by the metadata that a node serves. The hash of these very bytes, together with the coin's name and
//! decimals by which amounts are read and shown, is a part of what is signed (RFC 78, `CheckMetadataHash`). A runtime whose own
//! hash is another one refuses the transaction. So no node can have another call signed than the call that was asked for, nor
//! the same call over another amount.

use std::{collections::HashMap, sync::Arc};

use codec::{Decode, Encode};
use merkleized_metadata::{generate_metadata_digest, ExtraInfo};
use subxt::{
    config::{
        substrate::{AccountId32, MultiSignature, SubstrateHeader, H256},
        transaction_extensions::{
            ChargeTransactionPayment, ChargeTransactionPaymentParams, CheckGenesis, CheckMetadataHashMode,
            CheckMortality, CheckMortalityParams, CheckNonce, CheckNonceParams, CheckSpecVersion, CheckTxVersion,
        },
        ClientState, Config, HashFor, TransactionExtension, TransactionExtensions,
    },
    error::TransactionExtensionError,
    ext::{
        frame_decode::extrinsics::{TransactionExtension as Encoded, TransactionExtensionError as EncodeError},
        frame_metadata::RuntimeMetadataPrefixed,
        scale_type_resolver::TypeResolver,
    },
    metadata::ArcMetadata,
    Metadata, SubstrateConfig,
};

use crate::{view::AtBlock, Error, Properties, View};

/// The format of the metadata that RFC 78 hashes.
pub(crate) const HASHED_FORMAT: u32 = 15;
/// More bytes of metadata than this are refused; Cairn's has half a million.
const METADATA_BYTES_MAX: usize = 8 << 20;
/// Versions of the runtime whose hashes are kept.
const VERSIONS_MAX: usize = 4;
/// The value of [`CheckMetadataHash`]: the signed bytes hold a hash.
const ENABLED: u8 = 1;

/// Cairn's types, as the SDK has them by default, and its extensions of transactions.
#[derive(Clone, Debug, Default)]
pub(crate) struct CairnConfig(SubstrateConfig);

impl Config for CairnConfig {
    type AccountId = AccountId32;
    type Address = <SubstrateConfig as Config>::Address;
    type Signature = MultiSignature;
    type Hasher = <SubstrateConfig as Config>::Hasher;
    type Header = SubstrateHeader<H256>;
    type TransactionExtensions = Extensions;
    type AssetId = <SubstrateConfig as Config>::AssetId;

    fn metadata_for_spec_version(&self, spec_version: u32) -> Option<ArcMetadata> {
        self.0.metadata_for_spec_version(spec_version)
    }

    fn set_metadata_for_spec_version(&self, spec_version: u32, metadata: ArcMetadata) {
        self.0.set_metadata_for_spec_version(spec_version, metadata);
    }
}

/// What a transaction holds beside its call. The runtime's other extensions have no value.
type Extensions = (
    CheckSpecVersion,
    CheckTxVersion,
    CheckNonce,
    CheckGenesis<CairnConfig>,
    CheckMortality<CairnConfig>,
    ChargeTransactionPayment,
    CheckMetadataHash,
);
pub(crate) type Params = <Extensions as TransactionExtensions<CairnConfig>>::Params;

/// What a transaction needs beside its call: it is valid for so many blocks from the one that is signed against.
pub(crate) fn params(
    nonce: u64,
    tip: u128,
    blocks: u64,
    from: (u64, HashFor<CairnConfig>),
    metadata_hash: [u8; 32],
) -> Params {
    (
        (),
        (),
        CheckNonceParams::with_nonce(nonce),
        (),
        CheckMortalityParams::mortal_from_unchecked(blocks, from.0, from.1),
        ChargeTransactionPaymentParams::tip(tip),
        MetadataHash(metadata_hash),
    )
}

/// Hash of the metadata by which a call is encoded.
pub(crate) struct MetadataHash([u8; 32]);

impl subxt::config::transaction_extensions::Params<CairnConfig> for MetadataHash {}

/// That a call was encoded by the runtime's own metadata: the signed bytes hold its hash.
pub(crate) struct CheckMetadataHash(MetadataHash);

impl TransactionExtension<CairnConfig> for CheckMetadataHash {
    type Decoded = CheckMetadataHashMode;
    type Params = MetadataHash;

    fn new(_: &ClientState<CairnConfig>, hash: MetadataHash) -> Result<Self, TransactionExtensionError> {
        Ok(Self(hash))
    }
}

impl<R: TypeResolver> Encoded<R> for CheckMetadataHash {
    const NAME: &str = "CheckMetadataHash";

    fn encode_value_to(&self, _: R::TypeId, _: &R, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.push(ENABLED);
        Ok(())
    }

    fn encode_implicit_to(&self, _: R::TypeId, _: &R, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Some(self.0 .0).encode_to(out);
        Ok(())
    }
}

/// What a runtime says of itself first.
#[derive(Debug, Decode)]
struct RuntimeName {
    spec_name: String,
    _implementation: String,
    _authoring: u32,
    spec_version: u32,
}

/// A block to sign against: its runtime's metadata is the one that was hashed.
#[derive(Clone)]
pub(crate) struct Signing {
    pub(crate) at: AtBlock,
    pub(crate) metadata_hash: [u8; 32],
}

/// Metadata and its hash, of some versions of the runtime.
#[derive(Default)]
pub(crate) struct Hashed(HashMap<u32, (ArcMetadata, [u8; 32])>);

impl Hashed {
    /// The hash of the metadata that a block's calls are encoded by, if that was hashed.
    pub(crate) fn signing(&self, at: &AtBlock) -> Option<Signing> {
        let (metadata, hash) = self.0.get(&at.spec_version())?;
        Arc::ptr_eq(metadata, &at.metadata()).then(|| Signing { at: at.clone(), metadata_hash: *hash })
    }

    pub(crate) fn keep(&mut self, version: u32, metadata: ArcMetadata, hash: [u8; 32]) {
        if self.0.len() >= VERSIONS_MAX {
            self.0.clear();
        }
        self.0.insert(version, (metadata, hash));
    }
}

/// Asks a node for the metadata of a block's runtime; the metadata by which calls are to be encoded, and its hash.
pub(crate) async fn fetch(view: &View, properties: &Properties) -> Result<(ArcMetadata, [u8; 32]), Error> {
    let (bytes, version) = futures::try_join!(view.metadata(HASHED_FORMAT), view.api_raw("Core_version", &()))?;
    let name = RuntimeName::decode(&mut &version[..]).map_err(Error::malformed)?;
    if name.spec_version != view.spec_version() {
        return Err(Error::malformed("the node gives two versions of one runtime"));
    }
    let extra = ExtraInfo {
        spec_version: name.spec_version,
        spec_name: name.spec_name,
        base58_prefix: properties.ss58_prefix,
        decimals: properties.decimals,
        token_symbol: properties.symbol.clone(),
    };
    // Some tens of milliseconds of work.
    let hashed = tokio::task::spawn_blocking(move || hash(&bytes, extra));
    hashed.await.map_err(|error| Error::malformed(format!("the metadata can't be hashed: {error}")))?
}

/// Reads metadata twice from the same bytes: to encode calls, and to hash it.
fn hash(bytes: &[u8], extra: ExtraInfo) -> Result<(ArcMetadata, [u8; 32]), Error> {
    if bytes.len() > METADATA_BYTES_MAX {
        return Err(Error::malformed(format!("the runtime's metadata has more than {METADATA_BYTES_MAX} bytes")));
    }
    let metadata = Metadata::decode_from(bytes).map_err(Error::malformed)?;
    let RuntimeMetadataPrefixed(_, raw) = RuntimeMetadataPrefixed::decode(&mut &*bytes).map_err(Error::malformed)?;
    let digest = generate_metadata_digest(&raw, extra).map_err(Error::malformed)?;
    Ok((metadata.arc(), digest.hash()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the runtime compares with stands in its sources: its own tests hold that against its metadata.
    #[test]
    fn the_hash_is_the_one_that_is_built_into_the_runtime() {
        let bytes = include_bytes!("../metadata.scale");
        let version = include_str!("../../../runtime/src/lib.rs");
        let spec_version = version
            .split("\nversion!(")
            .nth(1)
            .and_then(|rest| rest.split(')').next()?.parse().ok())
            .expect("the runtime's version");
        let cairn = Properties::default();
        let extra = |decimals| ExtraInfo {
            spec_version,
            spec_name: "cairn".into(),
            base58_prefix: cairn.ss58_prefix,
            decimals,
            token_symbol: cairn.symbol.clone(),
        };
        let (_, found) = hash(bytes, extra(cairn.decimals)).expect("committed metadata");
        let committed = include_str!("../../../runtime/metadata-hash").lines().next().expect("a line");
        assert_eq!(format!("0x{}", hex::encode(found)), committed);
        let (_, other) = hash(bytes, extra(cairn.decimals + 3)).expect("committed metadata");
        assert_ne!(found, other, "a node that shows a thousandth of each amount has another hash");
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        let extra = || ExtraInfo {
            spec_version: 1,
            spec_name: String::new(),
            base58_prefix: 0,
            decimals: 0,
            token_symbol: String::new(),
        };
        let bytes = include_bytes!("../metadata.scale");
        for bad in [&bytes[..0], &bytes[..7], &bytes[..bytes.len() / 2], &[0xff; 64][..]] {
            hash(bad, extra()).map(|_| ()).expect_err("no metadata");
        }
    }
}
