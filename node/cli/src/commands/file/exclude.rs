// SPDX-License-Identifier: Apache-2.0

//! `--exclude`: what of a folder is none of the command's business.

use cairn_drive::DrivePath;
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::failure::{usage, Result};

/// Patterns at most.
const PATTERNS_MAX: usize = 10_000;

/// Patterns of paths below a folder or directory.
#[derive(Clone, Debug)]
pub struct Exclude(GlobSet);

impl Exclude {
    /// Reads patterns. One with a slash in it is for paths from the top on; one without for names wherever they are.
    pub fn new(patterns: &[String]) -> Result<Self> {
        if patterns.len() > PATTERNS_MAX {
            return Err(usage(format!("{} patterns are too many: {PATTERNS_MAX} are the most", patterns.len())));
        }
        let mut set = GlobSetBuilder::new();
        let wrong = |error: globset::Error| usage(format!("--exclude: {error}"));
        for pattern in patterns {
            let plain = pattern.strip_suffix('/').unwrap_or(pattern);
            let anywhere = !plain.contains('/');
            let plain = plain.strip_prefix('/').unwrap_or(plain);
            let whole = if anywhere { format!("**/{plain}") } else { plain.to_string() };
            set.add(GlobBuilder::new(&whole).literal_separator(true).build().map_err(wrong)?);
        }
        Ok(Exclude(set.build().map_err(wrong)?))
    }

    /// Whether a path is excluded, or lies in what is.
    pub fn has(&self, path: &DrivePath) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let mut at = Some(path.clone());
        while let Some(place) = at.filter(|place| !place.is_top()) {
            if self.0.is_match(place.as_str()) {
                return true;
            }
            at = place.parent();
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_names_anywhere_or_paths_from_the_top() {
        let path = |text: &str| DrivePath::parse(text).expect("a path");
        for (pattern, inside, outside) in [
            ("*.tmp", &["x.tmp", "a/b/x.tmp", "a.tmp/y"][..], &["x.tmpl", "tmp"][..]),
            ("node_modules", &["node_modules/x", "a/node_modules/b/c"], &["a/my_node_modules"]),
            ("cache/", &["cache", "a/cache/x"], &["caches"]),
            ("/build", &["build", "build/x"], &["a/build"]),
            ("a/*.log", &["a/x.log"], &["a/b/x.log", "b/a/x.log"]),
            ("a/**/x", &["a/x", "a/b/c/x"], &["b/x"]),
            ("{one,two}?", &["one1", "d/two2"], &["three3"]),
        ] {
            let exclude = Exclude::new(&[pattern.to_string()]).expect(pattern);
            assert!(inside.iter().all(|text| exclude.has(&path(text))), "{pattern}");
            assert!(!outside.iter().any(|text| exclude.has(&path(text))), "{pattern}");
        }
        assert!(!Exclude::new(&[]).expect("none").has(&path("anything")));
        assert!(Exclude::new(&["a[".into()]).is_err());
        assert!(Exclude::new(&vec!["x".into(); PATTERNS_MAX + 1]).is_err());
    }
}
