//! The page that is served now, shared by the sampling loop, which replaces it, and the HTTP handlers.
//!
//! A scrape never waits for a render: it takes the last page, whole. The only clock is the monotonic one
//! that tells how old that page is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::degraded;
use crate::render::{Format, Rendered, Scrape};
use crate::selfmetrics::SelfMetrics;
use crate::snapshot::Snapshot;

/// The state behind `/metrics`, `/healthz` and `/readyz`.
#[derive(Debug)]
pub struct Exporter {
    page: ArcSwap<Published>,
    own: Arc<SelfMetrics>,
    /// Formats, in the order of [`Format::ALL`], that a client has taken as gzip. Prometheus always does,
    /// and scrapes more seldom than pages come: nearly every scrape is the first of its page. So a page
    /// is compressed when it is made; where nobody takes gzip that work is not done.
    gzip_taken: [AtomicBool; Format::ALL.len()],
}

#[derive(Debug)]
struct Published {
    rendered: Rendered,
    at: Instant,
    readiness: Readiness,
}

/// Whether this host can be given work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Readiness {
    /// Nothing was published yet: the hardware was not looked at.
    Starting,
    /// All is well.
    Ready,
    /// It serves, and this is not as it should be.
    Degraded(Vec<String>),
}

impl Exporter {
    /// An exporter that serves kerfd's own families until the first snapshot.
    pub fn new(own: Arc<SelfMetrics>) -> Self {
        let first = Published {
            rendered: Rendered::new(None, &own),
            at: Instant::now(),
            readiness: Readiness::Starting,
        };
        Self {
            page: ArcSwap::from_pointee(first),
            own,
            gzip_taken: Default::default(),
        }
    }

    /// Renders a snapshot and serves it from now on. Called once per sample tick, also when the driver
    /// told nothing: the page then says so.
    pub fn publish(&self, snapshot: &Snapshot) {
        let at = Instant::now();
        let rendered = Rendered::new(Some(snapshot), &self.own);
        for (format, taken) in Format::ALL.into_iter().zip(&self.gzip_taken) {
            if taken.load(Ordering::Relaxed) {
                rendered.pack(format);
            }
        }
        let reasons = degraded::reasons(snapshot);
        let readiness = if reasons.is_empty() {
            Readiness::Ready
        } else {
            Readiness::Degraded(reasons)
        };
        self.page.store(Arc::new(Published {
            rendered,
            at,
            readiness,
        }));
        self.own.render_duration.observe(seconds(at.elapsed()));
    }

    /// The answer to a scrape at this moment.
    pub fn scrape(&self, format: Format, gzip: bool) -> Scrape {
        let start = Instant::now();
        let page = self.page.load();
        let scrape = page.rendered.scrape(format, gzip, page.at.elapsed());
        for (known, taken) in Format::ALL.into_iter().zip(&self.gzip_taken) {
            if scrape.gzip && known == format {
                taken.store(true, Ordering::Relaxed);
            }
        }
        let encoding = if scrape.gzip { "gzip" } else { "identity" };
        self.own.scrapes.inc([format.as_str(), encoding]);
        self.own.scrape_duration.observe(seconds(start.elapsed()));
        scrape
    }

    /// How the host was in the last snapshot.
    pub fn readiness(&self) -> Readiness {
        self.page.load().readiness.clone()
    }

    /// The counters that kerfd's parts write to.
    pub fn own(&self) -> &Arc<SelfMetrics> {
        &self.own
    }
}

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

#[cfg(test)]
mod tests;
