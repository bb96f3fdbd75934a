// SPDX-License-Identifier: Apache-2.0

//! From subxt's errors to this library's: the cause that matters lies at different depths in each of them.

use subxt::{
    error::{
        BackendError, BlockError, BlocksError, ConstantError, EventsError, ExtrinsicError, OnlineClientAtBlockError,
        OnlineClientError, RpcError as SubxtRpcError, RuntimeApiError, StorageError, TransactionEventsError,
        TransactionProgressError,
    },
    rpcs::{Error as RpcError, UserError},
};

use crate::{
    error::{Error, Unreachable},
    refusal::classify_pool_error,
};

/// Converts any error of subxt.
pub(crate) fn subxt_error(error: impl Into<subxt::Error>) -> Error {
    let error = error.into();
    match backend_error(&error) {
        Some(backend) => from_backend(backend),
        None => without_backend(error),
    }
}

/// Converts an error of a plain RPC request.
pub(crate) fn rpc_error(error: RpcError) -> Error {
    from_rpc(&error)
}

fn from_backend(error: &BackendError) -> Error {
    match error {
        BackendError::Rpc(SubxtRpcError::ClientError(error)) => from_rpc(error),
        BackendError::Rpc(SubxtRpcError::SubscriptionDropped) => lost("the subscription ended"),
        other => Error::malformed(other),
    }
}

fn from_rpc(error: &RpcError) -> Error {
    match error {
        RpcError::User(error) => from_user(error),
        RpcError::Client(cause) => match cause.downcast_ref::<Unreachable>() {
            Some(unreachable) => Error::Unreachable(unreachable.clone()),
            None => lost(&cause.to_string()),
        },
        RpcError::DisconnectedWillReconnect(reason) => lost(reason),
        other => Error::malformed(other),
    }
}

fn from_user(error: &UserError) -> Error {
    let data = error.data.as_ref().map(|data| plain_text(data.get()));
    if let Some(refusal) = classify_pool_error(error.code, &error.message, data.as_deref()) {
        return refusal.into();
    }
    let message = match data {
        Some(data) if !data.is_empty() => format!("{} ({data})", error.message),
        _ => error.message.clone(),
    };
    Error::Rpc { code: error.code, message }
}

/// JSON text without its quotes.
fn plain_text(json: &str) -> String {
    serde_json::from_str::<String>(json).unwrap_or_else(|_| json.to_string())
}

fn lost(reason: &str) -> Error {
    Error::Unreachable(Unreachable { attempts: vec![("connection lost".into(), reason.into())] })
}

/// The failed request inside an error, if that is its cause.
fn backend_error(error: &subxt::Error) -> Option<&BackendError> {
    use subxt::Error as E;
    match error {
        E::BackendError(e) => Some(e),
        E::OnlineClientError(OnlineClientError::CannotGetGenesisHash(e)) => Some(e),
        E::OnlineClientAtBlockError(e) => at_block(e),
        E::BlockError(BlockError::CouldNotDownloadBlockHeader { reason, .. }) => Some(reason),
        E::BlocksError(e) => match e {
            BlocksError::CannotGetCurrentBlock(e) => at_block(e),
            BlocksError::CannotGetBlockHeaderStream(e) | BlocksError::CannotGetBlockHeader(e) => Some(e),
            _ => None,
        },
        E::StorageError(
            StorageError::CannotFetchValue(e) | StorageError::CannotIterateValues(e) | StorageError::StreamFailure(e),
        ) => Some(e),
        E::RuntimeApiError(RuntimeApiError::CannotCallApi(e)) => Some(e),
        E::EventsError(e) => events(e),
        E::ExtrinsicError(
            ExtrinsicError::CannotGetBlockBody(e)
            | ExtrinsicError::ErrorSubmittingTransaction(e)
            | ExtrinsicError::TransactionStatusStreamError(e)
            | ExtrinsicError::CannotGetFeeInfo(e)
            | ExtrinsicError::CannotGetValidationInfo(e),
        ) => Some(e),
        E::TransactionProgressError(TransactionProgressError::CannotGetNextProgressUpdate(e)) => Some(e),
        E::TransactionEventsError(e) => match e {
            TransactionEventsError::CannotFetchBlockBody { error, .. } => Some(error),
            TransactionEventsError::CannotInstantiateClientAtBlock(e) => at_block(e),
            TransactionEventsError::CannotDecodeEventInBlock { error, .. }
            | TransactionEventsError::CannotFetchEventsForTransaction { error, .. } => events(error),
            _ => None,
        },
        _ => None,
    }
}

