//! The error numbers with which a kernel refuses. Owns their values on Linux; the model that returns them knows
//! no system.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A Linux error number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errno(i32);

impl Errno {
    /// Not permitted; amdgpu's answer while a GPU is in reset.
    pub const EPERM: Self = Self(1);
    /// No such file.
    pub const ENOENT: Self = Self(2);
    /// The device does not answer.
    pub const EIO: Self = Self(5);
    /// Not permitted by the mode of the file.
    pub const EACCES: Self = Self(13);
    /// Somebody uses it.
    pub const EBUSY: Self = Self(16);
    /// There is one of that name.
    pub const EEXIST: Self = Self(17);
    /// The device is gone.
    pub const ENODEV: Self = Self(19);
    /// Not a folder.
    pub const ENOTDIR: Self = Self(20);
    /// A folder.
    pub const EISDIR: Self = Self(21);
    /// Not a value that the file takes.
    pub const EINVAL: Self = Self(22);
    /// No room is left.
    pub const ENOSPC: Self = Self(28);
    /// A number beyond what there is.
    pub const ERANGE: Self = Self(34);
    /// Too many links.
    pub const ELOOP: Self = Self(40);

    /// The error with that number, as a fault may ask for.
    #[must_use]
    pub fn from_number(number: i32) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> i32 {
        self.0
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "errno {}", self.0)
    }
}

impl std::error::Error for Errno {}
