// SPDX-License-Identifier: Apache-2.0

//! Padding of encrypted answers (RFC 7830): who sees only their lengths can't tell the names by them.

use super::query::Edns;
use super::wire::{u16_at, STREAM_BYTES_MAX};

/// The option's code.
pub const PADDING: u16 = 12;
/// Answers are padded to a multiple of this (RFC 8467, 4.1).
const BLOCK_BYTES: usize = 468;
/// Bytes of an OPT record without options, which is how our answers end.
const OPT_BYTES: usize = 11;
/// Bytes of an option before its value.
const OPTION_BYTES: usize = 4;

/// Pads `message`, whose last record is an OPT without options, if the client padded its query.
pub fn pad(edns: Option<Edns>, message: &mut Vec<u8>) {
    if !edns.is_some_and(|edns| edns.padded) {
        return;
    }
    let Some(length_at) = message.len().checked_sub(2) else { return };
    let ends_with_opt = message.len() > OPT_BYTES && message[message.len() - OPT_BYTES..].starts_with(&[0, 0, 41]);
    if !ends_with_opt || u16_at(message, length_at) != Some(0) {
        return;
    }
    let whole = (message.len() + OPTION_BYTES).next_multiple_of(BLOCK_BYTES).min(STREAM_BYTES_MAX);
    let Some(padding) = whole.checked_sub(message.len() + OPTION_BYTES) else { return };
    let Ok(value) = u16::try_from(padding) else { return };
    message[length_at..].copy_from_slice(&(value + OPTION_BYTES as u16).to_be_bytes());
    message.extend_from_slice(&PADDING.to_be_bytes());
    message.extend_from_slice(&value.to_be_bytes());
    message.resize(whole, 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPT: &[u8] = &[0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];

    fn padded(before: usize, padded: bool) -> Vec<u8> {
        let mut message = vec![7; before];
        message.extend_from_slice(OPT);
        pad(Some(Edns { udp_bytes: 1232, version: 0, dnssec_ok: false, padded }), &mut message);
        message
    }

    #[test]
    fn answers_to_padded_queries_have_few_lengths() {
        for before in 12..2000 {
            let message = padded(before, true);
            assert!(message.len().is_multiple_of(BLOCK_BYTES) && message.len() > before, "{before}");
            assert_eq!(u16_at(&message, before + 9), Some((message.len() - before - OPT_BYTES) as u16));
            assert_eq!(padded(before, false).len(), before + OPT_BYTES);
        }
        assert_eq!(
            padded(STREAM_BYTES_MAX - OPT_BYTES - 1, true).len(),
            STREAM_BYTES_MAX - 1,
            "no room for the option"
        );
        let mut bare = vec![7; 100];
        pad(None, &mut bare);
        assert_eq!(bare, [7; 100]);
    }
}
