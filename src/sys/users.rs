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

/// Becomes `group`, then `user`, for good. Root's supplementary groups are given up: a named user gets its own, any
/// other only the group. The group itself stays what it is where only a user is given, root's group 0 too, as under
/// gunicorn.
///
/// # Errors
/// initgroups(3), setgroups(2), setgid(2), setuid(2)
pub fn become_user(user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    give_up_groups(user, group)?;
    changed_group(group).map_or(Ok(()), setgid)?;
    changed_user(user).map_or(Ok(()), setuid)?;
    Ok(())
}

/// The first step of [`become_user`], where somebody else does the others.
///
/// # Errors
/// initgroups(3), setgroups(2)
pub fn give_up_groups(user: Option<u32>, group: Option<u32>) -> io::Result<()> {
    let (user, group) = (changed_user(user), changed_group(group));
    if geteuid().is_root() && (user.is_some() || group.is_some()) {
        set_supplementary_groups(user, group.unwrap_or_else(getegid))?;
    }
    Ok(())
}

fn changed_user(user: Option<u32>) -> Option<Uid> {
    user.map(Uid::from_raw).filter(|user| *user != geteuid())
}

fn changed_group(group: Option<u32>) -> Option<Gid> {
    group.map(Gid::from_raw).filter(|group| *group != getegid())
}

fn set_supplementary_groups(user: Option<Uid>, group: Gid) -> io::Result<()> {
    match user.and_then(|user| User::from_uid(user).ok()?) {
        Some(named) => initgroups(&CString::new(named.name)?, group)?,
        None => setgroups(&[group])?,
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
