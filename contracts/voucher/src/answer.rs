// SPDX-License-Identifier: Apache-2.0

use codec::{Decode, Encode};

use crate::{writer::Writer, Bytes32};

/// A provider's word for what it answered to a request.
///
/// Two answers to the same request of a method that the provider declared deterministic, with different responses, are proof of
/// a fault: whoever shows both to the contract gets part of the provider's bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "scale-info", derive(scale_info::TypeInfo))]
pub struct Answer {
    /// Hash of the chain's block 0.
    pub genesis: Bytes32,
    /// Account of the marketplace.
    pub contract: Bytes32,
    /// Public key (sr25519) that signs: the API's answer key.
    pub key: Bytes32,
    /// Number of the API in the marketplace.
    pub api: u32,
    /// Index of the method in the API's list.
    pub method: u16,
    /// Hash of all of the request that the response may depend on.
    pub request: Bytes32,
    /// Hash of the response.
    pub response: Bytes32,
    /// From the request's last byte in to the response's first byte out, in milliseconds, by the provider's clock.
    pub latency_ms: u32,
    /// When it was answered, in milliseconds since 1970.
    pub at_ms: u64,
}

impl Answer {
    /// Purpose and version.
    pub const DOMAIN: &'static [u8; 15] = b"cairn/answer/v1";
    /// Length of [`Self::bytes`].
    pub const LEN: usize = 193;

    /// What the signature is over.
    pub fn bytes(&self) -> [u8; Self::LEN] {
        Writer::new()
            .put(Self::DOMAIN)
            .put(&self.genesis)
            .put(&self.contract)
            .put(&self.key)
            .put(&self.api.to_le_bytes())
            .put(&self.method.to_le_bytes())
            .put(&self.request)
            .put(&self.response)
            .put(&self.latency_ms.to_le_bytes())
            .put(&self.at_ms.to_le_bytes())
            .done()
    }

    /// Whether both can't be true of a deterministic method.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        let same = |a: &Self| (a.genesis, a.contract, a.api, a.method, a.request);
        same(self) == same(other) && self.response != other.response
    }
}
