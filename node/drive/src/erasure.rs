// SPDX-License-Identifier: Apache-2.0

//! Stripes to shards and back. A stripe is `k` data shards of one size; with their `3k` parity shards any `k` of the `4k`
//! give back all the others.
//!
//! One data shard needs no arithmetic: its parity shards are copies (codec 0). Otherwise the code is the systematic
//! Reed-Solomon code over GF(2^16) of the crate `reed-solomon-simd` (codec 1): the data shards are the values at `k` points
//! of a polynomial of degree below `k`, the parity shards its values at other points.
//!
//! # Correctness
//! - What is coded is ciphertext: a vault can rebuild a lost shard without any key.
//! - A polynomial through `k` equal values is constant. So a stripe of equal data shards has equal parity shards: every vault
//!   holds the same bytes, and one id names them all. The manifest's pages rely on it; [`replicate`] makes such stripes.
//! - Nothing here knows whether a shard is right; callers check each by its id before it is decoded with.

use bytes::Bytes;
use cairn_buffers::Buffer;
use cairn_primitives::storage::{Coding, ShardSize};
use reed_solomon_simd::{ReedSolomonDecoder, ReedSolomonEncoder};

/// What the shards of a stripe that aren't data are: written into a drive's manifest, so that another code can follow.
pub const fn codec(coding: Coding) -> u8 {
    match coding {
        Coding::K1 => 0,
        _ => 1,
    }
}

/// Why shards can't be made or rebuilt.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErasureError {
    /// The stripe isn't `k` shards of 4, 16, 64 or 256 KiB.
    #[error("{bytes} bytes are not {data} shards of 4, 16, 64 or 256 KiB")]
    NoStripe {
        /// Bytes given.
        bytes: usize,
        /// Data shards of the coding.
        data: u8,
    },
    /// Shards of one stripe have one size, which is 4, 16, 64 or 256 KiB.
    #[error("shard {index} has {bytes} bytes; those of a stripe have all 4, all 16, all 64 or all 256 KiB")]
    WrongSize {
        /// The shard.
        index: u8,
        /// Its bytes.
        bytes: usize,
    },
    /// The coding has no such shard.
    #[error("there is no shard {index}: the coding has {slots}")]
    NoSuchShard {
        /// The shard.
        index: u8,
        /// Shards of the coding.
        slots: u8,
    },
    /// A shard was given twice.
    #[error("shard {index} was given twice")]
    Twice {
        /// The shard.
        index: u8,
    },
    /// Too few shards: read more of the stripe's other slots.
    #[error("{present} shards are not enough: {needed} are needed")]
    TooFew {
        /// Shards given.
        present: usize,
        /// Shards needed.
        needed: u8,
    },
    /// The code refused; what was checked before rules this out.
    #[error("the code refused: {0:?}")]
    Code(reed_solomon_simd::Error),
}

/// The shards of a stripe, data first. Data shards, and copies, share the memory of `data`.
///
/// # Errors
/// [`ErasureError::NoStripe`] if `data` isn't `k` shards of one of the sizes.
pub fn encode_stripe(coding: Coding, data: Bytes) -> Result<Vec<Bytes>, ErasureError> {
    let k = usize::from(coding.data());
    let size = stripe_size(coding, data.len())?;
    if k == 1 {
        return Ok(vec![data; usize::from(coding.slots())]);
    }
    let mut shards: Vec<Bytes> = (0..k).map(|i| data.slice(i * size.bytes()..(i + 1) * size.bytes())).collect();
    let data: Vec<&[u8]> = shards.iter().map(|shard| &shard[..]).collect();
    let parity = parity(coding, size, &data)?;
    shards.extend(parity);
    Ok(shards)
}

/// The stripe all of whose shards are `page`.
///
/// # Errors
/// [`ErasureError::NoStripe`] if `page` isn't as long as a shard.
pub fn replicate(coding: Coding, page: Bytes) -> Result<Vec<Bytes>, ErasureError> {
    ShardSize::from_bytes(page.len()).ok_or(ErasureError::NoStripe { bytes: page.len(), data: coding.data() })?;
    Ok(vec![page; usize::from(coding.slots())])
}

