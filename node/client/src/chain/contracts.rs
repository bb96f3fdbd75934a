// SPDX-License-Identifier: Apache-2.0

//! Smart contracts (`pallet-contracts`).

use codec::{Decode, Encode};
use subxt::{
    ext::{scale_decode::DecodeAsType, scale_value::Value},
    Metadata,
};

use crate::{
    call::{arg, Call},
    refusal::{DispatchError, Refusal, Stage},
    view::decode,
    AccountId, Error, Hash, View,
};

/// Execution time and proof size, the two dimensions of gas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Weight {
    /// Picoseconds on the reference machine.
    #[codec(compact)]
    pub ref_time: u64,
    /// Bytes of storage proof.
    #[codec(compact)]
    pub proof_size: u64,
}

impl Weight {
    /// A part more, for what may change until the transaction is included. Rounded up.
    pub fn with_margin(self, percent: u64) -> Self {
        let more = |value: u64| value.saturating_add((u128::from(value) * u128::from(percent)).div_ceil(100) as u64);
        Self { ref_time: more(self.ref_time), proof_size: more(self.proof_size) }
    }

    fn value(self) -> Value {
        Value::named_composite([
            ("ref_time", Value::u128(self.ref_time.into())),
            ("proof_size", Value::u128(self.proof_size.into())),
        ])
    }
}

/// What happens to the deposit for storage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Decode)]
pub enum StorageDeposit {
    /// Given back, in the smallest units.
    Refund(u128),
    /// Taken, in the smallest units.
    Charge(u128),
}

impl StorageDeposit {
    /// What has to be paid.
    pub fn charge(self) -> u128 {
        match self {
            StorageDeposit::Charge(amount) => amount,
            StorageDeposit::Refund(_) => 0,
        }
    }
}

/// What a contract returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// The contract asked to undo everything.
    pub reverted: bool,
    /// Its answer, SCALE-encoded.
    pub data: Vec<u8>,
}

/// What a call or an instantiation would do now.
#[derive(Clone, Debug)]
pub struct DryRun<T> {
    /// Gas it needs at least.
    pub gas_required: Weight,
    /// What happens to the deposit for storage.
    pub storage_deposit: StorageDeposit,
    /// Text that the contract printed, if the chain collects it.
    pub debug_message: String,
    /// The result, or why it would be refused.
    pub result: Result<T, Refusal>,
}

/// What an instantiation would give.
#[derive(Clone, Debug)]
pub struct Instantiated {
    /// The constructor's answer.
    pub returned: Returned,
    /// Address of the new contract.
    pub account: AccountId,
}

/// What an upload would give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uploaded {
    /// Names the code from then on.
    pub code_hash: Hash,
    /// Deposit for it, in the smallest units.
    pub deposit: u128,
}

/// Code for a new contract.
#[derive(Clone, Debug, Encode)]
pub enum Code {
    /// The code itself.
    Upload(Vec<u8>),
    /// Code that was uploaded before.
    Existing([u8; 32]),
}

/// What the chain knows of a contract.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct ContractInfo {
    /// Names its code.
    pub code_hash: Hash,
    /// Bytes it has stored.
    pub storage_bytes: u32,
    /// Entries it has stored.
    pub storage_items: u32,
    /// Deposit for the bytes, in the smallest units.
    pub storage_byte_deposit: u128,
    /// Deposit for the entries, in the smallest units.
    pub storage_item_deposit: u128,
    /// Deposit for the contract's own entry, in the smallest units.
    pub storage_base_deposit: u128,
}

/// What the chain knows of uploaded code.
#[derive(Clone, Debug, PartialEq, Eq, DecodeAsType)]
#[decode_as_type(crate_path = "subxt::ext::scale_decode")]
pub struct CodeInfo {
    /// Uploaded it, paid the deposit, and may remove it.
    pub owner: AccountId,
    /// The deposit, in the smallest units.
    pub deposit: u128,
    /// Contracts that are made of it.
    pub refcount: u64,
    /// Its length in bytes.
    pub code_len: u32,
}

/// The part of `ContractResult` before the result itself.
#[derive(Decode)]
struct Costs {
    _gas_consumed: Weight,
    gas_required: Weight,
    storage_deposit: StorageDeposit,
    debug_message: Vec<u8>,
}

