//! What the driver of a vGPU host does with the values that are written into its files.

use super::{Device, Framework, Function, Gpu, Late, TOTAL_FUNCTIONS, Vgpu, VgpuType};
use crate::kernel::errno::Errno;

/// Longest text of plugin parameters: an attribute has a page.
const PARAMS_LIMIT: usize = 4_096;

/// A file that takes values, as its path names it.
enum Target<'a> {
    /// `sriov_numvfs` of a GPU.
    Sriov(usize),
    /// A file in a function's `nvidia`.
    Function(usize, usize, &'a str),
    /// `create` of a type of a function.
    Create(usize, usize, u32),
    /// A file of a mediated device.
    Mdev(usize, usize, &'a str, &'a str),
}

impl Vgpu {
    /// Gives a value to a file; `None` where the file is none of the driver's that take values.
    pub fn write(&mut self, path: &str, value: &[u8], delay: u32) -> Option<Result<(), Errno>> {
        let text = std::str::from_utf8(value).unwrap_or("\u{fffd}").trim();
        let target = self.target(path)?;
        if delay > 0 {
            let answer = self.clone().write(path, value, 0);
            if answer == Some(Ok(())) {
                self.late.push(Late {
                    looks: delay,
                    path: path.to_owned(),
                    value: value.to_owned(),
                });
            }
            return answer;
        }
        Some(match target {
            Target::Sriov(gpu) => self.set_functions(gpu, text),
            Target::Function(gpu, nth, "current_vgpu_type") => self.set_type(gpu, nth, text),
            Target::Function(gpu, nth, "placement_id") => self.set_place(gpu, nth, text),
            Target::Function(gpu, nth, name) => self.set_other(gpu, nth, name, text),
            Target::Create(gpu, nth, kind) => self.create_mdev(gpu, nth, kind, text),
            Target::Mdev(gpu, nth, uuid, name) => self.write_mdev((gpu, nth), uuid, name, text),
        })
    }

