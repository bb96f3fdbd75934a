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
        let ends_in_tld = text.trim_end_matches('.').to_lowercase().ends_with(&format!(".{TLD}"));
        Err(if ends_in_tld {
            usage_with_remedy(
                format!("`{text}` is below a name, and this is about names themselves"),
                format!("give the name: {}.{TLD}", place.label),
            )
        } else {
            usage_with_remedy(
                format!("`{text}` would be below {}.{TLD}, and this is about names themselves", place.label),
                format!("names here end in .{TLD}: give the one label before it, as in blog or blog.{TLD}"),
            )
        })
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

/// What a label in punycode is in Unicode; `None` for a plain one.
///
/// # Errors
/// Usage, if it isn't what any Unicode label is written as: programs that follow IDNA refuse to open it.
pub fn unicode(label: &Label) -> Result<Option<String>> {
    if !label.as_str().starts_with("xn--") {
        return Ok(None);
    }
    let (unicode, read) = idna::domain_to_unicode(label.as_str());
    let written = read.ok().and_then(|()| idna::domain_to_ascii_strict(&unicode).ok());
    if written.as_deref() != Some(label.as_str()) {
        return Err(usage_with_remedy(
            format!("{label}.{TLD} is no valid name in Unicode: browsers refuse to open it"),
            "give the name in its own letters, as in bücher: it is converted here",
        ));
    }
    Ok(Some(unicode))
}

/// A name, and what it is in Unicode if that differs: `xn--bcher-kva.cairn (bücher.cairn)`.
pub fn shown(label: &Label) -> String {
    match unicode(label) {
        Ok(Some(unicode)) => format!("{label}.{TLD} ({unicode}.{TLD})"),
        _ => format!("{label}.{TLD}"),
    }
}

/// A warning for a name whose letters are of several alphabets that look alike: such a name can be taken for another.
pub fn look_alike(label: &Label) -> Option<String> {
    let unicode = unicode(label).ok()??;
    let mut alphabets: Vec<&str> = unicode.chars().filter_map(alphabet).collect();
    alphabets.sort_unstable();
    alphabets.dedup();
    (alphabets.len() > 1).then(|| {
        let alphabets = alphabets.join(" and ");
        format!("{unicode}.{TLD} has letters of {alphabets}, which look alike: browsers show it as {label}.{TLD}")
    })
}

/// The alphabet of a letter, among those with letters that look alike.
fn alphabet(letter: char) -> Option<&'static str> {
    match letter {
        'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => Some("Latin"),
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => Some("Greek"),
        '\u{400}'..='\u{52f}' => Some("Cyrillic"),
        '\u{530}'..='\u{58f}' => Some("Armenian"),
        '\u{13a0}'..='\u{13ff}' | '\u{ab70}'..='\u{abbf}' => Some("Cherokee"),
        _ => None,
    }
}

/// A name as in a zone file, whose labels in Unicode are written in punycode; all others stay as they are.
///
/// # Errors
/// Usage, with what is wrong.
pub fn labels_to_ascii(text: &str) -> Result<String> {
    let labels: Result<Vec<String>> =
        text.split('.').map(|label| if label.is_ascii() { Ok(label.to_string()) } else { to_ascii(label) }).collect();
    Ok(labels?.join("."))
}

const LABEL_REMEDY: &str = "names have a-z, 0-9 and hyphens inside, 3 to 63 of them";

/// Unicode by IDNA (UTS 46); ASCII is only lowered, since `_` and `*` are fine below a name.
fn to_ascii(text: &str) -> Result<String> {
    if text.is_ascii() {
        return Ok(text.to_ascii_lowercase());
    }
    idna::domain_to_ascii_strict(text).map_err(|_| {
        usage_with_remedy(
            format!("`{text}` can't be written as a domain name: a character of it is not allowed in names"),
            "leave out signs, and emoji that are joined from several (families, professions, skin colours)",
        )
    })
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
        let of = |text| crate::failure::Shown::new(&Place::label(text).expect_err(text)).text();
        assert!(of("www.blog.cairn").contains("give the name: blog.cairn"), "{}", of("www.blog.cairn"));
        assert!(of("blog.eth").contains("names here end in .cairn"), "{}", of("blog.eth"));
        assert!(Place::subdomain("blog").is_err() && Place::subdomain("a.b.blog").is_err());
        let (label, subdomain) = Place::subdomain("shop.blog.cairn").expect("is one");
        assert_eq!((label.as_str(), subdomain.as_str()), ("blog", "shop"));
    }

    #[test]
    fn punycode_that_nothing_opens_is_told_from_names() {
        let label = |text: &str| Label::try_from(text.as_bytes()).expect(text);
        assert_eq!(unicode(&label("blog")).expect("plain"), None);
        assert_eq!(unicode(&label("xn--bcher-kva")).expect("valid"), Some("bücher".into()));
        assert_eq!(shown(&label("xn--bcher-kva")), "xn--bcher-kva.cairn (bücher.cairn)");
        for text in ["xn--zzzzzzzz", "xn--0", "xn--a"] {
            assert!(unicode(&label(text)).is_err(), "{text}");
        }
        assert_eq!(look_alike(&label("xn--bcher-kva")), None);
        let mixed = look_alike(&label("xn--l-7sba6dbr")).expect("Cyrillic with a Latin l");
        assert!(mixed.contains("Cyrillic and Latin"), "{mixed}");
    }

    #[test]
    fn labels_of_zone_files_are_converted_one_by_one() {
        assert_eq!(labels_to_ascii("_dmarc.bücher.example.").expect("valid"), "_dmarc.xn--bcher-kva.example.");
        assert_eq!(labels_to_ascii("*.WWW.a\\.b").expect("as it is"), "*.WWW.a\\.b");
        assert!(labels_to_ascii("a.💥\u{200d}💥.b").is_err());
    }
}
