// SPDX-License-Identifier: Apache-2.0

//! A provider's books: what each consumer has promised by voucher, and what calls have used of it.
//!
//! # Correctness
//! - A consumer is never charged more than it promised: `spent <= value`, always.
//! - A voucher counts once: `value` only rises, to the best voucher's total.
//! - A voucher that [`Ledger::pay`] has returned for is on the disk. What calls used is written a moment later: a kill
//!   doesn't lose more than [`USE_PERIOD`]'s calls of it, to the provider's disadvantage.
//! - What was delivered to one consumer and not redeemed stays below [`Terms::exposure_max`], free units and the rate are what
//!   they say, and what its vouchers promise together is backed: all of this whatever its signers ([`Tab`]).
//! - A plan's units are a consumer's, whatever its signers, and are counted as [`crate::plan`] says; they are written with what
//!   calls used.
//! - A badge's user never uses more than the badge says, in all of an authorisation; that is written with what calls used, too.

mod account;
mod badge;
mod tab;

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use cairn_client::chain::marketplace::{Standing, Status};
use cairn_voucher::{Badge, Bytes32, Signature, Voucher};
use codec::{Decode, DecodeAll, Encode};

pub use account::{Account, By, Charge, Counts, Plan, Refusal, Terms};
pub use badge::{check_badge, OpenBadge, UserOf, UserUse};
pub use tab::Tab;

use crate::{journal, plan::PlanUse};

/// How often what calls used is written.
pub const USE_PERIOD: Duration = Duration::from_millis(250);
/// Accounts that are known at the same time, of all consumers and of one.
const ACCOUNTS_MAX: usize = 100_000;
const ACCOUNTS_OF_ONE_MAX: usize = 256;
/// Users of badges that are known at the same time, of all consumers and of one.
const USERS_MAX: usize = 100_000;
const USERS_OF_ONE_MAX: usize = 2_000;
/// A voucher is not taken that would have to be redeemed sooner than this, in milliseconds.
const CLOSING_MS: u64 = 60_000;

/// Whose account: a consumer's, in one authorisation of a signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode)]
pub struct Who {
    /// The consumer.
    pub consumer: Bytes32,
    /// The key that signs.
    pub signer: Bytes32,
    /// Number of the authorisation.
    pub epoch: u32,
}

/// What the journal holds. A new kind goes to the end: older books are read, newer ones refused.
#[derive(Debug, Encode, Decode)]
enum Record {
    /// An account began, with what was redeemed before.
    Opened(Who, Counts),
    /// A better voucher.
    Voucher(Voucher, Signature),
    /// What calls have used in all.
    Used { who: Who, spent: u128, calls: u64, units: u64, free_units: u64 },
    /// What was redeemed in all.
    Redeemed { who: Who, value: u128 },
    /// What is used of a consumer's plan.
    Plan { consumer: Bytes32, used: PlanUse },
    /// What a badge's user has used in all.
    User { who: Who, user: Bytes32, units: u64 },
}

/// What the books say.
#[derive(Debug, Default)]
pub struct Books {
    /// Of each authorisation of a signer.
    pub accounts: HashMap<Who, Counts>,
    /// Of each consumer's plan.
    pub plans: HashMap<Bytes32, PlanUse>,
    /// Of each badge's user: units.
    pub users: HashMap<UserOf, u64>,
}

impl Books {
    fn of(path: &Path, records: Vec<Vec<u8>>) -> io::Result<Self> {
        let mut books = Self::default();
        let accounts = &mut books.accounts;
        for payload in records {
            let unknown =
                |_| io::Error::new(io::ErrorKind::InvalidData, format!("{} is of another version", path.display()));
            match Record::decode_all(&mut &payload[..]).map_err(unknown)? {
                // A voucher may have been quicker than the record that its account began.
                Record::Opened(who, counts) => {
                    let account = accounts.entry(who).or_default();
                    if account.best.is_none() {
                        *account = counts;
                    }
                },
                Record::Voucher(voucher, signature) => {
                    let who = Who { consumer: voucher.consumer, signer: voucher.signer, epoch: voucher.epoch };
                    accounts.entry(who).or_default().promise(voucher, signature);
                },
                Record::Used { who, spent, calls, units, free_units } => {
                    let counts = accounts.entry(who).or_default();
                    (counts.spent, counts.calls, counts.units, counts.free_units) = (spent, calls, units, free_units);
                },
                Record::Redeemed { who, value } => {
                    let counts = accounts.entry(who).or_default();
                    counts.redeemed = counts.redeemed.max(value);
                },
                Record::Plan { consumer, used } => drop(books.plans.insert(consumer, used)),
                Record::User { who, user, units } => drop(books.users.insert((who, user), units)),
            }
        }
        Ok(books)
    }
}

