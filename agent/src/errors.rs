//! Errors as people and logs see them.

/// An error and its causes, each in its own words. What an effect has told already is left out of its cause: the
/// whole of it, or what stands before its colon.
pub fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        let told = texts.last().map_or("", String::as_str);
        if !told.ends_with(&text) {
            let news = match text.split_once(": ") {
                Some((head, news)) if told.contains(head) => news.to_owned(),
                _ => text,
            };
            texts.push(news);
        }
        cause = inner.source();
    }
    texts
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    causes(error).join(": ")
}

#[cfg(test)]
mod tests {
    use super::chain;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Told(&'static str, #[source] Option<Box<Told>>);

    #[test]
    fn what_was_told_is_not_told_again() {
        let check = |effect, cause, expected: &str| {
            let cause = Told(cause, None);
            let error = Told(effect, Some(Box::new(cause)));
            assert_eq!(chain(&error), expected);
        };
        check("a failed", "no room", "a failed: no room");
        check("it failed: no room", "no room", "it failed: no room");
        let step = "step 1 of 2 failed (cut GPU 0)";
        check(step, "cut GPU 0: no room", &format!("{step}: no room"));
        check(step, "GPU 1: no room", &format!("{step}: GPU 1: no room"));
    }
}
