//! The files of the page, as they stand in `page/`: no build step makes them.

/// One file.
pub(super) struct Asset {
    /// Where it is served.
    pub path: &'static str,
    /// Its media type.
    pub kind: &'static str,
    /// What is in it.
    pub text: &'static str,
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! asset {
    ($path:literal, $kind:expr, $file:literal) => {
        Asset {
            path: $path,
            kind: $kind,
            text: include_str!(concat!("page/", $file)),
        }
    };
}

/// Every file.
pub(super) static ALL: [Asset; 14] = [
    asset!("/", HTML, "index.html"),
    asset!("/icon.svg", SVG, "icon.svg"),
    asset!("/base.css", CSS, "base.css"),
    asset!("/host.css", CSS, "host.css"),
    asset!("/lists.css", CSS, "lists.css"),
    asset!("/main.js", SCRIPT, "main.js"),
    asset!("/dom.js", SCRIPT, "dom.js"),
    asset!("/words.js", SCRIPT, "words.js"),
    asset!("/summary.js", SCRIPT, "summary.js"),
    asset!("/host.js", SCRIPT, "host.js"),
    asset!("/gpu.js", SCRIPT, "gpu.js"),
    asset!("/details.js", SCRIPT, "details.js"),
    asset!("/lists.js", SCRIPT, "lists.js"),
    asset!("/matrix.js", SCRIPT, "matrix.js"),
];