/// The books of one API.
pub struct Ledger {
    accounts: RwLock<HashMap<Who, Arc<Account>>>,
    plans: RwLock<HashMap<Bytes32, Arc<Plan>>>,
    tabs: RwLock<HashMap<Bytes32, Arc<Tab>>>,
    users: RwLock<HashMap<UserOf, Arc<UserUse>>>,
    journal: journal::Writer,
    /// Held for reading while a voucher is on the disk and not in the account: the books aren't written anew then.
    taking: tokio::sync::RwLock<()>,
    path: PathBuf,
}

impl Ledger {
    /// Reads the books, and writes them anew without what is outdated.
    ///
    /// # Errors
    /// Of the system, or the file is damaged.
    pub fn open(path: &Path) -> io::Result<Self> {
        let Books { accounts, plans, users } = Books::of(path, journal::read(path)?)?;
        let opened = accounts.iter().map(|(who, counts)| (*who, counts.clone()));
        let used = plans.iter().map(|(consumer, used)| (*consumer, *used));
        let journal =
            journal::Writer::rewrite(path, all_records(opened, used, users.iter().map(|(of, units)| (*of, *units))))?;
        let mut plans: HashMap<_, _> =
            plans.into_iter().map(|(consumer, used)| (consumer, Arc::new(Plan::new(used)))).collect();
        let mut tabs = HashMap::<Bytes32, Arc<Tab>>::new();
        let accounts = accounts.into_iter().map(|(who, counts)| {
            let plan = plans.entry(who.consumer).or_default().clone();
            let tab = tabs.entry(who.consumer).or_default().clone();
            let free_units = tab.inside().free_units.max(counts.free_units);
            tab.inside().free_units = free_units;
            (who, Arc::new(Account::new(who, counts, plan, tab)))
        });
        let accounts: HashMap<Who, Arc<Account>> = accounts.collect();
        close_replaced(accounts.values());
        let accounts = RwLock::new(accounts);
        let users = users.into_iter().map(|(of, units)| (of, Arc::new(UserUse::new(units)))).collect();
        let (plans, tabs, users) = (RwLock::new(plans), RwLock::new(tabs), RwLock::new(users));
        Ok(Self { accounts, plans, tabs, users, journal, taking: tokio::sync::RwLock::default(), path: path.into() })
    }

    /// Writes the books anew where they have grown long: what calls use is noted for as long as the proxy runs.
    pub async fn shorten(&self) {
        if self.journal.is_long() {
            self.write_anew().await;
        }
    }

    async fn write_anew(&self) {
        let _nothing_on_its_way = self.taking.write().await;
        let accounts = self.accounts();
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let records = all_records(
            accounts.iter().map(|account| (account.who(), account.counts())),
            plans.iter().map(|(consumer, plan)| (*consumer, plan.used())),
            users.iter().map(|(of, used)| (*of, used.units())),
        );
        if let Err(error) = self.journal.begin_anew(records) {
            tracing::error!(%error, "the books can't be written anew");
        }
    }

    /// What the books say, without opening or changing them: a proxy may be writing them.
    ///
    /// # Errors
    /// Of the system, or the file is damaged.
    pub fn read(path: &Path) -> io::Result<Books> {
        Books::of(path, journal::peek(path)?)
    }

