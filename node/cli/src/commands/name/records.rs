// SPDX-License-Identifier: Apache-2.0

//! Records from the command line and from zone files.

use std::{
    collections::BTreeMap,
    io::Read,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cairn_client::chain::names::{rr, text, Label, Rdata, RelativeName, RrSet, Zone, TLD, ZONE_BYTES_MAX};

use super::master::{lines, Reader, Record};
use crate::failure::{usage, usage_with_remedy, Result};

/// Seconds for which others may keep a record, unless said otherwise.
pub const TTL_SECONDS_DEFAULT: u32 = 3_600;

/// A file bigger than this is no zone of 64 records.
const FILE_LEN_MAX: u64 = 64 * ZONE_BYTES_MAX as u64;

/// Records that a name begins with.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct RecordArgs {
    /// IPv4 address of the name
    #[arg(long, value_name = "ADDRESS")]
    a: Vec<Ipv4Addr>,
    /// IPv6 address of the name
    #[arg(long, value_name = "ADDRESS")]
    aaaa: Vec<Ipv6Addr>,
    /// Text of the name
    #[arg(long, value_name = "TEXT")]
    txt: Vec<String>,
    /// Any record as in a zone file: 'www CNAME blog.cairn.', '@ MX 10 mail.example.'
    #[arg(long, value_name = "RECORD")]
    record: Vec<String>,
    /// File with a record a line
    #[arg(long, value_name = "FILE")]
    zone: Option<PathBuf>,
    /// Seconds for which others may keep those that don't say [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
}

impl RecordArgs {
    /// Whether anything was given.
    pub fn is_empty(&self) -> bool {
        self.a.is_empty()
            && self.aaaa.is_empty()
            && self.txt.is_empty()
            && self.record.is_empty()
            && self.zone.is_none()
            && self.ttl.is_none()
    }

    /// The zone that they make.
    ///
    /// # Errors
    /// Usage, naming the record that is wrong.
    pub fn zone(&self, label: &Label) -> Result<Zone> {
        let mut collector = Collector::new(label.as_str(), self.ttl.unwrap_or(TTL_SECONDS_DEFAULT));
        for address in &self.a {
            collector.add(rr::A, &address.octets())?;
        }
        for address in &self.aaaa {
            collector.add(rr::AAAA, &address.octets())?;
        }
        for text in &self.txt {
            collector.add(rr::TXT, &strings(text))?;
        }
        for record in &self.record {
            collector.line(record)?;
        }
        if let Some(path) = &self.zone {
            collector.file(path)?;
        }
        collector.zone()
    }
}

/// The zone of a file, below `origin`: `blog`, or `shop.blog` for a subdomain with a zone of its own.
pub fn zone_of_file(origin: &str, path: &Path) -> Result<Zone> {
    let mut collector = Collector::new(origin, TTL_SECONDS_DEFAULT);
    collector.file(path)?;
    collector.zone()
}

/// One set of records.
pub fn rrset(name: &RelativeName, rtype: &str, data: &[String], ttl_seconds: u32) -> Result<RrSet> {
    let mut rdata = Vec::new();
    let mut number = 0;
    for one in data {
        let (parsed_type, parsed) = parse(&format!("{rtype} {one}"), text::parse_record)?;
        number = parsed_type;
        rdata.push(parsed);
    }
    let rdata = rdata.try_into().map_err(|_| usage("a set has at most 8 records"))?;
    let set = RrSet { name: name.clone(), rtype: number, ttl_seconds, rdata };
    set.check().map_err(|error| usage(error.to_string()))?;
    Ok(set)
}

/// The name of a type.
pub fn type_name(rtype: u16) -> String {
    rr::mnemonic(rtype).map_or_else(|| format!("TYPE{rtype}"), str::to_string)
}

/// The number of a type.
pub fn type_number(word: &str) -> Result<u16> {
    rr::from_mnemonic(&word.to_ascii_uppercase()).ok_or_else(|| usage(format!("`{word}` is not a type of record")))
}

/// One record without its name.
fn parse(record: &str, read: impl Fn(&str) -> Result<(u16, Vec<u8>), text::TextError>) -> Result<(u16, Rdata)> {
    let wrong = |why: String| {
        usage_with_remedy(format!("`{record}`: {why}"), "write it as in a zone file: A 192.0.2.7, MX 10 mail.example.")
    };
    let (rtype, data) = read(record).map_err(|error| wrong(error.to_string()))?;
    Ok((rtype, data.try_into().map_err(|_| wrong("it is too long".into()))?))
}

