//! Files of layouts: refused with the line that is wrong, or read and written as they were read.

use std::collections::{BTreeMap, BTreeSet};

use kerf_agent::cli::input::{InputError, Source};
use kerf_agent::cli::layout::{Config, LayoutInputError, Read, read};
use kerf_api::json::layout::LayoutDocument;
use kerf_api::v1;
use kerf_types::ProfileName;
use kerf_types::layout::Layout;
use serde_json::json;

/// Most configurations of one file that are looked at: each is read alone.
const CONFIG_LIMIT: usize = 4;

/// How many bytes of JSON one byte of a file may come to: a rule has every key of its own there, so a short one
/// grows; a text that repeats itself by reference would grow without bound.
const GROWTH: usize = 64;

/// A file as `kerf plan` and `kerf apply` take it; its text says of which kind and syntax it is.
pub fn layout(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for name in ["layout", "layout.yaml", "layout.toml", "layout.json"] {
        let source = Source::from_text(name, text);
        match read(&source, None) {
            Ok(Read::Layout(layout)) => {
                is_written_as_it_was_read(&layout);
                is_not_much_longer(&layout, text);
            }
            Ok(Read::MigParted(config)) => is_parted(&config, text),
            Err(error) => says_where(&error, text),
        }
    }
}

/// A file of mig-parted, each of its configurations for a host with three GPUs.
pub fn mig_parted(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let source = Source::from_text("parted.yaml", text);
    let names = match read(&source, None) {
        Ok(Read::MigParted(config)) => return is_parted(&config, text),
        Ok(Read::Layout(_)) => return,
        Err(LayoutInputError::NotSelected { names, .. }) => names,
        Err(error) => return says_where(&error, text),
    };
    assert!(names.len() != 1, "the only one needs no choice");
    for name in names.iter().take(CONFIG_LIMIT) {
        match read(&source, Some(name)) {
            Ok(Read::MigParted(config)) => is_parted(&config, text),
            other => panic!("{name:?} of {names:?} gives {other:?}"),
        }
    }
    let absent = names.concat() + "x";
    let refused = read(&source, Some(&absent)).expect_err("no configuration is called so");
    assert!(matches!(refused, LayoutInputError::NoSuchConfig { .. }));
}

fn is_parted(config: &Config, text: &str) {
    let gpus = gpus();
    let absent = config.absent(&gpus);
    assert!(
        absent
            .iter()
            .all(|name| !name.parse::<u32>().is_ok_and(|index| index < 3))
    );
    if config.is_for_all() {
        let bare = config.layout(&[]);
        assert_eq!(bare.ok(), config.layout(&gpus).ok(), "no GPU need be known");
    }
    match config.layout(&gpus) {
        Ok(layout) => {
            is_written_as_it_was_read(&layout);
            is_not_much_longer(&layout, text);
            let named: Vec<_> = layout.rules.iter().flat_map(|rule| &rule.gpus).collect();
            let once: BTreeSet<String> = named.iter().map(|gpu| format!("{gpu:?}")).collect();
            assert_eq!(once.len(), named.len(), "a GPU has one rule");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The number of slices that a file of mig-parted with this one profile wants.
pub(crate) fn slices_of_parted(profile: &str) -> Option<(ProfileName, u32)> {
    let entry = json!({ "devices": "all", "mig-enabled": true, "mig-devices": { profile: 1 } });
    let file = json!({ "version": "v1", "mig-configs": { "one": [entry] } });
    let source = Source::from_text("parted.json", &file.to_string());
    match read(&source, None).ok()? {
        Read::MigParted(config) => {
            let rule = config.layout(&gpus()).ok()?.rules.into_iter().next()?;
            rule.slices.into_iter().next()
        }
        Read::Layout(_) => None,
    }
}

/// In every syntax, and over the wire.
fn is_written_as_it_was_read(layout: &Layout) {
    let wire = v1::Layout::from(layout);
    assert_eq!(Layout::try_from(wire).as_ref(), Ok(layout), "over the wire");
    let document = LayoutDocument::from(layout);
    let json = serde_json::to_string(&document).expect("JSON");
    let texts = BTreeMap::from([
        ("a.json", json),
        ("a.yaml", serde_saphyr::to_string(&document).expect("YAML")),
        ("a.toml", toml::to_string(&document).expect("TOML")),
    ]);
    for (name, text) in texts {
        match read(&Source::from_text(name, &text), None) {
            Ok(Read::Layout(again)) => assert_eq!(&again, layout, "{name}: {text}"),
            other => panic!("{name} gives {other:?}: {text}"),
        }
    }
}

fn is_not_much_longer(layout: &Layout, text: &str) {
    let json = serde_json::to_string(&LayoutDocument::from(layout)).expect("JSON");
    let most = (text.len() + GROWTH) * GROWTH;
    assert!(json.len() < most, "{} bytes of {}", json.len(), text.len());
}

/// A refusal is one line of words; one of a reader also shows the place.
fn says_where(error: &LayoutInputError, text: &str) {
    let words = error.to_string();
    assert!(!words.is_empty() && !words.contains('\n'), "{words:?}");
    assert!(error.is_usage(), "{words}");
    let is_read = matches!(
        error,
        LayoutInputError::Input(
            InputError::Yaml { .. } | InputError::Toml { .. } | InputError::Json { .. }
        )
    );
    if let Some(excerpt) = error.excerpt() {
        let shown = excerpt.show();
        assert!(shown.contains(" | ") && shown.contains('^'), "{shown}");
        assert!(
            !shown.chars().any(|one| one.is_control() && one != '\n'),
            "{shown:?}"
        );
    } else {
        assert!(
            !is_read || text.trim().is_empty(),
            "{words} has no line: {error:?}"
        );
    }
}

/// Two H100 and an A100.
fn gpus() -> Vec<v1::Gpu> {
    let models = [0x2330_10de, 0x2330_10de, 0x20b2_10de];
    let gpu = |(index, pci_device_id)| v1::Gpu {
        index,
        pci_device_id,
        uuid: format!("GPU-{index}"),
        pci: format!("0000:1{index}:00.0"),
        ..v1::Gpu::default()
    };
    (0..).zip(models).map(gpu).collect()
}
