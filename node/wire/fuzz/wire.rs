// SPDX-License-Identifier: Apache-2.0

//! Whatever arrives as a frame, a request or an answer is read or refused within its bounds, and what is read is written as it
//! came.

#![no_main]

use cairn_wire::{
    frame::{Lengths, BODY_BYTES_MAX, HEADER_BYTES_MAX},
    message, Answer, Request,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((first, _)) = data.split_first_chunk() {
        if let Ok(lengths) = Lengths::parse(*first) {
            assert!(lengths.header <= HEADER_BYTES_MAX && lengths.body <= BODY_BYTES_MAX);
        }
    }
    if let Some((id, request)) = message::decode::<Request>(data) {
        assert_eq!(message::encode(id, &request), data);
    }
    if let Some((id, answer)) = message::decode::<Answer>(data) {
        if let Answer::Refused(refusal) = &answer {
            assert!(!refusal.to_string().contains('\n'));
        }
        assert_eq!(message::encode(id, &answer), data);
    }
    // A whole conversation: frames one after the other, as a server reads them.
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let mut stream = data;
        while let Ok(Some((_, request, body))) = cairn_wire::server::read(&mut stream).await {
            if let Request::Append { sizes, .. } = request {
                assert!(message::split(&sizes, body).is_some());
            }
        }
    });
});
