//! From a snapshot to finished buffers, once per sample tick.
//!
//! A page is a body, which is the same for every scrape until the next tick, and a tail of some hundred
//! bytes with the ages, which a scrape computes. No clock here: the time since the page was rendered is
//! an argument.

use std::sync::OnceLock;
use std::time::Duration;

use axum::body::Bytes;

use crate::collect;
use crate::families::scrape;
use crate::gzip::Packed;
use crate::labels::Labels;
use crate::page::Page;
use crate::selfmetrics::SelfMetrics;
use crate::snapshot::Snapshot;

/// A text format of Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Prometheus text 0.0.4.
    Classic,
    /// OpenMetrics text 1.0.
    OpenMetrics,
}

impl Format {
    pub(crate) const ALL: [Self; 2] = [Self::Classic, Self::OpenMetrics];

    /// What the answer calls it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Classic => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Classic => "classic",
            Self::OpenMetrics => "openmetrics",
        }
    }
}

/// A rendered page.
#[derive(Debug)]
pub struct Rendered {
    classic: Body,
    openmetrics: Body,
    /// Ages at the time of the snapshot; `None` before the first one.
    ages: Option<Vec<(Labels, f64)>>,
}

/// The body of a page in one format.
#[derive(Debug)]
struct Body {
    text: Bytes,
    /// Made ahead by [`Rendered::pack`], or when the first client asks for it. `None` inside if it could
    /// not be made.
    packed: OnceLock<Option<Packed>>,
}

impl Body {
    fn new(text: String) -> Self {
        Self {
            text: Bytes::from(text),
            packed: OnceLock::new(),
        }
    }

    fn packed(&self) -> Option<&Packed> {
        let pack = || Packed::new(&self.text).ok();
        self.packed.get_or_init(pack).as_ref()
    }
}

/// What goes over the wire for one scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// The cached part, shared with all scrapes of this page.
    pub head: Bytes,
    /// The part of this scrape.
    pub tail: Bytes,
    /// Whether both together are a gzip stream.
    pub gzip: bool,
}

/// Bytes of a page of eight GPUs with seven slices each, so that a first buffer seldom grows.
const USUAL_PAGE_BYTES: usize = 512 * 1024;

impl Rendered {
    /// Renders a page; without a snapshot it has kerfd's own families alone.
    pub fn new(snapshot: Option<&Snapshot>, own: &SelfMetrics) -> Self {
        let room = snapshot.map_or(0, |_| USUAL_PAGE_BYTES);
        let mut page = Page::with_capacity(room);
        if let Some(snapshot) = snapshot {
            collect::snapshot(snapshot, &mut page);
        }
        own.write(&mut page);
        let Page {
            mut classic,
            mut openmetrics,
        } = page;
        classic.shrink_to_fit();
        openmetrics.shrink_to_fit();
        Self {
            classic: Body::new(classic),
            openmetrics: Body::new(openmetrics),
            ages: snapshot.map(collect::sample_ages),
        }
    }

    /// The whole text of a scrape `elapsed` after the page was rendered.
    pub fn text(&self, format: Format, elapsed: Duration) -> String {
        let scrape = self.scrape(format, false, elapsed);
        let bytes = [scrape.head, scrape.tail].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Compresses the page in one format now, so that no scrape has to.
    pub fn pack(&self, format: Format) {
        // Nothing is lost if it cannot be had: a scrape then sends the text.
        self.body(format).packed();
    }

    /// Whether the page is compressed in this format already.
    #[cfg(test)]
    pub(crate) fn is_packed(&self, format: Format) -> bool {
        self.body(format).packed.get().is_some()
    }

    fn body(&self, format: Format) -> &Body {
        match format {
            Format::Classic => &self.classic,
            Format::OpenMetrics => &self.openmetrics,
        }
    }

    /// What a scrape `elapsed` after rendering sends; gzip is done without if it cannot be had.
    pub fn scrape(&self, format: Format, gzip: bool, elapsed: Duration) -> Scrape {
        let body = self.body(format);
        let tail = self.tail(format, elapsed);
        match gzip.then(|| body.packed()).flatten() {
            Some(packed) => Scrape {
                head: packed.head.clone(),
                tail: packed.end(tail.as_bytes()).into(),
                gzip: true,
            },
            None => Scrape {
                head: body.text.clone(),
                tail: tail.into(),
                gzip: false,
            },
        }
    }

    fn tail(&self, format: Format, elapsed: Duration) -> String {
        let mut page = Page::default();
        if let Some(ages) = &self.ages {
            let elapsed = elapsed.as_secs_f64();
            page.family(&scrape::SAMPLE_AGE, |samples| {
                for (labels, age) in ages {
                    samples.add(labels, age + elapsed);
                }
            });
            page.single(&scrape::RENDER_AGE, Some(elapsed));
        }
        match format {
            Format::Classic => page.classic,
            Format::OpenMetrics => page.openmetrics + "# EOF\n",
        }
    }
}

#[cfg(test)]
mod tests;
