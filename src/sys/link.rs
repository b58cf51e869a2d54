//! A message channel between two processes that can carry open files (unix(7), `SOCK_SEQPACKET` and `SCM_RIGHTS`).

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::cmsg_space;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg, setsockopt,
    socketpair, sockopt,
};

/// Longest message in bytes; a sender must keep below it, a longer one is an error at the receiver.
pub const MESSAGE_BYTES: usize = 512 * 1024;
/// Most files in one message (the kernel's bound, `SCM_MAX_FD`, is 253).
const FILES: usize = 250;

/// One end of the channel.
#[derive(Debug)]
pub struct Link(OwnedFd);

/// What one `receive` gave: the message and the files that came with it; `None` when the other end has gone.
pub type Received = Option<(Vec<u8>, Vec<OwnedFd>)>;

impl Link {
    /// Both ends of a new channel. The first is closed on exec and never waits, the second is inherited by the next
    /// child.
    ///
    /// # Errors
    /// socketpair(2)
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SockFlag::empty();
        let (ours, theirs) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        super::fd::close_on_exec(ours.as_fd())?;
        socket2::SockRef::from(&ours).set_nonblocking(true)?;
        for end in [&ours, &theirs] {
            setsockopt(end, sockopt::SndBuf, &MESSAGE_BYTES)?;
        }
        Ok((Self(ours), Self(theirs)))
    }

    /// Takes over the end that was inherited as descriptor `fd`.
    ///
    /// # Errors
    /// `fd` is not open.
    pub fn inherited(fd: RawFd) -> io::Result<Self> {
        let end = super::fd::owned(fd)?;
        super::fd::close_on_exec(end.as_fd())?;
        Ok(Self(end))
    }

    /// Sends one message with files.
    ///
    /// # Errors
    /// sendmsg(2): `EPIPE` when the other end has gone, `EMSGSIZE` when the message is too long, `WouldBlock` at the
    /// end that never waits when the other one does not read.
    pub fn send(&self, message: &[u8], files: &[BorrowedFd<'_>]) -> io::Result<()> {
        let raw: Vec<RawFd> = files.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        loop {
            match sendmsg::<()>(self.0.as_raw_fd(), &[IoSlice::new(message)], control, MsgFlags::MSG_NOSIGNAL, None) {
                Err(nix::Error::EINTR) => {}
                result => return result.map(drop).map_err(Into::into),
            }
        }
    }

    /// Receives one message; waits for it, unless this is the end that never waits.
    ///
    /// # Errors
    /// recvmsg(2), `EINTR` included, so that a caller can look at its signals; `WouldBlock`; a message that was cut.
    pub fn receive(&self) -> io::Result<Received> {
        let mut buffer = vec![0; MESSAGE_BYTES];
        let mut control = cmsg_space!([RawFd; FILES]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let received = recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut control), flags)?;
        let (length, cut) = (received.bytes, received.flags.intersects(MsgFlags::MSG_TRUNC | MsgFlags::MSG_CTRUNC));
        let mut files = Vec::new();
        for message in received.cmsgs()? {
            if let ControlMessageOwned::ScmRights(fds) = message {
                // SAFETY: the kernel has just made these descriptors for us and nobody else knows them.
                files.extend(fds.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }));
            }
        }
        if cut {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message on the link was cut"));
        }
        buffer.truncate(length);
        Ok((length > 0).then_some((buffer, files)))
    }
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Link {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
