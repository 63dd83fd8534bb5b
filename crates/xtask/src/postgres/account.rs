//! The account that the server runs as when this program runs as root.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::process::run;

/// An existing account of the system without rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// Picks an account if this program runs as root; otherwise none is needed.
    pub(super) fn unprivileged() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot read the accounts")?;
        match ["postgres", "nobody"].iter().find_map(|name| Self::in_accounts(&accounts, name)) {
            Some(account) => Ok(Some(account)),
            None => bail!(
                "Postgres does not run as root, and this machine has neither the account \
                 postgres nor nobody: run this as another user"
            ),
        }
    }

    fn in_accounts(accounts: &str, name: &str) -> Option<Self> {
        let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut fields = line.split(':').skip(2);
        Some(Self { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }

    /// Makes a command run as the account.
    pub(super) fn run(&self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid).env("HOME", "/");
    }

    /// Tells whether the account can go into a folder.
    pub(super) async fn can_enter(&self, folder: &Path) -> bool {
        let mut enter = Command::new("/bin/sh");
        enter.args(["-c", "cd \"$1\"", "sh"]).arg(folder).current_dir("/");
        self.run(&mut enter);
        run(&mut enter).await.is_ok()
    }

    /// Makes a folder that belongs to the account alone.
    pub(super) fn own_folder(&self, folder: &Path) -> anyhow::Result<()> {
        match fs::create_dir(folder) {
            Ok(()) => {
                fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
                chown(folder, Some(self.uid), Some(self.gid))?;
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                // Anyone may create a folder under /tmp: only our own is good enough.
                let found = fs::symlink_metadata(folder)?;
                if !found.is_dir() || found.uid() != self.uid {
                    bail!("{} exists and is not ours: remove it", folder.display());
                }
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create {}", folder.display()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let accounts = "root:x:0:0::/root:/bin/sh\n\
                        postgresql:x:7:7::/:/bin/sh\n\
                        postgres:x:101:104:administrator,,,:/var/lib:/bin/bash\n";
        assert_eq!(Account::in_accounts(accounts, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::in_accounts(accounts, "nobody"), None);
    }
}
