// SPDX-License-Identifier: Apache-2.0

//! The consumer's proxy: to a program that knows nothing of all this, an API of the marketplace is a base URL.
//!
//! # Correctness
//! - What is promised never exceeds the caps ([`budget`]), and is never further ahead of what a provider has delivered, by
//!   this machine's own count, than what it has delivered already ([`pay::Steps`]).
//! - An answer that isn't as the API's document promises doesn't reach the caller, if it is short enough to be looked at.

pub mod badges;
pub mod budget;
mod call;
mod check;
pub mod conflict;
mod documents;
mod gate;
mod local;
mod pay;
pub mod picker;
pub mod seen;
mod seller;
mod user;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc, Mutex, PoisonError, RwLock,
    },
    time::{Duration, Instant},
};

use cairn_client::{chain::marketplace::Brief, keys::Keypair, AccountId, Error};
use hyper::header::HeaderValue;
use tokio::sync::Semaphore;

pub use call::{Call, CallBody, CallError};
pub use gate::{Gate, ProxyToken};
pub use local::Local;
pub use pay::{PayError, Steps};
pub use seller::{Seller, Way};
pub use user::{User, UserError};

use self::{
    budget::{Budget, Caps, ToWhom},
    conflict::Conflicts,
    seen::Seen,
};
use crate::{
    market::Market,
    metrics::{Counter, Histogram, Page},
    plan::PlanUse,
};

/// How long opening a session or a top-up may take.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(20);
/// How long what the marketplace lists is believed.
const LISTED_TTL: Duration = Duration::from_secs(15);
/// Providers of one API that are looked at.
const SELLERS_MAX: usize = 32;
/// APIs that are known at the same time.
const NAMES_MAX: usize = 1000;
/// How often what was seen of providers is written.
const SEEN_PERIOD: Duration = Duration::from_secs(5);
/// How often what calls have used is written.
const USE_PERIOD: Duration = Duration::from_secs(1);
/// Cross-checks at the same time.
const CHECKS_MAX: usize = 4;

/// How a consumer spends.
pub struct Config {
    /// Whose balance pays.
    pub consumer: AccountId,
    /// The key that signs vouchers.
    pub signer: Keypair,
    /// Folder of the books.
    pub data: PathBuf,
    /// The most that may be spent.
    pub caps: Caps,
    /// How much is paid ahead.
    pub steps: Steps,
    /// One of so many deterministic calls is asked of another provider, too.
    pub cross_check_every: u32,
    /// One of so many answers has to be signed.
    pub attest_every: u32,
    /// How long a provider has before the next one is asked.
    pub patience: Duration,
    /// How endpoints may be reached.
    pub way: Way,
}

/// Why a consumer can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The chain can't be asked.
    #[error(transparent)]
    Chain(#[from] Error),
    /// The books can't be opened.
    #[error("the books can't be opened: {0}")]
    Books(#[from] std::io::Error),
    /// The key may not sign.
    #[error("the marketplace knows no such signer of this account")]
    NoSigner,
}

/// What the chain says of the signer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Authority {
    pub signer: [u8; 32],
    pub epoch: u32,
}

#[derive(Default)]
pub(crate) struct Counts {
    pub calls: Counter,
    pub failures: Counter,
    pub offers: Counter,
    pub payments: Counter,
    pub garbage: Counter,
    pub unchecked: Counter,
    pub verified: Counter,
    pub cross_checks: Counter,
    pub cross_checks_differed: Counter,
    pub conflicts: Counter,
    pub whole: Histogram,
}

impl Counts {
    pub fn answered(&self, took: Duration) {
        self.calls.add();
        self.whole.observe(took);
    }
}

struct Listed {
    read: Instant,
    sellers: Arc<Vec<Arc<Seller>>>,
}

/// A consumer's proxy.
pub struct Consumer {
    market: Arc<Market>,
    config: Config,
    budget: Budget,
    authority: RwLock<Authority>,
    names: RwLock<HashMap<String, Listed>>,
    reading: tokio::sync::Mutex<()>,
    random: AtomicU64,
    checking: Arc<Semaphore>,
    /// What was seen of providers up to the last time that it was written.
    seen: Mutex<BTreeMap<u32, Seen>>,
    conflicts: Conflicts,
    /// How long a provider has, as it is told.
    patience: HeaderValue,
    /// Nobody else writes these books.
    lock: std::fs::File,
    pub(crate) metrics: Counts,
}

