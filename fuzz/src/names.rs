//! Names and asks: what is accepted is printed in one spelling, and that spelling means the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use kerf_api::json::layout::{self, LayoutDocument};
use kerf_types::ask::Shareable;
use kerf_types::{
    AmdWish, Ask, Bytes, ComputePartition, GpuUuid, HostId, HostName, JobId, LeaseId,
    MemoryPartition, MigUuid, PciAddress, Placement, ProfileName, SharingMode, SliceId, Spot,
    VgpuFramework, VgpuUuid, sharing::Interval,
};
use serde_json::json;

/// Characters of a text that an error repeats at most.
const FOUND_LIMIT: usize = 120;

/// Names of MIG profiles, alone and wherever a document has them.
pub fn profile_name(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let rule = json!({ "gpus": [0], "slices": { text: 1 } });
    let document = json!({ "rules": [rule] }).to_string();
    let read = layout::parse(&document);
    let Some(name) = reads_back::<ProfileName>(text) else {
        assert!(
            read.is_err(),
            "a layout takes {text:?}, which is no profile"
        );
        return;
    };
    let printed = name.to_string();
    assert_eq!(printed, plain(text), "it has one spelling");
    assert_eq!(format!("MIG {printed}").parse(), Ok(name.clone()));
    let rule = read
        .expect("a profile may stand in a layout")
        .rules
        .remove(0);
    assert_eq!(
        rule.slices.into_iter().collect::<Vec<_>>(),
        [(name.clone(), 1)]
    );
    assert_eq!(
        crate::layout::slices_of_parted(text),
        Some((name.clone(), 1))
    );
    let ask = Ask::Slice {
        profile: name,
        count: 1,
    };
    assert_eq!(printed.parse(), Ok(ask), "a container may ask for it");
}

/// A profile's name without what may be left out: the word in front, and zeros that say nothing.
fn plain(text: &str) -> String {
    let text = text.strip_prefix("MIG ").unwrap_or(text);
    let mut out = String::new();
    for (at, letter) in text.char_indices() {
        let is_digit = |letter: char| letter.is_ascii_digit();
        let rest = text.get(at + letter.len_utf8()..).unwrap_or_default();
        let begins = !out.ends_with(is_digit);
        if !(letter == '0' && begins && rest.starts_with(is_digit)) {
            out.push(letter);
        }
    }
    out
}

/// What containers and jobs ask for.
pub fn ask(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let Some(ask) = reads_back::<Ask>(text) else {
        return;
    };
    match &ask {
        Ask::Slice { count, .. } | Ask::Gpus { count, .. } | Ask::Devices { count, .. } => {
            assert!((1..=112).contains(count));
        }
        Ask::Capability(wish) => {
            assert!(wish.nvlink.is_none_or(|count| count > 0));
            assert!(
                wish.nvlink.is_some() || wish.only.is_empty(),
                "a slice is bound by nothing"
            );
        }
        Ask::Imex(of) => {
            let whole = of.to_string();
            assert!(
                whole.starts_with("gpu:") || whole.contains("nvlink:"),
                "{whole}"
            );
            assert_eq!(format!("imex,{whole}").parse(), Ok(ask.clone()));
            assert_eq!(format!("{whole},imex,imex").parse::<Ask>().ok(), None);
        }
        Ask::Share { mode, of } => {
            if let Shareable::Capability(wish) = of {
                assert_eq!(wish.nvlink, None, "a share is of one device");
            }
            // The word for the way may stand anywhere in the list.
            assert_eq!(format!("{mode},{of}").parse(), Ok(ask.clone()));
            assert_eq!(format!("{of},{mode},{mode}").parse::<Ask>().ok(), None);
        }
    }
    assert_eq!(
        format!(" {text}\n").parse(),
        Ok(ask),
        "blanks around it say nothing"
    );
}

/// Everything else that names a thing.
pub fn identifiers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    reads_back::<PciAddress>(text);
    reads_back::<SliceId>(text);
    reads_back::<HostName>(text);
    reads_back::<SharingMode>(text);
    reads_back::<Interval>(text);
    reads_back::<VgpuFramework>(text);
    for name in [
        reads_back::<GpuUuid>(text).map(|id| id.to_string()),
        reads_back::<MigUuid>(text).map(|id| id.to_string()),
        reads_back::<HostId>(text).map(|id| id.to_string()),
        reads_back::<JobId>(text).map(|id| id.to_string()),
        reads_back::<LeaseId>(text).map(|id| id.to_string()),
        reads_back::<VgpuUuid>(text).map(|id| id.to_string()),
    ] {
        // One thing has one spelling: two would be two keys of a table.
        assert!(name.is_none_or(|name| name == text), "{text:?}");
    }
    let places = [
        reads_back::<Placement>(text).map(Spot::from),
        reads_back::<Spot>(text),
    ];
    for spot in places.into_iter().flatten() {
        for place in [Some(spot.placement), spot.compute].into_iter().flatten() {
            assert_eq!(place.mask().count(), u32::from(place.size));
            assert!(u32::from(place.end()) <= Placement::GRID_LIMIT);
        }
        assert!(spot.overlaps(spot), "{spot}");
    }
    if let Ok(amount) = text.parse::<Bytes>() {
        assert_eq!(amount.exact().to_string().parse(), Ok(amount));
    }
    let wish = AmdWish {
        compute: reads_back::<ComputePartition>(text),
        memory: reads_back::<MemoryPartition>(text),
    };
    if wish != AmdWish::default() {
        let rule = json!({ "gpus": "all", "amd": layout::AmdModes::from(wish) });
        let document: LayoutDocument =
            serde_json::from_value(json!({ "rules": [rule] })).expect("a document");
        let layout = kerf_types::layout::Layout::try_from(document).expect("it may be asked for");
        assert_eq!(
            layout.rules.into_iter().map(|rule| rule.amd).next(),
            Some(Some(wish))
        );
    }
}

/// What a text names: printed, it names the same. A refusal repeats only the begin of the text.
fn reads_back<T>(text: &str) -> Option<T>
where
    T: FromStr<Err = kerf_types::ParseError> + Display + Debug + PartialEq,
{
    match text.parse::<T>() {
        Ok(read) => {
            let printed = read.to_string();
            let again = printed.parse::<T>();
            assert_eq!(again.as_ref(), Ok(&read), "{text:?} is printed {printed:?}");
            Some(read)
        }
        Err(error) => {
            assert!(error.found.chars().count() <= FOUND_LIMIT);
            assert!(!error.what.is_empty() && !error.hint.is_empty());
            None
        }
    }
}
