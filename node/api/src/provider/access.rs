// SPDX-License-Identifier: Apache-2.0

//! Who calls: sessions, and the vouchers that pay for them.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use hyper::{HeaderMap, Response};

use super::Provider;
use crate::{
    http::Body,
    ledger::{check_standing, verify, Account, Refusal, Who},
    market::now_ms,
    wire::{self, HeaderError, Token, Wanted, CLOCK_SKEW_MS},
};

/// Sessions at the same time.
const SESSIONS_MAX: usize = 100_000;
/// A session that nobody used for this long makes room for another.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// Openings and vouchers that one address may have refused in [`DOOR_PERIOD`]: each costs a signature's check, or a question
/// to the chain.
const REFUSED_MAX: u32 = 60;
const DOOR_PERIOD: Duration = Duration::from_secs(10);
/// Addresses that are remembered.
const DOORS_MAX: usize = 10_000;

struct Session {
    account: Arc<Account>,
    used: Mutex<Instant>,
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions {
    open: RwLock<HashMap<Token, Session>>,
    doors: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

impl Sessions {
    fn get(&self, token: &Token) -> Option<Arc<Account>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        let session = open.get(token)?;
        *session.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        Some(session.account.clone())
    }

    fn insert(&self, token: Token, account: Arc<Account>) -> Result<(), Refusal> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS_MAX {
            open.retain(|_, session| session.used.lock().unwrap_or_else(PoisonError::into_inner).elapsed() < IDLE_MAX);
        }
        if open.len() >= SESSIONS_MAX {
            return Err(Refusal::Busy);
        }
        open.insert(token, Session { account, used: Mutex::new(Instant::now()) });
        Ok(())
    }

    /// Whether an address was refused too often lately.
    fn is_shut(&self, from: IpAddr) -> bool {
        let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        doors.get(&from).is_some_and(|(since, count)| since.elapsed() < DOOR_PERIOD && *count >= REFUSED_MAX)
    }

    fn refused(&self, from: IpAddr) {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= DOORS_MAX {
            doors.retain(|_, (since, _)| since.elapsed() < DOOR_PERIOD);
        }
        if doors.len() >= DOORS_MAX && !doors.contains_key(&from) {
            return;
        }
        let door = doors.entry(from).or_insert((Instant::now(), 0));
        if door.0.elapsed() >= DOOR_PERIOD {
            *door = (Instant::now(), 0);
        }
        door.1 += 1;
    }
}

/// Why nobody was let in.
pub(super) enum Refused {
    /// There is no session.
    NoSession,
    /// A header can't be read.
    Header(HeaderError),
    /// The opening or the voucher is not good.
    Payment(Refusal, Option<Arc<Account>>),
    /// Too many refusals before.
    Shut,
}

impl Provider {
    /// The account that a request names, opened and paid into as its headers say.
    pub(super) async fn account(&self, headers: &HeaderMap, from: SocketAddr) -> Result<Arc<Account>, Refused> {
        let Some(token) = headers.get(wire::SESSION) else { return Err(Refused::NoSession) };
        let token = wire::read_token(token.as_bytes()).map_err(Refused::Header)?;
        let known = self.sessions.get(&token);
        let (opening, voucher) = (headers.get(wire::OPEN), headers.get(wire::VOUCHER));
        if let (Some(account), None) = (&known, voucher) {
            return Ok(account.clone());
        }
        if self.sessions.is_shut(from.ip()) {
            return Err(Refused::Shut);
        }
        let count = |refused: Refused| {
            self.sessions.refused(from.ip());
            refused
        };
        let account = match (known, opening) {
            (Some(account), _) => account,
            (None, None) => return Err(Refused::NoSession),
            (None, Some(opening)) => self.open(&token, opening.as_bytes()).await.map_err(count)?,
        };
        if let Some(voucher) = voucher {
            self.pay(&account, voucher.as_bytes()).await.map_err(|refused| {
                self.metrics.vouchers_refused.add();
                count(refused)
            })?;
        }
        Ok(account)
    }

