// SPDX-License-Identifier: Apache-2.0

//! Validators' session keys, and the validators of the current session.

use serde::Deserialize;
use subxt::{
    ext::scale_value::{scale, Composite, Value},
    rpcs::client::rpc_params,
};

use crate::{call::arg, convert::subxt_error, view::AtBlock, AccountId, Call, Client, Error, View};

/// Keys that a validator's node made for itself, with the proof that it holds their secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionKeys {
    /// All public keys, one after the other.
    pub keys: Vec<u8>,
    /// Signatures of the owning account, made with each of them.
    pub proof: Vec<u8>,
}

#[derive(Deserialize)]
struct GeneratedKeys {
    keys: String,
    #[serde(default)]
    proof: Option<String>,
}

impl Client {
    /// Lets the node make new session keys for an account, in its own keystore, whose secrets never leave it. The node
    /// must serve unsafe RPC methods, as it does on its own machine.
    pub async fn rotate_session_keys(&self, owner: &AccountId) -> Result<SessionKeys, Error> {
        let owner = format!("0x{}", hex::encode(owner.0));
        let generated: GeneratedKeys = self.request("author_rotateKeysWithOwner", rpc_params![owner]).await?;
        let proof = generated.proof.ok_or_else(|| Error::malformed("the node gave no proof for its session keys"))?;
        Ok(SessionKeys { keys: unhex(&generated.keys)?, proof: unhex(&proof)? })
    }

    /// Whether the node holds the secrets of these session keys.
    pub async fn has_session_keys(&self, keys: &[u8]) -> Result<bool, Error> {
        let keys = format!("0x{}", hex::encode(keys));
        self.request("author_hasSessionKeys", rpc_params![keys]).await
    }
}

impl View {
    /// The validators of the current session.
    pub async fn validators(&self) -> Result<Vec<AccountId>, Error> {
        self.value("Session", "Validators", ()).await
    }

    /// Deposit for an account's first session keys, in the smallest units.
    pub fn session_key_deposit(&self) -> Result<u128, Error> {
        self.constant("Session", "KeyDeposit")
    }

    /// Number of the current session.
    pub async fn session_index(&self) -> Result<u32, Error> {
        self.value("Session", "CurrentIndex", ()).await
    }

    /// The session keys that an account has set, all one after the other; `None` if it has set none.
    pub async fn session_keys(&self, account: &AccountId) -> Result<Option<Vec<u8>>, Error> {
        let address = subxt::storage::DynamicAddress::<(AccountId,), Value>::new("Session", "NextKeys");
        let value = self.at.storage().try_fetch(address, (*account,)).await.map_err(subxt_error)?;
        Ok(value.map(|value| value.into_bytes()))
    }

    /// Sets session keys; effective from the session after the next.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the keys are not those of this runtime.
    pub fn set_keys(&self, keys: &SessionKeys) -> Result<Call, Error> {
        let value = decode_keys(&self.at, &keys.keys)?;
        Ok(Call::new("Session", "set_keys", [("keys", value), ("proof", arg::bytes(&keys.proof))]))
    }
}

/// The keys as a value of the runtime's own type for them.
fn decode_keys(at: &AtBlock, keys: &[u8]) -> Result<Value, Error> {
    let metadata = at.metadata_ref();
    let call = metadata.pallet_by_name("Session").and_then(|pallet| pallet.call_variant_by_name("set_keys"));
    let field = call.and_then(|call| call.fields.iter().find(|field| field.name.as_deref() == Some("keys")));
    let type_id = field.ok_or_else(|| Error::Incompatible("there is no Session.set_keys".into()))?.ty.id;
    let mut input = keys;
    let value = scale::decode_as_type(&mut input, type_id, metadata.types()).map_err(Error::malformed)?;
    if !input.is_empty() {
        return Err(Error::malformed("the node's session keys have too many bytes for this runtime"));
    }
    Ok(value.remove_context())
}

/// Removes the session keys of the signing account.
pub fn purge_keys() -> Call {
    Call { payload: subxt::tx::DynamicPayload::new("Session", "purge_keys", Composite::unnamed([])) }
}

fn unhex(text: &str) -> Result<Vec<u8>, Error> {
    hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(Error::malformed)
}
