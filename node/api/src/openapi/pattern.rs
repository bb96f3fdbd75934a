// SPDX-License-Identifier: Apache-2.0

//! Patterns of schemas: ECMAScript's regular expressions, translated to those that run in linear time, with a bound for what all
//! patterns of a document cost together.
//!
//! ECMAScript's `\d`, `\w` and `\b` know ASCII only, its `$` matches at the very end only, and a `-` behind a class stands for
//! itself. Look-around and references back can't be had in linear time: a document's operations that need them are left out.

use std::{collections::HashMap, iter::Peekable, str::Chars, sync::Arc};

use regex::{Regex, RegexBuilder};

/// Sizes that a pattern is compiled within, in bytes: the smallest that suffices says what it costs.
const SIZES: [usize; 4] = [4 << 10, 16 << 10, 64 << 10, 256 << 10];
/// Bytes that all patterns of a document may have when compiled.
const TOTAL_BYTES_MAX: usize = 8 << 20;
/// Characters of a pattern's text.
const TEXT_MAX: usize = 4096;
/// Memory that one search may use to go faster.
const CACHE_BYTES_MAX: usize = 64 << 10;
/// Bytes of a compiled pattern that one step of a check stands for: about ten states.
const BYTES_PER_STEP: usize = 512;
/// Characters of a pattern that an error shows.
const SHOWN: usize = 80;

/// What `\s` is in ECMAScript, as the inside of a class.
const SPACE: &str = r"\t\n\x0B\x0C\r \u{a0}\u{feff}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}";

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    shown: String,
    /// Steps that a byte of text may take in the worst case.
    steps: usize,
}

impl Pattern {
    /// Steps that searching a text of this length may take in the worst case.
    pub fn cost(&self, length: usize) -> usize {
        length.saturating_mul(self.steps).saturating_add(1)
    }

    /// Whether it is found in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// The beginning of its text, to be shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

/// The patterns of one document: equal ones are compiled once, and all together have a bound.
#[derive(Debug, Default)]
pub struct Patterns {
    known: HashMap<String, Result<Arc<Pattern>, String>>,
    bytes: usize,
}

impl Patterns {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// Why it can't be used.
    pub fn compile(&mut self, text: &str) -> Result<Arc<Pattern>, String> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let compiled = self.compile_new(text).map(Arc::new);
        // Texts are the document's own, and no longer than it.
        self.known.insert(text.into(), compiled.clone());
        compiled
    }

    fn compile_new(&mut self, text: &str) -> Result<Pattern, String> {
        if text.chars().count() > TEXT_MAX {
            return Err(format!("a pattern may have {TEXT_MAX} characters"));
        }
        let translated = Translator::new(text).whole().map_err(|reason| unusable(text, reason))?;
        for size in SIZES {
            if self.bytes.saturating_add(size) > TOTAL_BYTES_MAX {
                return Err("the document's patterns are too many or too big together; use fewer".into());
            }
            // Each attempt is paid for: an author can't have many that fail late.
            self.bytes += size;
            let built = RegexBuilder::new(&translated).size_limit(size).dfa_size_limit(CACHE_BYTES_MAX).build();
            match built {
                Ok(regex) => {
                    let steps = size / BYTES_PER_STEP;
                    return Ok(Pattern { regex, shown: text.chars().take(SHOWN).collect(), steps });
                },
                Err(regex::Error::CompiledTooBig(_)) => {},
                Err(error) => {
                    let reason = error.to_string().lines().last().unwrap_or_default().chars().take(120).collect();
                    return Err(unusable(text, reason));
                },
            }
        }
        Err(unusable(text, format!("it has more than {} bytes when compiled", SIZES[SIZES.len() - 1])))
    }
}

fn unusable(text: &str, reason: String) -> String {
    format!("the pattern {text:.SHOWN$} can't be used: {reason}")
}

/// Reads ECMAScript, writes what the `regex` crate reads.
struct Translator<'t> {
    rest: Peekable<Chars<'t>>,
    out: String,
}

/// A part of a class.
enum Atom {
    One(char),
    /// The inside of a class.
    Set(String),
}

type Translated<T> = Result<T, String>;

