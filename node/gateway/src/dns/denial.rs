// SPDX-License-Identifier: Apache-2.0

//! NSEC records made on the spot that cover nothing but the name asked for ("white lies", RFC 4470).
//!
//! A covering record runs from a name just before the missing one to one just after it. Registered names consist of
//! `[a-z0-9_-]` and `*`, so between these two nothing exists that is not below the missing name.

use super::wire::NAME_BYTES_MAX;

/// Data of an NSEC record: the next name and the types at its own.
#[derive(Debug, PartialEq, Eq)]
pub struct Nsec {
    /// The record's owner, in wire form.
    pub owner: Vec<u8>,
    /// Its data.
    pub data: Vec<u8>,
}

/// Says that `name` (wire form) has these types, sorted, and no others. `None` if the name is too long for one below it.
pub fn types_at(name: &[u8], types: impl Iterator<Item = u16>) -> Option<Nsec> {
    if name.len() + 2 > NAME_BYTES_MAX {
        return None;
    }
    let mut data = [b"\x01\0", name].concat();
    put_bitmap(&mut data, types);
    Some(Nsec { owner: name.to_vec(), data })
}

/// Says that `label` below `parent` (wire form), and all below it, does not exist. `types_above` are those of `parent`,
/// sorted: for the one label that nothing but its parent comes before. `None` if the names would become too long.
pub fn covering(label: &[u8], parent: &[u8], types_above: impl Iterator<Item = u16>) -> Option<Nsec> {
    if 1 + label.len() + parent.len() + 2 > NAME_BYTES_MAX {
        return None;
    }
    let mut data = Vec::with_capacity(2 * NAME_BYTES_MAX);
    put_label(&mut data, &after(label)?);
    data.extend_from_slice(parent);
    let mut owner = Vec::with_capacity(NAME_BYTES_MAX);
    let (&last, front) = label.split_last()?;
    let full = label.len() == 63;
    match last {
        0 if front.is_empty() => {
            owner.extend_from_slice(parent);
            put_bitmap(&mut data, types_above);
            return Some(Nsec { owner, data });
        },
        0 => {
            // Directly before `x\0` comes all that is below `x`.
            owner.extend_from_slice(b"\x01\xff");
            put_label(&mut owner, front);
        },
        _ => {
            let mut before = front.to_vec();
            // Upper case doesn't occur in canonical names.
            before.push(if last == b'[' { b'@' } else { last - 1 });
            if full {
                owner.extend_from_slice(b"\x01\xff");
            } else {
                before.push(0xff);
            }
            put_label(&mut owner, &before);
        },
    }
    owner.extend_from_slice(parent);
    put_bitmap(&mut data, [super::wire::rtype::RRSIG, super::wire::rtype::NSEC].into_iter());
    Some(Nsec { owner, data })
}

/// The label that comes after `label` and all below it.
fn after(label: &[u8]) -> Option<Vec<u8>> {
    let mut next = label.to_vec();
    if label.len() < 63 {
        next.push(0);
        return Some(next);
    }
    while next.last() == Some(&0xff) {
        next.pop();
    }
    let last = next.last_mut()?;
    *last = if *last == b'@' { b'[' } else { *last + 1 };
    Some(next)
}

fn put_label(out: &mut Vec<u8>, label: &[u8]) {
    out.push(label.len() as u8);
    out.extend_from_slice(label);
}

/// Appends a type bitmap (RFC 4034, section 4.1.2); `types` are sorted.
pub fn put_bitmap(out: &mut Vec<u8>, types: impl Iterator<Item = u16>) {
    let mut window = None;
    let mut length_at = 0;
    for rtype in types {
        let [high, low] = rtype.to_be_bytes();
        if window != Some(high) {
            window = Some(high);
            out.extend_from_slice(&[high, 0]);
            length_at = out.len() - 1;
        }
        let place = length_at + 1 + usize::from(low / 8);
        if out.len() <= place {
            out.resize(place + 1, 0);
            out[length_at] = low / 8 + 1;
        }
        out[place] |= 0x80 >> (low % 8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &[u8] = b"\x05cairn\0";

    fn cover(label: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let nsec = covering(label, PARENT, [2u16].into_iter()).unwrap();
        let at = nsec.data.windows(PARENT.len()).position(|part| part == PARENT).unwrap();
        let next = nsec.data[..at + PARENT.len()].to_vec();
        (labels(&nsec.owner), labels(&next))
    }

    /// The labels before the parent, from the right, so that names compare in canonical order.
    fn labels(name: &[u8]) -> Vec<u8> {
        name.strip_suffix(PARENT).unwrap().to_vec()
    }

    #[test]
    fn a_label_is_covered_from_just_before_to_just_after() {
        assert_eq!(cover(b"foo"), (b"\x04fon\xff".to_vec(), b"\x04foo\0".to_vec()));
        assert_eq!(cover(b"*"), (b"\x02)\xff".to_vec(), b"\x02*\0".to_vec()));
        assert_eq!(cover(b"a["), (b"\x03a@\xff".to_vec(), b"\x03a[\0".to_vec()));
        assert_eq!(cover(b"a\0"), (b"\x01\xff\x01a".to_vec(), b"\x03a\0\0".to_vec()));
        assert_eq!(cover(b"\0"), (b"".to_vec(), b"\x02\0\0".to_vec()));
    }

    #[test]
    fn a_full_label_is_covered_by_names_of_its_length() {
        let label = [[b'a'; 62].as_slice(), b"b"].concat();
        let (owner, next) = cover(&label);
        assert_eq!(owner, [b"\x01\xff\x3f".as_slice(), &[b'a'; 63]].concat());
        assert_eq!(next, [b"\x3f".as_slice(), &[b'a'; 62], b"c"].concat());
        let (_, next) = cover(&[[b'a'; 61].as_slice(), b"b\xff"].concat());
        assert_eq!(next, [b"\x3e".as_slice(), &[b'a'; 61], b"c"].concat());
        assert!(covering(&[0xff; 63], PARENT, [].into_iter()).is_none());
    }

    #[test]
    fn names_without_room_are_not_covered() {
        let parent = [&b"\x3e"[..], &[b'a'; 62], b"\0"].concat();
        let parent = [[&b"\x3f"[..], &[b'a'; 63]].concat().repeat(2), parent].concat();
        assert!(covering(&[b'a'; 59], &parent, [].into_iter()).is_some());
        assert!(covering(&[b'a'; 61], &parent, [].into_iter()).is_none());
        assert!(types_at(&[0; 254], [].into_iter()).is_none());
    }

    #[test]
    fn bitmaps_are_in_windows() {
        let mut out = Vec::new();
        put_bitmap(&mut out, [1, 15, 46, 47, 257, 65281].into_iter());
        assert_eq!(out, [0, 6, 0x40, 1, 0, 0, 0, 3, 1, 1, 0x40, 255, 1, 0x40]);
    }
}
