// SPDX-License-Identifier: Apache-2.0

//! The API marketplace. `DESIGN.md` beside this crate argues for it and lists its messages.
//!
//! Rules are in modules that know of no chain ([`registry`], [`escrow`], [`plans`], [`quality`]); the contract itself,
//! [`marketplace`], reads, asks a rule, and writes. It is long because ink! wants all messages in one module.
//!
//! # Correctness
//! - **Money is conserved**: [`Solvency`] counts what the contract owes: balances, what is set aside, what is held for subscriptions,
//!   bonds. Its account never has less.
//! - **A message that returns `Err` changes nothing**: the chain undoes what it did.
//! - **No entry is iterated over**: every message touches a bounded number of entries of bounded size.

#![cfg_attr(not(feature = "std"), no_std, no_main)]

mod error;
pub mod escrow;
pub mod events;
pub mod plans;
pub mod quality;
pub mod registry;

pub use error::{Error, Result};
pub use registry::Status;

/// Plancks.
pub type Balance = u128;
/// A public key or a hash.
pub type Bytes32 = [u8; 32];

use ink::primitives::AccountId;

/// What a marketplace was made with. It never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
#[cfg_attr(feature = "std", derive(ink::storage::traits::StorageLayout))]
pub struct Settings {
    /// Hash of the chain's block 0, as whoever made the contract says.
    pub genesis: Bytes32,
    /// Gets half of lost bonds.
    pub treasury: AccountId,
    /// How long everything waits that could take money from under a voucher, and how long ahead a higher price is told.
    pub thaw_ms: u64,
    /// Least bond of an API.
    pub bond_min: Balance,
}

/// Whether the contract can pay everybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[ink::scale_derive(Encode, Decode, TypeInfo)]
pub struct Solvency {
    /// The sum of all balances, of what is set aside or held, and of bonds.
    pub owed: Balance,
    /// What the contract's account can send: its existential deposit is not in it.
    pub balance: Balance,
}

#[ink::contract]
pub mod marketplace {
    use super::{
        escrow::{self, Account, Paid, Signer, Standing},
        events::*,
        plans::{NewPlan, Plan, Subscription, PLANS_MAX},
        quality::{Patron, Quality, Report},
        registry::{check_methods, Api, Brief, Listing, Method, NewApi, Terms},
        Bytes32, Error, Result, Settings, Solvency, Status,
    };
    use cairn_voucher::{Answer, Signature, Voucher};
    use ink::{
        prelude::{string::String, vec::Vec},
        storage::Mapping,
    };

    const THAW_MS_MIN: u64 = 1_000;
    const THAW_MS_MAX: u64 = 90 * 24 * 3_600_000;
    /// Entries in one answer. What a contract answers has a bound of 16 KiB.
    const PAGE_LEN_MAX: u32 = 32;

    /// What is stored.
    #[ink(storage)]
    pub struct Marketplace {
        settings: Settings,
        /// See `Solvency`.
        owed: Balance,
        api_count: u32,
        terms: Mapping<u32, Terms>,
        listings: Mapping<u32, Listing>,
        methods: Mapping<u32, Vec<Method>>,
        plans: Mapping<u32, Vec<Plan>>,
        quality: Mapping<u32, Quality>,
        /// How many APIs have a name, and which they are.
        offer_counts: Mapping<String, u32>,
        offers: Mapping<(String, u32), u32>,
        accounts: Mapping<AccountId, Account>,
        signers: Mapping<(AccountId, Bytes32), Signer>,
        /// By consumer, epoch and API.
        paid: Mapping<(AccountId, u32, u32), Paid>,
        patrons: Mapping<(u32, AccountId), Patron>,
        subscriptions: Mapping<(u32, AccountId), Subscription>,
    }

