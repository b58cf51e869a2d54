//! Users and groups: looking them up, becoming them, giving files to them.

use std::ffi::CString;
use std::io;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, chown, getegid, geteuid, initgroups, setgid, setgroups, setuid};

/// Numeric id of the user called `name`, if there is one.
pub fn user_id(name: &str) -> Option<u32> {
    Some(User::from_name(name).ok()??.uid.as_raw())
}

/// Numeric id of the group called `name`, if there is one.
pub fn group_id(name: &str) -> Option<u32> {
    Some(Group::from_name(name).ok()??.gid.as_raw())
}

/// This process's effective user and group.
pub fn effective() -> (u32, u32) {
    (geteuid().as_raw(), getegid().as_raw())
}

/// Becomes `group`, then `user`, for good: their supplementary groups replace root's, so that nothing of root is kept.
///
/// # Errors
/// setgroups(2), setgid(2), setuid(2)
pub fn become_user(user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    let is_root = geteuid().is_root();
    if let Some(group) = group.map(Gid::from_raw).filter(|group| is_root || *group != getegid()) {
        if is_root {
            set_supplementary_groups(user, group)?;
        }
        setgid(group)?;
    }
    if let Some(user) = user.map(Uid::from_raw).filter(|user| *user != geteuid()) {
        setuid(user)?;
    }
    Ok(())
}

fn set_supplementary_groups(user: Option<u32>, group: Gid) -> io::Result<()> {
    let named = user.and_then(|user| User::from_uid(Uid::from_raw(user)).ok()?);
    match named.filter(|user| !user.uid.is_root()) {
        Some(user) => initgroups(&CString::new(user.name)?, group)?,
        None if user.is_some_and(|user| user != 0) => setgroups(&[group])?,
        None => {}
    }
    Ok(())
}

/// Gives a file to a user and group.
///
/// # Errors
/// chown(2)
pub fn give(path: &Path, user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    if user.is_none() && group.is_none() {
        return Ok(());
    }
    Ok(chown(path, user.map(Uid::from_raw), group.map(Gid::from_raw))?)
}