/// A contract's flag for "undo everything".
const FLAG_REVERT: u32 = 1;

#[derive(Decode)]
struct ExecReturnValue {
    flags: u32,
    data: Vec<u8>,
}

impl From<ExecReturnValue> for Returned {
    fn from(value: ExecReturnValue) -> Self {
        Self { reverted: value.flags & FLAG_REVERT != 0, data: value.data }
    }
}

impl View {
    /// A contract.
    pub async fn contract(&self, account: &AccountId) -> Result<Option<ContractInfo>, Error> {
        self.get("Contracts", "ContractInfoOf", (*account,)).await
    }

    /// Code that was uploaded.
    pub async fn contract_code(&self, hash: &Hash) -> Result<Option<CodeInfo>, Error> {
        self.get("Contracts", "CodeInfoOf", (*hash,)).await
    }

    /// What uploading this code would do.
    pub async fn dry_upload(&self, origin: &AccountId, code: &[u8]) -> Result<Result<Uploaded, Refusal>, Error> {
        let answer = self.api_raw("ContractsApi_upload_code", &upload_args(origin, code)).await?;
        let result: Result<([u8; 32], u128), DispatchError> = decode(&answer)?;
        Ok(result
            .map(|(hash, deposit)| Uploaded { code_hash: hash.into(), deposit })
            .map_err(|error| error.explain(self.at.metadata_ref(), Stage::Check)))
    }

    /// What making a contract would do.
    pub async fn dry_instantiate(
        &self,
        origin: &AccountId,
        value: u128,
        code: Code,
        data: &[u8],
        salt: &[u8],
    ) -> Result<DryRun<Instantiated>, Error> {
        let args = instantiate_args(origin, value, code, data, salt);
        let answer = self.api_raw("ContractsApi_instantiate", &args).await?;
        read_dry_run(self.at.metadata_ref(), &answer, read_instantiated)
    }

    /// What calling a contract would do.
    pub async fn dry_call(
        &self,
        origin: &AccountId,
        contract: &AccountId,
        value: u128,
        data: &[u8],
    ) -> Result<DryRun<Returned>, Error> {
        let answer = self.api_raw("ContractsApi_call", &call_args(origin, contract, value, data)).await?;
        read_dry_run(self.at.metadata_ref(), &answer, read_returned)
    }
}

/// Without limits: the trial tells what is needed.
type Limits = (Option<Weight>, Option<u128>);
const NO_LIMITS: Limits = (None, None);

pub(super) fn upload_args(origin: &AccountId, code: &[u8]) -> impl Encode {
    let enforced = 0u8;
    (origin.0, code.to_vec(), NO_LIMITS.1, enforced)
}

pub(super) fn instantiate_args(origin: &AccountId, value: u128, code: Code, data: &[u8], salt: &[u8]) -> impl Encode {
    (origin.0, value, NO_LIMITS, code, data.to_vec(), salt.to_vec())
}

pub(super) fn call_args(origin: &AccountId, contract: &AccountId, value: u128, data: &[u8]) -> impl Encode {
    (origin.0, contract.0, value, NO_LIMITS, data.to_vec())
}

pub(super) fn read_returned(input: &mut &[u8]) -> Result<Returned, codec::Error> {
    ExecReturnValue::decode(input).map(Returned::from)
}

pub(super) fn read_instantiated(input: &mut &[u8]) -> Result<Instantiated, codec::Error> {
    let (returned, account) = <(ExecReturnValue, [u8; 32])>::decode(input)?;
    Ok(Instantiated { returned: returned.into(), account: account.into() })
}

/// Reads `ContractResult`. Its end (the events) is left unread, as the pallet's documentation asks for.
pub(super) fn read_dry_run<T>(
    metadata: &Metadata,
    answer: &[u8],
    read: impl FnOnce(&mut &[u8]) -> Result<T, codec::Error>,
) -> Result<DryRun<T>, Error> {
    let mut input = answer;
    let costs = Costs::decode(&mut input).map_err(Error::malformed)?;
    let result = match u8::decode(&mut input).map_err(Error::malformed)? {
        0 => Ok(read(&mut input).map_err(Error::malformed)?),
        1 => {
            let error = DispatchError::decode(&mut input).map_err(Error::malformed)?;
            Err(error.explain(metadata, Stage::Check))
        },
        other => return Err(Error::malformed(format!("a result has the tag {other}"))),
    };
    Ok(DryRun {
        gas_required: costs.gas_required,
        storage_deposit: costs.storage_deposit,
        debug_message: String::from_utf8_lossy(&costs.debug_message).into_owned(),
        result,
    })
}