    async fn open(&self, token: &Token, header: &[u8]) -> Result<Arc<Account>, Refused> {
        let (opening, signature) = wire::read_opening(header).map_err(Refused::Header)?;
        let refuse = |refusal| Err(Refused::Payment(refusal, None));
        if opening.provider != self.account || opening.api != self.config.api {
            return refuse(Refusal::Other("provider or API"));
        }
        if opening.token_hash != wire::token_hash(token) {
            return refuse(Refusal::Other("session"));
        }
        if opening.at_ms.abs_diff(now_ms()) > CLOCK_SKEW_MS {
            return refuse(Refusal::Other("time (are both clocks right?)"));
        }
        let signed = opening.signed_bytes(&self.market.genesis(), &self.market.contract());
        if !verify(&opening.signer, &signed, &signature) {
            return refuse(Refusal::Signature);
        }
        let who = Who { consumer: opening.consumer, signer: opening.signer, epoch: opening.epoch };
        let standing = self.standing(who).await.map_err(|refusal| Refused::Payment(refusal, None))?;
        check_standing(&standing, who.epoch, now_ms()).map_err(|refusal| Refused::Payment(refusal, None))?;
        let account = self.ledger.account(who, &standing).await.map_err(|refusal| Refused::Payment(refusal, None))?;
        self.sessions.insert(*token, account.clone()).map_err(|refusal| Refused::Payment(refusal, None))?;
        self.metrics.sessions.add();
        Ok(account)
    }

    async fn pay(&self, account: &Arc<Account>, header: &[u8]) -> Result<(), Refused> {
        let (voucher, signature) = wire::read_voucher(header).map_err(Refused::Header)?;
        let who = account.who();
        let other = [
            ("chain", voucher.genesis != self.market.genesis()),
            ("contract", voucher.contract != self.market.contract()),
            ("provider", voucher.provider != self.account),
            ("API", voucher.api != self.config.api),
            ("consumer", voucher.consumer != who.consumer),
            ("signer", voucher.signer != who.signer),
            ("epoch", voucher.epoch != who.epoch),
        ];
        let refuse = |refusal| Refused::Payment(refusal, Some(account.clone()));
        if let Some((what, _)) = other.into_iter().find(|(_, differs)| *differs) {
            return Err(refuse(Refusal::Other(what)));
        }
        let standing = self.standing(who).await.map_err(refuse)?;
        let mut paid = self.ledger.pay(account, &voucher, &signature, &standing, now_ms()).await;
        // What was redeemed or deposited since the state was read may make it good.
        if let Err(Refusal::NotBacked { .. }) = paid {
            let standing = self.fresh_standing(who).await.map_err(refuse)?;
            paid = self.ledger.pay(account, &voucher, &signature, &standing, now_ms()).await;
        }
        paid.map_err(refuse)?;
        self.metrics.vouchers.add();
        Ok(())
    }

    async fn standing(&self, who: Who) -> Result<cairn_client::chain::marketplace::Standing, Refusal> {
        self.ask_standing(who, false).await
    }

    pub(super) async fn fresh_standing(&self, who: Who) -> Result<cairn_client::chain::marketplace::Standing, Refusal> {
        self.ask_standing(who, true).await
    }

    async fn ask_standing(&self, who: Who, fresh: bool) -> Result<cairn_client::chain::marketplace::Standing, Refusal> {
        let asked = self.market.standing(who.consumer, who.signer, self.config.api, fresh).await;
        let standing = asked.map_err(|error| {
            tracing::warn!(%error, "a signer can't be looked up");
            Refusal::Chain
        })?;
        standing.ok_or(Refusal::NoSigner)
    }

    pub(super) fn refused(&self, refused: Refused, units: u64) -> Response<Body> {
        match refused {
            Refused::NoSession => {
                self.metrics.offers.add();
                let offer = self.offer(Wanted::Session, "open a session and pay ahead".into(), units, None);
                super::json(hyper::StatusCode::PAYMENT_REQUIRED, &offer)
            },
            Refused::Header(error) => super::error(hyper::StatusCode::BAD_REQUEST, &error.to_string()),
            Refused::Payment(refusal, account) => self.refuse(&refusal, units, account.as_deref()),
            Refused::Shut => self.refuse(&Refusal::Rate { per_second: REFUSED_MAX / 10 }, units, None),
        }
    }
}