    impl Marketplace {
        /// Makes a marketplace.
        #[ink(constructor)]
        pub fn new(genesis: Bytes32, treasury: AccountId, thaw_ms: u64, bond_min: Balance) -> Result<Self> {
            if !(THAW_MS_MIN..=THAW_MS_MAX).contains(&thaw_ms) {
                return Err(Error::BadSettings);
            }
            Ok(Self {
                settings: Settings { genesis, treasury, thaw_ms, bond_min },
                owed: 0,
                api_count: 0,
                terms: Mapping::new(),
                listings: Mapping::new(),
                methods: Mapping::new(),
                plans: Mapping::new(),
                quality: Mapping::new(),
                offer_counts: Mapping::new(),
                offers: Mapping::new(),
                accounts: Mapping::new(),
                signers: Mapping::new(),
                paid: Mapping::new(),
                patrons: Mapping::new(),
                subscriptions: Mapping::new(),
            })
        }

        // --- Registry -----------------------------------------------------------------------------------------------

        /// Lists an API. The coins sent along are its bond. Answers its number.
        #[ink(message, payable)]
        pub fn register_api(&mut self, new_api: NewApi) -> Result<u32> {
            let bond = self.env().transferred_value();
            if bond < self.settings.bond_min {
                return Err(Error::BondTooSmall);
            }
            new_api.check()?;
            let NewApi { name, listing, methods, unit_price, answer_key } = new_api;
            let provider = self.env().caller();
            let api = self.api_count;
            self.api_count = api.checked_add(1).ok_or(Error::BadName)?;
            self.owe(bond)?;
            let offer = self.offer_counts.get(&name).unwrap_or_default();
            self.offer_counts.insert(&name, &offer.saturating_add(1));
            self.offers.insert((&name, offer), &api);
            let terms = Terms {
                provider,
                name: name.clone(),
                status: Status::Active,
                unit_price,
                next_price: None,
                bond,
                answer_key,
                old_answer_key: None,
            };
            self.terms.insert(api, &terms);
            self.listings.insert(api, &listing);
            self.methods.insert(api, &methods);
            self.env().emit_event(ApiRegistered { api, provider, name });
            Ok(api)
        }

        /// Replaces what is told of an API.
        #[ink(message)]
        pub fn update_api(&mut self, api: u32, listing: Listing) -> Result<()> {
            self.own(api)?.check_not_retired()?;
            listing.check()?;
            self.listings.insert(api, &listing);
            self.env().emit_event(ApiUpdated { api });
            Ok(())
        }

        /// Adds methods. None is ever changed: signed answers refer to them by number.
        #[ink(message)]
        pub fn add_methods(&mut self, api: u32, methods: Vec<Method>) -> Result<()> {
            self.own(api)?.check_not_retired()?;
            let mut all = self.methods.get(api).unwrap_or_default();
            check_methods(&all, &methods)?;
            all.extend(methods);
            self.methods.insert(api, &all);
            let methods = u32::try_from(all.len()).unwrap_or(u32::MAX);
            self.env().emit_event(MethodsAdded { api, methods });
            Ok(())
        }

        /// Sets the price of a unit. Answers from when it holds.
        #[ink(message)]
        pub fn set_price(&mut self, api: u32, unit_price: Balance) -> Result<u64> {
            let mut terms = self.own(api)?;
            let now = self.now();
            terms.advance(now);
            let old = terms.unit_price;
            let from_ms = terms.set_price(unit_price, now, self.settings.thaw_ms)?;
            self.terms.insert(api, &terms);
            self.env().emit_event(PriceChanged { api, old, new: unit_price, from_ms });
            Ok(from_ms)
        }

        /// Sets the key that signs answers.
        #[ink(message)]
        pub fn set_answer_key(&mut self, api: u32, key: Bytes32) -> Result<()> {
            let mut terms = self.own(api)?;
            let old = terms.set_answer_key(key, self.now(), self.settings.thaw_ms)?;
            self.terms.insert(api, &terms);
            self.env().emit_event(AnswerKeyChanged { api, old, new: key });
            Ok(())
        }

        /// Tells consumers not to call for now.
        #[ink(message)]
        pub fn pause_api(&mut self, api: u32) -> Result<()> {
            let terms = self.own(api)?;
            if terms.status != Status::Active {
                return Err(Error::NotActive);
            }
            self.set_status(api, terms, Status::Paused);
            Ok(())
        }