fn limit(value: Option<u128>) -> Value {
    arg::option(value.map(Value::u128))
}

/// Uploads code without making a contract of it.
pub fn upload_code(code: &[u8], storage_deposit_limit: Option<u128>) -> Call {
    Call::new(
        "Contracts",
        "upload_code",
        [
            ("code", arg::bytes(code)),
            ("storage_deposit_limit", limit(storage_deposit_limit)),
            ("determinism", Value::unnamed_variant("Enforced", [])),
        ],
    )
}

/// Removes code that no contract is made of. The deposit goes back to who uploaded it.
pub fn remove_code(hash: &Hash) -> Call {
    Call::new("Contracts", "remove_code", [("code_hash", arg::bytes(&hash.0))])
}

/// Makes a contract.
pub fn instantiate(
    value: u128,
    gas_limit: Weight,
    storage_deposit_limit: Option<u128>,
    code: &Code,
    data: &[u8],
    salt: &[u8],
) -> Call {
    let (name, code) = match code {
        Code::Upload(code) => ("instantiate_with_code", ("code", arg::bytes(code))),
        Code::Existing(hash) => ("instantiate", ("code_hash", arg::bytes(hash))),
    };
    Call::new(
        "Contracts",
        name,
        [
            ("value", Value::u128(value)),
            ("gas_limit", gas_limit.value()),
            ("storage_deposit_limit", limit(storage_deposit_limit)),
            code,
            ("data", arg::bytes(data)),
            ("salt", arg::bytes(salt)),
        ],
    )
}

/// Calls a contract.
pub fn call(
    contract: &AccountId,
    value: u128,
    gas_limit: Weight,
    storage_deposit_limit: Option<u128>,
    data: &[u8],
) -> Call {
    Call::new(
        "Contracts",
        "call",
        [
            ("dest", arg::address(contract)),
            ("value", Value::u128(value)),
            ("gas_limit", gas_limit.value()),
            ("storage_deposit_limit", limit(storage_deposit_limit)),
            ("data", arg::bytes(data)),
        ],
    )
}

/// The code hash of a WASM blob: the name it has on chain.
pub fn code_hash(code: &[u8]) -> Hash {
    sp_crypto_hashing::blake2_256(code).into()
}

#[cfg(test)]
mod tests {
    use codec::Compact;

    use super::*;

    #[test]
    fn margins_round_up_and_never_overflow() {
        let weight = Weight { ref_time: 10, proof_size: 1 };
        assert_eq!(weight.with_margin(15), Weight { ref_time: 12, proof_size: 2 });
        assert_eq!(weight.with_margin(0), weight);
        let most = Weight { ref_time: u64::MAX, proof_size: u64::MAX };
        assert_eq!(most.with_margin(10), most);
    }

    #[test]
    fn costs_are_read_as_the_pallet_writes_them() {
        let mut bytes = Vec::new();
        (Compact(5u64), Compact(6u64), Compact(7u64), Compact(8u64)).encode_to(&mut bytes);
        (1u8, 99u128, b"hi".to_vec()).encode_to(&mut bytes);
        let costs = Costs::decode(&mut &bytes[..]).expect("valid");
        assert_eq!(costs.gas_required, Weight { ref_time: 7, proof_size: 8 });
        assert_eq!(costs.storage_deposit, StorageDeposit::Charge(99));
        assert_eq!(costs.debug_message, b"hi");
        for length in 0..bytes.len() {
            assert!(Costs::decode(&mut &bytes[..length]).is_err());
        }
    }

    #[test]
    fn reverts_are_seen() {
        let bytes = (1u32, vec![0u8, 1]).encode();
        let returned = Returned::from(ExecReturnValue::decode(&mut &bytes[..]).expect("valid"));
        assert!(returned.reverted);
        assert_eq!(returned.data, [0, 1]);
    }
}