impl Consumer {
    /// Opens the books, and looks whether the key may sign.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(market: Arc<Market>, config: Config) -> Result<Arc<Self>, StartError> {
        std::fs::create_dir_all(&config.data)?;
        let lock = crate::journal::lock(&config.data)?;
        let signer = config.signer.account_id().0;
        let view = market.client().finalized().await?;
        let known = view.market_signer(market.place(), &config.consumer, signer).await?.ok_or(StartError::NoSigner)?;
        let budget = Budget::open(&config.data.join("spent.journal"), config.caps)?;
        let seen = seen::read(&config.data).unwrap_or_else(|error| {
            tracing::warn!(%error, "what was seen of providers can't be read; it begins anew");
            BTreeMap::new()
        });
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(|error| std::io::Error::other(error.to_string()))?;
        Ok(Arc::new(Self {
            market,
            budget,
            authority: RwLock::new(Authority { signer, epoch: known.epoch }),
            names: RwLock::default(),
            reading: tokio::sync::Mutex::default(),
            random: AtomicU64::new(u64::from_le_bytes(seed) | 1),
            checking: Arc::new(Semaphore::new(CHECKS_MAX)),
            seen: Mutex::new(seen),
            conflicts: Conflicts::open(&config.data),
            metrics: Counts::default(),
            patience: u64::try_from(config.patience.as_millis()).unwrap_or(u64::MAX).into(),
            lock,
            config,
        }))
    }

    /// Tells other processes that want these books, and may read them, how to reach this one.
    ///
    /// # Errors
    /// Of the system.
    pub fn announce(&self, text: &str) -> std::io::Result<()> {
        use std::os::unix::fs::FileExt;
        self.lock.set_len(0)?;
        self.lock.write_all_at(text.as_bytes(), 0)
    }

    /// The folder of the books.
    pub fn data(&self) -> &std::path::Path {
        &self.config.data
    }

    /// The books.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What must go on beside the calls: writes what calls have used, and what was seen of providers. Ends when it is dropped.
    pub async fn keep_up(self: Arc<Self>) {
        let (mut uses, mut seen) = (tokio::time::interval(USE_PERIOD), tokio::time::interval(SEEN_PERIOD));
        loop {
            tokio::select! {
                _ = uses.tick() => {
                    self.write_uses();
                    self.budget.shorten().await;
                },
                _ = seen.tick() => self.write_seen(),
            }
        }
    }

    /// Writes all that has to be known at the next start, and closes the books; to be called when no more calls come.
    pub fn stop(&self) {
        self.write_seen();
        self.write_uses();
        self.budget.close();
    }

    /// Writes what calls have used of what was promised, if it was something new.
    fn write_uses(&self) {
        let epoch = self.authority().epoch;
        for listed in self.names.read().unwrap_or_else(PoisonError::into_inner).values() {
            for seller in listed.sellers.iter() {
                let trust = seller.purse().trust;
                self.budget.note(ToWhom { api: seller.number, epoch }, trust);
            }
        }
    }

    /// Writes what was seen of providers, if it was something new.
    fn write_seen(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changed = false;
        for listed in self.names.read().unwrap_or_else(PoisonError::into_inner).values() {
            for seller in listed.sellers.iter() {
                let now = seller.seen();
                let before = seen.get(&seller.number);
                let same = before.is_some_and(|before| (before.tally, before.plan) == (now.tally, now.plan));
                let nothing = before.is_none() && now.tally.calls == 0 && now.plan == PlanUse::default();
                if !same && !nothing {
                    seen.insert(seller.number, now);
                    changed = true;
                }
            }
        }
        if changed {
            if let Err(error) = seen::write(&self.config.data, &seen) {
                tracing::warn!(%error, "what was seen of providers can't be written; it will be forgotten");
            }
        }
    }

    /// A number from 0 to 1, to choose samples by.
    fn chance(&self) -> f64 {
        // splitmix64: samples need not be secret, only not in step with the calls.
        let mut x = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn authority(&self) -> Authority {
        *self.authority.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads again which authorisation of the signer holds: a new one begins new totals.
    async fn refresh_authority(&self) {
        let signer = self.authority().signer;
        let Ok(view) = self.market.client().finalized().await else { return };
        let Ok(Some(known)) = view.market_signer(self.market.place(), &self.config.consumer, signer).await else {
            return;
        };
        if known.epoch != self.authority().epoch {
            self.authority.write().unwrap_or_else(PoisonError::into_inner).epoch = known.epoch;
            for listed in self.names.read().unwrap_or_else(PoisonError::into_inner).values() {
                for seller in listed.sellers.iter() {
                    let mut purse = seller.purse();
                    purse.forget_tokens();
                    purse.trust = self.budget.trust(ToWhom { api: seller.number, epoch: known.epoch });
                }
            }
        }
    }

    /// Everybody who offers an API of this name and can be called.
    ///
    /// # Errors
    /// Of the chain, where it was never asked before.
    pub async fn sellers(&self, name: &str) -> Result<Arc<Vec<Arc<Seller>>>, Error> {
        let (fresh, before) = self.known_sellers(name);
        if let (true, Some(sellers)) = (fresh, &before) {
            return Ok(sellers.clone());
        }
        // One reads; the others go on with what was known.
        let _reading = match (self.reading.try_lock(), &before) {
            (Ok(reading), _) => reading,
            (Err(_), Some(before)) => return Ok(before.clone()),
            (Err(_), None) => self.reading.lock().await,
        };
        // Another one may have read meanwhile. A provider must not be known twice: each would have a purse of its own.
        let (fresh, before) = self.known_sellers(name);
        if let (true, Some(sellers)) = (fresh, &before) {
            return Ok(sellers.clone());
        }
        let read = self.read_sellers(name, before.as_deref().map_or(&[], Vec::as_slice)).await;
        let sellers = match (read, before) {
            (Ok(sellers), _) => Arc::new(sellers),
            (Err(error), Some(before)) => {
                tracing::warn!(%error, "the marketplace can't be read; what was read last holds");
                before
            },
            (Err(error), None) => return Err(error),
        };
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        // What is known is never forgotten while it runs: its purse would be.
        if (names.len() < NAMES_MAX || names.contains_key(name)) && !sellers.is_empty() {
            names.insert(name.into(), Listed { read: Instant::now(), sellers: sellers.clone() });
        }
        Ok(sellers)
    }

    /// Who is known to offer an API, and whether that was read lately.
    fn known_sellers(&self, name: &str) -> (bool, Option<Arc<Vec<Arc<Seller>>>>) {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        match names.get(name) {
            Some(listed) => (listed.read.elapsed() < LISTED_TTL, Some(listed.sellers.clone())),
            None => (false, None),
        }
    }

    async fn read_sellers(&self, name: &str, before: &[Arc<Seller>]) -> Result<Vec<Arc<Seller>>, Error> {
        let view = self.market.client().finalized().await?;
        let place = self.market.place();
        let mut sellers = Vec::new();
        for Brief { api, quality, .. } in view.market_offers(place, name).await?.into_iter().take(SELLERS_MAX) {
            let Some(listed) = view.market_api(place, api).await? else { continue };
            let known = before.iter().find(|seller| seller.number == api);
            let seller = match known {
                Some(known) if known.is_still(&listed) => {
                    known.set_price(&listed);
                    known.clone()
                },
                _ => {
                    let to = ToWhom { api, epoch: self.authority().epoch };
                    let trust = known.map_or_else(|| self.budget.trust(to), |known| known.purse().trust);
                    let seller = Seller::new(api, listed, &quality, trust, &self.config.way);
                    match known {
                        Some(known) => seller.inherit(known),
                        None => {
                            let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
                            if let Some(seen) = seen.get(&api) {
                                seller.restore(seen);
                            }
                        },
                    }
                    Arc::new(seller)
                },
            };
            seller.set_plan(view.market_subscription(place, api, &self.config.consumer).await?);
            if seller.can_be_called() {
                sellers.push(seller);
            }
        }
        Ok(sellers)
    }

    /// All that is known, in JSON.
    pub fn status(&self) -> serde_json::Value {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let apis: serde_json::Map<String, serde_json::Value> = names
            .iter()
            .map(|(name, listed)| (name.clone(), listed.sellers.iter().map(seller_json).collect()))
            .collect();
        let (spent, caps) = (self.budget.spent(crate::market::now_ms()), self.budget.caps());
        serde_json::json!({
            "apis": apis,
            "spent": { "total": spent.total.to_string(), "today": spent.today.to_string() },
            "conflicts": self.conflicts.files(),
            "caps": { "call": caps.call.to_string(), "day": caps.day.to_string(), "total": caps.total.to_string() },
        })
    }

    /// What was counted, as Prometheus reads it.
    pub fn render_metrics(&self) -> String {
        let (spent, counts) = (self.budget.spent(crate::market::now_ms()), &self.metrics);
        Page::default()
            .number("cairn_api_calls_total", "counter", "Calls that were answered", counts.calls.get())
            .number("cairn_api_failures_total", "counter", "Attempts that failed", counts.failures.get())
            .number("cairn_api_offers_total", "counter", "Answers that asked for payment", counts.offers.get())
            .number("cairn_api_payments_total", "counter", "Sessions opened and vouchers sent", counts.payments.get())
            .number("cairn_api_garbage_total", "counter", "Answers that were garbage", counts.garbage.get())
            .number(
                "cairn_api_unchecked_total",
                "counter",
                "Answers that were too big to be held against the document",
                counts.unchecked.get(),
            )
            .number("cairn_api_verified_total", "counter", "Signed answers that were verified", counts.verified.get())
            .number("cairn_api_cross_checks_total", "counter", "Cross-checks", counts.cross_checks.get())
            .number(
                "cairn_api_cross_checks_differed_total",
                "counter",
                "Cross-checks whose answers differed",
                counts.cross_checks_differed.get(),
            )
            .number(
                "cairn_api_conflicts_total",
                "counter",
                "Times that a provider was caught contradicting itself, with signatures",
                counts.conflicts.get(),
            )
            .number("cairn_api_proofs", "gauge", "Proofs for `cairn api report`", self.conflicts.files().len())
            .number("cairn_api_promised_plancks", "gauge", "What vouchers have promised", spent.total)
            .histogram("cairn_api_call_seconds", "Whole calls", &counts.whole)
            .text()
    }
}

fn seller_json(seller: &Arc<Seller>) -> serde_json::Value {
    let (score, purse) = (seller.score().clone(), *seller.purse());
    let plan = seller.plan_left();
    let document = seller.known_document().cloned();
    let name_of = |operation: u16| {
        let known = document.as_ref().and_then(|document| document.operations().get(usize::from(operation)));
        known.map_or_else(|| operation.to_string(), |known| known.name.clone())
    };
    serde_json::json!({
        "api": seller.number,
        "provider": cairn_client::address::to_address(
            &seller.listed.provider(), cairn_client::address::DEFAULT_SS58_PREFIX
        ),
        "unit_price": seller.unit_price().to_string(),
        "quality": score.quality(),
        "latency_ms": score.latency_ms,
        "calls": score.calls,
        "garbage": score.garbage,
        "failures": score.failures,
        "avoided": score.is_avoided(Instant::now()),
        "avoided_operations": score.avoided_operations(Instant::now()).map(|(operation, _)| name_of(operation)).collect::<Vec<_>>(),
        "resting": score.is_resting(Instant::now()),
        "promised": purse.trust.promised.value.to_string(),
        "used": purse.trust.promised.spent.to_string(),
        "conceded": purse.trust.conceded.to_string(),
        "calls_paid": purse.trust.promised.calls,
        "plan": plan.map(|plan| serde_json::json!({ "units": plan.units, "left": plan.left, "until_ms": plan.until_ms })),
    })
}