        /// Takes calls again.
        #[ink(message)]
        pub fn resume_api(&mut self, api: u32) -> Result<()> {
            let terms = self.own(api)?;
            if terms.status != Status::Paused {
                return Err(Error::NotPaused);
            }
            self.set_status(api, terms, Status::Active);
            Ok(())
        }

        /// Ends an API for good. Answers from when the bond can be had.
        #[ink(message)]
        pub fn retire_api(&mut self, api: u32) -> Result<u64> {
            let terms = self.own(api)?;
            terms.check_not_retired()?;
            let at_ms = self.now();
            self.set_status(api, terms, Status::Retired { at_ms });
            Ok(at_ms.saturating_add(self.settings.thaw_ms))
        }

        /// Gives the bond of a retired API back.
        #[ink(message)]
        pub fn withdraw_bond(&mut self, api: u32) -> Result<Balance> {
            let mut terms = self.own(api)?;
            let Status::Retired { at_ms } = terms.status else {
                return Err(Error::NotRetired);
            };
            if self.now() < at_ms.saturating_add(self.settings.thaw_ms) {
                return Err(Error::Thawing);
            }
            let amount = core::mem::take(&mut terms.bond);
            if amount == 0 {
                return Err(Error::NothingDue);
            }
            self.terms.insert(api, &terms);
            self.pay(terms.provider, amount)?;
            self.env().emit_event(BondReturned { api, amount });
            Ok(amount)
        }

        /// Raises the bond by the coins sent along. Answers the whole bond.
        #[ink(message, payable)]
        pub fn add_bond(&mut self, api: u32) -> Result<Balance> {
            let mut terms = self.own(api)?;
            terms.check_not_retired()?;
            let amount = self.env().transferred_value();
            self.owe(amount)?;
            terms.bond = terms.bond.saturating_add(amount);
            self.terms.insert(api, &terms);
            self.env().emit_event(BondAdded { api, amount, bond: terms.bond });
            Ok(terms.bond)
        }

        /// How many APIs were ever listed: their numbers are below.
        #[ink(message)]
        pub fn api_count(&self) -> u32 {
            self.api_count
        }

        /// Everything about an API.
        #[ink(message)]
        pub fn api(&self, api: u32) -> Option<Api> {
            let mut terms = self.terms.get(api)?;
            terms.advance(self.now());
            let Terms { provider, name, status, unit_price, next_price, bond, answer_key, old_answer_key } = terms;
            let listing = self.listings.get(api)?;
            let methods = self.methods.get(api).unwrap_or_default();
            Some(Api {
                provider,
                name,
                status,
                unit_price,
                next_price,
                bond,
                answer_key,
                old_answer_key,
                listing,
                methods,
            })
        }

        /// APIs in the order of their numbers, 32 at most.
        #[ink(message)]
        pub fn apis(&self, start: u32, limit: u32) -> Vec<Brief> {
            let end = start.saturating_add(limit.min(PAGE_LEN_MAX)).min(self.api_count);
            (start..end).filter_map(|api| self.brief(api)).collect()
        }

        /// APIs of one name, 32 at most.
        #[ink(message)]
        pub fn offers(&self, name: String, start: u32, limit: u32) -> Vec<Brief> {
            let count = self.offer_counts.get(&name).unwrap_or_default();
            let end = start.saturating_add(limit.min(PAGE_LEN_MAX)).min(count);
            (start..end).filter_map(|offer| self.brief(self.offers.get((&name, offer))?)).collect()
        }

        /// What the marketplace was made with.
        #[ink(message)]
        pub fn settings(&self) -> Settings {
            self.settings
        }

        // --- Plans --------------------------------------------------------------------------------------------------

