// SPDX-License-Identifier: Apache-2.0

//! One provider of one API, as its consumer knows it: endpoints, document, score, and what it was paid.

use std::{
    collections::HashSet,
    sync::{
        atomic::{AtomicBool, AtomicUsize, Ordering},
        Arc, Mutex, MutexGuard, PoisonError,
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cairn_client::chain::marketplace::{price_at, Api, Quality, Status, Subscription};
use hyper::{Method, Request, StatusCode};
use tokio::sync::{OnceCell, Semaphore};

use super::{budget::Trust, picker::Score, seen::Seen};
use crate::{
    http::{collect, Base, Body, Endpoint, Reach, Tls},
    ledger::By,
    market::now_ms,
    openapi::{Document, DOCUMENT_BYTES_MAX},
    plan::{Left, PlanUse},
    wire::{Token, CONTROL},
};

/// How long a document may take.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// A plan that the provider doesn't know of, or counts otherwise, is left alone for this long: it may not have seen it yet.
const PLAN_DENIED: Duration = Duration::from_secs(12);
/// Endpoints of one listing that are used.
const ENDPOINTS_MAX: usize = 8;
/// Documents that are read at the same time.
static READING: Semaphore = Semaphore::const_new(2);

/// Sessions, and what calls have used of what is promised, in plancks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Purse {
    /// Of each endpoint: whoever has another one's token could spend what is promised there.
    tokens: [Option<Token>; ENDPOINTS_MAX],
    pub trust: Trust,
    /// Units that are free, as far as is known.
    pub free_units: u64,
}

impl Purse {
    pub fn token(&self, endpoint: usize) -> Option<Token> {
        self.tokens.get(endpoint).copied().flatten()
    }

    pub fn set_token(&mut self, endpoint: usize, token: Option<Token>) {
        if let Some(place) = self.tokens.get_mut(endpoint) {
            *place = token;
        }
    }

    /// All sessions are to be opened anew.
    pub fn forget_tokens(&mut self) {
        self.tokens = [None; ENDPOINTS_MAX];
    }
}

/// What was set aside for a call that is under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    pub token: Token,
    /// Where that session is open.
    pub endpoint: usize,
    pub price: u128,
    pub units: u64,
    pub by: By,
    /// What was promised then.
    pub promised: u128,
}

/// The consumer's plan with a provider, and what this machine knows to be used of it.
#[derive(Clone, Copy, Debug, Default)]
struct Plan {
    paid: Option<Subscription>,
    used: PlanUse,
    denied_until: Option<Instant>,
}

impl Plan {
    /// Takes a call's units, as far as is known here.
    fn charge(&mut self, units: u64) -> Option<crate::plan::Slot> {
        if self.denied_until.is_some_and(|until| until > Instant::now()) {
            return None;
        }
        self.used.charge(&self.paid?, units, now_ms())
    }
}

/// How endpoints may be reached.
#[derive(Clone)]
pub struct Way {
    /// Whose certificates are believed.
    pub tls: Tls,
    /// Use `http` endpoints that aren't on this machine.
    pub allow_plain: bool,
    /// Use endpoints on this machine and in private networks.
    pub allow_local: bool,
}

impl Way {
    fn reach(&self) -> Reach {
        match self.allow_local {
            true => Reach::Anywhere,
            false => Reach::Public,
        }
    }
}

/// A provider of an API.
pub struct Seller {
    /// Number of the API.
    pub number: u32,
    /// What the chain says of it.
    pub listed: Api,
    endpoints: Vec<Endpoint>,
    first: AtomicUsize,
    document: OnceCell<Arc<Document>>,
    /// Its document is being fetched behind the calls.
    fetching: AtomicBool,
    price: Mutex<(u128, Option<(u128, u64)>)>,
    score: Mutex<Score>,
    purse: Mutex<Purse>,
    plan: Mutex<Plan>,
    pub(super) paying: tokio::sync::Mutex<()>,
}

