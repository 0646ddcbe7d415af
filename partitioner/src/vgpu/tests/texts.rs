//! What drivers print, and what nobody would.

use kerf_types::{VgpuType, VgpuTypeId};
use proptest::prelude::*;

use crate::vgpu::table;

fn types(text: &str) -> Vec<(u32, String)> {
    let found = table::types(text);
    found.into_iter().map(|(id, name)| (id.0, name)).collect()
}

#[test]
fn the_table_is_read_as_drivers_print_it() {
    let text = "ID    : vGPU Name\n1145  : NVIDIA L40S-1B\n1146  : NVIDIA L40S-2Q\n";
    let named = |id, name: &str| (id, name.to_owned());
    assert_eq!(
        types(text),
        [
            named(1_145, "NVIDIA L40S-1B"),
            named(1_146, "NVIDIA L40S-2Q")
        ]
    );
    assert_eq!(types("ID    : vGPU Name\n"), [], "full");
    assert!(table::is_table("ID    : vGPU Name\n"));
    assert!(!table::is_table("\n"), "not up yet, which is not full");
    assert_eq!(
        types("7: a: b\n7: twice\n+8: sign\n9:\n"),
        [named(7, "a: b")]
    );
    assert_eq!(types("5: \u{1b}[31mred"), [named(5, "?[31mred")]);
}

#[test]
fn numbers_have_one_spelling_and_may_be_none() {
    assert_eq!(table::number_of(" 7\n"), Some(7));
    for text in ["", "+7", "-1", "0x7", "7 8", "99999999999"] {
        assert_eq!(table::number_of(text), None, "{text}");
    }
    assert_eq!(table::valid("4294967295"), None);
    assert_eq!(table::valid("N/A"), None);
}

#[test]
fn names_tell_whether_a_type_lies_in_a_gpu_instance() {
    let backed = |name: &str| {
        VgpuType {
            id: VgpuTypeId(1),
            name: name.to_owned(),
            available: 0,
        }
        .is_mig_backed()
    };
    assert!(backed("NVIDIA H200X-1-18C"));
    for name in ["NVIDIA L40S-1B", "NVIDIA H200X-141C", "nvidia-35", ""] {
        assert!(!backed(name), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any text at all is read or passed over, and what is read can be shown.
    #[test]
    fn no_text_is_too_strange(text in "(?s)[0-9a-zA-Z:\\- \t\r\n\u{0}\u{1b}é]{0,400}") {
        for (_, name) in types(&text) {
            prop_assert!(!name.is_empty() && name.chars().count() <= 96);
            prop_assert!(!name.chars().any(char::is_control));
        }
        let _ = table::is_table(&text);
        let _ = table::valid(&text);
    }

    /// What a driver prints comes back, whatever the columns are.
    #[test]
    fn tables_come_back(
        rows in proptest::collection::btree_map(any::<u32>(), "[A-Z][A-Za-z0-9: -]{0,30}[A-Z0-9]", 0..20),
        width in 0_usize..12,
    ) {
        let mut text = "ID    : vGPU Name\n".to_owned();
        for (id, name) in &rows {
            text.push_str(&format!("{id:<width$}: {name}\n"));
        }
        let expected: Vec<(u32, String)> = rows.into_iter().collect();
        prop_assert_eq!(types(&text), expected);
    }
}
