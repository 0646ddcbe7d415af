//! Sources as tokens: comments and strings are out of the way, and bodies of macros are not.
//!
//! A syntax tree would leave the inside of macros and attributes unread, and faults hide there.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Source;

/// One token, with brackets as tokens of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// The text: an identifier, one character of punctuation, a literal or a bracket.
    pub text: String,
    /// Where it stands, counted from 1.
    pub line: usize,
}

/// A path that a source mentions, in code or in a `use`: `std::fs::read` gives three parts.
#[derive(Debug, PartialEq, Eq)]
pub struct Mention {
    /// The parts of the path.
    pub path: Vec<String>,
    /// Where it starts, counted from 1.
    pub line: usize,
}

/// The tokens of a source in their order.
pub fn flat(source: &Source) -> Vec<Token> {
    let mut found = Vec::new();
    flatten(parse(source), &mut found);
    found
}

/// The paths that a source mentions outside of test code.
pub fn mentions(source: &Source) -> Vec<Mention> {
    let mut found = Vec::new();
    if !source.is_test_code() {
        walk(parse(source), &[], &mut found);
    }
    found
}

/// The attributes of a source: each without `#` and the outer brackets.
pub fn attributes(source: &Source) -> Vec<Vec<Token>> {
    let mut found = Vec::new();
    find_attributes(parse(source), &mut found);
    found
}

fn parse(source: &Source) -> TokenStream {
    // A `#!` line is for the kernel; an inner attribute starts in the same way.
    let text = match source.text.strip_prefix("#!") {
        Some(rest) if !rest.trim_start().starts_with('[') => {
            rest.split_once('\n').map_or("", |r| r.1)
        }
        _ => &source.text,
    };
    text.parse()
        .unwrap_or_else(|error| panic!("{} is no Rust: {error}", source.path))
}

fn flatten(stream: TokenStream, found: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = brackets(group.delimiter());
                let end = group.span_close().end().line;
                found.push(Token {
                    text: open.to_owned(),
                    line,
                });
                flatten(group.stream(), found);
                found.push(Token {
                    text: close.to_owned(),
                    line: end,
                });
            }
            other => found.push(Token {
                text: other.to_string(),
                line,
            }),
        }
    }
}

fn brackets(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

fn find_attributes(stream: TokenStream, found: &mut Vec<Vec<Token>>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    for (index, tree) in trees.iter().enumerate() {
        let TokenTree::Group(group) = tree else {
            continue;
        };
        if group.delimiter() == Delimiter::Bracket && follows_hash(&trees, index) {
            let mut tokens = Vec::new();
            flatten(group.stream(), &mut tokens);
            found.push(tokens);
        } else {
            find_attributes(group.stream(), found);
        }
    }
}

/// `#[` or `#![`.
fn follows_hash(trees: &[TokenTree], index: usize) -> bool {
    let before = |back: usize, wanted: char| {
        let tree = index.checked_sub(back).and_then(|place| trees.get(place));
        matches!(tree, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
    };
    before(1, '#') || (before(1, '!') && before(2, '#'))
}

/// Collects paths; `prefix` is what stands before the braces of a grouped `use`.
fn walk(stream: TokenStream, prefix: &[String], found: &mut Vec<Mention>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut index = 0;
    while let Some(tree) = trees.get(index) {
        if is_test_attribute(&trees, index) {
            index = end_of_item(&trees, index + 2);
            continue;
        }
        match tree {
            TokenTree::Ident(_) => index = take_path(&trees, index, prefix, found),
            TokenTree::Group(group) => {
                walk(group.stream(), &[], found);
                index += 1;
            }
            _ => index += 1,
        }
    }
}

/// Reads one path from `index` on and returns the place behind it.
fn take_path(
    trees: &[TokenTree],
    start: usize,
    prefix: &[String],
    found: &mut Vec<Mention>,
) -> usize {
    let line = trees.get(start).map_or(0, |tree| tree.span().start().line);
    let mut path = prefix.to_vec();
    let mut index = start;
    loop {
        match trees.get(index) {
            Some(TokenTree::Ident(ident)) => path.push(ident.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                walk(group.stream(), &path, found);
                return index + 1;
            }
            // A glob, or generic arguments (`Vec::<u8>`), which are read as paths of their own.
            _ => break,
        }
        index += 1;
        if !is_path_separator(trees, index) {
            break;
        }
        index += 2;
    }
    found.push(Mention { path, line });
    index
}

fn is_path_separator(trees: &[TokenTree], index: usize) -> bool {
    let colon = |place: usize| matches!(trees.get(place), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    colon(index) && colon(index + 1)
}

/// `#[cfg(test)]` and its kin: a `cfg` that names `test` and negates nothing.
fn is_test_attribute(trees: &[TokenTree], index: usize) -> bool {
    let is_hash =
        |tree: &TokenTree| matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '#');
    let (Some(tree), Some(TokenTree::Group(group))) = (trees.get(index), trees.get(index + 1))
    else {
        return false;
    };
    let mut tokens = Vec::new();
    flatten(group.stream(), &mut tokens);
    let has = |word: &str| tokens.iter().any(|token| token.text == word);
    let is_cfg = tokens.first().is_some_and(|token| token.text == "cfg");
    is_hash(tree) && group.delimiter() == Delimiter::Bracket && is_cfg && has("test") && !has("not")
}

/// The place behind the item at `index`: behind its braces or its semicolon.
fn end_of_item(trees: &[TokenTree], index: usize) -> usize {
    let ends = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let rest = trees.get(index..).unwrap_or_default();
    rest.iter()
        .position(ends)
        .map_or(trees.len(), |offset| index + offset + 1)
}

#[test]
fn paths_are_found_in_uses_code_macros_and_attributes() {
    let text = "use std::{fs, net::{TcpStream, *}};\n\
                #[derive(serde::Serialize)] struct S;\n\
                fn f() { info!(\"{}\", nix::unistd::getpid()); Vec::<u8>::new() }\n";
    let paths: Vec<String> = mentions(&Source::new("a/src/lib.rs", text))
        .iter()
        .map(|mention| mention.path.join("::"))
        .collect();
    for expected in [
        "std::fs",
        "std::net::TcpStream",
        "serde::Serialize",
        "nix::unistd::getpid",
    ] {
        assert!(
            paths.iter().any(|path| path == expected),
            "{expected} is not in {paths:?}"
        );
    }
}

#[test]
fn test_modules_are_not_read() {
    let text = "#[cfg(test)]\n#[path = \"x.rs\"]\nmod tests { use std::fs; }\n\
                #[cfg(test)] use std::net;\n#[cfg(not(test))] use std::env;\n";
    let found = mentions(&Source::new("a/src/lib.rs", text));
    let has = |name: &str| {
        found
            .iter()
            .any(|mention| mention.path.iter().any(|part| part == name))
    };
    assert!(!has("fs") && !has("net") && has("env"));
}