impl Seller {
    pub(super) fn new(number: u32, listed: Api, quality: &Quality, trust: Trust, way: &Way) -> Self {
        let endpoints = listed.listing.endpoints.iter().take(ENDPOINTS_MAX);
        let endpoints = endpoints
            .filter_map(|url| usable(url, way.allow_plain))
            .filter_map(|base| Endpoint::within(base, way.tls.clone(), way.reach()).ok());
        let purse = Purse { trust, free_units: listed.listing.free_units, ..Purse::default() };
        Self {
            number,
            endpoints: endpoints.collect(),
            first: AtomicUsize::new(0),
            document: OnceCell::new(),
            fetching: AtomicBool::new(false),
            price: Mutex::new((listed.unit_price, listed.next_price)),
            score: Mutex::new(Score::new(quality)),
            purse: Mutex::new(purse),
            plan: Mutex::default(),
            paying: tokio::sync::Mutex::default(),
            listed,
        }
    }

    /// Whether a newer listing is one that this can go on with: only prices differ.
    pub(super) fn is_still(&self, listed: &Api) -> bool {
        let same = (&self.listed.listing, self.listed.answer_key, self.listed.provider, &self.listed.methods)
            == (&listed.listing, listed.answer_key, listed.provider, &listed.methods);
        same && self.listed.status == listed.status
    }

    pub(super) fn set_price(&self, listed: &Api) {
        *self.price.lock().unwrap_or_else(PoisonError::into_inner) = (listed.unit_price, listed.next_price);
    }

    /// Takes over what was seen of the same provider before its listing changed.
    pub(super) fn inherit(&self, before: &Seller) {
        *self.score() = before.score().clone();
        *self.plan() = *before.plan();
    }

    /// Takes over what was seen of it before the program was started.
    pub(super) fn restore(&self, seen: &Seen) {
        seen.restore(&mut self.score(), Instant::now(), now_ms());
        self.plan().used = seen.plan;
    }

