// SPDX-License-Identifier: Apache-2.0

//! The form of master files (RFC 1035, section 5; `$TTL` of RFC 2308): from a text to its records, each in one piece.
//!
//! Of the directives `$ORIGIN` and `$TTL` are known. `$INCLUDE` would read files that nobody named here, `$GENERATE` is
//! one server's own; both are refused.

use cairn_client::chain::names::TLD;

use crate::failure::{usage, usage_with_remedy, Result};

/// A record as a master file says it.
#[derive(Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name, absolute.
    pub name: String,
    /// What names in its data are below unless they end with a dot; ends with one.
    pub origin: String,
    /// Seconds for which others may keep it.
    pub ttl_seconds: u32,
    /// Type and data.
    pub text: String,
}

/// What lines say for those after them.
#[derive(Debug)]
pub struct Reader {
    origin: String,
    /// By `$TTL`.
    default_seconds: Option<u32>,
    /// What a record said last, or what holds before any has.
    last_seconds: u32,
    name: Option<String>,
}

impl Reader {
    /// Names are below `origin`, which ends with a dot, and records have this time to live, until a line says otherwise.
    pub fn new(origin: &str, ttl_seconds: u32) -> Self {
        Self { origin: origin.into(), default_seconds: None, last_seconds: ttl_seconds, name: None }
    }

    /// Reads a line that was put together by [`lines`]: a record, or a directive.
    ///
    /// # Errors
    /// Usage, saying what is wrong.
    pub fn line(&mut self, line: &str) -> Result<Option<Record>> {
        let (first, rest) = word(line);
        if first.starts_with('$') {
            self.directive(first, rest)?;
            return Ok(None);
        }
        let rest = if line.starts_with(char::is_whitespace) {
            line
        } else {
            self.name = Some(self.absolute(first)?);
            rest
        };
        let unnamed = || usage("a line that begins with a space is of the name before, and there is none");
        let name = self.name.clone().ok_or_else(unnamed)?;
        let (mut rest, mut ttl_seconds, mut class) = (rest, None, false);
        loop {
            let (next, after) = word(rest);
            if ttl_seconds.is_none() && next.starts_with(|c: char| c.is_ascii_digit()) {
                ttl_seconds = Some(seconds(next)?);
            } else if next.starts_with("[AGE:") && next.ends_with(']') {
                // When Microsoft's server saw the record last.
            } else if !class && next.eq_ignore_ascii_case("IN") {
                class = true;
            } else if ["CH", "HS", "CS"].iter().any(|other| next.eq_ignore_ascii_case(other)) {
                return Err(usage(format!("records here are of the class IN, not {next}")));
            } else {
                break;
            }
            rest = after;
        }
        self.last_seconds = ttl_seconds.unwrap_or(self.last_seconds);
        let ttl_seconds = ttl_seconds.or(self.default_seconds).unwrap_or(self.last_seconds);
        Ok(Some(Record { name, origin: self.origin.clone(), ttl_seconds, text: rest.trim().into() }))
    }

    fn directive(&mut self, name: &str, rest: &str) -> Result<()> {
        let kind = name.to_ascii_uppercase();
        if !matches!(kind.as_str(), "$ORIGIN" | "$TTL") {
            let message = format!("{name} is not known here");
            return Err(usage_with_remedy(message, "write out the records; $ORIGIN and $TTL are known"));
        }
        let (value, more) = word(rest);
        if value.is_empty() || !more.trim().is_empty() {
            return Err(usage(format!("{name} stands before one word")));
        }
        if kind == "$ORIGIN" {
            self.origin = self.absolute(value)?;
        } else {
            self.default_seconds = Some(seconds(value)?);
        }
        Ok(())
    }

    /// A name with all that it is below.
    fn absolute(&self, name: &str) -> Result<String> {
        let in_tld = format!(".{TLD}");
        Ok(match name {
            "@" => self.origin.clone(),
            _ if name.ends_with('.') => name.into(),
            _ if self.origin == "." => format!("{name}."),
            // A dot was forgotten: hardly anybody has a name below theirs that ends so.
            _ if name.to_ascii_lowercase().ends_with(&in_tld) => {
                return Err(usage_with_remedy(
                    format!("`{name}` has no dot at its end: it would be {name}.{}", self.origin),
                    format!("write `{name}.`, or only what stands before .{}", self.origin),
                ));
            },
            _ => format!("{name}.{}", self.origin),
        })
    }
}

/// The lines of a file that have something to say, each with the number of its first: without remarks, and with those in
/// parentheses put together.
///
/// # Errors
/// Usage, naming the line: a quote or a parenthesis that is not closed.
pub fn lines(text: &str) -> Result<Vec<(usize, String)>> {
    let (mut found, mut line, mut begun_at, mut depth) = (Vec::new(), String::new(), 1, 0usize);
    for (index, physical) in text.lines().enumerate() {
        if depth == 0 {
            begun_at = index + 1;
        }
        let (mut quoted, mut escaped) = (false, false);
        for c in physical.chars() {
            let plain = !quoted && !escaped;
            match c {
                ';' if plain => break,
                '(' if plain => depth += 1,
                ')' if plain => {
                    depth = depth
                        .checked_sub(1)
                        .ok_or_else(|| usage(format!("line {}: nothing is open that ) could close", index + 1)))?;
                },
                '"' if !escaped => quoted = !quoted,
                _ => {},
            }
            line.push(if plain && matches!(c, '(' | ')') { ' ' } else { c });
            escaped = c == '\\' && !escaped;
        }
        if quoted {
            return Err(usage(format!("line {}: a quote is not closed", index + 1)));
        }
        line.push(' ');
        if depth == 0 {
            if !line.trim().is_empty() {
                found.push((begun_at, std::mem::take(&mut line)));
            }
            line.clear();
        }
    }
    if depth > 0 {
        return Err(usage(format!("line {begun_at}: a parenthesis is not closed")));
    }
    Ok(found)
}

