// SPDX-License-Identifier: Apache-2.0

//! A call of the runtime, ready to be put into a transaction. The modules below [`crate::chain`] make them.

use subxt::{
    ext::scale_value::{Composite, Value},
    tx::DynamicPayload,
};

use crate::AccountId;

/// A call with its arguments by name. It is encoded by the metadata of the runtime that will execute it, so a runtime
/// upgrade that moves pallets or calls doesn't change what is called; one that changes the arguments is an error.
#[derive(Clone, Debug)]
pub struct Call {
    pub(crate) payload: DynamicPayload<Composite<()>>,
}

impl Call {
    pub(crate) fn new<const N: usize>(pallet: &str, name: &str, args: [(&str, Value); N]) -> Self {
        let args = Composite::named(args.map(|(name, value)| (name.to_string(), value)));
        Self { payload: DynamicPayload::new(pallet, name, args) }
    }

    /// Name of the call: `Balances.transfer_keep_alive`.
    pub fn name(&self) -> String {
        format!("{}.{}", self.payload.pallet_name(), self.payload.call_name())
    }

    /// Several calls in one transaction: all take effect or none.
    pub fn batch(calls: impl IntoIterator<Item = Call>) -> Self {
        let calls: Vec<Value> = calls.into_iter().map(|call| call.payload.into_value()).collect();
        Call::new("Utility", "batch_all", [("calls", Value::unnamed_composite(calls))])
    }
}

/// Values of argument types that occur in several pallets.
pub(crate) mod arg {
    use super::{AccountId, Value};

    pub(crate) fn account(account: &AccountId) -> Value {
        Value::from_bytes(account.0)
    }

    pub(crate) fn address(account: &AccountId) -> Value {
        Value::unnamed_variant("Id", [self::account(account)])
    }

    pub(crate) fn bytes(bytes: &[u8]) -> Value {
        Value::from_bytes(bytes)
    }

    pub(crate) fn option(value: Option<Value>) -> Value {
        match value {
            Some(value) => Value::unnamed_variant("Some", [value]),
            None => Value::unnamed_variant("None", []),
        }
    }
}