    /// What was seen of it, to be kept.
    pub(super) fn seen(&self) -> Seen {
        let used = self.plan().used;
        Seen::of(&self.score(), used, Instant::now(), now_ms())
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the chain says of the consumer's plan.
    pub(super) fn set_plan(&self, paid: Option<Subscription>) {
        self.plan().paid = paid;
    }

    /// What is left of the plan, as far as is known here.
    pub fn plan_left(&self) -> Option<Left> {
        let plan = *self.plan();
        plan.used.left(&plan.paid?, now_ms())
    }

    /// What the provider says of the plan.
    pub(super) fn heard_of_plan(&self, left: u64, until_ms: u64) {
        let mut plan = self.plan();
        if let Some(paid) = plan.paid {
            plan.used.heard(&paid, left, until_ms, now_ms());
        }
    }

    /// The provider wants to be paid for what the plan should have: it may not have seen the plan yet, or others use it.
    pub(super) fn plan_denied(&self) {
        self.plan().denied_until = Some(Instant::now() + PLAN_DENIED);
    }

    /// Whether a call costs nothing more, if what is known here is right.
    pub(super) fn is_covered(&self, units: u64) -> bool {
        let mut plan = *self.plan();
        self.purse().free_units >= units || plan.charge(units).is_some()
    }

    /// Whether it can be called at all.
    pub fn can_be_called(&self) -> bool {
        self.listed.status == Status::Active && !self.endpoints.is_empty()
    }

    /// Price of a unit now, in plancks.
    pub fn unit_price(&self) -> u128 {
        let (price, next) = *self.price.lock().unwrap_or_else(PoisonError::into_inner);
        match next {
            None => price,
            next => price_at(price, next, now_ms()),
        }
    }

    /// What was seen of it.
    pub fn score(&self) -> MutexGuard<'_, Score> {
        self.score.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Number of the endpoint that worked last.
    pub(super) fn current(&self) -> usize {
        self.first.load(Ordering::Relaxed) % self.endpoints.len()
    }

    /// One of the endpoints.
    pub(super) fn endpoint(&self, number: usize) -> &Endpoint {
        &self.endpoints[number % self.endpoints.len()]
    }

    /// A call failed: the next endpoint, if there is one, has its turn.
    pub(super) fn failed(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
        self.score().failed(Instant::now());
    }

    /// Sets a call's price aside, if it is free, or the plan's, or paid ahead and `payable`.
    pub(super) fn hold(&self, price: u128, units: u64, payable: bool) -> Option<Hold> {
        let endpoint = self.current();
        let mut purse = self.purse();
        let token = purse.token(endpoint)?;
        let promised = purse.trust.promised.value;
        let hold = |price, by| Some(Hold { token, endpoint, price, units, by, promised });
        if purse.free_units >= units {
            purse.free_units -= units;
            return hold(0, By::Free);
        }
        let mut plan = self.plan();
        let mut after = *plan;
        if let Some(slot) = after.charge(units) {
            *plan = after;
            return hold(0, By::Plan(slot));
        }
        if !payable || purse.trust.credit() < price {
            return None;
        }
        purse.trust.promised.spent += price;
        hold(price, By::Credit)
    }

    /// Ends a call.
    pub(super) fn settle(&self, hold: Hold, answered: bool) {
        let mut purse = self.purse();
        let promised = &mut purse.trust.promised;
        match (hold.by, answered) {
            // Vouchers don't tell of what a plan pays for.
            (By::Plan(_), true) => {},
            (By::Plan(slot), false) => self.plan().used.give_back(slot),
            (_, true) => {
                promised.calls += 1;
                promised.units += hold.units;
            },
            (By::Free, false) => purse.free_units += hold.units,
            (By::Credit, false) => promised.spent = promised.spent.saturating_sub(hold.price),
        }
    }

    /// Whether nobody fetches the document behind the calls: whoever is told so does.
    pub(super) fn begin_fetching(&self) -> bool {
        !self.fetching.swap(true, Ordering::AcqRel)
    }

    /// Nobody fetches it any more.
    pub(super) fn end_fetching(&self) {
        self.fetching.store(false, Ordering::Release);
    }

    /// The document, if it was got before.
    pub(super) fn known_document(&self) -> Option<&Arc<Document>> {
        self.document.get()
    }

    /// The document, got from the provider and checked against the hash on chain.
    ///
    /// # Errors
    /// It can't be got, or is another one, or can't be used.
    pub async fn document(&self, way: &Way) -> Result<&Arc<Document>, String> {
        self.document.get_or_try_init(|| self.fetch_document(way)).await
    }

    async fn fetch_document(&self, way: &Way) -> Result<Arc<Document>, String> {
        let mut reasons = Vec::new();
        for endpoint in &self.endpoints {
            match self.fetch_from(endpoint, &format!("{CONTROL}openapi")).await {
                Ok(document) => return Ok(document),
                Err(reason) => reasons.push(reason),
            }
        }
        // Where the provider says that it is, too.
        if let Ok(base) = Base::parse(&self.listed.listing.document) {
            let (path, root) = (base.path.clone(), Base { path: String::new(), ..base });
            match self.fetch_from(&Endpoint::within(root, way.tls.clone(), way.reach())?, &path).await {
                Ok(document) => return Ok(document),
                Err(reason) => reasons.push(reason),
            }
        }
        Err(format!("its OpenAPI document can't be had: {}", reasons.join("; ")))
    }

    async fn fetch_from(&self, endpoint: &Endpoint, path: &str) -> Result<Arc<Document>, String> {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = endpoint.target(path)?;
        let response = endpoint.send(request, DOCUMENT_TIMEOUT).await.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            return Err(format!("{} answers {}", endpoint.base(), response.status()));
        }
        let bytes: Bytes =
            collect(response.into_body(), DOCUMENT_BYTES_MAX).await.map_err(|error| error.to_string())?;
        let (hash, base) = (self.listed.listing.openapi_hash, endpoint.base().to_string());
        let sold: HashSet<String> = self.listed.methods.iter().map(|method| method.name.clone()).collect();
        // A megabyte by a stranger: not on a thread that serves calls.
        let _place = READING.acquire().await.map_err(|error| error.to_string())?;
        let read = tokio::task::spawn_blocking(move || {
            if *blake3::hash(&bytes).as_bytes() != hash {
                return Err(format!("{base} has another document than the one published"));
            }
            Document::read_selected(&bytes, |name| sold.contains(name)).map(Arc::new).map_err(|error| error.to_string())
        });
        read.await.map_err(|error| error.to_string())?
    }
}

/// An endpoint that may be used: a session's token must not be readable on the way.
fn usable(url: &str, plain: bool) -> Option<Base> {
    let base = Base::parse(url).ok()?;
    (base.tls || base.is_loopback() || plain).then_some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_not_sent_in_the_open() {
        assert!(usable("https://example.com", false).is_some());
        assert!(usable("http://127.0.0.1:1", false).is_some());
        assert!(usable("http://example.com", false).is_none());
        assert!(usable("http://example.com", true).is_some());
        assert!(usable("nonsense", true).is_none());
    }
}
