// SPDX-License-Identifier: Apache-2.0

//! Who calls: sessions, and the vouchers that pay for them.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use cairn_client::chain::marketplace::Subscription;
use hyper::{HeaderMap, Response};

use super::Provider;
use crate::{
    http::Body,
    ledger::{check_badge, check_standing, verify, Account, OpenBadge, Refusal, Who},
    market::{now_ms, Market},
    wire::{self, HeaderError, Token, Wanted, CLOCK_SKEW_MS},
};

/// How long it is believed what finalized state says of a consumer's plan, and of a signer that uses one.
const PLAN_TTL: Duration = Duration::from_secs(12);
/// Whoever has no credit left may just have bought a plan: that is asked at most this often.
const PLAN_ASKED: Duration = Duration::from_secs(3);
/// Who calls.
#[derive(Clone)]
pub(super) struct Caller {
    /// Whose account is charged.
    pub account: Arc<Account>,
    /// With which badge, if it is one of the consumer's users.
    pub badge: Option<Arc<OpenBadge>>,
}

impl Caller {
    /// The account as this caller may see it: a user sees its badge, and nothing of the consumer's.
    pub fn shown(&self) -> Option<&Account> {
        self.badge.is_none().then_some(&*self.account)
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
    /// Who calls, as a request names it: opened and paid into as its headers say.
    pub(super) async fn caller(&self, headers: &HeaderMap, from: SocketAddr) -> Result<Caller, Refused> {
        let Some(token) = headers.get(wire::SESSION) else { return Err(Refused::NoSession) };
        let token = wire::read_token(token.as_bytes()).map_err(Refused::Header)?;
        let known = self.sessions.get(&token);
        let (opening, voucher) = (headers.get(wire::OPEN), headers.get(wire::VOUCHER));
        if let (Some(caller), None) = (&known, voucher) {
            return Ok(caller.clone());
        }
        if self.sessions.is_shut(from.ip()) {
            return Err(Refused::Shut);
        }
        let count = |refused: Refused| {
            self.sessions.refused(from.ip());
            refused
        };
        let caller = match (known, opening) {
            (Some(caller), _) => caller,
            (None, None) => return Err(Refused::NoSession),
            (None, Some(opening)) => {
                self.sessions.opened(from.ip());
                let badge = headers.get(wire::BADGE).map(|badge| badge.as_bytes());
                self.open(&token, opening.as_bytes(), badge).await.map_err(count)?
            },
        };
        if let Some(voucher) = voucher {
            self.pay(&caller, voucher.as_bytes()).await.map_err(|refused| {
                self.metrics.vouchers_refused.add();
                count(refused)
            })?;
        }
        Ok(caller)
    }

    async fn open(&self, token: &Token, header: &[u8], badge: Option<&[u8]>) -> Result<Caller, Refused> {
        let (opening, signature) = wire::read_opening(header).map_err(Refused::Header)?;
        let badge = badge.map(wire::read_badge).transpose().map_err(Refused::Header)?;
        let refuse = |refusal| Refused::Payment(refusal, None);
        if opening.provider != self.account || opening.api != self.config.api {
            return Err(refuse(Refusal::Other("provider or API")));
        }
        if opening.token_hash != wire::token_hash(token) {
            return Err(refuse(Refusal::Other("session")));
        }
        if opening.at_ms.abs_diff(now_ms()) > CLOCK_SKEW_MS {
            return Err(refuse(Refusal::Other("time (are both clocks right?)")));
        }
        let (genesis, contract) = (self.market.genesis(), self.market.contract());
        if !verify(&opening.signer, &opening.signed_bytes(&genesis, &contract), &signature) {
            return Err(refuse(Refusal::Signature));
        }
        let signer = match &badge {
            None => opening.signer,
            Some((badge, signature)) => {
                let place = (&genesis, &contract, self.config.api);
                let who = (&opening.consumer, opening.epoch);
                check_badge(badge, signature, place, &opening.signer, who, now_ms()).map_err(refuse)?;
                badge.signer
            },
        };
        let badge_user = badge.is_some().then_some(opening.signer);
        let who = Who { consumer: opening.consumer, signer, epoch: opening.epoch };
        let standing = self.standing(who).await.map_err(refuse)?;
        check_standing(&standing, who.epoch, now_ms()).map_err(refuse)?;
        let account = self.ledger.account(who, &standing).await.map_err(refuse)?;
        if account.is_stale(PLAN_ASKED) {
            look_up(&self.market, self.config.api, &account).await;
        }
        let badge = match &badge {
            None => None,
            Some((badge, _)) => Some(Arc::new(self.ledger.badge(who, badge).map_err(refuse)?)),
        };
        let caller = Caller { account, badge };
        self.sessions.insert(*token, caller.clone(), badge_user).map_err(refuse)?;
        self.metrics.sessions.add();
        Ok(caller)
    }

    async fn pay(&self, caller: &Caller, header: &[u8]) -> Result<(), Refused> {
        if caller.badge.is_some() {
            return Err(Refused::Payment(Refusal::Badge("its session takes no vouchers"), None));
        }
        let account = &caller.account;
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
        let mut paid = self.ledger.pay(account, &voucher, &signature, &standing, None, now_ms()).await;
        // What was redeemed or deposited since the state was read may make it good, or a balance beyond the signer's own cap.
        if let Err(Refusal::NotBacked { .. }) = paid {
            let standing = self.fresh_standing(who).await.map_err(refuse)?;
            let balance = self.market.balance(who.consumer).await.map_err(|error| {
                tracing::warn!(%error, "a balance can't be looked up");
                refuse(Refusal::Chain)
            })?;
            paid = self.ledger.pay(account, &voucher, &signature, &standing, Some(balance), now_ms()).await;
        }
        paid.map_err(refuse)?;
        self.metrics.vouchers.add();
        Ok(())
    }

    /// Keeps what is known of plan and signer up to date, for whoever uses a plan or a badge. Nobody else costs a question:
    /// vouchers are looked at when they come.
    pub(super) async fn keep_known(&self, caller: &Caller) {
        let account = &caller.account;
        if (caller.badge.is_none() && !account.has_plan()) || !account.is_stale(PLAN_TTL) {
            return;
        }
        let (market, api, known) = (self.market.clone(), self.config.api, account.clone());
        if account.looked_before().is_some_and(|before| before < 2 * PLAN_TTL) {
            // Calls go on meanwhile.
            tokio::spawn(async move { look_up(&market, api, &known).await });
        } else {
            look_up(&market, api, account).await;
        }
    }

    /// Asks whether a plan pays for what credit doesn't; whether that was asked.
    pub(super) async fn look_for_plan(&self, account: &Arc<Account>) -> bool {
        let due = account.is_stale(PLAN_ASKED);
        if due {
            look_up(&self.market, self.config.api, account).await;
        }
        due && account.has_plan()
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
                super::refused(super::json(hyper::StatusCode::PAYMENT_REQUIRED, &offer))
            },
            Refused::Header(error) => super::refused(super::error(hyper::StatusCode::BAD_REQUEST, &error.to_string())),
            Refused::Payment(refusal, account) => self.refuse(&refusal, units, account.as_deref()),
            Refused::Shut => self.refuse(&Refusal::Door, units, None),
        }
    }
}

/// Asks finalized state about an account's signer and plan.
async fn look_up(market: &Market, api: u32, account: &Arc<Account>) {
    /// Tells the account that nobody asks any more, whatever becomes of the question.
    struct Asking<'a>(&'a Account, Option<(bool, Option<Subscription>)>);
    impl Drop for Asking<'_> {
        fn drop(&mut self) {
            self.0.looked(self.1);
        }
    }
    let who = account.who();
    let mut asking = Asking(account, None);
    let found = async {
        let standing = market.standing(who.consumer, who.signer, api, true).await?;
        let good = standing.is_some_and(|standing| check_standing(&standing, who.epoch, now_ms()).is_ok());
        Ok::<_, cairn_client::Error>((good, market.subscription(who.consumer, api).await?))
    };
    match found.await {
        Ok(found) => asking.1 = Some(found),
        Err(error) => tracing::warn!(%error, "a plan can't be looked up; what was read last holds"),
    }
}
