//! Errors as people and logs see them.

/// An error and its causes, each in its own words. A cause that its effect has told already is left out.
pub fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !texts.last().is_some_and(|last| last.ends_with(&text)) {
            texts.push(text);
        }
        cause = inner.source();
    }
    texts
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    causes(error).join(": ")
}
