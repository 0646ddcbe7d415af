//! Which format and encoding a client gets, from its `Accept` and `Accept-Encoding` (RFC 9110, 12.5).

use crate::render::Format;

/// A weight in thousandths, so that comparing is exact.
type Weight = u16;

/// OpenMetrics where the client wants it at least as much as plain text, else the classic format. A
/// client that accepts neither gets the classic format: it can read it or not, an error it cannot.
pub(crate) fn format(accept: &str) -> Format {
    let mut openmetrics: Weight = 0;
    let mut classic: Weight = 0;
    for (name, parameters, weight) in elements(accept) {
        let version = parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim()
                .eq_ignore_ascii_case("version")
                .then(|| value.trim().trim_matches('"'))
        });
        if name.eq_ignore_ascii_case("application/openmetrics-text") {
            // 0.0.1 is the draft that 1.0.0 kept compatible; the next version is another format.
            if matches!(version, None | Some("1.0.0" | "0.0.1")) {
                openmetrics = openmetrics.max(weight);
            }
        } else if name.eq_ignore_ascii_case("text/plain") || name == "text/*" {
            classic = classic.max(weight);
        }
    }
    if openmetrics > 0 && openmetrics >= classic {
        Format::OpenMetrics
    } else {
        Format::Classic
    }
}

/// Whether the client takes gzip.
pub(crate) fn gzip(accept_encoding: &str) -> bool {
    let mut any: Weight = 0;
    for (name, _, weight) in elements(accept_encoding) {
        if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") {
            return weight > 0;
        }
        if name == "*" {
            any = weight;
        }
    }
    any > 0
}

/// Splits a list into (name, parameters, weight).
fn elements(list: &str) -> impl Iterator<Item = (&str, &str, Weight)> {
    list.split(',').map(|element| {
        let (name, parameters) = element.split_once(';').unwrap_or((element, ""));
        (name.trim(), parameters, weight(parameters))
    })
}

fn weight(parameters: &str) -> Weight {
    let quality = parameters.split(';').find_map(|parameter| {
        let (key, value) = parameter.split_once('=')?;
        key.trim().eq_ignore_ascii_case("q").then(|| value.trim())
    });
    quality.map_or(1_000, thousandths)
}

/// Reads `0`, `0.75`, `1.000`; what cannot be read counts as not wanted.
fn thousandths(quality: &str) -> Weight {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit()) && fraction.len() <= 3;
    match (whole, digits) {
        ("1", true) => 1_000,
        ("0", true) => format!("{fraction:0<3}").parse().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
