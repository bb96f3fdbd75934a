// SPDX-License-Identifier: Apache-2.0

use codec::{Decode, Encode};

use crate::{writer::Writer, Bytes32, WRAP_END, WRAP_START};

/// A promise to pay: what one consumer owes one provider for one API since `epoch` began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cfg_attr(feature = "scale-info", derive(scale_info::TypeInfo))]
pub struct Voucher {
    /// Hash of the chain's block 0.
    pub genesis: Bytes32,
    /// Account of the marketplace.
    pub contract: Bytes32,
    /// Account whose balance pays.
    pub consumer: Bytes32,
    /// Public key (sr25519) of who signs. The consumer authorised it.
    pub signer: Bytes32,
    /// Account that is paid.
    pub provider: Bytes32,
    /// Number of the API in the marketplace.
    pub api: u32,
    /// Number of the signer's authorisation: every new one by the same consumer has a higher one.
    pub epoch: u32,
    /// Calls since the epoch began.
    pub calls: u64,
    /// Compute units since the epoch began.
    pub units: u64,
    /// What is owed since the epoch began, in plancks.
    pub value: u128,
}

impl Voucher {
    /// Purpose and version.
    pub const DOMAIN: &'static [u8; 16] = b"cairn/voucher/v1";
    /// Length of [`Self::bytes`].
    pub const LEN: usize = 216;
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
            .put(&self.provider)
            .put(&self.api.to_le_bytes())
            .put(&self.epoch.to_le_bytes())
            .put(&self.calls.to_le_bytes())
            .put(&self.units.to_le_bytes())
            .put(&self.value.to_le_bytes())
    }
}
