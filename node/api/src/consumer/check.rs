// SPDX-License-Identifier: Apache-2.0

//! Whether what a provider answers is right: its signature, and what other providers answer.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::{header::HeaderValue, Method};
use serde_json::Value;

use super::{
    call::{Call, CallBody},
    seller::Seller,
    Consumer,
};
use crate::{
    ledger::verify,
    openapi::{is_json, Operation},
    wire,
};

impl Consumer {
    /// Checks the provider's word for an answer.
    #[allow(clippy::too_many_arguments, reason = "all that is signed")]
    pub(super) fn check_word(
        &self,
        seller: &Seller,
        operation: &Operation,
        word: Option<&HeaderValue>,
        request: [u8; 32],
        status: u16,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<(), String> {
        let word = word.ok_or("it was asked to sign, and didn't")?;
        let (word, signature) = wire::read_answer(word.as_bytes()).map_err(|error| error.to_string())?;
        let named = seller.listed.methods.get(usize::from(word.method)).map(|method| method.name.as_str());
        if named != Some(operation.name.as_str()) {
            return Err("it signed for another method".into());
        }
        let key = seller.listed.answer_key;
        let response = wire::response_hash(status, content_type, body);
        let (genesis, contract) = (self.market.genesis(), self.market.contract());
        let whole = word.whole(genesis, contract, key, seller.number, request, response);
        if !verify(&key, &whole.bytes(), &signature) {
            return Err("its signature is not over what it answered".into());
        }
        Ok(())
    }

    /// Asks another provider the same now and then, without making the caller wait.
    pub(super) fn maybe_cross_check(
        self: &Arc<Self>,
        name: &str,
        seller: &Arc<Seller>,
        operation: &Operation,
        call: &Call,
        answer: &super::call::Answer,
    ) {
        let due = operation.deterministic
            && call.method == Method::GET
            && answer.response.status().is_success()
            && self.chance() * f64::from(self.config.cross_check_every) < 1.0;
        let (true, Some(body)) = (due, &answer.whole) else { return };
        let Ok(permit) = self.checking.clone().try_acquire_owned() else { return };
        let first = Told { seller: seller.clone(), said: said(&answer.response, body) };
        let again = Again { target: call.target.clone(), headers: call.headers.clone() };
        let (consumer, name) = (self.clone(), name.to_string());
        tokio::spawn(async move {
            consumer.cross_check(&name, first, &again).await;
            drop(permit);
        });
    }

    /// Two answers that differ: a third one decides. Without a third, whoever contradicts itself is found out, and else both
    /// are doubted.
    async fn cross_check(&self, name: &str, first: Told, again: &Again) {
        self.metrics.cross_checks.add();
        let Ok(sellers) = self.sellers(name).await else { return };
        let now = Instant::now();
        let mut others = sellers
            .iter()
            .filter(|seller| seller.number != first.seller.number && seller.can_be_called())
            .filter(|seller| {
                let score = seller.score();
                !score.is_avoided(now) && !score.is_resting(now)
            });
        let Some(second) = self.ask_next(&mut others, again).await else { return };
        if second.said == first.said {
            return;
        }
        self.metrics.cross_checks_differed.add();
        if let Some(third) = self.ask_next(&mut others, again).await {
            if third.said == first.said {
                self.odd_one(&second.seller);
            } else if third.said == second.said {
                self.odd_one(&first.seller);
            }
            return;
        }
        for told in [&first, &second] {
            let Some(repeated) = self.ask(&told.seller, again).await else { continue };
            if repeated != told.said {
                self.odd_one(&told.seller);
                return;
            }
        }
        tracing::warn!(first = first.seller.number, second = second.seller.number, "two providers' answers differ");
        first.seller.score().doubted();
        second.seller.score().doubted();
    }

    fn odd_one(&self, seller: &Seller) {
        self.metrics.garbage.add();
        tracing::warn!(api = seller.number, "a provider's answer differs from the others': it is avoided");
        seller.score().was_garbage(Instant::now());
    }

    async fn ask_next<'s>(&self, others: &mut impl Iterator<Item = &'s Arc<Seller>>, again: &Again) -> Option<Told> {
        for seller in others {
            if let Some(said) = self.ask(seller, again).await {
                return Some(Told { seller: seller.clone(), said });
            }
        }
        None
    }

    async fn ask(&self, seller: &Arc<Seller>, again: &Again) -> Option<Said> {
        let document = seller.document(&self.config.tls).await.ok()?.clone();
        let mut call = Call {
            method: Method::GET,
            target: again.target.clone(),
            headers: again.headers.clone(),
            body: CallBody::Whole(Bytes::new()),
        };
        let (path, query) = match again.target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (again.target.as_str(), None),
        };
        let operation = document.find("GET", path, query, &again.headers).ok()?;
        let answer = self.attempt(seller, &document, operation, &mut call).await.ok()?;
        answer.response.status().is_success().then_some(())?;
        Some(said(&answer.response, answer.whole.as_ref()?))
    }
}

struct Told {
    seller: Arc<Seller>,
    said: Said,
}

struct Again {
    target: String,
    headers: hyper::HeaderMap,
}

/// An answer as it is compared: JSON by its value, whatever its layout.
#[derive(Debug, PartialEq)]
enum Said {
    Json(u16, Value),
    Bytes(u16, Bytes),
}

fn said<B>(response: &hyper::Response<B>, body: &Bytes) -> Said {
    let status = response.status().as_u16();
    let json = crate::http::content_type(response.headers()).is_some_and(is_json);
    match json.then(|| serde_json::from_slice(body).ok()).flatten() {
        Some(value) => Said::Json(status, value),
        None => Said::Bytes(status, body.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_compared_by_its_value() {
        let answer = |kind: &str, body: &'static str| {
            let response = hyper::Response::builder().header("content-type", kind).body(()).expect("valid");
            said(&response, &Bytes::from_static(body.as_bytes()))
        };
        let json = "application/json";
        assert_eq!(answer(json, r#"{"a":1,"b":2}"#), answer(json, r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(answer(json, r#"{"a":1}"#), answer(json, r#"{"a":2}"#));
        assert_ne!(answer("text/plain", "a b"), answer("text/plain", "a  b"));
    }
}
