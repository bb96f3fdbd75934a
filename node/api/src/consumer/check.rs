// SPDX-License-Identifier: Apache-2.0

//! Whether what a provider answers is right: its signature, and what other providers answer.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use hyper::{header::HeaderValue, Method};
use serde_json::Value;

use super::{
    call::{Call, CallBody},
    conflict::Word,
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
    ) -> Result<Word, String> {
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
        Ok(Word { answer: whole, signature })
    }

    /// Whether a call's answer is compared with another provider's: now and then.
    pub(super) fn is_compared(&self, operation: &Operation, call: &Call) -> bool {
        let may = operation.deterministic && call.method == Method::GET;
        may && self.chance() * f64::from(self.config.cross_check_every) < 1.0
    }

    /// Asks another provider the same, without making the caller wait.
    pub(super) fn cross_check_later(
        self: &Arc<Self>,
        name: &str,
        seller: &Arc<Seller>,
        call: &Call,
        answer: &super::call::Answer,
    ) {
        let (true, Some(body)) = (answer.response.status().is_success(), &answer.whole) else { return };
        let Ok(permit) = self.checking.clone().try_acquire_owned() else { return };
        let first = Told { seller: seller.clone(), said: said(&answer.response, body), word: answer.word };
        let again = Again { target: call.target.clone(), headers: call.headers.clone() };
        let (consumer, name) = (self.clone(), name.to_string());
        tokio::spawn(async move {
            consumer.cross_check(&name, first, &again).await;
            drop(permit);
        });
    }

    /// Two answers that differ: a third one decides. Without a third, whoever contradicts itself is found out, and else both
    /// are doubted. Where nobody else offers the API, its one provider must not contradict itself.
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
        let Some(second) = self.ask_next(&mut others, again).await else {
            self.find_contradiction(&[&first], again).await;
            return;
        };
        if second.said == first.said {
            return;
        }
        self.metrics.cross_checks_differed.add();
        let third = self.ask_next(&mut others, again).await;
        let odd = third.as_ref().and_then(|third| {
            let odd = [(&second, &first), (&first, &second)].into_iter().find(|(_, other)| third.said == other.said);
            odd.map(|(odd, _)| odd)
        });
        if let Some(odd) = odd {
            self.odd_one(&odd.seller);
            // It is left alone already; with two answers of its own it loses its bond, too.
            let _ = self.contradicts_itself(odd, again).await;
            return;
        }
        let told: Vec<&Told> = [&first, &second].into_iter().chain(&third).collect();
        if self.find_contradiction(&told, again).await || third.is_some() {
            return;
        }
        tracing::warn!(first = first.seller.number, second = second.seller.number, "two providers' answers differ");
        first.seller.score().doubted();
        second.seller.score().doubted();
    }

    /// Asks each the same again; the first that contradicts itself is the liar.
    async fn find_contradiction(&self, told: &[&Told], again: &Again) -> bool {
        for told in told {
            if self.contradicts_itself(told, again).await {
                self.odd_one(&told.seller);
                return true;
            }
        }
        false
    }

    /// Asks one the same again. If it answers something else, and has signed both, that is kept as proof.
    async fn contradicts_itself(&self, told: &Told, again: &Again) -> bool {
        let Some(repeated) = self.ask(&told.seller, again).await else { return false };
        if repeated.said == told.said {
            return false;
        }
        if let (Some(first), Some(second)) = (told.word, repeated.word) {
            self.keep_proof(&told.seller, &again.target, &first, &second);
        }
        true
    }

    fn keep_proof(&self, seller: &Seller, target: &str, first: &Word, second: &Word) {
        let method = seller.listed.methods.get(usize::from(first.answer.method));
        let Some(method) = method.filter(|method| method.deterministic) else { return };
        if !first.answer.conflicts_with(&second.answer) {
            return;
        }
        self.metrics.conflicts.add();
        match self.conflicts.keep(&method.name, target, first, second) {
            Ok(Some(path)) => tracing::warn!(
                api = seller.number,
                file = %path.display(),
                "a provider has signed two answers to one request: `cairn api report FILE` takes its bond for it"
            ),
            Ok(None) => {},
            Err(error) => tracing::warn!(%error, "the proof that a provider contradicted itself can't be written"),
        }
    }

    fn odd_one(&self, seller: &Seller) {
        self.metrics.garbage.add();
        tracing::warn!(api = seller.number, "a provider's answer differs from the others': it is avoided");
        seller.score().was_garbage(Instant::now());
    }

    async fn ask_next<'s>(&self, others: &mut impl Iterator<Item = &'s Arc<Seller>>, again: &Again) -> Option<Told> {
        for seller in others {
            if let Some(told) = self.ask(seller, again).await {
                return Some(told);
            }
        }
        None
    }

    async fn ask(&self, seller: &Arc<Seller>, again: &Again) -> Option<Told> {
        let document = seller.document(&self.config.way).await.ok()?.clone();
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
        let operation = usize::from(document.find("GET", path, query, &again.headers).ok()?.index);
        let answer = self.attempt(seller, &document, operation, &mut call, true).await.ok()?;
        answer.response.status().is_success().then_some(())?;
        let said = said(&answer.response, answer.whole.as_ref()?);
        Some(Told { seller: seller.clone(), said, word: answer.word })
    }
}

struct Told {
    seller: Arc<Seller>,
    said: Said,
    word: Option<Word>,
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