/// A text as one or several strings of at most 255 bytes, each behind its length.
fn strings(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return vec![0];
    }
    let string = |chunk: &[u8]| [&[u8::try_from(chunk.len()).unwrap_or(u8::MAX)], chunk].concat();
    text.as_bytes().chunks(usize::from(u8::MAX)).flat_map(string).collect()
}

/// Records on their way into a zone.
struct Collector<'a> {
    origin: &'a str,
    ttl_seconds: u32,
    sets: BTreeMap<(RelativeName, u16), (u32, Vec<Rdata>)>,
}

impl<'a> Collector<'a> {
    fn new(origin: &'a str, ttl_seconds: u32) -> Self {
        Self { origin, ttl_seconds, sets: BTreeMap::new() }
    }

    /// Takes `NAME [TTL] [IN] TYPE DATA`.
    fn line(&mut self, line: &str) -> Result<()> {
        // As it is: on a command line nothing is a remark.
        let mut reader = Reader::new(&self.apex(), self.ttl_seconds);
        match reader.line(line.trim())? {
            Some(record) => self.record(&record),
            None => Err(usage(format!("`{}` is no record", line.trim()))),
        }
    }

    /// Takes the text of a master file, but for what of it is made by who answers for .cairn: SOA, and NS at the apex. An error is that
    /// of a line.
    fn text(&mut self, text: &str) -> Result<(), (Option<usize>, anyhow::Error)> {
        let mut reader = Reader::new(&self.apex(), self.ttl_seconds);
        for (number, line) in lines(text).map_err(|error| (None, error))? {
            let taken = reader.line(&line).and_then(|record| match record {
                Some(record) if !self.is_authority(&record) => self.record(&record),
                _ => Ok(()),
            });
            taken.map_err(|error| (Some(number), error))?;
        }
        Ok(())
    }

    fn is_authority(&self, record: &Record) -> bool {
        let rtype = record.text.split_whitespace().next().unwrap_or_default();
        rtype.eq_ignore_ascii_case("SOA")
            || rtype.eq_ignore_ascii_case("NS") && record.name.eq_ignore_ascii_case(&self.apex())
    }

    fn record(&mut self, record: &Record) -> Result<()> {
        let wrong = |why: String| usage(format!("{} {}: {why}", record.name, record.text));
        let name = self.name(&record.name).map_err(wrong)?;
        let (rtype, data) = parse(&record.text, |text| text::parse_record_below(text, &record.origin))?;
        self.put(name, rtype, record.ttl_seconds, data).map_err(wrong)
    }

    /// Takes a record of the name itself.
    fn add(&mut self, rtype: u16, data: &[u8]) -> Result<()> {
        let wrong = |why: String| usage(format!("{}: {why}", type_name(rtype)));
        let data = data.to_vec().try_into().map_err(|_| wrong("it is too long".into()))?;
        self.put(RelativeName::apex(), rtype, self.ttl_seconds, data).map_err(wrong)
    }

    fn put(&mut self, name: RelativeName, rtype: u16, ttl_seconds: u32, data: Rdata) -> Result<(), String> {
        let set = self.sets.entry((name, rtype)).or_insert((ttl_seconds, Vec::new()));
        if set.0 != ttl_seconds {
            return Err("the records of one name and type have one time to live".into());
        }
        set.1.push(data);
        Ok(())
    }

    fn apex(&self) -> String {
        format!("{}.{TLD}.", self.origin)
    }

    /// An absolute name, as one below the apex.
    fn name(&self, absolute: &str) -> Result<RelativeName, String> {
        let (text, apex) = (absolute.to_ascii_lowercase(), self.apex());
        let below = match text.strip_suffix(&apex) {
            Some("") => Some(""),
            Some(below) => below.strip_suffix('.'),
            None => None,
        };
        let below = below.ok_or_else(|| format!("names here are below {apex}"))?;
        RelativeName::parse(below).map_err(|error| error.to_string())
    }

    fn file(&mut self, path: &Path) -> Result<()> {
        let mut bytes = Vec::new();
        let from = |reader: &mut dyn Read, bytes: &mut Vec<u8>| reader.take(FILE_LEN_MAX + 1).read_to_end(bytes);
        let read = if path == Path::new("-") {
            from(&mut std::io::stdin().lock(), &mut bytes)
        } else {
            std::fs::File::open(path).and_then(|mut file| from(&mut file, &mut bytes))
        };
        read.with_context(|| format!("can't read {}", path.display()))?;
        if bytes.len() as u64 > FILE_LEN_MAX {
            return Err(usage(format!("{} is too big for a zone of 64 records", path.display())));
        }
        let text = String::from_utf8(bytes).map_err(|_| usage(format!("{} is no text", path.display())))?;
        self.text(&text).map_err(|(line, error)| match line {
            Some(line) => error.context(format!("{}, line {line}", path.display())),
            None => error.context(path.display().to_string()),
        })
    }

