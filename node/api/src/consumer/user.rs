// SPDX-License-Identifier: Apache-2.0

//! A consumer's user: calls an API with a badge and a key of its own, and needs no account.

use std::{sync::Arc, time::Duration};

use cairn_client::{
    address::{to_address, DEFAULT_SS58_PREFIX},
    chain::marketplace::Quality,
    keys::Keypair,
    AccountId,
};
use cairn_voucher::{Badge, Signature};
use hyper::{
    body::Incoming,
    header::{HeaderValue, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH},
    Request, Response, StatusCode,
};

use super::{
    budget::Trust,
    call::{check, find, LOOKED_AT_BYTES_MAX},
    seller::Way,
    Call, CallBody, Seller,
};
use crate::{
    http::{collect, content_type, hold, strip, strip_request, strip_response, Body, Endpoint},
    ledger::verify,
    market::{now_ms, Market},
    openapi::{Document, Operation, RequestError},
    wire::{self, read_offer, Opening, OFFER_BYTES_MAX},
};

/// Why a user can't call.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The chain can't be asked.
    #[error(transparent)]
    Chain(#[from] cairn_client::Error),
    /// The badge is no good.
    #[error("the badge can't be used: {0}")]
    Badge(String),
    /// The document has no such operation.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The provider doesn't take it.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// There was no good answer.
    #[error("no good answer: {0}")]
    Failed(String),
}

/// Someone with a badge.
pub struct User {
    market: Arc<Market>,
    seller: Seller,
    badge: (Badge, Signature),
    key: Keypair,
    way: Way,
    patience: Duration,
}

