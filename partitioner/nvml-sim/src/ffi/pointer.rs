//! The caller's memory: typed pointers that the exported functions take as arguments. Owns every
//! dereference of them. What NVML's contract asks of the caller is the proof for each: a pointer
//! is null, or valid and aligned for what it points to until the call returns.

use std::ffi::{CStr, c_char};

use crate::model::status::Status;

/// A place for one result.
#[repr(transparent)]
pub struct Out<T>(*mut T);

impl<T> Out<T> {
    /// Writes the result.
    pub fn put(&self, value: T) -> Result<(), Status> {
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, so valid for a write of `T` by NVML's contract with the caller.
        unsafe { self.0.write(value) };
        Ok(())
    }
}

/// A value that the caller sets and the function may change.
#[repr(transparent)]
pub struct InOut<T>(*mut T);

impl<T: Copy> InOut<T> {
    /// The caller's value.
    pub fn get(&self) -> Result<T, Status> {
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, so valid for a read of an initialised `T` by NVML's contract.
        Ok(unsafe { self.0.read() })
    }

    /// Replaces it.
    pub fn put(&self, value: T) -> Result<(), Status> {
        Out(self.0).put(value)
    }
}

/// A structure that begins with its version: size of the structure | number << 24. The caller
/// may have any of several structures there; nothing behind the version is touched before it is
/// known which.
#[repr(transparent)]
pub struct Versioned(*mut u32);

/// A structure with a version number of its own.
pub trait Version: Copy {
    /// The number; the size is added.
    const NUMBER: u32;
}

/// The value of a structure's `version` field.
pub fn version_of<T: Version>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX) | T::NUMBER << 24
}

impl Versioned {
    /// Whether the caller's structure is a `T`.
    pub fn is<T: Version>(&self) -> Result<bool, Status> {
        Ok(InOut(self.0).get()? == version_of::<T>())
    }

    /// The caller's structure, which must be a `T`.
    pub fn get<T: Version>(&self) -> Result<T, Status> {
        if !self.is::<T>()? {
            return Err(Status::ArgumentVersionMismatch);
        }
        // SAFETY: the version says that a whole, initialised `T` lies here.
        Ok(unsafe { self.0.cast::<T>().read() })
    }

    /// Writes a structure, which must be the caller's version.
    pub fn put<T: Version>(&self, value: T) -> Result<(), Status> {
        if !self.is::<T>()? {
            return Err(Status::ArgumentVersionMismatch);
        }
        // SAFETY: the version says that room for a `T` lies here.
        unsafe { self.0.cast::<T>().write(value) };
        Ok(())
    }
}

/// An array whose room the caller gives by other means.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Array<T>(*mut T);

impl<T: Copy> Array<T> {
    /// Whether the caller gave none.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// Writes all items; the contract of the function gives the array room for them.
    pub fn fill(&self, items: &[T]) -> Result<(), Status> {
        if items.is_empty() {
            return Ok(());
        }
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, so valid for as many items as the function's contract names; `items`
        // is a Rust slice and cannot overlap the caller's memory.
        unsafe { self.0.copy_from_nonoverlapping(items.as_ptr(), items.len()) };
        Ok(())
    }

    /// The item at `index`, which the function's contract says is there.
    pub fn get(&self, index: usize) -> Result<T, Status> {
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, and `index` is below the count that the caller gave with the array.
        Ok(unsafe { self.0.add(index).read() })
    }

    /// Replaces the item at `index`.
    pub fn set(&self, index: usize, item: T) -> Result<(), Status> {
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, and `index` is below the count that the caller gave with the array.
        unsafe { self.0.add(index).write(item) };
        Ok(())
    }

    /// NVML's size protocol: `count` holds the array's room, then the number of items. With too
    /// little room nothing is written and the answer is INSUFFICIENT_SIZE.
    pub fn fill_counted(&self, count: &InOut<u32>, items: &[T]) -> Result<(), Status> {
        let room = count.get()?;
        let needed = u32::try_from(items.len()).unwrap_or(u32::MAX);
        count.put(needed)?;
        if room < needed || (self.0.is_null() && needed > 0) {
            return Err(Status::InsufficientSize);
        }
        self.fill(items)
    }
}

/// A structure that ends in an array, of which its head says how much is used.
#[repr(transparent)]
pub struct HeadAndArray<H, T>(*mut H, std::marker::PhantomData<T>);

impl<H: Copy, T: Copy> HeadAndArray<H, T> {
    /// The part before the array.
    pub fn head(&self) -> Result<H, Status> {
        InOut(self.0).get()
    }

    /// The array; null where the structure is.
    pub fn items(&self) -> Array<T> {
        const { assert!(align_of::<T>() <= align_of::<H>()) };
        if self.0.is_null() {
            return Array(std::ptr::null_mut());
        }
        // SAFETY: the array begins where the head ends, inside the caller's structure or just
        // behind it when the array is empty; the alignment is checked above.
        Array(unsafe { self.0.add(1) }.cast())
    }
}

/// A buffer for a string.
#[repr(transparent)]
pub struct OutText(*mut u8);

impl OutText {
    /// Writes `text` and a NUL into a buffer of `length` bytes.
    pub fn put(&self, length: u32, text: &str) -> Result<(), Status> {
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        if usize::try_from(length).unwrap_or(0) <= text.len() {
            return Err(Status::InsufficientSize);
        }
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        Array(self.0).fill(&bytes)
    }
}

/// A string from the caller.
#[repr(transparent)]
pub struct InText(*const c_char);

impl InText {
    /// The string.
    pub fn get(&self) -> Result<String, Status> {
        if self.0.is_null() {
            return Err(Status::InvalidArgument);
        }
        // SAFETY: not null, so a NUL-terminated string by NVML's contract with the caller.
        let text = unsafe { CStr::from_ptr(self.0) };
        text.to_str()
            .map(str::to_owned)
            .map_err(|_| Status::InvalidArgument)
    }
}

/// A field of a structure that holds text: cut to fit, padded with NUL.
pub fn text_field<const N: usize>(text: &str) -> [u8; N] {
    let mut field = [0; N];
    let fits = text.len().min(N - 1);
    field[..fits].copy_from_slice(&text.as_bytes()[..fits]);
    field
}
