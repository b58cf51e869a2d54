//! The scoreboard's memory: an anonymous file (memfd_create(2)) mapped shared by every process of the server.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap};

use crate::scoreboard::{SLOTS, SlotCells};

/// The mapped scoreboard. It stays mapped until the process ends.
#[derive(Debug)]
pub struct Scoreboard {
    file: OwnedFd,
    slots: &'static [SlotCells],
}

impl Scoreboard {
    /// A new, empty scoreboard. Pages that no worker touches take no memory.
    ///
    /// # Errors
    /// memfd_create(2), ftruncate(2), mmap(2)
    pub fn create() -> io::Result<Self> {
        let file = File::from(memfd_create(c"gunicorn-rs-scoreboard", MFdFlags::MFD_CLOEXEC)?);
        file.set_len(size() as u64)?;
        Self::map(file.into())
    }

    /// Maps the scoreboard that another process has made.
    ///
    /// # Errors
    /// mmap(2), and a file that is too short to be one.
    pub fn map(file: OwnedFd) -> io::Result<Self> {
        let file = File::from(file);
        if file.metadata()?.len() < size() as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the scoreboard's file is too short"));
        }
        let length = NonZeroUsize::new(size()).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing of ours.
        let address = unsafe {
            mmap(None, length, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, MapFlags::MAP_SHARED, &file, 0)
        }?;
        // SAFETY: the mapping is `SLOTS` cells long, page-aligned, never unmapped, and the file is never truncated;
        // every field is an atomic for which any bytes, zeros first, are a value, so sharing it between processes is
        // sound.
        let slots = unsafe { std::slice::from_raw_parts(address.cast::<SlotCells>().as_ptr(), SLOTS as usize) };
        Ok(Self { file: file.into(), slots })
    }

    /// The cells of a slot; `None` for a number beyond the last.
    pub fn slot(&self, slot: u32) -> Option<&'static SlotCells> {
        self.slots.get(slot as usize)
    }
}

impl AsFd for Scoreboard {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

const fn size() -> usize {
    SLOTS as usize * size_of::<SlotCells>()
}
