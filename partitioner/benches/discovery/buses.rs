//! The buses of a server of two sockets, as a kernel shows them: 137 PCI functions, of which eight GPUs, eight
//! InfiniBand cards and eight NVMe disks hang below four switches a socket, and the devices of the classes.
//!
//! Owns what lies under `/sys/bus/pci`, `/sys/devices/pci*` and `/sys/class` of the tree; knows nothing of CPUs.

use std::io;

use crate::tree::Tree;

/// PCI functions of the server.
pub const FUNCTIONS: usize = 137;
/// Functions inside the root complexes, which have no link.
const INSIDE: usize = FUNCTIONS - 8 * 8;
/// Interfaces of containers, which a reader has to pass over.
const VIRTUAL: usize = 64;

/// What a function is.
struct Function<'a> {
    folder: &'a str,
    class: u32,
    ids: (u16, u16),
    driver: &'a str,
    node: usize,
    is_inside: bool,
}

/// Writes it all under a root.
pub fn write(tree: &Tree) -> io::Result<()> {
    for at in 0..INSIDE {
        let node = at % 2;
        let (bus, device, function) = (node * 0xf0, at / 2 / 8, at / 2 % 8);
        let name = format!("0000:{bus:02x}:{device:02x}.{function}");
        let function = Function {
            folder: &format!("sys/devices/pci0000:{bus:02x}/{name}"),
            class: 0x08_8000,
            ids: (0x8086, 0x09a2),
            driver: "",
            node,
            is_inside: true,
        };
        function.write(tree)?;
    }
    for at in 0..8 {
        behind_a_switch(tree, at)?;
    }
    for at in 0..VIRTUAL {
        let folder = format!("sys/devices/virtual/net/veth{at}");
        tree.file(&format!("{folder}/type"), "1")?;
        tree.link(&format!("sys/class/net/veth{at}"), &folder)?;
    }
    Ok(())
}

/// A root port, a switch of three ports, and a GPU, a card and a disk below them.
fn behind_a_switch(tree: &Tree, at: usize) -> io::Result<()> {
    let first = 0x10 + at * 0x10;
    let bus = |below: usize| first + below;
    let top = format!(
        "sys/devices/pci0000:{:02x}/0000:{:02x}:01.0",
        bus(0),
        bus(0)
    );
    let up = format!("{top}/0000:{:02x}:00.0", bus(1));
    let write = |folder: &str, class, ids, driver| {
        let function = Function {
            folder,
            class,
            ids,
            driver,
            node: at / 2,
            is_inside: false,
        };
        function.write(tree)
    };
    write(&top, 0x06_0400, (0x8086, 0x352a), "pcieport")?;
    write(&up, 0x06_0400, (0x1000, 0xc030), "pcieport")?;
    let kinds = [
        (0x03_0200, (0x10de, 0x2330), "nvidia"),
        (0x02_0700, (0x15b3, 0x1021), "mlx5_core"),
        (0x01_0802, (0x144d, 0xa824), "nvme"),
    ];
    for (port, (class, ids, driver)) in kinds.into_iter().enumerate() {
        let down = format!("{up}/0000:{:02x}:{port:02x}.0", bus(2));
        write(&down, 0x06_0400, (0x1000, 0xc030), "pcieport")?;
        let device = format!("{down}/0000:{:02x}:00.0", bus(3 + port));
        write(&device, class, ids, driver)?;
        match port {
            0 => gpu(tree, &device, at)?,
            1 => card(tree, &device, at)?,
            _ => disk(tree, &device, at)?,
        }
    }
    Ok(())
}

fn gpu(tree: &Tree, device: &str, at: usize) -> io::Result<()> {
    for name in [format!("card{at}"), format!("renderD{}", 128 + at)] {
        let folder = format!("{device}/drm/{name}");
        tree.file(&format!("{folder}/dev"), "226:0")?;
        tree.link(&format!("sys/class/drm/{name}"), &folder)?;
    }
    Ok(())
}

