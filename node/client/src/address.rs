// SPDX-License-Identifier: Apache-2.0

//! Account addresses in SS58: `prefix ‖ public key ‖ checksum` in base 58, the checksum being the first two bytes of
//! `blake2b_512("SS58PRE" ‖ prefix ‖ public key)`.
//! Source: <https://docs.polkadot.com/polkadot-protocol/parachain-basics/accounts/#address-formats>.

use crate::{error::Error, AccountId};

/// Prefix of chains without one of their own; Cairn's.
pub const DEFAULT_SS58_PREFIX: u16 = 42;
/// Prefixes are 14 bits wide.
const SS58_PREFIX_MAX: u16 = 16_383;
const CHECKSUM_LEN: usize = 2;
/// Longest address of a 32-byte key; anything longer isn't looked at.
const ADDRESS_LEN_MAX: usize = 50;

/// The address of an account on a chain with the given prefix.
pub fn to_address(account: &AccountId, prefix: u16) -> String {
    let prefix = prefix.min(SS58_PREFIX_MAX);
    let mut bytes = match prefix {
        0..=63 => vec![prefix as u8],
        _ => {
            vec![((prefix & 0b1111_1100) as u8 >> 2) | 0b0100_0000, (prefix >> 8) as u8 | ((prefix & 0b11) as u8) << 6]
        },
    };
    bytes.extend_from_slice(&account.0);
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum);
    bs58::encode(bytes).into_string()
}

/// The account that an address names, with the address's prefix.
///
/// # Errors
/// [`Error::Invalid`] for anything that is not the address of a 32-byte key.
pub fn from_address(address: &str) -> Result<(AccountId, u16), Error> {
    let invalid = |reason: &str| Error::invalid("address", format!("`{}`: {reason}", shortened(address)));
    if address.is_empty() || address.len() > ADDRESS_LEN_MAX {
        return Err(invalid("an address has 46 to 50 characters"));
    }
    let bytes = bs58::decode(address).into_vec().map_err(|_| invalid("it has characters that no address has"))?;
    let (prefix, prefix_len) = match *bytes.as_slice() {
        [first @ 0..=63, ..] => (u16::from(first), 1),
        [first @ 64..=127, second, ..] => {
            let lower = (first << 2) | (second >> 6);
            (u16::from(lower) | (u16::from(second & 0b0011_1111) << 8), 2)
        },
        _ => return Err(invalid("its prefix is not valid")),
    };
    let key = bytes
        .get(prefix_len..bytes.len().saturating_sub(CHECKSUM_LEN))
        .and_then(|key| <[u8; 32]>::try_from(key).ok())
        .ok_or_else(|| invalid("its length is wrong"))?;
    let (body, sum) = bytes.split_at(prefix_len + key.len());
    if sum != checksum(body) {
        return Err(invalid("its checksum is wrong; was it typed by hand?"));
    }
    Ok((AccountId::from(key), prefix))
}

fn checksum(body: &[u8]) -> [u8; CHECKSUM_LEN] {
    let hash = sp_crypto_hashing::blake2_512(&[b"SS58PRE", body].concat());
    [hash[0], hash[1]]
}

/// Enough of a wrong input to recognise it, and never a whole pasted file.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    const ALICE_KEY: &str = "d43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";

    fn alice() -> AccountId {
        let bytes: [u8; 32] = hex::decode(ALICE_KEY).expect("hex").try_into().expect("32 bytes");
        bytes.into()
    }

    #[test]
    fn known_addresses_of_one_key() {
        // Alice with prefix 42 (generic), 0 (Polkadot) and 2 (Kusama), as any wallet shows them.
        assert_eq!(to_address(&alice(), 42), ALICE);
        assert_eq!(to_address(&alice(), 0), "15oF4uVJwmo4TdGW7VfQxNLavjCXviqxT9S1MgbjMNHr6Sp5");
        assert_eq!(to_address(&alice(), 2), "HNZata7iMYWmk5RvZRTiAsSDhV8366zq2YGb3tLH5Upf74F");
    }

    #[test]
    fn every_prefix_round_trips() {
        for prefix in 0..=SS58_PREFIX_MAX {
            let address = to_address(&alice(), prefix);
            assert!(address.len() <= ADDRESS_LEN_MAX, "{address}");
            assert_eq!(from_address(&address).expect("own address"), (alice(), prefix));
        }
    }

    #[test]
    fn any_change_of_a_character_is_noticed() {
        for position in 0..ALICE.len() {
            for replacement in ['1', 'z', '0', 'é'] {
                let changed: String = ALICE
                    .chars()
                    .enumerate()
                    .map(|(index, c)| if index == position { replacement } else { c })
                    .collect();
                if changed != ALICE {
                    assert!(from_address(&changed).is_err(), "{changed}");
                }
            }
        }
    }

    #[test]
    fn lengths_at_the_limits_are_refused() {
        for wrong in
            ["", "5", "1", &ALICE[1..], &format!("{ALICE}1"), &"1".repeat(50), &"5".repeat(51), &"z".repeat(9000)]
        {
            assert!(from_address(wrong).is_err(), "{wrong}");
        }
    }
}
