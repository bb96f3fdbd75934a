// SPDX-License-Identifier: Apache-2.0

use codec::{Decode, Encode};

use crate::{writer::Writer, Bytes32, WRAP_END, WRAP_START};

/// A consumer's permission for one of its own users: an API key that needs no transaction.
///
/// The provider counts the user's units, and bills them to the consumer. The contract never sees a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "scale-info", derive(scale_info::TypeInfo))]
pub struct Badge {
    /// Hash of the chain's block 0.
    pub genesis: Bytes32,
    /// Account of the marketplace.
    pub contract: Bytes32,
    /// Account whose balance or plan pays.
    pub consumer: Bytes32,
    /// Public key (sr25519) of who signs this. The consumer authorised it.
    pub signer: Bytes32,
    /// Public key (sr25519) of the user.
    pub user: Bytes32,
    /// Number of the API in the marketplace.
    pub api: u32,
    /// Number of the signer's authorisation.
    pub epoch: u32,
    /// Most units that the user may use in all.
    pub units_max: u64,
    /// Not to be honoured from then on, in milliseconds since 1970.
    pub expires_at_ms: u64,
}

impl Badge {
    /// Purpose and version.
    pub const DOMAIN: &'static [u8; 14] = b"cairn/badge/v1";
    /// Length of [`Self::bytes`].
    pub const LEN: usize = 198;
    /// Length of [`Self::signed_bytes`].
    pub const SIGNED_LEN: usize = Self::LEN + 15;

    /// What a page gives to a wallet, which wraps it.
    pub fn bytes(&self) -> [u8; Self::LEN] {
        self.write(Writer::new()).done()
    }

    /// What the signature is over.
    pub fn signed_bytes(&self) -> [u8; Self::SIGNED_LEN] {
        self.write(Writer::new().put(WRAP_START)).put(WRAP_END).done()
    }

    fn write<const LEN: usize>(&self, writer: Writer<LEN>) -> Writer<LEN> {
        writer
            .put(Self::DOMAIN)
            .put(&self.genesis)
            .put(&self.contract)
            .put(&self.consumer)
            .put(&self.signer)
            .put(&self.user)
            .put(&self.api.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&self.units_max.to_le_bytes())
            .put(&self.expires_at_ms.to_le_bytes())
    }
}
