// SPDX-License-Identifier: Apache-2.0

//! Random users do random things; after every few blocks all invariants must hold.

use super::*;
use codec::Compact;
use frame_support::traits::fungible::NativeOrWithId;
use pallet_staking::{RewardDestination, ValidatorPrefs};
use proptest::prelude::*;
use sp_runtime::traits::Dispatchable;
use std::collections::{BTreeMap, BTreeSet};

/// Something a user does. Amounts are in thousandths of a coin, so that some are too small and some too large.
#[derive(Clone, Debug)]
enum Step {
    Transfer { to: u8, milli: u64 },
    TransferAll { to: u8 },
    Bond { milli: u64 },
    BondExtra { milli: u64 },
    Unbond { milli: u64 },
    Withdraw,
    Validate,
    Nominate { target: u8 },
    Chill,
    PoolCreate { milli: u64 },
    PoolJoin { pool: u32, milli: u64 },
    PoolUnbond { milli: u64 },
    AssetCreate { id: u32 },
    AssetMint { id: u32, to: u8, amount: u64 },
    AssetTransfer { id: u32, to: u8, amount: u64 },
    ExchangeOpen { id: u32 },
    ExchangeAdd { id: u32, milli: u64, amount: u64 },
    ExchangeSell { id: u32, milli: u64 },
    NftCreate,
    NftMint { collection: u32, item: u32 },
    Propose { spend: u64 },
    Vote { poll: u32, milli: u64, aye: bool },
    MultisigOpen { with: u8 },
    ProxyAdd { to: u8 },
    Vest { to: u8, milli: u64 },
    Blocks { count: u8 },
}

/// Units of an issued asset: mostly as many as somebody may have.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 0u64..1_000_000, 1 => any::<u64>()]
}

fn step() -> impl Strategy<Value = Step> {
    let milli = 0u64..20_000_000_000;
    let who = 0u8..6;
    prop_oneof![
        4 => (who.clone(), milli.clone()).prop_map(|(to, milli)| Step::Transfer { to, milli }),
        1 => who.clone().prop_map(|to| Step::TransferAll { to }),
        3 => milli.clone().prop_map(|milli| Step::Bond { milli }),
        1 => milli.clone().prop_map(|milli| Step::BondExtra { milli }),
        2 => milli.clone().prop_map(|milli| Step::Unbond { milli }),
        1 => Just(Step::Withdraw),
        2 => Just(Step::Validate),
        2 => who.clone().prop_map(|target| Step::Nominate { target }),
        1 => Just(Step::Chill),
        1 => milli.clone().prop_map(|milli| Step::PoolCreate { milli }),
        2 => (1u32..3, milli.clone()).prop_map(|(pool, milli)| Step::PoolJoin { pool, milli }),
        1 => milli.clone().prop_map(|milli| Step::PoolUnbond { milli }),
        2 => (0u32..3).prop_map(|id| Step::AssetCreate { id }),
        3 => (0u32..3, who.clone(), any::<u64>()).prop_map(|(id, to, amount)| Step::AssetMint { id, to, amount }),
        3 => (0u32..3, who.clone(), amount()).prop_map(|(id, to, amount)| Step::AssetTransfer { id, to, amount }),
        2 => (0u32..2).prop_map(|id| Step::ExchangeOpen { id }),
        3 => (0u32..2, 0u64..1_000_000_000, amount()).prop_map(|(id, milli, amount)| Step::ExchangeAdd { id, milli, amount }),
        3 => (0u32..2, 0u64..1_000_000).prop_map(|(id, milli)| Step::ExchangeSell { id, milli }),
        1 => Just(Step::NftCreate),
        1 => (0u32..3, 0u32..4).prop_map(|(collection, item)| Step::NftMint { collection, item }),
        1 => any::<u64>().prop_map(|spend| Step::Propose { spend }),
        2 => (0u32..3, milli.clone(), any::<bool>()).prop_map(|(poll, milli, aye)| Step::Vote { poll, milli, aye }),
        1 => who.clone().prop_map(|with| Step::MultisigOpen { with }),
        1 => who.clone().prop_map(|to| Step::ProxyAdd { to }),
        1 => (who, milli).prop_map(|(to, milli)| Step::Vest { to, milli }),
        4 => (1u8..15).prop_map(|count| Step::Blocks { count }),
    ]
}

