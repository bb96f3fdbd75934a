// SPDX-License-Identifier: Apache-2.0

//! Whatever decodes as a zone is valid, encodes back, and prints as text that reads back.

#![no_main]

use cairn_primitives::names::{text, Zone, ZONE_BYTES_MAX, ZONE_RECORDS_MAX};
use codec::{Decode, Encode};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(zone) = Zone::decode(&mut &data[..]) else { return };
    assert_eq!(zone.check(), Ok(()));
    assert!(zone.records() <= ZONE_RECORDS_MAX && zone.bytes() <= ZONE_BYTES_MAX);
    assert_eq!(Zone::decode(&mut &zone.encode()[..]), Ok(zone.clone()));
    assert_eq!(Zone::from_sets(zone.rrsets().to_vec()), Ok(zone.clone()));
    for set in zone.rrsets() {
        for rdata in &set.rdata {
            let printed = text::format_record(set.rtype, rdata).expect("records of a zone are valid");
            assert_eq!(text::parse_record(&printed), Ok((set.rtype, rdata.to_vec())));
        }
    }
});
