// SPDX-License-Identifier: Apache-2.0

//! The marketplace contract (`contracts/marketplace`): its reads as trials of calls, which cost nothing, and its changes as
//! inputs for [`contracts::call`]. Its DESIGN.md says what each message does and when it refuses.

mod refusal;
mod types;

pub use types::*;

use codec::Encode;

use self::refusal::explain;
use super::contracts::{self, Returned, Weight};
use crate::{refusal::Refusal, view::decode, AccountId, Call, Error, View};

/// Gas and deposit are allowed this much more than the trial needed: the state may change until the block.
const MARGIN_PERCENT: u64 = 15;
/// Pages of a listing that are read at most.
const PAGES_MAX: u32 = 32;
/// Entries of one page, as the contract has it.
const PAGE_LEN: u32 = 32;

/// The marketplace at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marketplace {
    /// The contract's account.
    pub contract: AccountId,
}

/// A message to the contract that changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The message's name.
    pub name: &'static str,
    /// Selector and arguments.
    pub data: Vec<u8>,
    /// Coins that go with it, in plancks.
    pub value: u128,
}

/// A message that was tried out.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What the contract would answer: the SCALE-encoded value inside of `Ok`.
    pub answer: Vec<u8>,
    /// The call to submit, with limits somewhat above what the trial needed.
    pub call: Call,
    /// The deposit for storage that is taken, in plancks.
    pub deposit: u128,
    /// The most that may be taken.
    pub deposit_limit: u128,
    /// Coins that go with it.
    pub value: u128,
}

impl Tried {
    /// What the account must be able to spend besides the fee: the value, the deposit's limit, and an existential deposit
    /// that a contract may be given.
    pub fn needed(&self, existential_deposit: u128) -> u128 {
        let spare = if self.deposit_limit > 0 { existential_deposit } else { 0 };
        self.value.saturating_add(self.deposit_limit).saturating_add(spare)
    }

    /// The answer, decoded.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the contract is another one.
    pub fn read<T: codec::DecodeAll>(&self) -> Result<T, Error> {
        decode(&self.answer)
    }
}

/// A message's selector: ink's, the start of the hash of its name.
fn selector(name: &str) -> [u8; 4] {
    let hash = sp_crypto_hashing::blake2_256(name.as_bytes());
    [hash[0], hash[1], hash[2], hash[3]]
}

fn message(name: &'static str, value: u128, args: impl Encode) -> Message {
    let mut data = selector(name).to_vec();
    args.encode_to(&mut data);
    Message { name, data, value }
}

impl Marketplace {
    /// Lists an API, with the bond.
    pub fn register_api(&self, new_api: &NewApi, bond: u128) -> Message {
        message("register_api", bond, new_api)
    }

    /// Changes an API's listing.
    pub fn update_api(&self, api: u32, listing: &Listing) -> Message {
        message("update_api", 0, (api, listing))
    }

    /// Adds methods.
    pub fn add_methods(&self, api: u32, methods: &[Method]) -> Message {
        message("add_methods", 0, (api, methods.to_vec()))
    }

    /// Changes the price of a unit, in plancks.
    pub fn set_price(&self, api: u32, unit_price: u128) -> Message {
        message("set_price", 0, (api, unit_price))
    }

    /// Changes the key that answers are signed with.
    pub fn set_answer_key(&self, api: u32, key: [u8; 32]) -> Message {
        message("set_answer_key", 0, (api, key))
    }

    /// Pauses or resumes an API.
    pub fn pause(&self, api: u32, pause: bool) -> Message {
        message(if pause { "pause_api" } else { "resume_api" }, 0, api)
    }

    /// Retires an API for good.
    pub fn retire_api(&self, api: u32) -> Message {
        message("retire_api", 0, api)
    }

    /// Takes the bond of a retired API back.
    pub fn withdraw_bond(&self, api: u32) -> Message {
        message("withdraw_bond", 0, api)
    }

    /// Takes no more subscriptions for a plan.
    pub fn close_plan(&self, api: u32, plan: u16) -> Message {
        message("close_plan", 0, (api, plan))
    }

