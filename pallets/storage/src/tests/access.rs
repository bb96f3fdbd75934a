// SPDX-License-Identifier: Apache-2.0

use crate::{mock::*, Error, Event, HoldReason, GRANTS_MAX};
use cairn_primitives::storage::{Coding, Role, SealedKey};
use frame_support::{assert_noop, assert_ok};

fn sealed(byte: u8) -> SealedKey {
    vec![byte; 80].try_into().unwrap()
}

#[test]
fn a_grant_is_the_owners_to_give_and_to_replace() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let give = |who, until| Storage::grant(signed(who), id, account(CAROL), Role::Reader, until, sealed(1));
        assert_noop!(give(BOB, None), Error::<Test>::NotOwner);
        assert_noop!(give(ALICE, Some(0)), Error::<Test>::GrantExpired);
        assert_ok!(give(ALICE, Some(now())));
        assert_ok!(Storage::grant(signed(ALICE), id, account(CAROL), Role::Writer, None, sealed(2)));
        assert_eq!((drive(id).grants, held(ALICE, HoldReason::Grant)), (1, GRANT_DEPOSIT));
        let event = Event::Granted {
            drive: id,
            account: account(CAROL),
            from: Some(Role::Reader),
            to: Role::Writer,
            until_block: None,
            key_generation: 0,
        };
        System::assert_last_event(event.into());
        let found = Storage::api_grant(id, &account(CAROL)).unwrap();
        assert_eq!((found.role, found.sealed), (Role::Writer, sealed(2)));
        assert_eq!(Storage::api_granted_to(&account(CAROL)), vec![id]);
        assert_eq!(Storage::api_grants_of(id).len(), 1);
    });
}

#[test]
fn grants_of_a_drive_are_few() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        (0..GRANTS_MAX).for_each(|number| grant(ALICE, id, 5_000 + number, Role::Reader));
        let more = Storage::grant(signed(ALICE), id, account(CAROL), Role::Reader, None, sealed(1));
        assert_noop!(more, Error::<Test>::TooManyGrants);
        grant(ALICE, id, 5_000, Role::Writer);
        assert_ok!(Storage::close(signed(ALICE), id));
        assert_eq!(held(ALICE, HoldReason::Grant), 0);
        assert!(Storage::api_granted_to(&account(5_000)).is_empty());
    });
}

#[test]
fn revoking_turns_the_key_and_rekeying_tells_it() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        grant(ALICE, id, BOB, Role::Reader);
        grant(ALICE, id, CAROL, Role::Writer);
        assert_noop!(Storage::revoke(signed(BOB), id, account(CAROL)), Error::<Test>::NotOwner);
        assert_noop!(Storage::revoke(signed(ALICE), id, account(9)), Error::<Test>::GrantUnknown);
        assert_ok!(Storage::revoke(signed(ALICE), id, account(BOB)));
        assert_eq!((drive(id).key_generation, drive(id).grants), (1, 1));
        assert_eq!(held(ALICE, HoldReason::Grant), GRANT_DEPOSIT);
        assert_eq!(Storage::api_grant(id, &account(CAROL)).unwrap().key_generation, 0);
        // Who has a grant may give it back; the key is no other for that.
        grant(ALICE, id, 7, Role::Reader);
        assert_noop!(Storage::revoke(signed(7), id, account(CAROL)), Error::<Test>::NotOwner);
        assert_ok!(Storage::revoke(signed(7), id, account(7)));
        assert_eq!((drive(id).key_generation, held(ALICE, HoldReason::Grant)), (1, GRANT_DEPOSIT));
        let rekey = |who, to| {
            let all = vec![(account(to), sealed(9))].try_into().unwrap();
            Storage::rekey(signed(who), id, all)
        };
        assert_noop!(rekey(BOB, CAROL), Error::<Test>::NotOwner);
        assert_noop!(rekey(ALICE, BOB), Error::<Test>::GrantUnknown);
        assert_ok!(rekey(ALICE, CAROL));
        let found = Storage::api_grant(id, &account(CAROL)).unwrap();
        assert_eq!((found.key_generation, found.sealed), (1, sealed(9)));
    });
}

#[test]
fn a_writer_writes_until_the_grant_ends_and_a_reader_never() {
    ExtBuilder.build_and_execute(|| {
        register(4);
        let id = create(ALICE, Coding::K1);
        let until = now() + 2;
        assert_ok!(Storage::grant(signed(ALICE), id, account(BOB), Role::Writer, Some(until), sealed(1)));
        grant(ALICE, id, CAROL, Role::Reader);
        assert_noop!(checkpoint_without(CAROL, id, 1, &[]), Error::<Test>::NotWriter);
        assert_noop!(checkpoint_without(9, id, 1, &[]), Error::<Test>::NotWriter);
        run_by(2);
        commit(BOB, id, 1);
        assert_ok!(Storage::trim(signed(BOB), id, 1, 1));
        run_by(1);
        assert_noop!(checkpoint_without(BOB, id, 2, &[]), Error::<Test>::NotWriter);
        assert_noop!(Storage::trim(signed(BOB), id, 1, 1), Error::<Test>::NotWriter);
    });
}

#[test]
fn a_published_key_can_be_changed_and_withdrawn() {
    ExtBuilder.build_and_execute(|| {
        assert_noop!(Storage::withdraw_key(signed(BOB)), Error::<Test>::KeyUnknown);
        assert_ok!(Storage::publish_key(signed(BOB), [1; 32]));
        assert_ok!(Storage::publish_key(signed(BOB), [2; 32]));
        assert_eq!(held(BOB, HoldReason::SealingKey), GRANT_DEPOSIT);
        assert_eq!(Storage::api_sealing_key(&account(BOB)), Some([2; 32]));
        let event = Event::SealingKeyChanged { who: account(BOB), from: Some([1; 32]), to: Some([2; 32]) };
        System::assert_last_event(event.into());
        assert_ok!(Storage::withdraw_key(signed(BOB)));
        assert_eq!((held(BOB, HoldReason::SealingKey), free(BOB)), (0, ENDOWMENT));
        assert_eq!(Storage::api_sealing_key(&account(BOB)), None);
        let nobody = Storage::publish_key(signed(4_444), [1; 32]);
        assert!(nobody.is_err(), "an account without coins can't hold any");
    });
}
