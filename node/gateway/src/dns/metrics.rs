// SPDX-License-Identifier: Apache-2.0

//! Counters of what the server does, and their rendering for Prometheus.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use super::wire::rcode;

/// How a query came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Via {
    Udp = 0,
    Tcp = 1,
    Tls = 2,
    Https = 3,
}

const VIA: [&str; 4] = ["udp", "tcp", "tls", "https"];
const CODES: [(u16, &str); 7] = [
    (rcode::NOERROR, "noerror"),
    (rcode::FORMERR, "formerr"),
    (rcode::SERVFAIL, "servfail"),
    (rcode::NXDOMAIN, "nxdomain"),
    (rcode::NOTIMP, "notimp"),
    (rcode::REFUSED, "refused"),
    (rcode::BADVERS, "badvers"),
];

/// Counts one kind of event since the start.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters; shared by every thread of a server.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By transport and response code; the last code stands for all others.
    responses: [[Counter; CODES.len() + 1]; VIA.len()],
    /// Messages that were no query and got no response.
    pub ignored: [Counter; VIA.len()],
    /// Responses that were truncated.
    pub truncated: Counter,
    /// Responses that the rate limit dropped.
    pub rate_dropped: Counter,
    /// Responses that the rate limit replaced by truncated ones.
    pub rate_slipped: Counter,
    /// Queries and addresses asked of an upstream.
    pub forwarded: Counter,
    /// Of these, failed: no upstream answered in time, or too many were under way.
    pub forward_failed: Counter,
    /// Connections taken.
    pub connections: Counter,
    /// Connections turned away at a limit, with all others busy.
    pub connections_refused: Counter,
    /// Idle connections ended to make room for others.
    pub connections_evicted: Counter,
}

impl Metrics {
    /// Counts a response.
    pub fn response(&self, via: Via, rcode: u16) {
        let at = CODES.iter().position(|(code, _)| *code == rcode).unwrap_or(CODES.len());
        self.responses[via as usize][at].add();
    }

    /// Responses given over `via` with this code.
    pub fn responses(&self, via: Via, rcode: u16) -> u64 {
        let at = CODES.iter().position(|(code, _)| *code == rcode).unwrap_or(CODES.len());
        self.responses[via as usize][at].get()
    }

    /// In Prometheus' text format, without the gauges that come from elsewhere.
    pub fn render(&self) -> String {
        let mut text = String::from("# TYPE cairn_dns_responses_total counter\n");
        for (via, counters) in VIA.iter().zip(&self.responses) {
            for (at, counter) in counters.iter().enumerate() {
                let code = CODES.get(at).map_or("other", |(_, name)| name);
                put(&mut text, format_args!("responses_total{{transport=\"{via}\",rcode=\"{code}\"}}"), counter.get());
            }
        }
        text.push_str("# TYPE cairn_dns_ignored_total counter\n");
        for (via, counter) in VIA.iter().zip(&self.ignored) {
            put(&mut text, format_args!("ignored_total{{transport=\"{via}\"}}"), counter.get());
        }
        for (name, counter) in [
            ("truncated_total", &self.truncated),
            ("rate_limit_dropped_total", &self.rate_dropped),
            ("rate_limit_slipped_total", &self.rate_slipped),
            ("forwarded_total", &self.forwarded),
            ("forward_failed_total", &self.forward_failed),
            ("connections_total", &self.connections),
            ("connections_refused_total", &self.connections_refused),
            ("connections_evicted_total", &self.connections_evicted),
        ] {
            render_one(&mut text, name, "counter", counter.get());
        }
        text
    }
}

/// Appends one number with its type.
pub(super) fn render_one(text: &mut String, name: &str, kind: &str, value: u64) {
    let _ = writeln!(text, "# TYPE cairn_dns_{name} {kind}");
    put(text, format_args!("{name}"), value);
}

fn put(text: &mut String, name: std::fmt::Arguments<'_>, value: u64) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "cairn_dns_{name} {value}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_rendered_with_their_labels() {
        let metrics = Metrics::default();
        metrics.response(Via::Udp, rcode::NXDOMAIN);
        metrics.response(Via::Udp, rcode::NXDOMAIN);
        metrics.response(Via::Https, 4095);
        metrics.ignored[Via::Tcp as usize].add();
        metrics.rate_dropped.add();
        assert_eq!(metrics.responses(Via::Udp, rcode::NXDOMAIN), 2);
        let text = metrics.render();
        for line in [
            "cairn_dns_responses_total{transport=\"udp\",rcode=\"nxdomain\"} 2",
            "cairn_dns_responses_total{transport=\"https\",rcode=\"other\"} 1",
            "cairn_dns_ignored_total{transport=\"tcp\"} 1",
            "# TYPE cairn_dns_rate_limit_dropped_total counter\ncairn_dns_rate_limit_dropped_total 1",
            "cairn_dns_truncated_total 0",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
