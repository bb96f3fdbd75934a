// SPDX-License-Identifier: Apache-2.0

//! Documents, headers and offers from outside are read or refused within their bounds; a document that is read can be asked.
//! On a thread with the stack that the program's own threads have.

#![no_main]

use cairn_api::{
    openapi::{Document, Effort},
    wire,
};
use hyper::HeaderMap;
use libfuzzer_sys::fuzz_target;

/// The stack that a thread of the program has.
const STACK: usize = 2 << 20;

fn ask(data: &[u8]) {
    let _ = (wire::read_voucher(data), wire::read_opening(data), wire::read_answer(data), wire::read_token(data));
    let _ = (wire::read_offer(data), wire::read_plan(data), wire::read_badge(data), wire::read_badge_file(data));
    let Ok(document) = Document::read(data) else { return };
    for operation in document.operations() {
        let path = operation.path.replace(['{', '}'], "");
        if let Ok(found) = document.find(&operation.method, &path, Some("a=1&b=x&c[d]=1"), &HeaderMap::new()) {
            for (kind, body) in [
                ("application/json", &b"{\"a\":[1,null,\"x\"]}"[..]),
                ("application/x-www-form-urlencoded", b"a=1&b=x"),
            ] {
                if let Ok(Some(schema)) = document.body_schema(found, Some(kind), true) {
                    let _ = document.check_body(schema, Some(kind), body, Effort::Whole);
                }
            }
            let _ = document.check_response(found, 200, Some("application/json"), Some(b"[]"), Effort::Whole);
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let data = data.to_vec();
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || ask(&data));
    thread.and_then(|thread| thread.join().map_err(|_| std::io::Error::other("it panicked"))).expect("no panic");
});
