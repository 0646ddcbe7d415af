//! What the NVIDIA kernel driver shows: `/proc/driver/nvidia*`, `/proc/devices`, `/proc/modules`,
//! `/sys/module/nvidia*`. Owns the driver's formats; the capability files that follow the state
//! are the store's.

use super::CreateError;
use super::pci;
use super::tree::Tree;
use crate::model::machine::{Machine, Policy, functions};
use crate::model::processor::Make;
use crate::model::product::Product;
use crate::model::spec::MachineSpec;
use crate::store::{NUMBERED_CIS, NUMBERED_GIS, capability_minor, capability_text};
use crate::{CUDA_VERSION, DRIVER_VERSION};

/// GPUs that the driver's static numbering of capabilities reserves room for.
const NUMBERED_GPUS: u32 = 32;

/// Writes what the driver shows, but for what follows the state.
pub fn write(tree: &Tree, product: &Product, machine: &Machine) -> Result<(), CreateError> {
    write_module(tree)?;
    tree.folder("proc/driver/nvidia/capabilities/mig")?;
    tree.text("proc/driver/nvidia/version", version(machine.spec()))?;
    tree.text("proc/driver/nvidia/params", params(machine))?;
    for (name, minor, mode) in [("config", 1, 0o400), ("monitor", 2, 0o444)] {
        let path = format!("proc/driver/nvidia/capabilities/mig/{name}");
        tree.text(&path, capability_text(minor, mode))?;
        tree.mode(&path, mode)?;
    }
    for gpu in &machine.gpus {
        tree.folder(format!(
            "proc/driver/nvidia/capabilities/gpu{}/mig",
            gpu.minor
        ))?;
        write_gpu(tree, product, machine, gpu.index)?;
    }
    tree.folder("proc/driver/nvidia-caps")?;
    tree.text("proc/driver/nvidia-caps/mig-minors", mig_minors())?;
    tree.text("proc/devices", devices(machine))
}

fn write_module(tree: &Tree) -> Result<(), CreateError> {
    for module in ["nvidia", "nvidia_uvm"] {
        let attributes = [
            ("version", DRIVER_VERSION.to_owned()),
            ("initstate", "live".to_owned()),
            ("refcnt", "1".to_owned()),
        ];
        tree.attributes(format!("sys/module/{module}"), &attributes)?;
    }
    tree.folder("proc")?;
    tree.text("proc/modules", modules(false))
}

/// The module by which network interfaces reach the memory of GPUs.
pub fn write_peer_memory(tree: &Tree) -> Result<(), CreateError> {
    let attributes = [
        ("version", DRIVER_VERSION.to_owned()),
        ("initstate", "live".to_owned()),
        ("refcnt", "0".to_owned()),
    ];
    tree.attributes("sys/module/nvidia_peermem", &attributes)
}

fn modules(drm: bool) -> String {
    let at = "Live 0x0000000000000000";
    let mut text = format!("nvidia_uvm 2146304 0 - {at}\n");
    if drm {
        text.push_str(&format!("nvidia_drm 131072 0 - {at}\n"));
    }
    let users = if drm {
        "2 nvidia_uvm,nvidia_drm"
    } else {
        "1 nvidia_uvm"
    };
    text.push_str(&format!("nvidia 14381056 {users}, {at}\n"));
    text
}

/// Shows what holds the GPUs: the module nvidia_drm, and the run-time folder of the persistence
/// daemon. Its process id is one that no Linux gives, for there is no such process.
pub fn write_holders(tree: &Tree, policy: Policy) -> Result<(), CreateError> {
    const NO_PROCESS: &str = "4194305";
    tree.text("proc/modules", modules(policy.drm_module))?;
    let module = "sys/module/nvidia_drm";
    if policy.drm_module {
        let attributes = [
            ("version", DRIVER_VERSION.to_owned()),
            ("initstate", "live".to_owned()),
            ("refcnt", "0".to_owned()),
        ];
        tree.attributes(module, &attributes)?;
    } else {
        tree.remove(module)?;
    }
    let daemon = "run/nvidia-persistenced";
    if policy.persistence_daemon {
        let files = ["nvidia-persistenced.pid", "socket"];
        let contents = [NO_PROCESS, ""].map(str::to_owned);
        let files: Vec<(&str, String)> = files.into_iter().zip(contents).collect();
        tree.attributes(daemon, &files)
    } else {
        tree.remove(daemon)
    }
}

