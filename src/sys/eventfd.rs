//! A counter in the kernel that processes wake each other with (eventfd(2)).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::unistd::{read, write};

/// A counter at zero, non-blocking and closed on exec. A fork shares it.
///
/// # Errors
/// Those of eventfd(2).
pub fn create() -> io::Result<OwnedFd> {
    Ok(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?.into())
}

/// Adds one, which wakes whoever waits for the counter to be more than zero.
///
/// # Errors
/// Those of write(2). That the counter is at its limit is none: then it is more than zero.
pub fn raise(counter: impl AsFd) -> io::Result<()> {
    match write(counter, &1u64.to_ne_bytes()) {
        Ok(_) | Err(Errno::EAGAIN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Sets the counter to zero; whether it was more.
pub fn take(counter: impl AsFd) -> bool {
    read(counter, &mut [0; 8]).is_ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_is_taken_once() {
        let counter = create().unwrap();
        assert!(!take(&counter));
        raise(&counter).unwrap();
        raise(&counter).unwrap();
        assert!(take(&counter));
        assert!(!take(&counter));
    }
}
