// SPDX-License-Identifier: Apache-2.0

//! Reading one record as people write it: in a zone file, and on the command line, where a shell took the quotes.

use std::borrow::Cow;

use cairn_client::chain::names::{
    rr,
    text::{self, TextError},
    Rdata, RelativeName, RrSet,
};

use super::label::labels_to_ascii;
use crate::failure::{usage, usage_with_remedy, Result};

/// Records of one type that a name has at most.
pub const SET_RECORDS_MAX: usize = 8;
/// Characters of a record that an error shows.
const SHOWN_MAX: usize = 80;

/// A text for an error: on one line, and not too long.
pub fn one_line(text: &str) -> String {
    let mut line: String = text.chars().take(SHOWN_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN_MAX).is_some() {
        line.push_str("...");
    }
    line
}

/// The name of a type.
pub fn type_name(rtype: u16) -> String {
    rr::mnemonic(rtype).map_or_else(|| format!("TYPE{rtype}"), str::to_string)
}

/// The number of a type.
pub fn type_number(word: &str) -> Result<u16> {
    rr::from_mnemonic(word).ok_or_else(|| {
        let why = TextError::TypeUnknown(word.into()).to_string();
        usage_with_remedy(why, format!("types here are {}", rr::ALL.map(|(_, name)| name).join(", ")))
    })
}

/// How a record of a type is written.
fn example(rtype: Option<u16>) -> &'static str {
    match rtype {
        Some(rr::A) => "A 192.0.2.7",
        Some(rr::AAAA) => "AAAA 2001:db8::7",
        Some(rr::NS) => "NS ns.example.",
        Some(rr::CNAME) => "CNAME www.example.",
        Some(rr::MX) => "MX 10 mail.example.",
        Some(rr::TXT) => "TXT \"v=spf1 -all\"",
        Some(rr::SRV) => "SRV 0 5 443 www.example.",
        Some(rr::DS) => "DS 12345 13 2 <64 hexadecimal digits>",
        Some(rr::TLSA) => "TLSA 3 1 1 <64 hexadecimal digits>",
        Some(rr::SVCB) => "SVCB 1 dns.example. alpn=dot port=853",
        Some(rr::HTTPS) => "HTTPS 1 . alpn=h2,h3",
        Some(rr::CAA) => "CAA 0 issue \"ca.example\"",
        Some(rr::ALIAS) => "ALIAS www.example.",
        Some(rr::SITE) => "SITE <64 hexadecimal digits> \"/folder\"",
        Some(rr::ONION | rr::ACCOUNT | rr::VAULT) => "ACCOUNT <64 hexadecimal digits>",
        _ => "A 192.0.2.7, MX 10 mail.example.",
    }
}

/// One record without its name.
pub fn parse(record: &str, read: impl Fn(&str) -> Result<(u16, Vec<u8>), TextError>) -> Result<(u16, Rdata)> {
    let record = ascii_names(record)?;
    let kind = record.split_whitespace().next().and_then(rr::from_mnemonic);
    let wrong = |why: String| {
        let remedy = format!("write it as in a zone file: {}", example(kind));
        usage_with_remedy(format!("`{}`: {why}", one_line(&record)), remedy)
    };
    let (rtype, data) = read(&record).map_err(|error| wrong(error.to_string()))?;
    Ok((rtype, data.try_into().map_err(|_| wrong("it is too long".into()))?))
}

/// A record whose names are in punycode where they are in Unicode.
fn ascii_names(record: &str) -> Result<Cow<'_, str>> {
    let kind = record.split_whitespace().next().and_then(rr::from_mnemonic);
    let has_names = matches!(kind, Some(rr::NS | rr::CNAME | rr::ALIAS | rr::MX | rr::SRV | rr::SVCB | rr::HTTPS));
    if record.is_ascii() || !has_names {
        return Ok(record.into());
    }
    let words: Result<Vec<String>> = record.split_whitespace().map(labels_to_ascii).collect();
    Ok(words?.join(" ").into())
}

/// The data of a TXT record that came as one argument of a command. A shell takes quotes away, and readers join the strings
/// of a record without spaces between them (RFC 7208, 3.3): so words without quotes are one text.
///
/// # Errors
/// Usage for a text that is quoted in part.
pub fn text_argument(data: &str) -> Result<Cow<'_, str>> {
    let (mut in_quotes, mut escaped, mut any_quoted, mut any_plain) = (false, false, false, false);
    for c in data.chars() {
        match c {
            '"' if !escaped => {
                in_quotes = !in_quotes;
                any_quoted = true;
            },
            _ if !in_quotes && !c.is_whitespace() => any_plain = true,
            _ => {},
        }
        escaped = c == '\\' && !escaped;
    }
    if data.trim_start().starts_with("\\#") || any_quoted && !any_plain {
        return Ok(data.into());
    }
    if any_quoted {
        return Err(usage_with_remedy(
            format!("`{}` is quoted in part", one_line(data)),
            "quote the whole text, and in the shell the quotes: '\"v=spf1 -all\"'; or no part of it: 'v=spf1 -all'",
        ));
    }
    Ok(format!("\"{data}\"").into())
}

