// SPDX-License-Identifier: Apache-2.0

//! Paths inside a drive.
//!
//! # Correctness
//! A [`DrivePath`] is always in its one normal form: components of 1 to 255 bytes joined by single slashes, neither `.` nor
//! `..`, no control characters; the empty path is the drive's top. So equal places have equal paths, and no path of a hostile
//! manifest leads out of the folder that it is downloaded to.

use std::fmt;

use codec::{Decode, Encode, Input};

/// Bytes of a path at most.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes of a component at most: what file systems take.
pub const COMPONENT_BYTES_MAX: usize = 255;

/// A place in a drive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Encode)]
pub struct DrivePath(String);

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Longer than [`PATH_BYTES_MAX`].
    #[error("the path has {bytes} bytes; {PATH_BYTES_MAX} are the most")]
    TooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// A component longer than [`COMPONENT_BYTES_MAX`].
    #[error("a name in the path has {bytes} bytes; {COMPONENT_BYTES_MAX} are the most")]
    ComponentTooLong {
        /// Its bytes.
        bytes: usize,
    },
    /// `..` leads out of where a path starts.
    #[error("`..` can't be part of a path in a drive; write the path from the drive's top")]
    Parent,
    /// A control character, which a terminal would obey.
    #[error("the name {name:?} has a control character; rename the file")]
    Control {
        /// The name that has it.
        name: String,
    },
    /// Not in the normal form, where only that may be.
    #[error("the path is not in its normal form")]
    NotNormal,
}

impl DrivePath {
    /// The drive's top.
    pub fn top() -> Self {
        Self::default()
    }

    /// Reads a path as people write it: slashes at its ends and doubled ones don't matter, nor does `.`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        if text.len() > PATH_BYTES_MAX {
            return Err(PathError::TooLong { bytes: text.len() });
        }
        let mut path = String::with_capacity(text.len());
        for component in text.split('/').filter(|component| !component.is_empty() && *component != ".") {
            check(component)?;
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
        }
        Ok(DrivePath(path))
    }

    /// Takes a path that must be in its normal form.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_normal(text: &str) -> Result<Self, PathError> {
        match Self::parse(text)? {
            path if path.0 == text => Ok(path),
            _ => Err(PathError::NotNormal),
        }
    }

    /// The path below this one.
    ///
    /// # Errors
    /// If the component is none, or the whole becomes too long.
    pub fn join(&self, below: &str) -> Result<Self, PathError> {
        if self.is_top() {
            return Self::parse(below);
        }
        Self::parse(&format!("{}/{below}", self.0))
    }

    /// Whether it is the drive's top.
    pub fn is_top(&self) -> bool {
        self.0.is_empty()
    }

    /// As text, without a slash in front; empty for the top.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its last component; `None` for the top.
    pub fn name(&self) -> Option<&str> {
        self.0.rsplit('/').next().filter(|name| !name.is_empty())
    }

    /// Where it lies; `None` for the top.
    pub fn parent(&self) -> Option<Self> {
        if self.is_top() {
            return None;
        }
        Some(DrivePath(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).into()))
    }

    /// The part of a path that is below this one: empty for this one itself, `None` for one elsewhere.
    pub fn relative<'a>(&self, path: &'a DrivePath) -> Option<&'a str> {
        if self.is_top() {
            return Some(&path.0);
        }
        let rest = path.0.strip_prefix(&self.0)?;
        if rest.is_empty() {
            return Some(rest);
        }
        rest.strip_prefix('/')
    }

    /// The first in the order of paths that comes after this one.
    pub(crate) fn after(&self) -> DrivePath {
        DrivePath(format!("{}\0", self.0))
    }

    /// Below which paths all lie that are under this one: in the order of paths they are those from the first up to, without,
    /// the second.
    pub(crate) fn bounds_below(&self) -> (DrivePath, Option<DrivePath>) {
        if self.is_top() {
            return (DrivePath("\0".into()), None);
        }
        // Behind a slash comes a zero in the order of bytes.
        (DrivePath(format!("{}/", self.0)), Some(DrivePath(format!("{}0", self.0))))
    }
}