        /// Offers a plan. Answers its number.
        #[ink(message)]
        pub fn add_plan(&mut self, api: u32, plan: NewPlan) -> Result<u16> {
            self.own(api)?.check_not_retired()?;
            let mut plans = self.plans.get(api).unwrap_or_default();
            if plans.len() >= PLANS_MAX {
                return Err(Error::TooManyPlans);
            }
            let number = u16::try_from(plans.len()).map_err(|_| Error::TooManyPlans)?;
            plans.push(plan.check()?);
            self.plans.insert(api, &plans);
            self.env().emit_event(PlanAdded { api, plan: number });
            Ok(number)
        }

        /// Takes no more subscriptions for a plan. What is paid goes on.
        #[ink(message)]
        pub fn close_plan(&mut self, api: u32, plan: u16) -> Result<()> {
            self.own(api)?;
            let mut plans = self.plans.get(api).unwrap_or_default();
            plans.get_mut(usize::from(plan)).ok_or(Error::NoSuchPlan)?.open = false;
            self.plans.insert(api, &plans);
            self.env().emit_event(PlanClosed { api, plan });
            Ok(())
        }

        /// Pays for one more period of a plan from the balance. Answers until when it is paid.
        #[ink(message)]
        pub fn subscribe(&mut self, api: u32, plan: u16) -> Result<u64> {
            let terms = self.terms.get(api).ok_or(Error::NoSuchApi)?;
            if terms.status != Status::Active {
                return Err(Error::NotActive);
            }
            let plans = self.plans.get(api).unwrap_or_default();
            let offered = plans.get(usize::from(plan)).ok_or(Error::NoSuchPlan)?;
            if !offered.open {
                return Err(Error::PlanClosed);
            }
            let (consumer, now) = (self.env().caller(), self.now());
            let known = self.subscriptions.get((api, consumer));
            let (ended, current) = match known {
                Some(known) if known.has_ended(now) => (Some(known), None),
                known => (None, known),
            };
            let mut subscription = current.unwrap_or_else(|| Subscription::begin(plan, offered, now));
            if subscription.plan != plan {
                return Err(Error::OtherPlan);
            }
            subscription.renew(offered.price, now)?;
            // Refused before anything is paid.
            self.account(consumer).take(offered.price)?;
            if let Some(mut ended) = ended {
                let earned = ended.earn(now);
                self.pay_or_credit(terms.provider, earned)?;
                self.emit_collected(api, consumer, terms.provider, earned);
            }
            let mut account = self.account(consumer);
            account.take(offered.price)?;
            self.accounts.insert(consumer, &account);
            self.subscriptions.insert((api, consumer), &subscription);
            let Subscription { ends_ms, held, .. } = subscription;
            self.env().emit_event(Subscribed { api, consumer, plan, ends_ms, held });
            Ok(ends_ms)
        }

        /// Ends the caller's subscription with the period that runs. Answers what came back to the balance: what the periods
        /// cost that have not begun.
        #[ink(message)]
        pub fn cancel_subscription(&mut self, api: u32) -> Result<Balance> {
            let consumer = self.env().caller();
            let mut subscription = self.subscriptions.get((api, consumer)).ok_or(Error::NotSubscribed)?;
            let provider = self.terms.get(api).ok_or(Error::NoSuchApi)?.provider;
            let now = self.now();
            let earned = subscription.earn(now);
            let refund = subscription.cut(now);
            if refund == 0 {
                return Err(Error::NothingDue);
            }
            self.subscriptions.insert((api, consumer), &subscription);
            let mut account = self.account(consumer);
            account.balance = account.balance.saturating_add(refund);
            self.accounts.insert(consumer, &account);
            self.pay_or_credit(provider, earned)?;
            self.emit_collected(api, consumer, provider, earned);
            self.env().emit_event(SubscriptionCancelled { api, consumer, refund });
            Ok(refund)
        }

        /// Pays the provider what a subscription has earned. Answers how much.
        #[ink(message)]
        pub fn collect(&mut self, api: u32, consumer: AccountId) -> Result<Balance> {
            let mut subscription = self.subscriptions.get((api, consumer)).ok_or(Error::NotSubscribed)?;
            let provider = self.terms.get(api).ok_or(Error::NoSuchApi)?.provider;
            let now = self.now();
            let earned = subscription.earn(now);
            if earned == 0 && !subscription.has_ended(now) {
                return Err(Error::NothingDue);
            }
            if subscription.has_ended(now) {
                self.subscriptions.remove((api, consumer));
            } else {
                self.subscriptions.insert((api, consumer), &subscription);
            }
            self.pay(provider, earned)?;
            self.emit_collected(api, consumer, provider, earned);
            Ok(earned)
        }