    /// Ends the caller's subscription with the period that runs.
    pub fn cancel_subscription(&self, api: u32) -> Message {
        message("cancel_subscription", 0, api)
    }

    /// Pays the provider what a consumer's subscription has earned.
    pub fn collect(&self, api: u32, consumer: &AccountId) -> Message {
        message("collect", 0, (api, consumer.0))
    }

    /// Adds to what pays for calls.
    pub fn deposit(&self, amount: u128) -> Message {
        message("deposit", amount, ())
    }

    /// Lets a key sign vouchers: up to a cap in plancks, until a time in milliseconds since 1970.
    pub fn authorize_signer(
        &self,
        signer: [u8; 32],
        cap: u128,
        expires_at_ms: u64,
        provider: Option<&AccountId>,
    ) -> Message {
        message("authorize_signer", 0, (signer, cap, expires_at_ms, provider.map(|account| account.0)))
    }

    /// Raises a signer's cap, or lets it live longer.
    pub fn extend_signer(&self, signer: [u8; 32], cap: u128, expires_at_ms: u64) -> Message {
        message("extend_signer", 0, (signer, cap, expires_at_ms))
    }

    /// Takes a signer's permission back, after the thaw.
    pub fn revoke_signer(&self, signer: [u8; 32]) -> Message {
        message("revoke_signer", 0, signer)
    }

    /// Closes a signer that has expired: what was set aside for it goes back.
    pub fn close_signer(&self, consumer: &AccountId, signer: [u8; 32]) -> Message {
        message("close_signer", 0, (consumer.0, signer))
    }

    /// Has a part of the balance thaw.
    pub fn request_withdraw(&self, amount: u128) -> Message {
        message("request_withdraw", 0, amount)
    }

    /// Takes what has thawed.
    pub fn withdraw(&self) -> Message {
        message("withdraw", 0, ())
    }

    /// Turns a voucher into coins.
    pub fn redeem(&self, voucher: &cairn_voucher::Voucher, signature: &[u8; 64]) -> Message {
        message("redeem", 0, (voucher, signature))
    }

    /// Rates an API from 1 to 5.
    pub fn rate(&self, api: u32, stars: u8) -> Message {
        message("rate", 0, (api, stars))
    }

    /// Attests how calls went.
    pub fn attest(&self, api: u32, report: &QualityReport) -> Message {
        message("attest", 0, (api, report))
    }

    /// Shows two answers of one provider that contradict each other, with their signatures.
    pub fn report_conflict(
        &self,
        first: (&cairn_voucher::Answer, &[u8; 64]),
        second: (&cairn_voucher::Answer, &[u8; 64]),
    ) -> Message {
        message("report_conflict", 0, (first, second))
    }

    /// Buys a period of a plan.
    pub fn subscribe(&self, api: u32, plan: u16) -> Message {
        message("subscribe", 0, (api, plan))
    }

    /// Offers a plan.
    pub fn add_plan(&self, api: u32, plan: &NewPlan) -> Message {
        message("add_plan", 0, (api, plan))
    }
}

impl View {
    /// The answer of a message that only reads.
    async fn ask<T: codec::DecodeAll>(
        &self,
        market: &Marketplace,
        name: &'static str,
        args: impl Encode,
    ) -> Result<T, Error> {
        let message = message(name, 0, args);
        // Whoever asks: the contract looks at no caller when it reads.
        let trial = self.dry_call(&market.contract, &market.contract, 0, &message.data).await?;
        let returned = trial.result.map_err(|refusal| unanswered(market, refusal))?;
        // Another contract may have a message of this name, that answers something else.
        decode(&unwrapped(market, name, returned)?).map_err(|_| other_contract(market, &odd_answer(name)))
    }

