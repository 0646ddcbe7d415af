//! An element of XML, and how it is printed.

use std::fmt::Display;
use std::fmt::Write;

/// An element with its attributes in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    /// What is in it.
    pub children: Vec<Element>,
}

impl Element {
    /// One without anything.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            attributes: Vec::new(),
            children: Vec::new(),
        }
    }

    /// Adds an attribute.
    pub fn set(&mut self, name: &'static str, value: impl Display) {
        self.attributes.push((name, value.to_string()));
    }

    /// Adds an attribute if it is known.
    pub fn set_known(&mut self, name: &'static str, value: Option<impl Display>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// The whole as text, two blanks deeper for each level.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, text: &mut String, depth: usize) {
        let indent = depth * 2;
        text.push_str(&" ".repeat(indent));
        text.push('<');
        text.push_str(self.name);
        for (name, value) in &self.attributes {
            // A write into a text does not fail.
            _ = write!(text, " {name}=\"{}\"", escaped(value));
        }
        if self.children.is_empty() {
            text.push_str("/>\n");
            return;
        }
        text.push_str(">\n");
        for child in &self.children {
            child.write(text, depth + 1);
        }
        text.push_str(&" ".repeat(indent));
        _ = writeln!(text, "</{}>", self.name);
    }
}

/// A value of an attribute. NCCL's parser knows no character references, but no kernel puts such characters into a
/// name; they must not end the attribute for others.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for one in value.chars() {
        match one {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '"' => escaped.push_str("&quot;"),
            one if one.is_control() => escaped.push('?'),
            one => escaped.push(one),
        }
    }
    escaped
}