/// The first word, and what follows it.
fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).unwrap_or((text, ""))
}

/// A time to live: seconds, or with units as in `1h30m`.
fn seconds(text: &str) -> Result<u32> {
    let wrong = || usage_with_remedy(format!("`{text}` is no time to live"), "write seconds, or 1h30m, 2d, 1w");
    let (mut total, mut number) = (0u32, None::<u32>);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            number = number.unwrap_or(0).checked_mul(10).and_then(|n| n.checked_add(digit));
            number.ok_or_else(wrong)?;
            continue;
        }
        let unit = match c.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3_600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return Err(wrong()),
        };
        let part = number.take().and_then(|n| n.checked_mul(unit));
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
    }
    total.checked_add(number.unwrap_or(0)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Record>> {
        let mut reader = Reader::new("blog.cairn.", 3_600);
        lines(text)?.iter().filter_map(|(_, line)| reader.line(line).transpose()).collect()
    }

    fn record(name: &str, origin: &str, ttl_seconds: u32, text: &str) -> Record {
        Record { name: name.into(), origin: origin.into(), ttl_seconds, text: text.into() }
    }

    #[test]
    fn files_of_other_servers_are_read() {
        let text = "\
$TTL 1h30m ; for all
$ORIGIN blog.cairn.
@\t\tIN\tMX 10 mail
        300 IN  A  192.0.2.1
        IN 300  A  192.0.2.2
mail    A  192.0.2.3 ; \"no quote\"
@       TXT ( \"a ; b\"  ; first
              \"c ) \\\" d\" )
$ORIGIN shop
www     CNAME @
other.blog.cairn. A 192.0.2.4
";
        let (blog, shop) = ("blog.cairn.", "shop.blog.cairn.");
        let mut records = read(text).expect("valid");
        for record in &mut records {
            record.text = record.text.split_whitespace().collect::<Vec<_>>().join(" ");
        }
        assert_eq!(
            records,
            [
                record(blog, blog, 5_400, "MX 10 mail"),
                record(blog, blog, 300, "A 192.0.2.1"),
                record(blog, blog, 300, "A 192.0.2.2"),
                record("mail.blog.cairn.", blog, 5_400, "A 192.0.2.3"),
                record(blog, blog, 5_400, "TXT \"a ; b\" \"c ) \\\" d\""),
                record("www.shop.blog.cairn.", shop, 5_400, "CNAME @"),
                record("other.blog.cairn.", shop, 5_400, "A 192.0.2.4"),
            ]
        );
    }

    #[test]
    fn ages_of_microsofts_server_are_passed_over() {
        let records = read("www\t[AGE:3636591]\t1200\tA\t192.0.2.240").expect("valid");
        assert_eq!(records, [record("www.blog.cairn.", "blog.cairn.", 1_200, "A\t192.0.2.240")]);
    }

    #[test]
    fn without_a_default_a_time_to_live_holds_until_the_next() {
        let records =
            read("@ A 192.0.2.1\n@ 300 TXT a\n  TXT b\nwww 60 A 192.0.2.1\n$TTL 9\nx A 192.0.2.1").expect("valid");
        let times: Vec<u32> = records.iter().map(|record| record.ttl_seconds).collect();
        assert_eq!(times, [3_600, 300, 300, 60, 9]);
    }

    #[test]
    fn names_below_the_root_are_whole() {
        let records = read("$ORIGIN .\nblog.cairn A 192.0.2.1\n$ORIGIN blog.cairn.\nwww A 192.0.2.1").expect("valid");
        assert_eq!((&*records[0].name, &*records[1].name), ("blog.cairn.", "www.blog.cairn."));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, part) in [
            ("  A 192.0.2.1", "name before"),
            ("$INCLUDE /etc/passwd", "$INCLUDE"),
            ("$GENERATE 1-9 a$ A 192.0.2.$", "$GENERATE is not known here"),
            ("blog.cairn A 192.0.2.1", "would be blog.cairn.blog.cairn."),
            ("www.Blog.CAIRN A 192.0.2.1", "no dot at its end"),
            ("$ORIGIN blog.cairn", "no dot at its end"),
            ("$TTL", "one word"),
            ("$TTL 1 2", "one word"),
            ("$TTL 1y", "1y"),
            ("@ 99999999999 A 192.0.2.1", "99999999999"),
            ("@ 9999999w A 192.0.2.1", "9999999w"),
            ("@ CH A 192.0.2.1", "class"),
            ("@ TXT \"a\n b\"", "line 1"),
            ("@ A 192.0.2.1\n@ TXT (", "line 2"),
            ("@ TXT )", "line 1"),
        ] {
            let error = format!("{:#}", read(text).expect_err(text));
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }

    #[test]
    fn times_have_units() {
        for (text, expected) in [("0", 0), ("60", 60), ("1h", 3_600), ("1H30m", 5_400), ("1w2d3", 777_603)] {
            assert_eq!(seconds(text).expect(text), expected);
        }
        for text in ["h", "m5", "1hh", "-1", "4294967296", "71582789m", "é"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_stops_it(text in "[ -~\\n\\t]{0,200}") {
            let _ = read(&text);
        }
    }
}