    /// Tries a message out at this block.
    ///
    /// # Errors
    /// [`Error::Refused`] with the contract's own reason, or the chain's.
    pub async fn try_message(
        &self,
        origin: &AccountId,
        market: &Marketplace,
        message: &Message,
    ) -> Result<Tried, Error> {
        let trial = self.dry_call(origin, &market.contract, message.value, &message.data).await?;
        let returned = trial.result.map_err(|refusal| unanswered(market, refusal))?;
        let mut answer = unwrapped(market, message.name, returned)?;
        match answer.first() {
            Some(0) => drop(answer.remove(0)),
            Some(1) => return Err(explain(&answer[1..]).into()),
            _ => return Err(other_contract(market, &odd_answer(message.name))),
        }
        let deposit = trial.storage_deposit.charge();
        let deposit_limit = deposit.saturating_add(deposit / 100 * u128::from(MARGIN_PERCENT));
        let gas: Weight = trial.gas_required.with_margin(MARGIN_PERCENT);
        let call = contracts::call(&market.contract, message.value, gas, Some(deposit_limit), &message.data);
        Ok(Tried { answer, call, deposit, deposit_limit, value: message.value })
    }

    /// How the marketplace was set up.
    pub async fn market_settings(&self, market: &Marketplace) -> Result<MarketSettings, Error> {
        self.ask(market, "settings", ()).await
    }

    /// Everything about one API.
    pub async fn market_api(&self, market: &Marketplace, api: u32) -> Result<Option<Api>, Error> {
        self.ask(market, "api", api).await
    }

    /// APIs from this number on, in the order of registration, up to `limit`.
    pub async fn market_apis(&self, market: &Marketplace, start: u32, limit: u32) -> Result<Vec<Brief>, Error> {
        let mut found: Vec<Brief> = Vec::new();
        let mut next = start;
        for _ in 0..PAGES_MAX {
            let wanted = limit.saturating_sub(found.len() as u32).min(PAGE_LEN);
            let page: Vec<Brief> = self.ask(market, "apis", (next, wanted)).await?;
            let Some(last) = page.last() else { break };
            next = last.api.saturating_add(1);
            found.extend(page);
        }
        Ok(found)
    }

    /// All offers of one name.
    pub async fn market_offers(&self, market: &Marketplace, name: &str) -> Result<Vec<Brief>, Error> {
        let mut found: Vec<Brief> = Vec::new();
        for _ in 0..PAGES_MAX {
            let page: Vec<Brief> = self.ask(market, "offers", (name, found.len() as u32, PAGE_LEN)).await?;
            let complete = page.len() < PAGE_LEN as usize;
            found.extend(page);
            if complete {
                break;
            }
        }
        Ok(found)
    }

    /// What a consumer has in the marketplace.
    pub async fn market_account(&self, market: &Marketplace, consumer: &AccountId) -> Result<MarketAccount, Error> {
        self.ask(market, "account", consumer.0).await
    }

    /// A key that a consumer lets sign.
    pub async fn market_signer(
        &self,
        market: &Marketplace,
        consumer: &AccountId,
        signer: [u8; 32],
    ) -> Result<Option<Signer>, Error> {
        self.ask(market, "signer", (consumer.0, signer)).await
    }

    /// All that a provider has to know before it trusts a voucher.
    pub async fn market_standing(
        &self,
        market: &Marketplace,
        consumer: &AccountId,
        signer: [u8; 32],
        api: u32,
    ) -> Result<Option<Standing>, Error> {
        self.ask(market, "standing", (consumer.0, signer, api)).await
    }

    /// An API's plans, those closed included.
    pub async fn market_plans(&self, market: &Marketplace, api: u32) -> Result<Vec<MarketPlan>, Error> {
        self.ask(market, "plans", api).await
    }

    /// A consumer's subscription.
    pub async fn market_subscription(
        &self,
        market: &Marketplace,
        api: u32,
        consumer: &AccountId,
    ) -> Result<Option<Subscription>, Error> {
        self.ask(market, "subscription", (api, consumer.0)).await
    }

    /// What one consumer paid, attested and rated.
    pub async fn market_patron(&self, market: &Marketplace, api: u32, consumer: &AccountId) -> Result<Patron, Error> {
        self.ask(market, "patron", (api, consumer.0)).await
    }

    /// What was paid, attested and rated for an API.
    pub async fn market_quality(&self, market: &Marketplace, api: u32) -> Result<Option<Quality>, Error> {
        self.ask(market, "quality", api).await
    }
}