        /// The plans of an API, closed ones included.
        #[ink(message)]
        pub fn plans(&self, api: u32) -> Vec<Plan> {
            self.plans.get(api).unwrap_or_default()
        }

        /// What a consumer has paid ahead.
        #[ink(message)]
        pub fn subscription(&self, api: u32, consumer: AccountId) -> Option<Subscription> {
            self.subscriptions.get((api, consumer))
        }

        // --- Escrow -------------------------------------------------------------------------------------------------

        /// Adds the coins sent along to the caller's balance. Answers the balance.
        #[ink(message, payable)]
        pub fn deposit(&mut self) -> Result<Balance> {
            let (consumer, amount) = (self.env().caller(), self.env().transferred_value());
            if amount == 0 {
                return Err(Error::NothingSent);
            }
            self.owe(amount)?;
            let mut account = self.account(consumer);
            account.balance = account.balance.saturating_add(amount);
            self.accounts.insert(consumer, &account);
            self.env().emit_event(Deposited { consumer, amount, balance: account.balance });
            Ok(account.balance)
        }

        /// Asks for a part of the balance back. Answers from when it can be had.
        #[ink(message)]
        pub fn request_withdraw(&mut self, amount: Balance) -> Result<u64> {
            let consumer = self.env().caller();
            let ready_at_ms = self.now().saturating_add(self.settings.thaw_ms);
            let mut account = self.account(consumer);
            account.request_withdraw(amount, ready_at_ms)?;
            self.accounts.insert(consumer, &account);
            self.env().emit_event(WithdrawRequested { consumer, amount, ready_at_ms });
            Ok(ready_at_ms)
        }

        /// Sends what was asked back, or what vouchers have left of it. Answers how much.
        #[ink(message)]
        pub fn withdraw(&mut self) -> Result<Balance> {
            let consumer = self.env().caller();
            let mut account = self.account(consumer);
            let amount = account.withdraw(self.now())?;
            self.accounts.insert(consumer, &account);
            self.pay(consumer, amount)?;
            self.env().emit_event(Withdrawn { consumer, amount });
            Ok(amount)
        }

        /// Lets a key sign vouchers, up to a cap, until a time. With a provider, the cap is set aside for it. Answers the epoch.
        #[ink(message)]
        pub fn authorize_signer(
            &mut self,
            signer: Bytes32,
            cap: Balance,
            expires_at_ms: u64,
            provider: Option<AccountId>,
        ) -> Result<u32> {
            let (consumer, now) = (self.env().caller(), self.now());
            let mut account = self.account(consumer);
            if let Some(last) = self.signers.get((consumer, signer)) {
                if !last.is_closed(now) {
                    return Err(Error::SignerActive);
                }
                account.balance = account.balance.saturating_add(last.set_aside);
            }
            let opened = Signer::open(&mut account, cap, expires_at_ms, provider, now)?;
            self.accounts.insert(consumer, &account);
            self.signers.insert((consumer, signer), &opened);
            let epoch = opened.epoch;
            self.env().emit_event(SignerAuthorized { consumer, signer, epoch, cap, expires_at_ms, provider });
            Ok(epoch)
        }

        /// Raises a signer's cap and expiry.
        #[ink(message)]
        pub fn extend_signer(&mut self, signer: Bytes32, cap: Balance, expires_at_ms: u64) -> Result<()> {
            let consumer = self.env().caller();
            let mut entry = self.signers.get((consumer, signer)).ok_or(Error::NoSuchSigner)?;
            let mut account = self.account(consumer);
            entry.extend(&mut account, cap, expires_at_ms, self.now())?;
            self.accounts.insert(consumer, &account);
            self.signers.insert((consumer, signer), &entry);
            self.env().emit_event(SignerExtended { consumer, signer, cap, expires_at_ms });
            Ok(())
        }

