// SPDX-License-Identifier: Apache-2.0

//! Messages in ink!'s test environment. What an `Err` undoes on chain is not undone here, so every refusal is also a test that
//! nothing was written before it: [`Bench::call`] compares what is owed.

mod escrow;
mod plans;
mod properties;
mod quality;
mod registry;
mod vouchers;

use cairn_voucher::{Answer, Signature, Voucher, SIGNING_CONTEXT};
use ink::{
    codegen::Env,
    env::{test, DefaultEnvironment},
    primitives::AccountId,
};
use schnorrkel::{ExpansionMode, Keypair, MiniSecretKey};

use crate::{
    marketplace::Marketplace,
    registry::{Listing, Method, NewApi, Sla},
    Balance, Bytes32, Error, Result,
};

pub const GENESIS: Bytes32 = [7; 32];
pub const THAW: u64 = 10_000;
pub const BOND: Balance = 1_000;
/// Of a unit.
pub const PRICE: Balance = 5;
/// What the contract's account has of its own.
pub const MINIMUM: Balance = 1_000_000;
const START: u64 = 1_000_000;
const RICH: Balance = 1_000_000_000_000;

pub fn keypair(seed: u8) -> Keypair {
    MiniSecretKey::from_bytes(&[seed; 32]).expect("32 bytes").expand_to_keypair(ExpansionMode::Ed25519)
}

pub fn sign(key: &Keypair, message: &[u8]) -> Signature {
    key.sign_simple(SIGNING_CONTEXT, message).to_bytes()
}

pub fn account(seed: u8) -> AccountId {
    [seed; 32].into()
}

/// Who takes part.
pub fn provider() -> AccountId {
    account(1)
}
pub fn consumer() -> AccountId {
    account(2)
}
pub fn stranger() -> AccountId {
    account(3)
}
pub fn treasury() -> AccountId {
    account(4)
}

/// A marketplace and a clock.
pub struct Bench {
    pub market: Marketplace,
    pub now: u64,
}

impl Bench {
    pub fn new() -> Self {
        // Else it is one of those who call.
        let contract = account(77);
        test::set_callee::<DefaultEnvironment>(contract);
        test::set_account_balance::<DefaultEnvironment>(contract, MINIMUM);
        for seed in 1..=9 {
            test::set_account_balance::<DefaultEnvironment>(account(seed), RICH);
        }
        let market = Marketplace::new(GENESIS, treasury(), THAW, BOND).expect("good settings");
        let mut bench = Self { market, now: 0 };
        bench.wait(START);
        bench
    }

    pub fn wait(&mut self, ms: u64) {
        self.now += ms;
        test::set_block_timestamp::<DefaultEnvironment>(self.now);
    }

    pub fn contract(&self) -> Bytes32 {
        let account: AccountId = self.market.env().account_id();
        *<AccountId as AsRef<[u8; 32]>>::as_ref(&account)
    }

    /// Calls as somebody, sending coins along.
    pub fn pay<T>(
        &mut self,
        who: AccountId,
        value: Balance,
        f: impl FnOnce(&mut Marketplace) -> Result<T>,
    ) -> Result<T> {
        test::set_caller::<DefaultEnvironment>(who);
        let contract = self.market.env().account_id();
        let owed = self.market.solvency().owed;
        let (mine, its) = (self.has(who), self.has(contract));
        test::set_account_balance::<DefaultEnvironment>(who, mine - value);
        test::set_account_balance::<DefaultEnvironment>(contract, its + value);
        test::set_value_transferred::<DefaultEnvironment>(value);
        let result = f(&mut self.market);
        test::set_value_transferred::<DefaultEnvironment>(0);
        if result.is_err() {
            test::set_account_balance::<DefaultEnvironment>(who, mine);
            test::set_account_balance::<DefaultEnvironment>(contract, its);
            assert_eq!(self.market.solvency().owed, owed, "a refusal changes nothing");
        }
        let solvency = self.market.solvency();
        assert_eq!(solvency.owed + MINIMUM, solvency.balance, "every coin is somebody's");
        result
    }

    /// Calls as somebody.
    pub fn call<T>(&mut self, who: AccountId, f: impl FnOnce(&mut Marketplace) -> Result<T>) -> Result<T> {
        self.pay(who, 0, f)
    }

    pub fn has(&self, who: AccountId) -> Balance {
        test::get_account_balance::<DefaultEnvironment>(who).expect("a known account")
    }

    /// Lists an API of the provider's.
    pub fn api(&mut self) -> u32 {
        self.pay(provider(), BOND, |market| market.register_api(new_api())).expect("a good API")
    }

    /// An API, a consumer with coins, and a signer for any provider. Answers the epoch.
    pub fn ready(&mut self, deposit: Balance, cap: Balance) -> u32 {
        self.api();
        self.pay(consumer(), deposit, |market| market.deposit()).expect("coins");
        self.authorize(cap, None)
    }

    pub fn authorize(&mut self, cap: Balance, only: Option<AccountId>) -> u32 {
        let (signer, expires) = (keypair(1).public.to_bytes(), self.now + 100_000);
        self.call(consumer(), |market| market.authorize_signer(signer, cap, expires, only)).expect("authorised")
    }

    /// What the consumer's signer promises the provider.
    pub fn voucher(&self, epoch: u32, value: Balance) -> Voucher {
        Voucher {
            genesis: GENESIS,
            contract: self.contract(),
            consumer: [2; 32],
            signer: keypair(1).public.to_bytes(),
            provider: [1; 32],
            api: 0,
            epoch,
            calls: value as u64 / PRICE as u64,
            units: value as u64 / PRICE as u64,
            value,
        }
    }

    pub fn redeem(&mut self, voucher: Voucher) -> Result<Balance> {
        let signature = sign(&keypair(1), &voucher.signed_bytes());
        self.call(provider(), |market| market.redeem(voucher, signature))
    }

    pub fn answer(&self, response: u8) -> (Answer, Signature) {
        let answer = Answer {
            genesis: GENESIS,
            contract: self.contract(),
            key: keypair(9).public.to_bytes(),
            api: 0,
            method: 0,
            request: [5; 32],
            response: [response; 32],
            latency_ms: 3,
            at_ms: self.now,
        };
        (answer, sign(&keypair(9), &answer.bytes()))
    }
}

pub fn listing() -> Listing {
    Listing {
        cairn_name: Some("weather.cairn".into()),
        openapi_hash: [3; 32],
        document: "https://example.org/openapi.json".into(),
        endpoints: vec!["https://example.org".into()],
        tags: vec!["weather".into()],
        free_units: 10,
        sla: Sla { p95_ms: 200, availability_bps: 9_990 },
    }
}

pub fn method(name: &str, deterministic: bool) -> Method {
    Method { name: name.into(), units: 1, deterministic }
}

pub fn new_api() -> NewApi {
    NewApi {
        name: "weather".into(),
        listing: listing(),
        methods: vec![method("GET /digest", true), method("GET /now", false)],
        unit_price: PRICE,
        answer_key: keypair(9).public.to_bytes(),
    }
}

#[ink::test]
fn settings_are_kept_within_bounds() {
    for thaw_ms in [0, 999, 90 * 24 * 3_600_000 + 1] {
        assert_eq!(Marketplace::new(GENESIS, treasury(), thaw_ms, BOND).err(), Some(Error::BadSettings));
    }
    let settings = Bench::new().market.settings();
    assert_eq!((settings.genesis, settings.treasury), (GENESIS, treasury()));
    assert_eq!((settings.thaw_ms, settings.bond_min), (THAW, BOND));
}