fn version(spec: Option<&MachineSpec>) -> String {
    let machine = match spec.map(|spec| spec.processor.make) {
        Some(Make::Arm { .. }) => "aarch64",
        _ => "x86_64",
    };
    format!(
        "NVRM version: NVIDIA UNIX Open Kernel Module for {machine}  {DRIVER_VERSION}  Release Build  \
         (simulated, CUDA {}.{})\nGCC version:  gcc version 12.2.0\n",
        CUDA_VERSION / 1_000,
        CUDA_VERSION % 1_000 / 10
    )
}

fn write_gpu(
    tree: &Tree,
    product: &Product,
    machine: &Machine,
    index: u32,
) -> Result<(), CreateError> {
    let invalid = |_| CreateError::UnknownMachine {
        name: machine.name.clone(),
    };
    let (gpu, site) = (
        machine.gpu(index).map_err(invalid)?,
        machine.site(index).map_err(invalid)?,
    );
    let all = machine.spec().map_or(&[][..], functions);
    let text = format!(
        "Model: \t\t {}\nIRQ:   \t\t {}\nGPU UUID: \t GPU-{}\nVideo BIOS: \t {}\n\
         Bus Type: \t PCIe\nDMA Size: \t 52 bits\nDMA Mask: \t 0xfffffffffffff\n\
         Bus Location: \t {}\nDevice Minor: \t {}\nGPU Firmware: \t {DRIVER_VERSION}\n\
         GPU Excluded:\t No\n",
        product.name,
        pci::irq(all, site),
        gpu.uuid,
        product.vbios.to_lowercase(),
        site.bdf,
        gpu.minor,
    );
    let mut files = vec![("information", text)];
    if let Some(node) = machine.spec().and_then(|spec| spec.memory_node(index)) {
        files.push(("numa_status", numa_status(product, index, node)));
    }
    tree.attributes(format!("proc/driver/nvidia/gpus/{}", site.bdf), &files)
}

/// As `nv_procfs_read_numa_status` of the open kernel modules prints it; only a GPU whose memory is a node has the
/// file.
fn numa_status(product: &Product, index: u32, node: u32) -> String {
    let address = 0x4000_0000_0000_u64 + (u64::from(index) << 40);
    format!(
        "Node:      {node}\nStatus:    online\nAddress:   {address:x}\nSize:      {:x}\n",
        product.memory_mib << 20
    )
}

/// The driver's static list: every capability of up to 32 GPUs, present or not.
fn mig_minors() -> String {
    let mut text = String::from("config 1\nmonitor 2\n");
    for gpu in 0..NUMBERED_GPUS {
        for gi in 0..NUMBERED_GIS {
            text.push_str(&format!(
                "gpu{gpu}/gi{gi}/access {}\n",
                capability_minor(gpu, gi, None)
            ));
            for ci in 0..NUMBERED_CIS {
                let minor = capability_minor(gpu, gi, Some(ci));
                text.push_str(&format!("gpu{gpu}/gi{gi}/ci{ci}/access {minor}\n"));
            }
        }
    }
    text
}

/// The driver makes no channel's node by itself. On machines outside of racks it stands for one that was loaded with
/// `NVreg_ImexChannelCount=0`.
fn params(machine: &Machine) -> String {
    let mut text = "ModifyDeviceFiles: 1\nDeviceFileMode: 438\n".to_owned();
    if has_channels(machine) {
        text.push_str("ImexChannelCount: 2048\nCreateImexChannel0: 0\n");
    }
    text
}

fn has_channels(machine: &Machine) -> bool {
    machine.nodes.imex > 0 && machine.spec().is_some_and(MachineSpec::is_in_rack)
}

/// `/proc/devices` with the names that driver 590 registers and the majors that are really used.
fn devices(machine: &Machine) -> String {
    let nodes = machine.nodes;
    let channels = match has_channels(machine) {
        true => format!("{} nvidia-caps-imex-channels\n", nodes.imex),
        false => String::new(),
    };
    format!(
        "Character devices:\n  1 mem\n  5 /dev/tty\n{0} nvidia\n{0} nvidiactl\n{1} nvidia-uvm\n\
         {2} nvidia-caps\n{channels}\nBlock devices:\n  7 loop\n",
        nodes.frontend, nodes.uvm, nodes.caps
    )
}
