//! What processors are called and can do.

use super::Files;

/// A thread's block of `/proc/cpuinfo` on x86.
fn x86(cpu: u32, flags: &str) -> String {
    format!(
        "processor\t: {cpu}\nmodel name\t: Some Processor \nflags\t\t: {flags}\npower management:\n"
    )
}

fn threads(count: u32) -> Files {
    let add = |files: Files, cpu: u32| files.thread(cpu, &[("core_id", "0")]);
    (0..count).fold(Files::default(), add)
}

#[test]
fn units_are_those_that_every_thread_has_that_is_online() {
    let all = "fpu lm avx2 avx512f avx512_fp16 amx_tile amx_bf16 amx_int8 avx_vnni avx512fx";
    let info = [
        x86(0, all),
        x86(1, all),
        x86(2, "fpu lm avx2 amx_tile avx512f amx_bf16"),
        // This one is offline.
        x86(3, "fpu"),
    ];
    let cpus = threads(4)
        .with("online", "0-2")
        .with("/proc/cpuinfo", &info.join("\n"))
        .clean();
    assert_eq!(cpus.units, ["amx-tile", "amx-bf16", "avx512f", "avx2"]);
    assert_eq!(cpus.model.as_deref(), Some("Some Processor"));
    assert_eq!(cpus.architecture.as_deref(), Some("x86_64"));
}

#[test]
fn a_text_that_was_cut_claims_no_unit() {
    let info = x86(0, "lm avx2");
    let (cpus, odd) = threads(2).with("/proc/cpuinfo", &info).read();
    assert_eq!(cpus.units, [""; 0]);
    assert_eq!(
        odd,
        ["/proc/cpuinfo: tells the units of 1 of 2 threads: none is known to be in all"]
    );
    assert_eq!(cpus.model.as_deref(), Some("Some Processor"));
}

#[test]
fn arm_has_features_and_a_register() {
    let block = |cpu: u32, features: &str| {
        format!("processor\t: {cpu}\nFeatures\t: {features}\nCPU part\t: 0xd4f\n")
    };
    let info = block(0, "fp asimd sve sve2 i8mm bf16 svei8mm")
        + "\n"
        + &block(1, "asimd sve i8mm bf16 sve2");
    let files = threads(2).with("/proc/cpuinfo", &info);
    let register = "cpu0/regs/identification/midr_el1";
    let cpus = files.with(register, "0x00000000410fd4f0").clean();
    assert_eq!(cpus.units, ["bf16", "i8mm", "sve", "sve2"]);
    assert_eq!(cpus.architecture.as_deref(), Some("aarch64"));
    assert_eq!(cpus.model.as_deref(), Some("Arm Neoverse-V2"));
    let unknown = threads(1).with(register, "0x00000000410ffff0").clean();
    assert_eq!(unknown.model, None);
    let (none, odd) = threads(1).with(register, "410fd4f0").read();
    assert_eq!((none.model, odd.len()), (None, 1));
}

/// One word, two units: Secure Memory Encryption of an EPYC is no matrix extension, and Arm has no AVX.
#[test]
fn a_word_counts_on_its_own_architecture_alone() {
    let epyc = "lm avx2 avx512f avx512_bf16 sme sev sev_es sev_snp bf16 i8mm sve";
    let cpus = threads(1).with("/proc/cpuinfo", &x86(0, epyc)).clean();
    assert_eq!(cpus.units, ["avx512f", "avx512-bf16", "avx2"]);
    let arm = "processor\t: 0\nFeatures\t: fp asimd sve2 sme sme2 avx2 amx_tile\n";
    let cpus = threads(1).with("/proc/cpuinfo", arm).clean();
    assert_eq!(cpus.units, ["sve2", "sme", "sme2"]);
    // The same words under both keys are read anew.
    let both = x86(0, "lm sme") + "\nprocessor\t: 1\nFeatures\t: lm sme\n";
    let cpus = threads(2).with("/proc/cpuinfo", &both).clean();
    assert_eq!(cpus.units, [""; 0]);
}

#[test]
fn power_has_a_name_and_its_kernel_the_byte_order() {
    let info =
        "processor\t: 0\ncpu\t\t: POWER10 (architected), altivec supported\nclock\t\t: 3450MHz\n";
    let files = threads(1).with("/proc/cpuinfo", info);
    let cpus = files.clean();
    assert_eq!(cpus.architecture, None);
    assert_eq!(
        cpus.model.as_deref(),
        Some("POWER10 (architected), altivec supported")
    );
    assert_eq!(cpus.units, [""; 0]);
    let cpus = files.with("/proc/sys/kernel/arch", "ppc64le").clean();
    assert_eq!(cpus.architecture.as_deref(), Some("ppc64le"));
}

#[test]
fn what_the_kernel_has_enabled_is_confidential() {
    let module = |name: &str| format!("/sys/module/{name}");
    let of = |parameters: &[(&str, &str)]| {
        let info = x86(0, "lm sev sev_es sev_snp tdx_guest");
        let files = threads(1).with("/proc/cpuinfo", &info);
        let add = |files: Files, (name, text): &(&str, &str)| files.with(&module(name), text);
        parameters.iter().fold(files, add).read()
    };
    let amd = |words: [&'static str; 3]| {
        ["sev", "sev_es", "sev_snp"]
            .map(|name| format!("kvm_amd/parameters/{name}"))
            .into_iter()
            .zip(words)
            .collect::<Vec<_>>()
    };
    let read = |words| {
        let parameters = amd(words);
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, text)| (name.as_str(), *text))
            .collect();
        of(&parameters)
    };
    assert_eq!(of(&[]).0.confidential, [""; 0], "flags alone claim nothing");
    assert_eq!(read(["Y", "1", "N"]).0.confidential, ["sev", "sev-es"]);
    assert_eq!(
        read(["Y", "Y", "Y"]).0.confidential,
        ["sev", "sev-es", "sev-snp"]
    );
    let (cpus, odd) = read(["N", "0", "maybe"]);
    assert_eq!((cpus.confidential.len(), odd.len()), (0, 1));
    assert_eq!(
        of(&[("kvm_intel/parameters/tdx", "Y")]).0.confidential,
        ["tdx"]
    );
}