    /// Where the books are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All accounts.
    pub fn accounts(&self) -> Vec<Arc<Account>> {
        self.accounts.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The account of a consumer, made if there is none: `standing` says what was redeemed before the books began.
    ///
    /// # Errors
    /// There are too many, or the disk doesn't take it.
    pub async fn account(&self, who: Who, standing: &Standing) -> Result<Arc<Account>, Refusal> {
        if let Some(account) = self.accounts.read().unwrap_or_else(PoisonError::into_inner).get(&who) {
            account.closes_at(standing.signer.closes_at_ms);
            return Ok(account.clone());
        }
        let account = {
            let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
            if accounts.len() >= ACCOUNTS_MAX {
                // Nobody uses them, and nothing was promised: they begin anew when they come again.
                accounts.retain(|_, account| Arc::strong_count(account) > 1 || !account.is_empty());
            }
            let of_one = accounts.keys().filter(|other| other.consumer == who.consumer).count();
            if accounts.len() >= ACCOUNTS_MAX || of_one >= ACCOUNTS_OF_ONE_MAX {
                return Err(Refusal::Busy);
            }
            let tab = {
                let mut tabs = self.tabs.write().unwrap_or_else(PoisonError::into_inner);
                tabs.entry(who.consumer).or_default().clone()
            };
            let paid = standing.paid;
            let counts = Counts {
                spent: paid.value,
                redeemed: paid.value,
                value: paid.value,
                calls: paid.calls,
                units: paid.units,
                free_units: tab.inside().free_units,
                best: None,
            };
            let plan = {
                let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
                plans.entry(who.consumer).or_default().clone()
            };
            let account = accounts.entry(who).or_insert_with(|| Arc::new(Account::new(who, counts, plan, tab))).clone();
            close_replaced(accounts.values().filter(|other| other.who().consumer == who.consumer));
            account
        };
        account.closes_at(standing.signer.closes_at_ms);
        self.write(Record::Opened(who, account.counts())).await?;
        Ok(account)
    }

    /// Opens a badge that was checked: what its user has used before counts.
    ///
    /// # Errors
    /// [`Refusal::Busy`].
    pub fn badge(&self, who: Who, badge: &Badge) -> Result<OpenBadge, Refusal> {
        let of = (who, badge.user);
        let mut users = self.users.write().unwrap_or_else(PoisonError::into_inner);
        if !users.contains_key(&of) {
            let of_one = users.keys().filter(|(other, _)| other.consumer == who.consumer).count();
            if users.len() >= USERS_MAX || of_one >= USERS_OF_ONE_MAX {
                return Err(Refusal::Busy);
            }
        }
        Ok(OpenBadge::new(badge, users.entry(of).or_default().clone()))
    }

    /// What a consumer's other signers have promised and were not paid for yet.
    pub fn promised_elsewhere(&self, who: Who) -> u128 {
        let accounts = self.accounts.read().unwrap_or_else(PoisonError::into_inner);
        let others = accounts.values().filter(|other| other.who().consumer == who.consumer && other.who() != who);
        others.fold(0, |sum, other| sum.saturating_add(other.promised()))
    }

    /// Takes a voucher: once this has returned, it is on the disk and its credit can be used. One that is no better than the
    /// last is fine, and changes nothing. `balance`: what the consumer has in the contract, if that was looked up.
    ///
    /// # Errors
    /// [`Refusal`]; nothing has changed.
    pub async fn pay(
        &self,
        account: &Account,
        voucher: &Voucher,
        signature: &Signature,
        standing: &Standing,
        balance: Option<u128>,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let _one_at_a_time = account.tab().paying.lock().await;
        if voucher.value <= account.counts().value {
            return Ok(());
        }
        check_standing(standing, account.who().epoch, now_ms)?;
        // A voucher pays what it has over what was paid; all of that must be backed.
        let needed = voucher.value.saturating_sub(standing.paid.value);
        if needed > standing.redeemable {
            return Err(Refusal::NotBacked { redeemable: standing.redeemable });
        }
        // Signers that pay any provider draw on one balance: what they promise together must be in it.
        if standing.signer.provider.is_none() {
            let balance = balance.unwrap_or(standing.redeemable);
            let others = if account.tab().is_shared() { self.promised_elsewhere(account.who()) } else { 0 };
            if needed.saturating_add(others) > balance {
                return Err(Refusal::NotBacked { redeemable: balance.saturating_sub(others) });
            }
        }
        if !verify(&voucher.signer, &voucher.signed_bytes(), signature) {
            return Err(Refusal::Signature);
        }
        let _on_its_way = self.taking.read().await;
        self.write(Record::Voucher(*voucher, *signature)).await?;
        account.promise(*voucher, *signature);
        Ok(())
    }

    /// Remembers what was redeemed.
    ///
    /// # Errors
    /// The disk doesn't take it.
    pub async fn redeemed(&self, account: &Account, value: u128) -> Result<(), Refusal> {
        account.redeemed(value);
        self.write(Record::Redeemed { who: account.who(), value }).await
    }

    /// Writes what calls have used since the last time.
    pub fn write_uses(&self) {
        let accounts = self.accounts();
        let used = accounts.iter().filter_map(|account| {
            let Counts { spent, calls, units, free_units, .. } = account.take_uses()?;
            Some(Record::Used { who: account.who(), spent, calls, units, free_units })
        });
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        let planned = plans.iter().filter_map(|(consumer, plan)| {
            let used = plan.take_uses()?;
            Some(Record::Plan { consumer: *consumer, used })
        });
        let users = self.users.read().unwrap_or_else(PoisonError::into_inner);
        let by_badge = users.iter().filter_map(|((who, user), used)| {
            let units = used.take_uses()?;
            Some(Record::User { who: *who, user: *user, units })
        });
        for record in used.chain(planned).chain(by_badge) {
            if let Err(error) = self.journal.note(record.encode()) {
                tracing::error!(%error, "what calls have used can't be written");
            }
        }
    }

    async fn write(&self, record: Record) -> Result<(), Refusal> {
        self.journal.append(record.encode()).await.map_err(|error| {
            tracing::error!(%error, "the books can't be written: nothing is taken");
            Refusal::Disk
        })
    }
}

/// All that the books say.
fn all_records(
    accounts: impl Iterator<Item = (Who, Counts)>,
    plans: impl Iterator<Item = (Bytes32, PlanUse)>,
    users: impl Iterator<Item = (UserOf, u64)>,
) -> impl Iterator<Item = Vec<u8>> {
    let accounts = accounts.map(|(who, counts)| Record::Opened(who, counts));
    let plans = plans.map(|(consumer, used)| Record::Plan { consumer, used });
    let users = users.map(|((who, user), units)| Record::User { who, user, units });
    accounts.chain(plans).chain(users).map(|record| record.encode())
}

/// Closes accounts of authorisations that were replaced by a newer one of the same signer: they pay no more.
fn close_replaced<'a>(accounts: impl Iterator<Item = &'a Arc<Account>> + Clone) {
    let mut newest = HashMap::<(Bytes32, Bytes32), u32>::new();
    for who in accounts.clone().map(|account| account.who()) {
        let epoch = newest.entry((who.consumer, who.signer)).or_default();
        *epoch = who.epoch.max(*epoch);
    }
    for account in accounts {
        let who = account.who();
        if newest.get(&(who.consumer, who.signer)).is_some_and(|epoch| *epoch > who.epoch) {
            account.close();
        }
    }
}

/// Whether a signer can be trusted for now.
///
/// # Errors
/// It can't; why.
pub fn check_standing(standing: &Standing, epoch: u32, now_ms: u64) -> Result<(), Refusal> {
    if standing.signer.epoch != epoch {
        return Err(Refusal::Epoch { now: standing.signer.epoch });
    }
    if standing.signer.revoked || standing.signer.closes_at_ms <= now_ms.saturating_add(CLOSING_MS) {
        return Err(Refusal::Closing);
    }
    if standing.api_status != Status::Active {
        return Err(Refusal::NotActive);
    }
    Ok(())
}

/// Verifies an sr25519 signature.
pub fn verify(key: &Bytes32, message: &[u8], signature: &Signature) -> bool {
    cairn_client::keys::verify(&cairn_client::AccountId(*key), message, signature)
}

#[cfg(test)]
mod tests;