fn account(index: u8) -> AccountId {
    Sr25519Keyring::well_known().nth(index.into()).unwrap_or(Alice).to_account_id()
}

fn call(step: Step, who: &AccountId) -> Option<RuntimeCall> {
    let coins = |milli: u64| Balance::from(milli) * (CRN / 1_000);
    let asset = |id: u32| Box::new(NativeOrWithId::WithId(id));
    let native = || Box::new(NativeOrWithId::Native);
    Some(match step {
        Step::Transfer { to, milli } => {
            pallet_balances::Call::transfer_allow_death { dest: account(to).into(), value: coins(milli) }.into()
        },
        Step::TransferAll { to } => {
            pallet_balances::Call::transfer_all { dest: account(to).into(), keep_alive: false }.into()
        },
        Step::Bond { milli } => {
            pallet_staking::Call::bond { value: coins(milli), payee: RewardDestination::Staked }.into()
        },
        Step::BondExtra { milli } => pallet_staking::Call::bond_extra { max_additional: coins(milli) }.into(),
        Step::Unbond { milli } => pallet_staking::Call::unbond { value: coins(milli) }.into(),
        Step::Withdraw => pallet_staking::Call::withdraw_unbonded { num_slashing_spans: 0 }.into(),
        Step::Validate => pallet_staking::Call::validate { prefs: ValidatorPrefs::default() }.into(),
        Step::Nominate { target } => pallet_staking::Call::nominate { targets: vec![account(target).into()] }.into(),
        Step::Chill => pallet_staking::Call::chill {}.into(),
        Step::PoolCreate { milli } => pallet_nomination_pools::Call::create {
            amount: coins(milli),
            root: who.clone().into(),
            nominator: who.clone().into(),
            bouncer: who.clone().into(),
        }
        .into(),
        Step::PoolJoin { pool, milli } => {
            pallet_nomination_pools::Call::join { amount: coins(milli), pool_id: pool }.into()
        },
        Step::PoolUnbond { milli } => {
            pallet_nomination_pools::Call::unbond { member_account: who.clone().into(), unbonding_points: coins(milli) }
                .into()
        },
        Step::AssetCreate { id } => RuntimeCall::Assets(pallet_assets::Call::create {
            id: Compact(id),
            admin: who.clone().into(),
            min_balance: 10,
        }),
        Step::AssetMint { id, to, amount } => RuntimeCall::Assets(pallet_assets::Call::mint {
            id: Compact(id),
            beneficiary: account(to).into(),
            amount: amount.into(),
        }),
        Step::AssetTransfer { id, to, amount } => RuntimeCall::Assets(pallet_assets::Call::transfer {
            id: Compact(id),
            target: account(to).into(),
            amount: amount.into(),
        }),
        Step::ExchangeOpen { id } => {
            pallet_asset_conversion::Call::create_pool { asset1: native(), asset2: asset(id) }.into()
        },
        Step::ExchangeAdd { id, milli, amount } => pallet_asset_conversion::Call::add_liquidity {
            asset1: native(),
            asset2: asset(id),
            amount1_desired: coins(milli),
            amount2_desired: amount.into(),
            amount1_min: 1,
            amount2_min: 1,
            mint_to: who.clone(),
        }
        .into(),
        Step::ExchangeSell { id, milli } => pallet_asset_conversion::Call::swap_exact_tokens_for_tokens {
            path: vec![native(), asset(id)],
            amount_in: coins(milli),
            amount_out_min: 1,
            send_to: who.clone(),
            keep_alive: false,
        }
        .into(),
        Step::NftCreate => pallet_nfts::Call::create {
            admin: who.clone().into(),
            config: pallet_nfts::CollectionConfig {
                settings: Default::default(),
                max_supply: None,
                mint_settings: Default::default(),
            },
        }
        .into(),
        Step::NftMint { collection, item } => {
            pallet_nfts::Call::mint { collection, item, mint_to: who.clone().into(), witness_data: None }.into()
        },
        Step::Propose { spend } => {
            let call: RuntimeCall = pallet_balances::Call::force_transfer {
                source: Treasury::account_id().into(),
                dest: who.clone().into(),
                value: spend.into(),
            }
            .into();
            let proposal = <Preimage as frame_support::traits::StorePreimage>::bound(call).ok()?;
            pallet_referenda::Call::submit {
                proposal_origin: Box::new(frame_system::RawOrigin::Root.into()),
                proposal,
                enactment_moment: frame_support::traits::schedule::DispatchTime::After(1),
            }
            .into()
        },
        Step::Vote { poll, milli, aye } => pallet_conviction_voting::Call::vote {
            poll_index: poll,
            vote: pallet_conviction_voting::AccountVote::Standard {
                vote: pallet_conviction_voting::Vote {
                    aye,
                    conviction: pallet_conviction_voting::Conviction::Locked1x,
                },
                balance: coins(milli),
            },
        }
        .into(),
        Step::MultisigOpen { with } => pallet_multisig::Call::approve_as_multi {
            threshold: 2,
            other_signatories: vec![account(with)],
            maybe_timepoint: None,
            call_hash: [3; 32],
            max_weight: Default::default(),
        }
        .into(),
        Step::ProxyAdd { to } => {
            pallet_proxy::Call::add_proxy { delegate: account(to).into(), proxy_type: Default::default(), delay: 0 }
                .into()
        },
        // A vesting transfer to oneself is taken whatever one has, since it moves nothing: a lock over no coins, which
        // that pallet's own check then calls an error.
        Step::Vest { to, .. } if account(to) == *who => return None,
        Step::Vest { to, milli } => pallet_vesting::Call::vested_transfer {
            target: account(to).into(),
            schedule: pallet_vesting::VestingInfo::new(coins(milli), CRN, System::block_number()),
        }
        .into(),
        Step::Blocks { .. } => return None,
    })
}

