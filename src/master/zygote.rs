//! A zygote as the master sees it: a process and a link to it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use super::interpreter::Places;
use super::protocol::{Answer, Order};
use crate::sys::link::Link;
use crate::sys::{process, signals};

/// One zygote process.
#[derive(Debug)]
pub struct Zygote {
    pid: i32,
    link: Link,
}

/// What the link gave.
#[derive(Debug)]
pub enum Heard {
    /// An answer.
    Answer(Answer),
    /// Nothing for now.
    Silence,
    /// The zygote has closed its end, or says what nobody understands, and why that is the end of it.
    End(String),
}

impl Zygote {
    /// Starts a zygote in an interpreter.
    ///
    /// # Errors
    /// socketpair(2), fork(2), execve(2)
    pub fn start(places: &Places, interpreter: &Path, argv: &[String]) -> io::Result<Self> {
        let (link, theirs) = Link::pair()?;
        let child = places.start_zygote(interpreter, &theirs, argv)?;
        let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
        Ok(Self { pid, link })
    }

    /// Its process.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends an order.
    ///
    /// # Errors
    /// sendmsg(2); the zygote has gone, or has left so many orders unread that it counts as gone.
    pub fn tell(&self, order: &Order, files: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.link.send(&serde_json::to_vec(order)?, files)
    }

    /// Reads one answer, if there is one.
    pub fn hear(&self) -> Heard {
        match self.link.receive() {
            Ok(Some((message, _))) => match serde_json::from_slice(&message) {
                Ok(answer) => Heard::Answer(answer),
                Err(error) => Heard::End(format!("the interpreter's answer cannot be understood: {error}")),
            },
            Ok(None) => Heard::End("the interpreter ended before it could load the application".to_owned()),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                Heard::Silence
            }
            Err(error) => Heard::End(format!("the interpreter cannot be heard: {error}")),
        }
    }

    /// Ends it at once.
    pub fn kill(&self) {
        // It fails only when the zygote has been reaped, and then there is nothing to end.
        let _ = process::kill(self.pid, signals::KILL);
    }
}

impl AsFd for Zygote {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.as_fd()
    }
}
