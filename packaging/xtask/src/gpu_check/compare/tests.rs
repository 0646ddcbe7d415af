//! The rules of agreement, on one small GPU.

use serde_json::{Value, json};

use super::super::kerf::Documents;
use super::super::parse::Said;
use super::super::parse::details::details;
use super::super::parse::list::list;
use super::super::parse::query::{FIELDS, query};
use super::super::reading::{Heard, Moment, Reading, Told};
use super::exact::{is_mib, same_address};
use super::{Row, Verdict, compare};

/// A look at one GPU, to be changed by a test.
struct Look {
    gpu: Value,
    sample: Value,
    before: Vec<(&'static str, &'static str)>,
    after: Vec<(&'static str, &'static str)>,
    details: &'static str,
    list: &'static str,
}

impl Look {
    fn new(gpu: Value, sample: Value) -> Self {
        Self {
            gpu,
            sample,
            before: Vec::new(),
            after: Vec::new(),
            details: "",
            list: "",
        }
    }

    fn moment(&self, said: &[(&str, &str)]) -> Moment {
        let cell = |field: &&'static str| {
            let found = said.iter().find(|(name, _)| name == field);
            found.map_or("[N/A]", |(_, value)| *value)
        };
        let line: Vec<&str> = FIELDS
            .iter()
            .map(|field| if *field == "index" { "0" } else { cell(field) })
            .collect();
        Moment {
            gpus: query(&line.join(", "), &FIELDS).expect("a line"),
            details: details(self.details),
        }
    }

    fn row(self, of: &str, field: &str) -> Row {
        let (mut gpu, mut sample) = (self.gpu.clone(), self.sample.clone());
        gpu["index"] = json!(0);
        sample["index"] = json!(0);
        let after = if self.after.is_empty() {
            &self.before
        } else {
            &self.after
        };
        let nothing = || "not asked".to_owned();
        let reading = Reading {
            kerf: Documents {
                inventory: json!({ "gpus": [gpu] }),
                topology: json!({}),
                samples: json!({ "samples": [sample] }),
            },
            smi: Heard {
                version: String::new(),
                before: self.moment(&self.before),
                after: self.moment(after),
                list: list(self.list).expect("a list"),
                topology: Told::No(nothing()),
                links: Told::No(nothing()),
                profiles: Told::No(nothing()),
                places: Told::No(nothing()),
                gpu_instances: Told::No(nothing()),
                compute_instances: Told::No(nothing()),
            },
            texts: Vec::new(),
        };
        let rows = compare(&reading).expect("rows");
        let mut found = rows
            .into_iter()
            .filter(|row| row.of == of && row.field == field);
        found.next().unwrap_or_else(|| panic!("no row {field}"))
    }
}

#[test]
fn what_one_side_alone_knows_differs() {
    let check = |kerf: Option<&str>, smi, expected| {
        let row = Row::said("GPU0", "name", kerf.map(str::to_owned), smi, |a, b| a == b);
        assert_eq!(row.verdict, expected, "{kerf:?} {smi:?}");
    };
    check(Some("a"), Said::Value("a"), Verdict::Same);
    check(Some("a"), Said::Value("b"), Verdict::Different);
    check(None, Said::Value("a"), Verdict::Different);
    check(Some("a"), Said::Nothing, Verdict::Different);
    check(None, Said::Nothing, Verdict::Same);
    let why = "deprecated";
    check(
        Some("a"),
        Said::Withheld(why),
        Verdict::NotCompared(why.to_owned()),
    );
}

#[test]
fn addresses_and_sizes_are_the_same_in_either_spelling() {
    assert!(same_address("0000:1b:00.0", "00000000:1B:00.0"));
    assert!(same_address("10000:e1:00.0", "00010000:E1:00.0"));
    assert!(!same_address("0000:1b:00.0", "00000000:1C:00.0"));
    assert!(!same_address("nowhere", "nowhere"));
    // nvidia-smi rounds up: 26,345,472 B are 25.1 MiB.
    assert!(is_mib(26_345_472, 26) && is_mib(26_345_472, 25));
    assert!(!is_mib(26_345_472, 27) && !is_mib(26_345_472, 24));
    assert!(!is_mib(0, u64::MAX));
}

#[test]
fn a_value_that_moves() {
    let check = |ours: Value, before, after, expected: Verdict| {
        let mut look = Look::new(json!({}), json!({ "temperature_celsius": ours }));
        look.before = vec![("temperature.gpu", before)];
        look.after = vec![("temperature.gpu", after)];
        let row = look.row("GPU0", "temperature.gpu");
        assert_eq!(row.verdict, expected, "{ours} {before} {after}");
        assert!(row.moves);
    };
    check(json!(41.0), "41", "41", Verdict::Same);
    check(json!(50.0), "41", "60", Verdict::Near);
    check(json!(38.0), "41", "60", Verdict::Near);
    check(json!(63.0), "60", "41", Verdict::Near);
    check(json!(64.0), "60", "41", Verdict::Different);
    check(json!(null), "41", "41", Verdict::Different);
    check(json!(0.0), "[N/A]", "[N/A]", Verdict::Different);
    check(json!(null), "[N/A]", "[N/A]", Verdict::Same);
    check(json!(41.0), "hot", "hot", Verdict::Different);
}