/// The property below says nothing of a step that is always refused.
#[test]
fn every_step_can_succeed() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let kind = |step: &Step| format!("{step:?}").split_whitespace().next().unwrap_or_default().to_owned();
    let steps = prop::collection::vec((0u8..6, step()), 120);
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut succeeded) = (BTreeSet::new(), BTreeSet::new());
    let mut refusals = BTreeMap::new();
    for _ in 0..300 {
        let steps = steps.new_tree(&mut runner).expect("a case").current();
        chain::run("development", || {
            for (who, step) in steps {
                if let Step::Blocks { count } = step {
                    (0..count).for_each(|_| chain::next_block());
                    continue;
                }
                seen.insert(kind(&step));
                let (who, kind) = (account(who), kind(&step));
                match call(step, &who).map(|call| call.dispatch(RuntimeOrigin::signed(who))) {
                    Some(Ok(_)) => drop(succeeded.insert(kind)),
                    Some(Err(why)) => drop(refusals.insert(kind, why.error)),
                    None => {},
                }
            }
        });
    }
    let never: Vec<_> = seen.difference(&succeeded).map(|kind| (kind, refusals.get(kind))).collect();
    assert!(never.is_empty(), "never succeeded: {never:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn hold_over_random_calls(steps in prop::collection::vec((0u8..6, step()), 1..60)) {
        chain::run("development", || {
            for (who, step) in steps {
                if let Step::Blocks { count } = step {
                    for _ in 0..count {
                        chain::next_block();
                    }
                    chain::check_invariants();
                    continue;
                }
                let who = account(who);
                if let Some(call) = call(step, &who) {
                    // Refusals are fine: what matters is what they leave behind.
                    let _ = call.dispatch(RuntimeOrigin::signed(who));
                }
            }
        });
    }
}