        /// Takes an authorisation back. Answers until when its vouchers are still redeemed.
        #[ink(message)]
        pub fn revoke_signer(&mut self, signer: Bytes32) -> Result<u64> {
            let consumer = self.env().caller();
            let mut entry = self.signers.get((consumer, signer)).ok_or(Error::NoSuchSigner)?;
            let closes_at_ms = entry.revoke(self.now(), self.settings.thaw_ms)?;
            self.signers.insert((consumer, signer), &entry);
            self.env().emit_event(SignerRevoked { consumer, signer, closes_at_ms });
            Ok(closes_at_ms)
        }

        /// Removes a signer that pays no more. Answers what went back to the consumer's balance.
        #[ink(message)]
        pub fn close_signer(&mut self, consumer: AccountId, signer: Bytes32) -> Result<Balance> {
            let entry = self.signers.get((consumer, signer)).ok_or(Error::NoSuchSigner)?;
            if !entry.is_closed(self.now()) {
                return Err(Error::SignerActive);
            }
            self.signers.remove((consumer, signer));
            let mut account = self.account(consumer);
            account.balance = account.balance.saturating_add(entry.set_aside);
            self.accounts.insert(consumer, &account);
            self.env().emit_event(SignerRemoved { consumer, signer, returned: entry.set_aside });
            Ok(entry.set_aside)
        }

        /// Pays a provider what a voucher promises beyond what was paid before. Answers how much that was.
        #[ink(message)]
        pub fn redeem(&mut self, voucher: Voucher, signature: Signature) -> Result<Balance> {
            self.check_place(&voucher.genesis, &voucher.contract)?;
            let Voucher { api, epoch, .. } = voucher;
            let (consumer, provider) = (AccountId::from(voucher.consumer), AccountId::from(voucher.provider));
            let mut terms = self.terms.get(api).ok_or(Error::NoSuchApi)?;
            if terms.provider != provider {
                return Err(Error::WrongProvider);
            }
            terms.advance(self.now());
            let mut signer = self.signers.get((consumer, voucher.signer)).ok_or(Error::NoSuchSigner)?;
            let mut account = self.account(consumer);
            let mut paid = self.paid(consumer, epoch, api);
            let done = escrow::redeem(&voucher, &mut signer, &mut account, &mut paid, self.now())?;
            // The dearest last.
            self.check_signature(&signature, &voucher.signed_bytes(), &voucher.signer)?;
            self.signers.insert((consumer, voucher.signer), &signer);
            if done.from_balance {
                self.accounts.insert(consumer, &account);
            }
            self.paid.insert((consumer, epoch, api), &paid);
            let mut quality = self.quality.get(api).unwrap_or_default();
            let mut patron = self.patron(api, consumer);
            quality.add_paid(&mut patron, done.calls, done.units, done.amount, terms.unit_price);
            self.quality.insert(api, &quality);
            self.patrons.insert((api, consumer), &patron);
            self.pay(provider, done.amount)?;
            let escrow::Redemption { amount, due, calls, units, .. } = done;
            self.env().emit_event(Redeemed { api, consumer, provider, epoch, calls, units, amount, due });
            Ok(amount)
        }

        /// Forgets what was paid in an epoch that is closed. The deposit for that storage goes to the caller.
        #[ink(message)]
        pub fn forget_paid(&mut self, consumer: AccountId, epoch: u32, api: u32) -> Result<()> {
            let paid = self.paid.get((consumer, epoch, api)).ok_or(Error::NothingDue)?;
            let open = self.signers.get((consumer, paid.signer));
            if open.is_some_and(|signer| signer.epoch == epoch && !signer.is_closed(self.now())) {
                return Err(Error::SignerActive);
            }
            self.paid.remove((consumer, epoch, api));
            Ok(())
        }

        /// What a consumer has here.
        #[ink(message)]
        pub fn account(&self, consumer: AccountId) -> Account {
            self.accounts.get(consumer).unwrap_or_default()
        }

