// SPDX-License-Identifier: Apache-2.0

//! Records of a whole name, from the command line and from zone files.

use std::{
    collections::BTreeMap,
    io::Read,
    net::{Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use cairn_client::chain::names::{
    rr,
    text::{self, is_other_type},
    Label, Rdata, RelativeName, RrSet, Zone, TLD, ZONE_BYTES_MAX,
};

use super::label::labels_to_ascii;
use super::master::{lines, Reader, Record};
use super::read::{one_line, parse, text_argument, type_name, SET_RECORDS_MAX};
use crate::failure::{usage, usage_with_remedy, Result};

/// Seconds for which others may keep a record, unless said otherwise.
pub const TTL_SECONDS_DEFAULT: u32 = 3_600;
/// The least and the most of them that a name may say.
const TTL_SECONDS: std::ops::RangeInclusive<u32> = 60..=604_800;

/// A file bigger than this is no zone of 64 records.
const FILE_LEN_MAX: u64 = 64 * ZONE_BYTES_MAX as u64;

/// Types that whoever answers for .cairn makes: in a file they are passed over.
const AUTHORITY_TYPES: [&str; 9] =
    ["SOA", "RRSIG", "DNSKEY", "NSEC", "NSEC3", "NSEC3PARAM", "CDS", "CDNSKEY", "ZONEMD"];

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
    /// Leave out what the file has of types that names here can't have
    #[arg(long, requires = "zone")]
    skip_unsupported: bool,
    /// Seconds for which others may keep those that don't say [default: 3600]
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<u32>,
}

/// A zone that was read, and what of the input isn't in it as it was written.
#[derive(Debug)]
pub struct ReadZone {
    /// The records.
    pub zone: Zone,
    /// What to tell whoever gave the input.
    pub notes: Vec<String>,
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
    pub fn zone(&self, label: &Label) -> Result<ReadZone> {
        let ttl_seconds = self.ttl.unwrap_or(TTL_SECONDS_DEFAULT);
        let mut collector = Collector::new(label.as_str(), ttl_seconds, self.skip_unsupported);
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
pub fn zone_of_file(origin: &str, path: &Path, skip_unsupported: bool) -> Result<ReadZone> {
    let mut collector = Collector::new(origin, TTL_SECONDS_DEFAULT, skip_unsupported);
    collector.file(path)?;
    collector.zone()
}

/// A text as one or several strings of at most 255 bytes, each behind its length.
fn strings(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return vec![0];
    }
    let string = |chunk: &[u8]| [&[u8::try_from(chunk.len()).unwrap_or(u8::MAX)], chunk].concat();
    text.as_bytes().chunks(usize::from(u8::MAX)).flat_map(string).collect()
}

/// Where a record was read: nothing for the command line.
type Place = Option<(PathBuf, usize)>;

/// An error with the place that it is about.
fn at(place: &Place, error: anyhow::Error) -> anyhow::Error {
    match place {
        Some((path, line)) => error.context(format!("{}, line {line}", path.display())),
        None => error,
    }
}

/// Records of one name and type on their way into a zone.
struct Set {
    ttl_seconds: u32,
    rdata: Vec<Rdata>,
    /// Of the first of them.
    place: Place,
}

/// Records on their way into a zone.
struct Collector<'a> {
    origin: &'a str,
    ttl_seconds: u32,
    skip_unsupported: bool,
    sets: BTreeMap<(RelativeName, u16), Set>,
    /// How many records were left out, by their type.
    passed_over: BTreeMap<String, u32>,
    /// Records whose time to live was out of bounds.
    ttl_changed: u32,
    /// Records that stood twice.
    repeated: u32,
}

impl<'a> Collector<'a> {
    fn new(origin: &'a str, ttl_seconds: u32, skip_unsupported: bool) -> Self {
        let (sets, passed_over) = (BTreeMap::new(), BTreeMap::new());
        Self { origin, ttl_seconds, skip_unsupported, sets, passed_over, ttl_changed: 0, repeated: 0 }
    }

    /// Takes `NAME [TTL] [IN] TYPE DATA`.
    fn line(&mut self, line: &str) -> Result<()> {
        // As it is: on a command line nothing is a remark.
        let mut reader = Reader::new(&self.apex(), self.ttl_seconds);
        let Some(mut record) = reader.line(line.trim())? else {
            return Err(usage(format!("`{}` is no record", one_line(line.trim()))));
        };
        if let Some((kind, data)) = record.text.split_once(char::is_whitespace) {
            if kind.eq_ignore_ascii_case("TXT") {
                record.text = format!("{kind} {}", text_argument(data.trim())?);
            }
        }
        self.record(&record, None)
    }

    /// Takes the text of a master file, but for what of it is made by whoever answers for .cairn.
    fn text(&mut self, text: &str, path: &Path) -> Result<()> {
        let mut reader = Reader::new(&self.apex(), self.ttl_seconds);
        for (number, line) in lines(text).map_err(|error| error.context(path.display().to_string()))? {
            let place = Some((path.to_owned(), number));
            let taken = reader.line(&line).and_then(|record| match record {
                Some(record) => self.file_record(record, place.clone()),
                None => Ok(()),
            });
            taken.map_err(|error| at(&place, error))?;
        }
        Ok(())
    }

    /// Takes a record of a file: other servers' files have what names here can't have, and times that they don't take.
    fn file_record(&mut self, mut record: Record, place: Place) -> Result<()> {
        let word = record.text.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let is_apex_ns = word == "NS" && record.name.eq_ignore_ascii_case(&self.apex());
        if is_apex_ns || AUTHORITY_TYPES.contains(&word.as_str()) {
            let what = if is_apex_ns { "NS of the name itself".into() } else { word };
            *self.passed_over.entry(what).or_default() += 1;
            return Ok(());
        }
        if is_unsupported(&word) {
            if !self.skip_unsupported {
                return Err(usage_with_remedy(
                    format!("{}: {word} is a type of record that names here can't have", record.name),
                    "remove the record, or give --skip-unsupported to leave such records out",
                ));
            }
            *self.passed_over.entry(word).or_default() += 1;
            return Ok(());
        }
        let ttl_seconds = record.ttl_seconds.clamp(*TTL_SECONDS.start(), *TTL_SECONDS.end());
        self.ttl_changed += u32::from(ttl_seconds != record.ttl_seconds);
        record.ttl_seconds = ttl_seconds;
        self.record(&record, place)
    }

    fn record(&mut self, record: &Record, place: Place) -> Result<()> {
        let wrong = |why: String| usage(format!("{} {}: {why}", one_line(&record.name), one_line(&record.text)));
        let name = self.name(&record.name).map_err(wrong)?;
        let (rtype, data) = parse(&record.text, |text| text::parse_record_below(text, &record.origin))?;
        self.put(name, rtype, record.ttl_seconds, data, place).map_err(wrong)
    }

    /// Takes a record of the name itself.
    fn add(&mut self, rtype: u16, data: &[u8]) -> Result<()> {
        let wrong = |why: String| usage(format!("{}: {why}", type_name(rtype)));
        let data = data.to_vec().try_into().map_err(|_| wrong("it is too long".into()))?;
        self.put(RelativeName::apex(), rtype, self.ttl_seconds, data, None).map_err(wrong)
    }

    fn put(&mut self, name: RelativeName, rtype: u16, ttl: u32, data: Rdata, place: Place) -> Result<(), String> {
        let set = self.sets.entry((name, rtype)).or_insert(Set { ttl_seconds: ttl, rdata: Vec::new(), place });
        if set.ttl_seconds != ttl {
            return Err(format!(
                "the records of one name and type have one time to live; another record has {} s",
                set.ttl_seconds
            ));
        }
        if set.rdata.contains(&data) {
            self.repeated += 1;
        } else {
            set.rdata.push(data);
        }
        Ok(())
    }

    fn apex(&self) -> String {
        format!("{}.{TLD}.", self.origin)
    }

    /// An absolute name, as one below the apex.
    fn name(&self, absolute: &str) -> Result<RelativeName, String> {
        let ascii = labels_to_ascii(absolute).map_err(|error| error.to_string())?;
        let (text, apex) = (ascii.to_ascii_lowercase(), self.apex());
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
        let shown = if path == Path::new("-") { Path::new("standard input") } else { path };
        self.text(utf8(&bytes).map_err(|why| usage_with_remedy(format!("{}: {why}", shown.display()), UTF8))?, shown)
    }

    /// The zone of all that was taken.
    fn zone(self) -> Result<ReadZone> {
        let notes = self.notes();
        let mut zone = Zone::default();
        // In the zone's own order, so that the set that breaks a rule is the one that is named.
        for ((name, rtype), Set { ttl_seconds, rdata, place }) in self.sets {
            let apex = format!("{}.{TLD}", self.origin);
            let owner = if name.is_apex() { apex } else { format!("{name}.{apex}") };
            let wrong = |why: String| at(&place, usage(format!("{owner} {}: {why}", type_name(rtype))));
            let count = rdata.len();
            let rdata = rdata
                .try_into()
                .map_err(|_| wrong(format!("{count} records, and a name has at most {SET_RECORDS_MAX} of one type")))?;
            let set = RrSet { name, rtype, ttl_seconds, rdata };
            set.check().and_then(|()| zone.set(set)).map_err(|error| wrong(error.to_string()))?;
        }
        Ok(ReadZone { zone, notes })
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.passed_over.is_empty() {
            let each: Vec<String> = self.passed_over.iter().map(|(what, count)| format!("{what} ({count})")).collect();
            notes.push(format!("passed over, since names here don't hold them: {}", each.join(", ")));
        }
        if self.ttl_changed > 0 {
            let (least, most) = (TTL_SECONDS.start(), TTL_SECONDS.end());
            notes.push(format!(
                "{} records have a time to live out of {least} to {most} s: the nearest of these is taken",
                self.ttl_changed
            ));
        }
        if self.repeated > 0 {
            notes.push(format!("{} records stand more than once, and are taken once", self.repeated));
        }
        notes
    }
}

/// Whether a type exists in DNS, and not in names here.
fn is_unsupported(word: &str) -> bool {
    let number = word.strip_prefix("TYPE").and_then(|number| number.parse().ok());
    is_other_type(word) || number.is_some_and(|number| !rr::is_known(number))
}

const UTF8: &str = "save it as UTF-8 (in PowerShell: | Out-File -Encoding utf8)";

/// The text in a file: UTF-8, with or without the mark that some editors put before it.
fn utf8(bytes: &[u8]) -> Result<&str, String> {
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("the text is in UTF-16".into());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        format!("line {line} is not UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label() -> Label {
        Label::try_from(&b"blog"[..]).expect("valid")
    }

    fn zone(lines: &[&str]) -> Result<Zone> {
        read_file(&lines.join("\n"), false).map(|read| read.zone)
    }

    fn read_file(text: &str, skip_unsupported: bool) -> Result<ReadZone> {
        let label = label();
        let mut collector = Collector::new(label.as_str(), TTL_SECONDS_DEFAULT, skip_unsupported);
        collector.text(utf8(text.as_bytes()).map_err(usage)?, Path::new("blog.zone"))?;
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
        let args = |record: &str| {
            let read = RecordArgs { record: vec![record.into()], ..RecordArgs::default() }.zone(&label());
            read.map(|read| read.zone)
        };
        let zone = args("_dmarc TXT v=DMARC1;p=(none)").expect("valid");
        assert_eq!(&zone.rrsets()[0].rdata[0][..], b"\x11v=DMARC1;p=(none)");
        let zone = args("@ 300 IN TXT v=spf1 include:a.example ~all").expect("valid");
        assert_eq!(&zone.rrsets()[0].rdata[0][..], b"\x1dv=spf1 include:a.example ~all", "one text");
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
            (&["@ TXT a", "@ CNAME a.example."], "blog.zone, line 2: blog.cairn CNAME: CNAME stands alone"),
            (&["www CNAME a.example.", "", "www A 192.0.2.1"], "blog.zone, line 1: www.blog.cairn CNAME: CNAME"),
            (&["@ A 192.0.2.1", "d DS 1 13 2 aa"], "blog.zone, line 2"),
            (&["@ A 192.0.2.1", "d TXT x", "d NS ns.example."], "line 2: d.blog.cairn TXT: at a name with NS"),
            (&["journal.blog.cairn A 192.0.2.1"], "no dot at its end"),
            (&["@ SSHFP 1 1 ab"], "line 1: blog.cairn.: SSHFP is a type of record that names here can't have"),
            (&["@ TYPE44 \\# 1 00"], "TYPE44"),
            (&["a b\\046c CNAME x."], "type of record"),
            (&["a CNAME b\\046c.example."], "backslash"),
        ] {
            let error = format!("{:#}", zone(lines).expect_err(part));
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn any_text_becomes_a_record() {
        for text in ["", "v=spf1 -all", "say \"hi\" \\ ; é", &"x".repeat(700)] {
            let args = RecordArgs { txt: vec![text.into()], ..RecordArgs::default() };
            let zone = args.zone(&label()).expect(text).zone;
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

    #[test]
    fn files_of_other_servers_are_taken_and_what_is_not_taken_as_it_is_is_said() {
        let text = "\u{feff}$ORIGIN blog.cairn.\n@ 1 A 192.0.2.1\n@ 1 A 192.0.2.1\nb\u{fc}cher 9999999 A 192.0.2.2\n\
            @ SOA a. b. 1 2 3 4 5\n@ RRSIG A 13 2 60 1 1 1 x. aa\n@ NS ns.example.\n@ NS ns2.example.\n\
            @ SSHFP 1 1 ab\nwww\t[AGE:3636591]\t1200\tCNAME\t*._tcp\u{2e}blog.cairn.";
        assert!(read_file(text, false).is_err(), "SSHFP");
        let ReadZone { zone, notes } = read_file(text, true).expect("valid");
        assert_eq!(zone.records(), 3);
        let ttl =
            |name: &str, rtype| zone.get(&RelativeName::parse(name).expect(name), rtype).map(|set| set.ttl_seconds);
        assert_eq!(ttl("@", rr::A), Some(60));
        assert_eq!(ttl("xn--bcher-kva", rr::A), Some(604_800));
        assert_eq!(ttl("www", rr::CNAME), Some(1_200));
        assert_eq!(
            notes,
            [
                "passed over, since names here don't hold them: NS of the name itself (2), RRSIG (1), SOA (1), SSHFP (1)",
                "3 records have a time to live out of 60 to 604800 s: the nearest of these is taken",
                "1 records stand more than once, and are taken once",
            ]
        );
    }

    #[test]
    fn too_many_records_are_counted_and_named() {
        let lines: Vec<String> = (0..12).map(|n| format!("@ TXT \"verification={n}\"")).collect();
        let error = format!("{:#}", read_file(&lines.join("\n"), false).expect_err("twelve"));
        assert!(error.contains("line 1: blog.cairn TXT: 12 records, and a name has at most 8"), "{error}");
        let lines: Vec<String> = (0..70).map(|n| format!("a{n} A 192.0.2.1")).collect();
        let error = format!("{:#}", read_file(&lines.join("\n"), false).expect_err("seventy"));
        assert!(error.contains("at most 64 records"), "{error}");
    }

    #[test]
    fn files_in_other_encodings_are_told() {
        assert_eq!(utf8(b"\xff\xfe@\0"), Err("the text is in UTF-16".into()));
        assert_eq!(utf8(b"a\nb\n\xe9"), Err("line 3 is not UTF-8".into()));
        assert_eq!(utf8("\u{feff}@ A".as_bytes()), Ok("@ A"));
    }
}