impl User {
    /// Looks at the badge, and at the API that it is for.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn open(
        market: Arc<Market>,
        badge: (Badge, Signature),
        key: Keypair,
        way: Way,
        patience: Duration,
    ) -> Result<Self, UserError> {
        let wrong = |why: String| Err(UserError::Badge(why));
        let (what, signature) = &badge;
        if what.genesis != market.genesis() || what.contract != market.contract() {
            return wrong("it is for another chain or marketplace".into());
        }
        if what.user != key.account_id().0 {
            return wrong(format!("it is another user's: it needs the key of 0x{}", hex::encode(what.user)));
        }
        if what.expires_at_ms <= now_ms() {
            return wrong("it has expired".into());
        }
        if !verify(&what.signer, &what.signed_bytes(), signature) {
            return wrong("its signature is not its signer's".into());
        }
        let listed = market.api(what.api).await?;
        let Some(listed) = listed else { return wrong(format!("the marketplace has no API {}", what.api)) };
        let seller = Seller::new(what.api, listed, &Quality::default(), Trust::default(), &way);
        if !seller.can_be_called() {
            return wrong(format!("API {} is not active, or has no endpoint that can be used", what.api));
        }
        Ok(Self { market, seller, badge, key, way, patience })
    }

    /// Name of the API.
    pub fn name(&self) -> &str {
        &self.seller.listed.name
    }

    /// Makes a call. What comes back is checked against the document, as far as it is short enough to be looked at.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn call(&self, call: Call) -> Result<Response<Body>, UserError> {
        let document = self.seller.document(&self.way).await.map_err(UserError::Failed)?.clone();
        let operation = &document.operations()[find(&document, &call).await?];
        let is_head = call.method == hyper::Method::HEAD;
        let endpoint = self.seller.endpoint(self.seller.current());
        let request = self.request(&document, operation, endpoint, call).map_err(UserError::Failed)?;
        let sent = endpoint.send(request, self.patience).await;
        let response = sent.map_err(|error| UserError::Failed(error.to_string()))?;
        let refused = response.headers().contains_key(wire::REFUSED);
        match response.status() {
            StatusCode::PAYMENT_REQUIRED if refused => {
                let body = collect(response.into_body(), OFFER_BYTES_MAX).await;
                let body = body.map_err(|error| UserError::Failed(error.to_string()))?;
                let message = read_offer(&body).map_err(UserError::Failed)?.message;
                Err(UserError::Refused(message.chars().filter(|c| !c.is_control()).take(300).collect()))
            },
            StatusCode::TOO_MANY_REQUESTS if refused => {
                Err(UserError::Refused("too many calls; try again in a moment".into()))
            },
            status if status.is_server_error() && refused => Err(UserError::Failed(format!("it answers {status}"))),
            _ => look(&document, operation, is_head, response).await.map_err(UserError::Failed),
        }
    }

    fn request(
        &self,
        document: &Document,
        operation: &Operation,
        endpoint: &Endpoint,
        call: Call,
    ) -> Result<Request<Body>, String> {
        let (badge, signature) = &self.badge;
        let mut token = [0; 16];
        getrandom::fill(&mut token).map_err(|error| error.to_string())?;
        let opening = Opening {
            consumer: badge.consumer,
            signer: badge.user,
            epoch: badge.epoch,
            provider: self.seller.listed.provider,
            api: badge.api,
            token_hash: wire::token_hash(&token),
            at_ms: now_ms(),
        };
        let signed = self.key.sign(&opening.signed_bytes(&badge.genesis, &badge.contract));
        let mut length = None;
        let body = match call.body {
            CallBody::Whole(bytes) if bytes.is_empty() => Body::empty(),
            CallBody::Whole(bytes) => {
                length = Some(bytes.len());
                Body::whole(bytes)
            },
            CallBody::Passing(first, rest) => Body::Resumed(first, rest),
            CallBody::Gone => return Err("its body was sent before and can't be sent again".into()),
        };
        let mut request = Request::new(body);
        *request.method_mut() = call.method;
        *request.uri_mut() = endpoint.target(&call.target)?;
        *request.headers_mut() = call.headers;
        let headers = request.headers_mut();
        strip_request(headers, document.asks_authorization());
        if operation.answers_json && headers.contains_key(ACCEPT_ENCODING) {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        }
        let own = [
            (wire::SESSION, hex::encode(token)),
            (wire::OPEN, wire::write_signed(&opening, &signed)),
            (wire::BADGE, wire::write_signed(badge, signature)),
            (wire::ATTEST, "0".into()),
        ];
        for (name, value) in own {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|error| error.to_string())?);
        }
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        Ok(request)
    }

    /// Who pays, as an address.
    pub fn consumer(&self) -> String {
        to_address(&AccountId(self.badge.0.consumer), DEFAULT_SS58_PREFIX)
    }

    /// The marketplace.
    pub fn market(&self) -> &Market {
        &self.market
    }
}

async fn look(
    document: &Arc<Document>,
    operation: &Operation,
    is_head: bool,
    response: Response<Incoming>,
) -> Result<Response<Body>, String> {
    let (mut head, body) = response.into_parts();
    let left = head.headers.get(wire::BADGE_LEFT).cloned();
    strip(&mut head.headers);
    strip_response(&mut head.headers);
    if let Some(left) = left {
        head.headers.insert(wire::BADGE_LEFT, left);
    }
    let (body, whole) = hold(body, LOOKED_AT_BYTES_MAX).await.map_err(|error| error.to_string())?;
    let plain = head.headers.get(CONTENT_ENCODING).is_none_or(|coding| coding == "identity");
    if head.status.is_success() && head.status != StatusCode::PARTIAL_CONTENT && !is_head {
        let kind = content_type(&head.headers).map(ToString::to_string);
        let looked_at = whole.filter(|_| plain);
        match check(document, operation.index, head.status.as_u16(), kind.as_deref(), looked_at).await {
            Err(violation) if !violation.unchecked => {
                return Err(format!("the answer is not what the API's document promises: {violation}"));
            },
            _ => {},
        }
    }
    Ok(Response::from_parts(head, body))
}
