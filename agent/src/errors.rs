//! Errors as people and logs see them.

/// An error and its causes, each in its own words. What an effect has told last is left out of its cause: the whole of
/// it, or what stands before its colon.
pub fn causes(error: &dyn std::error::Error) -> Vec<String> {
    let mut told = error.to_string();
    let mut texts = vec![told.clone()];
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !told.ends_with(&text) {
            let news = match text.split_once(": ") {
                Some((head, news)) if ends_with(&told, head) => news,
                _ => &text,
            };
            texts.push(news.to_owned());
            told = text;
        }
        cause = inner.source();
    }
    texts
}

/// Whether a text has said this last, as words of its own or in brackets.
fn ends_with(told: &str, words: &str) -> bool {
    let told = told.strip_suffix(')').unwrap_or(told);
    let before = told.strip_suffix(words);
    before.is_some_and(|before| !before.ends_with(char::is_alphanumeric))
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    causes(error).join(": ")
}

#[cfg(test)]
mod tests;
