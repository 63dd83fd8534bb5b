//! Where things live in the repository.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The repository's folder and the folders of ours in it.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// Finds the repository from the place of this crate.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        // Cargo sets the variable for `cargo x`; the tests start the binary itself.
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map(PathBuf::from)
            .filter(|folder| folder.ends_with("crates/xtask"))
            .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
        let root = manifest
            .ancestors()
            .nth(2)
            .with_context(|| format!("{} is not inside a workspace", manifest.display()))?;
        Ok(Self { root: root.to_path_buf() })
    }

    /// Returns the repository's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the folder of the downloaded tools.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join(".tools")
    }

    /// Returns the folder of a stack's state.
    pub(crate) fn stack(&self, name: &str) -> PathBuf {
        self.root.join(".stack").join(name)
    }

    /// Returns the folder of all stacks' state.
    pub(crate) fn stacks(&self) -> PathBuf {
        self.root.join(".stack")
    }
}
