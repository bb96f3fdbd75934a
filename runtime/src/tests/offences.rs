// SPDX-License-Identifier: Apache-2.0

use super::*;
use codec::{Decode, Encode};
use frame_support::traits::KeyOwnerProofSystem;
use sp_consensus_grandpa::{AuthorityId, EquivocationProof, KEY_TYPE};
use sp_keyring::Ed25519Keyring;
use sp_session::GetSessionNumber;

const ROUND: u64 = 3;

/// Two votes of `voter` in one round, for blocks `first` and `second`.
///
/// Put together from its encoding: set, kind (0 is prevotes), round, voter, then vote and signature twice.
fn two_votes(voter: Ed25519Keyring, set_id: u64, first: u8, second: u8) -> EquivocationProof<Hash, BlockNumber> {
    let vote = |block: u8| (Hash::repeat_byte(block), BlockNumber::from(block));
    let signed = |block: u8| (vote(block), voter.sign(&(0u8, vote(block), ROUND, set_id).encode()));
    let proof = (set_id, 0u8, ROUND, AuthorityId::from(voter.public()), signed(first), signed(second));
    Decode::decode(&mut &proof.encode()[..]).expect("it is the encoding of a proof")
}

fn report(
    proof: EquivocationProof<Hash, BlockNumber>,
    voter: Ed25519Keyring,
) -> frame_support::dispatch::DispatchResult {
    let owner = Historical::prove((KEY_TYPE, AuthorityId::from(voter.public()))).expect("a validator of this session");
    assert_eq!(owner.session(), Session::current_index());
    Grandpa::report_equivocation_unsigned(RuntimeOrigin::none(), Box::new(proof), owner)
        .map(|_| ())
        .map_err(|refused| refused.error)
}

#[test]
fn a_validator_that_votes_twice_in_a_round_is_slashed() {
    chain::run("local_testnet", || {
        let bob = Bob.to_account_id();
        let bonded = || Staking::ledger(bob.clone().into()).expect("genesis stake").total;
        let before = bonded();
        let set_id = Grandpa::current_set_id();

        let proof = two_votes(Ed25519Keyring::Bob, set_id, 7, 8);
        assert_ok!(report(proof.clone(), Ed25519Keyring::Bob));
        assert!(System::events().iter().any(|record| matches!(
            &record.event,
            RuntimeEvent::Offences(pallet_offences::Event::Offence { kind, .. }) if kind.starts_with(b"grandpa:equivoc")
        )));
        assert_eq!(
            report(proof, Ed25519Keyring::Bob),
            Err(pallet_grandpa::Error::<Runtime>::DuplicateOffenceReport.into())
        );

        chain::run_to(80);
        assert!(bonded() < before, "slashed within a few eras of 20 blocks");
        assert!(!Session::validators().contains(&bob), "and not elected again by itself");
    });
}

#[test]
fn nobody_is_slashed_for_what_he_has_not_signed() {
    chain::run("local_testnet", || {
        let set_id = Grandpa::current_set_id();
        let invalid = Err(pallet_grandpa::Error::<Runtime>::InvalidEquivocationProof.into());
        // The same vote twice.
        assert_eq!(report(two_votes(Ed25519Keyring::Bob, set_id, 7, 7), Ed25519Keyring::Bob), invalid);
        // Of another authority set, whose keys may be somebody else's by then.
        assert_eq!(report(two_votes(Ed25519Keyring::Bob, set_id + 1, 7, 8), Ed25519Keyring::Bob), invalid);
        // Another's votes, under Bob's name.
        let mut forged = two_votes(Ed25519Keyring::Charlie, set_id, 7, 8).encode();
        let key_at = 8 + 1 + 8;
        forged[key_at..key_at + 32].copy_from_slice(&Ed25519Keyring::Bob.public().0);
        let forged = Decode::decode(&mut &forged[..]).expect("only the key changed");
        assert_eq!(report(forged, Ed25519Keyring::Bob), invalid);
        // Somebody else's votes with Bob as the owner of the key.
        let proof = two_votes(Ed25519Keyring::Charlie, set_id, 7, 8);
        assert_eq!(
            report(proof, Ed25519Keyring::Bob),
            Err(pallet_grandpa::Error::<Runtime>::InvalidKeyOwnershipProof.into())
        );
    });
}