impl<'t> Translator<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: text.chars().peekable(), out: String::with_capacity(text.len() + 16) }
    }

    fn whole(mut self) -> Translated<String> {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' => self.out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
                '$' => self.out.push_str(r"\z"),
                '{' if !self.is_count() => self.out.push_str(r"\{"),
                '}' if !self.in_count() => self.out.push_str(r"\}"),
                ']' => self.out.push_str(r"\]"),
                ' ' | '#' | '&' | '~' | '-' => self.literal(c),
                other => self.out.push(other),
            }
        }
        Ok(self.out)
    }

    /// Whether what follows a `{` makes it a count: `3}`, `3,}` or `3,5}`.
    fn is_count(&self) -> bool {
        let mut rest = self.rest.clone();
        let (mut digits, mut commas) = (0, 0);
        for c in rest.by_ref().take(24) {
            match c {
                '0'..='9' => digits += 1,
                ',' if digits > 0 && commas == 0 => commas = 1,
                '}' => return digits > 0,
                _ => return false,
            }
        }
        false
    }

    /// Whether what was written last begins a count that a `}` ends.
    fn in_count(&self) -> bool {
        let inside = self.out.trim_end_matches(|c: char| c.is_ascii_digit() || c == ',');
        inside.len() < self.out.len() && inside.ends_with('{') && !inside.ends_with(r"\{")
    }

    fn literal(&mut self, c: char) {
        let mut text = [0; 4];
        self.out.push_str(&regex::escape(c.encode_utf8(&mut text)));
    }

    fn group(&mut self) -> Translated<()> {
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push_str("(?:");
            return Ok(());
        }
        match self.rest.next() {
            Some(':') => self.out.push_str("(?:"),
            Some('<') if !matches!(self.rest.peek(), Some('=' | '!')) => {
                // A named group: nobody asks for what it finds.
                self.rest.by_ref().find(|c| *c == '>').ok_or("a group's name does not end")?;
                self.out.push_str("(?:");
            },
            Some('i') if self.rest.next_if_eq(&')').is_some() => self.out.push_str("(?i)"),
            _ => return Err("look-around is not supported".into()),
        }
        Ok(())
    }

    fn escape(&mut self) -> Translated<()> {
        match self.rest.peek() {
            Some('b') => self.out.push_str(r"(?-u:\b)"),
            Some('B') => self.out.push_str(r"(?-u:\B)"),
            Some('1'..='9' | 'k') => return Err("references back are not supported".into()),
            _ => {
                match self.escaped()? {
                    Atom::One(c) => self.literal(c),
                    Atom::Set(inside) => {
                        self.out.push('[');
                        self.out.push_str(&inside);
                        self.out.push(']');
                    },
                }
                return Ok(());
            },
        }
        self.rest.next();
        Ok(())
    }

    /// What stands behind a backslash, in a class or outside.
    fn escaped(&mut self) -> Translated<Atom> {
        let one = |c| Ok(Atom::One(c));
        let set = |text: &str| Ok(Atom::Set(text.into()));
        match self.rest.next().ok_or("it ends with a backslash")? {
            'd' => set("0-9"),
            'D' => set("[^0-9]"),
            'w' => set("0-9A-Za-z_"),
            'W' => set("[^0-9A-Za-z_]"),
            's' => set(SPACE),
            'S' => Ok(Atom::Set(format!("[^{SPACE}]"))),
            't' => one('\t'),
            'n' => one('\n'),
            'r' => one('\r'),
            'f' => one('\u{c}'),
            'v' => one('\u{b}'),
            '0' => one('\0'),
            'c' => {
                let letter = self.rest.next().filter(char::is_ascii_alphabetic).ok_or("\\c must have a letter")?;
                one(char::from(letter as u8 & 31))
            },
            'x' => self.hex(2).map(Atom::One),
            'u' if self.rest.next_if_eq(&'{').is_some() => {
                let digits: String = self.rest.by_ref().take_while(|c| *c != '}').take(8).collect();
                code(&digits).map(Atom::One)
            },
            'u' => self.hex(4).map(Atom::One),
            negated @ ('p' | 'P') => {
                self.rest.next_if_eq(&'{').ok_or("\\p must have a name in braces")?;
                let name: String = self.rest.by_ref().take_while(|c| *c != '}').take(64).collect();
                if name.chars().any(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '=')) {
                    return Err("\\p must have a name in braces".into());
                }
                Ok(Atom::Set(format!("\\{negated}{{{name}}}")))
            },
            other => one(other),
        }
    }

    fn hex(&mut self, digits: usize) -> Translated<char> {
        let text: String = self.rest.by_ref().take(digits).collect();
        if text.len() != digits {
            return Err("an escape has too few digits".into());
        }
        code(&text)
    }

    fn class(&mut self) -> Translated<()> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut inside = String::new();
        loop {
            if self.rest.next_if_eq(&']').is_some() {
                break;
            }
            let first = self.atom()?;
            let mut after = self.rest.clone();
            let is_range = matches!(first, Atom::One(_)) && after.next() == Some('-') && after.next() != Some(']');
            match first {
                Atom::One(from) if is_range => {
                    self.rest.next();
                    match self.atom()? {
                        Atom::One(to) if from <= to => push_range(&mut inside, from, to),
                        Atom::One(_) => return Err("a range goes backwards".into()),
                        // `[a-\d]`: the minus stands for itself.
                        Atom::Set(set) => {
                            push_one(&mut inside, from);
                            push_one(&mut inside, '-');
                            inside.push_str(&set);
                        },
                    }
                },
                Atom::One(c) => push_one(&mut inside, c),
                Atom::Set(set) => inside.push_str(&set),
            }
        }
        match (inside.is_empty(), negated) {
            (true, true) => self.out.push_str("(?s:.)"),
            (true, false) => self.out.push_str(r"[a&&b]"),
            (false, _) => {
                self.out.push_str(if negated { "[^" } else { "[" });
                self.out.push_str(&inside);
                self.out.push(']');
            },
        }
        Ok(())
    }

    fn atom(&mut self) -> Translated<Atom> {
        match self.rest.next().ok_or("a class does not end")? {
            '\\' if self.rest.next_if_eq(&'b').is_some() => Ok(Atom::One('\u{8}')),
            '\\' => self.escaped(),
            other => Ok(Atom::One(other)),
        }
    }
}

