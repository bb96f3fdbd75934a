// SPDX-License-Identifier: Apache-2.0

//! A zone stays valid whatever is set and cleared, and what is refused changes nothing.

#![no_main]

use cairn_primitives::names::{RrSet, Zone};
use codec::Decode;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = data;
    let mut zone = Zone::default();
    while let Ok((clear, set)) = <(bool, RrSet)>::decode(&mut input) {
        let before = zone.clone();
        if clear {
            zone.clear(&set.name, set.rtype);
            assert_eq!(zone.get(&set.name, set.rtype), None);
        } else if zone.set(set.clone()).is_ok() {
            assert_eq!(zone.get(&set.name, set.rtype), Some(&set));
        } else {
            assert_eq!(zone, before);
        }
        assert_eq!(zone.check(), Ok(()));
    }
});