    fn zone(self) -> Result<Zone> {
        let mut sets = Vec::new();
        for ((name, rtype), (ttl_seconds, rdata)) in self.sets {
            let place = if name.is_apex() { self.origin.to_string() } else { format!("{name}.{}", self.origin) };
            let rdata = rdata.try_into().map_err(|_| usage(format!("{place}: more than 8 records of one type")))?;
            let set = RrSet { name, rtype, ttl_seconds, rdata };
            set.check().map_err(|error| usage(format!("{place} {}: {error}", type_name(rtype))))?;
            sets.push(set);
        }
        Zone::from_sets(sets).map_err(|error| usage(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label::try_from(&b"blog"[..]).expect("valid")
    }

    fn zone(lines: &[&str]) -> Result<Zone> {
        let label = label();
        let mut collector = Collector::new(label.as_str(), TTL_SECONDS_DEFAULT);
        collector.text(&lines.join("\n")).map_err(|(_, error)| error)?;
        collector.zone()
    }

    #[test]
    fn records_are_read_as_in_a_zone_file() {
        let read = zone(&[
            "@ A 192.0.2.7 ; the server",
            "blog.cairn. A 192.0.2.8",
            "@ 300 IN TXT \"a ; b\" \"c\"",
            "www CNAME blog.cairn.",
            "_https._tcp.blog.cairn. SRV 0 5 443 blog.cairn.",
            "@ MX 10 mail ; below this name",
            "@ SOA ns. root. 1 2 3 4 5",
            "@ NS ns",
        ])
        .expect("valid");
        assert_eq!((read.records(), read.rrsets().len()), (6, 5));
        let mail = read.get(&RelativeName::apex(), rr::MX).expect("set");
        assert_eq!(&mail.rdata[0][2..], b"\x04mail\x04blog\x05cairn\0");
    }

    #[test]
    fn on_a_command_line_nothing_is_a_remark() {
        let args = |record: &str| RecordArgs { record: vec![record.into()], ..RecordArgs::default() }.zone(&label());
        let zone = args("_dmarc TXT v=DMARC1;p=(none)").expect("valid");
        assert_eq!(&zone.rrsets()[0].rdata[0][..], b"\x11v=DMARC1;p=(none)");
        assert!(args("$TTL 60").is_err() && args("@ NS ns.example.").is_err());
    }

    #[test]
    fn wrong_records_are_named() {
        for (lines, part) in [
            (&["@ A 192.0.2"][..], "A 192.0.2"),
            (&["www.example. A 192.0.2.1"], "below blog.cairn."),
            (&["@ NONSENSE x"], "NONSENSE"),
            (&["@ A"], "missing"),
            (&["www CNAME example.org"], "'example.org' has no dot at its end"),
            (&["notblog.cairn. A 192.0.2.1"], "below blog.cairn."),
            (&["@ A 192.0.2.1 )"], "close"),
            (&["@ 60 A 192.0.2.1", "@ 61 A 192.0.2.2"], "one time to live"),
            (&["@ 5 A 192.0.2.1"], "60"),
            (&["@ CNAME a.example."], "CNAME"),
            (&["www CNAME a.example.", "www A 192.0.2.1"], "CNAME"),
            (&["@ A 192.0.2.1", "@ A 192.0.2.1"], "twice"),
        ] {
            let error = format!("{:#}", zone(lines).expect_err(part));
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn any_text_becomes_a_record() {
        for text in ["", "v=spf1 -all", "say \"hi\" \\ ; é", &"x".repeat(700)] {
            let args = RecordArgs { txt: vec![text.into()], ..RecordArgs::default() };
            let zone = args.zone(&label()).expect(text);
            let data = &zone.rrsets()[0].rdata[0];
            let mut joined = Vec::new();
            let mut rest = &data[..];
            while let Some((length, more)) = rest.split_first() {
                let (part, more) = more.split_at(usize::from(*length));
                joined.extend_from_slice(part);
                rest = more;
            }
            assert_eq!(joined, text.as_bytes());
        }
    }
}
