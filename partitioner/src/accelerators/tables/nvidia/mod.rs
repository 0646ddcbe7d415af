//! NVIDIA's GPUs: architectures by compute capability, models by their marketing name.

mod models;
#[cfg(test)]
mod tests;

use kerf_types::Bytes;
use kerf_types::map::{Capabilities, CapabilityKey as Key};

use super::{Fact, fill, flag, words};
pub(in crate::accelerators) use models::MODELS;

/// What the GPUs of one compute capability have in common.
pub(in crate::accelerators) struct Architecture {
    /// Compute capability, as the CUDA C++ Programming Guide lists it.
    pub compute: (u32, u32),
    /// Their generation.
    pub name: &'static str,
    /// What they can do.
    pub facts: &'static [Fact],
}

/// A model, by the words of its marketing name. One more word is another model, of which its documents say nothing: a
/// part for laptops, one with other memory (`H20-3e`, `RTX PRO 5000 72GB`), or a slice of it in a guest.
pub(in crate::accelerators) struct Model {
    /// Its compute capability.
    pub compute: (u32, u32),
    /// Words that all stand in the name.
    pub words: &'static [&'static str],
    /// Words that may stand in it beside these.
    pub also: &'static [&'static str],
    /// What it can do.
    pub facts: &'static [Fact],
}

/// Words that tell the maker and the line, which drivers print before a model or leave out.
const MAKER: [&str; 2] = ["NVIDIA", "TESLA"];

/// What a driver tells of a model's memory is the nominal figure less what ECC takes, a sixteenth of GDDR6, and what the
/// driver keeps: eight in a hundred at most where it was seen. A twelfth admits these, and no other capacity of a name.
const MEMORY_TOLERANCE: u64 = 12;

/// CUDA and MPS documentation: processes may share any GPU by turns, or have it alone (compute mode), and by the
/// Multi-Process Service since compute capability 3.5.
const SHARED: Fact = words(Key::SharingModes, &["exclusive", "mps", "time-slice"]);

/// Numeric formats and sparsity after "NVIDIA Ampere Architecture In-Depth" (Volta and the A100) and, from 8.6 on, the
/// CUDA C++ Programming Guide, "Compute Capabilities"; FP4 and FP6 of 10.0 after the Blackwell architecture technical
/// brief and the kinds of `tcgen05.mma` in the PTX ISA. FP8 that is scaled by layer: Transformer Engine documentation
/// (Ada, Hopper, Blackwell). Confidential computing begins with Hopper ("NVIDIA Hopper Architecture In-Depth").
pub(in crate::accelerators) const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        compute: (7, 0),
        name: "volta",
        facts: &[
            words(Key::Formats, &["fp16"]),
            flag(Key::TransformerEngine, false),
            flag(Key::Sparsity, false),
            flag(Key::Confidential, false),
            SHARED,
        ],
    },
    Architecture {
        compute: (7, 5),
        name: "turing",
        facts: &[
            words(Key::Formats, &["fp16", "int8", "int4", "int1"]).unverified(),
            flag(Key::TransformerEngine, false),
            flag(Key::Sparsity, false),
            flag(Key::Confidential, false),
            SHARED,
        ],
    },
    Architecture {
        compute: (8, 0),
        name: "ampere",
        facts: &[
            words(
                Key::Formats,
                &["fp64", "tf32", "bf16", "fp16", "int8", "int4", "int1"],
            ),
            flag(Key::TransformerEngine, false),
            flag(Key::Sparsity, true),
            flag(Key::Confidential, false),
            SHARED,
        ],
    },
    Architecture {
        compute: (8, 6),
        name: "ampere",
        facts: AMPERE_GRAPHICS,
    },
    Architecture {
        compute: (8, 7),
        name: "ampere",
        facts: AMPERE_GRAPHICS,
    },
    Architecture {
        compute: (8, 9),
        name: "ada",
        facts: &[
            words(
                Key::Formats,
                &["tf32", "bf16", "fp16", "fp8", "int8", "int4"],
            ),
            flag(Key::TransformerEngine, true),
            flag(Key::Sparsity, true).unverified(),
            flag(Key::Confidential, false).unverified(),
            SHARED,
        ],
    },
    Architecture {
        compute: (9, 0),
        name: "hopper",
        facts: &[
            words(
                Key::Formats,
                &["fp64", "tf32", "bf16", "fp16", "fp8", "int8"],
            ),
            flag(Key::TransformerEngine, true),
            flag(Key::Sparsity, true),
            flag(Key::Confidential, true),
            SHARED,
        ],
    },
    Architecture {
        compute: (10, 0),
        name: "blackwell",
        facts: BLACKWELL,
    },
    Architecture {
        compute: (10, 3),
        name: "blackwell",
        facts: BLACKWELL_ULTRA,
    },
    Architecture {
        compute: (12, 0),
        name: "blackwell",
        facts: BLACKWELL_GRAPHICS,
    },
    Architecture {
        compute: (12, 1),
        name: "blackwell",
        facts: BLACKWELL_SPARK,
    },
];

