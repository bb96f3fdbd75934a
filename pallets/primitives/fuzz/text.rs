// SPDX-License-Identifier: Apache-2.0

//! Whatever reads as a record is valid, and prints as text that reads back.

#![no_main]

use cairn_primitives::names::{rdata, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &str| {
    if let Ok((rtype, data)) = text::parse_record_below(line, "blog.cairn.") {
        let printed = text::format_record(rtype, &data).expect("what was read is valid");
        assert_eq!(text::parse_record(&printed), Ok((rtype, data)));
    }
    let Ok((rtype, data)) = text::parse_record(line) else { return };
    assert_eq!(rdata::check(rtype, &data), Ok(()));
    let printed = text::format_record(rtype, &data).expect("what was read is valid");
    assert_eq!(text::parse_record(&printed), Ok((rtype, data.clone())));
    assert_eq!(text::parse_record(&text::format_generic(rtype, &data)), Ok((rtype, data)));
});