fn card(tree: &Tree, device: &str, at: usize) -> io::Result<()> {
    let folder = format!("{device}/infiniband/mlx5_{at}");
    for (file, content) in [
        ("link_layer", "InfiniBand"),
        ("state", "4: ACTIVE"),
        ("rate", "400 Gb/sec (4X NDR)"),
        ("lid", "0x11"),
    ] {
        tree.file(&format!("{folder}/ports/1/{file}"), content)?;
    }
    tree.link(&format!("sys/class/infiniband/mlx5_{at}"), &folder)?;
    let folder = format!("{device}/net/ib{at}");
    tree.file(&format!("{folder}/type"), "32")?;
    tree.link(&format!("sys/class/net/ib{at}"), &folder)?;
    Ok(())
}

fn disk(tree: &Tree, device: &str, at: usize) -> io::Result<()> {
    let folder = format!("{device}/nvme/nvme{at}");
    for (file, content) in [
        ("model", "SAMSUNG MZQL23T8HCLS-00A07"),
        ("serial", "S64HNE0R000000"),
        ("firmware_rev", "GDC5602Q"),
        ("state", "live"),
        ("transport", "pcie"),
    ] {
        tree.file(&format!("{folder}/{file}"), content)?;
    }
    tree.link(&format!("sys/class/nvme/nvme{at}"), &folder)?;
    let name = format!("nvme{at}n1");
    tree.file(&format!("{folder}/{name}/size"), "7501476528")?;
    tree.link(
        &format!("sys/class/block/{name}"),
        &format!("{folder}/{name}"),
    )?;
    let part = format!("{folder}/{name}/{name}p1");
    tree.file(&format!("{part}/partition"), "1")?;
    tree.link(&format!("sys/class/block/{name}p1"), &part)?;
    Ok(())
}

impl Function<'_> {
    fn write(&self, tree: &Tree) -> io::Result<()> {
        let (vendor, device) = self.ids;
        let name = self.folder.rsplit('/').next().unwrap_or_default();
        let driver = match self.driver {
            "" => String::new(),
            driver => format!("DRIVER={driver}\n"),
        };
        let uevent = format!(
            "{driver}PCI_CLASS={:X}\nPCI_ID={vendor:04X}:{device:04X}\nPCI_SUBSYS_ID={vendor:04X}:0001\n\
             PCI_SLOT_NAME={name}\nMODALIAS=pci:v0000{vendor:04X}d0000{device:04X}\n",
            self.class
        );
        let (first, last) = (self.node * 32, self.node * 32 + 31);
        let mut files = vec![
            ("uevent", uevent),
            ("class", format!("{:#08x}", self.class)),
            ("vendor", format!("{vendor:#06x}")),
            ("device", format!("{device:#06x}")),
            ("numa_node", self.node.to_string()),
            ("local_cpulist", format!("{first}-{last}")),
        ];
        if !self.is_inside {
            for (speed, width) in [
                ("current_link_speed", "current_link_width"),
                ("max_link_speed", "max_link_width"),
            ] {
                files.push((speed, "32.0 GT/s PCIe".to_owned()));
                files.push((width, "16".to_owned()));
            }
        }
        if !self.is_inside && self.class != 0x06_0400 {
            files.push(("sriov_totalvfs", "16".to_owned()));
            files.push(("sriov_numvfs", "0".to_owned()));
        }
        for (file, content) in files {
            tree.file(&format!("{}/{file}", self.folder), &content)?;
        }
        tree.bytes(&format!("{}/config", self.folder), &self.config())?;
        tree.link(
            &format!("{}/iommu_group", self.folder),
            "sys/kernel/iommu_groups/7",
        )?;
        tree.link(&format!("sys/bus/pci/devices/{name}"), self.folder)?;
        Ok(())
    }

    /// Ids, and of a function with a link six extended capabilities, access control the last.
    fn config(&self) -> Vec<u8> {
        let mut bytes = vec![0; if self.is_inside { 256 } else { 4096 }];
        for at in 0..if self.is_inside { 0 } else { 6 } {
            let offset = 0x100 + at * 0x40;
            let (id, next) = if at == 5 {
                (0x000d, 0)
            } else {
                (0x0001, offset + 0x40)
            };
            let header = u32::try_from(next << 20 | 1 << 16 | id).expect("it fits");
            bytes[offset..offset + 4].copy_from_slice(&header.to_le_bytes());
        }
        bytes
    }
}
