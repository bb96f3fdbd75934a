// SPDX-License-Identifier: Apache-2.0

//! Documents, headers and offers from outside are read or refused within their bounds; a document that is read can be asked.

#![no_main]

use cairn_api::{openapi::Document, wire};
use hyper::HeaderMap;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = (wire::read_voucher(data), wire::read_opening(data), wire::read_answer(data), wire::read_token(data));
    let _ = (wire::read_offer(data), wire::read_plan(data), wire::read_badge(data), wire::read_badge_file(data));
    let Ok(document) = Document::read(data) else { return };
    for operation in document.operations() {
        let path = operation.path.replace(['{', '}'], "");
        if let Ok(found) = document.find(&operation.method, &path, Some("a=1&b=x"), &HeaderMap::new()) {
            if let Ok(Some(schema)) = document.body_schema(found, Some("application/json"), true) {
                let _ = document.check_body(schema, b"{\"a\":[1,null,\"x\"]}");
            }
            let _ = document.check_response(found, 200, Some("application/json"), Some(b"[]"));
        }
    }
});
