//! Others' loaders: where they come from, and how they are started.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use tokio::process::Command;

use super::child::Program;
use crate::console::say;
use crate::process::{find_program, run};
use crate::python::{PythonEnvironment, site_packages};
use crate::workspace::Workspace;

/// Where their scripts are.
const SCRIPTS: &str = "crates/xtask/assets/bench";

/// boto3 and psycopg2, as the original design and many others use them.
pub(crate) const PYTHON: PythonEnvironment =
    PythonEnvironment { name: "bench-python", packages: &["boto3==1.44.5", "psycopg2-binary==2.9.13"] };

/// Somebody else's loader.
#[derive(Debug, PartialEq)]
pub(crate) struct Peer {
    /// The name in tables.
    pub(crate) title: &'static str,
    /// Whether it reads the objects from S3 itself.
    pub(crate) reads_s3: bool,
    /// Whether it loads into a table that is there; else it makes its own.
    pub(crate) needs_table: bool,
    /// What loads with it.
    script: &'static str,
    from: From,
}

/// Where a loader comes from.
#[derive(Debug, PartialEq)]
enum From {
    /// Packages for Python, with their versions.
    Python(PythonEnvironment),
    /// Debian's packages: the program's first, then what it needs at its start.
    Debian(&'static [&'static str]),
}

/// All of them. The last versions of sling and ingestr that come whole as wheels: the ones
/// since load their program from somewhere else.
pub(crate) const PEERS: &[Peer] = &[
    Peer {
        title: "sling 1.4.11",
        reads_s3: true,
        needs_table: false,
        script: "sling_way.py",
        from: From::Python(PythonEnvironment {
            name: "bench-sling",
            packages: &["sling-linux-amd64==1.4.11"],
        }),
    },
    Peer {
        title: "dlt 1.31.0",
        reads_s3: true,
        needs_table: false,
        script: "dlt_way.py",
        from: From::Python(PythonEnvironment {
            name: "bench-dlt",
            packages: &["dlt[postgres,filesystem,s3]==1.31.0", "pandas==3.1.1", "s3fs==2026.9.0"],
        }),
    },
    Peer {
        title: "ingestr 0.15.9",
        reads_s3: true,
        needs_table: false,
        script: "ingestr_way.py",
        from: From::Python(PythonEnvironment { name: "bench-ingestr", packages: &["ingestr==0.15.9"] }),
    },
    Peer {
        title: "awswrangler 3.17.1",
        reads_s3: true,
        needs_table: false,
        script: "awswrangler_way.py",
        from: From::Python(PythonEnvironment {
            name: "bench-awswrangler",
            packages: &["awswrangler[postgres]==3.17.1"],
        }),
    },
    Peer {
        title: "pgloader 3.6.9",
        reads_s3: false,
        needs_table: true,
        script: "pgloader_way.py",
        from: From::Debian(&["pgloader", "libsybdb5", "freetds-common"]),
    },
    Peer {
        title: "ADBC 1.13.0 + pyarrow",
        reads_s3: true,
        needs_table: false,
        script: "adbc_way.py",
        from: From::Python(PythonEnvironment {
            name: "bench-adbc",
            packages: &["adbc-driver-postgresql==1.13.0", "pyarrow==26.0.1"],
        }),
    },
    Peer {
        title: "DuckDB 1.5.5",
        reads_s3: true,
        needs_table: false,
        script: "duckdb_way.py",
        from: From::Python(PythonEnvironment {
            name: "bench-duckdb",
            packages: &[
                "duckdb==1.5.5",
                "duckdb-extension-httpfs==1.5.5",
                "duckdb-extension-postgres-scanner==1.5.5",
            ],
        }),
    },
];

/// Installs what the Python way needs, and returns how it is started.
pub(crate) async fn python_way(workspace: &Workspace) -> anyhow::Result<Program> {
    start_script(workspace, &PYTHON, "python_way.py").await
}

impl Peer {
    /// Installs the loader unless it is there, and returns how it is started.
    pub(crate) async fn program(&self, workspace: &Workspace) -> anyhow::Result<Program> {
        match &self.from {
            From::Python(environment) => start_script(workspace, environment, self.script).await,
            From::Debian(packages) => {
                let (program, libraries) = debian(workspace, packages).await?;
                let python = find_program("python3").context("python3 is missing")?;
                let script = workspace.root().join(SCRIPTS).join(self.script).display().to_string();
                let program = program.display().to_string();
                let mut environment = Vec::new();
                if let Some(libraries) = libraries {
                    environment.push(("LD_LIBRARY_PATH".to_owned(), libraries.display().to_string()));
                }
                Ok(Program::new(python, &[&script, &program]).with(&environment))
            }
        }
    }
}

async fn start_script(
    workspace: &Workspace,
    environment: &PythonEnvironment,
    script: &str,
) -> anyhow::Result<Program> {
    let folder = environment.ensure(workspace).await?;
    let script = workspace.root().join(SCRIPTS).join(script).display().to_string();
    let packages = site_packages(&folder).into_iter().next().context("an environment without packages")?;
    let packages = packages.display().to_string();
    Ok(Program::new(PythonEnvironment::program(&folder, "python"), &[&script, &packages]))
}

/// Finds a program, or unpacks Debian's packages under our own tools: the system stays
/// as it is.
async fn debian(workspace: &Workspace, packages: &[&str]) -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
    let name = packages.first().context("a package")?;
    if let Some(program) = find_program(name) {
        return Ok((program, None));
    }
    let folder = workspace.tools().join(format!("bench-{name}"));
    let (program, root) = (folder.join("root/usr/bin").join(name), folder.join("root"));
    if !program.exists() {
        find_program("apt-get")
            .with_context(|| format!("{name} comes from Debian, and this is another system"))?;
        say(format!("unpacking Debian's {name}"));
        fs::create_dir_all(&root)?;
        let mut download = Command::new("apt-get");
        run(download.args(["download", "-qq"]).args(packages).current_dir(&folder)).await?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "deb") {
                run(Command::new("dpkg").arg("-x").arg(&path).arg(&root)).await?;
            }
        }
    }
    let libraries = fs::read_dir(root.join("usr/lib"))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.display().to_string().ends_with("-linux-gnu"));
    Ok((program, libraries))
}
