//! How documents look, and how arguments read. Both are pure, so no kerfd is needed; what verbs do on a host
//! that changes stands in the scripted tests of `kerf-tests`.

mod amd;
mod arguments;
mod captures;
mod failures;
mod fleet;
mod hardware;
mod layouts;
mod leases;
mod manual;
mod sharing;
mod spec;
mod status;
mod verbs;
mod words;
mod work;

use super::style::Style;

/// How tests look at documents.
const PLAIN: Style = Style { color: false };