/// The stripe's data from any `k` of its shards; those beyond `k` are not looked at, data shards are preferred. Nothing is
/// decoded if all data shards are there.
///
/// # Errors
/// See [`ErasureError`]; [`ErasureError::TooFew`] if more shards would help.
pub fn decode_stripe(coding: Coding, present: &[(u8, &[u8])]) -> Result<Vec<u8>, ErasureError> {
    let (size, known) = sorted(coding, present)?;
    let k = usize::from(coding.data());
    let mut data = Vec::with_capacity(k * size.bytes());
    if k == 1 {
        data.extend_from_slice(known.iter().flatten().next().copied().unwrap_or_default());
        return Ok(data);
    }
    let restored = restore_data(coding, size, &known)?;
    for (index, shard) in known.iter().take(k).enumerate() {
        match (shard, restored.iter().find(|(restored, _)| *restored == index)) {
            (Some(shard), _) => data.extend_from_slice(shard),
            (None, Some((_, shard))) => data.extend_from_slice(shard),
            (None, None) => return Err(ErasureError::TooFew { present: present.len(), needed: coding.data() }),
        }
    }
    Ok(data)
}

/// Shard `want` of a stripe from any `k` others.
///
/// # Errors
/// See [`ErasureError`]; [`ErasureError::TooFew`] if more shards would help.
pub fn reconstruct(coding: Coding, present: &[(u8, &[u8])], want: u8) -> Result<Vec<u8>, ErasureError> {
    let slots = coding.slots();
    if want >= slots {
        return Err(ErasureError::NoSuchShard { index: want, slots });
    }
    let (size, known) = sorted(coding, present)?;
    if let Some(Some(shard)) = known.get(usize::from(want)) {
        return Ok(shard.to_vec());
    }
    let data = decode_stripe(coding, present)?;
    let k = usize::from(coding.data());
    if k == 1 {
        return Ok(data);
    }
    let shards: Vec<&[u8]> = data.chunks_exact(size.bytes()).collect();
    match usize::from(want).checked_sub(k) {
        None => Ok(shards[usize::from(want)].to_vec()),
        Some(index) => Ok(parity(coding, size, &shards)?.swap_remove(index).into()),
    }
}

/// The shard size of a stripe with so many bytes of data.
pub(crate) fn stripe_size(coding: Coding, bytes: usize) -> Result<ShardSize, ErasureError> {
    let k = usize::from(coding.data());
    let size = if bytes.is_multiple_of(k) { ShardSize::from_bytes(bytes / k) } else { None };
    size.ok_or(ErasureError::NoStripe { bytes, data: coding.data() })
}

/// Bytes of each shard that are coded at a time: those of all `4k`, on which the code goes to and fro, stay in a core's cache.
/// The code works on blocks of 64 bytes, each by itself, so the result is the same.
const PIECE_BYTES: usize = 4096;

fn parity(coding: Coding, size: ShardSize, data: &[&[u8]]) -> Result<Vec<Bytes>, ErasureError> {
    let k = usize::from(coding.data());
    let mut encoder = ReedSolomonEncoder::new(k, 3 * k, PIECE_BYTES).map_err(ErasureError::Code)?;
    let mut parity: Vec<Buffer> = (0..3 * k).map(|_| Buffer::new(size.bytes())).collect();
    for from in (0..size.bytes()).step_by(PIECE_BYTES) {
        for shard in data {
            encoder.add_original_shard(&shard[from..from + PIECE_BYTES]).map_err(ErasureError::Code)?;
        }
        let coded = encoder.encode().map_err(ErasureError::Code)?;
        for (shard, piece) in parity.iter_mut().zip(coded.recovery_iter()) {
            shard[from..from + PIECE_BYTES].copy_from_slice(piece);
        }
    }
    Ok(parity.into_iter().map(Buffer::freeze).collect())
}