fn code(digits: &str) -> Translated<char> {
    let number = u32::from_str_radix(digits, 16).ok();
    number.and_then(char::from_u32).ok_or_else(|| "an escape is no character".into())
}

fn push_one(inside: &mut String, c: char) {
    use std::fmt::Write as _;
    let _ = write!(inside, r"\u{{{:x}}}", u32::from(c));
}

fn push_range(inside: &mut String, from: char, to: char) {
    push_one(inside, from);
    inside.push('-');
    push_one(inside, to);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        Patterns::default().compile(pattern).expect(pattern).is_match(text)
    }

    #[test]
    fn patterns_mean_what_ecmascript_says() {
        for (pattern, yes, no) in [
            (r"^\d{13}$", "1234567890123", "١٢٣٤٥٦٧٨٩٠١٢٣"),
            (r"^\w{2}$", "a_", "äö"),
            (r"^\S{0,34}$", "abc", "a b"),
            (r"^.{0,63}$", "ä", "a\nb"),
            (r"^[\w-.]+$", "a-b.c", "a b"),
            (r"^[\w.-]+$", "a-b.c", "a b"),
            (r"^[a-\d]+$", "a-1", "b"),
            (r"^a{b}$", "a{b}", "ab"),
            (r"^a{2,3}$", "aaa", "a"),
            (r"^(?<year>\d{4})-(\d\d)$", "2026-12", "2026-1"),
            (r"^[^\s]+$", "x", " "),
            (r"^\/v1\/\-$", "/v1/-", "v1"),
            (r"^[[\]]$", "[", "x"),
            (r"^\u0041\x42\cJ$", "AB\n", "AB"),
            (r"^[^]$", "\n", ""),
            (r"^a&&b#~ c$", "a&&b#~ c", "ab"),
            (r"\bcat\b", "a cat!", "concat"),
            (r"^[\u0000-\u007f]*$", "plain", "ä"),
            (r"^\p{Lu}$", "Ä", "ä"),
            (r"a$", "ba", "a\n"),
        ] {
            assert!(matches(pattern, yes), "{pattern} and {yes:?}");
            assert!(!matches(pattern, no), "{pattern} and {no:?}");
        }
        assert!(!matches(r"[]", "x"));
        for wrong in [r"(?=a)", r"(?!a)", r"(?<=a)b", r"(a)\1", r"a\", "[a", "(a", "[b-a]", "(?<a", r"\u{zz}"] {
            assert!(Patterns::default().compile(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn all_patterns_of_a_document_together_have_a_bound() {
        let mut patterns = Patterns::default();
        let good = (0..100_000).filter(|n| patterns.compile(&format!(r"\w{n}")).is_ok()).count();
        assert!(good >= 1_000 && good * SIZES[0] <= TOTAL_BYTES_MAX, "{good}");
        let error = Patterns::default().compile("(a{1000}){1000}").expect_err("too big");
        assert!(error.contains("when compiled"), "{error}");
    }

    #[test]
    fn a_pattern_costs_what_its_states_may_cost() {
        let small = Patterns::default().compile("^[a-z]+$").expect("fine");
        let big = Patterns::default().compile("a[ab]{400}X1").expect("fine");
        assert!(big.cost(1000) >= 4 * small.cost(1000), "{} {}", big.cost(1000), small.cost(1000));
    }

    proptest! {
        #[test]
        fn no_pattern_makes_the_translator_panic(text in r"[\\\[\](){}^$.*+?|\-a-dwWsSbBxucpP0-9,<>=!:ä ]{0,40}", on in ".{0,40}") {
            if let Ok(pattern) = Patterns::default().compile(&text) {
                let _ = pattern.is_match(&on);
            }
        }

        #[test]
        fn plain_text_matches_itself(text in "[a-zA-Z0-9 _#&~-]{0,30}") {
            let pattern = format!("^{text}$");
            prop_assert!(matches(&pattern, &text));
        }
    }
}
