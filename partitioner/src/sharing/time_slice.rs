//! Time slices of a GPU, which only `nvidia-smi` sets: NVML has no function for them.

use kerf_types::sharing::Interval;

use super::run::Call;
use super::text;
use super::{SharingError, Tools, check_device};

impl Tools {
    /// Sets the time slice of a GPU, reads it back and compares. One that has it already is only asked.
    ///
    /// # Errors
    /// Those of a call, `NotDone`; `Refused` while MIG is on.
    pub fn time_slice_set(&self, gpu: &str, interval: Interval) -> Result<(), SharingError> {
        if self.time_slice(gpu)? == interval {
            return Ok(());
        }
        let number = text::interval_number(interval).to_string();
        self.policy(gpu, &["--set-timeslice", &number])?;
        let found = self.time_slice(gpu)?;
        if found == interval {
            return Ok(());
        }
        Err(SharingError::NotDone {
            what: "time slice",
            device: gpu.to_owned(),
            wanted: interval.to_string(),
            found: found.to_string(),
        })
    }

    fn time_slice(&self, gpu: &str) -> Result<Interval, SharingError> {
        let said = self.policy(gpu, &["--list"])?;
        text::time_slice(&said).map_err(|cause| SharingError::Answer {
            program: self.smi.clone(),
            asked: format!("compute-policy -i {gpu} --list"),
            cause,
        })
    }

    fn policy(&self, gpu: &str, options: &[&str]) -> Result<String, SharingError> {
        check_device(gpu)?;
        let arguments = [&["compute-policy", "-i", gpu], options].concat();
        let call = Call {
            program: &self.smi,
            arguments: &arguments,
            env: self.env.clone(),
            input: "",
            asked: &arguments.join(" "),
            in_driver: Some(&self.stuck),
        };
        self.around(call.asked, || call.run(self.left(self.patience.call)))
    }
}
