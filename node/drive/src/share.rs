// SPDX-License-Identifier: Apache-2.0

//! Links: who has the text can read what it names, and nothing else of the drive.
//!
//! ```text
//! cairn:<first 4 bytes of the genesis hash, hex>/<drive>/<stripe>.<units>.<page id, hex>#<key, hex>
//! ```
//! The page is a segment of its own, under a key of its own: it has the keys of the files that it names, and the ids of their
//! stripes. What is behind the `#` is never sent to anybody. Stripes are where they were when the link was made: when a drive is
//! trimmed of them, live files are moved on and the link is dead.

use std::fmt;

use cairn_primitives::storage::DriveId;
use zeroize::Zeroizing;

use crate::{
    contents::Contents,
    drive::{find, Session},
    keys::DriveKey,
    manifest::{Segment, Tree, SEGMENT_BYTES_MAX},
    page::PageRef,
    read::StripeReader,
    vaults::Vaults,
    DriveError,
};

/// What every link begins with.
pub const SCHEME: &str = "cairn:";
/// Longer texts are no links.
const TEXT_BYTES_MAX: usize = 512;

/// A link to files.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    genesis: [u8; 4],
    /// The drive.
    pub drive: DriveId,
    page: PageRef,
    key: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link(drive {}, stripe {})", self.drive, self.page.stripe)
    }
}

impl Link {
    /// Puts a link together.
    pub fn new(genesis: &[u8; 32], drive: DriveId, page: PageRef, key: &DriveKey) -> Self {
        let mut first = [0; 4];
        first.copy_from_slice(&genesis[..4]);
        Link { genesis: first, drive, page, key: Zeroizing::new(*key.expose()) }
    }

    /// The text. Who has it can read.
    pub fn to_text(&self) -> String {
        let (genesis, page) = (hex::encode(self.genesis), self.page.to_text());
        format!("{SCHEME}{genesis}/{}/{page}#{}", self.drive, hex::encode(*self.key))
    }

    /// Reads a text.
    ///
    /// # Errors
    /// [`DriveError::Link`] if it is none; the error doesn't repeat it.
    pub fn from_text(text: &str) -> Result<Self, DriveError> {
        let rest = text.strip_prefix(SCHEME).filter(|_| text.len() <= TEXT_BYTES_MAX);
        let rest = rest.ok_or(DriveError::Link("it begins with `cairn:`"))?;
        let (place, key) = rest.split_once('#').ok_or(DriveError::Link("its key, behind a `#`, is missing"))?;
        let mut parts = place.split('/');
        let (Some(genesis), Some(drive), Some(page), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(DriveError::Link("a part of it is missing"));
        };
        let mut link = Link {
            genesis: [0; 4],
            drive: drive.parse().map_err(|_| DriveError::Link("its drive is no number"))?,
            page: PageRef::from_text(page).ok_or(DriveError::Link("its page is none"))?,
            key: Zeroizing::new([0; 32]),
        };
        hex::decode_to_slice(genesis, &mut link.genesis).map_err(|_| DriveError::Link("its chain is none"))?;
        hex::decode_to_slice(key, &mut *link.key).map_err(|_| DriveError::Link("its key is broken"))?;
        Ok(link)
    }

    /// Opens what it names; errors in reading that are to be explained by what comes with it.
    ///
    /// # Errors
    /// [`DriveError::Link`] if it is for another chain, [`DriveError::DeadLink`] if what it names is gone; otherwise as a drive.
    pub async fn open(&self, session: &Session) -> Result<(Contents, Lead), DriveError> {
        if session.chain.genesis()[..4] != self.genesis {
            return Err(DriveError::Link("it is for another chain; use a node of that one"));
        }
        let state = find(&*session.chain, self.drive).await.map_err(|error| match error {
            DriveError::NoDrive(drive) => DriveError::DeadLink { drive, why: "has ended".into() },
            other => other,
        })?;
        let lead = Lead { drive: state.id, trimmed: state.trimmed_units > 0 };
        let vaults = std::sync::Arc::new(Vaults::new(std::sync::Arc::clone(&session.network), &state));
        let reader = StripeReader::new(state.id, state.coding, vaults);
        let key = DriveKey::from_parts(0, *self.key)?;
        let bytes = reader.part(&self.page, &key, SEGMENT_BYTES_MAX).await.map_err(|error| lead.explain(error))?;
        let segment = Segment::from_bytes(&bytes, state.coding)?;
        Ok((Contents::new(Tree::from_segments([&segment])?, segment.tables, key, reader), lead))
    }
}

/// Where a link leads to, as far as that says why something can't be read.
#[derive(Clone, Copy, Debug)]
pub struct Lead {
    drive: DriveId,
    trimmed: bool,
}

impl Lead {
    /// What an error means to who follows a link: what can't be read of a drive that was trimmed is most likely gone.
    pub fn explain(&self, error: DriveError) -> DriveError {
        match error {
            DriveError::Unreadable { failures, .. } if self.trimmed => DriveError::DeadLink {
                drive: self.drive,
                why: format!(
                    "was trimmed, and no longer has what the link leads to, unless just its vaults don't answer ({failures})"
                ),
            },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use cairn_primitives::storage::ShardSize;

    use super::*;

    #[test]
    fn links_come_back_and_others_are_refused() {
        let page = PageRef { stripe: 77, size: ShardSize::K16, id: [5; 32] };
        let key = DriveKey::from_parts(0, [6; 32]).expect("a key");
        let link = Link::new(&[0xab; 32], 9, page, &key);
        let text = link.to_text();
        assert_eq!(text, format!("cairn:abababab/9/77.4.{}#{}", "05".repeat(32), "06".repeat(32)));
        assert_eq!(Link::from_text(&text).expect("a link"), link);
        assert!(!format!("{link:?}").contains("0606"));
        for wrong in [
            "",
            "cairn:",
            &text[1..],
            &text[..text.len() - 1],
            &text.replace('#', ""),
            &text.replace("77.4", "77.5"),
            &text.replace("/9/", "/x/"),
            &text.replace("/9/", "/"),
            &format!("{text}00"),
            &format!("cairn:{}", "a".repeat(1000)),
        ] {
            let error = Link::from_text(wrong).expect_err(wrong).to_string();
            assert!(!error.contains("0606"), "{error}");
        }
    }
}
