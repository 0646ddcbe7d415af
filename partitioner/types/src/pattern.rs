//! Patterns with `*`, as configurations and layouts write them: for images, for what containers may ask for, for the
//! products of GPUs.

/// Whether a pattern matches a whole text; `*` stands for any text, and nothing else is special.
pub fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    // Taking each part at its first place leaves the most room for those after it.
    for part in parts {
        let Some(at) = text.find(part) else {
            return false;
        };
        text = text.get(at + part.len()..).unwrap_or_default();
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_whole_texts() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "gpu:2", true),
            ("1g.*", "1g.10gb", true),
            ("1g.*", "11g.10gb", false),
            ("*:kerf", "docker.io/busybox:kerf", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("gpu", "gpu:2", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
