//! Units of processors that AI code asks for, by the kernel's words for them.
//!
//! Owns the tables from words of `/proc/cpuinfo` to names of the registry, one for each architecture: `sme` is Secure
//! Memory Encryption among the flags of AMD's x86, and the Scalable Matrix Extension among the features of Arm. The
//! kernel shows a word only when it lets programs use the unit. POWER10's MMA has no word there, so it is never told.
//! Sources: `arch/x86/include/asm/cpufeatures.h` and `Documentation/arch/arm64/elf_hwcaps.rst` of the kernel.

/// The kernel's word and ours.
type Row = (&'static str, &'static str);

/// Those of x86, in the order in which they are told.
const X86: [Row; 27] = [
    ("amx_tile", "amx-tile"),
    ("amx_int8", "amx-int8"),
    ("amx_bf16", "amx-bf16"),
    ("amx_fp16", "amx-fp16"),
    ("amx_complex", "amx-complex"),
    ("avx10", "avx10"),
    ("avx512f", "avx512f"),
    ("avx512cd", "avx512cd"),
    ("avx512bw", "avx512bw"),
    ("avx512dq", "avx512dq"),
    ("avx512vl", "avx512vl"),
    ("avx512ifma", "avx512-ifma"),
    ("avx512vbmi", "avx512-vbmi"),
    ("avx512_vbmi2", "avx512-vbmi2"),
    ("avx512_vnni", "avx512-vnni"),
    ("avx512_bitalg", "avx512-bitalg"),
    ("avx512_vpopcntdq", "avx512-vpopcntdq"),
    ("avx512_vp2intersect", "avx512-vp2intersect"),
    ("avx512_bf16", "avx512-bf16"),
    ("avx512_fp16", "avx512-fp16"),
    ("avx512_4vnniw", "avx512-4vnniw"),
    ("avx512_4fmaps", "avx512-4fmaps"),
    ("avx512er", "avx512-er"),
    ("avx512pf", "avx512-pf"),
    ("avx_vnni", "avx-vnni"),
    ("avx_ifma", "avx-ifma"),
    ("avx2", "avx2"),
];

/// Those of Arm.
const ARM: [Row; 31] = [
    ("asimddp", "asimddp"),
    ("asimdhp", "asimdhp"),
    ("bf16", "bf16"),
    ("i8mm", "i8mm"),
    ("sve", "sve"),
    ("svebf16", "sve-bf16"),
    ("svei8mm", "sve-i8mm"),
    ("svef32mm", "sve-f32mm"),
    ("svef64mm", "sve-f64mm"),
    ("sve2", "sve2"),
    ("sve2p1", "sve2p1"),
    ("sve2p2", "sve2p2"),
    ("sveb16b16", "sve-b16b16"),
    ("sme", "sme"),
    ("smei8i32", "sme-i8i32"),
    ("smef16f32", "sme-f16f32"),
    ("smeb16f32", "sme-b16f32"),
    ("smef32f32", "sme-f32f32"),
    ("smei16i64", "sme-i16i64"),
    ("smef64f64", "sme-f64f64"),
    ("smefa64", "sme-fa64"),
    ("sme2", "sme2"),
    ("sme2p1", "sme2p1"),
    ("smef16f16", "sme-f16f16"),
    ("smeb16b16", "sme-b16b16"),
    ("smef8f16", "sme-f8f16"),
    ("smef8f32", "sme-f8f32"),
    ("f8cvt", "f8cvt"),
    ("f8fma", "f8fma"),
    ("f8dp4", "f8dp4"),
    ("f8dp2", "f8dp2"),
];

/// A line of `/proc/cpuinfo` that names units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// `flags` of x86.
    Flags,
    /// `Features` of Arm.
    Features,
}

impl Line {
    /// The line of that key.
    pub fn of_key(key: &str) -> Option<Self> {
        match key {
            "flags" => Some(Self::Flags),
            "Features" => Some(Self::Features),
            _ => None,
        }
    }

    /// Its rows, and the bit of the first.
    fn rows(self) -> (usize, &'static [Row]) {
        match self {
            Self::Flags => (0, &X86),
            Self::Features => (X86.len(), &ARM),
        }
    }
}

/// A set of units: a bit stands for each row of x86, and behind them for each row of Arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Units(u64);

const _: () = assert!(X86.len() + ARM.len() <= 64, "every unit has a bit");

impl Units {
    /// None.
    pub const NONE: Self = Self(0);

    /// Those that a line of words names.
    pub fn of_line(line: Line, words: &str) -> Self {
        let (first, rows) = line.rows();
        let mut bits = 0;
        for word in words.split_ascii_whitespace() {
            // All of them, and few other words, begin so.
            if !word.starts_with(['a', 's', 'b', 'i', 'f']) {
                continue;
            }
            for (row, (name, _)) in rows.iter().enumerate() {
                if *name == word {
                    bits |= 1 << (first + row);
                }
            }
        }
        Self(bits)
    }

    /// Those that are in both.
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// By their names.
    pub fn names(self) -> Vec<String> {
        let rows = X86.iter().chain(&ARM).enumerate();
        let here = rows.filter(|(bit, _)| self.0 & (1 << bit) != 0);
        here.map(|(_, (_, name))| (*name).to_owned()).collect()
    }
}
