// SPDX-License-Identifier: Apache-2.0

//! The documents of those who offer an API.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::timeout;

use super::{Consumer, Seller};
use crate::openapi::Document;

/// How long other providers' documents are waited for once one is there.
const DOCUMENTS_WAIT: Duration = Duration::from_millis(500);

impl Consumer {
    /// The providers whose documents are known. Those of the others are fetched: waited for only while nobody's is known, and
    /// a moment longer, so that a provider that keeps its document back holds nobody up.
    pub(super) async fn documents(
        self: &Arc<Self>,
        sellers: &[Arc<Seller>],
    ) -> (Vec<(Arc<Seller>, Arc<Document>)>, Vec<String>) {
        let now = Instant::now();
        let (mut known, mut reasons, mut missing) = (Vec::with_capacity(sellers.len()), Vec::new(), Vec::new());
        for seller in sellers.iter().filter(|seller| !seller.score().is_avoided(now)) {
            match seller.known_document() {
                Some(document) => known.push((seller.clone(), document.clone())),
                None => missing.push(seller.clone()),
            }
        }
        if !known.is_empty() {
            missing.retain(|seller| !seller.score().is_resting(now));
        }
        if missing.is_empty() {
            return (known, reasons);
        }
        let waited_for = known.is_empty();
        let mut fetching: FuturesUnordered<_> = missing
            .into_iter()
            .filter(|seller| waited_for || seller.begin_fetching())
            .map(|seller| {
                let way = self.config.way.clone();
                tokio::spawn(async move {
                    let document = seller.document(&way).await.cloned();
                    if document.is_err() {
                        seller.failed();
                    }
                    seller.end_fetching();
                    (seller, document)
                })
            })
            .collect();
        if !waited_for {
            // They go on by themselves, and are known at a later call.
            return (known, reasons);
        }
        let mut patience = Duration::MAX;
        while let Ok(Some(fetched)) = timeout(patience, fetching.next()).await {
            match fetched {
                Ok((seller, Ok(document))) => {
                    known.push((seller, document));
                    patience = DOCUMENTS_WAIT;
                },
                Ok((seller, Err(reason))) => reasons.push(format!("API {}: {reason}", seller.number)),
                Err(error) => reasons.push(error.to_string()),
            }
        }
        (known, reasons)
    }
}
