// SPDX-License-Identifier: Apache-2.0

//! Names as people write them: with or without `.cairn`, in any case and any script.

use cairn_client::chain::names::{Label, RelativeName, TLD};

use crate::failure::{usage, usage_with_remedy, Result};

/// A place in a name: the registered label, and what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `blog` of `www.blog.cairn`.
    pub label: Label,
    /// `www` of `www.blog.cairn`; the apex if there is nothing.
    pub below: RelativeName,
}

impl Place {
    /// Reads `blog`, `blog.cairn`, `www.blog.cairn.`, `*.blog`, `Bücher`.
    ///
    /// # Errors
    /// Usage, with what is wrong.
    pub fn parse(text: &str) -> Result<Self> {
        let ascii = to_ascii(text)?;
        let trimmed = ascii.strip_suffix('.').unwrap_or(&ascii);
        let trimmed = trimmed.strip_suffix(&format!(".{TLD}")).unwrap_or(trimmed);
        let (below, label) = trimmed.rsplit_once('.').unwrap_or(("", trimmed));
        let label = Label::try_from(label.as_bytes())
            .map_err(|error| usage_with_remedy(format!("`{text}` is no name: {error}"), LABEL_REMEDY))?;
        let below = RelativeName::parse(below).map_err(|error| usage(format!("`{text}` is no name: {error}")))?;
        Ok(Self { label, below })
    }

    /// Reads a name without anything below it.
    pub fn label(text: &str) -> Result<Label> {
        let place = Self::parse(text)?;
        if place.below.is_apex() {
            return Ok(place.label);
        }
        Err(usage_with_remedy(
            format!("`{text}` is below a name, and this is about names themselves"),
            format!("give the name: {}", place.label),
        ))
    }

    /// Reads a subdomain: one label below a name.
    pub fn subdomain(text: &str) -> Result<(Label, Label)> {
        let place = Self::parse(text)?;
        let wrong = || usage_with_remedy(format!("`{text}` is no subdomain"), "write it like shop.blog");
        let below = place.below.to_string();
        let subdomain = Label::try_from(below.as_bytes()).map_err(|_| wrong())?;
        Ok((place.label, subdomain))
    }
}

const LABEL_REMEDY: &str = "names have a-z, 0-9 and hyphens inside, 3 to 63 of them";

/// Unicode by IDNA (UTS 46); ASCII is only lowered, since `_` and `*` are fine below a name.
fn to_ascii(text: &str) -> Result<String> {
    if text.is_ascii() {
        return Ok(text.to_ascii_lowercase());
    }
    idna::domain_to_ascii_strict(text).map_err(|_| usage(format!("`{text}` can't be written as a domain name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_people_write_them() {
        for (text, label, below) in [
            ("blog", "blog", "@"),
            ("Blog.Cairn", "blog", "@"),
            ("blog.cairn.", "blog", "@"),
            ("www.blog", "blog", "www"),
            ("_https._tcp.blog.cairn", "blog", "_https._tcp"),
            ("*.blog", "blog", "*"),
            ("bücher", "xn--bcher-kva", "@"),
            ("Www.BÜCHER.cairn", "xn--bcher-kva", "www"),
        ] {
            let place = Place::parse(text).expect(text);
            assert_eq!((place.label.as_str(), place.below.to_string().as_str()), (label, below), "{text}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in ["", ".", "-blog", "bl og", "a..blog", "1.2.3.4.5.blog", "blog.cairn.cairn.x.y.z.w", "ab--c"] {
            assert!(Place::parse(text).is_err(), "{text}");
        }
        assert!(Place::label("www.blog").is_err());
        assert!(Place::subdomain("blog").is_err() && Place::subdomain("a.b.blog").is_err());
        let (label, subdomain) = Place::subdomain("shop.blog.cairn").expect("is one");
        assert_eq!((label.as_str(), subdomain.as_str()), ("blog", "shop"));
    }
}