fn at_block(error: &OnlineClientAtBlockError) -> Option<&BackendError> {
    use OnlineClientAtBlockError as E;
    match error {
        E::CannotGetCurrentBlock { reason }
        | E::CannotGetBlockHash { reason, .. }
        | E::CannotGetBlockHeader { reason, .. }
        | E::CannotGetSpecVersion { reason, .. } => Some(reason),
        _ => None,
    }
}

fn events(error: &EventsError) -> Option<&BackendError> {
    match error {
        EventsError::CannotFetchEventBytes(e) => Some(e),
        _ => None,
    }
}

/// Errors that come from the runtime's shape rather than from the connection.
fn without_backend(error: subxt::Error) -> Error {
    use subxt::Error as E;
    match error {
        E::OtherRpcClientError(error) | E::OnlineClientError(OnlineClientError::RpcError(error)) => from_rpc(&error),
        E::StorageError(
            e @ (StorageError::PalletNameNotFound(_)
            | StorageError::StorageEntryNotFound { .. }
            | StorageError::StorageInfoError(_)
            | StorageError::StorageKeyEncodeError(_)
            | StorageError::WrongNumberOfKeyPartsProvidedForFetching { .. }
            | StorageError::WrongNumberOfKeyPartsProvidedForIterating { .. }),
        ) => Error::Incompatible(e.to_string()),
        E::StorageValueError(e) => Error::Incompatible(e.to_string()),
        E::StorageKeyError(e) => Error::Incompatible(e.to_string()),
        E::ConstantError(e @ (ConstantError::PalletNameNotFound(_) | ConstantError::ConstantNameNotFound { .. })) => {
            Error::Incompatible(e.to_string())
        },
        E::ConstantError(e) => Error::Incompatible(e.to_string()),
        E::RuntimeApiError(e) => Error::Incompatible(e.to_string()),
        E::ExtrinsicError(
            e @ (ExtrinsicError::EncodeError(_)
            | ExtrinsicError::PalletNameNotFound(_)
            | ExtrinsicError::CallNameNotFound { .. }
            | ExtrinsicError::UnsupportedVersion
            | ExtrinsicError::Params(_)),
        ) => Error::Incompatible(e.to_string()),
        other => Error::malformed(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn user(code: i32, message: &str, data: Option<&str>) -> RpcError {
        let data = data.map(|data| {
            let json = serde_json::to_string(data).expect("a string is JSON");
            subxt::rpcs::client::RawValue::from_string(json).expect("valid")
        });
        RpcError::User(UserError { code, message: message.into(), data })
    }

    #[test]
    fn a_pool_error_becomes_a_refusal_at_any_depth() {
        let data = Some("Inability to pay some fees (e.g. account balance too low)");
        let inner = BackendError::from(user(1010, "Invalid Transaction", data));
        let error = subxt_error(ExtrinsicError::ErrorSubmittingTransaction(inner));
        assert_eq!((error.kind(), error.code()), (ErrorKind::Refused, "Pool::CannotPayFee"));
    }

    #[test]
    fn a_lost_connection_is_unreachable_at_any_depth() {
        let cause = Unreachable { attempts: vec![("ws://a".into(), "refused".into())] };
        let inner = BackendError::from(RpcError::Client(Box::new(cause.clone())));
        for error in [
            subxt_error(StorageError::CannotFetchValue(inner)),
            subxt_error(BackendError::from(RpcError::Client(Box::new(cause.clone())))),
            rpc_error(RpcError::Client(Box::new(cause))),
        ] {
            assert_eq!(error.kind(), ErrorKind::Unreachable);
            assert!(error.to_string().contains("ws://a (refused)"));
        }
    }

    #[test]
    fn other_answers_keep_code_and_details() {
        let error = rpc_error(user(-32601, "Method not found", None));
        assert!(matches!(error, Error::Rpc { code: -32601, .. }));
        let error = rpc_error(user(4003, "Client error", Some("state pruned")));
        assert_eq!(error.to_string(), "the node answered with error 4003: Client error (state pruned)");
    }

    #[test]
    fn a_missing_pallet_is_an_incompatible_runtime() {
        let error = subxt_error(StorageError::PalletNameNotFound("Names".into()));
        assert!(matches!(error, Error::Incompatible(_)));
    }
}