/// Shards by their index.
type Known<'a> = Vec<Option<&'a [u8]>>;

/// The given shards by their index, all of one size, at least `k` of them.
fn sorted<'a>(coding: Coding, present: &[(u8, &'a [u8])]) -> Result<(ShardSize, Known<'a>), ErasureError> {
    let needed = coding.data();
    let mut known = vec![None; usize::from(coding.slots())];
    let mut size = None;
    for (index, shard) in present {
        let wrong = ErasureError::WrongSize { index: *index, bytes: shard.len() };
        let own = ShardSize::from_bytes(shard.len()).ok_or(wrong)?;
        if *size.get_or_insert(own) != own {
            return Err(wrong);
        }
        let no_such = ErasureError::NoSuchShard { index: *index, slots: coding.slots() };
        if known.get_mut(usize::from(*index)).ok_or(no_such)?.replace(*shard).is_some() {
            return Err(ErasureError::Twice { index: *index });
        }
    }
    match size {
        Some(size) if present.len() >= usize::from(needed) => Ok((size, known)),
        _ => Err(ErasureError::TooFew { present: present.len(), needed }),
    }
}

/// The data shards that are missing.
fn restore_data(
    coding: Coding,
    size: ShardSize,
    known: &[Option<&[u8]>],
) -> Result<Vec<(usize, Vec<u8>)>, ErasureError> {
    let k = usize::from(coding.data());
    let missing = known.iter().take(k).filter(|shard| shard.is_none()).count();
    if missing == 0 {
        return Ok(Vec::new());
    }
    let mut decoder = ReedSolomonDecoder::new(k, 3 * k, size.bytes()).map_err(ErasureError::Code)?;
    let mut lacking = missing;
    for (index, shard) in known.iter().enumerate() {
        let Some(shard) = shard else { continue };
        if index < k {
            decoder.add_original_shard(index, shard).map_err(ErasureError::Code)?;
        } else if lacking > 0 {
            decoder.add_recovery_shard(index - k, shard).map_err(ErasureError::Code)?;
            lacking -= 1;
        }
    }
    let result = decoder.decode().map_err(ErasureError::Code)?;
    Ok(result.restored_original_iter().map(|(index, shard)| (index, shard.to_vec())).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CODINGS: [Coding; 4] = [Coding::K1, Coding::K2, Coding::K4, Coding::K8];

    fn noise(seed: u64, bytes: usize) -> Bytes {
        let mut data = vec![0; bytes];
        blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut data);
        data.into()
    }

    fn stripe(coding: Coding, size: ShardSize, seed: u64) -> (Bytes, Vec<Bytes>) {
        let data = noise(seed, usize::from(coding.data()) * size.bytes());
        let shards = encode_stripe(coding, data.clone()).expect("a stripe");
        (data, shards)
    }

    /// Stored stripes outlive this program: the code must never change under them.
    #[test]
    fn the_code_is_the_one_that_stored_stripes_were_made_with() {
        let digest = |coding: Coding| {
            let mut hasher = blake3::Hasher::new();
            stripe(coding, ShardSize::K4, 7).1.iter().for_each(|shard| {
                hasher.update(shard);
            });
            hasher.finalize().to_hex()[..16].to_string()
        };
        let expected = ["976ba8d25f30b058", "96d420f77b311c6d", "22affc3cf831b3dd", "5bd34ef2e4dae935"];
        assert_eq!(CODINGS.map(digest), expected);
    }

    #[test]
    fn coded_piece_by_piece_is_the_same_as_coded_whole() {
        for coding in [Coding::K2, Coding::K4, Coding::K8] {
            for size in ShardSize::ALL {
                let (data, shards) = stripe(coding, size, 5);
                let k = usize::from(coding.data());
                let whole = reed_solomon_simd::encode(k, 3 * k, data.chunks_exact(size.bytes())).expect("coded");
                assert_eq!(shards[k..], whole, "{coding:?} {size:?}");
            }
        }
    }

    #[test]
    fn equal_data_shards_have_equal_parity() {
        for coding in CODINGS {
            for size in ShardSize::ALL {
                let page = noise(3, size.bytes());
                let data = page.repeat(usize::from(coding.data()));
                let coded = encode_stripe(coding, data.into()).expect("a stripe");
                assert_eq!(coded, replicate(coding, page).expect("a page"), "{coding:?} {size:?}");
            }
        }
    }

    #[test]
    fn any_two_of_eight_give_back_all() {
        let (data, shards) = stripe(Coding::K2, ShardSize::K4, 1);
        for a in 0..8u8 {
            for b in 0..8u8 {
                if a == b {
                    continue;
                }
                let present = [(a, &shards[usize::from(a)][..]), (b, &shards[usize::from(b)][..])];
                assert_eq!(decode_stripe(Coding::K2, &present).expect("enough"), data);
                for want in 0..8u8 {
                    let rebuilt = reconstruct(Coding::K2, &present, want).expect("enough");
                    assert_eq!(rebuilt, shards[usize::from(want)], "{want} from {a} and {b}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_stripe_is_refused() {
        let data = noise(0, 4 * 4096);
        for (coding, bytes) in [(Coding::K1, 0), (Coding::K1, 4095), (Coding::K1, 8192), (Coding::K4, 4096)] {
            let error = encode_stripe(coding, data.slice(..bytes)).expect_err("no stripe");
            assert_eq!(error, ErasureError::NoStripe { bytes, data: coding.data() });
        }
        assert!(replicate(Coding::K8, data).is_ok(), "16 KiB are a shard");
        assert!(replicate(Coding::K8, noise(0, 8192)).is_err());
    }

    #[test]
    fn shards_that_do_not_belong_together_are_refused() {
        let (_, shards) = stripe(Coding::K2, ShardSize::K4, 1);
        let (a, b) = (&shards[0][..], &shards[1][..]);
        let refused = |present: &[(u8, &[u8])]| reconstruct(Coding::K2, present, 7).expect_err("refused");
        assert_eq!(refused(&[]), ErasureError::TooFew { present: 0, needed: 2 });
        assert_eq!(refused(&[(0, a)]), ErasureError::TooFew { present: 1, needed: 2 });
        assert_eq!(refused(&[(0, a), (0, b)]), ErasureError::Twice { index: 0 });
        assert_eq!(refused(&[(0, a), (8, b)]), ErasureError::NoSuchShard { index: 8, slots: 8 });
        assert_eq!(refused(&[(0, a), (1, &b[..100])]), ErasureError::WrongSize { index: 1, bytes: 100 });
        let longer = noise(1, ShardSize::K16.bytes());
        assert_eq!(refused(&[(0, a), (1, &longer)]), ErasureError::WrongSize { index: 1, bytes: 16_384 });
        let error = reconstruct(Coding::K2, &[(0, a), (1, b)], 8).expect_err("no such shard");
        assert_eq!(error, ErasureError::NoSuchShard { index: 8, slots: 8 });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_k_of_n_give_back_all(
            coding in prop::sample::select(CODINGS.to_vec()),
            size in prop::sample::select(vec![ShardSize::K4, ShardSize::K16]),
            seed in any::<u64>(),
            order in Just((0..32u8).collect::<Vec<_>>()).prop_shuffle(),
            want in any::<prop::sample::Index>(),
        ) {
            let (data, shards) = stripe(coding, size, seed);
            let chosen = order.into_iter().filter(|index| *index < coding.slots()).take(coding.data().into());
            let present: Vec<(u8, &[u8])> = chosen.map(|index| (index, &shards[usize::from(index)][..])).collect();
            prop_assert_eq!(&decode_stripe(coding, &present).expect("enough")[..], &data[..]);
            let want = want.index(shards.len());
            prop_assert_eq!(reconstruct(coding, &present, want as u8).expect("enough"), shards[want].to_vec());
            prop_assert!(reconstruct(coding, &present[1..], want as u8).is_err());
        }
    }
}
