// SPDX-License-Identifier: Apache-2.0

//! Runs: one of any size in [`State`](crate::state::State), and the same small one in everything, to compare.

use anyhow::{ensure, Context};
use codec::Decode;
use frame_support::traits::Hooks;
use frame_support::StorageHasher;

use crate::{
    figures::Figures,
    params::Params,
    runtime::{self, Balances, Runtime, Storage, System, Vaults},
    state::State,
    world::{eve::Eve, Attack, Evidence, World},
};

/// All entries of a state, by key.
pub type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// The prefix of a storage item.
fn prefix(pallet: &str, item: &str) -> [u8; 32] {
    let mut prefix = [0; 32];
    prefix[..16].copy_from_slice(&frame_support::Twox128::hash(pallet.as_bytes()));
    prefix[16..].copy_from_slice(&frame_support::Twox128::hash(item.as_bytes()));
    prefix
}

/// A state with the genesis, in which only what the pallets iterate in blocks can be iterated.
fn state() -> State {
    let iterated = vec![prefix("Storage", "HeldSlots"), prefix("Storage", "Grants")];
    State::new(runtime::genesis(), iterated, prefix("System", "Events").to_vec())
}

/// Lives a world through in [`State`].
///
/// # Errors
/// Money was made or lost, or the pot has another amount than it owes.
pub fn live(
    params: &Params,
    evidence: Evidence,
    tell: impl FnMut(u32, &Figures),
) -> anyhow::Result<(Figures, Entries)> {
    let (world, state) = live_in_ours(|| World::new(params.clone(), evidence).live(tell))?;
    // Only small states are compared.
    let entries = if params.drives <= 10_000 { state.entries() } else { Vec::new() };
    Ok((world.figures, entries))
}

/// Lives a world through with somebody in it who attacks, or nobody.
///
/// # Errors
/// As [`live`].
pub fn attacked(params: &Params, attack: Option<Attack>) -> anyhow::Result<(Figures, Eve)> {
    let (world, _) = live_in_ours(|| World::attacked(params.clone(), attack).live(|_, _| {}))?;
    Ok((world.figures, world.eve))
}

fn live_in_ours(live: impl FnOnce() -> World) -> anyhow::Result<(World, State)> {
    let mut state = state();
    let world = sp_externalities::set_and_run_with_externalities(&mut state, || {
        let world = live();
        System::reset_events();
        world
    });
    ensure!(!world.figures.issuance_changed, "coins were made or lost");
    check_pot(&mut state)?;
    Ok((world, state))
}

/// That the pot has just what it owes: escrows, what vaults have pending and at stake, the reserve, and its own deposit.
fn check_pot(state: &mut State) -> anyhow::Result<()> {
    fn of<T: Decode>(state: &State, item: &str) -> anyhow::Result<Vec<T>> {
        let values = state.values(&prefix("Storage", item));
        values.map(|mut value| T::decode(&mut value).context("a stored value can be decoded")).collect()
    }
    let drives = of::<pallet_storage::Drive<runtime::AccountId>>(state, "Drives")?;
    let books = of::<pallet_storage::Book>(state, "Books")?;
    let challenges = of::<pallet_storage::Challenge>(state, "Challenges")?;
    sp_externalities::set_and_run_with_externalities(state, || {
        let now = System::block_number() as u32;
        let gone = |since: u32| u128::from(now.saturating_sub(since));
        let escrows: u128 =
            drives.iter().map(|drive| drive.escrow.saturating_sub(drive.rate * gone(drive.since))).sum();
        // What late drives owe beyond their escrows the reserve pays.
        let unpaid: u128 =
            drives.iter().map(|drive| (drive.rate * gone(drive.since)).saturating_sub(drive.escrow)).sum();
        let pending: u128 = books.iter().map(|book| book.pending + book.rate * gone(book.since)).sum();
        let at_stake: u128 = challenges.iter().map(|challenge| challenge.at_stake).sum();
        let owed = escrows + pending + at_stake + pallet_storage::Reserve::<Runtime>::get()
            - unpaid
            - pallet_storage::ReserveDebt::<Runtime>::get();
        let has = Balances::free_balance(Storage::pot());
        let needed = owed + runtime::ExistentialDeposit::get();
        ensure!(has == needed, "the pot has {has} and owes {needed}");
        let rates: u128 = drives.iter().map(|drive| drive.rate).sum();
        let earned: u128 = books.iter().map(|book| book.rate).sum();
        ensure!(rates == earned, "drives pay {rates} a block, and vaults earn {earned}");
        Ok(())
    })
}

/// Lives a small world through in the SDK's externalities, with all checks, and checks all invariants at the end.
fn live_in_sdk(params: &Params) -> anyhow::Result<(Figures, Entries)> {
    let mut ext: sp_io::TestExternalities = runtime::genesis().into();
    ext.execute_with(|| {
        let figures = World::new(params.clone(), Evidence::Checked).run(|_, _| {});
        System::reset_events();
        let wrong = |what: &'static str| move |error| anyhow::anyhow!("the invariants of {what} don't hold: {error:?}");
        Vaults::try_state(System::block_number()).map_err(wrong("vaults"))?;
        Storage::try_state(System::block_number()).map_err(wrong("storage"))?;
        Balances::try_state(System::block_number()).map_err(wrong("balances"))?;
        let keys = std::iter::successors(sp_io::storage::next_key(&[]), |key| sp_io::storage::next_key(key));
        // The SDK's test externalities put well-known keys (`:code`) there themselves.
        let of_pallets = keys.filter(|key| !key.starts_with(b":"));
        let entries =
            of_pallets.filter_map(|key| sp_io::storage::get(&key).map(|value| (key, value.to_vec()))).collect();
        Ok((figures, entries))
    })
}

/// Lives the same world through in both, and compares figures and every entry.
///
/// # Errors
/// They differ; a vault lost something that had all its bytes and was up; money was made or lost.
pub fn compare(params: &Params) -> anyhow::Result<Figures> {
    let (checked, sdk) = live_in_sdk(params)?;
    let (known, ours) = live(params, Evidence::Known, |_, _| {})?;
    ensure!(checked == known, "figures differ between checked and known evidence");
    ensure!(sdk.len() == ours.len(), "the SDK's state has {} entries, ours {}", sdk.len(), ours.len());
    for (theirs, ours) in sdk.iter().zip(&ours) {
        ensure!(theirs == ours, "the states differ at {}", sp_core::hexdisplay::HexDisplay::from(&ours.0));
    }
    sound(&known)?;
    ensure!(known.calls_refused.is_empty(), "calls were refused that are right: {:?}", known.calls_refused);
    Ok(known)
}

/// What must be true of every run.
///
/// # Errors
/// What isn't.
pub fn sound(figures: &Figures) -> anyhow::Result<()> {
    let wrongly = figures.false_slashes();
    ensure!(wrongly == 0, "{wrongly} times a vault lost something though it had all bytes and was up");
    ensure!(figures.proofs_refused == 0, "{} right proofs were refused", figures.proofs_refused);
    Ok(())
}