fn check(component: &str) -> Result<(), PathError> {
    if component.len() > COMPONENT_BYTES_MAX {
        return Err(PathError::ComponentTooLong { bytes: component.len() });
    }
    if component == ".." {
        return Err(PathError::Parent);
    }
    if component.chars().any(char::is_control) {
        return Err(PathError::Control { name: component.into() });
    }
    Ok(())
}

impl fmt::Display for DrivePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

impl Decode for DrivePath {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let length = codec::Compact::<u32>::decode(input)?.0 as usize;
        if length > PATH_BYTES_MAX {
            return Err("the path is too long".into());
        }
        let mut bytes = vec![0; length];
        input.read(&mut bytes)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| "the path is not UTF-8")?;
        Self::from_normal(text).map_err(|_| "the path is not in its normal form".into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_has_one_path() {
        for text in ["a/b", "/a/b", "a/b/", "//a//b//", "./a/./b/."] {
            assert_eq!(DrivePath::parse(text).expect(text).as_str(), "a/b", "{text}");
        }
        for text in ["", "/", ".", "/./"] {
            assert!(DrivePath::parse(text).expect(text).is_top(), "{text}");
        }
        assert_eq!(DrivePath::from_normal("a/b").expect("normal").to_string(), "/a/b");
        assert_eq!(DrivePath::from_normal("/a/b"), Err(PathError::NotNormal));
    }

    #[test]
    fn nothing_leads_out_of_a_drive() {
        for text in ["..", "a/..", "../a", "a/../b", "/.."] {
            assert_eq!(DrivePath::parse(text), Err(PathError::Parent), "{text}");
        }
        DrivePath::parse("...").expect("a name like any other");
        DrivePath::parse("a..b").expect("a name like any other");
        for text in ["a\0b", "a\nb", "\u{1b}[31m", "a/\u{85}"] {
            assert!(matches!(DrivePath::parse(text), Err(PathError::Control { .. })), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_bounded() {
        let name = "n".repeat(COMPONENT_BYTES_MAX);
        DrivePath::parse(&name).expect("just short enough");
        assert_eq!(DrivePath::parse(&format!("{name}n")), Err(PathError::ComponentTooLong { bytes: 256 }));
        let long = format!("{name}/").repeat(16);
        assert_eq!(long.len(), PATH_BYTES_MAX);
        DrivePath::parse(&long).expect("just short enough");
        assert_eq!(DrivePath::parse(&format!("{long}n")), Err(PathError::TooLong { bytes: 4097 }));
    }

    #[test]
    fn what_lies_below_a_path_is_one_stretch() {
        let path = |text: &str| DrivePath::parse(text).expect(text);
        let (from, to) = path("a").bounds_below();
        let below = |inner: &str| from <= path(inner) && to.as_ref().is_none_or(|to| path(inner) < *to);
        for (inner, is_below) in
            [("a", false), ("a/b", true), ("a/b/c", true), ("a.txt", false), ("ab", false), ("b", false)]
        {
            assert_eq!(below(inner), is_below, "{inner}");
            assert_eq!(path("a").relative(&path(inner)).is_some_and(|rest| !rest.is_empty()), is_below, "{inner}");
        }
        assert_eq!(path("a").relative(&path("a")), Some(""));
        assert_eq!(DrivePath::top().relative(&path("x/y")), Some("x/y"));
    }

    proptest! {
        #[test]
        fn any_text_is_normalised_or_refused(text in "[./a-c\u{0}é]{0,40}") {
            let Ok(path) = DrivePath::parse(&text) else { return Ok(()) };
            prop_assert_eq!(DrivePath::from_normal(path.as_str()), Ok(path.clone()));
            prop_assert_eq!(DrivePath::decode(&mut &path.encode()[..]), Ok(path.clone()));
            if let Some(parent) = path.parent() {
                prop_assert_eq!(parent.join(path.name().expect("not the top")), Ok(path.clone()));
                prop_assert_eq!(parent.relative(&path), path.name());
            }
        }

        #[test]
        fn any_bytes_decode_to_a_normal_path_or_not_at_all(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(path) = DrivePath::decode(&mut &bytes[..]) {
                prop_assert_eq!(DrivePath::from_normal(path.as_str()), Ok(path));
            }
        }
    }
}
