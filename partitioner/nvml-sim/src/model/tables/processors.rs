//! The processors of the machines, as data. Signatures, caches and flags are those of the families' models as Linux
//! prints them; which model of a family a machine has is told nowhere, so its core count need not be that of the name.

use super::super::processor::{Make, Processor};

macro_rules! x86_flags {
    ($($more:literal)*) => {
        concat!(
            "fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush mmx fxsr sse sse2 ht \
             syscall nx pdpe1gb rdtscp lm constant_tsc rep_good nopl nonstop_tsc cpuid pni pclmulqdq ssse3 fma cx16 \
             sse4_1 sse4_2 x2apic movbe popcnt aes xsave avx f16c rdrand lahf_lm abm 3dnowprefetch fsgsbase bmi1 avx2 \
             smep bmi2 erms invpcid rdseed adx smap clflushopt clwb sha_ni xsaveopt xsavec xgetbv1",
            $(" ", $more),*
        )
    };
}

/// What is in every x86 model with AVX-512 here.
macro_rules! avx512_flags {
    ($($more:literal)*) => {
        x86_flags!("avx512f avx512dq avx512cd avx512bw avx512vl avx512_vnni" $($more)*)
    };
}

/// AMD EPYC 9004, eight CCDs of six cores.
pub static EPYC_9004: Processor = Processor {
    name: "AMD EPYC 9454 48-Core Processor",
    make: Make::X86 {
        vendor: "AuthenticAMD",
        signature: (25, 17, 1),
        flags: avx512_flags!(
            "avx512ifma avx512vbmi avx512_vbmi2 gfni vaes vpclmulqdq avx512_bitalg avx512_vpopcntdq avx512_bf16 \
             sme sev sev_es sev_snp"
        ),
    },
    threads_per_core: 2,
    mhz: 3_811,
    l1d_kib: 32,
    l1i_kib: 32,
    l2_kib: 1_024,
    l3_kib: 32_768,
    l3_cores: 6,
};

/// AMD EPYC 7003, CCDs of eight cores.
pub static EPYC_7003: Processor = RECORD_7003;

const RECORD_7003: Processor = Processor {
    name: "AMD EPYC 7763 64-Core Processor",
    make: Make::X86 {
        vendor: "AuthenticAMD",
        signature: (25, 1, 1),
        flags: x86_flags!("vaes vpclmulqdq sme sev sev_es"),
    },
    threads_per_core: 2,
    mhz: 3_529,
    l1d_kib: 32,
    l1i_kib: 32,
    l2_kib: 512,
    l3_kib: 32_768,
    l3_cores: 8,
};

/// AMD EPYC 7A53, the processor of the machines that MI250X were built for.
pub static EPYC_7A53: Processor = Processor {
    name: "AMD EPYC 7A53 64-Core Processor",
    make: Make::X86 {
        vendor: "AuthenticAMD",
        signature: (25, 48, 1),
        flags: x86_flags!("vaes vpclmulqdq sme sev sev_es"),
    },
    ..RECORD_7003
};

/// A guest of Google on EPYC 7003, seven cores to a CCD.
pub static EPYC_7B13: Processor = Processor {
    name: "AMD EPYC 7B13",
    make: Make::X86 {
        vendor: "AuthenticAMD",
        signature: (25, 1, 0),
        flags: x86_flags!("hypervisor vaes vpclmulqdq"),
    },
    mhz: 2_449,
    l3_cores: 7,
    ..RECORD_7003
};

/// Intel's fourth generation of Xeon Scalable, with AMX.
pub static XEON_4: Processor = Processor {
    name: "Intel(R) Xeon(R) Platinum 8480C",
    make: Make::X86 {
        vendor: "GenuineIntel",
        signature: (6, 143, 8),
        flags: avx512_flags!(
            "avx_vnni avx512_bf16 avx512ifma avx512vbmi avx512_vbmi2 gfni vaes vpclmulqdq avx512_bitalg \
             avx512_vpopcntdq amx_bf16 avx512_fp16 amx_tile amx_int8"
        ),
    },
    threads_per_core: 2,
    mhz: 3_800,
    l1d_kib: 48,
    l1i_kib: 32,
    l2_kib: 2_048,
    l3_kib: 107_520,
    l3_cores: 56,
};

/// Intel's second generation of Xeon Scalable.
pub static XEON_2: Processor = Processor {
    name: "Intel(R) Xeon(R) Platinum 8275CL CPU @ 3.00GHz",
    make: Make::X86 {
        vendor: "GenuineIntel",
        signature: (6, 85, 7),
        flags: avx512_flags!(),
    },
    threads_per_core: 2,
    mhz: 3_900,
    l1d_kib: 32,
    l1i_kib: 32,
    l2_kib: 1_024,
    l3_kib: 36_608,
    l3_cores: 56,
};

/// NVIDIA Grace: 72 Neoverse V2 cores of one thread.
pub static GRACE: Processor = Processor {
    name: "NVIDIA Grace",
    make: Make::Arm {
        part: (0x41, 0xd4f),
        features: "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc \
                   dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb paca pacg dcpodp \
                   sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svebf16 i8mm bf16 dgh",
    },
    threads_per_core: 1,
    mhz: 3_447,
    l1d_kib: 64,
    l1i_kib: 64,
    l2_kib: 1_024,
    l3_kib: 116_736,
    l3_cores: 72,
};