const AMPERE_GRAPHICS: &[Fact] = &[
    words(
        Key::Formats,
        &["tf32", "bf16", "fp16", "int8", "int4", "int1"],
    ),
    flag(Key::TransformerEngine, false),
    flag(Key::Sparsity, true).unverified(),
    flag(Key::Confidential, false),
    SHARED,
];

const BLACKWELL: &[Fact] = &[
    words(
        Key::Formats,
        &["tf32", "bf16", "fp16", "fp8", "fp6", "fp4", "int8"],
    ),
    flag(Key::TransformerEngine, true),
    flag(Key::Sparsity, true),
    flag(Key::Confidential, true),
    SHARED,
];

/// Formats of RTX Blackwell and Blackwell Ultra: the guide has no FP4 and FP6 for 12.0, and nothing of 10.3 and 12.1.
const NARROW: Fact = words(
    Key::Formats,
    &["tf32", "bf16", "fp16", "fp8", "fp6", "fp4", "int8"],
)
.unverified();

/// That confidential computing is as on the B200 is not written.
const BLACKWELL_ULTRA: &[Fact] = &[
    NARROW,
    flag(Key::TransformerEngine, true),
    flag(Key::Sparsity, true).unverified(),
    flag(Key::Confidential, true).unverified(),
    SHARED,
];

/// Whether one with graphics can compute confidentially differs by model.
const BLACKWELL_GRAPHICS: &[Fact] = &[
    NARROW,
    flag(Key::TransformerEngine, true),
    flag(Key::Sparsity, true),
    SHARED,
];

const BLACKWELL_SPARK: &[Fact] = &[
    NARROW,
    flag(Key::TransformerEngine, true),
    flag(Key::Sparsity, true).unverified(),
    SHARED,
];

/// What NVIDIA publishes of a GPU of this compute capability and marketing name, whose driver tells that much memory.
/// Nothing is known of an architecture that is not in the tables; of a model that is not, or that has other memory than
/// its documents give it, what its architecture has.
pub fn capabilities_of_nvidia(cc: (u32, u32), name: &str, memory: Option<Bytes>) -> Capabilities {
    let mut capabilities = Capabilities::new();
    let is_it = |model: &&Model| model.compute == cc && memory.is_none_or(|told| model.has(told));
    if let Some(model) = model(name).filter(is_it) {
        fill(&mut capabilities, model.facts);
    }
    if let Some(architecture) = architecture(cc) {
        fill(&mut capabilities, architecture.facts);
    }
    capabilities
}

/// The architecture of a compute capability.
pub(in crate::accelerators) fn architecture(cc: (u32, u32)) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|one| one.compute == cc)
}

/// The model that a marketing name is one of: the first whose words all stand in it, and none that it does not know.
pub(in crate::accelerators) fn model(name: &str) -> Option<&'static Model> {
    let split = |one: char| !one.is_ascii_alphanumeric();
    let words: Vec<&str> = name.split(split).filter(|word| !word.is_empty()).collect();
    MODELS.iter().find(|model| model.is_named(&words))
}

impl Model {
    fn is_named(&self, name: &[&str]) -> bool {
        let stands_in =
            |word: &str, list: &[&str]| list.iter().any(|one| one.eq_ignore_ascii_case(word));
        let is_known = |word: &&str| {
            [self.words, self.also, &MAKER]
                .iter()
                .any(|list| stands_in(word, list))
        };
        self.words.iter().all(|word| stands_in(word, name)) && name.iter().all(is_known)
    }

    /// Whether that is the memory that its documents give it; where they give none, any is.
    fn has(&self, told: Bytes) -> bool {
        let sizes = self.facts.iter().filter(|fact| fact.key == Key::MemorySize);
        sizes.filter_map(Fact::count).all(|gibibytes| {
            let nominal = gibibytes.saturating_mul(1 << 30);
            told.0.abs_diff(nominal) <= nominal / MEMORY_TOLERANCE
        })
    }
}