/// One set of records from the arguments of a command, a record each.
pub fn rrset(name: &RelativeName, rtype: &str, data: &[String], ttl_seconds: u32) -> Result<RrSet> {
    let number = type_number(rtype)?;
    let mut rdata: Vec<Rdata> = Vec::new();
    for one in data {
        let text = if number == rr::TXT { text_argument(one)? } else { one.into() };
        let parsed = parse(&format!("{rtype} {text}"), text::parse_record);
        let (_, parsed) = parsed.map_err(|error| unquoted(rtype, data).unwrap_or(error))?;
        rdata.push(parsed);
    }
    let count = rdata.len();
    let full = |_| usage(format!("{count} records: a name has at most {SET_RECORDS_MAX} of one type"));
    let set = RrSet { name: name.clone(), rtype: number, ttl_seconds, rdata: rdata.try_into().map_err(full)? };
    set.check().map_err(|error| usage(error.to_string()))?;
    Ok(set)
}

/// The error for `MX 10 mail.example.`, which a shell makes two records of.
fn unquoted(rtype: &str, data: &[String]) -> Option<anyhow::Error> {
    let joined = data.join(" ");
    text::parse_record(&format!("{rtype} {joined}")).ok().filter(|_| data.len() > 1)?;
    let message = format!("`{}` are {} records: each argument is one", one_line(&joined), data.len());
    Some(usage_with_remedy(message, format!("quote the record: {rtype} '{joined}'")))
}

/// The records of a set as texts.
pub fn shown(set: &RrSet) -> Vec<String> {
    let generic = |data: &Rdata| text::format_generic(set.rtype, data);
    set.rdata.iter().map(|data| text::format_rdata(set.rtype, data).unwrap_or_else(|_| generic(data))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(rtype: &str, data: &[&str]) -> Result<Vec<String>> {
        let data: Vec<String> = data.iter().map(ToString::to_string).collect();
        rrset(&RelativeName::apex(), rtype, &data, 300).map(|set| shown(&set))
    }

    #[test]
    fn a_text_without_quotes_is_one_text() {
        for (data, stored) in [
            ("v=spf1 include:_spf.google.com ~all", r#""v=spf1 include:_spf.google.com ~all""#),
            (r#""v=spf1 -all""#, r#""v=spf1 -all""#),
            (r#""two" "strings""#, r#""two" "strings""#),
            (r"v=DMARC1\; p=none", r#""v=DMARC1; p=none""#),
            (r#"say \"hi\""#, r#""say \"hi\"""#),
            ("v=DMARC1; p=(none)", r#""v=DMARC1; p=(none)""#),
            ("", r#""""#),
            (r"\# 3 026869", r#""hi""#),
        ] {
            assert_eq!(set("TXT", &[data]).expect(data), [stored], "{data}");
        }
        assert_eq!(set("txt", &["a b", "c"]).expect("two records"), [r#""a b""#, r#""c""#]);
        for data in [r#"v=spf1 "include:a""#, r#""a" b"#] {
            let error = crate::failure::Shown::new(&set("TXT", &[data]).expect_err(data)).text();
            assert!(error.contains("quoted in part"), "{error}");
        }
        assert!(set("TXT", &[r#""open"#]).is_err() && set("TXT", &["a\\"]).is_err());
    }

    #[test]
    fn a_long_key_is_split() {
        let key = format!("v=DKIM1; k=rsa; p={}", "A".repeat(392));
        let stored = set("TXT", &[&key]).expect("valid");
        assert_eq!(stored[0].replace("\" \"", "").trim_matches('"'), key);
        assert_eq!(set("TXT", &[&format!("\"{key}\"")]).expect("quoted"), stored);
    }

    #[test]
    fn a_record_of_several_words_is_quoted() {
        let error = crate::failure::Shown::new(&set("MX", &["10", "mail.example."]).expect_err("two records")).text();
        assert!(error.contains("quote the record: MX '10 mail.example.'"), "{error}");
        assert_eq!(set("MX", &["10 mail.bücher.example."]).expect("one"), ["10 mail.xn--bcher-kva.example."]);
        for (rtype, data, part) in [
            ("CAA", "0", "CAA 0 issue"),
            ("HTTPS", "x", "HTTPS 1 ."),
            ("SSHFP", "1 1 ab", "can't have"),
            ("NONSENSE", "x", "not a type"),
            ("A", "1\t2", "`A 1 2`"),
        ] {
            let error = crate::failure::Shown::new(&set(rtype, &[data]).expect_err(rtype)).text();
            assert!(error.contains(part) && !error.contains('\t'), "{error}");
        }
        let nine: Vec<String> = (0..9).map(|n| format!("192.0.2.{n}")).collect();
        let nine: Vec<&str> = nine.iter().map(String::as_str).collect();
        assert!(set("A", &nine).expect_err("nine").to_string().contains("at most 8"));
    }
}
