//! Every family of series that kerf shows: name, type, unit, labels, meaning.
//!
//! Rules, each held by a test: base units, the unit last in a name, `_total` on counters and nowhere
//! else, `_info` for constant facts, no `instance` or `job` label. Labels hold identity alone; a state
//! that changes is a value, so that a change does not start a new series. METRICS.md lists the same.

pub mod gpu;
pub mod host;
pub mod own;
pub mod scrape;
pub mod service;
pub mod shared;
pub mod slice;
pub mod work;

/// What kind of number a family shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Goes up and down.
    Gauge,
    /// Only grows, and starts again at zero with what it counts.
    Counter,
    /// Observations by size.
    Histogram,
    /// A constant 1 whose labels are the facts.
    Info,
}

impl Kind {
    /// The word in OpenMetrics and in METRICS.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
            Self::Info => "info",
        }
    }
}

/// A family of series.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name in the classic format, with `_total` or `_info`.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// Its unit, which is the last word of the name (before `_total`).
    pub unit: Option<&'static str>,
    /// Labels that its series may have.
    pub labels: &'static [&'static str],
    /// Labels that name jobs or images, and stand only where the operator allows that.
    pub named_labels: &'static [&'static str],
    /// One sentence, without quotes and backslashes, so that it needs no escaping in either format.
    pub help: &'static str,
}

impl Family {
    /// The name that OpenMetrics gives the family; the samples keep the whole one.
    pub fn openmetrics_name(&self) -> &'static str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(self.name)
    }
}

/// All families, in the order of a page.
pub fn all() -> impl Iterator<Item = &'static Family> {
    [
        host::ALL,
        gpu::ALL,
        slice::ALL,
        shared::ALL,
        work::ALL,
        service::ALL,
        own::ALL,
        scrape::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Declares families as statics and lists them in `ALL`. A unit of `-` means none; labels after a `+`
/// are those that name jobs or images.
macro_rules! families {
    ($($id:ident: $kind:ident $name:literal $unit:tt $labels:tt $(+ $named:tt)? $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: $crate::families::Family = $crate::families::Family {
                name: $name,
                kind: $crate::families::Kind::$kind,
                unit: $crate::families::unit!($unit),
                labels: &$labels,
                named_labels: $crate::families::named!($($named)?),
                help: $help,
            };
        )*
        /// The families of this module, in the order of a page.
        pub static ALL: &[&$crate::families::Family] = &[$(&$id),*];
    };
}

macro_rules! unit {
    (-) => {
        None
    };
    ($unit:literal) => {
        Some($unit)
    };
}

macro_rules! named {
    () => {
        &[]
    };
    ($labels:tt) => {
        &$labels
    };
}

pub(crate) use {families, named, unit};

#[cfg(test)]
mod tests;