    fn target<'p>(&self, path: &'p str) -> Option<Target<'p>> {
        for (at, gpu) in self.gpus.iter().enumerate() {
            let own = path.strip_prefix(gpu.folder.as_str());
            if own == Some("/sriov_numvfs") && self.framework != Framework::MdevOnGpu {
                return Some(Target::Sriov(at));
            }
            for nth in 0..gpu.functions.len() {
                let folder = self.function_folder(gpu, nth);
                let Some(rest) = path.strip_prefix(folder.as_str()) else {
                    continue;
                };
                let parts: Vec<&str> = rest.trim_start_matches('/').split('/').collect();
                return match parts.as_slice() {
                    ["nvidia", name] => Some(Target::Function(at, nth, name)),
                    ["mdev_supported_types", kind, "create"] => {
                        let kind = kind.strip_prefix("nvidia-")?.parse().ok()?;
                        Some(Target::Create(at, nth, kind))
                    }
                    [uuid, "remove"] => Some(Target::Mdev(at, nth, uuid, "remove")),
                    [uuid, "nvidia", name] => Some(Target::Mdev(at, nth, uuid, name)),
                    _ => None,
                };
            }
        }
        None
    }

    /// SR-IOV on and off. Off ends with the GPU's MIG layout wiped, as Harvester found.
    fn set_functions(&mut self, at: usize, text: &str) -> Result<(), Errno> {
        let wanted: u32 = text.parse().map_err(|_| Errno::EINVAL)?;
        if wanted > TOTAL_FUNCTIONS {
            return Err(Errno::ERANGE);
        }
        let gpu = self.gpus.get_mut(at).ok_or(Errno::ENOENT)?;
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let now = gpu.functions.len();
        if wanted == now {
            return Ok(());
        }
        // The kernel takes a new number only after 0; the driver is unbound meanwhile, so nobody may use it.
        if wanted > 0 && now > 0 || gpu.mig.busy || gpu.vgpus().next().is_some() {
            return Err(Errno::EBUSY);
        }
        gpu.functions = vec![Function::default(); wanted];
        if wanted == 0 {
            gpu.mig.instances.clear();
            self.wiped.push(u32::try_from(at).unwrap_or(u32::MAX));
        }
        Ok(())
    }

    fn set_type(&mut self, at: usize, nth: usize, text: &str) -> Result<(), Errno> {
        let wanted: u32 = text.parse().map_err(|_| Errno::EINVAL)?;
        let types = self.types();
        let (gpu, function) = self.place(at, nth)?;
        let Some(device) = function.vgpus.first() else {
            if wanted == 0 {
                return Ok(());
            }
            let kind = types.iter().find(|kind| kind.id == wanted);
            let device = make(gpu, function, kind.ok_or(Errno::EINVAL)?, None)?;
            return self.put(at, nth, device);
        };
        if wanted != 0 {
            return Err(Errno::EBUSY);
        }
        may_go(device)?;
        self.clear(at, nth, None)
    }

    /// Only a GPU on which sizes are mixed is told places, and only before the vGPU is made.
    fn set_place(&mut self, at: usize, nth: usize, text: &str) -> Result<(), Errno> {
        let wanted: u32 = text.parse().map_err(|_| Errno::EINVAL)?;
        let (gpu, function) = self.place(at, nth)?;
        if !gpu.heterogeneous || wanted >= super::UNITS {
            return Err(Errno::EINVAL);
        }
        if !function.vgpus.is_empty() {
            return Err(Errno::EBUSY);
        }
        self.function_mut(at, nth)?.wanted_place = Some(wanted);
        Ok(())
    }

    fn set_other(&mut self, at: usize, nth: usize, name: &str, text: &str) -> Result<(), Errno> {
        let function = self.function_mut(at, nth)?;
        match (name, text, function.vgpus.first_mut()) {
            ("warm_update", "0" | "1", _) => function.warm_update = text == "1",
            ("vgpu_params", _, Some(device)) if text.len() <= PARAMS_LIMIT => {
                text.clone_into(&mut device.params);
            }
            // The GPU instance follows from the type [derived: nobody was seen to write it].
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    }

    fn create_mdev(&mut self, at: usize, nth: usize, kind: u32, text: &str) -> Result<(), Errno> {
        let uuid = uuid::Uuid::parse_str(text).map_err(|_| Errno::EINVAL)?;
        let uuid = uuid.hyphenated().to_string();
        if self
            .devices()
            .any(|device| device.uuid.as_deref() == Some(&uuid))
        {
            return Err(Errno::EEXIST);
        }
        let types = self.types();
        let many = self.framework == Framework::MdevOnGpu;
        let (gpu, function) = self.place(at, nth)?;
        let kind = types.iter().find(|known| known.id == kind);
        if !many && !function.vgpus.is_empty() {
            return Err(Errno::ENOSPC);
        }
        let device = make(gpu, function, kind.ok_or(Errno::ENOENT)?, Some(uuid));
        let device = device.map_err(|errno| match errno {
            Errno::EINVAL => Errno::ENOSPC,
            errno => errno,
        })?;
        self.put(at, nth, device)
    }

    fn write_mdev(
        &mut self,
        (at, nth): (usize, usize),
        uuid: &str,
        name: &str,
        text: &str,
    ) -> Result<(), Errno> {
        let mut devices = self.function_mut(at, nth)?.vgpus.iter_mut();
        let device = devices.find(|device| device.uuid.as_deref() == Some(uuid));
        let device = device.ok_or(Errno::ENOENT)?;
        match name {
            "remove" if text == "1" => {
                if device.vm.is_some() {
                    return Err(Errno::EBUSY);
                }
                self.clear(at, nth, Some(uuid))
            }
            "vgpu_params" if text.len() <= PARAMS_LIMIT => {
                text.clone_into(&mut device.params);
                Ok(())
            }
            _ => Err(Errno::EINVAL),
        }
    }

    fn place(&self, at: usize, nth: usize) -> Result<(&Gpu, &Function), Errno> {
        let gpu = self.gpus.get(at).ok_or(Errno::ENOENT)?;
        Ok((gpu, gpu.functions.get(nth).ok_or(Errno::ENOENT)?))
    }

    fn function_mut(&mut self, at: usize, nth: usize) -> Result<&mut Function, Errno> {
        let gpu = self.gpus.get_mut(at).ok_or(Errno::ENOENT)?;
        gpu.functions.get_mut(nth).ok_or(Errno::ENOENT)
    }

    fn put(&mut self, at: usize, nth: usize, device: Device) -> Result<(), Errno> {
        let function = self.function_mut(at, nth)?;
        function.vgpus.push(device);
        function.wanted_place = None;
        Ok(())
    }

    fn clear(&mut self, at: usize, nth: usize, uuid: Option<&str>) -> Result<(), Errno> {
        let function = self.function_mut(at, nth)?;
        function
            .vgpus
            .retain(|device| device.uuid.as_deref() != uuid);
        Ok(())
    }
}

/// A vGPU of that type where one can be, EINVAL where none can.
fn make(
    gpu: &Gpu,
    function: &Function,
    kind: &VgpuType,
    uuid: Option<String>,
) -> Result<Device, Errno> {
    if gpu.room(kind) == 0 {
        return Err(Errno::EINVAL);
    }
    let (gi, place) = match kind.gi_profile {
        Some(_) => (gpu.free_instances(kind).next(), Some(0)),
        None => {
            let mut free = gpu.free_places(kind);
            let wanted = function.wanted_place;
            let place = free.find(|start| wanted.is_none_or(|wanted| wanted == *start));
            (None, place)
        }
    };
    Ok(Device {
        uuid,
        type_id: kind.id,
        gi,
        place: place.ok_or(Errno::EINVAL)?,
        units: kind.units,
        params: String::new(),
        vm: None,
    })
}

fn may_go(device: &Device) -> Result<(), Errno> {
    match &device.vm {
        Some(vm) => Err(Errno::from_number(vm.errno)),
        None => Ok(()),
    }
}
