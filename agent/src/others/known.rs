//! What is known of others: by what they are seen, and what they mean beside kerf. Names of programs, units and sockets are
//! those of the projects' own images and packages (k8s-device-plugin, mig-parted, dra-driver-nvidia-gpu, dcgm-exporter,
//! ROCm's k8s-device-plugin and device-config-manager, intel-device-plugins-for-kubernetes).

use kerf_api::json::Severity;

use super::Maker;

/// One of them.
#[derive(Debug)]
pub(super) struct Known {
    /// Its name, as people know it.
    pub name: &'static str,
    /// Names of its programs.
    pub programs: &'static [&'static str],
    /// Units that do its work at each boot, where they are enabled; there need be no process.
    pub units: &'static [&'static str],
    /// How the names of its sockets in kubelet's folders begin.
    pub sockets: &'static [&'static str],
    /// Whose GPUs it cuts while its program runs or its unit is enabled.
    pub cuts: Option<Maker>,
    /// Whether it does so only with a MIG strategy other than none.
    pub cuts_by_strategy: bool,
    /// How bad it is beside kerf.
    pub severity: Severity,
    /// What it means.
    pub why: &'static str,
    /// What to do.
    pub hint: &'static str,
}

/// What two who cut, or hand out, the same GPUs are told.
const MOVE: &str = "see /usr/share/doc/kerf/migration.md: stop it, or leave the GPUs to it with partition.owner = \"others\"";

/// All of them.
pub(super) const KNOWN: [Known; 10] = [
    Known {
        name: "nvidia-mig-manager",
        programs: &["nvidia-mig-manager", "mig-manager"],
        units: &["nvidia-mig-manager.service"],
        sockets: &[],
        cuts: Some(Maker::Nvidia),
        cuts_by_strategy: false,
        severity: Severity::Warning,
        why: "it cuts the GPUs as a label or a file says, whatever kerf has cut or leased",
        hint: MOVE,
    },
    Known {
        name: "nvidia-device-plugin",
        programs: &["nvidia-device-plugin"],
        units: &[],
        sockets: &["nvidia-gpu.sock", "nvidia-mig-", "nvidia.sock"],
        cuts: Some(Maker::Nvidia),
        cuts_by_strategy: true,
        severity: Severity::Warning,
        why: "it gives GPUs and slices to pods and knows of no lease of kerf's",
        hint: MOVE,
    },
    Known {
        name: "NVIDIA's DRA driver",
        programs: &["gpu-kubelet-plugin"],
        units: &[],
        sockets: &["gpu.nvidia.com", "compute-domain.nvidia.com"],
        cuts: Some(Maker::Nvidia),
        cuts_by_strategy: false,
        severity: Severity::Warning,
        why: "it gives GPUs and slices to pods, may cut them, and knows of no lease of kerf's",
        hint: MOVE,
    },
    Known {
        name: "AMD's device-config-manager",
        programs: &["device-config-manager"],
        units: &[],
        sockets: &[],
        cuts: Some(Maker::Amd),
        cuts_by_strategy: false,
        severity: Severity::Warning,
        why: "it sets the compute and memory modes of AMD GPUs",
        hint: MOVE,
    },
    Known {
        name: "AMD's device plugin",
        programs: &["k8s-device-plugin", "amdgpu-device-plugin"],
        units: &[],
        sockets: &["amd.com_gpu", "gpu.amd.com"],
        cuts: None,
        cuts_by_strategy: false,
        severity: Severity::Warning,
        why: "it gives AMD GPUs to pods and knows of no lease of kerf's",
        hint: MOVE,
    },
    Known {
        name: "Intel's device plugin",
        programs: &[
            "intel_gpu_device_plugin",
            "gpu_plugin",
            "kubelet-gpu-plugin",
        ],
        units: &[],
        sockets: &["gpu.intel.com", "gaudi.intel.com"],
        cuts: None,
        cuts_by_strategy: false,
        severity: Severity::Warning,
        why: "it gives Intel's devices to pods and knows of no lease of kerf's",
        hint: MOVE,
    },
    Known {
        name: "dcgm-exporter",
        programs: &["dcgm-exporter"],
        units: &[],
        sockets: &[],
        cuts: None,
        cuts_by_strategy: false,
        severity: Severity::Note,
        why: "it reads what kerf reads too, and holds the driver open",
        hint: "let Prometheus read kerf's /metrics, and stop it then",
    },
    Known {
        name: "nv-hostengine",
        programs: &["nv-hostengine"],
        units: &[],
        sockets: &[],
        cuts: None,
        cuts_by_strategy: false,
        severity: Severity::Note,
        why: "DCGM holds the driver open, which stands in the way of a change of MIG mode",
        hint: "stop it for the time of such a change: systemctl stop nvidia-dcgm",
    },
    Known {
        name: "nvidia-persistenced",
        programs: &["nvidia-persistenced"],
        units: &[],
        sockets: &[],
        cuts: None,
        cuts_by_strategy: false,
        severity: Severity::Note,
        why: "it keeps the driver loaded, and on some GPUs stands in the way of a change of MIG mode",
        hint: "keep it; stop it for the time of such a change",
    },
    Known {
        name: "nvidia-fabricmanager",
        programs: &["nv-fabricmanager"],
        units: &[],
        sockets: &[],
        cuts: None,
        cuts_by_strategy: false,
        severity: Severity::Note,
        why: "it joins the GPUs behind NVSwitches; kerf reads what it has joined",
        hint: "keep it",
    },
];