#[test]
fn units_and_shares() {
    let row = |field, value, sample: Value| {
        let mut look = Look::new(json!({ "pcie": { "current_generation": 0 } }), sample);
        look.before = vec![(field, value)];
        look.row("GPU0", field)
    };
    let clock = row(
        "clocks.current.sm",
        "1980",
        json!({ "sm_clock_hertz": 1.98e9 }),
    );
    assert_eq!(
        (clock.kerf.as_str(), &clock.verdict),
        ("1980 MHz", &Verdict::Same)
    );
    let power = |watts: f64| row("power.draw", "100.00", json!({ "power_watts": watts })).verdict;
    assert_eq!(power(114.9), Verdict::Near);
    assert_eq!(power(115.1), Verdict::Different);
    assert_eq!(power(84.9), Verdict::Different);
    let share = row(
        "utilization.gpu",
        "97",
        json!({ "utilization_ratio": 0.97 }),
    );
    assert_eq!(
        (share.kerf.as_str(), &share.verdict),
        ("97 %", &Verdict::Same)
    );
    // kerf writes a figure that the driver does not tell as 0.
    let unknown = row("pcie.link.gen.current", "[N/A]", json!({}));
    assert_eq!(unknown.verdict, Verdict::Same);
}

#[test]
fn a_counter_may_only_have_stepped_between() {
    let check = |ours: u64, before, after, expected| {
        let mut look = Look::new(json!({}), json!({ "ecc_corrected": ours }));
        let field = "ecc.errors.corrected.volatile.total";
        look.before = vec![(field, before)];
        look.after = vec![(field, after)];
        assert_eq!(look.row("GPU0", field).verdict, expected, "{ours}");
    };
    check(3, "3", "3", Verdict::Same);
    check(4, "3", "5", Verdict::Near);
    check(2, "3", "5", Verdict::Different);
}

#[test]
fn bits_that_stood_all_the_time_must_stand() {
    let check = |ours: u64, before, after, expected| {
        let mut look = Look::new(json!({}), json!({ "clock_event_reasons": ours }));
        let field = "clocks_event_reasons.active";
        look.before = vec![(field, before)];
        look.after = vec![(field, after)];
        assert_eq!(look.row("GPU0", field).verdict, expected, "{ours}");
    };
    check(1, "0x0000000000000001", "0x0000000000000001", Verdict::Same);
    check(4, "0x0000000000000001", "0x0000000000000004", Verdict::Near);
    check(0, "0x0000000000000001", "0x0000000000000000", Verdict::Near);
    check(
        0,
        "0x0000000000000001",
        "0x0000000000000001",
        Verdict::Different,
    );
    check(
        8,
        "0x0000000000000001",
        "0x0000000000000004",
        Verdict::Different,
    );
}

#[test]
fn an_architecture_without_a_name_is_not_compared() {
    let mut look = Look::new(json!({ "architecture": "nvml-8" }), json!({}));
    look.details = "GPU 00000000:00:09.0\n    Product Architecture : Ada Lovelace\n";
    let verdict = look.row("GPU0", "architecture").verdict;
    assert_eq!(
        verdict,
        Verdict::NotCompared("kerf has no name for it".to_owned())
    );
}

#[test]
fn a_slice_that_is_a_part_of_its_instance() {
    let look = |profile: u64, name: &'static str| {
        let profiles =
            json!([{ "id": 9, "name": "3g.40gb", "sm_count": 60, "full_compute_profile": 2 }]);
        let compute = json!([{ "id": 0, "profile": profile, "uuid": "MIG-1" }]);
        let instances = json!([{ "id": 2, "profile": 9, "compute": compute }]);
        let gpu = json!({ "mig_mode": "enabled", "profiles": profiles, "instances": instances });
        let mut look = Look::new(gpu, json!({}));
        look.list = name;
        look.details = "GPU 00000000:00:09.0\n    MIG Device\n        Index : 0\n        \
                        GPU Instance ID : 2\n        Compute Instance ID : 0\n";
        look
    };
    let part = "GPU 0: A (UUID: GPU-1)\n  MIG 1c.3g.40gb  Device  0: (UUID: MIG-1)\n";
    let whole = "GPU 0: A (UUID: GPU-1)\n  MIG 3g.40gb  Device  0: (UUID: MIG-1)\n";
    let check = |profile, list, expected| {
        let row = look(profile, list).row("GPU0 gi 2 ci 0", "name");
        assert_eq!(row.verdict, expected, "{profile} {list}");
    };
    check(0, part, Verdict::Same);
    check(0, whole, Verdict::Different);
    check(2, whole, Verdict::Same);
    check(2, part, Verdict::Different);
    let sampled = look(2, whole).row("GPU0 gi 2 ci 0", "sampled");
    assert_eq!(sampled.verdict, Verdict::Different);
    let uuid = look(2, whole).row("GPU0 gi 2 ci 0", "uuid");
    assert_eq!(uuid.verdict, Verdict::Same);
}
