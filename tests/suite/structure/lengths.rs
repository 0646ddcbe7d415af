//! Files and functions stay short enough to be read in one sitting.

use syn::visit::Visit;

use super::{Source, assert_holds_everywhere, assert_none, on_example, source};

/// Beyond this a file is two files; nothing excuses it.
const FILE_STOP: usize = 800;

/// Beyond this a file needs a reason, written in [`LONG_FILES`].
const FILE_THINK: usize = 400;

/// A function fits a screen.
const FUNCTION: usize = 70;

/// Files between the two limits, each with the reason why it is not split.
const LONG_FILES: [(&str, &str); 0] = [];

fn long_files(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    let excused = LONG_FILES.iter().any(|(path, _)| *path == source.path);
    if lines > FILE_STOP || (lines > FILE_THINK && !excused) {
        return vec![source.at(lines, "the file is too long")];
    }
    Vec::new()
}

fn long_functions(source: &Source) -> Vec<String> {
    let file = syn::parse_file(&source.text)
        .unwrap_or_else(|error| panic!("{} is no Rust: {error}", source.path));
    let mut functions = Functions::default();
    functions.visit_file(&file);
    let long = functions
        .0
        .into_iter()
        .filter(|(_, _, lines)| *lines > FUNCTION);
    let say = |(name, line, lines)| source.at(line, &format!("{name} has {lines} lines"));
    long.map(say).collect()
}

/// Name, first line and number of lines of each function with a body, from `fn` to its brace.
#[derive(Default)]
struct Functions(Vec<(String, usize, usize)>);

impl Functions {
    fn add(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let start = signature.fn_token.span.start().line;
        let end = body.brace_token.span.close().end().line;
        self.0
            .push((signature.ident.to_string(), start, end - start + 1));
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.add(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.add(&function.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

#[test]
fn files_are_short() {
    assert_holds_everywhere(long_files);
}

#[test]
fn functions_fit_a_screen() {
    assert_holds_everywhere(long_functions);
}

#[test]
fn the_list_of_long_files_holds_nothing_else() {
    let sources = source::workspace();
    let is_long = |path: &str| {
        let file = sources.iter().find(|source| source.path == path);
        file.is_some_and(|source| source.text.lines().count() > FILE_THINK)
    };
    let stale = LONG_FILES
        .iter()
        .filter(|(path, reason)| !is_long(path) || reason.is_empty());
    assert_none(
        stale
            .map(|(path, _)| format!("{path} needs no entry, or a reason"))
            .collect(),
    );
}

#[test]
fn a_long_file_is_caught() {
    let lines = |count: usize| "//! x\n".repeat(count);
    let found = on_example(long_files, "a/src/lib.rs", &lines(401));
    assert_eq!(found, ["401: the file is too long"]);
    assert!(on_example(long_files, "a/src/lib.rs", &lines(400)).is_empty());
}

#[test]
fn a_long_function_is_caught_where_it_stands() {
    let body = |lines: usize| format!("{{\n{}}}\n", "    g();\n".repeat(lines - 2));
    let text = format!(
        "fn short() {}struct S;\nimpl S {{ fn long(&self) {}}}\n",
        body(70),
        body(71)
    );
    let found = on_example(long_functions, "a/src/lib.rs", &text);
    assert_eq!(found, ["72: long has 71 lines"]);
    let default = format!("trait T {{ fn long(&self) {}}}\n", body(71));
    assert_eq!(
        on_example(long_functions, "a/src/lib.rs", &default).len(),
        1
    );
}
