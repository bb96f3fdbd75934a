// SPDX-License-Identifier: Apache-2.0

//! Counters in Prometheus' text format, and a listener that serves them.

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        atomic::{AtomicU64, Ordering},
        Arc,
    },
    time::Duration,
};

use hyper::{body::Incoming, header::CONTENT_TYPE, Request, Response};

use crate::http::{Body, Service};

/// Upper bounds of the latency histogram, in microseconds.
const BUCKETS_US: [u64; 10] = [100, 250, 500, 1_000, 2_500, 5_000, 25_000, 100_000, 500_000, 2_500_000];

/// Something that is counted.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// One more.
    pub fn add(&self) {
        self.add_all(1);
    }

    /// Several more.
    pub fn add_all(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Durations, counted by size.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len() + 1],
    sum_us: AtomicU64,
}

impl Histogram {
    /// Counts one.
    pub fn observe(&self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_US.partition_point(|bound| *bound < us);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
    }
}

/// A page of metrics.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// One number; `kind` is `counter` or `gauge`.
    pub fn number(&mut self, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) -> &mut Self {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        self
    }

    /// One number for each value of a label.
    pub fn labelled(&mut self, name: &str, help: &str, label: &str, values: &[(&str, &Counter)]) -> &mut Self {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} counter\n");
        for (value, count) in values {
            let _ = writeln!(self.0, "{name}{{{label}=\"{value}\"}} {}", count.get());
        }
        self
    }

    /// A histogram, in seconds.
    pub fn histogram(&mut self, name: &str, help: &str, histogram: &Histogram) -> &mut Self {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} histogram\n");
        let mut count = 0;
        for (index, bucket) in histogram.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound = BUCKETS_US.get(index).map_or("+Inf".into(), |us| (*us as f64 / 1e6).to_string());
            let _ = writeln!(self.0, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let sum = histogram.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
        let _ = write!(self.0, "{name}_sum {sum}\n{name}_count {count}\n");
        self
    }

    /// The text.
    pub fn text(&mut self) -> String {
        std::mem::take(&mut self.0)
    }
}

/// Answers every request with a page of metrics.
pub struct Metrics<F>(pub F);

impl<F: Fn() -> String + Send + Sync + 'static> Service for Metrics<F> {
    async fn answer(self: Arc<Self>, _: Request<Incoming>, _: SocketAddr) -> Response<Body> {
        let mut response = Response::new(Body::whole((self.0)()));
        let kind = hyper::header::HeaderValue::from_static("text/plain; version=0.0.4");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_add_up() {
        let histogram = Histogram::default();
        for us in [50, 100, 101, 3_000_000] {
            histogram.observe(Duration::from_micros(us));
        }
        let text = Page::default().histogram("x", "help", &histogram).text();
        for line in ["x_bucket{le=\"0.0001\"} 2", "x_bucket{le=\"0.00025\"} 3", "x_bucket{le=\"+Inf\"} 4", "x_count 4"]
        {
            assert!(text.contains(line), "{text}");
        }
    }
}