        /// A key that a consumer authorised.
        #[ink(message)]
        pub fn signer(&self, consumer: AccountId, signer: Bytes32) -> Option<Signer> {
            self.signers.get((consumer, signer))
        }

        /// What was paid for an API in an epoch.
        #[ink(message)]
        pub fn paid(&self, consumer: AccountId, epoch: u32, api: u32) -> Paid {
            self.paid.get((consumer, epoch, api)).unwrap_or_default()
        }

        /// All that a provider has to know before it trusts a voucher.
        #[ink(message)]
        pub fn standing(&self, consumer: AccountId, signer: Bytes32, api: u32) -> Option<Standing> {
            let terms = self.terms.get(api)?;
            let signer = self.signers.get((consumer, signer))?;
            let account = self.account(consumer);
            let pays = signer.provider.is_none_or(|only| only == terms.provider);
            Some(Standing {
                paid: self.paid(consumer, signer.epoch, api),
                redeemable: if pays { signer.redeemable(&account, self.now()) } else { 0 },
                signer,
                thawing: account.thawing,
                thaws_at_ms: account.thaws_at_ms,
                api_status: terms.status,
                api_provider: terms.provider,
            })
        }

        /// What the contract owes in all, and what it has.
        #[ink(message)]
        pub fn solvency(&self) -> Solvency {
            Solvency { owed: self.owed, balance: self.env().balance() }
        }

        // --- Quality ------------------------------------------------------------------------------------------------

        /// Rates an API with 1 to 5 stars. It weighs what the caller paid.
        #[ink(message)]
        pub fn rate(&mut self, api: u32, stars: u8) -> Result<()> {
            self.terms.get(api).ok_or(Error::NoSuchApi)?;
            let consumer = self.env().caller();
            let mut quality = self.quality.get(api).unwrap_or_default();
            let mut patron = self.patron(api, consumer);
            let weight = quality.rate(&mut patron, stars)?;
            self.quality.insert(api, &quality);
            self.patrons.insert((api, consumer), &patron);
            self.env().emit_event(Rated { api, consumer, stars, weight });
            Ok(())
        }

        /// Adds to what is known of calls, as consumer or provider.
        #[ink(message)]
        pub fn attest(&mut self, api: u32, report: Report) -> Result<()> {
            let provider = self.terms.get(api).ok_or(Error::NoSuchApi)?.provider;
            let by = self.env().caller();
            let mut quality = self.quality.get(api).unwrap_or_default();
            if by == provider {
                quality.attest_as_provider(&report)?;
            } else {
                let mut patron = self.patron(api, by);
                quality.attest_as_patron(&mut patron, &report)?;
                self.patrons.insert((api, by), &patron);
            }
            self.quality.insert(api, &quality);
            let Report { calls, failed, latency_ms } = report;
            self.env().emit_event(Attested { api, by, calls, failed, latency_ms });
            Ok(())
        }

        /// Shows that a provider signed two different answers to one request of a deterministic method. Its bond is gone:
        /// half to the caller, half to the treasury. Answers the caller's half.
        #[ink(message)]
        pub fn report_conflict(
            &mut self,
            first: Answer,
            first_signature: Signature,
            second: Answer,
            second_signature: Signature,
        ) -> Result<Balance> {
            self.check_place(&first.genesis, &first.contract)?;
            let api = first.api;
            let mut terms = self.terms.get(api).ok_or(Error::NoSuchApi)?;
            if !first.conflicts_with(&second) {
                return Err(Error::NoConflict);
            }
            let methods = self.methods.get(api).unwrap_or_default();
            if !methods.get(usize::from(first.method)).ok_or(Error::NoSuchMethod)?.deterministic {
                return Err(Error::NotDeterministic);
            }
            let now = self.now();
            if !terms.is_liable(&first.key, now) || !terms.is_liable(&second.key, now) {
                return Err(Error::NotAnswerKey);
            }
            let bond = core::mem::take(&mut terms.bond);
            if bond == 0 {
                return Err(Error::NothingDue);
            }
            self.check_signature(&first_signature, &first.bytes(), &first.key)?;
            self.check_signature(&second_signature, &second.bytes(), &second.key)?;
            let reward = bond / 2;
            let to_treasury = bond.saturating_sub(reward);
            let reporter = self.env().caller();
            if terms.is_retired() {
                self.terms.insert(api, &terms);
            } else {
                self.set_status(api, terms, Status::Retired { at_ms: now });
            }
            self.pay(reporter, reward)?;
            self.pay_or_credit(self.settings.treasury, to_treasury)?;
            self.env().emit_event(ConflictProven { api, reporter, reward, to_treasury });
            Ok(reward)
        }

