//! A small nvidia-smi: a script beside the files that it prints. It projects a query on the fields that
//! were asked for, and refuses one that it does not know, as the real one does.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use kerf_tests::process;

use crate::world::World;

const SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
print() {
    cat "$here/$1"
    exit "$(cat "$here/$1.code" 2> /dev/null || echo 0)"
}
case "$*" in
--query-gpu=*)
    fields=${1#--query-gpu=}
    # A query comes twice to one look: the second one may be answered otherwise.
    facts=facts
    if [ -e "$here/asked" ] && [ -e "$here/later.0" ]; then facts=later; fi
    : > "$here/asked"
    for gpu in "$here/$facts".*; do
        line=
        for field in $(echo "$fields" | tr , ' '); do
            if ! grep -q "^$field=" "$gpu"; then
                echo "Field \"$field\" is not a valid field to query."
                exit 2
            fi
            line="$line${line:+, }$(sed -n "s/^$field=//p" "$gpu")"
        done
        echo "$line"
    done
    ;;
-L) print L ;;
-q) print q ;;
--version) print version ;;
"topo -m") print topo ;;
"nvlink -s") print nvlink ;;
"mig -lgip") print lgip ;;
"mig -lgipp") print lgipp ;;
"mig -lgi") print lgi ;;
"mig -lci") print lci ;;
*)
    echo "ERROR: Option $* is not recognized."
    exit 2
    ;;
esac
"#;

/// What the script prints.
#[derive(Clone, Default)]
pub struct Fake {
    /// Fields of a query, by GPU.
    pub facts: Vec<BTreeMap<String, String>>,
    /// The same for every query but the first, where it is another answer.
    pub later: Vec<BTreeMap<String, String>>,
    /// Whole texts by the script's name for them, and exit codes.
    pub texts: BTreeMap<&'static str, (String, i32)>,
}

impl Fake {
    /// Sets a field of a GPU.
    pub fn set(&mut self, gpu: usize, field: &str, value: &str) {
        let facts = self.facts.get_mut(gpu).expect("such a GPU");
        facts.insert(field.to_owned(), value.to_owned());
    }

    /// Replaces a part of a text, which must be there.
    pub fn replace(&mut self, text: &'static str, from: &str, to: &str) {
        let (whole, _) = self.texts.get_mut(text).expect("such a text");
        assert!(whole.contains(from), "{text} has no {from:?}: {whole}");
        *whole = whole.replacen(from, to, 1);
    }

    /// Writes script and files into a folder of their own, and returns it.
    pub fn install(&self, world: &World) -> PathBuf {
        let folder = world.scratch.folder("fake").expect("a folder");
        for old in fs::read_dir(&folder).expect("a folder") {
            fs::remove_file(old.expect("an entry").path()).expect("removed");
        }
        let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("written");
        for (name, (text, code)) in &self.texts {
            write(name, text);
            write(&format!("{name}.code"), &code.to_string());
        }
        for (stem, all) in [("facts", &self.facts), ("later", &self.later)] {
            for (index, facts) in all.iter().enumerate() {
                let lines = facts
                    .iter()
                    .map(|(field, value)| format!("{field}={value}\n"));
                write(&format!("{stem}.{index}"), &lines.collect::<String>());
            }
        }
        write("script", SCRIPT);
        // Another process writes it: a file that this one has open for writing, or a child that another
        // test is just starting, cannot be executed.
        let mut install = Command::new("install");
        install.args(["-m", "755"]).arg(folder.join("script"));
        process::run(install.arg(folder.join("nvidia-smi"))).expect("installed");
        folder
    }
}