/// What is inside of ink's own result.
fn unwrapped(market: &Marketplace, name: &str, returned: Returned) -> Result<Vec<u8>, Error> {
    match returned.data.split_first() {
        Some((0, rest)) => Ok(rest.to_vec()),
        // The contract could not read the input, or has no such message.
        Some((1, _)) => Err(other_contract(market, &format!("the contract there has no message `{name}`"))),
        _ => Err(other_contract(market, &odd_answer(name))),
    }
}

/// Why a message was not carried out at all.
fn unanswered(market: &Marketplace, refusal: Refusal) -> Error {
    match refusal.code.as_str() {
        "Contracts::ContractNotFound" => other_contract(market, "there is no contract at this address"),
        // Contracts that ink did not make may end like this when a message is not theirs. The marketplace never does.
        "Contracts::ContractTrapped" => other_contract(market, "the contract there breaks off"),
        _ => refusal.into(),
    }
}

fn odd_answer(name: &str) -> String {
    format!("the contract there answers `{name}` as no marketplace does")
}

fn other_contract(market: &Marketplace, why: &str) -> Error {
    let address = crate::address::to_address(&market.contract, crate::address::DEFAULT_SS58_PREFIX);
    let remedy = "give the address of a marketplace on this chain: the one that `cairn contract instantiate \
                  marketplace.contract` printed when it was made, of the same release as this program";
    Refusal::foreseen("Marketplace::NoMarketplace", format!("{address} is no marketplace: {why}"), remedy).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_inks() {
        // As ink's own metadata has them for these names.
        assert_eq!(selector("new"), [0x9b, 0xae, 0x9d, 0x5e]);
        assert_eq!(selector("flip"), [0x63, 0x3a, 0xa5, 0x51]);
        assert_eq!(selector("get"), [0x2f, 0x86, 0x5b, 0xd9]);
    }

    #[test]
    fn messages_are_selector_and_arguments() {
        let market = Marketplace { contract: [1; 32].into() };
        let message = market.set_price(7, 9);
        assert_eq!(message.data[..4], selector("set_price"));
        assert_eq!(message.data[4..], (7u32, 9u128).encode());
        assert_eq!(market.deposit(5).value, 5);
        assert_eq!(market.redeem(&voucher(), &[9; 64]).data.len(), 4 + 200 + 64);
    }

    fn voucher() -> cairn_voucher::Voucher {
        let zero = [0; 32];
        cairn_voucher::Voucher {
            genesis: zero,
            contract: zero,
            consumer: zero,
            signer: zero,
            provider: zero,
            api: 0,
            epoch: 0,
            calls: 0,
            units: 0,
            value: 0,
        }
    }

    #[test]
    fn answers_that_are_not_the_marketplaces_are_refused() {
        let market = Marketplace { contract: [1; 32].into() };
        let answer = |data: &[u8]| unwrapped(&market, "api", Returned { reverted: false, data: data.to_vec() });
        assert_eq!(answer(&[0, 7]).expect("fine"), [7]);
        let refusal = |error: Error| match error {
            Error::Refused(refusal) => *refusal,
            other => panic!("{other}"),
        };
        let address = crate::address::to_address(&market.contract, crate::address::DEFAULT_SS58_PREFIX);
        for data in [&[1, 1][..], &[1], &[], &[9]] {
            let refusal = refusal(answer(data).expect_err("is no answer of a marketplace"));
            assert_eq!(refusal.code, "Marketplace::NoMarketplace");
            assert!(refusal.reason.starts_with(&format!("{address} is no marketplace: ")), "{}", refusal.reason);
            assert!(refusal.remedy.expect("what to do").contains("the address of a marketplace"));
        }
        let unanswered = |code: &str| refusal(unanswered(&market, Refusal::foreseen(code, "x", "y")));
        assert!(unanswered("Contracts::ContractNotFound").reason.ends_with("there is no contract at this address"));
        assert_eq!(unanswered("Contracts::ContractTrapped").code, "Marketplace::NoMarketplace");
        assert_eq!(unanswered("Contracts::OutOfGas").code, "Contracts::OutOfGas", "says nothing of what is there");
    }
}