        /// What is known of how an API serves.
        #[ink(message)]
        pub fn quality(&self, api: u32) -> Option<Quality> {
            self.terms.get(api)?;
            Some(self.quality.get(api).unwrap_or_default())
        }

        /// What a consumer paid, attested and rated.
        #[ink(message)]
        pub fn patron(&self, api: u32, consumer: AccountId) -> Patron {
            self.patrons.get((api, consumer)).unwrap_or_default()
        }

        // --- What messages share ------------------------------------------------------------------------------------

        fn now(&self) -> u64 {
            self.env().block_timestamp()
        }

        /// An API of the caller's.
        fn own(&self, api: u32) -> Result<Terms> {
            let terms = self.terms.get(api).ok_or(Error::NoSuchApi)?;
            if terms.provider != self.env().caller() {
                return Err(Error::NotProvider);
            }
            Ok(terms)
        }

        fn brief(&self, api: u32) -> Option<Brief> {
            let mut terms = self.terms.get(api)?;
            terms.advance(self.now());
            let Terms { provider, name, status, unit_price, next_price, bond, .. } = terms;
            let quality = self.quality.get(api).unwrap_or_default();
            Some(Brief { api, provider, name, status, unit_price, next_price, bond, quality })
        }

        fn set_status(&mut self, api: u32, mut terms: Terms, new: Status) {
            let old = core::mem::replace(&mut terms.status, new);
            self.terms.insert(api, &terms);
            self.env().emit_event(StatusChanged { api, old, new });
        }

        fn check_place(&self, genesis: &Bytes32, contract: &Bytes32) -> Result<()> {
            if *genesis != self.settings.genesis {
                return Err(Error::WrongChain);
            }
            if AccountId::from(*contract) != self.env().account_id() {
                return Err(Error::WrongContract);
            }
            Ok(())
        }

        fn check_signature(&self, signature: &Signature, message: &[u8], key: &Bytes32) -> Result<()> {
            self.env().sr25519_verify(signature, message, key).map_err(|_| Error::BadSignature)
        }

        /// Coins came in.
        fn owe(&mut self, amount: Balance) -> Result<()> {
            // There are not enough coins for this to fail.
            self.owed = self.owed.checked_add(amount).ok_or(Error::BalanceTooLow)?;
            Ok(())
        }

        /// Coins go out.
        fn pay(&mut self, to: AccountId, amount: Balance) -> Result<()> {
            if amount == 0 {
                return Ok(());
            }
            self.owed = self.owed.checked_sub(amount).ok_or(Error::BalanceTooLow)?;
            self.env().transfer(to, amount).map_err(|_| Error::TransferFailed)
        }

        /// Coins go out to somebody who did not ask for them: an account that can't take them must not stop who did ask.
        /// It finds them in its balance here.
        fn pay_or_credit(&mut self, to: AccountId, amount: Balance) -> Result<()> {
            if self.pay(to, amount).is_err() {
                self.owe(amount)?;
                let mut account = self.account(to);
                account.balance = account.balance.saturating_add(amount);
                self.accounts.insert(to, &account);
            }
            Ok(())
        }

        fn emit_collected(&mut self, api: u32, consumer: AccountId, provider: AccountId, amount: Balance) {
            if amount > 0 {
                self.env().emit_event(Collected { api, consumer, provider, amount });
            }
        }
    }
}

#[cfg(test)]
mod tests;
