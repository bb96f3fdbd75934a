// SPDX-License-Identifier: Apache-2.0

//! What a change of a name's records takes away and what it adds, shown before it is made.

use std::collections::BTreeSet;

use cairn_client::chain::names::{text, RelativeName, RrSet, Zone};
use serde_json::{json, Value};

/// A record as a line of a zone file, in the order of zones.
type Line = (RelativeName, u16, u32, String);

/// The records that two zones don't have in common.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    removed: Vec<String>,
    added: Vec<String>,
}

impl Difference {
    /// From `before` to `after`, which are below `origin` (absolute).
    pub fn new(origin: &str, before: &Zone, after: &Zone) -> Self {
        let (old, new) = (lines(before), lines(after));
        let shown = |(name, _, ttl, record): &Line| format!("{} {ttl} {record}", absolute(name, origin));
        Self { removed: old.difference(&new).map(shown).collect(), added: new.difference(&old).map(shown).collect() }
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }

    /// For people: a line each, `-` before what goes and `+` before what comes.
    pub fn text(&self) -> String {
        let removed = self.removed.iter().map(|line| format!("- {line}"));
        removed.chain(self.added.iter().map(|line| format!("+ {line}"))).collect::<Vec<_>>().join("\n")
    }

    /// For programs.
    pub fn json(&self) -> Value {
        json!({ "removed": self.removed, "added": self.added })
    }
}

/// A name below `origin` as text, with its last dot.
pub fn absolute(name: &RelativeName, origin: &str) -> String {
    if name.is_apex() {
        origin.to_string()
    } else {
        format!("{name}.{origin}")
    }
}

fn lines(zone: &Zone) -> BTreeSet<Line> {
    let records = |set: &RrSet| {
        let (name, rtype, ttl) = (set.name.clone(), set.rtype, set.ttl_seconds);
        let line = move |data: &[u8]| {
            let record = text::format_record(rtype, data).unwrap_or_else(|_| text::format_generic(rtype, data));
            (name.clone(), rtype, ttl, record)
        };
        set.rdata.iter().map(|data| line(data)).collect::<Vec<_>>()
    };
    zone.rrsets().iter().flat_map(records).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(records: &[(&str, u32, &str)]) -> Zone {
        let mut zone = Zone::default();
        for (name, ttl_seconds, record) in records {
            let (rtype, data) = text::parse_record(record).expect("valid");
            let rdata = vec![data.try_into().expect("short")].try_into().expect("one");
            let name = RelativeName::parse(name).expect("valid");
            zone.set(RrSet { name, rtype, ttl_seconds: *ttl_seconds, rdata }).expect("valid");
        }
        zone
    }

    #[test]
    fn what_goes_and_what_comes_is_shown() {
        let before = zone(&[("@", 300, "A 192.0.2.1"), ("www", 300, "CNAME blog.cairn."), ("@", 300, "TXT \"a\"")]);
        let after = zone(&[("@", 300, "A 192.0.2.2"), ("www", 60, "CNAME blog.cairn."), ("@", 300, "TXT \"a\"")]);
        let difference = Difference::new("blog.cairn.", &before, &after);
        assert_eq!(
            difference.text(),
            "- blog.cairn. 300 A 192.0.2.1\n- www.blog.cairn. 300 CNAME blog.cairn.\n\
             + blog.cairn. 300 A 192.0.2.2\n+ www.blog.cairn. 60 CNAME blog.cairn."
        );
        assert!(!difference.is_empty() && Difference::new("blog.cairn.", &before, &before).is_empty());
        let gone = Difference::new("blog.cairn.", &before, &Zone::default());
        assert_eq!((gone.removed.len(), gone.added.len()), (3, 0));
    }
}
